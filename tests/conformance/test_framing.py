"""Packets and TCP segments (2.2.3, 4.2): split anywhere, many in one, every width of the remaining length."""

from __future__ import annotations

import pytest

from tests.conformance.conftest import Clients
from tests.support import wire
from tests.support.wire_parser import Connack, Puback, Suback


def test_mqtt_4_2_packets_in_single_bytes(level: int, clients: Clients, topic: str) -> None:
    client = clients(level=level)
    stream = (
        wire.connect(client.client_id, level)
        + wire.subscribe(1, [(topic, 1)], level=level)
        + wire.publish(topic, b"slow", 1, 2, level=level)
    )
    for byte in stream:
        client.send(bytes([byte]))
    client.expect(Connack)
    client.expect(Suback)
    packets = [client.receive(), client.receive()]
    assert {type(packet).__name__ for packet in packets} == {"Publish", "Puback"}


def test_mqtt_4_2_many_packets_in_one_segment(level: int, clients: Clients, topic: str) -> None:
    client = clients(level=level)
    client.connect()
    client.subscribe(topic)
    client.send(b"".join(wire.publish(topic, b"%d" % number, level=level) for number in range(500)))
    assert [client.receive_publish().payload for _ in range(500)] == [b"%d" % number for number in range(500)]


@pytest.mark.parametrize("split", [1, 2, 3, 5, 10, 21])
def test_mqtt_4_2_one_packet_in_two_segments(split: int, level: int, clients: Clients, topic: str) -> None:
    publisher = clients(level=level)
    publisher.connect()
    packet = wire.publish(topic, b"in two parts", 1, 7, level=level)
    publisher.send(packet[:split])
    # Somebody else's round trip gives the broker a reason to look at the half packet.
    other = clients(level=level)
    other.connect()
    publisher.send(packet[split:])
    assert publisher.expect(Puback).packet_id == 7


# The whole range of remaining lengths: both sides of each step from one byte to four.
@pytest.mark.parametrize("remaining_length", [126, 127, 128, 129, 16_382, 16_383, 16_384, 65_535, 65_536, 300_000])
@pytest.mark.parametrize("qos", [0, 1])
def test_mqtt_2_2_3_remaining_length_steps(
    remaining_length: int, qos: int, level: int, clients: Clients, topic: str
) -> None:
    client = clients(level=level)
    client.connect()
    client.subscribe((topic, qos))
    overhead = len(wire.publish(topic, b"", qos, 1, level=level)) - 2
    payload = bytes(number % 251 for number in range(remaining_length - overhead))
    client.send_publish(topic, payload, qos)
    if qos:
        packets = [client.receive(), client.receive()]
        assert any(getattr(packet, "payload", b"") == payload for packet in packets)
    else:
        assert client.receive_publish().payload == payload


def test_mqtt_3_3_3_binary_payload_is_untouched(level: int, clients: Clients, topic: str) -> None:
    client = clients(level=level)
    client.connect()
    client.subscribe(topic)
    payload = bytes(range(256)) * 3
    client.send_publish(topic, payload)
    client.receive_publish(payload)


def test_mqtt_3_3_3_empty_payload_is_a_message(level: int, clients: Clients, topic: str) -> None:
    client = clients(level=level)
    client.connect()
    client.subscribe(topic)
    client.send_publish(topic, b"")
    client.receive_publish(b"")
