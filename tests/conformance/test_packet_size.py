"""Maximum Packet Size (3.1.2.11.4, 3.2.2.3.6), both ways."""

from __future__ import annotations

import pytest

from tests.conformance.conftest import Clients, Listeners
from tests.conftest import Broker
from tests.support import wire
from tests.support.client import Client, ConnectionClosed
from tests.support.packet_notation import V5
from tests.support.wire_parser import Connack, Disconnect

_KEEP = [(wire.SESSION_EXPIRY, 100)]
_SERVER_MAXIMUM = 2048


LISTENERS = {"small": [f"max_packet_size={_SERVER_MAXIMUM}"]}


@pytest.fixture
def small(listener: Listeners) -> Broker:
    """A broker that takes packets of 2048 bytes."""
    return listener("small")


def _publish_of_size(topic: str, size: int, level: int, qos: int = 0) -> bytes:
    overhead = len(wire.publish(topic, b"", qos, 1, level=level))
    packet = wire.publish(topic, b"x" * (size - overhead), qos, 1, level=level)
    if len(packet) > size:
        packet = wire.publish(topic, b"x" * (size - overhead - (len(packet) - size)), qos, 1, level=level)
    assert len(packet) == size
    return packet


def test_mqtt_3_2_2_15_server_says_its_maximum(small: Broker, clients: Clients) -> None:
    assert clients(at=small).connect().get(wire.MAXIMUM_PACKET_SIZE) == _SERVER_MAXIMUM


def test_mqtt_3_2_2_15_packet_of_exactly_the_maximum_is_taken(
    small: Broker, level: int, clients: Clients, topic: str
) -> None:
    client = clients(level=level, at=small)
    client.connect()
    client.subscribe(topic)
    client.send(_publish_of_size(topic, _SERVER_MAXIMUM, level))
    assert len(client.receive_publish().payload) > 1900


@pytest.mark.parametrize("size", [_SERVER_MAXIMUM + 1, 4 * _SERVER_MAXIMUM, 300_000])
def test_mqtt_4_13_1_packet_above_the_maximum_ends_the_connection(
    size: int, small: Broker, level: int, clients: Clients, topic: str
) -> None:
    client = clients(level=level, at=small)
    client.connect()
    # The header is enough to know the size: the broker need not read what it will not take.
    client.send(_publish_of_size(topic, size, level)[:100])
    client.expect_disconnect(0x95)


def test_a_whole_packet_above_the_maximum_is_answered_too(small: Broker, clients: Clients, topic: str) -> None:
    client = clients(at=small)
    client.connect()
    client.send(_publish_of_size(topic, 2 * _SERVER_MAXIMUM, V5))
    assert client.expect(Disconnect).code == 0x95


def test_connect_above_the_maximum_is_refused(small: Broker, clients: Clients) -> None:
    client = clients(at=small)
    client.send(wire.connect("c", V5, True, 60, [(wire.USER_PROPERTY, ("k", "v" * _SERVER_MAXIMUM))]))
    answer = client.read_to_the_end()
    assert answer == b"" or (answer[0] == 0x20 and answer[3] == 0x95), answer.hex(" ")


def _subscriber(clients: Clients, maximum: int, topic: str, qos: int, options: wire.Properties = ()) -> Client:
    client = clients()
    client.connect(properties=[(wire.MAXIMUM_PACKET_SIZE, maximum), *_KEEP, *options])
    client.subscribe((topic, qos))
    return client


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_mqtt_3_1_2_24_packet_too_large_for_the_client_is_dropped_and_the_next_one_sent(
    qos: int, clients: Clients, topic: str
) -> None:
    subscriber = _subscriber(clients, 100, topic, qos)
    other = clients()
    other.connect()
    other.subscribe((topic, qos))
    publisher = clients()
    publisher.connect()
    for number in range(3):
        publisher.publish(topic, b"%d " % number + b"x" * 200, qos)
        publisher.publish(topic, b"%d" % number, qos)
    assert [packet.payload for packet in subscriber.receive_publishes(3)] == [b"0", b"1", b"2"]
    subscriber.expect_nothing()
    assert len(other.receive_publishes(6)) == 6, "nobody else loses anything [MQTT-3.1.2-25]"


def test_mqtt_3_1_2_24_dropped_packets_take_no_place_of_the_receive_maximum(clients: Clients, topic: str) -> None:
    subscriber = _subscriber(clients, 100, topic, 1, [(wire.RECEIVE_MAXIMUM, 1)])
    publisher = clients()
    publisher.connect()
    for _ in range(5):
        publisher.publish(topic, b"x" * 200)
    publisher.publish(topic, b"small")
    subscriber.receive_publish(b"small")


def test_mqtt_3_1_2_24_limit_is_the_whole_packet(clients: Clients, topic: str) -> None:
    publisher = clients()
    publisher.connect()
    size = len(wire.publish(topic, b"x" * 50))
    exact = _subscriber(clients, size, topic, 0)
    short = _subscriber(clients, size - 1, topic, 0)
    publisher.publish(topic, b"x" * 50, 0)
    publisher.publish(topic, b"x" * 49, 0)
    assert [len(packet.payload) for packet in exact.receive_publishes(2)] == [50, 49]
    assert [len(packet.payload) for packet in short.receive_publishes(1)] == [49]
    short.expect_nothing()


def test_mqtt_3_1_2_24_properties_count(clients: Clients, topic: str) -> None:
    publisher = clients()
    publisher.connect()
    size = len(wire.publish(topic, b"x" * 50))
    subscriber = _subscriber(clients, size, topic, 1)
    publisher.publish(topic, b"x" * 40, 1, False, [(wire.USER_PROPERTY, ("key", "v" * 30))])
    publisher.publish(topic, b"small")
    subscriber.receive_publish(b"small")
    subscriber.expect_nothing()


def test_mqtt_3_1_2_25_queued_messages_are_measured_against_the_client_that_comes_back(
    clients: Clients, topic: str
) -> None:
    first = clients()
    first.connect(properties=_KEEP)
    first.subscribe((topic, 1))
    first.disconnect()
    publisher = clients()
    publisher.connect()
    publisher.publish(topic, b"x" * 300)
    publisher.publish(topic, b"small")
    second = clients(first.client_id)
    assert second.connect(clean=False, properties=[(wire.MAXIMUM_PACKET_SIZE, 100), *_KEEP]).session_present
    second.receive_publish(b"small")
    second.expect_nothing()


def test_mqtt_3_1_2_24_retained_messages_too_large_are_left_out(clients: Clients, topic: str) -> None:
    publisher = clients()
    publisher.connect()
    publisher.publish(f"{topic}/large", b"x" * 300, 1, True)
    publisher.publish(f"{topic}/small", b"small", 1, True)
    subscriber = _subscriber(clients, 100, f"{topic}/#", 1)
    subscriber.receive_publish(b"small")
    subscriber.expect_nothing()
    for name in ("large", "small"):
        publisher.publish(f"{topic}/{name}", b"", 1, True)


def test_mqtt_3_14_2_3_reasons_are_left_out_where_they_would_not_fit(clients: Clients, topic: str) -> None:
    # The client of the tests holds every packet against its maximum.
    client = clients()
    client.connect(properties=[(wire.MAXIMUM_PACKET_SIZE, 20)])
    client.send(
        wire.publish(topic, b"m", 1, 1),
        wire.pubrel(77),
        wire.pubrec(78),
        wire.unsubscribe(3, ["never/subscribed"]),
        wire.subscribe(4, [("$share/g", 0), ("a/#/b", 0)]),
    )
    packets = client.drain()
    assert len(packets) == 5
    client.send(b"\xc1\x00")
    client.expect_disconnect(0x81)


@pytest.mark.parametrize("maximum", [1, 5, 10, 16])
def test_mqtt_3_1_2_24_connack_keeps_to_the_maximum(maximum: int, clients: Clients) -> None:
    # Nobody can be told much in so few bytes: a shorter CONNACK, or none and a close.
    client = clients("")
    client.send(wire.connect("", 5, True, 60, [(wire.MAXIMUM_PACKET_SIZE, maximum)]))
    try:
        connack = client.expect(Connack)
    except ConnectionClosed:
        return
    if connack.code:
        assert connack.code == 0x95
        client.expect_closed()
        return
    assert connack.get(wire.ASSIGNED_CLIENT_ID), "accepted without the name the server gave [MQTT-3.2.2-16]"
