"""Sessions (3.1.2.4, 4.1): present or not, what they keep, clean start, takeover, expiry interval."""

from __future__ import annotations

import pytest

from tests.conformance.conftest import Clients
from tests.support import wire
from tests.support.client import Client, payloads
from tests.support.packet_notation import V5, V31, V311
from tests.support.wire import Will
from tests.support.wire_parser import Publish

_KEEP = [(wire.SESSION_EXPIRY, 100)]


def _resume(clients: Clients, client: Client) -> Client:
    """The same client id again, asking for its session; asserts nothing."""
    again = clients(client.client_id, client.level)
    again.send(wire.connect(again.client_id, again.level, False, 60, _KEEP if again.level == V5 else ()))
    return again


def _session_present(clients: Clients, client: Client) -> bool:
    again = clients(client.client_id, client.level)
    present = again.connect(clean=False, properties=_KEEP).session_present
    again.close()
    return present


def test_mqtt_3_2_2_2_new_session_is_not_present(level: int, clients: Clients) -> None:
    assert not clients(level=level).connect(clean=False, properties=_KEEP).session_present


def test_mqtt_3_2_2_3_kept_session_is_present(level: int, clients: Clients) -> None:
    client = clients(level=level)
    client.connect(clean=False, properties=_KEEP)
    client.disconnect()
    assert _session_present(clients, client)


def test_mqtt_31_has_no_session_present_flag(clients: Clients, topic: str) -> None:
    first = clients(level=V31)
    first.connect(clean=False)
    first.subscribe((topic, 1))
    first.disconnect()
    publisher = clients()
    publisher.connect()
    publisher.publish(topic, b"kept")
    second = clients(first.client_id, V31)
    assert not second.connect(clean=False).session_present, "the byte is reserved in 3.1"
    second.receive_publish(b"kept")


def test_mqtt_3_1_2_6_clean_session_ends_with_the_connection(clients: Clients) -> None:
    client = clients(level=V311)
    client.connect(clean=True)
    client.disconnect()
    assert not _session_present(clients, client)


def test_mqtt_3_1_2_23_without_expiry_the_session_ends_with_the_connection(clients: Clients) -> None:
    for clean in (True, False):
        client = clients()
        client.connect(clean=clean)
        client.disconnect()
        assert not _session_present(clients, client)


def test_mqtt_3_1_2_23_clean_start_with_expiry_is_kept(clients: Clients) -> None:
    client = clients()
    client.connect(clean=True, properties=_KEEP)
    client.disconnect()
    assert _session_present(clients, client)


def test_mqtt_3_1_2_4_clean_start_discards(level: int, clients: Clients, topic: str) -> None:
    first = clients(level=level)
    first.connect(clean=False, properties=_KEEP)
    first.subscribe((topic, 1))
    first.disconnect()
    publisher = clients(level=level)
    publisher.connect()
    publisher.publish(topic, b"queued")
    second = clients(first.client_id, level)
    assert not second.connect(clean=True, properties=_KEEP).session_present
    publisher.publish(topic, b"not subscribed any more")
    second.expect_nothing()


@pytest.mark.parametrize("lost", [True, False], ids=["lost", "disconnected"])
def test_mqtt_4_1_0_1_subscriptions_and_messages_are_kept(lost: bool, level: int, clients: Clients, topic: str) -> None:
    first = clients(level=level)
    first.connect(clean=False, properties=_KEEP)
    first.subscribe((f"{topic}/1", 1), (f"{topic}/2", 2))
    if lost:
        first.abort()
    else:
        first.disconnect()
    publisher = clients(level=level)
    publisher.connect()
    for number in range(1, 11):
        publisher.publish(f"{topic}/{1 + number % 2}", b"%d" % number, 1 + number % 2)
    second = clients(first.client_id, level)
    assert second.connect(clean=False, properties=_KEEP).session_present
    queued = second.receive_publishes(10)
    assert [int(packet.payload) for packet in queued if packet.topic == f"{topic}/1"] == [2, 4, 6, 8, 10]
    assert [int(packet.payload) for packet in queued if packet.topic == f"{topic}/2"] == [1, 3, 5, 7, 9]
    assert {(packet.topic[-1], packet.qos) for packet in queued} == {("1", 1), ("2", 2)}
    assert not any(packet.dup for packet in queued), "[MQTT-3.3.1-1]: sent for the first time"
    publisher.publish(f"{topic}/1", b"live")
    second.receive_publish(b"live")
    second.expect_nothing()


def test_mqtt_4_4_0_1_what_was_in_flight_comes_before_what_waited(clients: Clients, topic: str) -> None:
    first = clients()
    first.connect(properties=[(wire.RECEIVE_MAXIMUM, 2), *_KEEP])
    first.subscribe((topic, 1))
    publisher = clients()
    publisher.connect()
    for number in range(6):
        publisher.publish(topic, b"%d" % number)
    assert payloads(first.drain()) == [b"0", b"1"]
    first.abort()
    for number in range(6, 8):
        publisher.publish(topic, b"%d" % number)
    second = clients(first.client_id)
    assert second.connect(clean=False, properties=_KEEP).session_present
    received = second.receive_publishes(8)
    assert [int(packet.payload) for packet in received] == list(range(8))
    assert [packet.dup for packet in received] == [True] * 2 + [False] * 6
    second.expect_nothing()


def test_mqtt_4_1_unsubscribed_filters_stay_unsubscribed(level: int, clients: Clients, topic: str) -> None:
    first = clients(level=level)
    first.connect(clean=False, properties=_KEEP)
    first.subscribe((topic, 1))
    first.unsubscribe(topic)
    first.disconnect()
    publisher = clients(level=level)
    publisher.connect()
    publisher.publish(topic, b"m")
    second = clients(first.client_id, level)
    assert second.connect(clean=False, properties=_KEEP).session_present
    second.expect_nothing()


def test_mqtt_3_1_4_3_second_connect_takes_over(level: int, clients: Clients) -> None:
    first = clients(level=level)
    first.connect()
    second = clients(first.client_id, level)
    second.connect()
    first.expect_disconnect(0x8E)
    second.expect_nothing()


@pytest.mark.parametrize("levels", [(V31, V5), (V311, V5), (V5, V311), (V5, V31)], ids=str)
def test_mqtt_3_1_4_3_takeover_between_versions(levels: tuple[int, int], clients: Clients) -> None:
    first = clients(level=levels[0])
    first.connect()
    second = clients(first.client_id, levels[1])
    second.connect()
    first.expect_disconnect(0x8E)
    second.expect_nothing()


def test_mqtt_3_1_4_3_takeover_keeps_the_session(level: int, clients: Clients, topic: str) -> None:
    first = clients(level=level)
    first.connect(clean=False, properties=_KEEP)
    first.subscribe((topic, 1))
    publisher = clients(level=level)
    publisher.connect()
    publisher.publish(topic, b"in flight")
    in_flight = first.expect(Publish)
    second = clients(first.client_id, level)
    assert second.connect(clean=False, properties=_KEEP).session_present
    first.expect_disconnect(0x8E)
    again = second.receive_publish(b"in flight")
    assert again.dup and again.packet_id == in_flight.packet_id
    publisher.publish(topic, b"next")
    second.receive_publish(b"next")
    second.expect_nothing()


def test_mqtt_3_1_4_4_takeover_with_clean_start_discards(level: int, clients: Clients, topic: str) -> None:
    first = clients(level=level)
    first.connect(clean=False, properties=_KEEP)
    first.subscribe((topic, 1))
    second = clients(first.client_id, level)
    assert not second.connect(clean=True).session_present
    first.expect_disconnect(0x8E)
    publisher = clients(level=level)
    publisher.connect()
    publisher.publish(topic, b"m")
    second.expect_nothing()


def test_mqtt_3_1_4_3_many_takeovers_in_a_row(level: int, clients: Clients, unique: str) -> None:
    previous: Client | None = None
    for _ in range(20):
        current = clients(unique, level)
        current.connect(clean=False, properties=_KEEP)
        if previous is not None:
            previous.expect_disconnect(0x8E)
        previous = current
    assert previous is not None
    previous.expect_nothing()


def test_mqtt_3_1_4_3_takeover_of_a_session_without_expiry(clients: Clients, topic: str) -> None:
    # Session Expiry Interval 0 ends the first session when its connection closes, so nothing can be present.
    first = clients()
    first.connect()
    first.subscribe((topic, 1))
    second = clients(first.client_id)
    assert not second.connect(clean=False).session_present
    first.expect_disconnect(0x8E)


def test_mqtt_3_14_2_2_2_expiry_0_at_disconnect_ends_the_session(clients: Clients, topic: str) -> None:
    client = clients()
    client.connect(properties=_KEEP)
    client.subscribe((topic, 1))
    client.disconnect(0, [(wire.SESSION_EXPIRY, 0)])
    assert not _session_present(clients, client)


def test_mqtt_3_14_2_2_2_expiry_changed_at_disconnect(clients: Clients) -> None:
    client = clients()
    client.connect(properties=[(wire.SESSION_EXPIRY, 1)])
    client.disconnect(0, [(wire.SESSION_EXPIRY, 1000)])
    assert _session_present(clients, client)


def test_mqtt_3_14_2_2_2_expiry_of_connect_stands_without_one_at_disconnect(clients: Clients) -> None:
    client = clients()
    client.connect(properties=_KEEP)
    client.disconnect(0, [(wire.REASON_STRING, "bye")])
    assert _session_present(clients, client)


def test_mqtt_3_14_2_2_2_raising_expiry_from_0_is_refused_and_ends_the_session(clients: Clients, topic: str) -> None:
    watcher = clients()
    watcher.connect()
    watcher.subscribe(topic)
    client = clients()
    client.connect(will=Will(topic, b"protocol error"))
    client.send(wire.disconnect(0, [(wire.SESSION_EXPIRY, 10)]))
    client.expect_disconnect(0x82)
    watcher.receive_publish(b"protocol error")
    assert not _session_present(clients, client)


def test_mqtt_3_1_2_11_2_expiry_without_end(clients: Clients) -> None:
    client = clients()
    client.connect(properties=[(wire.SESSION_EXPIRY, 0xFFFFFFFF)])
    client.abort()
    assert _session_present(clients, client)


def test_mqtt_3_2_2_3_2_expiry_in_the_connack_only_where_it_differs(clients: Clients) -> None:
    connack = clients().connect(properties=_KEEP)
    assert connack.get(wire.SESSION_EXPIRY) in (None, 100)


def test_mqtt_4_1_messages_of_an_ended_session_are_gone(level: int, clients: Clients, topic: str) -> None:
    first = clients(level=level)
    first.connect()
    first.subscribe((topic, 1))
    first.abort()
    # The close reaches the broker before this round trip of a later connection does; a takeover would end it too.
    publisher = clients(level=level)
    publisher.connect()
    publisher.publish(topic, b"m")
    second = _resume(clients, first)
    packets = second.drain()
    assert payloads(packets) == []
    publisher.publish(topic, b"m")
    second.expect_nothing()


def test_a_session_goes_on_from_311_to_5_and_back(clients: Clients, topic: str) -> None:
    first = clients(level=V311)
    first.connect(clean=False)
    first.subscribe((topic, 1))
    first.disconnect()
    publisher = clients()
    publisher.connect()
    publisher.publish(topic, b"one", properties=[(wire.USER_PROPERTY, ("k", "v"))])
    second = clients(first.client_id, V5)
    assert second.connect(clean=False, properties=_KEEP).session_present
    assert second.receive_publish(b"one").all(wire.USER_PROPERTY) == [("k", "v")]
    second.disconnect()
    publisher.publish(topic, b"two", properties=[(wire.USER_PROPERTY, ("k", "v"))])
    third = clients(first.client_id, V311)
    assert third.connect(clean=False).session_present
    third.receive_publish(b"two")
