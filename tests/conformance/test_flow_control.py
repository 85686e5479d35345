"""Receive Maximum (3.1.2.11.3, 3.2.2.3.3, 4.9), both ways."""

from __future__ import annotations

import pytest

from tests.conformance.conftest import Clients
from tests.support import wire
from tests.support.client import Client
from tests.support.wire_parser import Disconnect, Packet, Publish, Pubrec, Pubrel

_KEEP = [(wire.SESSION_EXPIRY, 100)]


def _pair(clients: Clients, receive_maximum: int) -> tuple[Client, Client]:
    subscriber, publisher = clients(), clients()
    subscriber.connect(properties=[(wire.RECEIVE_MAXIMUM, receive_maximum), *_KEEP])
    publisher.connect()
    return subscriber, publisher


def _publishes(client: Client) -> list[Publish]:
    return [packet for packet in client.drain() if isinstance(packet, Publish)]


@pytest.mark.parametrize("receive_maximum", [1, 2, 5])
def test_mqtt_3_3_4_9_server_keeps_to_the_receive_maximum(receive_maximum: int, clients: Clients, topic: str) -> None:
    subscriber, publisher = _pair(clients, receive_maximum)
    subscriber.subscribe((topic, 1))
    for number in range(12):
        publisher.publish(topic, b"%d" % number)
    received: list[Publish] = []
    in_flight = _publishes(subscriber)
    while in_flight:
        assert len(in_flight) <= receive_maximum
        received += in_flight
        for publish in in_flight:
            subscriber.send(wire.puback(publish.packet_id))
        in_flight = _publishes(subscriber)
    assert [packet.payload for packet in received] == [b"%d" % number for number in range(12)]


def test_mqtt_4_9_0_2_one_acknowledgement_frees_one_place(clients: Clients, topic: str) -> None:
    subscriber, publisher = _pair(clients, 2)
    subscriber.subscribe((topic, 1))
    for number in range(4):
        publisher.publish(topic, b"%d" % number)
    first, second = _publishes(subscriber)
    subscriber.send(wire.puback(second.packet_id))
    assert [packet.payload for packet in _publishes(subscriber)] == [b"2"]
    subscriber.send(wire.puback(first.packet_id))
    assert [packet.payload for packet in _publishes(subscriber)] == [b"3"]


def test_mqtt_4_9_0_3_qos0_is_not_held_back(clients: Clients, topic: str) -> None:
    subscriber, publisher = _pair(clients, 1)
    subscriber.subscribe((f"{topic}/1", 1), (f"{topic}/0", 0))
    publisher.publish(f"{topic}/1", b"in flight")
    publisher.publish(f"{topic}/1", b"held")
    for number in range(5):
        publisher.publish(f"{topic}/0", b"%d" % number, 0)
    assert [packet.payload for packet in _publishes(subscriber)] == [b"in flight", b"0", b"1", b"2", b"3", b"4"]


def test_mqtt_4_9_0_2_pubcomp_frees_the_place_of_a_qos2_message(clients: Clients, topic: str) -> None:
    subscriber, publisher = _pair(clients, 1)
    subscriber.subscribe((topic, 2))
    publisher.publish(topic, b"0", 2)
    publisher.publish(topic, b"1", 2)
    [publish] = _publishes(subscriber)
    subscriber.send(wire.pubrec(publish.packet_id))
    subscriber.expect(Pubrel)
    subscriber.expect_nothing()
    subscriber.send(wire.pubcomp(publish.packet_id))
    assert [packet.payload for packet in _publishes(subscriber)] == [b"1"]


def test_mqtt_4_9_0_2_pubrec_with_an_error_frees_the_place(clients: Clients, topic: str) -> None:
    subscriber, publisher = _pair(clients, 1)
    subscriber.subscribe((topic, 2))
    publisher.publish(topic, b"0", 2)
    publisher.publish(topic, b"1", 2)
    [publish] = _publishes(subscriber)
    subscriber.send(wire.pubrec(publish.packet_id, 0x80))
    assert [packet.payload for packet in _publishes(subscriber)] == [b"1"]


def test_mqtt_4_9_0_1_receive_maximum_holds_for_what_is_sent_again(clients: Clients, topic: str) -> None:
    first, publisher = _pair(clients, 10)
    first.subscribe((topic, 1))
    for number in range(6):
        publisher.publish(topic, b"%d" % number)
    assert len(_publishes(first)) == 6
    first.abort()
    second = clients(first.client_id)
    assert second.connect(clean=False, properties=[(wire.RECEIVE_MAXIMUM, 2), *_KEEP]).session_present
    received: list[bytes] = []
    in_flight = _publishes(second)
    while in_flight:
        assert len(in_flight) <= 2
        received += [packet.payload for packet in in_flight]
        for publish in in_flight:
            second.send(wire.puback(publish.packet_id))
        in_flight = _publishes(second)
    assert received == [b"%d" % number for number in range(6)]


def test_mqtt_4_9_retained_messages_keep_to_the_receive_maximum(clients: Clients, topic: str) -> None:
    subscriber, publisher = _pair(clients, 2)
    for number in range(6):
        publisher.publish(f"{topic}/{number}", b"kept", 1, True)
    subscriber.subscribe((f"{topic}/#", 1))
    in_flight = _publishes(subscriber)
    assert len(in_flight) == 2
    for publish in in_flight:
        subscriber.send(wire.puback(publish.packet_id))
    subscriber.receive_publishes(4)
    subscriber.expect_nothing()
    for number in range(6):
        publisher.publish(f"{topic}/{number}", b"", 1, True)


def _server_receive_maximum(client: Client) -> int:
    maximum = client.connect(properties=_KEEP).get(wire.RECEIVE_MAXIMUM)
    return maximum if isinstance(maximum, int) else 65_535


def test_mqtt_3_3_4_7_client_above_the_receive_maximum_is_disconnected(clients: Clients, topic: str) -> None:
    client = clients()
    maximum = _server_receive_maximum(client)
    for packet_id in range(1, maximum + 1):
        client.send_publish(topic, b"m", 2, packet_id)
        if packet_id % 500 == 0:
            assert all(isinstance(packet, Pubrec) for packet in client.drain())
    client.drain()
    if maximum == 65_535:
        return  # every packet identifier is in use: there is none left to go above the maximum with
    client.send_publish(topic, b"one too many", 2, maximum + 1)
    client.expect_disconnect(0x93)


def test_mqtt_3_3_4_7_pubcomp_gives_the_place_back(clients: Clients, topic: str) -> None:
    client = clients()
    maximum = min(_server_receive_maximum(client), 3000)
    for packet_id in range(1, maximum + 1):
        client.send(wire.publish(topic, b"m", 2, packet_id))
    assert len([packet for packet in client.drain() if isinstance(packet, Pubrec)]) == maximum
    client.send(wire.pubrel(1))
    client.drain()
    client.send_publish(topic, b"m", 2, 1)
    client.expect(Pubrec)
    # The same packet again is no further message [MQTT-4.3.3-10].
    client.send_publish(topic, b"m", 2, 1, dup=True)
    client.expect(Pubrec)
    client.expect_nothing()


def test_mqtt_3_3_4_7_qos1_answered_at_once_never_exceeds(clients: Clients, topic: str) -> None:
    client = clients()
    count = min(_server_receive_maximum(client), 1500) + 200
    packets: list[Packet] = []
    for start in range(0, count, 100):
        client.send(b"".join(wire.publish(topic, b"m", 1, packet_id) for packet_id in range(start + 1, start + 101)))
        packets += client.drain()
    assert len(packets) == len(range(0, count, 100)) * 100
    assert not any(isinstance(packet, Disconnect) for packet in packets)
