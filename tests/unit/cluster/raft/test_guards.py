"""What pysyncobj 0.3.17 does wrong as it stands, one scenario each, and that a node here doesn't."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from rmq_cluster.raft.log import TERM_REGAINED, WARM
from rmq_cluster.raft.messages import Ack, Append, Message, Stale, Vote, Voted, decode, encode
from rmq_cluster.raft.node import RaftNode
from rmq_cluster.raft.options import Outcome

from tests.unit.cluster.raft.world import Host, World

no_op = b"\x01"


class Lone:
    """A node of three whose peers are played by the test."""

    def __init__(self, world: World) -> None:
        self.world = world
        for peer in (2, 3):
            world.kill(peer)
        self.host: Host = world.hosts[1]
        self.host.log.set_cold(WARM)
        self.node: RaftNode = self.host.node
        self.sent: list[tuple[int, Message]] = []
        self.node._core._send_frame = lambda peer, frame: self.sent.append((peer, decode(frame)))
        for peer in (2, 3):
            self.node.link_up(peer)
        self.sent.clear()

    def hears(self, peer: int, message: Message) -> list[Message]:
        self.sent.clear()
        self.node.receive(peer, encode(message))
        self.node.tick()
        return [sent for to, sent in self.sent if to == peer]

    def append(
        self, term: int, previous: tuple[int, int], commit: int, *commands: bytes, last: int = 0
    ) -> list[Message]:
        index, previous_term = previous
        entries = [(b"\x00" + command, index + 1 + at, term) for at, command in enumerate(commands)]
        return self.hears(2, Append(term, 1, index, previous_term, commit, last or index + len(entries), entries))

    def lead(self) -> None:
        self.world.now += 2
        self.node.tick()
        self.world.now += 0.01
        core = self.node._core
        core.deadline = 0.0
        core.elections._consent = (core.term, self.world.now)
        self.node.tick()
        self.hears(2, Voted(self.node.term))
        assert self.node.role == "leader"


@pytest.fixture
def lone(world: World) -> Lone:
    return Lone(world)


def test_3_1_a_repeated_append_cuts_off_nothing_and_acknowledges_what_it_verified(lone: Lone) -> None:
    lone.append(1, (0, 0), 0, b"a", b"b", b"c")
    (ack,) = lone.append(1, (0, 0), 0, b"a")
    assert isinstance(ack, Ack) and (ack.success, ack.following) == (True, 2)
    assert lone.node.last_index == 3


def test_3_1_a_late_ack_doesnt_rewind_what_is_on_its_way(lone: Lone) -> None:
    lone.lead()
    for command in (b"a", b"b", b"c"):
        lone.node.propose(command, lambda _: None)
        lone.node.tick()
    numbers = [m.number for to, m in lone.sent if to == 2 and isinstance(m, Append)]
    again = lone.hears(2, Ack(lone.node.term, numbers[0], 2, True, False))
    assert not [m for m in again if isinstance(m, Append) and m.entries]


def test_3_2_a_leader_that_was_alone_with_a_long_tail_rejoins_in_a_second(world: World) -> None:
    leader = world.wait_for_leader()
    for other in (1, 2, 3):
        if other != leader.node_id:
            world.cut |= {(other, leader.node_id), (leader.node_id, other)}
            world._break(other, leader.node_id)
    for _ in range(20):
        world.propose(leader.node_id, 100)
    world.run(3.0)
    for _ in range(300):
        world.propose(next(h.node_id for h in world.hosts.values() if h is not leader), 100)
    world.run(1.0)
    world.heal()
    world.run_until(world.agree, 1.0)
    world.check_end()


def test_3_3_nothing_beyond_what_was_verified_is_committed(lone: Lone) -> None:
    lone.append(1, (0, 0), 0, b"a", b"b", b"own tail")
    lone.append(1, (0, 0), 3, b"a")
    assert lone.node.commit_index == 1


def test_3_3_an_installed_snapshot_fires_no_success(world: World) -> None:
    leader = world.wait_for_leader()
    outcomes: list[int] = []
    others = [h for h in world.hosts.values() if h is not leader]
    for other in others:
        world.cut |= {(other.node_id, leader.node_id), (leader.node_id, other.node_id)}
    for _ in range(3):
        leader.node.propose(b"lost", outcomes.append)
    world.run(4.0)
    for _ in range(50):
        world.propose(others[0].node_id, 300)
    world.run(0.5)
    for other in others:
        world.take_snapshot(other.node_id)
    world.heal()
    world.check_end()
    assert outcomes == [Outcome.UNKNOWN] * 3
    assert world.installed == 1


@pytest.mark.parametrize("crash", ["kill", "lose_power"])
def test_3_4_and_3_5_compaction_and_a_crash_lose_nothing(world: World, crash: str) -> None:
    leader = world.wait_for_leader()
    for _ in range(100):
        world.propose(leader.node_id, 100)
    world.run(0.5)
    for node_id in (1, 2, 3):
        world.sync(node_id)
    for node_id in (1, 2, 3):
        world.take_snapshot(node_id)
        getattr(world, crash)(node_id)
    for node_id in (1, 2, 3):
        world.start(node_id)
    world.connect_all()
    world.check_end()
    assert len(world.ledger.committed) == 100


def test_3_6_term_and_vote_survive_a_crash(lone: Lone) -> None:
    assert [type(m) for m in lone.hears(2, Vote(5, 0, 0))] == [Voted]
    lone.world.kill(1)
    lone.world.start(1)
    again = Lone(lone.world)
    assert again.node.term == 5
    assert again.hears(3, Vote(5, 9, 4)) == []


def test_3_7_a_node_that_lost_its_disk_doesnt_vote_before_it_caught_up(world: World) -> None:
    leader = world.wait_for_leader()
    witness, other = (h.node_id for h in world.hosts.values() if h is not leader)
    world.cut |= {(leader.node_id, other), (witness, other)}
    world._break(leader.node_id, other)
    world._break(witness, other)
    precious = world.propose(leader.node_id)
    world.run(0.3)
    assert world.ledger.outcomes[precious] == Outcome.APPLIED
    world.wipe(witness)
    world.kill(leader.node_id)
    world.start(witness)
    world.cut.clear()
    world.connect_all()
    world.run(5.0)
    assert world.leader() is None
    world.start(leader.node_id)
    world.connect_all()
    world.check_end()


def test_3_7_a_wiped_node_follows_no_leader_of_its_former_life(world: World) -> None:
    leader = world.wait_for_leader()
    witness, other = (h.node_id for h in world.hosts.values() if h is not leader)
    for peer in (witness, other):
        world.cut |= {(leader.node_id, peer), (peer, leader.node_id)}
        world._break(leader.node_id, peer)
    world.run_until(lambda: any(h.node.role == "leader" and h is not leader for h in world.hosts.values()), 5.0)
    precious = world.propose(other)
    world.run(0.2)
    world.wipe(witness)
    world.start(witness)
    world.cut.clear()
    world.connect(witness, leader.node_id)
    world.run(3.0)
    assert world.hosts[witness].log.last_index == 0
    assert world.hosts[witness].log.cold not in (WARM, TERM_REGAINED)
    world.heal()
    world.check_end()
    assert world.ledger.outcomes[precious] == Outcome.APPLIED


def test_3_7_acks_of_a_former_life_dont_count(world: World) -> None:
    leader = world.wait_for_leader()
    peer = next(node for node in (1, 2, 3) if node != leader.node_id)
    assert leader.node.match_index(peer) == leader.node.last_index
    world._break(leader.node_id, peer)
    world.connect(leader.node_id, peer)
    assert leader.node.match_index(peer) == 0


def test_3_8_an_ack_of_another_term_is_dropped(lone: Lone) -> None:
    lone.lead()
    lone.node.propose(b"a", lambda _: None)
    lone.node.tick()
    lone.hears(2, Ack(lone.node.term - 1, 1, lone.node.last_index + 1, True, False))
    assert (lone.node.match_index(2), lone.node.commit_index) == (0, 0)


def test_3_9_a_raising_machine_and_a_raising_callback_stop_nothing(world: World) -> None:
    leader = world.wait_for_leader()
    for _ in range(30):  # some of them raise when they are applied, and when their outcome is told
        world.propose(leader.node_id)
    world.check_end()
    assert all(len(h.machine.state) == 30 for h in world.hosts.values())


def test_3_9_a_second_change_of_members_is_refused(world: World) -> None:
    leader = world.wait_for_leader()
    outcomes: list[int] = []
    for node in (4, 5):
        leader.node.add_member(node, outcomes.append, votes=False)
    world.run(0.5)
    assert sorted(outcomes) == [Outcome.APPLIED, Outcome.REFUSED]
    assert leader.node.observers == (4,)


def test_3_9_a_node_that_comes_back_deposes_nobody(make_world: Callable[..., World]) -> None:
    world = make_world()
    leader = world.wait_for_leader()
    term = leader.node.term
    away = next(h for h in world.hosts.values() if h is not leader)
    for other in (1, 2, 3):
        if other != away.node_id:
            world.silence(other, away.node_id)
    world.run(6.0)
    world.heal()
    world.run(2.0)
    assert (leader.node.role, leader.node.term) == ("leader", term)


def test_3_9_a_stall_of_our_own_begins_no_election(lone: Lone) -> None:
    lone.append(1, (0, 0), 0, b"a")
    lone.world.now += 3.0
    lone.sent.clear()
    lone.node.tick()
    assert lone.sent == []


def test_a_leader_whose_term_is_behind_is_told(lone: Lone) -> None:
    lone.hears(3, Vote(7, 0, 0))
    assert lone.append(5, (0, 0), 0, b"a") == [Stale(7)]


def test_a_leader_that_is_told_of_a_newer_term_makes_way(lone: Lone) -> None:
    lone.lead()
    lone.hears(2, Stale(lone.node.term + 4))
    assert lone.node.role == "follower"


def test_proposers_are_told_when_the_leader_is_alone(world: World) -> None:
    leader = world.wait_for_leader()
    follower = next(h for h in world.hosts.values() if h is not leader)
    for host in world.hosts.values():
        for other in world.hosts:
            world.cut.add((host.node_id, other))
    told: list[tuple[str, int, float]] = []
    began = world.now
    leader.node.propose(b"a", lambda outcome: told.append(("leader", outcome, world.now - began)))
    follower.node.propose(b"b", lambda outcome: told.append(("follower", outcome, world.now - began)))
    world.run(3.0)
    assert {(who, outcome) for who, outcome, _ in told} == {("leader", Outcome.UNKNOWN), ("follower", Outcome.UNKNOWN)}
    assert max(after for _, _, after in told) < 1.3
    late: list[Any] = []
    follower.node.propose(b"c", late.append)
    world.run(0.1)
    assert late == [Outcome.REFUSED]


def test_alone_a_command_is_committed_in_one_tick(make_world: Callable[..., World]) -> None:
    world = make_world(voters=1)
    world.run(0.2)
    outcomes: list[int] = []
    world.hosts[1].node.propose(b"a", outcomes.append)
    world.hosts[1].node.tick()
    assert outcomes == [Outcome.APPLIED]


def test_one_append_per_follower_and_tick(lone: Lone) -> None:
    lone.lead()
    lone.hears(2, Ack(lone.node.term, 1000, lone.node.last_index + 1, True, False))
    lone.sent.clear()
    for _ in range(50):
        lone.node.propose(b"a", lambda _: None)
    lone.node.tick()
    appends = [(to, len(m.entries)) for to, m in lone.sent if isinstance(m, Append)]
    assert appends == [(2, 50), (3, 50)]


def test_a_link_that_takes_nothing_gets_one_pipeline_and_heartbeats(lone: Lone) -> None:
    lone.lead()
    lone.node._core.options = replace(lone.node._core.options, leader_timeout=100.0)
    for _ in range(100):
        lone.node.propose(b"a" * 500, lambda _: None)
    lone.sent.clear()
    for _ in range(20):
        lone.world.now += 0.04
        lone.node.tick()
    sent = sum(len(entry) for to, m in lone.sent if to == 3 and isinstance(m, Append) for entry, _, _ in m.entries)
    assert 0 < sent < lone.world.options.pipeline_bytes + lone.world.options.batch_bytes
