"""A cluster grows and shrinks, and its nodes are emptied for a while, with clients at work on it."""

from __future__ import annotations

import pytest

from rmq.cli.control_client import Refused
from tests.integration.cluster.conftest import SetUp
from tests.integration.cluster.guests import Guests
from tests.support import wire
from tests.support.client import ConnectionClosed
from tests.support.cluster_processes import ClusterProcesses, Member
from tests.support.load.load import Load
from tests.support.retained import equal_everywhere
from tests.support.wire_parser import Disconnect, Pubcomp, Pubrec

pytestmark = pytest.mark.slow

USE_ANOTHER_SERVER = (0x9C, 0x9D)


def entry(member: Member) -> str:
    """A node, as ``--cluster-nodes`` has it."""
    return f"{member.number}@{member.cluster_address[0]}:{member.cluster_address[1]}"


def joined(cluster: ClusterProcesses, newcomer: Member, *hosts: Member, discard_data: bool = False) -> None:
    """Start an empty node, and make it a member of the cluster of the others."""
    newcomer.arguments = ["--cluster-nodes", ",".join(entry(each) for each in (*hosts, newcomer))]
    newcomer.start()
    cluster.wait_for_control(newcomer)
    newcomer.ask("join", 60, members=[entry(each) for each in hosts], discard_data=discard_data)
    cluster.wait_until_serving(newcomer.number)


def member_ids(member: Member) -> list[int]:
    return sorted(each["node_id"] for each in member.ask("status")["members"])


def test_a_node_with_data_is_the_seed(set_up: SetUp, guests: Guests) -> None:
    cluster = set_up()
    seed = cluster[2]
    arguments, seed.arguments = seed.arguments, []
    seed.start()
    cluster.wait_until_serving(2)
    guests.off_line(seed, "s", ("t", 2))
    publisher = guests.connect(seed, "half-way")
    for number in range(20):
        publisher.publish("t", b"%d" % number, 1 + number % 2)
        publisher.publish(f"r/{number % 3}", b"%d" % number, 1, retain=True)
    publisher.send_publish("t", b"half way", 2, packet_id=777)
    publisher.expect(Pubrec)
    seed.stop()
    seed.arguments = arguments
    cluster.start()
    assert equal_everywhere(cluster, "r/#") == {"r/0": b"18", "r/1": b"19", "r/2": b"17"}
    subscriber = guests.connect(cluster[1], "s", present=True)
    assert [m.payload for m in subscriber.receive_publishes(21)] == [*(b"%d" % n for n in range(20)), b"half way"]
    again = guests.connect(cluster[3], "half-way", present=True)
    again.send_publish("t", b"half way", 2, packet_id=777, dup=True)
    again.expect(Pubrec)
    again.send(wire.pubrel(777))
    again.expect(Pubcomp)
    subscriber.expect_nothing()


def test_from_one_node_to_three_and_back_under_load(set_up: SetUp) -> None:
    cluster = set_up()
    one, two, three = cluster
    one.arguments = ["--cluster-nodes", entry(one)]
    one.start()
    cluster.wait_until_serving(1)
    with Load(cluster, 1) as load:
        load.wait_for(200)
        load.fault("nodes 2 and 3 join")
        joined(cluster, two, one)
        load.wait_for(100)
        joined(cluster, three, one, two)
        assert member_ids(three) == [1, 2, 3]
        load.over()
        load.wait_for(300)
        for member in (one, two):
            load.fault(f"node {member.number} leaves")
            member.ask("leave", 60)
            load.wait_for(200)
            if member.is_running:
                member.stop()
            load.over(3)
        assert member_ids(three) == [3]
        load.wait_for(200)
        load.finish(3)


def test_a_removed_node_comes_back_empty_under_load(set_up: SetUp) -> None:
    cluster = set_up()
    cluster.start()
    with Load(cluster, 1) as load:
        for _ in range(2):
            load.wait_for(200)
            gone = cluster.others(cluster.leader().number)[0]
            here, there = cluster.others(gone.number)
            load.fault(f"node {gone.number} is killed and removed")
            gone.kill()
            here.ask("remove", 30, node_id=gone.number)
            assert member_ids(there) == sorted([here.number, there.number])
            load.wait_for(100)
            gone.wipe()
            joined(cluster, gone, here, there)
            load.over()
        load.finish()


def test_a_removed_node_that_comes_back_as_it_was_is_refused(set_up: SetUp, guests: Guests) -> None:
    """Its operations and its votes are of a life that is over."""
    cluster = set_up()
    cluster.start()
    gone = cluster.others(cluster.leader().number)[0]
    here, there = cluster.others(gone.number)
    gone.kill()
    here.ask("remove", 30, node_id=gone.number)
    gone.start()
    if not gone.ends_within(5):
        cluster.wait_for_control(gone)
    publisher = guests.passing(here)
    guests.off_line(there, "s", ("t", 1))
    for number in range(50):
        assert publisher.publish("t", b"%d" % number, 1) == 0
    assert not gone.is_running or not gone.serves()
    assert member_ids(here) == sorted([here.number, there.number])
    assert "removed" in gone.log, gone.log[-1500:]


def test_a_node_with_data_isnt_taken_in_unless_they_may_go(set_up: SetUp, guests: Guests) -> None:
    cluster = set_up(size=4)
    for member in (cluster[1], cluster[2], cluster[3]):
        member.arguments = ["--cluster-nodes", ",".join(entry(cluster[number]) for number in (1, 2, 3))]
        member.start()
    cluster.wait_until_serving(1, 2, 3)
    late = cluster[4]
    late.arguments = []
    late.start()
    cluster.wait_until_serving(4)
    guests.off_line(late, "of its own", ("t", 1))
    late.stop()
    with pytest.raises(Refused, match="data"):
        joined(cluster, late, cluster[1])
    late.ask("join", 60, members=[entry(cluster[1])], discard_data=True)
    cluster.wait_until_serving(4)
    guests.connect(late, "of its own", present=False)
    assert member_ids(cluster[2]) == [1, 2, 3, 4]


def test_a_member_that_doesnt_vote_serves_as_the_others_do(set_up: SetUp, guests: Guests) -> None:
    cluster = set_up("plugins.rmq-cluster-raft.observers=[4]", "plugins.rmq-cluster-raft.quorum_timeout=2s", size=4)
    cluster.start()
    observer = cluster[4]
    assert [each["voter"] for each in cluster[1].ask("status")["members"]] == [True, True, True, False]
    subscriber = guests.connect(observer, "s")
    subscriber.subscribe(("t", 2))
    publishers = [guests.passing(member) for member in cluster]
    for number in range(40):
        assert publishers[number % 4].publish("t", b"%d" % number, number % 3) == 0
        assert subscriber.receive_publish().payload == b"%d" % number
    moved = guests.connect(cluster[1], "s", present=True)
    subscriber.expect_disconnect(0x8E)
    assert publishers[3].publish("t", b"to a voter", 1) == 0
    moved.receive_publish(b"to a voter")
    back = guests.connect(observer, "s", present=True)
    moved.expect_disconnect(0x8E)
    assert publishers[0].publish("t", b"and back", 1) == 0
    publish = back.receive_publish()
    if publish.payload == b"to a voter":  # its PUBACK was on its way as the session moved
        assert publish.dup
        publish = back.receive_publish()
    assert publish.payload == b"and back"
    # It counts for nothing: without it all goes on, and with it two dead voters are a majority that is lost.
    leader = cluster.leader()
    dead = [member for member in cluster.others(4) if member is not leader]
    observer.kill()
    here = guests.passing(leader)
    assert here.publish("t", b"kept", 1) == 0
    observer.start()
    cluster.wait_until_serving(4)
    guests.connect(observer, "s", present=True).receive_publish(b"kept")
    for member in dead:
        member.kill()
    assert not observer.serves() and not leader.serves()


def test_drain_moves_clients_and_leadership_away(set_up: SetUp, guests: Guests) -> None:
    cluster = set_up()
    cluster.start()
    leaving = cluster.leader()
    here, _ = cluster.others(leaving.number)
    clients = [guests.connect(leaving, f"c{number}") for number in range(20)]
    for client in clients:
        client.subscribe(("t", 1))
    leaving.ask("drain", 30, rate=20)
    cluster.leader(*(member.number for member in cluster.others(leaving.number)))
    codes = []
    for number, client in enumerate(clients):
        try:
            while not isinstance(packet := client.receive(10), Disconnect):
                pass
            codes.append(packet.code)
        except ConnectionClosed as error:
            raise AssertionError("moved without a word") from error
        guests.connect(here, f"c{number}", present=True)
    assert set(codes) <= set(USE_ANOTHER_SERVER), codes
    _, connack = guests.try_to_connect(leaving, "new")
    assert connack.code in (0x88, *USE_ANOTHER_SERVER)
    leaving.ask("undrain")
    cluster.wait_until_serving()
