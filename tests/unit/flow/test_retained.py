"""Retained messages: how a large replay is paced, and how long they are kept."""

from __future__ import annotations

import pytest

from rmq.engine.broker import BrokerOptions
from rmq.mqtt.message import FROM_CLIENT, Message
from rmq.session.limits import Limits
from tests.support import wire
from tests.support.engine import Client, Engine
from tests.support.wire_parser import Puback, Publish, Suback

COUNT = 5_000
LIMIT = 20_000
LIFETIMES = pytest.mark.parametrize("expiry", [None, 1000], ids=["transient", "persistent"])


def fill(engine: Engine, count: int = COUNT, qos: int = 1, size: int = 100) -> None:
    """So many retained messages, under topics of two levels."""
    for number in range(count):
        payload = b"%05d" % number + bytes(size - 5)
        topic = f"r/{number % 50}/{number}"
        engine.broker.publish(
            Message(topic, payload, qos, True, "p", created_at=engine.broker.ctx.now, origin=FROM_CLIENT)
        )


def paced(window: int = 16) -> Limits:
    limits = Limits("tcp.paced")
    limits.out_buffer_limit = LIMIT
    limits.max_inflight = window
    return limits


def numbers(messages: list[Publish]) -> list[int]:
    return [int(message.payload[:5]) for message in messages]


def subscribed(engine: Engine, qos: int, limits: Limits, expiry: int | None) -> Client:
    """A client that takes nothing and has asked for all of them."""
    client = engine.connect("s", expiry=expiry, limits=limits)
    client.take_nothing()
    client.send(wire.subscribe(1, [("r/#", qos)]))
    return client


@LIFETIMES
@pytest.mark.parametrize(("qos", "window"), [(0, 16), (1, 16), (1, 10_000), (2, 16)])
def test_a_replay_is_paced_by_the_client_and_nothing_is_lost(
    engine: Engine, expiry: int | None, qos: int, window: int
) -> None:
    fill(engine, qos=2)
    client = subscribed(engine, qos, paced(window), expiry)
    got: list[Publish] = []
    sizes: list[int] = []
    for _ in range(3 * COUNT):
        client.take_bytes(5_000)
        sizes.append(client.channel.out_size)
        packets = client.read()
        got += [packet for packet in packets if isinstance(packet, Publish)]
        client.acknowledge(packets)
        if len(got) == COUNT:
            break
    assert sorted(numbers(got)) == list(range(COUNT))
    assert max(sizes) <= LIMIT + 200
    assert all(message.retain and not message.dup and message.qos == qos for message in got)
    assert engine.counters.messages_delivered_retain == COUNT
    assert engine.counters.messages_dropped == 0
    client.receive_all()
    assert client.channel.retained is None


@pytest.mark.parametrize("expiry", [None, 1000])
def test_with_a_delivery_rate_the_replay_keeps_to_it(engine: Engine, expiry: int | None) -> None:
    fill(engine, 3000)
    limits = paced(window=3000)
    limits.out_buffer_limit = 10_000_000
    limits.mqueue_rate = 2000
    client = engine.connect("s", expiry=expiry, limits=limits)
    client.send(wire.subscribe(1, [("r/#", 1)]))
    got = client.receive_all()
    assert len(got) == 2000
    for _ in range(10):
        engine.advance(0.1)
        got += client.receive_all()
    assert sorted(numbers(got)) == list(range(3000))


def test_live_messages_are_not_held_up_by_a_replay(engine: Engine) -> None:
    fill(engine)
    client = subscribed(engine, 0, paced(), None)
    client.take_bytes(5_000)
    engine.connect("p").publish("r/live", b"99999")
    client.take_bytes()
    got = numbers(client.receive_all())
    assert sorted(got) == [*range(COUNT), 99_999]
    assert got.index(99_999) < COUNT


def test_other_clients_get_their_turn_during_a_replay(engine: Engine) -> None:
    fill(engine)
    client = subscribed(engine, 1, paced(), None)
    other = engine.connect("other")
    other.subscribe(("live", 1))
    for number in range(20):
        client.take_bytes(3_000)
        engine.connect("p").publish("live", b"%d" % number, 1)
        assert [m.payload for m in other.receive_all()] == [b"%d" % number]


def test_a_message_replaced_during_a_replay_arrives_as_its_new_self(engine: Engine) -> None:
    fill(engine)
    client = subscribed(engine, 1, paced(), None)
    publisher = engine.connect("p")
    for number in range(COUNT):
        if number % 1000 == 999:
            publisher.publish(f"r/{number % 50}/{number}", b"%05d new" % number, 1, retain=True)
    client.take_bytes()
    got = [message.payload for message in client.receive_all()]
    for number in range(999, COUNT, 1000):
        mine = [payload for payload in got if payload.startswith(b"%05d" % number)]
        assert mine[-1] == b"%05d new" % number, mine
    assert {int(payload[:5]) for payload in got} == set(range(COUNT))


def test_one_deleted_during_a_replay_is_not_sent_any_more(engine: Engine) -> None:
    fill(engine)
    client = subscribed(engine, 1, paced(), None)
    for number in range(COUNT):
        engine.broker.publish(Message(f"r/{number % 50}/{number}", b"", 0, True, "p"))
    client.take_bytes()
    got = client.receive_all()
    assert 0 < len([m for m in got if m.retain]) < 300
    assert engine.broker.ctx.retained.count == 0


def test_unsubscribing_ends_the_replay(engine: Engine) -> None:
    fill(engine)
    client = subscribed(engine, 1, paced(), None)
    client.send(wire.unsubscribe(2, ["r/#"]))
    client.take_bytes()
    assert len(client.receive_all()) < 300
    client.send(wire.pingreq())
    assert len(client.read()) == 1


def test_several_filters_are_replayed_one_after_the_other(engine: Engine) -> None:
    fill(engine, 500)
    client = engine.connect("s", limits=paced())
    client.send(wire.subscribe(1, [("r/1/#", 1), ("r/2/+", 0), ("r/+/51", 1)], [(wire.SUBSCRIPTION_ID, 5)]))
    got = client.receive_all()
    wanted = [n for n in range(500) if n % 50 == 1] + [n for n in range(500) if n % 50 == 2] + [51]
    assert sorted(numbers(got)) == sorted(wanted)
    assert {message.get(wire.SUBSCRIPTION_ID) for message in got} == {5}


def test_the_suback_comes_first(engine: Engine) -> None:
    fill(engine, 10)
    client = engine.connect("s")
    client.send(wire.subscribe(1, [("r/#", 1)]))
    packets = client.read()
    assert isinstance(packets[0], Suback) and len(packets) == 11


def test_what_is_owed_of_a_replay_ends_with_the_connection_what_was_sent_does_not(engine: Engine) -> None:
    fill(engine)
    client = engine.connect("s", expiry=1000, limits=paced())
    client.send(wire.subscribe(1, [("r/#", 1)]))
    sent = len(client.read()) - 1
    assert sent == 16
    client.lose()
    again = engine.open(limits=paced())
    again.send(wire.connect("s", 5, False, 0, [(wire.SESSION_EXPIRY, 1000)]))
    got = again.receive_all()
    assert len(got) == 16 and all(message.dup and message.retain for message in got)


def retained(engine: Engine) -> int:
    late = engine.connect("late")
    late.subscribe(("#", 0))
    count = len(late.payloads())
    late.disconnect()
    return count


@pytest.mark.parametrize(("waited", "left"), [(0, 10), (4, 6), (9.5, 1)])
def test_a_retained_message_counts_down(engine: Engine, waited: float, left: int) -> None:
    engine.connect("p").publish("t", b"x", retain=True, properties=[(wire.MESSAGE_EXPIRY, 10)])
    engine.advance(waited)
    late = engine.connect("late")
    late.subscribe(("t", 0))
    assert late.take(Publish).get(wire.MESSAGE_EXPIRY) == left


def test_a_retained_message_ends_with_its_interval(engine: Engine) -> None:
    publisher = engine.connect("p")
    publisher.publish("t", b"x", retain=True, properties=[(wire.MESSAGE_EXPIRY, 10)])
    publisher.publish("stays", b"x", retain=True)
    engine.advance(10.3)
    assert engine.broker.ctx.retained.count == 1
    assert engine.counters.retained_expired == 1
    assert retained(engine) == 1


def test_one_that_replaces_it_has_its_own_interval(engine: Engine) -> None:
    publisher = engine.connect("p")
    publisher.publish("t", b"x", retain=True, properties=[(wire.MESSAGE_EXPIRY, 10)])
    engine.advance(5)
    publisher.publish("t", b"y", retain=True, properties=[(wire.MESSAGE_EXPIRY, 10)])
    engine.advance(6)
    assert retained(engine) == 1
    engine.advance(4.3)
    assert retained(engine) == 0


def test_a_second_message_in_the_same_instant_keeps_its_longer_interval(engine: Engine) -> None:
    publisher = engine.connect("p")
    for seconds in (5, 50):
        publisher.publish("t", b"x", retain=True, properties=[(wire.MESSAGE_EXPIRY, seconds)])
    engine.advance(6)
    assert retained(engine) == 1
    engine.advance(45)
    assert engine.broker.ctx.retained.count == 0


def test_an_interval_of_days(engine: Engine) -> None:
    engine.connect("p").publish("t", b"x", retain=True, properties=[(wire.MESSAGE_EXPIRY, 172_800)])
    for _ in range(1727):
        engine.advance(100)
    assert retained(engine) == 1
    engine.advance(101)
    assert engine.broker.ctx.retained.count == 0


def test_the_node_may_limit_how_long_they_are_kept() -> None:
    options = BrokerOptions()
    options.retained_ttl_s = 60
    engine = Engine(options)
    publisher = engine.connect("p")
    publisher.publish("none", b"x", retain=True)
    publisher.publish("longer", b"x", retain=True, properties=[(wire.MESSAGE_EXPIRY, 1000)])
    publisher.publish("shorter", b"x", retain=True, properties=[(wire.MESSAGE_EXPIRY, 10)])
    engine.advance(10.3)
    assert retained(engine) == 2
    engine.advance(50)
    assert engine.broker.ctx.retained.count == 0


def test_the_nodes_limit_is_no_message_expiry_for_those_who_are_subscribed() -> None:
    options = BrokerOptions()
    options.retained_ttl_s = 60
    engine = Engine(options)
    watcher = engine.connect("w")
    watcher.subscribe(("t", 0))
    engine.connect("p").publish("t", b"x", 1, retain=True)
    assert watcher.take(Publish).get(wire.MESSAGE_EXPIRY) is None


def test_the_store_has_limits() -> None:
    options = BrokerOptions()
    options.max_retained, options.max_retained_payload = 2, 100
    engine = Engine(options)
    watcher = engine.connect("w")
    watcher.subscribe(("#", 0))
    publisher = engine.connect("p")
    for topic, size in (("large", 101), ("a", 100), ("b", 1), ("c", 1), ("a", 2)):
        publisher.send(wire.publish(topic, bytes(size), 1, 1, True))
        assert publisher.take(Puback).code == 0
    assert len(watcher.payloads()) == 5
    assert engine.counters.retained_refused == 2
    assert engine.counters.messages_retained == 3
    publisher.publish("b", b"", retain=True)
    publisher.publish("c", b"x", retain=True)
    assert engine.broker.ctx.retained.count == 2
