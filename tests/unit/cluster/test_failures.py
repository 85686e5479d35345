"""Nodes that die, come back, are cut off, lose their power or their disk."""

from __future__ import annotations

import pytest
import trio
from rmq_cluster import kinds
from rmq_cluster.links import CONTROL
from rmq_cluster.peers import Status
from rmq_cluster.view import state_of
from trio.testing import MockClock

from tests.unit.cluster.starting import three
from tests.unit.cluster.world import START_OF_TIME, CountingPort, World


async def test_a_dead_node_is_declared_down_within_three_seconds(world: World, autojump_clock: MockClock) -> None:
    leader = await three(world)
    victim = next(node_id for node_id in (1, 2, 3) if node_id != leader.node_id)
    died_at = trio.current_time()
    await world.kill(victim)
    await world.until(lambda: all(not node.port.nodes[victim].up for node in world.nodes.values()))
    assert 1.4 < trio.current_time() - died_at < 3.0


async def test_a_dead_leader_is_declared_down_by_the_next_one(world: World, autojump_clock: MockClock) -> None:
    leader = await three(world)
    died_at = trio.current_time()
    await world.kill(leader.node_id)
    await world.until(lambda: all(not node.port.nodes[leader.node_id].up for node in world.nodes.values()))
    assert trio.current_time() - died_at < 3.0
    other = next(iter(world.nodes.values()))
    await other.port.commit("after")
    await world.same()


async def test_it_comes_back_with_its_disk_as_a_new_incarnation(world: World, autojump_clock: MockClock) -> None:
    leader = await three(world)
    victim = next(node_id for node_id in (1, 2, 3) if node_id != leader.node_id)
    await leader.port.commit("before")
    await world.kill(victim)
    await leader.port.commit("meanwhile")
    await trio.sleep(3)
    await world.start(victim)
    await world.ready(victim)
    await world.same()
    assert world.nodes[victim].port.values == ["before", "meanwhile"]
    assert world.nodes[victim].port.nodes[victim].incarnation == 2


async def test_a_node_that_is_cut_off_learns_that_it_was_declared_down_and_comes_back(
    world: World, autojump_clock: MockClock
) -> None:
    leader = await three(world)
    cut = next(node for node in world.nodes.values() if node is not leader)
    world.isolate(cut.node_id)
    await world.until(lambda: not leader.port.nodes[cut.node_id].up)
    assert cut.port.nodes[cut.node_id].up
    await world.until(lambda: not cut.port.quorum)
    world.reunite()
    await world.until(lambda: cut.port.nodes[cut.node_id].incarnation == 2 and cut.port.nodes[cut.node_id].up)
    await world.same()
    assert cut.cluster.belonging.incarnation == 2


async def test_a_leader_that_is_cut_off_commits_nothing(world: World, autojump_clock: MockClock) -> None:
    old = await three(world)
    world.isolate(old.node_id)
    old.port.propose(["add", "lost or late"])
    others = [node for node in world.nodes.values() if node is not old]
    await world.until(lambda: any(node.is_leader for node in others))
    await others[0].port.commit("theirs")
    assert "lost or late" not in others[0].port.values
    assert not old.port.values
    await world.until(lambda: not old.is_leader and not old.port.quorum)
    world.reunite()
    # Its outcome was unknown, so it is proposed again, and applied once.
    await world.until(lambda: sorted(old.port.values) == ["lost or late", "theirs"])
    await world.same()


async def test_what_a_leader_had_synced_and_nobody_else_has_does_not_count(
    world: World, autojump_clock: MockClock
) -> None:
    """The next leader's entries take the same places in the log."""
    old = await three(world)
    world.isolate(old.node_id)
    old.port.propose(["add", "lost or late"])
    log = old.cluster.replication.log
    await world.until(lambda: old.port.synced == log.last_index > old.port.applied_index)
    others = [node for node in world.nodes.values() if node is not old]
    await world.until(lambda: any(node.is_leader for node in others))
    for number in range(10):
        await others[0].port.commit(number)
    told: list[tuple[int, int]] = []
    apply = old.port.apply

    def noted(index: int, term: int, command: bytes) -> None:
        told.append((old.port.synced, log.synced))
        apply(index, term, command)

    old.port.apply = noted  # type: ignore[method-assign]  # to look at what it knew then
    world.reunite()
    await world.same()
    assert told and all(known <= true for known, true in told), told


async def test_what_a_peer_has_synced_counts_as_far_as_it_is_committed(world: World, autojump_clock: MockClock) -> None:
    """Behind that it may have the entries of a leader of before."""
    leader = await three(world)
    peer = next(node for node in world.nodes.values() if node is not leader)
    status = Status(5, 9, 1.7e9, 1, False, 1, 7, False, 0, b"")
    leader.cluster.reception.frames(peer.node_id, CONTROL, [(kinds.STATUS, status.packed())])
    assert leader.port.statuses[peer.node_id] == (5, 7)


async def test_a_node_that_comes_back_empty_is_given_time_to_apply(world: World, autojump_clock: MockClock) -> None:
    leader = await three(world)
    gone = next(node for node in world.nodes.values() if node is not leader).node_id
    for number in range(50):
        await leader.port.commit(number)
    await world.kill(gone)
    world.wipe(gone)
    await trio.sleep(leader.cluster.options.laggard_after + 5)
    # Up to the link of its next life its last word is that it was almost there.
    leader.cluster.peers.peer(gone).behind_target = 1_000_000
    await world.start(gone)
    await world.ready(gone)
    incarnation = leader.port.nodes[gone].incarnation
    await trio.sleep(10)
    assert leader.port.nodes[gone].up
    assert leader.port.nodes[gone].incarnation == incarnation


async def test_all_killed_at_once_have_everything_when_they_are_back(world: World, autojump_clock: MockClock) -> None:
    await three(world)
    for number in range(10):
        await world.nodes[1].port.commit(number)
    for node_id in (1, 2, 3):
        await world.kill(node_id)
    for node_id in (3, 1, 2):
        await world.start(node_id)
    await world.ready()
    await world.same()
    assert world.nodes[3].port.values == list(range(10))


async def test_after_a_loss_of_power_everywhere_all_must_be_there(world: World, autojump_clock: MockClock) -> None:
    await three(world)
    await world.nodes[1].port.commit("kept")
    await world.until(lambda: all(node.port.synced >= node.port.applied_index for node in world.nodes.values()))
    for node_id in (1, 2, 3):
        await world.kill(node_id)
    world.boot = "boot-2"
    await world.start(1)
    await world.start(2)
    await trio.sleep(10)
    alarms = (await world.nodes[1].cluster.control.status()).alarms
    assert any("no link to node 3" in alarm for alarm in alarms), alarms
    assert not world.nodes[1].cluster.ready.is_set()
    await world.start(3)
    await world.ready()
    await world.same()
    assert world.nodes[2].port.values == ["kept"]


async def test_a_clean_stop_hands_over_and_says_so_at_once(world: World, autojump_clock: MockClock) -> None:
    leader = await three(world)
    begun = trio.current_time()
    await world.stop(leader.node_id)
    assert trio.current_time() - begun < 1.0
    others = list(world.nodes.values())
    await world.until(lambda: all(not node.port.nodes[leader.node_id].up for node in others), 0.5)
    assert any(node.is_leader for node in others)
    world.boot = "boot-2"
    await world.start(leader.node_id)
    await world.ready(leader.node_id)
    await world.same()


async def test_who_was_stopped_is_told_apart_from_who_died(world: World, autojump_clock: MockClock) -> None:
    leader = await three(world)
    stopped, _ = (node_id for node_id in (1, 2, 3) if node_id != leader.node_id)
    await world.stop(stopped)

    async def states() -> set[tuple[str, ...]]:
        found = [await node.cluster.control.status() for node in world.nodes.values()]
        return {tuple(member.state for member in status.members) for status in found}

    def all_see(state: str) -> bool:
        return all(state_of(node.cluster, stopped) == state for node in world.nodes.values())

    await world.until(lambda: all_see("left"))
    assert await states() == {tuple("left" if node_id == stopped else "up" for node_id in (1, 2, 3))}
    # Also to who comes to know it by a snapshot only.
    await world.kill(leader.node_id)
    await world.start(leader.node_id)
    await world.ready(leader.node_id)
    assert all_see("left")
    await world.start(stopped)
    await world.ready(stopped)
    await world.until(lambda: all_see("up"))
    await world.kill(stopped)
    await world.until(lambda: all_see("down"))


async def test_the_last_node_stops_in_good_time_too(world: World, autojump_clock: MockClock) -> None:
    await three(world)
    for node_id in (1, 2, 3):
        begun = trio.current_time()
        await world.stop(node_id)
        assert trio.current_time() - begun < 4.0


async def test_a_disk_that_fails_takes_out_its_node_only(world: World, autojump_clock: MockClock) -> None:
    leader = await three(world)
    leader.disks["rmq-raft-sync"].is_full = True
    leader.port.propose(["add", "x"])
    await world.until(lambda: leader.port.stepped_out != "")
    assert "No space left" in leader.port.stepped_out
    others = [node for node in world.nodes.values() if node is not leader]
    await world.until(lambda: any(node.is_leader for node in others))
    await others[0].port.commit("y")
    await world.until(lambda: not others[0].port.nodes[leader.node_id].up)
    status = await leader.cluster.control.status()
    assert "stepped out" in status.alarms[0]
    assert not status.has_quorum


async def test_an_operation_that_is_not_known_takes_out_its_node(world: World, autojump_clock: MockClock) -> None:
    leader = await three(world)
    # What a newer program would propose; one of the nodes is such.
    for node in world.nodes.values():
        if node is not leader:
            node.port.knows_more = True
    other = next(node for node in world.nodes.values() if node is not leader)
    other.port.propose(["new"])
    await world.until(lambda: leader.port.stepped_out != "")
    assert "isn't known" in leader.port.stepped_out
    await world.until(lambda: other.is_leader or any(node.is_leader for node in world.nodes.values()))
    await other.port.commit("goes on")
    await world.same(*(node_id for node_id in world.nodes if node_id != leader.node_id))


async def test_time_is_the_lower_median_and_never_goes_back(world: World, autojump_clock: MockClock) -> None:
    world.skew = {1: 3600.0, 2: 0.0, 3: -5.0}
    await three(world)
    times: list[float] = []
    for _ in range(20):
        await trio.sleep(0.3)
        times.append(world.nodes[1].port.time)
    assert times == sorted(times)
    assert abs(times[-1] - START_OF_TIME - trio.current_time()) < 6.0
    await world.same()


async def test_a_level_is_raised_once_all_members_know_it(world: World, autojump_clock: MockClock) -> None:
    def newer(port: CountingPort, _: object) -> None:
        port.operation_level = 2

    await world.start(1, change=newer)
    await world.start(2, change=newer)
    await world.start(3)
    await world.ready()
    await trio.sleep(5)
    assert world.nodes[1].port.committed_level == 1
    await world.stop(3)
    await world.start(3, change=newer)
    await world.until(lambda: all(node.port.committed_level == 2 for node in world.nodes.values()))


async def test_a_pause_of_the_leader_itself_declares_nobody_down(world: World, autojump_clock: MockClock) -> None:
    leader = await three(world)
    peers = leader.cluster.peers
    silent = max(peers.silent_for(node_id, 0.0) for node_id in (1, 2, 3) if node_id != leader.node_id)
    assert silent < 0.2
    await world.pause(leader, 10.0)
    await world.leader()
    await trio.sleep(3)
    await world.same()
    ids = [node_id for node_id in (1, 2, 3) if node_id != leader.node_id]
    assert all(leader.port.nodes[node_id].incarnation == 1 for node_id in ids)
    assert leader.port.nodes[leader.node_id].incarnation == 2


async def test_who_hears_the_leader_isnt_certain_to_be_heard_by_it(
    world: World, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node goes by what it knows of others only as long as the leader has told that it counts on it."""
    leader = await three(world)
    await trio.sleep(1)
    assert all(node.port.contact_age < 0.5 for node in world.nodes.values())
    others = [node for node in world.nodes.values() if node is not leader]
    monkeypatch.setattr(leader.cluster.duties, "counts_on", lambda node_id: node_id != others[0].node_id)
    await trio.sleep(3)
    assert others[0].cluster.replication.contact_age() < 0.5, "it hears the leader"
    assert others[0].port.contact_age > 2.5
    assert others[1].port.contact_age < 0.5 and leader.port.contact_age < 0.5
    monkeypatch.undo()
    await trio.sleep(0.5)
    assert others[0].port.contact_age < 0.5


async def test_a_leader_doesnt_count_on_whom_it_has_declared_down(world: World, autojump_clock: MockClock) -> None:
    leader = await three(world)
    duties = leader.cluster.duties
    other, third = (node.node_id for node in world.nodes.values() if node is not leader)
    assert duties.counts_on(other) and duties.counts_on(third)
    await world.kill(other)
    await world.until(lambda: not duties.counts_on(other))
    await world.until(lambda: not leader.port.nodes[other].up)
    assert duties.counts_on(third) and not duties.counts_on(9)
    await world.start(other)
    await world.ready()
    assert duties.counts_on(other)


async def test_a_new_leader_declares_nobody_down_at_once(world: World, autojump_clock: MockClock) -> None:
    """The leader before may have heard a node that this one didn't, and told it so."""
    old = await three(world)
    await world.kill(old.node_id)
    new = await world.leader()
    led_since = trio.current_time()
    await world.until(lambda: not new.port.nodes[old.node_id].up)
    assert trio.current_time() - led_since > 0.6 * new.cluster.options.node_down_grace
    assert trio.current_time() - led_since < 2 * new.cluster.options.node_down_grace


@pytest.mark.parametrize("count", [5])
async def test_five_nodes_survive_two(world: World, autojump_clock: MockClock, count: int) -> None:
    world.members = {node_id: world.address(node_id) for node_id in range(1, count + 1)}
    for node_id in world.members:
        await world.start(node_id)
    await world.ready()
    for _ in range(2):
        leader = await world.leader()
        await world.kill(leader.node_id)
    node = next(iter(world.nodes.values()))
    await node.port.commit("x")
    await world.same()


async def test_the_alarm_of_a_node_that_has_stepped_out_says_how_it_comes_back(
    world: World, autojump_clock: MockClock
) -> None:
    leader = await three(world)
    node = next(node for node in world.nodes.values() if node is not leader)
    node.cluster.replication.step_out("log: No space left on device")
    (alarm,) = (await node.cluster.control.status()).alarms
    assert alarm == (
        "This node has stepped out of the cluster: log: No space left on device. "
        "It doesn't come back by itself: when that is mended, stop it and start it again."
    )
    await trio.sleep(60)
    assert (await node.cluster.control.status()).alarms == (alarm,)
    # The others are told when they ask for it.
    told = (await leader.cluster.control.status()).alarms
    assert told == () or all("No space left" in text for text in told), told
    await world.stop(node.node_id)
    await world.start(node.node_id)
    await world.ready(node.node_id)
    await world.same()
