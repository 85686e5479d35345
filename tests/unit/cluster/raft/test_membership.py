"""Members come and go, listen or vote; leadership is handed over; snapshots bring in who is far behind."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rmq_cluster.raft.log import RaftLog
from rmq_cluster.raft.node import RaftNode
from rmq_cluster.raft.options import Outcome

from tests.unit.cluster.raft.world import Broken, Host, World


def joined(world: World, leader: Host, node: int, *, votes: bool) -> list[int]:
    outcomes: list[int] = []
    world.start(node, members=leader.node.voters)
    world.connect_all()
    leader.node.add_member(node, outcomes.append, votes=votes)
    return outcomes


def test_an_observer_gets_the_log_and_proposes_but_counts_for_nothing(world: World) -> None:
    leader = world.wait_for_leader()
    outcomes = joined(world, leader, 4, votes=False)
    world.run(1.0)
    assert outcomes == [Outcome.APPLIED]
    assert (world.hosts[4].node.role, world.hosts[4].node.observers) == ("observer", (4,))
    command = world.propose(4)
    world.check_end()
    assert world.ledger.outcomes[command] == Outcome.APPLIED
    for node in (1, 2, 3):
        if node != leader.node_id:
            world.kill(node)
    world.run(3.0)
    assert world.leader() is None


def test_one_becomes_three_and_one_again(make_world: Callable[..., World]) -> None:
    world = make_world(voters=1)
    leader = world.wait_for_leader()
    for _ in range(50):
        world.propose(1)
    for node in (2, 3):
        outcomes = joined(world, leader, node, votes=True)
        world.run_until(lambda outcomes=outcomes: outcomes == [Outcome.APPLIED])  # type: ignore[misc]  # a default as a closure
    assert leader.node.voters == (1, 2, 3)
    assert world.hosts[3].machine.members.voters == (1, 2, 3)
    for node in (2, 3):
        removed: list[int] = []
        leader.node.remove_member(node, removed.append)
        world.run_until(lambda removed=removed: removed == [Outcome.APPLIED])  # type: ignore[misc]  # a default as a closure
        world.kill(node)
    command = world.propose(1)
    world.run(0.2)
    assert world.ledger.outcomes[command] == Outcome.APPLIED


def test_a_voter_that_never_answers_stays_an_observer(world: World) -> None:
    leader = world.wait_for_leader()
    outcomes: list[int] = []
    leader.node.add_member(9, outcomes.append)
    world.run(world.options.join_timeout + 1)
    assert (outcomes, leader.node.voters, leader.node.observers) == ([Outcome.REFUSED], (1, 2, 3), (9,))


def test_a_removed_id_comes_back_empty(world: World) -> None:
    leader = world.wait_for_leader()
    gone = next(node for node in (1, 2, 3) if node != leader.node_id)
    leader.node.remove_member(gone, lambda _: None)
    world.run_until(lambda: gone not in leader.node.voters)
    world.wipe(gone)
    outcomes = joined(world, leader, gone, votes=True)
    world.run_until(lambda: outcomes == [Outcome.APPLIED])
    world.check_end()


def test_a_leader_that_removes_itself_hands_over_first(world: World) -> None:
    leader = world.wait_for_leader()
    outcomes: list[int] = []
    leader.node.remove_member(leader.node_id, outcomes.append)
    world.run_until(lambda: bool(outcomes), 3.0)
    world.run(0.3)
    assert outcomes == [Outcome.APPLIED]
    assert (leader.node.role, leader.node_id in leader.node.voters) == ("observer", False)
    world.check_end()


def test_leadership_is_handed_over_under_load(world: World) -> None:
    leader = world.wait_for_leader()
    target = next(node for node in (1, 2, 3) if node != leader.node_id)
    outcomes: list[int] = []
    for _ in range(50):
        world.propose(leader.node_id)
    leader.node.transfer_leadership(target, outcomes.append)
    for _ in range(50):
        world.propose(leader.node_id)
    world.run(0.2)
    assert outcomes == [Outcome.APPLIED]
    assert world.hosts[target].node.role == "leader"
    world.check_end()
    assert len(world.ledger.committed) == 100


@pytest.mark.parametrize("to", [7, None])
def test_a_handing_over_to_nobody_is_refused(make_world: Callable[..., World], to: int | None) -> None:
    world = make_world(voters=1)
    leader = world.wait_for_leader()
    outcomes: list[int] = []
    leader.node.transfer_leadership(to, outcomes.append)
    world.run(0.2)
    assert outcomes == [Outcome.REFUSED]


def test_who_is_behind_the_log_is_named_once_a_second(world: World) -> None:
    leader = world.wait_for_leader()
    behind = next(h for h in world.hosts.values() if h is not leader)
    world.kill(behind.node_id)
    for _ in range(30):
        world.propose(leader.node_id, 100)
    world.run(0.5)
    world.take_snapshot(leader.node_id)
    world.start(behind.node_id)
    world.connect_all()
    installs = world._install
    world._install = lambda *_: None  # type: ignore[method-assign]  # the snapshot gets lost
    world.run(2.5)
    assert leader.machine.wanted == [behind.node_id] * 3
    world._install = installs  # type: ignore[method-assign]  # as it was
    world.check_end()


def test_a_state_that_the_log_doesnt_reach_is_an_error(world: World) -> None:
    host = world.hosts[1]
    for applied in (-1, host.log.last_index + 1):
        with pytest.raises(ValueError, match="the state stands at"):
            RaftNode(
                1,
                (1,),
                host.log,
                host.machine,
                lambda *_: None,
                lambda: 0.0,
                world.random,
                world.options,
                applied=applied,
            )


def test_a_disk_error_stops_the_node_and_tells_its_proposers(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    leader = world.wait_for_leader()
    outcomes: list[int] = []

    def full(_: RaftLog) -> None:
        raise OSError(28, "no space")

    applied = leader.node.applied_index
    leader.node.propose(b"a", outcomes.append)
    with monkeypatch.context() as patch:
        patch.setattr(RaftLog, "flush", full)
        with pytest.raises(OSError, match="no space"):
            leader.node.tick()
    assert (outcomes, leader.node.is_stopped) == ([Outcome.UNKNOWN], True)
    leader.node.propose(b"b", outcomes.append)
    leader.node.tick()
    assert leader.node.applied_index == applied
    world.run_until(lambda: any(h.node.role == "leader" and h is not leader for h in world.hosts.values()), 5.0)


def test_power_lost_everywhere_goes_on_with_the_best_log_once_all_are_there(world: World) -> None:
    leader = world.wait_for_leader()
    for node in (1, 2, 3):
        world.sync(node)
    command = world.propose(leader.node_id)
    world.run(0.2)
    world.sync(leader.node_id)
    for node in (1, 2, 3):
        world.lose_power(node)
    others = [node for node in (1, 2, 3) if node != leader.node_id]
    for node in others:
        world.start(node)
    world.connect_all()
    world.run(5.0)
    assert world.leader() is None
    assert all(world.hosts[node].node.is_cold for node in others)
    world.start(leader.node_id)
    world.connect_all()
    world.check_end()
    assert world.ledger.outcomes[command] == Outcome.APPLIED


def test_two_wiped_nodes_found_nothing_over_the_third(world: World) -> None:
    leader = world.wait_for_leader()
    world.propose(leader.node_id)
    world.run(0.3)
    for node in (1, 2, 3):
        if node != leader.node_id:
            world.wipe(node)
            world.start(node)
    world.connect_all()
    with pytest.raises(Broken):
        world.run_until(lambda: world.leader() is not None and world.leader() is not leader, 10.0)
    assert world.leader() is None
