"""When a will is published: at once, after its delay, at the session's end, or never; and exactly once."""

from __future__ import annotations

import pytest

from rmq.session.limits import Limits
from tests.support import wire
from tests.support.engine import Client, Engine
from tests.support.packet_notation import V311
from tests.support.wire import Will
from tests.support.wire_parser import Publish

DELAY = wire.WILL_DELAY


@pytest.fixture
def watcher(engine: Engine) -> Client:
    """Sees every will."""
    client = engine.connect("watcher")
    client.subscribe(("will/#", 2))
    return client


def will(delay: int = 0, **options: int) -> Will:
    return Will("will/a", b"gone", qos=options.get("qos", 1), properties=[(DELAY, delay)] if delay else ())


def test_without_a_delay_it_goes_when_the_connection_breaks(engine: Engine, watcher: Client) -> None:
    engine.connect("a", expiry=100, will=will()).lose()
    assert [p.payload for p in watcher.receive_all()] == [b"gone"]
    assert engine.counters.messages_publish_lastwill == 1
    engine.advance(101)
    assert watcher.read() == []


@pytest.mark.parametrize(("reason", "published"), [(None, False), (0x00, False), (0x04, True), (0x80, True)])
def test_the_reason_of_a_disconnect_decides(
    engine: Engine, watcher: Client, reason: int | None, published: bool
) -> None:
    engine.connect("a", expiry=100, will=will()).disconnect(reason)
    assert len(watcher.receive_all()) == published
    engine.advance(200)
    assert watcher.read() == []


def test_a_disconnect_takes_a_delayed_will_along(engine: Engine, watcher: Client) -> None:
    engine.connect("a", expiry=100, will=will(5)).disconnect()
    engine.advance(200)
    assert watcher.read() == []


@pytest.mark.parametrize("seconds", [0, 4.8])
def test_a_delay_is_waited_for(engine: Engine, watcher: Client, seconds: float) -> None:
    engine.connect("a", expiry=100, will=will(5)).lose()
    engine.advance(seconds)
    assert watcher.read() == []
    engine.advance(5.3 - seconds)
    assert [p.payload for p in watcher.receive_all()] == [b"gone"]
    engine.advance(200)
    assert watcher.read() == []
    assert not engine.broker.will_timers


def test_resuming_the_session_within_the_delay_cancels_it(engine: Engine, watcher: Client) -> None:
    engine.connect("a", expiry=100, will=will(5)).lose()
    engine.advance(4)
    client = engine.connect("a", clean=False, expiry=100)
    engine.advance(100)
    assert watcher.read() == []
    client.lose()
    engine.advance(200)
    assert watcher.read() == [], "the new connection came without a will"


def test_a_new_connection_brings_its_own_will(engine: Engine, watcher: Client) -> None:
    engine.connect("a", expiry=100, will=will(5)).lose()
    engine.connect("a", clean=False, expiry=100, will=Will("will/a", b"second", 1)).lose()
    assert [p.payload for p in watcher.receive_all()] == [b"second"]
    engine.advance(200)
    assert watcher.read() == []


def test_the_end_of_the_session_ends_the_delay(engine: Engine, watcher: Client) -> None:
    engine.connect("a", expiry=5, will=will(1000)).lose()
    engine.advance(4.8)
    assert watcher.read() == []
    engine.advance(0.5)
    assert [p.payload for p in watcher.receive_all()] == [b"gone"]
    engine.advance(2000)
    assert watcher.read() == []


def test_a_session_that_ends_with_its_connection_has_no_delay(engine: Engine, watcher: Client) -> None:
    engine.connect("a", expiry=0, will=will(1000)).lose()
    assert [p.payload for p in watcher.receive_all()] == [b"gone"]


def test_a_clean_start_ends_the_session_and_so_the_delay(engine: Engine, watcher: Client) -> None:
    engine.connect("a", expiry=100, will=will(50)).lose()
    engine.connect("a", clean=True, expiry=100)
    assert [p.payload for p in watcher.receive_all()] == [b"gone"]
    engine.advance(200)
    assert watcher.read() == []


def test_a_will_that_was_published_is_not_published_again_at_expiry(engine: Engine, watcher: Client) -> None:
    engine.connect("a", expiry=20, will=will(5)).lose()
    for _ in range(300):
        engine.advance(0.1)
    assert len(watcher.receive_all()) == 1


def test_a_will_that_was_published_is_not_published_again_by_a_clean_start(engine: Engine, watcher: Client) -> None:
    engine.connect("a", expiry=20, will=will(5)).lose()
    engine.advance(6)
    engine.connect("a", clean=True)
    assert len(watcher.receive_all()) == 1


@pytest.mark.parametrize("level", [V311, 5])
def test_taking_over_publishes_a_will_without_a_delay(engine: Engine, watcher: Client, level: int) -> None:
    engine.connect("a", level, will=Will("will/a", b"gone", 1))
    engine.connect("a", level)
    assert [p.payload for p in watcher.receive_all()] == [b"gone"]


def test_taking_over_to_resume_cancels_a_delayed_one(engine: Engine, watcher: Client) -> None:
    engine.connect("a", expiry=100, will=will(5))
    engine.connect("a", clean=False, expiry=100)
    engine.advance(300)
    assert watcher.read() == []


def test_taking_over_with_a_clean_start_publishes_a_delayed_one(engine: Engine, watcher: Client) -> None:
    engine.connect("a", expiry=100, will=will(5))
    engine.connect("a", clean=True, expiry=100)
    assert [p.payload for p in watcher.receive_all()] == [b"gone"]


@pytest.mark.parametrize("end", ["keep alive", "protocol error", "too large"])
def test_an_end_by_the_server_publishes_it(engine: Engine, watcher: Client, end: str) -> None:
    limits = Limits("tcp.small")
    limits.max_packet_size = 100
    client = engine.connect("a", keep_alive=10, will=will(), limits=limits)
    if end == "keep alive":
        engine.advance(16)
    elif end == "protocol error":
        client.send(wire.connect("a"))
    else:
        client.send(wire.publish("t", bytes(200)))
    assert client.closed
    assert [p.payload for p in watcher.receive_all()] == [b"gone"]


def test_a_connection_that_was_refused_had_no_will(engine: Engine, watcher: Client) -> None:
    engine.limits.allow_anonymous = False
    engine.connect("a", will=will(), code=0x87)
    engine.advance(10)
    assert watcher.read() == []


def test_all_of_the_will_arrives(engine: Engine, watcher: Client) -> None:
    properties: list[wire.Property] = [
        (wire.PAYLOAD_FORMAT, 1),
        (wire.MESSAGE_EXPIRY, 30),
        (wire.CONTENT_TYPE, "text"),
        (wire.RESPONSE_TOPIC, "answer"),
        (wire.CORRELATION_DATA, b"\0\1"),
        (wire.USER_PROPERTY, ("k", "1")),
        (wire.USER_PROPERTY, ("k", "2")),
    ]
    engine.connect("a", will=Will("will/a", b"last words", 2, True, [*properties, (DELAY, 0)])).lose()
    (message,) = watcher.receive_all()
    assert isinstance(message, Publish)
    assert (message.topic, message.payload, message.qos, message.retain) == ("will/a", b"last words", 2, False)
    assert sorted(message.properties, key=str) == sorted(properties, key=str)
    late = engine.connect("late")
    late.subscribe(("will/a", 0))
    (kept,) = late.read()
    assert isinstance(kept, Publish) and kept.retain and kept.payload == b"last words"


def test_the_expiry_of_a_delayed_will_counts_from_when_it_is_published(engine: Engine) -> None:
    watcher = engine.connect("w", expiry=1000)
    watcher.subscribe(("will/#", 1))
    last = Will("will/a", b"gone", 1, properties=[(DELAY, 50), (wire.MESSAGE_EXPIRY, 30)])
    engine.connect("a", expiry=100, will=last).lose()
    engine.advance(50.2)
    (message,) = watcher.receive_all()
    assert message.get(wire.MESSAGE_EXPIRY) == 30


def test_a_client_gets_its_own_will_after_coming_back(engine: Engine) -> None:
    client = engine.connect("a", expiry=100, will=Will("will/a", b"gone", 1))
    client.subscribe(("will/a", 1))
    client.lose()
    again = engine.open()
    again.send(wire.connect("a", 5, False, 0, [(wire.SESSION_EXPIRY, 100)]))
    assert [p.payload for p in again.receive_all()] == [b"gone"]
