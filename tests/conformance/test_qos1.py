"""QoS 0 and 1 (4.3.1, 4.3.2): acknowledgement, delivery, downgrade, redelivery on resume."""

from __future__ import annotations

import pytest

from tests.conformance.conftest import Clients
from tests.support import wire
from tests.support.packet_notation import V5
from tests.support.wire_parser import Puback, Publish

_KEEP = [(wire.SESSION_EXPIRY, 100)]


@pytest.mark.parametrize("publish_qos", [0, 1, 2])
@pytest.mark.parametrize("granted_qos", [0, 1, 2])
def test_mqtt_3_8_4_8_delivered_qos_is_the_lower_of_both(
    publish_qos: int, granted_qos: int, any_level: int, clients: Clients, topic: str
) -> None:
    subscriber, publisher = clients(level=any_level), clients(level=any_level)
    subscriber.connect()
    publisher.connect()
    assert subscriber.subscribe((topic, granted_qos)).codes == [granted_qos]
    publisher.publish(topic, b"m", publish_qos)
    publish = subscriber.receive_publish(b"m")
    assert publish.qos == min(publish_qos, granted_qos)
    assert not publish.dup and not publish.retain
    subscriber.expect_nothing()


def test_mqtt_4_3_2_4_puback_carries_the_packet_id(any_level: int, clients: Clients, topic: str) -> None:
    client = clients(level=any_level)
    client.connect()
    for packet_id in (1, 2, 300, 65535):
        client.send_publish(topic, b"m", 1, packet_id)
        assert client.expect(Puback).packet_id == packet_id


def test_mqtt_4_6_0_2_pubacks_come_in_the_order_of_the_publishes(level: int, clients: Clients, topic: str) -> None:
    client = clients(level=level)
    client.connect()
    order = [5, 3, 9, 1, 7, 2]
    client.send(b"".join(wire.publish(topic, b"m", 1, packet_id, level=level) for packet_id in order))
    assert [client.expect(Puback).packet_id for _ in order] == order


def test_mqtt_2_2_1_packet_id_may_be_used_again(level: int, clients: Clients, topic: str) -> None:
    publisher, subscriber = clients(level=level), clients(level=level)
    publisher.connect()
    subscriber.connect()
    subscriber.subscribe((topic, 1))
    for number in range(4):
        publisher.send_publish(topic, b"%d" % number, 1, 77)
        assert publisher.expect(Puback).packet_id == 77
        subscriber.receive_publish(b"%d" % number)


def test_mqtt_3_3_1_3_dup_of_the_publisher_is_not_passed_on(level: int, clients: Clients, topic: str) -> None:
    publisher, subscriber = clients(level=level), clients(level=level)
    publisher.connect()
    subscriber.connect()
    subscriber.subscribe((topic, 1))
    publisher.send_publish(topic, b"again", 1, 5, dup=True)
    publisher.expect(Puback)
    assert subscriber.receive_publish(b"again").dup is False


def test_mqtt_2_2_1_both_directions_have_their_own_packet_ids(level: int, clients: Clients, topic: str) -> None:
    client = clients(level=level)
    client.connect()
    client.subscribe((topic, 1))
    client.send_publish(topic, b"one", 1, 1)
    first = [client.receive(), client.receive()]
    publish = next(packet for packet in first if isinstance(packet, Publish))
    # The server's packet id is in flight; the client uses the same number for a message of its own.
    other = f"{topic}/other"
    client.send_publish(other, b"two", 1, publish.packet_id)
    assert client.expect(Puback).packet_id == publish.packet_id
    client.send(wire.puback(publish.packet_id))
    client.expect_nothing()


def test_mqtt_2_2_1_packet_ids_in_flight_differ(level: int, clients: Clients, topic: str) -> None:
    subscriber, publisher = clients(level=level), clients(level=level)
    subscriber.connect()
    publisher.connect()
    subscriber.subscribe((topic, 2))
    for number in range(10):
        publisher.publish(topic, b"m", 1 + number % 2)
    in_flight = [packet for packet in subscriber.drain() if isinstance(packet, Publish)]
    assert len({packet.packet_id for packet in in_flight}) == len(in_flight) == 10


@pytest.mark.parametrize("qos", [1, 2])
def test_mqtt_4_4_0_1_unacknowledged_publish_is_sent_again_on_resume(
    qos: int, level: int, clients: Clients, topic: str
) -> None:
    first = clients(level=level)
    first.connect(clean=False, properties=_KEEP)
    first.subscribe((topic, qos))
    publisher = clients(level=level)
    publisher.connect()
    for payload in (b"a", b"b", b"c"):
        publisher.publish(topic, payload, qos)
    seen = [first.expect(Publish) for _ in range(3)]
    assert [packet.dup for packet in seen] == [False] * 3
    first.abort()
    second = clients(first.client_id, level)
    assert second.connect(clean=False, properties=_KEEP).session_present
    again = second.receive_publishes(3)
    assert [packet.payload for packet in again] == [b"a", b"b", b"c"], "[MQTT-4.6.0-1] in the order first sent"
    assert [packet.packet_id for packet in again] == [packet.packet_id for packet in seen]
    assert [packet.dup for packet in again] == [True] * 3, "[MQTT-3.3.1-1]"
    second.expect_nothing()
    second.disconnect()
    third = clients(first.client_id, level)
    third.connect(clean=False, properties=_KEEP)
    third.expect_nothing()


def test_mqtt_4_4_0_1_only_the_unacknowledged_part_is_sent_again(level: int, clients: Clients, topic: str) -> None:
    first = clients(level=level)
    first.connect(clean=False, properties=_KEEP)
    first.subscribe((topic, 1))
    publisher = clients(level=level)
    publisher.connect()
    for payload in (b"a", b"b", b"c"):
        publisher.publish(topic, payload, 1)
    seen = [first.expect(Publish) for _ in range(3)]
    first.send(wire.puback(seen[1].packet_id))
    first.expect_nothing()
    first.abort()
    second = clients(first.client_id, level)
    second.connect(clean=False, properties=_KEEP)
    assert [packet.payload for packet in second.receive_publishes(2)] == [b"a", b"c"]
    second.expect_nothing()


@pytest.mark.parametrize("qos", [1, 2])
def test_mqtt_4_4_0_1_nothing_is_sent_again_on_a_living_connection(
    qos: int, level: int, clients: Clients, topic: str
) -> None:
    subscriber, publisher = clients(level=level), clients(level=level)
    subscriber.connect()
    publisher.connect()
    subscriber.subscribe((topic, qos))
    publisher.publish(topic, b"once", qos)
    subscriber.expect(Publish)
    # New traffic and pings are no reason to repeat what is in flight.
    publisher.publish(topic, b"next", qos)
    assert subscriber.expect(Publish).payload == b"next"
    subscriber.expect_nothing()


def test_mqtt_3_4_2_1_puback_says_whether_anybody_listens(clients: Clients, topic: str) -> None:
    publisher, subscriber = clients(), clients()
    publisher.connect()
    subscriber.connect()
    assert publisher.publish(topic, b"m", 1) == 0x10
    subscriber.subscribe(topic)
    assert publisher.publish(topic, b"m", 1) == 0
    subscriber.receive_publish()
    subscriber.unsubscribe(topic)
    assert publisher.publish(topic, b"m", 1) == 0x10


@pytest.mark.parametrize("reason", [0x80, 0x83, 0x87, 0x97, 0x99])
def test_mqtt_4_4_0_2_puback_with_an_error_also_ends_the_exchange(reason: int, clients: Clients, topic: str) -> None:
    subscriber, publisher = clients(), clients()
    subscriber.connect(clean=False, properties=_KEEP)
    publisher.connect()
    subscriber.subscribe((topic, 1))
    publisher.publish(topic, b"refused", 1)
    publish = subscriber.expect(Publish)
    properties: wire.Properties = [(wire.REASON_STRING, "no"), (wire.USER_PROPERTY, ("a", "b"))]
    subscriber.send(wire.puback(publish.packet_id, reason, properties))
    subscriber.expect_nothing()
    subscriber.abort()
    again = clients(subscriber.client_id, V5)
    assert again.connect(clean=False).session_present
    again.expect_nothing()


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_mqtt_4_6_0_5_messages_of_one_topic_stay_in_order(qos: int, level: int, clients: Clients, topic: str) -> None:
    subscriber, publisher = clients(level=level), clients(level=level)
    subscriber.connect()
    publisher.connect()
    subscriber.subscribe((topic, qos))
    count = 100
    for start in range(0, count, 10):
        ids = range(start + 1, start + 11)
        publisher.send(
            b"".join(wire.publish(topic, b"%d" % number, qos, number if qos else 0, level=level) for number in ids)
        )
        if qos == 2:
            publisher.drain()
            publisher.send(b"".join(wire.pubrel(number) for number in ids))
        publisher.drain()
    received = subscriber.receive_publishes(count)
    assert [packet.payload for packet in received] == [b"%d" % number for number in range(1, count + 1)]
    assert not any(packet.dup for packet in received)
