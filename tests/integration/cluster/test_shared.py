"""Shared subscriptions whose members are connected to different nodes: each message goes to one of them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

import pytest

from tests.integration.cluster.guests import Guests, payloads_until_quiet
from tests.support.client import TIMEOUT_S, Client
from tests.support.cluster_processes import ClusterProcesses


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


def taken(clients: Sequence[Client], count: int) -> list[list[bytes]]:
    """What each has got when all together have so many (QoS 0 may be on its way yet); nothing more comes."""
    found: list[list[bytes]] = [[] for _ in clients]
    deadline = time.monotonic() + TIMEOUT_S
    while sum(map(len, found)) < count and time.monotonic() < deadline:
        for client, payloads in zip(clients, found, strict=True):
            payloads += payloads_until_quiet(client)
    for client in clients:
        client.expect_nothing()
    return found


@pytest.mark.parametrize("qos", [0, 1])
@pytest.mark.parametrize("expiry", [0, 1000], ids=["transient", "persistent"])
def test_each_message_goes_to_one_member(
    cluster: ClusterProcesses, guests: Guests, name: str, expiry: int, qos: int
) -> None:
    members = members_of(cluster, guests, name, qos, expiry=expiry)
    outsider = guests.passing(cluster[2])
    outsider.subscribe((name, qos))
    sent = publish(cluster, guests, name, qos, 40)
    found = taken(list(members.values()), sent.total())
    assert Counter(payload for payloads in found for payload in payloads) == sent
    assert all(found), "every member has its share"
    assert Counter(taken([outsider], sent.total())[0]) == sent


def test_transient_and_persistent_members_share(cluster: ClusterProcesses, guests: Guests, name: str) -> None:
    members = [
        *members_of(cluster, guests, name, 1, expiry=0).values(),
        *members_of(cluster, guests, name, 1, expiry=1000).values(),
    ]
    sent = publish(cluster, guests, name, 1, 40)
    found = taken(members, sent.total())
    assert Counter(payload for payloads in found for payload in payloads) == sent
    assert all(found), "every member has its share"


@pytest.mark.parametrize("expiry", [0, 1000], ids=["transient", "persistent"])
def test_a_member_that_leaves_gets_nothing_more(
    cluster: ClusterProcesses, guests: Guests, name: str, expiry: int
) -> None:
    members = members_of(cluster, guests, name, 1, expiry=expiry)
    members[2].unsubscribe(f"$share/{name}/{name}")
    sent = publish(cluster, guests, name, 1, 20)
    one, two, three = taken([members[number] for number in (1, 2, 3)], sent.total())
    assert two == [] and Counter(one + three) == sent


def test_members_off_line_are_passed_over(cluster: ClusterProcesses, guests: Guests, name: str) -> None:
    members = members_of(cluster, guests, name, 1, expiry=1000)
    guests.goodbye(members.pop(1))
    guests.goodbye(members.pop(3))
    sent = publish(cluster, guests, name, 1, 20)
    assert Counter(taken([members[2]], sent.total())[0]) == sent


def test_with_nobody_on_line_messages_wait_for_one_member(cluster: ClusterProcesses, guests: Guests, name: str) -> None:
    for member in members_of(cluster, guests, name, 1, expiry=1000).values():
        guests.goodbye(member)
    sent = publish(cluster, guests, name, 1, 5)
    back = [guests.connect(cluster[1 + number % 3], f"{name}-{number}-1000", present=True) for number in (1, 2, 3)]
    assert Counter(payload for payloads in taken(back, sent.total()) for payload in payloads) == sent


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
    found = taken([moved, members[2]], sent.total())
    assert Counter(found[0] + found[1]) == sent and all(found)


def test_groups_are_apart(cluster: ClusterProcesses, guests: Guests, name: str) -> None:
    one = guests.passing(cluster[1])
    one.subscribe((f"$share/{name}-a/{name}", 1), (f"$share/{name}-b/{name}", 1))
    other = guests.passing(cluster[2])
    other.subscribe((f"$share/{name}-a/{name}", 1))
    sent = publish(cluster, guests, name, 1, 10)
    found = taken([one, other], 2 * sent.total())
    assert Counter(found[0] + found[1]) == sent + sent, "each message once a group"
