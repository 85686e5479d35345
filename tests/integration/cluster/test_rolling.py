"""Nodes are stopped by SIGTERM and started again, one after the other, under load: nobody loses anything by it."""

from __future__ import annotations

import time

import pytest

from tests.integration.cluster.conftest import SetUp
from tests.integration.cluster.guests import SLOW_MACHINE, Guests
from tests.support.client import Client, ConnectionClosed
from tests.support.cluster_processes import ClusterProcesses, Member
from tests.support.load.load import Load
from tests.support.wire import Will
from tests.support.wire_parser import Disconnect

pytestmark = pytest.mark.slow

SERVER_SHUTTING_DOWN = 0x8B
STOP_S = 10.0


@pytest.fixture
def cluster(set_up: SetUp) -> ClusterProcesses:
    """A cluster of its own, started."""
    made = set_up()
    made.start()
    return made


def test_a_rolling_restart_under_load_loses_nothing(cluster: ClusterProcesses) -> None:
    with Load(cluster, 1) as load:
        for member in cluster:
            load.wait_for(300)
            load.fault(f"node {member.number} is stopped")
            member.ask_to_stop()
            assert member.wait(STOP_S) == 0, member.log[-1500:]
            load.wait_for(100)
            member.start()
            load.over()
        load.finish()


def farewell(client: Client) -> int:
    """The reason a node gives when it stops."""
    try:
        while True:
            packet = client.receive(STOP_S)
            if isinstance(packet, Disconnect):
                return packet.code
    except ConnectionClosed:
        return 0


def test_a_client_that_is_back_in_time_has_lost_nothing_and_its_will_isnt_published(
    cluster: ClusterProcesses, guests: Guests
) -> None:
    for member in cluster:
        here, there = cluster.others(member.number)
        name = f"c{member.number}"
        watcher = guests.passing(here)
        watcher.subscribe((f"will/{member.number}/#", 1))
        back = guests.connect(member, name, will=Will(f"will/{member.number}/back", b"x", 1))
        back.subscribe((f"t/{name}", 1))
        lost = guests.connect(member, f"lost-{name}", will=Will(f"will/{member.number}/lost", b"lost", 1))
        publisher = guests.passing(there)
        member.ask_to_stop()
        assert farewell(back) == SERVER_SHUTTING_DOWN and farewell(lost) == SERVER_SHUTTING_DOWN
        back = guests.connect(here, name, present=True, will=Will(f"will/{member.number}/new", b"x", 1))
        assert publisher.publish(f"t/{name}", b"for you", 1) == 0
        back.receive_publish(b"for you")
        assert member.wait(STOP_S) == 0, member.log[-1500:]
        # Whoever didn't come back is lost once the grace is over; the other one's will isn't published before that.
        watcher.receive_publish(b"lost", STOP_S)
        watcher.expect_nothing()
        member.start()
        cluster.wait_until_serving()
        watcher.expect_nothing()
        back.expect_nothing()
        guests.goodbye(back)


def test_the_leader_hands_over_before_it_leaves(cluster: ClusterProcesses, guests: Guests) -> None:
    """Nobody has to wait for an election: publishers at other nodes go on at once."""
    leader = cluster.leader()
    here, there = cluster.others(leader.number)
    guests.off_line(here, "s", ("t", 1))
    publisher = guests.passing(there)
    assert publisher.publish("t", b"0", 1) == 0
    leader.ask_to_stop()
    slowest, number = 0.0, 1
    while leader.is_running:
        began = time.monotonic()
        assert publisher.publish("t", b"%d" % number, 1) == 0
        slowest = max(slowest, time.monotonic() - began)
        number += 1
    assert slowest < 0.45 * SLOW_MACHINE, "as long as an election takes"
    assert cluster.leader(here.number, there.number) in (here, there)


def test_a_member_that_left_in_good_order_isnt_waited_for(cluster: ClusterProcesses, guests: Guests) -> None:
    """Its routes are gone with it: a publisher waits for nobody."""
    member: Member = cluster.others(cluster.leader().number)[0]
    here, _ = cluster.others(member.number)
    guests.passing(member).subscribe(("t", 1))
    publisher = guests.passing(here)
    assert publisher.publish("t", b"x", 1) == 0
    member.stop()
    began = time.monotonic()
    for _ in range(10):
        publisher.publish("t", b"x", 1)
    assert time.monotonic() - began < 0.5 * SLOW_MACHINE
