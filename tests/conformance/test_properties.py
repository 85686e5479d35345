"""What is passed on with a message, and what the answers of version 5 carry (3.3.2.3, 3.1.2.11.7)."""

from __future__ import annotations

import pytest

from tests.conformance.conftest import Clients
from tests.support import wire
from tests.support.client import Client
from tests.support.packet_notation import V31, V311
from tests.support.wire_parser import Connack, Disconnect, Publish

_ALL: wire.Properties = [
    (wire.PAYLOAD_FORMAT, 1),
    (wire.MESSAGE_EXPIRY, 1000),
    (wire.CONTENT_TYPE, "text/plain; charset=utf-8"),
    (wire.RESPONSE_TOPIC, "answers/to/me"),
    (wire.CORRELATION_DATA, b"\x00\x01\xff"),
    (wire.USER_PROPERTY, ("b", "1")),
    (wire.USER_PROPERTY, ("a", "2")),
    (wire.USER_PROPERTY, ("b", "1")),
    (wire.USER_PROPERTY, ("", "")),
    (wire.USER_PROPERTY, ("ключ", "値😀")),
]


def _pair(clients: Clients, topic: str, qos: int = 2) -> tuple[Client, Client]:
    subscriber, publisher = clients(), clients()
    subscriber.connect()
    publisher.connect()
    subscriber.subscribe((topic, qos))
    return subscriber, publisher


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_mqtt_3_3_2_all_properties_are_passed_on_unaltered(qos: int, clients: Clients, topic: str) -> None:
    subscriber, publisher = _pair(clients, topic)
    publisher.publish(topic, b"text", qos, False, _ALL)
    publish = subscriber.receive_publish(b"text")
    for number, value in _ALL:
        if number not in (wire.USER_PROPERTY, wire.MESSAGE_EXPIRY):
            assert publish.get(number) == value
    expected = [value for number, value in _ALL if number == wire.USER_PROPERTY]
    assert publish.all(wire.USER_PROPERTY) == expected, "[MQTT-3.3.2-17, -18] in order, repeats kept"
    assert len(publish.properties) == len(_ALL)


@pytest.mark.parametrize(("number", "value"), [pair for pair in _ALL if pair[0] != wire.MESSAGE_EXPIRY])
def test_mqtt_3_3_2_each_property_alone(number: int, value: wire.PropertyValue, clients: Clients, topic: str) -> None:
    subscriber, publisher = _pair(clients, topic)
    publisher.publish(topic, b"text", 1, False, [(number, value)])
    assert subscriber.receive_publish(b"text").properties == [(number, value)]


def test_mqtt_3_3_2_4_payload_format_0_is_passed_on_or_left_out(clients: Clients, topic: str) -> None:
    # 0 is what a missing indicator means (3.3.2.3.2), so a server may leave it out.
    subscriber, publisher = _pair(clients, topic)
    publisher.publish(topic, b"\xff", 1, False, [(wire.PAYLOAD_FORMAT, 0)])
    assert subscriber.receive_publish(b"\xff").get(wire.PAYLOAD_FORMAT) in (None, 0)


def test_mqtt_3_3_2_17_many_user_properties(clients: Clients, topic: str) -> None:
    subscriber, publisher = _pair(clients, topic)
    pairs = [(f"key {number % 7}", "v" * (number % 300)) for number in range(200)]
    publisher.publish(topic, b"m", 1, False, [(wire.USER_PROPERTY, pair) for pair in pairs])
    assert subscriber.receive_publish(b"m").all(wire.USER_PROPERTY) == pairs


@pytest.mark.parametrize("response_topic", ["/", "a/b", "$answers/x", "😀"])
def test_mqtt_3_3_2_15_response_topics(response_topic: str, clients: Clients, topic: str) -> None:
    subscriber, publisher = _pair(clients, topic)
    publisher.publish(topic, b"m", 1, False, [(wire.RESPONSE_TOPIC, response_topic)])
    assert subscriber.receive_publish(b"m").get(wire.RESPONSE_TOPIC) == response_topic


def test_mqtt_4_10_request_and_response(clients: Clients, topic: str) -> None:
    requester, responder = clients(), clients()
    requester.connect()
    responder.connect()
    requester.subscribe((f"{topic}/response", 1))
    responder.subscribe((f"{topic}/request", 1))
    question: wire.Properties = [(wire.RESPONSE_TOPIC, f"{topic}/response"), (wire.CORRELATION_DATA, b"\0#1")]
    requester.publish(f"{topic}/request", b"question", 1, False, question)
    request = responder.receive_publish(b"question")
    where, what = request.get(wire.RESPONSE_TOPIC), request.get(wire.CORRELATION_DATA)
    assert isinstance(where, str) and isinstance(what, bytes)
    responder.publish(where, b"answer", 1, False, [(wire.CORRELATION_DATA, what)])
    assert requester.receive_publish(b"answer").get(wire.CORRELATION_DATA) == b"\0#1"


@pytest.mark.parametrize("level", [V31, V311])
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_properties_do_not_reach_clients_of_version_3(level: int, qos: int, clients: Clients, topic: str) -> None:
    subscriber, publisher = clients(level=level), clients()
    subscriber.connect()
    publisher.connect()
    subscriber.subscribe((topic, qos))
    publisher.publish(topic, b"exactly this", qos, False, _ALL)
    subscriber.receive_publish(b"exactly this")


@pytest.mark.parametrize("level", [V31, V311])
def test_messages_of_version_3_have_no_properties(level: int, clients: Clients, topic: str) -> None:
    subscriber, publisher = clients(), clients(level=level)
    subscriber.connect()
    publisher.connect()
    subscriber.subscribe((topic, 2))
    for qos in (0, 1, 2):
        publisher.publish(topic, b"m", qos)
        assert subscriber.receive_publish(b"m").properties == []


def test_mqtt_3_3_2_properties_of_a_queued_message(clients: Clients, topic: str) -> None:
    keep = [(wire.SESSION_EXPIRY, 100)]
    first, publisher = clients(), clients()
    first.connect(properties=keep)
    publisher.connect()
    first.subscribe((topic, 2))
    first.disconnect()
    for qos in (1, 2):
        publisher.publish(topic, b"m", qos, False, _ALL)
    second = clients(first.client_id)
    second.connect(clean=False, properties=keep)
    for publish in second.receive_publishes(2):
        assert len(publish.properties) == len(_ALL)
        assert publish.all(wire.USER_PROPERTY) == [pair for number, pair in _ALL if number == wire.USER_PROPERTY]


def test_mqtt_4_4_0_1_properties_are_sent_again(clients: Clients, topic: str) -> None:
    keep = [(wire.SESSION_EXPIRY, 100)]
    first, publisher = clients(), clients()
    first.connect(properties=keep)
    publisher.connect()
    first.subscribe((topic, 1))
    publisher.publish(topic, b"m", 1, False, _ALL)
    before = first.expect(Publish)
    first.abort()
    second = clients(first.client_id)
    second.connect(clean=False, properties=keep)
    after = second.receive_publish(b"m")
    assert {key: value for key, value in after.properties if key != wire.MESSAGE_EXPIRY} == {
        key: value for key, value in before.properties if key != wire.MESSAGE_EXPIRY
    }


def test_mqtt_3_1_2_29_no_explanations_where_the_client_wants_none(clients: Clients, topic: str) -> None:
    client = clients()
    client.connect(properties=[(wire.REQUEST_PROBLEM_INFO, 0)])
    client.send(
        wire.publish(topic, b"m", 1, 1),
        wire.publish(topic, b"m", 2, 2),
        wire.pubrel(77),
        wire.pubrec(78),
        wire.unsubscribe(3, ["never/subscribed"]),
        wire.subscribe(4, [(topic, 0)]),
    )
    packets = client.drain()
    assert len(packets) == 6
    for packet in packets:
        if not isinstance(packet, (Publish, Connack, Disconnect)):
            assert packet.get(wire.REASON_STRING) is None, packet
            assert packet.get(wire.USER_PROPERTY) is None, packet


def test_mqtt_3_14_2_3_disconnect_may_explain_itself_all_the_same(clients: Clients) -> None:
    client = clients()
    client.connect(properties=[(wire.REQUEST_PROBLEM_INFO, 0)])
    client.send(b"\xc1\x00")
    disconnect = client.expect_disconnect(0x81)
    assert disconnect is not None
    reason = disconnect.get(wire.REASON_STRING)
    assert reason is None or isinstance(reason, str)
