"""A node that stands still for ten seconds, as a machine does that is out of memory or being moved: SIGSTOP."""

from __future__ import annotations

import time
from typing import Final

import pytest

from tests.integration.cluster.conftest import SetUp
from tests.integration.cluster.guests import Guests, receive_within, taken_over
from tests.integration.cluster.test_visibility import paused
from tests.support import wire
from tests.support.cluster_processes import ClusterProcesses
from tests.support.load.load import Load
from tests.support.wire import Will
from tests.support.wire_parser import Publish

PAUSE_S: Final = 10.0

pytestmark = pytest.mark.slow


@pytest.fixture
def cluster(set_up: SetUp) -> ClusterProcesses:
    """A cluster of its own, started."""
    made = set_up()
    made.start()
    return made


def test_the_leader_stands_still(cluster: ClusterProcesses, guests: Guests) -> None:
    old = cluster.leader()
    here, there = cluster.others(old.number)
    taken = [guests.connect(old, f"taken-{number}") for number in range(3)]
    stayed = guests.connect(old, "stayed", will=Will("will", b"declared down", 1))
    for client in (*taken, stayed):
        client.subscribe(("t", 1))
    publisher = guests.passing(there)
    watcher = guests.passing(here)
    watcher.subscribe(("will", 1))
    with paused(old, PAUSE_S):
        began = time.monotonic()
        receive_within(watcher, b"declared down", 3.0, began)
        assert cluster.leader(here.number, there.number) in (here, there)
        moved = [guests.connect(here, f"taken-{number}", present=True) for number in range(3)]
        assert publisher.publish("t", b"meanwhile", 1) == 0
        for client in moved:
            client.receive_publish(b"meanwhile")
        # The node reads these when it goes on: late writes, of an owner that isn't one any more.
        taken[0].send(wire.subscribe(9, [("late", 1)]))
        taken[1].send(wire.unsubscribe(9, ["t"]))
        taken[2].send(wire.disconnect(0, [(wire.SESSION_EXPIRY, 0)]))
    for client in taken[:2]:
        answers = [packet for packet in taken_over(client, 10) if not isinstance(packet, Publish)]
        assert not answers, "acknowledged to a client that is elsewhere"
    cluster.wait_until_serving()
    stayed.receive_publish(b"meanwhile", 10)
    cluster.leader()
    for member in cluster:
        at_each = guests.passing(member)
        at_each.publish("late", b"nobody has subscribed", 1)
        at_each.publish("t", b"%d" % member.number, 1)
        for client in (*moved, stayed):
            client.receive_publish(b"%d" % member.number)
    for client in (*moved, stayed, watcher):
        client.expect_nothing()


def test_under_load_nothing_is_lost_when_nodes_stand_still(cluster: ClusterProcesses) -> None:
    with Load(cluster, 1) as load:
        for who, seconds in ((cluster.leader(), PAUSE_S), (cluster.leader(), 1.0), (cluster[2], 3.0)):
            load.wait_for(300)
            load.fault(f"node {who.number} stands still for {seconds} s")
            with paused(who, seconds):
                load.wait_for(50)
            load.over()
        load.finish()
