"""Cables between nodes are cut, in network namespaces of the test's own: each side goes on as it may, and they heal."""

from __future__ import annotations

import time
from typing import Final

import pytest

from tests.integration.cluster.conftest import SetUp
from tests.integration.cluster.guests import SLOW_MACHINE, Guests, payloads_until_quiet, taken_over
from tests.support.client import ConnectionClosed
from tests.support.cluster_network import Network
from tests.support.cluster_processes import ClusterProcesses, Member
from tests.support.load.load import Load
from tests.support.retained import equal_everywhere
from tests.support.wire import Will
from tests.support.wire_parser import Disconnect, Puback

pytestmark = pytest.mark.slow

NOTICED_S: Final = 5.0
"""By then each side of a cut knows which nodes it has lost, and has declared them down if it is the majority."""


@pytest.fixture
def cluster(set_up: SetUp) -> ClusterProcesses:
    """A cluster in a network of its own, started, with sessions that nothing is published to yet."""
    made = set_up("plugins.rmq-cluster-raft.quorum_timeout=2s", own_network=True)
    made.start()
    return made


@pytest.fixture
def network(cluster: ClusterProcesses) -> Network:
    """The cables of the cluster; its clients reach every node all the time."""
    assert cluster.network is not None
    return cluster.network


@pytest.fixture(params=["leader", "follower"])
def lonely(request: pytest.FixtureRequest, cluster: ClusterProcesses) -> Member:
    """The node that is going to be cut off."""
    leader = cluster.leader()
    return leader if request.param == "leader" else cluster.others(leader.number)[0]


def names(members: list[Member]) -> list[str]:
    return [str(member.number) for member in members]


def test_the_minority_waits_and_heals_without_a_reconnect(
    cluster: ClusterProcesses, network: Network, guests: Guests, lonely: Member
) -> None:
    here, there = cluster.others(lonely.number)
    stayed = guests.connect(lonely, "stayed", will=Will("will/stayed", b"x", 1))
    stayed.subscribe(("t/#", 1))
    left = guests.connect(lonely, "left")
    left.subscribe(("t/#", 1))
    pair = [guests.passing(lonely, f"pair-{number}") for number in range(2)]
    pair[0].subscribe(("alone", 1))
    watcher = guests.passing(here)
    watcher.subscribe(("will/#", 1))
    publisher = guests.passing(there)
    network.isolate(str(lonely.number), names([here, there]))
    began = time.monotonic()

    # The majority goes on, after an election at most: a client comes over, messages for both sessions are kept.
    cluster.wait_until_serving(here.number, there.number)
    moved = guests.connect(here, "left", present=True)
    for number in range(10):
        assert publisher.publish("t/x", b"%d" % number, 1) == 0
    expected = [b"%d" % number for number in range(10)]
    assert [m.payload for m in moved.receive_publishes(10)] == expected
    assert publisher.publish("r/majority", b"x", 1, retain=True) in (0, 0x10)
    # Declared down: the will of a client that is connected there is published, as nobody can know better.
    watcher.receive_publish(b"x", NOTICED_S)
    # The minority lets nobody in and keeps nothing, and messages among its own clients go on.
    _, connack = guests.try_to_connect(lonely, "new")
    assert connack.code == 0x88
    pair[1].publish("alone", b"among us", 1)
    pair[0].receive_publish(b"among us")
    pair[1].send_publish("t/x", b"refused", 1)
    try:
        answer = pair[1].receive(10)
        assert isinstance(answer, Disconnect) or (isinstance(answer, Puback) and answer.code == 0x97), answer
    except ConnectionClosed:
        pass
    assert time.monotonic() - began < 20 * SLOW_MACHINE

    network.heal()
    cluster.wait_until_serving()
    # Whoever wasn't taken has stayed, and gets what was kept; whoever was is closed here.
    taken_over(left, 10)
    assert [m.payload for m in stayed.receive_publishes(10)] == expected
    assert guests.passing(here).publish("t/x", b"after", 1) == 0
    assert guests.passing(lonely).publish("alone", b"from here", 1) == 0
    for client in (stayed, moved):
        client.receive_publish(b"after")
        client.expect_nothing()
    pair[0].receive_publish(b"from here")
    assert equal_everywhere(cluster, "r/#") == {"r/majority": b"x"}
    watcher.expect_nothing()


def test_whoever_stays_is_the_owner_again(
    cluster: ClusterProcesses, network: Network, guests: Guests, lonely: Member
) -> None:
    """After healing the claims are those of before: subscriptions, shared groups and takeovers work with the node."""
    here, _ = cluster.others(lonely.number)
    transient = guests.passing(lonely, "transient")
    transient.subscribe(("t", 1), ("$share/g/s", 1))
    persistent = guests.connect(lonely, "persistent")
    persistent.subscribe(("t", 1))
    network.isolate(str(lonely.number), names(cluster.others(lonely.number)))
    publisher = guests.passing(here)
    began = time.monotonic()
    while time.monotonic() - began < NOTICED_S:
        publisher.publish("nobody", b"", 1)
    network.heal()
    cluster.wait_until_serving()
    guests.passing(lonely).subscribe(("what was before is known everywhere", 1))
    for topic in ("t", "s"):
        assert publisher.publish(topic, topic.encode(), 1) == 0
    assert sorted(payloads_until_quiet(transient)) == [b"s", b"t"]
    assert payloads_until_quiet(persistent) == [b"t"]
    for name, old in (("transient", transient), ("persistent", persistent)):
        guests.connect(here, name)
        taken_over(old)


@pytest.mark.parametrize("direction", ["to the others", "from the others"])
def test_a_cut_of_one_way_leaves_a_majority_that_works(
    cluster: ClusterProcesses, network: Network, guests: Guests, lonely: Member, direction: str
) -> None:
    here, there = cluster.others(lonely.number)
    guests.off_line(here, "s", ("t", 1))
    publisher = guests.passing(there)
    for other in names([here, there]):
        pair = (str(lonely.number), other)
        network.cut(*(pair if direction == "to the others" else reversed(pair)))
    began = time.monotonic()
    number = 0
    while time.monotonic() - began < NOTICED_S:
        publisher.send_publish("t", b"%d" % number, 1)
        assert publisher.expect(Puback, 10).code == 0
        number += 1
    # It isn't elections all the time: the last second was quiet.
    leader = cluster.leader(here.number, there.number)
    term = leader.ask("status")["term"]
    began = time.monotonic()
    while time.monotonic() - began < 2:
        publisher.publish("t", b"%d" % number, 1)
        number += 1
    assert leader.ask("status")["term"] == term
    network.heal()
    cluster.wait_until_serving()
    subscriber = guests.connect(lonely, "s", present=True)
    assert [m.payload for m in subscriber.receive_publishes(number)] == [b"%d" % n for n in range(number)]


def test_a_cut_between_two_followers_is_noticed_by_nobody_but_them(
    cluster: ClusterProcesses, network: Network, guests: Guests
) -> None:
    leader = cluster.leader()
    here, there = cluster.others(leader.number)
    guests.off_line(here, "s", ("t", 1))
    network.cut_both(str(here.number), str(there.number))
    publishers = [guests.passing(member) for member in (here, there)]
    began = time.monotonic()
    number = 0
    while time.monotonic() - began < NOTICED_S:
        assert publishers[number % 2].publish("t", b"%d" % number, 1) == 0
        number += 1
    network.heal()
    cluster.wait_until_serving()
    subscriber = guests.connect(there, "s", present=True)
    assert [m.payload for m in subscriber.receive_publishes(number)] == [b"%d" % n for n in range(number)]


def test_under_load_nothing_is_lost_when_the_leader_is_cut_off(cluster: ClusterProcesses, network: Network) -> None:
    with Load(cluster, 1) as load:
        for _ in range(2):
            load.wait_for(300)
            leader = cluster.leader()
            load.fault(f"node {leader.number}, the leader, is cut off")
            network.isolate(str(leader.number), names(cluster.others(leader.number)))
            load.wait_for(300)
            load.ledger.fault("healed")
            network.heal()
            load.over()
        load.finish()
