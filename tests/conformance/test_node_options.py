"""Options of the node and of its queues as a client meets them: shares, rates, expiry by default, retained limits."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conformance.conftest import Clients
from tests.conftest import Broker
from tests.support import wire
from tests.support.alarm import Alarm
from tests.support.client import Client, payloads
from tests.support.packet_notation import V5
from tests.support.wire_parser import Publish

_KEEP = [(wire.SESSION_EXPIRY, 100)]

# A node takes a second to start: options that don't meet one another share one.
_MIXED = (
    "mqtt.shared_subscription_strategy=round_robin_per_group",
    "mqtt.allow_multiple_matches=true",
    "retain.max_retained_messages=2",
    "retain.max_payload_size=100",
    # Without rmq-sys-topic, whose own retained messages would take the places.
    'plugins.default_startups=["rmq-acl"]',
)
_STICKY = ("mqtt.shared_subscription_strategy=sticky", "retain.retained_message_ttl=1s")

Start = Callable[..., Broker]


def _connected(clients: Clients, at: Broker, level: int = V5, properties: wire.Properties = ()) -> Client:
    client = clients(level=level, at=at)
    client.connect(properties=properties)
    return client


def _shares(clients: Clients, at: Broker, topic: str, topics: int, publishers: int) -> list[list[tuple[str, bytes]]]:
    """60 messages to a group of three: what each member got, as (topic, publisher)."""
    members = [_connected(clients, at) for _ in range(3)]
    for member in members:
        member.subscribe(f"$share/g/{topic}/#")
    for publisher in range(publishers):
        client = _connected(clients, at)
        for number in range(60 // publishers):
            client.send_publish(f"{topic}/{number % topics}", b"%d" % publisher)
        client.expect_nothing()
    received = [[packet for packet in member.drain() if isinstance(packet, Publish)] for member in members]
    assert sum(map(len, received)) == 60, "each message to one member"
    return [[(packet.topic, packet.payload) for packet in each] for each in received]


def test_round_robin_shares_evenly(broker: Broker, clients: Clients, topic: str) -> None:
    # The default.
    assert [len(each) for each in _shares(clients, broker, topic, 1, 1)] == [20, 20, 20]


def test_round_robin_per_group_shares_evenly(start_broker: Start, clients: Clients, topic: str) -> None:
    at = start_broker(*_MIXED)
    assert [len(each) for each in _shares(clients, at, topic, 1, 1)] == [20, 20, 20]


@pytest.mark.parametrize("strategy", ["random", "local"])
def test_random_and_local_leave_nobody_out(strategy: str, start_broker: Start, clients: Clients, topic: str) -> None:
    at = start_broker(f"mqtt.shared_subscription_strategy={strategy}")
    # That one of three members gets none of 60 messages by chance happens once in 10 billion runs.
    assert all(_shares(clients, at, topic, 1, 1))


def test_sticky_stays_with_one_member(start_broker: Start, clients: Clients, topic: str) -> None:
    at = start_broker(*_STICKY)
    assert sorted(len(each) for each in _shares(clients, at, topic, 1, 1)) == [0, 0, 60]


def test_hash_topic_keeps_a_topic_with_one_member(start_broker: Start, clients: Clients, topic: str) -> None:
    at = start_broker("mqtt.shared_subscription_strategy=hash_topic")
    received = _shares(clients, at, topic, 30, 1)
    topics = [{name for name, _ in each} for each in received]
    assert sum(map(len, topics)) == 30, "no topic with two members"
    assert sum(bool(each) for each in topics) > 1


def test_hash_clientid_keeps_a_publisher_with_one_member(start_broker: Start, clients: Clients, topic: str) -> None:
    at = start_broker("mqtt.shared_subscription_strategy=hash_clientid")
    received = _shares(clients, at, topic, 3, 20)
    publishers = [{payload for _, payload in each} for each in received]
    assert sum(map(len, publishers)) == 20, "no publisher with two members"


@pytest.mark.parametrize("strategy", ["sticky", "hash_topic", "hash_clientid"])
def test_a_member_that_leaves_is_replaced(strategy: str, start_broker: Start, clients: Clients, topic: str) -> None:
    at = start_broker(*(_STICKY if strategy == "sticky" else (f"mqtt.shared_subscription_strategy={strategy}",)))
    members = [_connected(clients, at) for _ in range(3)]
    for member in members:
        member.subscribe((f"$share/g/{topic}", 1))
    publisher = _connected(clients, at)
    while members:
        assert publisher.publish(topic, b"m", 1) == 0
        [chosen] = [member for member in members if payloads(member.drain()) == [b"m"]]
        members.remove(chosen)
        chosen.unsubscribe(f"$share/g/{topic}")
    assert publisher.publish(topic, b"m", 1) == 0x10


def test_number_of_retained_messages(start_broker: Start, level: int, clients: Clients, topic: str) -> None:
    at = start_broker(*_MIXED)
    watcher, publisher = _connected(clients, at, level), _connected(clients, at, level)
    watcher.subscribe((f"{topic}/#", 1))
    for number in range(3):
        publisher.publish(f"{topic}/{number}", b"1", 1, True)
    publisher.publish(f"{topic}/0", b"2", 1, True)
    assert len(watcher.receive_publishes(4)) == 4, "all are passed on"
    late = _connected(clients, at, level)
    late.subscribe((f"{topic}/#", 1))
    assert {packet.topic[-1]: packet.payload for packet in late.receive_publishes(2)} == {"0": b"2", "1": b"1"}
    late.expect_nothing()
    for number in range(3):
        publisher.publish(f"{topic}/{number}", b"", 1, True)


def test_size_of_retained_messages(start_broker: Start, level: int, clients: Clients, topic: str) -> None:
    at = start_broker(*_MIXED)
    watcher, publisher = _connected(clients, at, level), _connected(clients, at, level)
    watcher.subscribe((topic, 1))
    publisher.publish(topic, b"small", 1, True)
    publisher.publish(topic, b"x" * 101, 1, True)
    assert [len(packet.payload) for packet in watcher.receive_publishes(2)] == [5, 101]
    late = _connected(clients, at, level)
    late.subscribe((topic, 1))
    # Whether the old one stays or goes is not said anywhere; that the large one isn't kept is.
    assert b"x" * 101 not in payloads(late.drain())
    publisher.publish(topic, b"", 1, True)


@pytest.mark.realtime
def test_retained_messages_live_as_long_as_the_node_says(start_broker: Start, clients: Clients, topic: str) -> None:
    at = start_broker(*_STICKY)
    publisher = _connected(clients, at)
    publisher.publish(topic, b"kept", 1, True)
    early = _connected(clients, at)
    early.subscribe((topic, 1))
    early.receive_publish(b"kept")
    Alarm(at.address, 2).wait()
    late = _connected(clients, at)
    late.subscribe((topic, 1))
    late.expect_nothing()


def test_number_of_sessions(start_broker: Start, level: int, clients: Clients) -> None:
    at = start_broker("mqtt.max_sessions=2")
    first, second = clients(level=level, at=at), clients(level=level, at=at)
    first.connect(clean=False, properties=_KEEP)
    first.disconnect()
    second.connect()
    third = clients(level=level, at=at)
    third.send(wire.connect(third.client_id, level))
    answer = third.read_to_the_end()
    assert answer[3] in ((0x89, 0x97) if level == V5 else (3,)), answer.hex(" ")
    again = clients(first.client_id, level, at)
    assert again.connect(clean=False, properties=_KEEP).session_present, "a session there is needs no further place"
    second.disconnect()
    clients(first.client_id, level, at).connect(clean=True)
    again.expect_disconnect(0x8E)


def test_allow_multiple_matches(start_broker: Start, clients: Clients, topic: str) -> None:
    at = start_broker(*_MIXED)
    subscriber, publisher = _connected(clients, at), _connected(clients, at)
    subscriber.subscribe((topic, 1), properties=[(wire.SUBSCRIPTION_ID, 1)])
    subscriber.subscribe((f"{topic}/#", 2), properties=[(wire.SUBSCRIPTION_ID, 2)])
    publisher.publish(topic, b"m", 2)
    copies = subscriber.receive_publishes(2)
    assert {(copy.qos, *copy.all(wire.SUBSCRIPTION_ID)) for copy in copies} == {(1, 1), (2, 2)}
