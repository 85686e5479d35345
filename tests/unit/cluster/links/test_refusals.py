"""Refusals: every one counted, each reason and peer logged once a minute, within bounds."""

from __future__ import annotations

from rmq_cluster.links.counters import LinkCounters
from rmq_cluster.links.refusals import MAX_KEYS, QUIET_S, Refusals
from structlog.testing import capture_logs


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_reason_of_a_peer_is_logged_once_a_minute() -> None:
    counters, clock = LinkCounters(), Clock()
    refusals = Refusals(counters, clock)
    with capture_logs() as logged:
        for _ in range(5):
            refusals.refused("bad_proof", "10.0.0.9", "another secret")
        clock.now += QUIET_S - 1
        refusals.refused("bad_proof", "10.0.0.9", "another secret")
        assert len(logged) == 1
        clock.now += 1
        refusals.refused("bad_proof", "10.0.0.9", "another secret")
    assert [line["more_since_last"] for line in logged] == [0, 5]
    assert logged[0] == {
        "event": "cluster handshake refused",
        "log_level": "warning",
        "peer": "10.0.0.9",
        "reason": "bad_proof",
        "text": "another secret",
        "more_since_last": 0,
    }
    assert counters.refusals["bad_proof"] == 7


def test_other_reasons_and_peers_have_lines_of_their_own() -> None:
    refusals = Refusals(LinkCounters(), Clock())
    with capture_logs() as logged:
        refusals.refused("bad_proof", "10.0.0.9", "")
        refusals.refused("timeout", "10.0.0.9", "")
        refusals.refused("timeout", "10.0.0.8", "")
        refusals.unreachable("node 1", "Connection refused")
    assert len(logged) == 4


def test_strangers_from_everywhere_fill_neither_memory_nor_log() -> None:
    counters, clock = LinkCounters(), Clock()
    refusals = Refusals(counters, clock)
    with capture_logs() as logged:
        for number in range(3 * MAX_KEYS):
            refusals.refused("malformed", f"stranger {number}", "")
        assert len(logged) == MAX_KEYS
        clock.now += QUIET_S
        refusals.refused("malformed", "another", "")
        assert len(logged) == MAX_KEYS + 1
    assert counters.refusals["malformed"] == 3 * MAX_KEYS + 1
