"""The will (3.1.2.5, 3.1.3.2): when it is published, when not, and with what."""

from __future__ import annotations

import pytest

from tests.conformance.conftest import Clients
from tests.support import wire
from tests.support.client import Client
from tests.support.packet_notation import V5
from tests.support.wire import Will


def _watcher(clients: Clients, topic: str, level: int = V5, qos: int = 2) -> Client:
    watcher = clients(level=level)
    watcher.connect()
    watcher.subscribe((topic, qos))
    return watcher


def _marker(clients: Clients, watcher: Client, topic: str) -> None:
    """Nothing came to the watcher: a message published now is the next one."""
    marker = clients(level=watcher.level)
    marker.connect()
    marker.publish(topic, b"marker")
    watcher.receive_publish(b"marker")


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_mqtt_3_1_2_8_will_is_published_when_the_connection_is_lost(
    how: str, qos: int, any_level: int, clients: Clients, topic: str
) -> None:
    watcher = _watcher(clients, topic, any_level)
    client = clients(level=any_level)
    client.connect(will=Will(topic, b"gone", qos))
    if how == "close":
        client.close()
    else:
        client.abort()
    publish = watcher.receive_publish(b"gone")
    assert publish.qos == qos and not publish.retain and not publish.dup
    watcher.expect_nothing()


def test_mqtt_3_1_2_10_no_will_after_disconnect(any_level: int, clients: Clients, topic: str) -> None:
    watcher = _watcher(clients, topic, any_level)
    client = clients(level=any_level)
    client.connect(will=Will(topic))
    client.disconnect()
    _marker(clients, watcher, topic)


@pytest.mark.parametrize("reason", [0x04, 0x80, 0x81, 0x82, 0x83, 0x95])
def test_mqtt_3_14_4_3_other_reasons_publish_the_will(reason: int, clients: Clients, topic: str) -> None:
    watcher = _watcher(clients, topic)
    client = clients()
    client.connect(will=Will(topic, b"with reason"))
    client.disconnect(reason)
    watcher.receive_publish(b"with reason")
    watcher.expect_nothing()


def test_mqtt_3_14_4_3_normal_reason_with_properties_drops_the_will(clients: Clients, topic: str) -> None:
    watcher = _watcher(clients, topic)
    client = clients()
    client.connect(will=Will(topic))
    client.disconnect(0, [(wire.USER_PROPERTY, ("why", "done"))])
    _marker(clients, watcher, topic)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(b"\xc1\x00", id="malformed"),
        pytest.param(b"\xd0\x00", id="protocol-error"),
        pytest.param(b"\x36\x05\x00\x01t\x00\x01", id="qos-3"),
    ],
)
def test_mqtt_4_13_1_protocol_error_publishes_the_will(wrong: bytes, level: int, clients: Clients, topic: str) -> None:
    watcher = _watcher(clients, topic, level)
    client = clients(level=level)
    client.connect(will=Will(topic, b"error"))
    client.send(wrong)
    client.expect_disconnect(0x81, 0x82)
    watcher.receive_publish(b"error")


def test_mqtt_3_1_4_3_takeover_publishes_the_will_of_the_old_connection(
    level: int, clients: Clients, topic: str
) -> None:
    watcher = _watcher(clients, topic, level)
    first = clients(level=level)
    first.connect(will=Will(topic, b"first"))
    second = clients(first.client_id, level)
    second.connect(will=Will(topic, b"second"))
    watcher.receive_publish(b"first")
    watcher.expect_nothing()
    second.close()
    watcher.receive_publish(b"second")


def test_mqtt_3_1_2_17_retained_will(level: int, clients: Clients, topic: str) -> None:
    watcher = _watcher(clients, topic, level)
    client = clients(level=level)
    client.connect(will=Will(topic, b"kept", 1, True))
    client.close()
    assert watcher.receive_publish(b"kept").retain is False
    late = clients(level=level)
    late.connect()
    late.subscribe((topic, 1))
    assert late.receive_publish(b"kept").retain is True
    late.unsubscribe(topic)
    late.publish(topic, b"", 1, True)


def test_mqtt_3_1_2_16_will_without_retain_is_not_kept(level: int, clients: Clients, topic: str) -> None:
    watcher = _watcher(clients, topic, level)
    client = clients(level=level)
    client.connect(will=Will(topic, b"passing", 1, False))
    client.close()
    watcher.receive_publish(b"passing")
    late = _watcher(clients, topic, level)
    late.expect_nothing()


def test_mqtt_3_1_3_3_empty_will(level: int, clients: Clients, topic: str) -> None:
    watcher = _watcher(clients, topic, level)
    client = clients(level=level)
    client.connect(will=Will(topic, b""))
    client.close()
    watcher.receive_publish(b"")


def test_mqtt_3_1_3_2_will_properties_are_passed_on(clients: Clients, topic: str) -> None:
    watcher = _watcher(clients, topic)
    properties: wire.Properties = [
        (wire.PAYLOAD_FORMAT, 1),
        (wire.CONTENT_TYPE, "text/plain"),
        (wire.RESPONSE_TOPIC, "answers"),
        (wire.CORRELATION_DATA, b"\0\1"),
        (wire.MESSAGE_EXPIRY, 1000),
        (wire.USER_PROPERTY, ("b", "1")),
        (wire.USER_PROPERTY, ("a", "2")),
        (wire.USER_PROPERTY, ("b", "3")),
    ]
    client = clients()
    client.connect(will=Will(topic, b"gone", 1, False, [(wire.WILL_DELAY, 0), *properties]))
    client.close()
    publish = watcher.receive_publish(b"gone")
    assert publish.all(wire.USER_PROPERTY) == [("b", "1"), ("a", "2"), ("b", "3")], "[MQTT-3.1.3-10]"
    for number, value in properties[:4]:
        assert publish.get(number) == value
    expiry = publish.get(wire.MESSAGE_EXPIRY)
    assert isinstance(expiry, int) and 990 <= expiry <= 1000
    assert len(publish.properties) == len(properties), "and no Will Delay Interval"


def test_mqtt_3_1_2_8_will_reaches_the_queue_of_a_client_that_is_away(level: int, clients: Clients, topic: str) -> None:
    keep = [(wire.SESSION_EXPIRY, 100)]
    away = clients(level=level)
    away.connect(clean=False, properties=keep)
    away.subscribe((topic, 1))
    away.disconnect()
    watcher = _watcher(clients, topic, level)
    client = clients(level=level)
    client.connect(will=Will(topic, b"gone", 1))
    client.close()
    watcher.receive_publish(b"gone")
    back = clients(away.client_id, level)
    back.connect(clean=False, properties=keep)
    back.receive_publish(b"gone")


def test_will_of_a_refused_connect_is_never_published(clients: Clients, topic: str) -> None:
    watcher = _watcher(clients, topic)
    refused = clients()
    refused.connect(will=Will(topic), properties=[(wire.AUTH_METHOD, "rot13")], code=0x8C)
    refused.expect_closed()
    _marker(clients, watcher, topic)


def test_mqtt_3_1_3_2_2_session_ending_with_the_connection_publishes_at_once(clients: Clients, topic: str) -> None:
    watcher = _watcher(clients, topic)
    client = clients()
    client.connect(will=Will(topic, b"at once", 1, False, [(wire.WILL_DELAY, 3600)]))
    client.close()
    watcher.receive_publish(b"at once")


def test_mqtt_3_1_3_9_reconnect_within_the_delay_publishes_nothing(clients: Clients, topic: str) -> None:
    keep = [(wire.SESSION_EXPIRY, 100)]
    watcher = _watcher(clients, topic)
    client = clients()
    client.connect(properties=keep, will=Will(topic, b"delayed", 1, False, [(wire.WILL_DELAY, 3600)]))
    client.abort()
    back = clients(client.client_id)
    assert back.connect(clean=False, properties=keep).session_present
    _marker(clients, watcher, topic)


def test_mqtt_3_1_3_9_takeover_within_the_delay_publishes_nothing(clients: Clients, topic: str) -> None:
    keep = [(wire.SESSION_EXPIRY, 100)]
    watcher = _watcher(clients, topic)
    client = clients()
    client.connect(properties=keep, will=Will(topic, b"delayed", 1, False, [(wire.WILL_DELAY, 3600)]))
    back = clients(client.client_id)
    assert back.connect(clean=False, properties=keep).session_present
    client.expect_disconnect(0x8E)
    _marker(clients, watcher, topic)


def test_mqtt_3_1_2_8_clean_start_ends_the_session_and_publishes_a_delayed_will(clients: Clients, topic: str) -> None:
    keep = [(wire.SESSION_EXPIRY, 100)]
    watcher = _watcher(clients, topic)
    client = clients()
    client.connect(properties=keep, will=Will(topic, b"session ended", 1, False, [(wire.WILL_DELAY, 3600)]))
    client.abort()
    clients(client.client_id).connect(clean=True)
    watcher.receive_publish(b"session ended")


def test_mqtt_3_14_2_2_2_expiry_0_at_disconnect_with_will_publishes_at_once(clients: Clients, topic: str) -> None:
    watcher = _watcher(clients, topic)
    client = clients()
    client.connect(
        properties=[(wire.SESSION_EXPIRY, 100)],
        will=Will(topic, b"ended by hand", 1, False, [(wire.WILL_DELAY, 3600)]),
    )
    client.disconnect(4, [(wire.SESSION_EXPIRY, 0)])
    watcher.receive_publish(b"ended by hand")
