"""A node alone becomes three and one again, and no node ever founds a cluster beside the one that it belongs to."""

from __future__ import annotations

import threading

import pytest

from rmq.cli.control_client import NodeUnavailable, Refused
from tests.integration.cluster.conftest import SetUp
from tests.integration.cluster.guests import Guests
from tests.integration.cluster.members import Keepsake, events, only, refused, said, status, typed, until
from tests.integration.cluster.test_growth import entry, joined, member_ids
from tests.support.cluster_processes import ClusterProcesses, Member
from tests.support.load.load import Load
from tests.support.retained import retained_at

WAITS = "the cluster isn't founded yet"
ADOPTED = "this node is empty and belongs to a cluster"


@pytest.mark.slow
def test_a_node_alone_becomes_three_and_one_again_under_load(set_up: SetUp, guests: Guests) -> None:
    cluster = set_up()
    one, two, three = cluster
    listed, one.arguments = one.arguments, []
    one.start()
    cluster.wait_until_serving(1)
    kept = Keepsake(guests, one)
    with Load(cluster, 1) as load:
        load.wait_for(200)
        load.fault("node 1 is started again as the seed, beside two empty ones")
        one.stop()
        one.arguments = listed
        for member in (two, three, one):
            member.start()
        load.over()
        kept.check(two, three, one)
        load.wait_for(300)
        load.fault("node 1 leaves")
        one.ask("leave", 60)
        one.stop()
        load.over(2, 3)
        assert member_ids(two) == member_ids(three) == [2, 3]
        kept.check(two, three)
        load.wait_for(200)
        load.fault("node 2 is removed")
        three.ask("remove", 60, node_id=2)
        until(two, "told that it was removed", lambda: said(two, "this node was removed from the cluster"))
        load.over(3)
        assert member_ids(three) == [3] and status(three)["has_quorum"]
        kept.check(three)
        load.wait_for(200)
        load.finish(3)
    kept.check(three)


def test_nodes_come_one_by_one_and_go_one_by_one(set_up: SetUp, guests: Guests) -> None:
    """The one that is asked to go leads, each time."""
    cluster = set_up()
    one, two, three = cluster
    only(cluster, 3)
    three.start()
    cluster.wait_until_serving(3)
    kept = Keepsake(guests, three)
    cluster_id = status(three)["cluster_id"]
    joined(cluster, one, three)  # of a lower number: nobody would dial it
    kept.check(one)
    joined(cluster, two, one)
    kept.check(two)
    three.ask("transfer_leadership", node_id=3)
    two.ask("remove", 60, node_id=3)
    until(three, "told that it was removed", lambda: said(three, "this node was removed from the cluster"))
    assert member_ids(one) == [1, 2]
    kept.check(one, two)
    one.ask("transfer_leadership", node_id=1)
    one.ask("leave", 60)
    assert member_ids(two) == [2] and status(two)["cluster_id"] == cluster_id
    kept.check(two)
    assert refused(two, "leave") == "the only node that votes can't leave"
    two.stop()
    two.start()
    cluster.wait_until_serving(2)
    kept.check(two)


def test_a_node_with_data_comes_in_when_they_are_given_up(set_up: SetUp, guests: Guests) -> None:
    cluster = set_up(size=2)
    one, late = cluster
    only(cluster, 1)
    one.start()
    late.arguments = []
    late.start()
    cluster.wait_until_serving(1, 2)
    kept = Keepsake(guests, one)
    assert guests.passing(late).publish("kept/r/own", b"of its own", 1, retain=True) == 0
    late.stop()
    late.arguments = ["--cluster-nodes", f"{entry(one)},{entry(late)}"]
    late.start()
    cluster.wait_for_control(late)
    assert "would be lost" in refused(late, "join", entry(one))
    assert member_ids(one) == [1]
    assert typed(late, "join", entry(one), "--discard-data", "--yes") == "joined\n"
    cluster.wait_until_serving(2)
    kept.check(late, one)
    assert "kept/r/own" not in retained_at(late, "kept/#")
    assert "already" in refused(late, "join", entry(one))
    # What was given up isn't there after a restart either.
    late.kill()
    late.start()
    cluster.wait_until_serving()
    kept.check(late)


def lost_but_the_third(set_up: SetUp, guests: Guests) -> tuple[ClusterProcesses, Keepsake, str]:
    """Two of three nodes are down, and their disks are lost; what is kept, and the id of the cluster."""
    cluster = set_up("plugins.rmq-cluster-raft.quorum_timeout=1s")
    cluster.start()
    kept = Keepsake(guests, cluster[1])
    kept.check(cluster[3])
    cluster_id = status(cluster[3])["cluster_id"]
    for number in (1, 2):
        cluster[number].kill()
        cluster[number].wipe()
    return cluster, kept, cluster_id


def test_two_wiped_nodes_found_no_cluster_without_the_third(set_up: SetUp, guests: Guests) -> None:
    cluster, kept, cluster_id = lost_but_the_third(set_up, guests)
    one, two, three = cluster
    three.kill()
    one.start()
    two.start()
    for member in (one, two):
        until(
            member,
            "waiting for node 3 alone",
            lambda: events(member, WAITS)[-1:] and events(member, WAITS)[-1]["because"] == "there is no link to node 3",  # noqa: B023 -- called before the loop goes on
        )
        assert not member.serves()
        found = status(member)
        assert found["cluster_id"] == "" and "node 3" in found["alarms"][0], found
    three.start()
    for member in (one, two):
        until(member, "in the cluster of node 3", lambda: said(member, ADOPTED))  # noqa: B023 -- as above
    rescued(cluster, guests, kept, cluster_id)


@pytest.mark.slow
def test_two_wiped_nodes_found_no_cluster_over_the_third(set_up: SetUp, guests: Guests) -> None:
    cluster, kept, cluster_id = lost_but_the_third(set_up, guests)
    cluster[1].start()
    cluster[2].start()
    for member in (cluster[1], cluster[2]):
        until(member, "in the cluster of node 3", lambda: said(member, ADOPTED))  # noqa: B023 -- as above
    rescued(cluster, guests, kept, cluster_id)


def rescued(cluster: ClusterProcesses, guests: Guests, kept: Keepsake, cluster_id: str) -> None:
    """Two empty nodes are no majority: it takes a person to say that the third one's data are those that count."""
    one, two, three = cluster
    until(three, "linked with both", lambda: all(each["link_up"] for each in status(three)["members"]))
    assert {status(member)["cluster_id"] for member in cluster} == {cluster_id}
    assert not any(member.serves() for member in cluster)
    assert [status(member)["leader"] for member in cluster] == [None] * 3
    three.ask("rescue", 60)
    cluster.wait_until_serving(3)
    kept.check(three)
    for member in (one, two):
        member.kill()
        member.wipe()
    joined(cluster, one, three)
    joined(cluster, two, one, three)
    assert {status(member)["cluster_id"] for member in cluster} == {cluster_id}
    kept.check(*cluster)


@pytest.mark.slow
def test_nodes_come_in_while_the_leader_dies_under_load(set_up: SetUp, guests: Guests) -> None:
    """Two at once, and again and again somebody dies: whoever has begun to come in is a member in the end."""
    cluster = set_up(size=5)
    only(cluster, 1, 2, 3)
    hosts = [cluster[number] for number in (1, 2, 3)]
    for member in hosts:
        member.start()
    cluster.wait_until_serving(1, 2, 3)
    kept = Keepsake(guests, cluster[1])
    with Load(cluster, 1) as load:
        load.wait_for(100)
        load.fault("nodes 4 and 5 come in, and leaders die")
        newcomers = [cluster[4], cluster[5]]
        joins = [Joining(member, hosts) for member in newcomers]
        for member in newcomers:
            member.arguments = ["--cluster-nodes", ",".join(entry(each) for each in (*hosts, member))]
            member.start()
        for member, join in zip(newcomers, joins, strict=True):
            cluster.wait_for_control(member)
            join.start()
        for _ in range(2):
            until(hosts[0], "of one opinion with the others", lambda: agreed(hosts))
            leader = cluster[agreed(hosts)]
            if leader in newcomers:  # it has come in already
                joins[newcomers.index(leader)].join(30)
            leader.kill()
            load.wait_for(20)
            leader.start()
            cluster.wait_until_serving(1, 2, 3)
        for join in joins:
            join.join(120)
            assert join.answer == "joined", join.answer
        load.over()
        assert [member_ids(member) for member in cluster] == [[1, 2, 3, 4, 5]] * 5
        load.wait_for(200)
        # Now two may die at once.
        load.fault("two of five die")
        for number in (1, 5):
            cluster[number].kill()
        load.wait_for(100)
        for number in (1, 5):
            cluster[number].start()
        load.over()
        load.finish()
    kept.check(*cluster)


def agreed(members: list[Member]) -> int:
    """Who leads, if these are of one opinion; else 0."""
    found = {member.leader_it_knows() or 0 for member in members}
    return found.pop() if len(found) == 1 else 0


class Joining(threading.Thread):
    """Asks a node to come into the cluster of others; ``answer`` is what became of it."""

    def __init__(self, member: Member, hosts: list[Member]) -> None:
        super().__init__(name=f"join-{member.number}", daemon=True)
        self._member = member
        self._hosts = hosts
        self.answer = "none"

    def run(self) -> None:
        """Ask, and wait."""
        try:
            self._member.ask("join", 110, members=[entry(each) for each in self._hosts], discard_data=False)
            self.answer = "joined"
        except (Refused, NodeUnavailable) as error:
            self.answer = str(error)
