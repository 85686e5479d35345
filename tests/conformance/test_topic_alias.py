"""Topic aliases (3.3.2.3.4), those of the client and those of the server."""

from __future__ import annotations

import pytest

from tests.conformance.conftest import Clients
from tests.support import wire
from tests.support.client import Client
from tests.support.wire_parser import Puback, Pubcomp, Publish, Pubrec

_KEEP = [(wire.SESSION_EXPIRY, 100)]


def _alias(number: int) -> wire.Properties:
    return [(wire.TOPIC_ALIAS, number)]


def _publisher(clients: Clients, properties: wire.Properties = ()) -> tuple[Client, int]:
    """A publisher, and how many aliases the server lets it use."""
    client = clients()
    maximum = client.connect(properties=properties).get(wire.TOPIC_ALIAS_MAXIMUM)
    return client, maximum if isinstance(maximum, int) else 0


def _subscriber(clients: Clients, topic: str, qos: int = 0, properties: wire.Properties = ()) -> Client:
    client = clients()
    client.connect(properties=properties)
    client.subscribe((topic, qos))
    return client


def test_this_broker_takes_aliases(clients: Clients) -> None:
    assert _publisher(clients)[1] > 0


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_mqtt_3_3_2_12_alias_stands_for_the_topic(qos: int, clients: Clients, topic: str) -> None:
    publisher, _ = _publisher(clients)
    subscriber = _subscriber(clients, topic, 2)
    publisher.publish(topic, b"set", qos, False, _alias(1))
    publisher.publish("", b"used", qos, False, _alias(1))
    publisher.publish(topic, b"both", qos, False, _alias(1))
    for payload in (b"set", b"used", b"both"):
        publish = subscriber.receive_publish(payload)
        assert publish.topic == topic
        assert publish.get(wire.TOPIC_ALIAS) is None, "an alias belongs to one connection [MQTT-3.3.2-7]"


def test_mqtt_3_3_2_12_alias_may_be_given_to_another_topic(clients: Clients, topic: str) -> None:
    publisher, _ = _publisher(clients)
    subscriber = _subscriber(clients, f"{topic}/#")
    publisher.publish(f"{topic}/a", b"1", 0, False, _alias(1))
    publisher.publish(f"{topic}/b", b"2", 0, False, _alias(1))
    publisher.publish("", b"3", 0, False, _alias(1))
    assert [packet.topic[-1] for packet in subscriber.receive_publishes(3)] == ["a", "b", "b"]


def test_mqtt_3_3_2_10_every_alias_up_to_the_maximum(clients: Clients, topic: str) -> None:
    publisher, maximum = _publisher(clients)
    subscriber = _subscriber(clients, f"{topic}/#")
    for number in range(1, maximum + 1):
        publisher.send_publish(f"{topic}/{number}", b"set", properties=_alias(number))
    for number in range(maximum, 0, -1):
        publisher.send_publish("", b"used", properties=_alias(number))
    names = [packet.topic for packet in subscriber.receive_publishes(2 * maximum)]
    expected = [f"{topic}/{number}" for number in range(1, maximum + 1)]
    assert names == expected + expected[::-1]


def test_mqtt_3_3_2_9_alias_above_the_maximum(clients: Clients, topic: str) -> None:
    publisher, maximum = _publisher(clients)
    publisher.send_publish(topic, b"m", properties=_alias(maximum + 1))
    publisher.expect_disconnect(0x94)


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_mqtt_3_3_2_8_alias_0(qos: int, clients: Clients, topic: str) -> None:
    publisher, _ = _publisher(clients)
    publisher.send_publish(topic, b"m", qos, properties=_alias(0))
    publisher.expect_disconnect(0x94, 0x82)


def test_mqtt_3_3_2_7_alias_of_another_connection(clients: Clients, topic: str) -> None:
    first, _ = _publisher(clients, _KEEP)
    first.publish(topic, b"set", 1, False, _alias(1))
    other, _ = _publisher(clients)
    other.send_publish("", b"m", properties=_alias(1))
    other.expect_disconnect(0x82, 0x94)
    first.disconnect()
    # Aliases end with the connection although the session goes on.
    second = clients(first.client_id)
    assert second.connect(clean=False, properties=_KEEP).session_present
    second.send_publish("", b"m", properties=_alias(1))
    second.expect_disconnect(0x82, 0x94)


def test_alias_is_learnt_from_a_message_nobody_gets(clients: Clients, topic: str) -> None:
    publisher, _ = _publisher(clients)
    publisher.publish(topic, b"nobody", 1, False, _alias(1))
    subscriber = _subscriber(clients, topic)
    publisher.publish("", b"somebody", 1, False, _alias(1))
    assert subscriber.receive_publish(b"somebody").topic == topic


def test_alias_is_learnt_from_a_qos2_message_sent_again(clients: Clients, topic: str) -> None:
    publisher, _ = _publisher(clients, _KEEP)
    subscriber = _subscriber(clients, topic)
    publisher.send_publish(topic, b"once", 2, 5, properties=_alias(1))
    publisher.expect(Pubrec)
    publisher.abort()
    again = clients(publisher.client_id)
    again.connect(clean=False, properties=_KEEP)
    again.send_publish(topic, b"once", 2, 5, dup=True, properties=_alias(2))
    again.expect(Pubrec)
    again.send(wire.pubrel(5))
    again.expect(Pubcomp)
    again.send_publish("", b"by alias", 1, 6, properties=_alias(2))
    assert again.expect(Puback).packet_id == 6
    assert subscriber.receive_publish(b"once").topic == topic
    assert subscriber.receive_publish(b"by alias").topic == topic


class _Reader:
    """Resolves the aliases of a server as a client must."""

    def __init__(self, maximum: int) -> None:
        self.maximum = maximum
        self.topics: dict[int, str] = {}

    def name(self, publish: Publish) -> str:
        alias = publish.get(wire.TOPIC_ALIAS)
        if alias is None:
            return publish.topic
        assert isinstance(alias, int) and 1 <= alias <= self.maximum, "[MQTT-3.1.2-26]"
        if publish.topic:
            self.topics[alias] = publish.topic
        return self.topics[alias]


@pytest.mark.parametrize("properties", [[], [(wire.TOPIC_ALIAS_MAXIMUM, 0)]], ids=["absent", "0"])
def test_mqtt_3_1_2_27_no_alias_to_a_client_that_wants_none(
    properties: wire.Properties, clients: Clients, topic: str
) -> None:
    subscriber = _subscriber(clients, topic, 0, properties)
    publisher, _ = _publisher(clients)
    for _ in range(20):
        publisher.send_publish(topic, b"m")
    for publish in subscriber.receive_publishes(20):
        assert publish.topic == topic and publish.get(wire.TOPIC_ALIAS) is None


@pytest.mark.parametrize("maximum", [1, 2, 10, 65535])
@pytest.mark.parametrize("qos", [0, 1])
def test_mqtt_3_1_2_26_aliases_of_the_server_keep_to_the_maximum_and_name_the_right_topic(
    maximum: int, qos: int, clients: Clients, topic: str
) -> None:
    subscriber = _subscriber(clients, f"{topic}/#", qos, [(wire.TOPIC_ALIAS_MAXIMUM, maximum)])
    publisher, _ = _publisher(clients)
    # Few topics often, many seldom: whichever rule the broker has for handing out aliases, names must be right.
    names = [f"{topic}/{number % 3 if number % 4 else number}" for number in range(120)]
    for name in names:
        publisher.send_publish(name, name.encode())
    reader = _Reader(maximum)
    for publish in subscriber.receive_publishes(len(names)):
        assert reader.name(publish).encode() == publish.payload


def test_the_server_uses_aliases_from_the_first_message_while_it_has_any(clients: Clients, topic: str) -> None:
    subscriber = _subscriber(clients, topic, 2, [(wire.TOPIC_ALIAS_MAXIMUM, 1)])
    publisher, _ = _publisher(clients)
    for qos in (0, 1, 2):
        publisher.publish(topic, b"m", qos)
    received = subscriber.receive_publishes(3)
    assert [packet.get(wire.TOPIC_ALIAS) for packet in received] == [1, 1, 1]
    assert [packet.topic for packet in received] == [topic, "", ""]


def test_alias_of_a_packet_that_was_too_large_is_not_taken_as_known(clients: Clients, topic: str) -> None:
    properties = [(wire.TOPIC_ALIAS_MAXIMUM, 5), (wire.MAXIMUM_PACKET_SIZE, 150)]
    subscriber = _subscriber(clients, topic, 1, properties)
    publisher, _ = _publisher(clients)
    reader = _Reader(5)
    publisher.publish(topic, b"x" * 300)
    for payload in (b"1", b"2"):
        publisher.publish(topic, payload)
        assert reader.name(subscriber.receive_publish(payload)) == topic


@pytest.mark.parametrize("qos", [1, 2])
def test_mqtt_4_4_0_1_messages_sent_again_bring_their_topic(qos: int, clients: Clients, topic: str) -> None:
    properties = [(wire.TOPIC_ALIAS_MAXIMUM, 5), *_KEEP]
    first = _subscriber(clients, topic, qos, properties)
    publisher, _ = _publisher(clients)
    for payload in (b"0", b"1", b"2"):
        publisher.publish(topic, payload, qos)
    first.drain()
    first.abort()
    second = clients(first.client_id)
    assert second.connect(clean=False, properties=properties).session_present
    reader = _Reader(5)
    for publish in second.receive_publishes(3):
        assert reader.name(publish) == topic
    plain = clients(first.client_id)
    plain.connect(clean=False, properties=_KEEP)
    publisher.publish(topic, b"plain", qos)
    publish = plain.receive_publish(b"plain")
    assert publish.topic == topic and publish.get(wire.TOPIC_ALIAS) is None


def test_aliases_with_a_window_of_one(clients: Clients, topic: str) -> None:
    properties = [(wire.TOPIC_ALIAS_MAXIMUM, 2), (wire.RECEIVE_MAXIMUM, 1)]
    subscriber = _subscriber(clients, f"{topic}/#", 1, properties)
    publisher, _ = _publisher(clients)
    names = [f"{topic}/{number % 4}" for number in range(30)]
    for name in names:
        publisher.publish(name, name.encode())
    reader = _Reader(2)
    for name in names:
        assert reader.name(subscriber.receive_publish()) == name
