"""Topic names and filters (4.7): what matches what, and that topics are passed on untouched."""

from __future__ import annotations

import pytest

from tests.conformance.conftest import Clients
from tests.support import wire
from tests.support.wire_parser import Puback, Publish

# U stands for a level no other test uses.
_MATCHES = [
    ("U", "U"),
    ("U/a", "U/a"),
    ("U/+", "U/a"),
    ("U/+", "U/"),
    ("U/+/c", "U/b/c"),
    ("U/+/c", "U//c"),
    ("U/+/+", "U//"),
    ("U/#", "U"),
    ("U/#", "U/"),
    ("U/#", "U/a"),
    ("U/#", "U/a/b/c/d/e/f"),
    ("U/#", "U//"),
    ("U/+/#", "U/a"),
    ("U/+/#", "U/a/b/c"),
    ("+/U", "/U"),
    ("+/U", "a/U"),
    ("/+/U", "//U"),
    ("/U", "/U"),
    ("+/+/U", "a/b/U"),
    ("+/U/#", "a/U"),
    ("+/U/#", "a/U/b/c"),
    ("#", "U"),
    ("#", "/U/x"),
    ("/#", "/U"),
    ("U/$x", "U/$x"),
    ("U/+", "U/$x"),
    ("U/#", "U/$x/y"),
    ("$U/#", "$U"),
    ("$U/#", "$U/a"),
    ("$U/+", "$U/a"),
    ("$U/a/+", "$U/a/$b"),
    ("U/ /x", "U/ /x"),
    ("U/ü/😀", "U/ü/😀"),
    ("U/+/😀", "U/客/😀"),
    ("U//", "U//"),
    ("U///a", "U///a"),
    ("U/a b", "U/a b"),
]

_NO_MATCHES = [
    ("U", "U/"),
    ("U", "/U"),
    ("U/", "U"),
    ("U/a", "U/A"),
    ("U/a", "U/a/"),
    ("U/+", "U"),
    ("U/+", "U/a/b"),
    ("U/+", "U/a/"),
    ("U/+/c", "U/c"),
    ("U/+/+", "U/a"),
    ("U/a/#", "U/b"),
    ("U/a/#", "U/ab"),
    ("+", "/U"),
    ("+", "U/a"),
    ("/+", "U"),
    ("/#", "U"),
    ("+/+", "U"),
    ("+/a/#", "$U/a/b"),
    ("#", "$U"),
    ("#", "$U/a"),
    ("+", "$U"),
    ("+/a", "$U/a"),
    ("+/#", "$U/a"),
    ("U/é", "U/e\u0301"),
    ("U/\ufeffa", "U/a"),
    ("U/a", "U/\ufeffa"),
    ("U/a", "U/a "),
    ("$U/+", "$U"),
]


def _check(topic_filter: str, topic_name: str, expected: bool, level: int, clients: Clients, unique: str) -> None:
    topic_filter = topic_filter.replace("U", unique)
    topic_name = topic_name.replace("U", unique)
    subscriber, publisher = clients(level=level), clients(level=level)
    subscriber.connect()
    publisher.connect()
    subscriber.subscribe(topic_filter)
    retained = subscriber.drain()
    assert all(isinstance(packet, Publish) and packet.retain for packet in retained)
    publisher.publish(topic_name, b"m", 1)
    arrived = [packet for packet in subscriber.drain() if isinstance(packet, Publish)]
    mine = [packet for packet in arrived if unique in packet.topic]
    assert [packet.topic for packet in mine] == ([topic_name] if expected else [])


@pytest.mark.parametrize(("topic_filter", "topic_name"), _MATCHES)
def test_mqtt_4_7_1_filter_matches(
    topic_filter: str, topic_name: str, level: int, clients: Clients, unique: str
) -> None:
    _check(topic_filter, topic_name, True, level, clients, unique)


@pytest.mark.parametrize(("topic_filter", "topic_name"), _NO_MATCHES)
def test_mqtt_4_7_1_filter_does_not_match(
    topic_filter: str, topic_name: str, level: int, clients: Clients, unique: str
) -> None:
    _check(topic_filter, topic_name, False, level, clients, unique)


@pytest.mark.parametrize("levels", [2, 50, 128, 200])
def test_mqtt_4_7_3_topics_of_many_levels(levels: int, level: int, clients: Clients, topic: str) -> None:
    name = topic + "/x" * levels
    client = clients(level=level)
    client.connect()
    client.subscribe(name, f"{topic}/#")
    client.send_publish(name, b"deep")
    assert client.receive_publish(b"deep").topic == name
    client.expect_nothing()


@pytest.mark.parametrize("length", [255, 256, 10_000, 65_535])
def test_mqtt_4_7_3_3_topics_of_many_bytes(length: int, level: int, clients: Clients, topic: str) -> None:
    name = topic + "/" + "n" * (length - len(topic) - 1)
    client = clients(level=level)
    client.connect()
    client.subscribe(f"{topic}/#")
    client.send_publish(name, b"long")
    assert client.receive_publish(b"long").topic == name
    client.subscribe(name)
    client.send_publish(name, b"exact")
    assert client.receive_publish(b"exact").topic == name


def test_mqtt_1_5_4_3_byte_order_mark_is_part_of_the_topic(level: int, clients: Clients, topic: str) -> None:
    client = clients(level=level)
    client.connect()
    client.subscribe(f"{topic}/#")
    client.send_publish(f"{topic}/\ufeffx\ufeff", b"bom")
    assert client.receive_publish(b"bom").topic == f"{topic}/\ufeffx\ufeff"


def test_mqtt_4_7_3_4_topics_are_not_normalised(level: int, clients: Clients, topic: str) -> None:
    client = clients(level=level)
    client.connect()
    client.subscribe(f"{topic}/\u00e5")
    client.send_publish(f"{topic}/A\u030a".lower(), b"decomposed")
    client.send_publish(f"{topic}/\u00e5", b"composed")
    client.receive_publish(b"composed")
    client.expect_nothing()


def test_mqtt_4_7_2_dollar_topics_of_clients_are_carried(level: int, clients: Clients, unique: str) -> None:
    client = clients(level=level)
    client.connect()
    client.subscribe((f"${unique}/+", 1))
    client.send_publish(f"${unique}/x", b"m", 1)
    packets = [client.receive(), client.receive()]
    assert {type(packet) for packet in packets} == {Puback, Publish}


def test_mqtt_4_7_many_filters_one_message_each_client(level: int, clients: Clients, topic: str) -> None:
    filters = [
        f"{topic}/a/b",
        f"{topic}/a/+",
        f"{topic}/+/b",
        f"{topic}/+/+",
        f"{topic}/#",
        f"{topic}/a/#",
        f"{topic}/a/b/#",
        f"+/{topic.split('/')[1]}/a/b",
        "#",
    ]
    subscribers = []
    for topic_filter in filters:
        subscriber = clients(level=level)
        subscriber.connect()
        subscriber.subscribe(topic_filter)
        subscriber.drain()
        subscribers.append(subscriber)
    publisher = clients(level=level)
    publisher.connect()
    publisher.publish(f"{topic}/a/b", b"m", 1)
    for subscriber in subscribers:
        assert sum(getattr(packet, "payload", None) == b"m" for packet in subscriber.drain()) == 1


def test_mqtt_4_7_unsubscribing_one_filter_leaves_its_relatives(level: int, clients: Clients, topic: str) -> None:
    client = clients(level=level)
    client.connect()
    filters = [f"{topic}/a", f"{topic}/a/b", f"{topic}/+", f"{topic}/a/#"]
    client.subscribe(*filters)
    for number, topic_filter in enumerate(filters):
        client.unsubscribe(topic_filter)
        client.send_publish(f"{topic}/a", b"%d" % number)
        left = filters[number + 1 :]
        if f"{topic}/+" in left or f"{topic}/a/#" in left:
            client.receive_publish(b"%d" % number)
        client.expect_nothing()


def test_wildcards_are_no_part_of_a_client_id(level: int, clients: Clients, topic: str) -> None:
    client = clients("#", level)
    client.connect(will=wire.Will(topic))
    client.expect_nothing()
