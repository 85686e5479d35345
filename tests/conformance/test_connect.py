"""CONNECT and CONNACK (3.1, 3.2): acceptance, client ids, what the CONNACK says, what comes before and beside it."""

from __future__ import annotations

import pytest

from tests.conformance.conftest import Clients
from tests.support import wire
from tests.support.packet_notation import V5, V31, V311
from tests.support.wire_parser import Connack, Packet, Pingresp, Puback, Suback


def test_mqtt_3_2_0_1_connack_is_the_first_packet(any_level: int, clients: Clients) -> None:
    client = clients(level=any_level)
    connack = client.connect()
    assert connack.session_present is False
    client.expect_nothing()


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(wire.pingreq(), id="pingreq"),
        pytest.param(wire.publish("t", b"x"), id="publish"),
        pytest.param(wire.subscribe(1, [("t", 0)]), id="subscribe"),
        pytest.param(wire.unsubscribe(1, ["t"]), id="unsubscribe"),
        pytest.param(wire.puback(1), id="puback"),
        pytest.param(wire.pubrel(1), id="pubrel"),
        pytest.param(wire.disconnect(), id="disconnect"),
        pytest.param(wire.auth(0x18, [(wire.AUTH_METHOD, "m")]), id="auth"),
        pytest.param(b"\x20\x02\x00\x00", id="connack"),
        pytest.param(b"\x00\x00", id="type-0"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="http"),
        pytest.param(b"\x16\x03\x01\x00\xf5\x01\x00\x00\xf1\x03\x03", id="tls-hello"),
        pytest.param(b"\x10\xff\xff\xff\xff\x01", id="connect-of-overlong-length"),
    ],
)
def test_mqtt_3_1_0_1_first_packet_must_be_connect(first: bytes, clients: Clients) -> None:
    # [MQTT-3.14.0-1]: no DISCONNECT before a CONNACK, so the close is all there is.
    client = clients()
    client.send(first)
    assert client.read_to_the_end() == b""


def test_mqtt_3_1_4_6_packets_may_follow_connect_before_connack(level: int, clients: Clients, topic: str) -> None:
    client = clients(level=level)
    client.send(
        wire.connect(client.client_id, level),
        wire.subscribe(1, [(topic, 1)], level=level),
        wire.publish(topic, b"early", 1, 2, level=level),
        wire.pingreq(),
    )
    assert client.expect(Connack).code == 0
    packets: list[Packet] = []
    while not packets or not isinstance(packets[-1], Pingresp):
        packets.append(client.receive())
    assert [type(packet).__name__ for packet in packets if isinstance(packet, (Suback, Puback))] == ["Suback", "Puback"]
    assert sum(getattr(packet, "payload", b"") == b"early" for packet in packets) == 1


def test_mqtt_3_1_0_2_second_connect_publishes_the_will(level: int, clients: Clients, topic: str) -> None:
    watcher = clients(level=level)
    watcher.connect()
    watcher.subscribe(topic)
    client = clients(level=level)
    client.connect(will=wire.Will(topic, b"twice"))
    client.send(wire.connect(client.client_id, level))
    client.expect_disconnect(0x82)
    watcher.receive_publish(b"twice")


@pytest.mark.parametrize("client_id", ["a", "0123456789abcdefABCDEF0", "x" * 64, "with space", "grüße/客/😀", "a/+/#"])
def test_mqtt_3_1_3_5_client_ids_are_accepted(client_id: str, level: int, clients: Clients) -> None:
    clients(client_id, level).connect()


def test_mqtt_3_1_3_7_server_assigns_a_client_id(clients: Clients) -> None:
    names = set()
    for _ in range(3):
        client = clients("")
        assigned = client.connect().get(wire.ASSIGNED_CLIENT_ID)
        assert isinstance(assigned, str) and assigned
        names.add(assigned)
    assert len(names) == 3, "an assigned client id must be unique [MQTT-3.2.2-16]"


def test_mqtt_3_2_2_16_assigned_client_id_names_the_session(clients: Clients) -> None:
    first = clients("")
    assigned = first.connect(properties=[(wire.SESSION_EXPIRY, 100)]).get(wire.ASSIGNED_CLIENT_ID)
    assert isinstance(assigned, str)
    first.disconnect()
    second = clients(assigned)
    connack = second.connect(clean=False)
    assert connack.session_present is True
    assert connack.get(wire.ASSIGNED_CLIENT_ID) is None


def test_mqtt_3_1_3_6_empty_client_ids_do_not_meet(clients: Clients) -> None:
    first, second = clients("", V311), clients("", V311)
    first.connect()
    second.connect()
    first.expect_nothing()
    second.expect_nothing()


def test_no_assigned_client_id_where_the_client_has_one(clients: Clients) -> None:
    assert clients().connect().get(wire.ASSIGNED_CLIENT_ID) is None


def test_mqtt_3_2_2_3_what_the_connack_offers_is_consistent(clients: Clients) -> None:
    connack = clients().connect()
    assert connack.get(wire.RECEIVE_MAXIMUM) != 0
    assert connack.get(wire.MAXIMUM_PACKET_SIZE) != 0
    assert connack.get(wire.MAXIMUM_QOS) in (None, 0, 1), "2 is not a value of Maximum QoS (3.2.2.3.4)"
    for number in (
        wire.RETAIN_AVAILABLE,
        wire.WILDCARD_AVAILABLE,
        wire.SUBSCRIPTION_ID_AVAILABLE,
        wire.SHARED_AVAILABLE,
    ):
        assert connack.get(number) in (None, 1), f"{number:#x}: this broker offers everything"
    assert connack.get(wire.SERVER_KEEP_ALIVE) in (None, 60)


def test_mqtt_3_1_2_28_response_information_only_when_requested(clients: Clients) -> None:
    assert clients().connect().get(wire.RESPONSE_INFO) is None
    assert clients().connect(properties=[(wire.REQUEST_RESPONSE_INFO, 0)]).get(wire.RESPONSE_INFO) is None
    # With 1 the server may still send none; the strict parser has checked the form of what it sends.
    clients().connect(properties=[(wire.REQUEST_RESPONSE_INFO, 1)])


def test_mqtt_3_1_2_1_version_31_and_311_and_5_beside_one_another(clients: Clients, topic: str) -> None:
    subscribers = [clients(level=level) for level in (V31, V311, V5)]
    for subscriber in subscribers:
        subscriber.connect()
        subscriber.subscribe((topic, 2))
    for level in (V31, V311, V5):
        publisher = clients(level=level)
        publisher.connect()
        for qos in (0, 1, 2):
            payload = b"level %d qos %d" % (level, qos)
            publisher.publish(topic, payload, qos)
            for subscriber in subscribers:
                publish = subscriber.receive_publish(payload)
                assert publish.qos == qos and publish.topic == topic


def test_mqtt_3_1_2_11_user_properties_of_connect_are_accepted(clients: Clients) -> None:
    client = clients()
    client.connect(properties=[(wire.USER_PROPERTY, ("k", str(number))) for number in range(20)])
    client.expect_nothing()


def test_username_and_password_are_accepted_when_anonymous_is_allowed(any_level: int, clients: Clients) -> None:
    client = clients(level=any_level)
    client.connect(username="someone", password=b"\x00\xffsecret")
    client.expect_nothing()


@pytest.mark.parametrize(("username", "password"), [("", b""), ("user", None), ("", None)])
def test_mqtt_3_1_3_5_empty_user_names(username: str, password: bytes | None, level: int, clients: Clients) -> None:
    client = clients(level=level)
    client.connect(username=username, password=password)
    client.expect_nothing()


def test_mqtt_4_12_0_1_unknown_authentication_method_is_refused(clients: Clients) -> None:
    client = clients()
    connack = client.connect(properties=[(wire.AUTH_METHOD, "rot13"), (wire.AUTH_DATA, b"x")], code=0x8C)
    assert connack.session_present is False
    client.expect_closed()


def test_mqtt_3_1_4_6_packets_behind_a_refused_connect_are_not_processed(clients: Clients, topic: str) -> None:
    watcher = clients()
    watcher.connect()
    watcher.subscribe(topic)
    refused = clients()
    refused.send(
        wire.connect(refused.client_id, properties=[(wire.AUTH_METHOD, "rot13")])
        + wire.publish(topic, b"refused", 1, 1)
        + wire.subscribe(2, [(topic, 0)])
    )
    assert refused.expect(Connack).code == 0x8C
    refused.expect_closed()
    marker = clients()
    marker.connect()
    marker.publish(topic, b"marker")
    watcher.receive_publish(b"marker")


def test_mqtt_3_2_2_7_refused_connect_is_closed(clients: Clients) -> None:
    client = clients("", V311)
    client.connect(clean=False, code=2)
    client.expect_closed()


def test_mqtt_3_14_4_3_disconnect_closes(any_level: int, clients: Clients) -> None:
    client = clients(level=any_level)
    client.connect()
    client.disconnect()


def test_mqtt_3_14_4_2_packets_behind_disconnect_are_not_processed(level: int, clients: Clients, topic: str) -> None:
    watcher = clients(level=level)
    watcher.connect()
    watcher.subscribe(topic)
    client = clients(level=level)
    client.connect()
    client.send(wire.disconnect() + wire.publish(topic, b"too late", level=level))
    client.expect_closed()
    marker = clients(level=level)
    marker.connect()
    marker.publish(topic, b"marker")
    watcher.receive_publish(b"marker")


def test_mqtt_3_12_4_1_pingreq_is_answered(any_level: int, clients: Clients) -> None:
    client = clients(level=any_level)
    client.connect()
    client.send(wire.pingreq() * 5)
    for _ in range(5):
        client.expect(Pingresp)
    client.expect_nothing()
