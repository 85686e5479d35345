"""The clock of a broker in tests: what is due happens at once, in its order, and real time still runs."""

from __future__ import annotations

import time

import pytest

from rmq.engine.timers import Timer, TimerWheel
from rmq.testing import ThreadedBroker
from tests.support import wire
from tests.support.wire import Will
from tests.support.wire_parser import Disconnect
from tests.testing.conftest import Connect

pytestmark = pytest.mark.realtime

KEEP_ALIVE_TIMEOUT = 0x8D


def test_runs_by_itself_and_jumps(running: ThreadedBroker) -> None:
    assert running.clock.now() == pytest.approx(time.time(), abs=60)
    before = running.clock.now()
    running.clock.advance(3600)
    assert 3600 <= running.clock.now() - before < 3660


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_does_not_go_back(running: ThreadedBroker, seconds: float) -> None:
    with pytest.raises(ValueError, match="back"):
        running.clock.advance(seconds)


def test_keep_alive(running: ThreadedBroker, open_client: Connect) -> None:
    silent, careless = open_client("silent"), open_client("careless")
    silent.connect(keep_alive=60)
    careless.connect(keep_alive=0)
    running.clock.advance(89)
    assert len(running.clients()) == 2
    running.clock.advance(1)
    assert [client.client_id for client in running.clients()] == ["careless"]
    assert silent.expect(Disconnect).code == KEEP_ALIVE_TIMEOUT


def test_what_was_sent_before_the_jump_counts(running: ThreadedBroker, open_client: Connect) -> None:
    client = open_client("c")
    client.connect(keep_alive=60)
    running.clock.advance(80)
    client.send_publish("a", b"1")
    running.clock.advance(80)
    assert [message.text for message in running.messages("a")] == ["1"]
    assert len(running.clients()) == 1


def test_clients_that_ping_stay(running: ThreadedBroker, open_client: Connect) -> None:
    client = open_client("c")
    client.connect(keep_alive=10)
    running.clock.advance_with_pings(24 * 3600)
    client.expect_nothing()
    running.clock.advance(15)
    assert running.clients() == []


def test_session_expiry(running: ThreadedBroker, open_client: Connect) -> None:
    client = open_client("c")
    client.connect(properties=[(wire.SESSION_EXPIRY, 7200)])
    client.close()
    running.wait_for_disconnect("c")
    running.clock.advance(7190)
    assert len(running.sessions()) == 1
    running.clock.advance(10)
    assert running.sessions() == []


def test_message_expiry(running: ThreadedBroker, open_client: Connect) -> None:
    client = open_client("c")
    client.connect(properties=[(wire.SESSION_EXPIRY, 7200)])
    client.subscribe(("a", 1))
    client.close()
    running.wait_for_disconnect("c")
    running.publish("a", "soon over", 1, expiry=60)
    running.publish("a", "for long", 1, expiry=600)
    running.clock.advance(60)
    again = open_client("c")
    assert again.connect(clean=False, properties=[(wire.SESSION_EXPIRY, 7200)]).session_present
    again.receive_publish(b"for long")
    again.expect_nothing()


def test_retained_expiry(running: ThreadedBroker) -> None:
    running.publish("a", "1", retain=True, expiry=60)
    running.clock.advance(59)
    assert len(running.retained()) == 1
    running.clock.advance(1)
    assert running.retained() == []


def test_will_delay(running: ThreadedBroker, open_client: Connect) -> None:
    client = open_client("c")
    will = Will("gone", b"c", properties=[(wire.WILL_DELAY, 30)])
    client.connect(properties=[(wire.SESSION_EXPIRY, 600)], will=will)
    client.close()
    running.wait_for_disconnect("c")
    running.clock.advance(29)
    assert running.messages("gone") == []
    running.clock.advance(1)
    assert [message.text for message in running.messages("gone")] == ["c"]


def test_one_jump_is_as_good_as_many(running: ThreadedBroker, open_client: Connect) -> None:
    """Keep alive over after 90 s, the will 30 s later, the session's end 480 s after that: each at its own time."""
    begin = running.clock.now()
    client = open_client("c")
    will = Will("gone", b"c", properties=[(wire.WILL_DELAY, 30)])
    client.connect(keep_alive=60, properties=[(wire.SESSION_EXPIRY, 600)], will=will)
    running.clock.advance(689)
    assert running.messages("gone")[0].published_at - begin == pytest.approx(120, abs=5)
    assert len(running.sessions()) == 1
    running.clock.advance(1)
    assert running.sessions() == []


def test_the_wheel_tells_what_comes_next() -> None:
    wheel = TimerWheel(1000.0, pytest.fail)
    assert wheel.next_at == 0.0
    fired: list[float] = []

    class Note(Timer):
        def fire(self, now: float) -> float:
            fired.append(now)
            return 0.0

    wheel.enter(Note(), 1250.0)
    wheel.enter(Note(), 1003.0)
    assert wheel.next_at == pytest.approx(1003.0, abs=0.2)
    for _ in range(2):
        wheel.advance(wheel.next_at)  # exactly then it fires, however the number is rounded
    assert fired == [pytest.approx(1003.0, abs=0.2), pytest.approx(1250.0, abs=0.2)]
    assert wheel.next_at == 0.0
