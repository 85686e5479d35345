"""Shared subscriptions whose members are connected to different nodes: each message goes to one of them."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.integration.cluster.guests import Guests, acknowledgements, payloads_until_quiet
from tests.support.client import Client
from tests.support.cluster_processes import ClusterProcesses
from tests.support.wire_parser import Publish


def members_of(
    cluster: ClusterProcesses, guests: Guests, name: str, qos: int, *, expiry: int, numbers: tuple[int, ...] = (1, 2, 3)
) -> dict[int, Client]:
    """A member of the share group at each of these nodes."""
    found = {}
    for number in numbers:
        member = guests.connect(cluster[number], f"{name}-{number}-{expiry}", expiry=expiry, clean=not expiry)
        member.subscribe((f"$share/{name}/{name}", qos))
        found[number] = member
    return found


def publish(cluster: ClusterProcesses, guests: Guests, name: str, qos: int, count: int) -> Counter[bytes]:
    """So many messages from each node; what was sent."""
    sent: Counter[bytes] = Counter()
    for member in cluster:
        if not member.is_running:
            continue
        publisher = guests.passing(member)
        for number in range(count):
            payload = b"%d from %d" % (number, member.number)
            assert publisher.publish(name, payload, qos) == 0
            sent[payload] += 1
    return sent


def taken(client: Client) -> list[bytes]:
    return payloads_until_quiet(client)


@pytest.mark.parametrize("qos", [0, 1])
@pytest.mark.parametrize("expiry", [0, 1000], ids=["transient", "persistent"])
def test_each_message_goes_to_one_member(
    cluster: ClusterProcesses, guests: Guests, name: str, expiry: int, qos: int
) -> None:
    members = members_of(cluster, guests, name, qos, expiry=expiry)
    outsider = guests.passing(cluster[2])
    outsider.subscribe((name, qos))
    sent = publish(cluster, guests, name, qos, 40)
    found = {number: taken(member) for number, member in members.items()}
    assert Counter(payload for payloads in found.values() for payload in payloads) == sent
    assert all(found.values()), "every member has its share"
    assert Counter(taken(outsider)) == sent


def test_transient_and_persistent_members_share(cluster: ClusterProcesses, guests: Guests, name: str) -> None:
    members = [
        *members_of(cluster, guests, name, 1, expiry=0).values(),
        *members_of(cluster, guests, name, 1, expiry=1000).values(),
    ]
    sent = publish(cluster, guests, name, 1, 40)
    found = [taken(member) for member in members]
    assert Counter(payload for payloads in found for payload in payloads) == sent
    assert all(found), "every member has its share"


@pytest.mark.parametrize("expiry", [0, 1000], ids=["transient", "persistent"])
def test_a_member_that_leaves_gets_nothing_more(
    cluster: ClusterProcesses, guests: Guests, name: str, expiry: int
) -> None:
    members = members_of(cluster, guests, name, 1, expiry=expiry)
    members[2].unsubscribe(f"$share/{name}/{name}")
    sent = publish(cluster, guests, name, 1, 20)
    found = {number: taken(member) for number, member in members.items()}
    assert found[2] == [] and Counter(found[1] + found[3]) == sent


def test_members_off_line_are_passed_over(cluster: ClusterProcesses, guests: Guests, name: str) -> None:
    members = members_of(cluster, guests, name, 1, expiry=1000)
    guests.goodbye(members.pop(1))
    guests.goodbye(members.pop(3))
    sent = publish(cluster, guests, name, 1, 20)
    assert Counter(taken(members[2])) == sent


def test_with_nobody_on_line_messages_wait_for_one_member(cluster: ClusterProcesses, guests: Guests, name: str) -> None:
    for member in members_of(cluster, guests, name, 1, expiry=1000).values():
        guests.goodbye(member)
    sent = publish(cluster, guests, name, 1, 5)
    found: list[bytes] = []
    for number in (1, 2, 3):
        member = guests.connect(cluster[1 + number % 3], f"{name}-{number}-1000", present=True)
        found += taken(member)
    assert Counter(found) == sent


def test_unacknowledged_messages_of_a_session_that_ends_go_to_another_member(
    cluster: ClusterProcesses, guests: Guests, name: str
) -> None:
    """[MQTT-4.8.2-5] leaves it to the server; ours hands over what a member hasn't had."""
    members = members_of(cluster, guests, name, 1, expiry=1000, numbers=(1,))
    guests.goodbye(members[1])
    sent = publish(cluster, guests, name, 1, 5)
    other = members_of(cluster, guests, name, 1, expiry=1000, numbers=(3,))[3]
    guests.connect(cluster[2], f"{name}-1-1000", clean=True, present=False)
    found: list[bytes] = []
    while len(found) < 15:
        message = other.receive_publish()
        found.append(message.payload)
    assert Counter(found) == sent


def test_a_member_that_moves_keeps_its_share(cluster: ClusterProcesses, guests: Guests, name: str) -> None:
    members = members_of(cluster, guests, name, 1, expiry=1000, numbers=(1, 2))
    moved = guests.connect(cluster[3], f"{name}-1-1000", present=True)
    sent = publish(cluster, guests, name, 1, 20)
    found = [taken(moved), taken(members[2])]
    assert Counter(found[0] + found[1]) == sent and all(found)


def test_groups_are_apart(cluster: ClusterProcesses, guests: Guests, name: str) -> None:
    one = guests.passing(cluster[1])
    one.subscribe((f"$share/{name}-a/{name}", 1), (f"$share/{name}-b/{name}", 1))
    other = guests.passing(cluster[2])
    other.subscribe((f"$share/{name}-a/{name}", 1))
    sent = publish(cluster, guests, name, 1, 10)
    found: Counter[bytes] = Counter()
    for client in (one, other):
        packets = client.drain()
        client.send(*acknowledgements(packets))
        found.update(packet.payload for packet in packets if isinstance(packet, Publish))
    assert found == sent + sent, "each message once a group"
