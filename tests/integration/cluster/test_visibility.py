"""What SUBACK promises: a message that is published after it, at any node, reaches the subscriber."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.integration.cluster.guests import Guests
from tests.support.cluster_processes import ClusterProcesses, Member
from tests.support.wire_parser import Puback

BEHIND_S = 2.0


@contextmanager
def paused(member: Member, seconds: float) -> Iterator[None]:
    """The node stands still for so long; leaving this waits until it goes on."""
    member.pause()
    timer = threading.Timer(seconds, member.resume)
    timer.start()
    try:
        yield
    finally:
        timer.join()


@pytest.mark.parametrize("expiry", [0, 1000], ids=["transient", "persistent"])
def test_a_publish_after_suback_arrives_from_every_node(
    cluster: ClusterProcesses, guests: Guests, name: str, expiry: int
) -> None:
    publishers = [guests.passing(member) for member in cluster]
    subscribers = [
        guests.connect(member, f"{name}-{member.number}", expiry=expiry, clean=not expiry) for member in cluster
    ]
    for number in range(30):
        topic = f"{name}/{number}"
        subscriber = subscribers[number % 3]
        subscriber.subscribe((topic, 1))
        for qos, publisher in enumerate(publishers):
            # At once, and without waiting for an answer: nothing but SUBACK stands before it.
            publisher.send_publish(topic, b"%d" % qos, qos % 2)
        found = {subscriber.receive_publish().payload for _ in publishers}
        assert found == {b"0", b"1", b"2"}
        for qos, publisher in enumerate(publishers):
            if qos % 2:
                publisher.receive()


@pytest.mark.parametrize("expiry", [0, 1000], ids=["transient", "persistent"])
@pytest.mark.parametrize("qos", [0, 1])
def test_with_one_node_two_seconds_behind(
    cluster: ClusterProcesses, guests: Guests, name: str, qos: int, expiry: int
) -> None:
    """SUBACK comes when that node has caught up, or is declared down: then it has to catch up before it serves."""
    leader = cluster.leader()
    late, here = (member for member in cluster if member is not leader)
    publisher = guests.passing(late)
    subscriber = guests.connect(here, name, expiry=expiry, clean=not expiry)
    with paused(late, BEHIND_S):
        subscriber.subscribe((name, qos))
        # Published at the node that may stand still yet: it finds this when it goes on.
        publisher.send_publish(name, b"after suback", qos)
    assert subscriber.receive_publish(b"after suback", 10).qos == qos
    if qos:
        assert publisher.expect(Puback, 10).code == 0
    publisher.expect_nothing()
    cluster.wait_until_serving()
