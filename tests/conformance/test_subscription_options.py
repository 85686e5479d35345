"""Subscription options and identifiers of version 5 (3.8.3.1, 3.8.2.1.2, 3.3.2.3.8)."""

from __future__ import annotations

import pytest

from tests.conformance.conftest import Clients
from tests.support import wire
from tests.support.client import Client
from tests.support.packet_notation import V5, V311
from tests.support.wire import NO_LOCAL
from tests.support.wire_parser import Publish

_KEEP = [(wire.SESSION_EXPIRY, 100)]


def _pair(clients: Clients) -> tuple[Client, Client]:
    subscriber, publisher = clients(), clients()
    subscriber.connect()
    publisher.connect()
    return subscriber, publisher


def _ids(publish: Publish) -> list[object]:
    return sorted(publish.all(wire.SUBSCRIPTION_ID), key=str)


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_mqtt_3_8_3_3_no_local(qos: int, clients: Clients, topic: str) -> None:
    client, other = _pair(clients)
    client.subscribe((topic, 2 | NO_LOCAL))
    other.subscribe((topic, 2 | NO_LOCAL))
    client.publish(topic, b"mine", qos)
    other.receive_publish(b"mine")
    client.expect_nothing()
    other.publish(topic, b"theirs", qos)
    client.receive_publish(b"theirs")
    other.expect_nothing()


def test_mqtt_3_8_3_3_no_local_holds_for_this_subscription_only(clients: Clients, topic: str) -> None:
    client, _ = _pair(clients)
    client.subscribe((topic, NO_LOCAL), properties=[(wire.SUBSCRIPTION_ID, 1)])
    client.subscribe(f"{topic}/#", properties=[(wire.SUBSCRIPTION_ID, 2)])
    client.send_publish(topic, b"mine")
    assert _ids(client.receive_publish(b"mine")) == [2]
    client.expect_nothing()


def test_mqtt_3_8_3_3_no_local_is_switched_off_by_subscribing_again(clients: Clients, topic: str) -> None:
    client, _ = _pair(clients)
    client.subscribe((topic, NO_LOCAL))
    client.subscribe(topic)
    client.send_publish(topic, b"mine")
    client.receive_publish(b"mine")


def test_mqtt_3_8_3_3_no_local_after_a_reconnect(clients: Clients, topic: str) -> None:
    first = clients()
    first.connect(properties=_KEEP)
    first.subscribe((topic, 1 | NO_LOCAL))
    first.disconnect()
    second = clients(first.client_id)
    assert second.connect(clean=False, properties=_KEEP).session_present
    second.publish(topic, b"mine", 1)
    second.expect_nothing()


def test_mqtt_3_3_4_3_subscription_id_is_sent(clients: Clients, topic: str) -> None:
    subscriber, publisher = _pair(clients)
    subscriber.subscribe((topic, 1), properties=[(wire.SUBSCRIPTION_ID, 456789)])
    for qos in (0, 1, 2):
        publisher.publish(topic, b"m", qos)
        assert _ids(subscriber.receive_publish(b"m")) == [456789]


@pytest.mark.parametrize("number", [1, 127, 128, 16383, 16384, 2097151, 2097152, 268435455])
def test_mqtt_3_8_2_1_2_range_of_subscription_ids(number: int, clients: Clients, topic: str) -> None:
    subscriber, publisher = _pair(clients)
    subscriber.subscribe(topic, properties=[(wire.SUBSCRIPTION_ID, number)])
    publisher.publish(topic, b"m")
    assert _ids(subscriber.receive_publish(b"m")) == [number]


def test_mqtt_3_3_4_4_overlapping_subscriptions_give_one_copy_with_all_ids(clients: Clients, topic: str) -> None:
    subscriber, publisher = _pair(clients)
    subscriber.subscribe((f"{topic}/a", 0), properties=[(wire.SUBSCRIPTION_ID, 2)])
    subscriber.subscribe((f"{topic}/#", 2), properties=[(wire.SUBSCRIPTION_ID, 3)])
    subscriber.subscribe((f"{topic}/+", 1))
    publisher.publish(f"{topic}/a", b"m", 2)
    publish = subscriber.receive_publish(b"m")
    assert publish.qos == 2 and set(publish.all(wire.SUBSCRIPTION_ID)) == {2, 3}
    subscriber.expect_nothing()


def test_mqtt_3_8_2_1_2_one_id_for_all_filters_of_a_subscribe(clients: Clients, topic: str) -> None:
    subscriber, publisher = _pair(clients)
    subscriber.subscribe(f"{topic}/a", f"{topic}/b", properties=[(wire.SUBSCRIPTION_ID, 9)])
    for name in "ab":
        publisher.publish(f"{topic}/{name}", b"m")
        assert _ids(subscriber.receive_publish(b"m")) == [9]


def test_mqtt_3_8_4_3_subscribing_again_replaces_the_id(clients: Clients, topic: str) -> None:
    subscriber, publisher = _pair(clients)
    expected: list[list[int]] = []
    for number in (5, 6, None):
        properties: wire.Properties = [] if number is None else [(wire.SUBSCRIPTION_ID, number)]
        subscriber.subscribe(topic, properties=properties)
        publisher.publish(topic, b"m")
        expected.append([] if number is None else [number])
        assert _ids(subscriber.receive_publish(b"m")) == expected[-1]
    subscriber.expect_nothing()


def test_mqtt_3_3_4_6_no_id_without_a_subscription_id(clients: Clients, topic: str) -> None:
    subscriber, publisher = _pair(clients)
    subscriber.subscribe(topic)
    publisher.publish(topic, b"m")
    assert subscriber.receive_publish(b"m").properties == []


def test_mqtt_3_3_4_3_id_of_each_subscriber_is_its_own(clients: Clients, topic: str) -> None:
    first, publisher = _pair(clients)
    second = clients()
    second.connect()
    old = clients(level=V311)
    old.connect()
    first.subscribe(topic, properties=[(wire.SUBSCRIPTION_ID, 1)])
    second.subscribe(topic, properties=[(wire.SUBSCRIPTION_ID, 2)])
    old.subscribe(topic)
    publisher.publish(topic, b"m")
    assert _ids(first.receive_publish(b"m")) == [1]
    assert _ids(second.receive_publish(b"m")) == [2]
    assert old.receive_publish(b"m").properties == []


def test_mqtt_3_3_4_3_id_is_sent_with_retained_messages(clients: Clients, topic: str) -> None:
    subscriber, publisher = _pair(clients)
    publisher.publish(topic, b"kept", 1, True)
    subscriber.subscribe((topic, 1), properties=[(wire.SUBSCRIPTION_ID, 7)])
    publish = subscriber.receive_publish(b"kept")
    assert publish.retain and _ids(publish) == [7]
    publisher.publish(topic, b"", 1, True)


def test_mqtt_4_1_id_is_kept_with_the_session(clients: Clients, topic: str) -> None:
    first, publisher = clients(), clients()
    first.connect(properties=_KEEP)
    publisher.connect()
    first.subscribe((topic, 1), properties=[(wire.SUBSCRIPTION_ID, 11)])
    first.disconnect()
    publisher.publish(topic, b"queued")
    second = clients(first.client_id)
    second.connect(clean=False, properties=_KEEP)
    assert _ids(second.receive_publish(b"queued")) == [11]
    publisher.publish(topic, b"live")
    assert _ids(second.receive_publish(b"live")) == [11]


def test_mqtt_4_4_0_1_id_is_sent_again_with_the_message(clients: Clients, topic: str) -> None:
    first, publisher = clients(), clients()
    first.connect(properties=_KEEP)
    publisher.connect()
    first.subscribe((topic, 1), properties=[(wire.SUBSCRIPTION_ID, 12)])
    publisher.publish(topic, b"m")
    first.expect(Publish)
    first.abort()
    second = clients(first.client_id, V5)
    second.connect(clean=False, properties=_KEEP)
    publish = second.receive_publish(b"m")
    assert publish.dup and _ids(publish) == [12]
