"""Retained messages are the same on all nodes: the newest, and none where the last one was a deletion."""

from __future__ import annotations

import threading

from tests.integration.cluster.guests import Guests
from tests.support import wire
from tests.support.cluster_processes import ClusterProcesses, Member
from tests.support.retained import equal_everywhere, retained_at


def test_every_node_has_what_was_retained_at_any(cluster: ClusterProcesses, guests: Guests, name: str) -> None:
    expected = {}
    for member in cluster:
        publisher = guests.passing(member)
        for qos in (0, 1, 2):
            topic = f"{name}/{member.number}/{qos}"
            publisher.publish(topic, topic.encode(), qos, retain=True)
            expected[topic] = topic.encode()
    guests.passing(cluster[1]).publish(f"{name}/barrier", b"x", 1, retain=True)
    expected[f"{name}/barrier"] = b"x"
    for member in cluster:
        assert retained_at(member, f"{name}/#") == expected


def test_a_subscriber_sees_what_was_acknowledged_before(cluster: ClusterProcesses, guests: Guests, name: str) -> None:
    """Whichever node the publisher was told so by, and whichever the subscriber asks."""
    publishers = [guests.passing(member) for member in cluster]
    for number in range(60):
        payload = b"%d" % number
        publishers[number % 3].publish(name, payload, 1 + number % 2, retain=True)
        asked = cluster[1 + number // 3 % 3]
        assert retained_at(asked, name) == {name: payload}, f"node {asked.number}"


def test_deletions_hold_on_all_nodes(cluster: ClusterProcesses, guests: Guests, name: str) -> None:
    publishers = [guests.passing(member) for member in cluster]
    for number in range(30):
        publishers[number % 3].publish(name, b"there", 1, retain=True)
        publishers[(number + 1) % 3].publish(name, b"", 1, retain=True)
        assert retained_at(cluster[1 + (number + 2) % 3], f"{name}/#") == {}


def test_nodes_agree_on_what_was_written_at_once(cluster: ClusterProcesses, guests: Guests, name: str) -> None:
    def write(member: Member) -> None:
        publisher = guests.passing(member)
        for number in range(40):
            topic = f"{name}/{number % 5}"
            payload = b"" if number % 7 == 6 else b"%d at %d" % (number, member.number)
            publisher.publish(topic, payload, number % 3, retain=True)

    threads = [threading.Thread(target=write, args=(member,)) for member in cluster]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    guests.passing(cluster[1]).publish(f"{name}/barrier", b"", 1, retain=True)
    equal_everywhere(cluster, f"{name}/#")


def test_retained_messages_keep_their_properties_and_their_time(
    cluster: ClusterProcesses, guests: Guests, name: str
) -> None:
    publisher = guests.passing(cluster[1])
    publisher.publish(
        f"{name}/kept",
        b"x",
        1,
        retain=True,
        properties=[(wire.USER_PROPERTY, ("k", "v")), (wire.CONTENT_TYPE, "text"), (wire.MESSAGE_EXPIRY, 1000)],
    )
    publisher.publish(f"{name}/short", b"x", 1, retain=True, properties=[(wire.MESSAGE_EXPIRY, 1)])
    bell = guests.passing(cluster[2])
    bell.subscribe(f"{name}/bell")
    bell.publish(f"$delayed/2/{name}/bell", b"now", 1)
    bell.receive_publish(b"now", 10)
    subscriber = guests.passing(cluster[3])
    subscriber.subscribe((f"{name}/#", 1))
    message = subscriber.receive_publish(b"x")
    assert message.topic == f"{name}/kept" and message.retain and message.get(wire.USER_PROPERTY) == ("k", "v")
    left = message.get(wire.MESSAGE_EXPIRY)
    assert isinstance(left, int) and 900 < left <= 1000 and message.get(wire.CONTENT_TYPE) == "text"
    subscriber.expect_nothing()
