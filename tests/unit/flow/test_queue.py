"""The message queue of a session: its limit, what is dropped over it, expiry in it, and the delivery rate."""

from __future__ import annotations

import pytest

from rmq.session.limits import Limits
from tests.support import wire
from tests.support.engine import Client, Engine
from tests.support.wire_parser import Publish


def limited(window: int, queue: int, *, newest: bool = False, rate: int = 0, interval_s: float = 1.0) -> Limits:
    limits = Limits("tcp.limited")
    limits.max_inflight = window
    limits.max_mqueue_len = queue
    limits.drop_newest = newest
    limits.mqueue_rate = rate
    limits.mqueue_rate_interval_s = interval_s
    return limits


def send_numbers(publisher: Client, count: int, qos: int = 1, topic: str = "t") -> None:
    for number in range(count):
        publisher.publish(topic, b"%d" % number, qos)


def numbers(messages: list[Publish]) -> list[int]:
    return [int(message.payload) for message in messages]


def resume(engine: Engine, client_id: str, limits: Limits) -> Client:
    client = engine.open(limits=limits)
    client.send(wire.connect(client_id, 5, False, 0, [(wire.SESSION_EXPIRY, 1000)]))
    return client


LIFETIMES = pytest.mark.parametrize("expiry", [None, 1000], ids=["transient", "persistent"])


@LIFETIMES
@pytest.mark.parametrize("qos", [1, 2])
@pytest.mark.parametrize(("newest", "kept"), [(True, range(7)), (False, [0, 1, 2, 6, 7, 8, 9])])
def test_a_client_that_does_not_acknowledge(
    engine: Engine, expiry: int | None, qos: int, newest: bool, kept: range | list[int]
) -> None:
    client = engine.connect("s", expiry=expiry, limits=limited(3, 4, newest=newest))
    client.subscribe(("t", qos))
    send_numbers(engine.connect("p"), 10, qos)
    assert numbers(client.receive_all()) == list(kept)
    assert engine.counters.dropped_queue_full == engine.counters.messages_dropped == 3


@pytest.mark.parametrize(("newest", "kept"), [(True, range(4)), (False, range(6, 10))])
def test_a_client_that_is_away(engine: Engine, newest: bool, kept: range) -> None:
    limits = limited(3, 4, newest=newest)
    client = engine.connect("s", expiry=1000, limits=limits)
    client.subscribe(("t", 1))
    client.lose()
    send_numbers(engine.connect("p"), 10)
    assert engine.broker.refresh_stats().message_queues.count == 4
    assert numbers(resume(engine, "s", limits).receive_all()) == list(kept)
    assert engine.counters.dropped_queue_full == engine.counters.messages_dropped == 6


@pytest.mark.parametrize(("newest", "kept"), [(True, range(6)), (False, [0, 1, 6, 7, 8, 9])])
def test_what_was_sent_before_it_went_away_is_not_dropped(
    engine: Engine, newest: bool, kept: range | list[int]
) -> None:
    limits = limited(3, 4, newest=newest)
    client = engine.connect("s", expiry=1000, limits=limits)
    client.subscribe(("t", 1))
    publisher = engine.connect("p")
    send_numbers(publisher, 2)
    client.lose()
    for number in range(2, 10):
        publisher.publish("t", b"%d" % number, 1)
    messages = resume(engine, "s", limits).receive_all()
    assert numbers(messages) == list(kept)
    assert [message.dup for message in messages] == [True] * 2 + [False] * (len(messages) - 2)
    assert engine.counters.dropped_queue_full == 10 - len(messages)


@LIFETIMES
def test_a_queue_of_no_length_still_has_the_window(engine: Engine, expiry: int | None) -> None:
    client = engine.connect("s", expiry=expiry, limits=limited(2, 0))
    client.subscribe(("t", 1))
    publisher = engine.connect("p")
    send_numbers(publisher, 5)
    assert numbers(client.receive_all()) == [0, 1]
    send_numbers(publisher, 1)
    assert numbers(client.receive_all()) == [0]
    assert engine.counters.dropped_queue_full == 3


def test_the_publisher_is_answered_all_the_same(engine: Engine) -> None:
    client = engine.connect("s", limits=limited(1, 0))
    client.subscribe(("t", 1))
    publisher = engine.connect("p")
    assert [publisher.publish("t", b"x", 1) for _ in range(3)] == [0, 0, 0]


def test_qos0_never_waits_behind_a_full_window(engine: Engine) -> None:
    client = engine.connect("s", limits=limited(1, 10))
    client.subscribe(("t", 1))
    publisher = engine.connect("p")
    send_numbers(publisher, 3)
    publisher.publish("t", b"0", 0)
    assert [getattr(p, "qos", None) for p in client.read()] == [1, 0]


@pytest.mark.parametrize("asked", [1, 5, 65_535, None])
def test_the_window_is_the_smaller_of_both_sides(engine: Engine, asked: int | None) -> None:
    properties = [] if asked is None else [(wire.RECEIVE_MAXIMUM, asked)]
    client = engine.connect("s", properties=properties, limits=limited(7, 100))
    client.subscribe(("t", 2))
    send_numbers(engine.connect("p"), 20, 2)
    first = client.read()
    assert len(first) == min(asked or 65_535, 7)
    client.acknowledge(first[:1])  # PUBREC doesn't free the place [MQTT-4.9.0-2]
    (pubrel,) = client.read()
    client.acknowledge([pubrel])
    assert len(client.read()) == 1


@LIFETIMES
def test_what_expired_in_the_queue_is_dropped_when_its_turn_comes(engine: Engine, expiry: int | None) -> None:
    client = engine.connect("s", expiry=expiry, limits=limited(1, 100))
    client.subscribe(("t", 1))
    publisher = engine.connect("p")
    publisher.publish("t", b"0", 1)
    for number, seconds in ((1, 5), (2, 50), (3, 5)):
        publisher.publish("t", b"%d" % number, 1, properties=[(wire.MESSAGE_EXPIRY, seconds)])
    engine.advance(10)
    messages = client.receive_all()
    assert numbers(messages) == [0, 2]
    assert messages[1].get(wire.MESSAGE_EXPIRY) == 40
    assert engine.counters.dropped_expired == engine.counters.messages_dropped == 2
    outbound = engine.session("s").outbound
    assert outbound is not None and len(outbound) == outbound.inflight == 0


def test_what_was_sent_in_time_is_sent_again_after_its_time(engine: Engine) -> None:
    # Its delivery had begun [MQTT-3.3.2-5]; the expiry never gets negative.
    limits = limited(5, 100)
    client = engine.connect("s", expiry=1000, limits=limits)
    client.subscribe(("t", 1))
    engine.connect("p").publish("t", b"0", 1, properties=[(wire.MESSAGE_EXPIRY, 5)])
    assert len(client.read()) == 1
    client.lose()
    engine.advance(60)
    (message,) = resume(engine, "s", limits).receive_all()
    assert message.dup and message.get(wire.MESSAGE_EXPIRY) == 0


@pytest.mark.parametrize(("waited", "left"), [(0, 10), (0.4, 10), (3, 7), (9.2, 1), (10.1, None)])
def test_the_expiry_is_counted_down_while_a_client_is_away(engine: Engine, waited: float, left: int | None) -> None:
    limits = limited(5, 100)
    client = engine.connect("s", expiry=1000, limits=limits)
    client.subscribe(("t", 1))
    client.lose()
    engine.connect("p").publish("t", b"0", 1, properties=[(wire.MESSAGE_EXPIRY, 10)])
    engine.advance(waited)
    messages = resume(engine, "s", limits).receive_all()
    assert [message.get(wire.MESSAGE_EXPIRY) for message in messages] == ([] if left is None else [left])


def test_the_listener_gives_messages_an_expiry_that_have_none(engine: Engine) -> None:
    engine.limits.message_expiry_interval = 30
    client = engine.connect("s")
    client.subscribe(("t", 1))
    publisher = engine.connect("p")
    publisher.publish("t", b"own", 1, properties=[(wire.MESSAGE_EXPIRY, 100)])
    publisher.publish("t", b"none", 1)
    assert [message.get(wire.MESSAGE_EXPIRY) for message in client.receive_all()] == [100, 30]


@LIFETIMES
def test_the_rate_spreads_what_waits(engine: Engine, expiry: int | None) -> None:
    client = engine.connect("s", expiry=expiry, limits=limited(100, 1000, rate=10))
    client.subscribe(("t", 1))
    send_numbers(engine.connect("p"), 50)
    got = client.receive_all()
    assert len(got) == 10
    per_second: list[int] = []
    for _ in range(4):
        before = len(got)
        for _ in range(10):
            engine.advance(0.1)
            got += client.receive_all()
        per_second.append(len(got) - before)
    assert all(9 <= count <= 11 for count in per_second), per_second
    for _ in range(10):
        engine.advance(0.1)
        got += client.receive_all()
    assert numbers(got) == list(range(50))
    assert engine.counters.messages_dropped == 0


def test_the_rate_has_its_own_interval(engine: Engine) -> None:
    client = engine.connect("s", limits=limited(100, 1000, rate=5, interval_s=10.0))
    client.subscribe(("t", 1))
    send_numbers(engine.connect("p"), 20)
    assert len(client.receive_all()) == 5
    got = []
    for _ in range(99):
        engine.advance(0.1)
        got += client.receive_all()
    assert 4 <= len(got) <= 5


def test_the_rate_drops_qos0(engine: Engine) -> None:
    client = engine.connect("s", limits=limited(100, 1000, rate=10))
    client.subscribe(("t", 0))
    publisher = engine.connect("p")
    send_numbers(publisher, 25, 0)
    assert len(client.payloads()) == 10
    engine.advance(0.5)
    send_numbers(publisher, 25, 0)
    assert len(client.payloads()) == 5
    assert engine.counters.dropped_rate == engine.counters.messages_dropped == 35


def test_an_idle_client_does_not_save_up_more_than_one_interval(engine: Engine) -> None:
    client = engine.connect("s", limits=limited(100, 1000, rate=10))
    client.subscribe(("t", 1))
    engine.advance(3600)
    send_numbers(engine.connect("p"), 50)
    assert len(client.receive_all()) == 10


def test_the_rate_wait_ends_with_the_connection(engine: Engine) -> None:
    limits = limited(100, 1000, rate=10)
    client = engine.connect("s", expiry=1000, limits=limits)
    client.subscribe(("t", 1))
    send_numbers(engine.connect("p"), 15)
    got = client.receive_all()
    client.lose()
    engine.advance(1)
    assert numbers(got) == list(range(10))
    assert numbers(resume(engine, "s", limits).receive_all()) == list(range(10, 15))
