"""rmq-shared-subscription on three nodes: strategies mean the same on all of them, and the dead get nothing."""

from __future__ import annotations

import threading
import time

import pytest

from tests.integration.cluster.conftest import SetUp
from tests.integration.cluster.guests import Guests, payloads_until_quiet
from tests.support.client import TIMEOUT_S, Client
from tests.support.cluster_processes import ClusterProcesses

TOPICS = [f"t/{number}" for number in range(12)]


def started(set_up: SetUp, strategy: str) -> ClusterProcesses:
    cluster = set_up(
        'plugins.default_startups=["rmq-shared-subscription"]', f"plugins.rmq-shared-subscription.strategy={strategy}"
    )
    cluster.start()
    return cluster


def members_of(cluster: ClusterProcesses, guests: Guests, expiry: int) -> dict[int, Client]:
    found = {}
    for member in cluster:
        found[member.number] = client = guests.connect(member, f"m-{member.number}", expiry=expiry, clean=not expiry)
        client.subscribe(("$share/g/t/#", 1))
    return found


def published(cluster: ClusterProcesses, guests: Guests, *numbers: int) -> dict[bytes, tuple[int, str]]:
    """A message on each topic at each node; where each was published, by its payload."""
    found = {}
    for number in numbers:
        publisher = guests.passing(cluster[number], f"p-{number}")
        for topic in TOPICS:
            payload = f"{number} {topic}".encode()
            assert publisher.publish(topic, payload, 1) == 0
            found[payload] = (number, topic)
    return found


def takers(members: dict[int, Client], sent: dict[bytes, tuple[int, str]]) -> dict[bytes, int]:
    """The number of the member that got each message; none came twice."""
    found: dict[bytes, int] = {}
    deadline = time.monotonic() + TIMEOUT_S
    while len(found) < len(sent) and time.monotonic() < deadline:
        for number, client in members.items():
            for payload in payloads_until_quiet(client):
                assert payload not in found, payload
                found[payload] = number
    assert found.keys() == sent.keys()
    return found


def wait_until_down(cluster: ClusterProcesses, number: int, *others: int) -> None:
    deadline = time.monotonic() + 30
    for other in others:
        while {m["node_id"]: m["state"] for m in cluster[other].ask("status")["members"]}[number] != "down":
            assert time.monotonic() < deadline
            threading.Event().wait(0.05)


@pytest.mark.parametrize("expiry", [0, 1000], ids=["transient", "persistent"])
def test_a_topic_has_its_member_whichever_node_it_is_published_at(set_up: SetUp, guests: Guests, expiry: int) -> None:
    cluster = started(set_up, "hash_topic")
    members = members_of(cluster, guests, expiry)
    sent = published(cluster, guests, 1, 2, 3)
    of_topic: dict[str, set[int]] = {}
    for payload, number in takers(members, sent).items():
        of_topic.setdefault(sent[payload][1], set()).add(number)
    assert all(len(numbers) == 1 for numbers in of_topic.values()), of_topic
    assert set().union(*of_topic.values()) == {1, 2, 3}
    cluster[3].kill()
    wait_until_down(cluster, 3, 1, 2)
    del members[3]
    sent = published(cluster, guests, 1, 2)
    for payload, number in takers(members, sent).items():
        before = of_topic[sent[payload][1]]
        assert number in before or before == {3}, "only what the dead member had goes elsewhere"


def test_local_members_come_first_and_others_when_there_is_none(set_up: SetUp, guests: Guests) -> None:
    cluster = started(set_up, "local")
    members = members_of(cluster, guests, 0)
    sent = published(cluster, guests, 1, 2, 3)
    assert all(sent[payload][0] == number for payload, number in takers(members, sent).items())
    members[2].unsubscribe("$share/g/t/#")
    sent = published(cluster, guests, 2)
    assert set(takers(members, sent).values()) <= {1, 3}
