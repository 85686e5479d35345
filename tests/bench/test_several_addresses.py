"""rmq-bench with several addresses, and with the time until messages are acknowledged, against mosquitto."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.bench.bench_process import bench, totals

pytestmark = pytest.mark.realtime


@pytest.fixture
def nobody() -> Iterator[int]:
    """A port on which nobody listens, and nobody else can meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def test_all_connections_go_to_the_addresses(port: int, nobody: int) -> None:
    options = ("pair", "-c", "2", "-q", "1", "-n", "20", "--at", f"127.0.0.1:{port},localhost:{port}")
    code, result = bench(nobody, *options, "--persistent")
    assert (code, result["error"], totals(result)["received"]) == (0, None, 20)


def test_only_publishers_go_to_theirs_one_after_the_other(port: int, nobody: int) -> None:
    code, result = bench(port, "pair", "-c", "4", "--publishers-at", f"127.0.0.1:{nobody},127.0.0.1:{port}")
    assert (code, result["connected"], result["failures"]) == (1, 6, {"connect: Connection refused": 2})


def test_idle_connections_are_spread_too(port: int, nobody: int) -> None:
    code, result = bench(nobody, "conn", "-c", "9", "--at", f"127.0.0.1:{port},127.0.0.1:{nobody}")
    assert (code, result["connected"]) == (1, 5)


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
@pytest.mark.parametrize("qos", ["1", "2"])
def test_the_time_until_a_message_is_acknowledged(port: int, qos: str, protocol: str) -> None:
    options = ("pair", "-c", "2", "-q", qos, "-r", "400", "-n", "200", "-V", protocol)
    code, result = bench(port, *options, "--ack-latency", "--no-spin")
    waits = result["ack_latency_us"]
    assert code == 0 and isinstance(waits, dict)
    assert 0 < waits["p50"] <= waits["p99"] <= waits["max"]
    assert waits["samples"] == 200
    assert bench(port, *options)[1]["ack_latency_us"] == {}
