"""A message reaches its subscribers whatever nodes they and its publisher are connected to."""

from __future__ import annotations

import itertools
from typing import Final

import pytest

from tests.integration.cluster.guests import Guests, nothing_new
from tests.support import wire
from tests.support.client import Client
from tests.support.cluster_processes import ClusterProcesses
from tests.support.wire_parser import Puback, Publish

PAIRS: Final = list(itertools.permutations((1, 2, 3), 2))
NO_SUBSCRIBERS: Final = 0x10


@pytest.mark.parametrize("level", [4, 5])
@pytest.mark.parametrize("expiry", [0, 1000], ids=["transient", "persistent"])
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_messages_cross_between_all_nodes_in_order(
    cluster: ClusterProcesses, guests: Guests, name: str, qos: int, expiry: int, level: int
) -> None:
    for at, to in PAIRS:
        topic = f"{name}/{at}{to}"
        clean = level == 4 and not expiry
        subscriber = guests.connect(cluster[to], topic, level, clean=clean, expiry=expiry, present=False)
        subscriber.subscribe((topic, qos))
        publisher = guests.passing(cluster[at], level=level)
        for number in range(10):
            assert publisher.publish(topic, b"%d" % number, qos) == 0
        found = subscriber.receive_publishes(10)
        assert [(m.topic, m.payload, m.qos, m.dup) for m in found] == [
            (topic, b"%d" % number, qos, False) for number in range(10)
        ]
        subscriber.expect_nothing()


@pytest.mark.parametrize("level", [4, 5])
def test_a_session_off_line_gets_what_it_missed_at_any_node(
    cluster: ClusterProcesses, guests: Guests, name: str, level: int
) -> None:
    guests.off_line(cluster[1], name, (f"{name}/#", 2), level=level)
    expected = []
    for number in range(30):
        publisher = guests.passing(cluster[1 + number % 3])
        assert publisher.publish(f"{name}/{number}", b"%d" % number, 1 + number % 2) == 0
        publisher.publish(f"{name}/{number}", b"of no account", 0)
        expected.append((f"{name}/{number}", b"%d" % number, 1 + number % 2))
    for member in (cluster[2], cluster[3], cluster[1]):
        subscriber = guests.connect(member, name, level, present=True)
        found = subscriber.receive_publishes(len(expected))
        assert [(m.topic, m.payload, m.qos) for m in found] == expected
        nothing_new(subscriber)
        guests.goodbye(subscriber)
        expected = []


def test_messages_arrive_as_they_were_sent(cluster: ClusterProcesses, guests: Guests, name: str) -> None:
    properties: wire.Properties = [
        (wire.PAYLOAD_FORMAT, 1),
        (wire.MESSAGE_EXPIRY, 100),
        (wire.CONTENT_TYPE, "text/plain"),
        (wire.RESPONSE_TOPIC, "answer/me"),
        (wire.CORRELATION_DATA, b"\0\xff"),
        (wire.USER_PROPERTY, ("k", "1")),
        (wire.USER_PROPERTY, ("k", "2")),
    ]
    publisher = guests.passing(cluster[1])
    for expiry, qos in itertools.product((0, 1000), (0, 1, 2)):
        subscriber = guests.connect(cluster[2], f"{name}-{expiry}-{qos}", expiry=expiry, clean=not expiry)
        subscriber.subscribe((name, qos | wire.RETAIN_AS_PUBLISHED), properties=[(wire.SUBSCRIPTION_ID, 70_000)])
        publisher.publish(name, "grüezi".encode(), qos, properties=properties)
        message = subscriber.receive_publish("grüezi".encode())
        expiry_left = message.get(wire.MESSAGE_EXPIRY)
        assert isinstance(expiry_left, int) and 90 <= expiry_left <= 100
        got = [each for each in message.properties if each[0] not in (wire.MESSAGE_EXPIRY, wire.SUBSCRIPTION_ID)]
        assert sorted(got, key=str) == sorted((p for p in properties if p[0] != wire.MESSAGE_EXPIRY), key=str)
        assert message.all(wire.USER_PROPERTY) == [("k", "1"), ("k", "2")]
        assert message.all(wire.SUBSCRIPTION_ID) == [70_000] and not message.retain
        guests.goodbye(subscriber)


@pytest.mark.parametrize("expiry", [0, 1000], ids=["transient", "persistent"])
def test_empty_and_large_payloads(cluster: ClusterProcesses, guests: Guests, name: str, expiry: int) -> None:
    payloads = [b"", bytes(range(256)) * 2000, b"x" * 100_000, b""]
    subscriber = guests.connect(cluster[3], name, expiry=expiry, clean=not expiry)
    subscriber.subscribe((name, 2))
    publisher = guests.passing(cluster[1])
    for qos in (1, 2):
        for payload in payloads:
            assert publisher.publish(name, payload, qos) == 0
    assert [m.payload for m in subscriber.receive_publishes(8)] == payloads * 2


@pytest.mark.parametrize("expiry", [0, 1000], ids=["transient", "persistent"])
def test_overlapping_subscriptions_are_one_delivery(
    cluster: ClusterProcesses, guests: Guests, name: str, expiry: int
) -> None:
    subscriber = guests.connect(cluster[2], name, expiry=expiry, clean=not expiry)
    subscriber.subscribe((f"{name}/#", 1), properties=[(wire.SUBSCRIPTION_ID, 1)])
    subscriber.subscribe((f"{name}/+", 2), properties=[(wire.SUBSCRIPTION_ID, 2)])
    publisher = guests.passing(cluster[3])
    for qos in (0, 1, 2):
        publisher.publish(f"{name}/t", b"%d" % qos, qos)
    found = subscriber.receive_publishes(3)
    # In no order: each goes its own way, and only messages of the same QoS have one [MQTT-4.6.0-5].
    assert sorted((m.payload, m.qos, sorted(m.all(wire.SUBSCRIPTION_ID), key=str)) for m in found) == [
        (b"%d" % qos, qos, [1, 2]) for qos in (0, 1, 2)
    ]
    subscriber.expect_nothing()


def test_no_local_holds_for_the_client_and_not_for_its_node(
    cluster: ClusterProcesses, guests: Guests, name: str
) -> None:
    both = [guests.connect(cluster[number], f"{name}-{number}") for number in (1, 2)]
    for each in both:
        each.subscribe((name, 1 | wire.NO_LOCAL))
    both[0].publish(name, b"from 1", 1)
    both[1].receive_publish(b"from 1")
    both[1].publish(name, b"from 2", 1)
    both[0].receive_publish(b"from 2")
    for each in both:
        each.expect_nothing()


def test_after_unsubscribing_nothing_comes_from_any_node(cluster: ClusterProcesses, guests: Guests, name: str) -> None:
    subscriber = guests.passing(cluster[1])
    subscriber.subscribe((name, 1), (f"{name}/kept", 1))
    publishers = [guests.passing(member) for member in cluster]
    for publisher in publishers:
        assert publisher.publish(name, b"before", 1) == 0
        subscriber.receive_publish(b"before")
    subscriber.unsubscribe(name)
    for publisher in publishers:
        publisher.publish(name, b"after", 1)
        publisher.publish(f"{name}/kept", b"kept", 1)
        subscriber.receive_publish(b"kept")
    subscriber.expect_nothing()


def test_a_publisher_hears_of_subscribers_on_other_nodes(cluster: ClusterProcesses, guests: Guests, name: str) -> None:
    """0x10 says that nobody got it, which a node may only say of the whole cluster."""
    publisher = guests.passing(cluster[1])
    assert publisher.publish(f"{name}/nobody", b"", 1) in (0, NO_SUBSCRIBERS)
    for number, expiry in ((2, 0), (3, 1000)):
        topic = f"{name}/{number}"
        subscriber = guests.connect(cluster[number], topic, expiry=expiry, clean=not expiry)
        subscriber.subscribe((topic, 1))
        assert publisher.publish(topic, b"", 1) == 0
        subscriber.receive_publish(b"")


def test_the_order_of_each_publisher_is_kept(cluster: ClusterProcesses, guests: Guests, name: str) -> None:
    """Several publishers at several nodes to one topic, with a window of messages each, mixed QoS to two sessions."""
    subscribers = [
        guests.connect(cluster[1], f"{name}-transient", expiry=0, clean=True),
        guests.connect(cluster[2], f"{name}-persistent"),
    ]
    for subscriber in subscribers:
        subscriber.subscribe((name, 1))
    publishers = [guests.passing(member) for member in cluster]
    for start in range(0, 100, 20):
        for who, publisher in enumerate(publishers):
            packets = [wire.publish(name, b"%d %d" % (who, n), 1, n + 1) for n in range(start, start + 20)]
            publisher.send(*packets)
    for publisher in publishers:
        acks = [publisher.expect(Puback) for _ in range(100)]
        assert [(ack.packet_id, ack.code) for ack in acks] == [(n + 1, 0) for n in range(100)]
    for subscriber in subscribers:
        found = [m.payload.split() for m in subscriber.receive_publishes(300)]
        for who in range(3):
            assert [int(number) for by, number in found if int(by) == who] == list(range(100))
        subscriber.expect_nothing()


def test_a_message_that_has_expired_is_not_sent_on(cluster: ClusterProcesses, guests: Guests, name: str) -> None:
    guests.off_line(cluster[2], name, (name, 1))
    publisher = guests.passing(cluster[1])
    publisher.publish(name, b"short", 1, properties=[(wire.MESSAGE_EXPIRY, 1)])
    publisher.publish(name, b"long", 1, properties=[(wire.MESSAGE_EXPIRY, 1000)])
    rings = delayed(guests.passing(cluster[3]), f"{name}/rings", 2)
    rings.receive_publish(b"now", 10)
    subscriber = guests.connect(cluster[3], name, present=True)
    subscriber.receive_publish(b"long")
    subscriber.expect_nothing()


def delayed(client: Client, topic: str, seconds: int) -> Client:
    """It gets a message in so many seconds of the cluster's own time."""
    client.subscribe(topic)
    client.publish(f"$delayed/{seconds}/{topic}", b"now", 1)
    return client


def test_delayed_messages_come_once_wherever_the_subscriber_is(
    cluster: ClusterProcesses, guests: Guests, name: str
) -> None:
    subscribers = [guests.connect(member, f"{name}-{member.number}") for member in cluster]
    for subscriber in subscribers:
        subscriber.subscribe((name, 1))
    publisher = guests.passing(cluster[1])
    for number in range(3):
        publisher.publish(f"$delayed/1/{name}", b"%d" % number, 1)
    publisher.publish(name, b"at once", 1)
    for subscriber in subscribers:
        assert subscriber.receive_publish(timeout_s=5).payload == b"at once"
        found: list[Publish] = [subscriber.receive_publish(timeout_s=5) for _ in range(3)]
        assert sorted(m.payload for m in found) == [b"0", b"1", b"2"]
        subscriber.expect_nothing()
