"""SUBSCRIBE, UNSUBSCRIBE and their acknowledgements (3.8 to 3.11)."""

from __future__ import annotations

import pytest

from tests.conformance.conftest import Clients
from tests.support import wire
from tests.support.packet_notation import V5
from tests.support.wire_parser import Publish, Suback, Unsuback


def test_mqtt_3_8_4_2_suback_carries_the_packet_id(any_level: int, clients: Clients, topic: str) -> None:
    client = clients(level=any_level)
    client.connect()
    for packet_id in (1, 300, 65535):
        client.send(wire.subscribe(packet_id, [(topic, 0)], level=any_level))
        assert client.expect(Suback).packet_id == packet_id


def test_mqtt_3_9_3_1_one_code_for_each_filter_in_order(any_level: int, clients: Clients, topic: str) -> None:
    client = clients(level=any_level)
    client.connect()
    suback = client.subscribe((f"{topic}/a", 2), (f"{topic}/b", 0), (f"{topic}/c", 1), (f"{topic}/d", 2))
    assert suback.codes == [2, 0, 1, 2]


def test_mqtt_3_8_4_4_several_filters_are_as_several_subscribes(level: int, clients: Clients, topic: str) -> None:
    client = clients(level=level)
    client.connect()
    client.subscribe((f"{topic}/a", 0), (f"{topic}/b", 0))
    client.send_publish(f"{topic}/a", b"a")
    client.send_publish(f"{topic}/b", b"b")
    client.send_publish(f"{topic}/c", b"c")
    assert [packet.payload for packet in client.receive_publishes(2)] == [b"a", b"b"]
    client.expect_nothing()


@pytest.mark.parametrize(("first", "second"), [(0, 2), (2, 0), (1, 1)])
def test_mqtt_3_8_4_3_subscribing_again_replaces(
    first: int, second: int, level: int, clients: Clients, topic: str
) -> None:
    client, publisher = clients(level=level), clients(level=level)
    client.connect()
    publisher.connect()
    assert client.subscribe((topic, first)).codes == [first]
    assert client.subscribe((topic, second)).codes == [second]
    publisher.publish(topic, b"m", 2)
    assert client.receive_publish(b"m").qos == second
    client.expect_nothing()


def test_mqtt_3_8_4_3_the_same_filter_twice_in_one_packet(level: int, clients: Clients, topic: str) -> None:
    client, publisher = clients(level=level), clients(level=level)
    client.connect()
    publisher.connect()
    assert client.subscribe((topic, 2), (topic, 1)).codes == [2, 1]
    publisher.publish(topic, b"m", 2)
    assert client.receive_publish(b"m").qos == 1, "the later one replaces the earlier one [MQTT-3.8.4-3]"
    client.expect_nothing()


def test_mqtt_3_3_4_2_overlapping_subscriptions_give_one_copy_of_the_highest_qos(
    level: int, clients: Clients, topic: str
) -> None:
    client, publisher = clients(level=level), clients(level=level)
    client.connect()
    publisher.connect()
    client.subscribe((f"{topic}/#", 1), (f"{topic}/+", 2), (f"{topic}/a", 0))
    publisher.publish(f"{topic}/a", b"m", 2)
    assert client.receive_publish(b"m").qos == 2
    client.expect_nothing()


def test_mqtt_3_3_5_every_subscriber_gets_its_copy(level: int, clients: Clients, topic: str) -> None:
    subscribers = [clients(level=level) for _ in range(20)]
    for number, subscriber in enumerate(subscribers):
        subscriber.connect()
        subscriber.subscribe((topic, number % 3))
    publisher = clients(level=level)
    publisher.connect()
    publisher.publish(topic, b"m", 2)
    for number, subscriber in enumerate(subscribers):
        assert subscriber.receive_publish(b"m").qos == number % 3
        subscriber.expect_nothing()


def test_a_client_receives_what_it_publishes(any_level: int, clients: Clients, topic: str) -> None:
    client = clients(level=any_level)
    client.connect()
    client.subscribe(topic)
    client.send_publish(topic, b"to myself")
    client.receive_publish(b"to myself")


def test_mqtt_3_10_4_1_unsubscribed_filter_gets_nothing_more(any_level: int, clients: Clients, topic: str) -> None:
    client, publisher = clients(level=any_level), clients(level=any_level)
    client.connect()
    publisher.connect()
    client.subscribe((f"{topic}/a", 1), (f"{topic}/b", 1))
    client.unsubscribe(f"{topic}/a")
    publisher.publish(f"{topic}/a", b"a")
    publisher.publish(f"{topic}/b", b"b")
    client.receive_publish(b"b")
    client.expect_nothing()


def test_mqtt_3_11_3_1_unsuback_has_a_code_for_each_filter(clients: Clients, topic: str) -> None:
    client = clients()
    client.connect()
    client.subscribe(f"{topic}/a", f"{topic}/b")
    assert client.unsubscribe(f"{topic}/a", f"{topic}/none", f"{topic}/b").codes == [0, 0x11, 0]
    assert client.unsubscribe(f"{topic}/a").codes == [0x11]


def test_mqtt_3_10_4_5_unsubscribe_of_what_never_was_is_acknowledged(any_level: int, clients: Clients) -> None:
    client = clients(level=any_level)
    client.connect()
    client.send(wire.unsubscribe(4711, ["never/subscribed"], level=any_level))
    unsuback = client.expect(Unsuback)
    assert unsuback.packet_id == 4711 and unsuback.codes == ([0x11] if any_level == V5 else [])


def test_mqtt_3_10_4_1_filters_are_compared_as_text(level: int, clients: Clients, topic: str) -> None:
    client, publisher = clients(level=level), clients(level=level)
    client.connect()
    publisher.connect()
    client.subscribe((f"{topic}/+", 1))
    client.unsubscribe(f"{topic}/a", f"{topic}/#", f"{topic}")
    publisher.publish(f"{topic}/a", b"m")
    client.receive_publish(b"m")


def test_mqtt_3_10_4_6_several_filters_in_one_unsubscribe(level: int, clients: Clients, topic: str) -> None:
    client, publisher = clients(level=level), clients(level=level)
    client.connect()
    publisher.connect()
    client.subscribe(f"{topic}/a", f"{topic}/b", f"{topic}/c")
    client.unsubscribe(f"{topic}/a", f"{topic}/c")
    for name in "abc":
        publisher.publish(f"{topic}/{name}", name.encode(), 1)
    client.receive_publish(b"b")
    client.expect_nothing()


def test_mqtt_3_10_4_3_messages_in_flight_are_completed(level: int, clients: Clients, topic: str) -> None:
    client, publisher = clients(level=level), clients(level=level)
    client.connect(clean=False, properties=[(wire.SESSION_EXPIRY, 100)])
    publisher.connect()
    client.subscribe((topic, 1))
    publisher.publish(topic, b"in flight")
    publish = client.expect(Publish)
    client.unsubscribe(topic)
    client.abort()
    again = clients(client.client_id, level)
    again.connect(clean=False, properties=[(wire.SESSION_EXPIRY, 100)])
    assert again.receive_publish(b"in flight").packet_id == publish.packet_id


def test_packets_of_one_segment_are_dealt_with_in_order(level: int, clients: Clients, topic: str) -> None:
    client = clients(level=level)
    client.connect()
    client.send(
        wire.publish(topic, b"before", level=level),
        wire.subscribe(1, [(topic, 0)], level=level),
        wire.publish(topic, b"between", level=level),
        wire.unsubscribe(2, [topic], level=level),
        wire.publish(topic, b"after", level=level),
    )
    assert [packet.payload for packet in client.drain() if isinstance(packet, Publish)] == [b"between"]


def test_many_subscriptions_in_one_packet(level: int, clients: Clients, topic: str) -> None:
    client = clients(level=level)
    client.connect()
    suback = client.subscribe(*[(f"{topic}/{number}", number % 3) for number in range(500)])
    assert suback.codes == [number % 3 for number in range(500)]
    client.send_publish(f"{topic}/499", b"last")
    client.receive_publish(b"last")


def test_subscribe_and_unsubscribe_may_carry_user_properties(clients: Clients, topic: str) -> None:
    client = clients()
    client.connect()
    pairs: wire.Properties = [(wire.USER_PROPERTY, ("k", "1")), (wire.USER_PROPERTY, ("k", "2"))]
    assert client.subscribe(topic, properties=pairs).codes == [0]
    assert client.unsubscribe(topic, properties=pairs).codes == [0]


@pytest.mark.parametrize("wrong", ["a#", "#/a", "a/#/b", "+a", "a+/b", "$share/g/a#"])
def test_mqtt_3_9_3_a_wrong_filter_does_not_spoil_its_neighbours(wrong: str, clients: Clients, topic: str) -> None:
    # Either the connection ends (malformed), or the code of just this filter says so and the others count.
    client = clients()
    client.connect()
    client.send(wire.subscribe(1, [(topic, 1), (wrong, 1), (f"{topic}/x", 2)]))
    packet = client.receive()
    if isinstance(packet, Suback):
        assert packet.codes == [1, 0x8F, 2]
        client.send_publish(f"{topic}/x", b"m")
        client.receive_publish(b"m")
    else:
        assert getattr(packet, "code", None) in (0x81, 0x82, 0x8F), packet
        client.expect_closed()
