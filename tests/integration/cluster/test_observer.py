"""A fourth member that doesn't vote: to its clients it is a node as the others are, and to the quorum it is nobody."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest

from rmq.cli.control_client import Refused
from tests.integration.cluster import test_delivery, test_retained, test_shared, test_takeover, test_visibility
from tests.integration.cluster.conftest import OPTIONS, SetUp, end
from tests.integration.cluster.guests import Guests, payloads_until_quiet
from tests.integration.cluster.members import Keepsake, status, until, view
from tests.support.cluster_processes import ClusterProcesses, Member
from tests.support.load.load import Load
from tests.support.wire import Will

OBSERVER = 3
"""Not the last one: the tests of three nodes are then tests of this one as well."""

VOTERS = (1, 2, 4)
SETS = (f"plugins.rmq-cluster-raft.observers=[{OBSERVER}]", "plugins.rmq-cluster-raft.quorum_timeout=2s")


@pytest.fixture(scope="module")
def four_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterProcesses]:
    """Three voters and an observer, for all tests that do them no harm."""
    made = ClusterProcesses(tmp_path_factory.mktemp("observer"), [*OPTIONS, *SETS], size=4)
    try:
        made.start()
        yield made
    finally:
        end(made)


@pytest.fixture
def cluster(four_nodes: ClusterProcesses) -> ClusterProcesses:
    """Two of the voters and the observer in the place of three voters: tests of other modules run on them, below."""
    four_nodes.wait_until_serving()
    three = copy.copy(four_nodes)
    three.members = {number: four_nodes[number] for number in (1, 2, OBSERVER)}
    return three


test_messages_cross = test_delivery.test_messages_cross_between_all_nodes_in_order
test_off_line = test_delivery.test_a_session_off_line_gets_what_it_missed_at_any_node
test_retained_everywhere = test_retained.test_every_node_has_what_was_retained_at_any
test_share_groups = test_shared.test_each_message_goes_to_one_member
test_subscriptions_are_seen = test_visibility.test_a_publish_after_suback_arrives_from_every_node
test_sessions_move = test_takeover.test_subscriptions_and_queue_move
test_clean_start = test_takeover.test_a_clean_start_ends_the_session_everywhere
test_in_flight = test_takeover.test_what_was_in_flight_comes_again_under_its_identifier
test_wills_move = test_takeover.test_the_will_moves_with_its_client
test_one_owner = test_takeover.test_of_many_connections_with_one_client_id_one_is_left
test_during_takeovers = test_takeover.test_messages_that_come_during_takeovers_are_neither_lost_nor_doubled


def test_it_doesnt_vote_and_never_leads(four_nodes: ClusterProcesses) -> None:
    for member in four_nodes:
        until(member, "told of all", lambda: len(status(member)["members"]) == 4)  # noqa: B023 -- called at once
        voters = {each["node_id"]: each["voter"] for each in status(member)["members"]}
        assert voters == {1: True, 2: True, OBSERVER: False, 4: True}
        assert view(member, OBSERVER)["state"] == "up"
    for member in (four_nodes[1], four_nodes[OBSERVER]):
        with pytest.raises(Refused, match=f"node {OBSERVER}"):
            member.ask("transfer_leadership", node_id=OBSERVER)


def observed(set_up: SetUp) -> tuple[ClusterProcesses, Member, Member]:
    """A cluster of its own: itself, the observer, a voter that doesn't lead."""
    cluster = set_up(*SETS, size=4)
    cluster.start()
    follower = next(cluster[number] for number in VOTERS if number != cluster.leader().number)
    return cluster, cluster[OBSERVER], follower


def test_it_dies_together_with_a_voter(set_up: SetUp, guests: Guests) -> None:
    """Two of four nodes, and yet two of three votes are left: all goes on, and what was on those two is there."""
    cluster, observer, voter = observed(set_up)
    here, there = cluster.others(observer.number, voter.number)
    kept = Keepsake(guests, observer)
    watcher = guests.passing(here)
    watcher.subscribe(("will/#", 1))
    for member in (observer, voter):
        client = guests.connect(member, f"at-{member.number}", will=Will(f"will/{member.number}", b"died", 1))
        client.subscribe(("t", 1))
    for member in (observer, voter):
        member.kill()
    publisher = guests.passing(there)
    assert publisher.publish("t", b"while they are dead", 1) == 0
    assert sorted(watcher.receive_publish(b"died", 10).topic for _ in range(2)) == sorted(
        f"will/{member.number}" for member in (observer, voter)
    )
    kept.check(here, there)
    for member, dead in ((here, observer), (there, voter)):
        moved = guests.connect(member, f"at-{dead.number}", present=True)
        assert payloads_until_quiet(moved) == [b"while they are dead"]
    observer.start()
    cluster.wait_until_serving(observer.number)
    kept.check(observer)
    voter.start()
    cluster.wait_until_serving()
    kept.check(*cluster)


@pytest.mark.slow
def test_it_makes_no_majority(set_up: SetUp, guests: Guests) -> None:
    """With two of three voters dead it lives, and nothing is kept; one of them back, all goes on."""
    cluster, observer, _ = observed(set_up)
    leader = cluster.leader()
    kept = Keepsake(guests, leader)
    dead = cluster.others(observer.number, leader.number)
    publisher = guests.passing(observer)
    guests.off_line(observer, "s", ("t", 1))
    for member in dead:
        member.kill()
    for member in (observer, leader):
        until(member, "without a majority", lambda: not status(member)["has_quorum"])  # noqa: B023 -- called at once
    assert publisher.publish("t", b"refused", 1) == 0x97
    assert not observer.serves() and not leader.serves()
    dead[0].start()
    cluster.wait_until_serving(observer.number, leader.number, dead[0].number)
    kept.check(observer, leader, dead[0])
    assert guests.passing(observer).publish("t", b"again", 1) == 0
    assert payloads_until_quiet(guests.connect(observer, "s", present=True)) == [b"again"]


@pytest.mark.slow
def test_under_load_it_dies_together_with_a_voter(set_up: SetUp) -> None:
    cluster, observer, voter = observed(set_up)
    with Load(cluster, 1) as load:
        for victims in ((observer, voter), (voter, observer)):
            load.wait_for(200)
            load.fault(f"nodes {[each.number for each in victims]} die")
            for member in victims:
                member.kill()
            load.wait_for(200)
            for member in victims:
                member.start()
            load.over()
        load.fault("the observer's disk is lost")
        observer.kill()
        observer.wipe()
        observer.start()
        load.over()
        load.wait_for(100)
        load.finish()
