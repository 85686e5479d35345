"""Retained messages (3.3.1.3): stored, replaced, cleared, sent to new subscriptions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.conftest import Clients
from tests.support import wire
from tests.support.client import Client
from tests.support.packet_notation import V5
from tests.support.wire import RETAIN_AS_PUBLISHED, RETAIN_NEVER, RETAIN_ONLY_IF_NEW
from tests.support.wire_parser import Publish, Suback


class _Retainer:
    """Publishes retained messages and takes them away again at the end."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.topics: set[str] = set()

    def retain(self, topic: str, payload: bytes, qos: int = 1, properties: wire.Properties = ()) -> None:
        self.topics.add(topic)
        self.client.publish(topic, payload, qos, True, properties)

    def clear(self) -> None:
        for topic in self.topics:
            self.client.publish(topic, b"", 1, True)


@pytest.fixture
def retainer(clients: Clients, level: int) -> Iterator[_Retainer]:
    """A retainer at the level of the test."""
    client = clients(level=level)
    client.connect()
    retainer = _Retainer(client)
    yield retainer
    retainer.clear()


@pytest.fixture
def retainer5(clients: Clients) -> Iterator[_Retainer]:
    """A retainer of version 5."""
    client = clients()
    client.connect()
    retainer = _Retainer(client)
    yield retainer
    retainer.clear()


def _subscriber(clients: Clients, level: int = V5) -> Client:
    client = clients(level=level)
    client.connect()
    return client


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_mqtt_3_3_1_6_retained_message_reaches_a_new_subscription(
    qos: int, retainer: _Retainer, clients: Clients, topic: str, level: int
) -> None:
    retainer.retain(topic, b"kept", qos)
    subscriber = _subscriber(clients, level)
    subscriber.subscribe((topic, 2))
    publish = subscriber.receive_publish(b"kept")
    assert publish.retain and publish.qos == qos and not publish.dup and publish.topic == topic
    subscriber.expect_nothing()


@pytest.mark.parametrize("granted", [0, 1, 2])
def test_mqtt_3_8_4_8_retained_qos_is_the_lower_of_both(
    granted: int, retainer: _Retainer, clients: Clients, topic: str, level: int
) -> None:
    retainer.retain(topic, b"kept", 2)
    subscriber = _subscriber(clients, level)
    subscriber.subscribe((topic, granted))
    assert subscriber.receive_publish(b"kept").qos == granted


def test_mqtt_3_3_1_9_live_message_does_not_carry_the_flag(
    retainer: _Retainer, clients: Clients, topic: str, level: int
) -> None:
    subscriber = _subscriber(clients, level)
    subscriber.subscribe((topic, 1))
    retainer.retain(topic, b"live")
    assert subscriber.receive_publish(b"live").retain is False


def test_mqtt_3_3_1_5_last_message_replaces(retainer: _Retainer, clients: Clients, topic: str, level: int) -> None:
    for number in range(5):
        retainer.retain(topic, b"%d" % number, number % 3)
    subscriber = _subscriber(clients, level)
    subscriber.subscribe((topic, 2))
    subscriber.receive_publish(b"4")
    subscriber.expect_nothing()


def test_mqtt_3_3_1_6_empty_payload_clears(retainer: _Retainer, clients: Clients, topic: str, level: int) -> None:
    retainer.retain(topic, b"kept")
    watcher = _subscriber(clients, level)
    watcher.subscribe((topic, 1))
    watcher.receive_publish(b"kept")
    retainer.retain(topic, b"")
    cleared = watcher.receive_publish(b"")
    assert cleared.retain is False, "[MQTT-3.3.1-12 (v5), 3.3.1.3]: passed on like any message, and not stored"
    subscriber = _subscriber(clients, level)
    subscriber.subscribe((topic, 1))
    subscriber.expect_nothing()


def test_mqtt_3_3_1_8_message_without_the_flag_leaves_the_retained_one(
    retainer: _Retainer, clients: Clients, topic: str, level: int
) -> None:
    retainer.retain(topic, b"kept")
    retainer.client.publish(topic, b"passing")
    retainer.client.publish(topic, b"")
    subscriber = _subscriber(clients, level)
    subscriber.subscribe((topic, 1))
    subscriber.receive_publish(b"kept")
    subscriber.expect_nothing()


def test_mqtt_3_3_1_6_wildcards_find_all_retained(
    retainer: _Retainer, clients: Clients, topic: str, level: int
) -> None:
    names = [topic, f"{topic}/a", f"{topic}/b", f"{topic}/a/x", f"{topic}/b/x", f"{topic}//x", f"{topic}/"]
    for name in names:
        retainer.retain(name, name.encode())
    expected = {
        f"{topic}/#": set(names),
        f"{topic}/+": {f"{topic}/a", f"{topic}/b", f"{topic}/"},
        f"{topic}/+/x": {f"{topic}/a/x", f"{topic}/b/x", f"{topic}//x"},
        f"{topic}/a/#": {f"{topic}/a", f"{topic}/a/x"},
        f"+/{topic.split('/')[1]}/b": {f"{topic}/b"},
        f"{topic}/none/#": set(),
    }
    for topic_filter, topics in expected.items():
        subscriber = _subscriber(clients, level)
        subscriber.subscribe((topic_filter, 1))
        packets = subscriber.receive_publishes(len(topics))
        assert {packet.topic for packet in packets} == topics, topic_filter
        assert all(packet.retain and packet.payload == packet.topic.encode() for packet in packets)
        subscriber.expect_nothing()


def test_mqtt_4_7_2_1_retained_dollar_topics_need_their_name(
    retainer: _Retainer, clients: Clients, unique: str, level: int
) -> None:
    retainer.retain(f"${unique}/x", b"hidden")
    subscriber = _subscriber(clients, level)
    subscriber.subscribe((f"+/x/{unique}/#", 1), ("+/x", 1), ("#", 1))
    assert f"${unique}/x" not in [getattr(packet, "topic", "") for packet in subscriber.drain()]
    other = _subscriber(clients, level)
    other.subscribe((f"${unique}/#", 1))
    other.receive_publish(b"hidden")


def test_mqtt_3_8_4_3_subscribing_again_sends_retained_again(
    retainer: _Retainer, clients: Clients, topic: str, level: int
) -> None:
    retainer.retain(topic, b"kept")
    subscriber = _subscriber(clients, level)
    for _ in range(3):
        subscriber.subscribe((topic, 1))
        assert subscriber.receive_publish(b"kept").retain
    subscriber.expect_nothing()


def test_mqtt_3_8_4_one_subscribe_of_overlapping_filters_sends_retained_for_each(
    retainer: _Retainer, clients: Clients, topic: str, level: int
) -> None:
    retainer.retain(f"{topic}/a", b"kept")
    subscriber = _subscriber(clients, level)
    subscriber.subscribe((f"{topic}/a", 1), (f"{topic}/#", 1))
    packets = subscriber.drain()
    assert len(packets) in (1, 2), "the messages matching each filter; a server may send one where filters overlap"


@pytest.mark.parametrize("level", [5], ids=["v5"])
@pytest.mark.parametrize(("handling", "first", "again"), [(0, 1, 1), (RETAIN_ONLY_IF_NEW, 1, 0), (RETAIN_NEVER, 0, 0)])
def test_mqtt_3_3_1_10_retain_handling(
    handling: int, first: int, again: int, retainer: _Retainer, clients: Clients, topic: str, level: int
) -> None:
    retainer.retain(topic, b"kept")
    subscriber = _subscriber(clients)
    subscriber.subscribe((topic, 1 | handling))
    assert len(subscriber.receive_publishes(first)) == first
    subscriber.expect_nothing()
    subscriber.subscribe((topic, 1 | handling))
    assert len(subscriber.receive_publishes(again)) == again
    subscriber.expect_nothing()
    # After an UNSUBSCRIBE the subscription is a new one again.
    subscriber.unsubscribe(topic)
    subscriber.subscribe((topic, 1 | handling))
    assert len(subscriber.receive_publishes(first)) == first
    subscriber.expect_nothing()


def test_mqtt_3_3_1_10_retain_handling_1_knows_the_subscriptions_of_a_resumed_session(
    retainer5: _Retainer, clients: Clients, topic: str
) -> None:
    keep = [(wire.SESSION_EXPIRY, 100)]
    first = clients()
    first.connect(properties=keep)
    first.subscribe((topic, 1 | RETAIN_ONLY_IF_NEW))
    first.disconnect()
    retainer5.retain(topic, b"kept")
    second = clients(first.client_id)
    assert second.connect(clean=False, properties=keep).session_present
    second.receive_publish(b"kept")
    second.subscribe((topic, 1 | RETAIN_ONLY_IF_NEW))
    second.expect_nothing()


def test_mqtt_3_3_1_12_retain_as_published(retainer5: _Retainer, clients: Clients, topic: str) -> None:
    with_flag, without = _subscriber(clients), _subscriber(clients)
    with_flag.subscribe((topic, 1 | RETAIN_AS_PUBLISHED))
    without.subscribe((topic, 1))
    retainer5.retain(topic, b"set")
    retainer5.client.publish(topic, b"not set")
    assert [with_flag.receive_publish(b"set").retain, with_flag.receive_publish(b"not set").retain] == [True, False]
    assert [without.receive_publish(b"set").retain, without.receive_publish(b"not set").retain] == [False, False]
    late = _subscriber(clients)
    late.subscribe((topic, 1))
    assert late.receive_publish(b"set").retain, "to a new subscription always with the flag"


def test_mqtt_3_3_1_retain_as_published_survives_the_queue(retainer5: _Retainer, clients: Clients, topic: str) -> None:
    keep = [(wire.SESSION_EXPIRY, 100)]
    first = clients()
    first.connect(properties=keep)
    first.subscribe((f"{topic}/flag", 1 | RETAIN_AS_PUBLISHED), (f"{topic}/plain", 1))
    first.disconnect()
    retainer5.retain(f"{topic}/flag", b"1")
    retainer5.retain(f"{topic}/plain", b"2")
    second = clients(first.client_id)
    second.connect(clean=False, properties=keep)
    got = {packet.topic: packet.retain for packet in second.receive_publishes(2)}
    assert got == {f"{topic}/flag": True, f"{topic}/plain": False}


def test_mqtt_3_3_2_retained_message_keeps_its_properties(retainer5: _Retainer, clients: Clients, topic: str) -> None:
    properties: wire.Properties = [
        (wire.PAYLOAD_FORMAT, 1),
        (wire.CONTENT_TYPE, "text/plain"),
        (wire.RESPONSE_TOPIC, "r"),
        (wire.CORRELATION_DATA, b"\0\xff"),
        (wire.USER_PROPERTY, ("b", "1")),
        (wire.USER_PROPERTY, ("a", "2")),
        (wire.USER_PROPERTY, ("b", "1")),
    ]
    retainer5.retain(topic, b"kept", 1, properties)
    subscriber = _subscriber(clients)
    subscriber.subscribe((topic, 1))
    publish = subscriber.receive_publish(b"kept")
    assert sorted(pair[0] for pair in publish.properties) == sorted(pair[0] for pair in properties)
    assert all(publish.get(number) == value for number, value in properties[:4])
    assert publish.all(wire.USER_PROPERTY) == [("b", "1"), ("a", "2"), ("b", "1")]


def test_mqtt_3_3_1_retained_outlives_the_session_of_its_publisher(clients: Clients, topic: str, level: int) -> None:
    publisher = clients(level=level)
    publisher.connect(clean=True)
    publisher.publish(topic, b"kept", 1, True)
    publisher.disconnect()
    subscriber = _subscriber(clients, level)
    subscriber.subscribe((topic, 1))
    assert subscriber.receive_publish(b"kept").retain
    cleaner = _subscriber(clients, level)
    cleaner.publish(topic, b"", 1, True)


@pytest.mark.parametrize("qos", [0, 1])
def test_many_retained_messages_arrive_once_each_and_never_after_a_newer_one(
    qos: int, clients: Clients, topic: str, level: int
) -> None:
    count = 3000
    publisher = _subscriber(clients, level)
    publisher.send(
        b"".join(wire.publish(f"{topic}/{number}", b"old", retain=True, level=level) for number in range(count))
    )
    publisher.expect_nothing()
    reader = _subscriber(clients, level)
    # The new values come while the old ones are still on their way to the reader.
    reader.send(wire.subscribe(1, [(f"{topic}/#", qos)], level=level))
    publisher.send(
        b"".join(wire.publish(f"{topic}/{number}", b"new", retain=True, level=level) for number in range(0, count, 100))
    )
    publisher.expect_nothing()
    reader.expect(Suback)
    last: dict[str, bytes] = {}
    seen = 0
    while batch := [packet for packet in reader.drain() if isinstance(packet, Publish)]:
        for packet in batch:
            last[packet.topic] = packet.payload
            seen += 1
        reader.send(b"".join(wire.puback(packet.packet_id) for packet in batch if packet.qos))
    assert len(last) == count
    assert seen <= count + count // 100
    assert {name for name, payload in last.items() if payload == b"new"} == {
        f"{topic}/{number}" for number in range(0, count, 100)
    }
    publisher.send(b"".join(wire.publish(f"{topic}/{number}", retain=True, level=level) for number in range(count)))
    publisher.expect_nothing()
