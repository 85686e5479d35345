"""What a PUBLISH to one receiver costs and carries: topic aliases, Maximum Packet Size, subscription identifiers."""

from __future__ import annotations

import pytest

from rmq.session.topic_alias import MAX_CANDIDATES, OutboundAliases
from tests.support import wire
from tests.support.engine import Client, Engine
from tests.support.packet_notation import V311

LIFETIMES = pytest.mark.parametrize("expiry", [None, 1000], ids=["transient", "persistent"])


class Reader:
    """Reads like a client that keeps the aliases it is told."""

    def __init__(self, client: Client, maximum: int) -> None:
        self.client = client
        self.maximum = maximum
        self.topics: dict[int, str] = {}
        self.with_name = 0

    def read(self) -> list[tuple[str, bytes]]:
        messages = []
        for packet in self.client.receive_all():
            alias = packet.get(wire.TOPIC_ALIAS)
            topic = packet.topic
            if topic:
                self.with_name += 1
            if isinstance(alias, int):
                assert 1 <= alias <= self.maximum  # [MQTT-3.1.2-26], [MQTT-3.1.2-27]
                if topic:
                    self.topics[alias] = topic
                topic = self.topics[alias]
            messages.append((topic, packet.payload))
        return messages


def aliasing(engine: Engine, maximum: int, *filters: tuple[str, int], expiry: int | None = None) -> Reader:
    client = engine.connect("s", expiry=expiry, properties=[(wire.TOPIC_ALIAS_MAXIMUM, maximum)])
    client.subscribe(*(filters or (("#", 1),)))
    return Reader(client, maximum)


@LIFETIMES
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_topic_is_named_once(engine: Engine, expiry: int | None, qos: int) -> None:
    reader = aliasing(engine, 5, ("#", qos), expiry=expiry)
    publisher = engine.connect("p")
    for number in range(10):
        publisher.publish("long/topic/name", b"%d" % number, qos)
    assert reader.read() == [("long/topic/name", b"%d" % number) for number in range(10)]
    assert reader.with_name == 1


def test_more_topics_than_aliases(engine: Engine) -> None:
    reader = aliasing(engine, 3)
    publisher = engine.connect("p")
    sent = [(f"t/{number % 7}", b"%d" % number) for number in range(100)]
    for topic, payload in sent:
        publisher.publish(topic, payload)
    assert reader.read() == sent


def test_a_topic_that_is_used_more_takes_an_alias_over(engine: Engine) -> None:
    reader = aliasing(engine, 2)
    publisher = engine.connect("p")
    for topic in ("once", "twice", "twice", *["often"] * 20):
        publisher.publish(topic)
    assert [topic for topic, _ in reader.read()] == ["once", "twice", "twice", *["often"] * 20]
    assert reader.with_name <= 5
    assert "often" in reader.topics.values() and "twice" in reader.topics.values()
    reader.with_name = 0
    publisher.publish("once")
    publisher.publish("twice")
    publisher.publish("often")
    assert [topic for topic, _ in reader.read()] == ["once", "twice", "often"]
    assert reader.with_name == 1


def test_aliases_end_with_the_connection(engine: Engine) -> None:
    reader = aliasing(engine, 5, expiry=1000)
    publisher = engine.connect("p")
    publisher.publish("t", b"1", 1)
    publisher.publish("t", b"2", 1)
    reader.read()
    reader.client.lose()
    publisher.publish("t", b"3", 1)
    again = engine.open()
    properties = [(wire.SESSION_EXPIRY, 1000), (wire.TOPIC_ALIAS_MAXIMUM, 5)]
    again.send(wire.connect("s", 5, False, 0, properties))
    assert Reader(again, 5).read() == [("t", b"3")]


@pytest.mark.parametrize("maximum", [None, 0])
def test_nobody_gets_an_alias_who_did_not_ask(engine: Engine, maximum: int | None) -> None:
    properties = [] if maximum is None else [(wire.TOPIC_ALIAS_MAXIMUM, maximum)]
    client = engine.connect("s", properties=properties)
    client.subscribe(("#", 0))
    for _ in range(3):
        engine.connect("p").publish("t")
    assert all(p.topic == "t" and p.get(wire.TOPIC_ALIAS) is None for p in client.receive_all())


def test_the_listener_limits_how_many_are_kept(engine: Engine) -> None:
    engine.limits.max_outbound_topic_aliases = 2
    reader = aliasing(engine, 100)
    reader.maximum = 2
    publisher = engine.connect("p")
    for number in range(30):
        publisher.publish(f"t/{number % 10}")
    assert len(reader.read()) == 30
    assert len(reader.topics) == 2


def test_an_old_favourite_can_be_replaced_in_the_end() -> None:
    aliases = OutboundAliases(1)
    aliases.assign("old")
    for _ in range(1000):
        assert aliases.known("old") == 1
    for number in range(20 * MAX_CANDIDATES):
        aliases.assign(f"now and then/{number}")
    assert aliases.known("old") == 0
    aliases.assign("new")
    aliases.assign("new")
    assert aliases.known("new") == 1 and list(aliases.alias_of) == ["new"]
    assert len(aliases.candidates) <= MAX_CANDIDATES


def publish_size(qos: int, topic: str, payload: int) -> int:
    return len(wire.publish(topic, bytes(payload), qos, 1))


TOPIC = "some/topic"


@LIFETIMES
@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("aliases", [0, 5])
def test_what_is_larger_than_the_client_takes_is_dropped_and_nothing_gets_stuck(
    engine: Engine, expiry: int | None, qos: int, aliases: int
) -> None:
    properties = [(wire.MAXIMUM_PACKET_SIZE, publish_size(qos, TOPIC, 50)), (wire.RECEIVE_MAXIMUM, 1)]
    if aliases:
        properties.append((wire.TOPIC_ALIAS_MAXIMUM, aliases))
    client = engine.connect("s", expiry=expiry, properties=properties)
    client.subscribe((TOPIC, qos))
    publisher = engine.connect("p")
    for size in (58, 50, 500, 1, 58, 50):
        publisher.publish(TOPIC, bytes(size), qos)
    assert [len(m.payload) for m in client.receive_all()] == [50, 1, 50]
    assert engine.counters.dropped_too_large == engine.counters.messages_dropped == 3
    if qos:
        outbound = engine.session("s").outbound
        assert outbound is not None and len(outbound) == outbound.inflight == 0


@pytest.mark.parametrize("qos", [0, 1])
def test_a_packet_that_only_fits_without_an_alias_goes_without(engine: Engine, qos: int) -> None:
    properties = [(wire.MAXIMUM_PACKET_SIZE, publish_size(qos, "t", 50)), (wire.TOPIC_ALIAS_MAXIMUM, 5)]
    client = engine.connect("s", properties=properties)
    client.subscribe(("t", qos))
    publisher = engine.connect("p")
    for size in (1, 50, 50, 51):
        publisher.publish("t", bytes(size), qos)
    assert [len(m.payload) for m in client.receive_all()] == [1, 50, 50]


def test_one_receiver_that_takes_less_does_not_concern_the_others(engine: Engine) -> None:
    small = engine.connect("small", properties=[(wire.MAXIMUM_PACKET_SIZE, 50)])
    old = engine.connect("old", V311)
    for client in (small, old):
        client.subscribe(("t", 1))
    engine.connect("p").publish("t", bytes(100), 1)
    assert small.receive_all() == []
    assert len(old.receive_all()) == 1


def test_properties_count_towards_the_size(engine: Engine) -> None:
    client = engine.connect("s", properties=[(wire.MAXIMUM_PACKET_SIZE, 60)])
    client.subscribe(("t", 1), properties=[(wire.SUBSCRIPTION_ID, 1)])
    publisher = engine.connect("p")
    publisher.publish("t", bytes(40), 1)
    publisher.publish("t", bytes(40), 1, properties=[(wire.USER_PROPERTY, ("key", "value" * 5))])
    assert len(client.receive_all()) == 1
    assert engine.counters.dropped_too_large == 1


def test_a_retained_message_that_is_too_large_is_left_out(engine: Engine) -> None:
    publisher = engine.connect("p")
    for size in (10, 100, 20):
        publisher.publish(f"t/{size}", bytes(size), 1, retain=True)
    for expiry in (None, 1000):
        client = engine.connect("s", expiry=expiry, properties=[(wire.MAXIMUM_PACKET_SIZE, 60)])
        client.subscribe(("t/#", 1))
        assert sorted(len(m.payload) for m in client.receive_all()) == [10, 20]


def test_overlapping_subscriptions_are_one_delivery_with_all_identifiers(engine: Engine) -> None:
    client = engine.connect("s")
    client.subscribe(("a/#", 0), properties=[(wire.SUBSCRIPTION_ID, 1)])
    client.subscribe(("a/+", 2), properties=[(wire.SUBSCRIPTION_ID, 200)])
    client.subscribe(("a/b", 1))
    engine.connect("p").publish("a/b", b"x", 2)
    (message,) = client.receive_all()
    assert message.qos == 2
    assert sorted(str(i) for i in message.all(wire.SUBSCRIPTION_ID)) == ["1", "200"]
