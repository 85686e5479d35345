"""Options of a listener as a client meets them: who may connect, how much of what, the reason when it is too much."""

from __future__ import annotations

import contextlib
import time

import pytest

from tests.conformance.conftest import Clients, Listeners
from tests.conftest import Broker
from tests.support import wire
from tests.support.alarm import Alarm
from tests.support.client import TIMEOUT_S, Client, ConnectionClosed
from tests.support.packet_notation import V5, V311
from tests.support.wire import Will
from tests.support.wire_parser import Connack, Pingresp, Puback, Publish, Suback

_KEEP = [(wire.SESSION_EXPIRY, 100)]

LISTENERS = {
    "no-strangers": ["allow_anonymous=false"],
    "qos-1": ["max_qos_allowed=1"],
    "no-retain": ["retain_available=false"],
    "no-wildcards": ["wildcard_subscription_available=false"],
    "no-shares": ["shared_subscription_available=false"],
    "no-ids": ["subscription_identifiers_available=false"],
    "three-levels": ["max_topic_levels=3"],
    "short-names": ["max_clientid_len=30"],
    "two-subscriptions": ["max_subscriptions=2"],
    "two-connections-4": ["max_connections=2"],
    "two-connections-5": ["max_connections=2"],
    "short-sessions": ["max_session_expiry_interval=60s"],
    "window-3": ["max_inflight=3", "max_mqueue_len=5"],
    "drops-oldest": ["max_mqueue_len=5", "mqueue_drop_policy=oldest"],
    "drops-newest": ["max_mqueue_len=5", "mqueue_drop_policy=newest"],
    "receives-5": ["receive_maximum=5"],
    "no-aliases": ["max_topic_aliases=0"],
    "checks-format": ["check_payload_format=true"],
    "keepalive-needed": ["allow_zero_keepalive=false", "max_keepalive=60"],
    "keepalive-long": ["min_keepalive=30"],
    "impatient": ["handshake_timeout=1s"],
    "few-handshakes-begun": ["max_handshaking_limit=3"],
    "few-handshakes-silent": ["max_handshaking_limit=3"],
    "slow": ["mqueue_rate_limit=5,1s"],
    "messages-expire": ["message_expiry_interval=1s"],
    "sessions-expire": ["session_expiry_interval=1s"],
}


def _connected(clients: Clients, at: Broker, level: int = V5, properties: wire.Properties = ()) -> Client:
    client = clients(level=level, at=at)
    client.connect(properties=properties)
    return client


@pytest.fixture
def one_qos(listener: Listeners) -> Broker:
    """A broker whose highest QoS is 1."""
    return listener("qos-1")


def test_mqtt_3_1_4_2_anonymous_clients_are_refused(listener: Listeners, level: int, clients: Clients) -> None:
    client = clients(level=level, at=listener("no-strangers"))
    client.send(wire.connect(client.client_id, level))
    connack = client.expect(Connack)
    assert connack.code in ((0x86, 0x87) if level == V5 else (4, 5)) and not connack.session_present
    client.expect_closed()


def test_mqtt_3_2_2_3_4_maximum_qos_is_announced(one_qos: Broker, clients: Clients) -> None:
    assert clients(at=one_qos).connect().get(wire.MAXIMUM_QOS) == 1


def test_mqtt_3_2_2_11_publish_above_the_maximum_qos(one_qos: Broker, level: int, clients: Clients, topic: str) -> None:
    client = _connected(clients, one_qos, level)
    client.send_publish(topic, b"m", 2, 1)
    client.expect_disconnect(0x9B)


def test_mqtt_3_2_2_9_subscription_above_the_maximum_qos_is_granted_lower(
    one_qos: Broker, level: int, clients: Clients, topic: str
) -> None:
    client = _connected(clients, one_qos, level)
    assert client.subscribe((topic, 2), (f"{topic}/1", 1)).codes == [1, 1]
    publisher = _connected(clients, one_qos, level)
    publisher.publish(topic, b"m", 1)
    assert client.receive_publish(b"m").qos == 1


def test_mqtt_3_2_2_12_will_above_the_maximum_qos_is_refused(one_qos: Broker, clients: Clients, topic: str) -> None:
    client = clients(at=one_qos)
    client.connect(will=Will(topic, b"m", 2), code=0x9B)
    client.expect_closed()


def test_mqtt_3_2_2_14_retain_not_available(listener: Listeners, clients: Clients, topic: str) -> None:
    at = listener("no-retain")
    client = clients(at=at)
    assert client.connect().get(wire.RETAIN_AVAILABLE) == 0
    client.send_publish(topic, b"m", 1, 1, retain=True)
    client.expect_disconnect(0x9A)
    refused = clients(at=at)
    refused.connect(will=Will(topic, b"m", 0, True), code=0x9A)
    refused.expect_closed()


@pytest.mark.parametrize(
    ("name", "announced", "topic_filter", "code"),
    [
        ("no-wildcards", wire.WILDCARD_AVAILABLE, "a/#", 0xA2),
        ("no-shares", wire.SHARED_AVAILABLE, "$share/g/a", 0x9E),
    ],
)
def test_mqtt_3_2_2_3_kinds_of_subscription_not_available(
    name: str, announced: int, topic_filter: str, code: int, listener: Listeners, clients: Clients
) -> None:
    at = listener(name)
    client = clients(at=at)
    assert client.connect().get(announced) == 0
    client.send(wire.subscribe(1, [(topic_filter, 0)]))
    packet = client.receive()
    # A DISCONNECT with the code, or a SUBACK with the code for this filter: both are in 3.2.2.3 and 3.9.3.
    assert code in (packet.codes if isinstance(packet, Suback) else [getattr(packet, "code", 0)]), packet
    old = _connected(clients, at, V311)
    old.send(wire.subscribe(1, [(topic_filter, 0)], level=V311))
    assert old.expect(Suback).codes == [0x80]


def test_mqtt_3_2_2_3_subscription_ids_not_available(listener: Listeners, clients: Clients, topic: str) -> None:
    client = clients(at=listener("no-ids"))
    assert client.connect().get(wire.SUBSCRIPTION_ID_AVAILABLE) == 0
    client.send(wire.subscribe(1, [(topic, 0)], [(wire.SUBSCRIPTION_ID, 1)]))
    packet = client.receive()
    assert 0xA1 in (packet.codes if isinstance(packet, Suback) else [getattr(packet, "code", 0)]), packet


def test_topic_levels(listener: Listeners, level: int, clients: Clients) -> None:
    at = listener("three-levels")
    client = _connected(clients, at, level)
    client.send(wire.subscribe(1, [("a/b/c", 1), ("a/b/c/d", 1), ("a/#", 1)], level=level))
    assert client.expect(Suback).codes == [1, 0x8F if level == V5 else 0x80, 1]
    publisher = _connected(clients, at, level)
    if level == V5:
        assert publisher.publish("a/b/c/d", b"too deep", 1) == 0x90
    else:
        # Version 3 has no way to refuse one message: acknowledged and dropped, or closed, as [MQTT-3.3.5-2] has it.
        publisher.send_publish("a/b/c/d", b"too deep", 1)
        publisher.send(wire.pingreq())
        with contextlib.suppress(ConnectionClosed):
            publisher.expect(Puback)
            publisher.expect(Pingresp)
    other = _connected(clients, at, level)
    other.publish("a/b/c", b"not too deep", 1)
    client.receive_publish(b"not too deep")
    client.expect_nothing()


def test_client_id_length(listener: Listeners, level: int, clients: Clients) -> None:
    at = listener("short-names")
    clients("x" * 30, level, at).connect()
    client = clients("x" * 31, level, at)
    client.connect(code=0x85 if level == V5 else 2)
    client.expect_closed()


def test_number_of_subscriptions(listener: Listeners, level: int, clients: Clients, topic: str) -> None:
    client = _connected(clients, listener("two-subscriptions"), level)
    quota = 0x97 if level == V5 else 0x80
    assert client.subscribe((f"{topic}/1", 0), (f"{topic}/2", 0), (f"{topic}/3", 0)).codes == [0, 0, quota]
    assert client.subscribe((f"{topic}/1", 1)).codes == [1], "replacing one is no further one"
    client.unsubscribe(f"{topic}/2")
    assert client.subscribe((f"{topic}/4", 0)).codes == [0]


def test_number_of_connections(listener: Listeners, level: int, clients: Clients) -> None:
    at = listener(f"two-connections-{level}")
    first, second = _connected(clients, at, level), _connected(clients, at, level)
    third = clients(level=level, at=at)
    third.send(wire.connect(third.client_id, level))
    answer = third.read_to_the_end()
    assert answer == b"" or answer[3] in ((0x89, 0x97, 0x9F) if level == V5 else (3,)), answer.hex(" ")
    first.disconnect()
    _connected(clients, at, level)
    second.disconnect()


def test_session_expiry_is_capped(listener: Listeners, clients: Clients) -> None:
    at = listener("short-sessions")
    assert clients(at=at).connect(properties=[(wire.SESSION_EXPIRY, 3600)]).get(wire.SESSION_EXPIRY) == 60
    assert clients(at=at).connect(properties=[(wire.SESSION_EXPIRY, 0xFFFFFFFF)]).get(wire.SESSION_EXPIRY) == 60
    assert clients(at=at).connect(properties=[(wire.SESSION_EXPIRY, 30)]).get(wire.SESSION_EXPIRY) in (None, 30)


def test_inflight_window(listener: Listeners, level: int, clients: Clients, topic: str) -> None:
    at = listener("window-3")
    subscriber, publisher = _connected(clients, at, level), _connected(clients, at, level)
    subscriber.subscribe((topic, 1))
    for number in range(6):
        publisher.publish(topic, b"%d" % number)
    in_flight = [packet for packet in subscriber.drain() if isinstance(packet, Publish)]
    assert [packet.payload for packet in in_flight] == [b"0", b"1", b"2"]
    subscriber.send(wire.puback(in_flight[0].packet_id))
    assert subscriber.expect(Publish).payload == b"3"
    subscriber.expect_nothing()


@pytest.mark.parametrize(("policy", "kept"), [("oldest", [5, 6, 7, 8, 9]), ("newest", [0, 1, 2, 3, 4])])
def test_queue_length_and_drop_policy(
    policy: str, kept: list[int], listener: Listeners, level: int, clients: Clients, topic: str
) -> None:
    # What was never sent is not in flight: the window gives a client that is away no further places.
    at = listener(f"drops-{policy}")
    first = clients(level=level, at=at)
    first.connect(clean=False, properties=_KEEP)
    first.subscribe((topic, 1))
    first.disconnect()
    publisher = _connected(clients, at, level)
    for number in range(10):
        publisher.publish(topic, b"%d" % number)
    second = clients(first.client_id, level, at)
    second.connect(clean=False, properties=_KEEP)
    assert [int(packet.payload) for packet in second.receive_publishes(len(kept))] == kept
    second.expect_nothing()


def test_receive_maximum_is_announced_and_kept(listener: Listeners, clients: Clients, topic: str) -> None:
    client = clients(at=listener("receives-5"))
    assert client.connect().get(wire.RECEIVE_MAXIMUM) == 5
    for packet_id in range(1, 6):
        client.send_publish(topic, b"m", 2, packet_id)
    assert len(client.drain()) == 5
    client.send_publish(topic, b"m", 2, 6)
    client.expect_disconnect(0x93)


def test_topic_aliases_are_switched_off(listener: Listeners, clients: Clients, topic: str) -> None:
    client = clients(at=listener("no-aliases"))
    assert client.connect().get(wire.TOPIC_ALIAS_MAXIMUM) in (None, 0)
    client.send_publish(topic, b"m", properties=[(wire.TOPIC_ALIAS, 1)])
    client.expect_disconnect(0x94)


@pytest.mark.parametrize(("payload", "code"), [(b"gr\xc3\xbc\xc3\x9fe", 0x10), (b"\xff\xfe", 0x99)])
def test_mqtt_3_3_2_3_2_payload_format_is_checked_when_asked(
    payload: bytes, code: int, listener: Listeners, clients: Clients, topic: str
) -> None:
    client = _connected(clients, listener("checks-format"))
    client.send_publish(topic, payload, 1, 5, properties=[(wire.PAYLOAD_FORMAT, 1)])
    puback = client.expect(Puback)
    assert puback.packet_id == 5 and puback.code == code
    client.send_publish(topic, payload, 1, 6, properties=[(wire.PAYLOAD_FORMAT, 0)])
    assert client.expect(Puback).code == 0x10


def test_keep_alive_zero_may_be_refused(listener: Listeners, clients: Clients) -> None:
    at = listener("keepalive-needed")
    connack = clients(at=at).connect(keep_alive=0)
    keep_alive = connack.get(wire.SERVER_KEEP_ALIVE)
    assert isinstance(keep_alive, int) and 0 < keep_alive <= 60, "version 5 can be told another keep alive"


@pytest.mark.realtime
def test_handshake_timeout(listener: Listeners, clients: Clients) -> None:
    client = clients(at=listener("impatient"))
    client.send(b"\x10")
    client.expect_closed()


@pytest.mark.realtime
def test_delivery_rate(listener: Listeners, level: int, clients: Clients, topic: str) -> None:
    at = listener("slow")
    subscriber, publisher = _connected(clients, at, level), _connected(clients, at, level)
    subscriber.subscribe((topic, 1))
    started = time.monotonic()
    for number in range(11):
        publisher.publish(topic, b"%d" % number)
    received = [subscriber.receive_publish(timeout_s=2 + TIMEOUT_S) for _ in range(11)]
    assert [int(packet.payload) for packet in received] == list(range(11))
    assert time.monotonic() - started >= 1.0, "11 messages at 5 a second"


@pytest.mark.realtime
def test_message_expiry_of_the_listener(listener: Listeners, level: int, clients: Clients, topic: str) -> None:
    at = listener("messages-expire")
    first = clients(level=level, at=at)
    first.connect(clean=False, properties=_KEEP)
    first.subscribe((topic, 1))
    first.disconnect()
    publisher = _connected(clients, at, level)
    publisher.publish(topic, b"too old")
    Alarm(at.address, 2).wait()
    publisher.publish(topic, b"fresh")
    second = clients(first.client_id, level, at)
    second.connect(clean=False, properties=_KEEP)
    second.receive_publish(b"fresh")
    second.expect_nothing()


@pytest.mark.realtime
def test_session_expiry_of_version_3(listener: Listeners, clients: Clients, topic: str) -> None:
    at = listener("sessions-expire")
    for client_id in ("gone", "back in time"):
        client = clients(client_id, V311, at)
        client.connect(clean=False)
        client.disconnect()
    back = clients("back in time", V311, at)
    assert back.connect(clean=False).session_present
    Alarm(at.address, 2).wait()
    assert not clients("gone", V311, at).connect(clean=False).session_present
    back.disconnect()
    assert clients("back in time", V311, at).connect(clean=False).session_present


def test_min_keepalive(listener: Listeners, clients: Clients) -> None:
    at = listener("keepalive-long")
    assert clients(at=at).connect(keep_alive=5).get(wire.SERVER_KEEP_ALIVE) == 30
    assert clients(at=at).connect(keep_alive=30).get(wire.SERVER_KEEP_ALIVE) in (None, 30)


@pytest.mark.parametrize("half", [b"", b"\x10"], ids=["silent", "begun"])
def test_number_of_handshakes(half: bytes, listener: Listeners, clients: Clients) -> None:
    at = listener(f"few-handshakes-{'begun' if half else 'silent'}")
    waiting = [clients(at=at) for _ in range(3)]
    for client in waiting:
        client.send(half)
    refused = clients(at=at)
    assert refused.read_to_the_end() == b""
    waiting[0].close()
    waiting[1].send(wire.connect(waiting[1].client_id)[len(half) :])
    waiting[1].expect(Connack)
