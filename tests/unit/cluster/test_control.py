"""What an administrator may ask of a cluster and have done, and what is refused."""

from __future__ import annotations

import pytest
import trio
from rmq_cluster.knocking import FIRST_ID
from trio.testing import MockClock

from rmq.management.errors import (
    AlreadyInACluster,
    BadQuery,
    ChangeUnderWay,
    ClusterRefused,
    NoQuorum,
    NotAMember,
    NotInACluster,
)
from tests.unit.cluster.starting import alone, three
from tests.unit.cluster.world import World


async def test_what_can_not_be_changed(world: World, autojump_clock: MockClock) -> None:
    leader = await three(world)
    control = leader.cluster.control
    with pytest.raises(NotAMember):
        await control.remove(9)
    with pytest.raises(NotAMember):
        await control.transfer_leadership(9)
    with pytest.raises(BadQuery):
        await control.drain(0)
    with pytest.raises(ClusterRefused, match="majority is here"):
        await control.rescue()
    with pytest.raises(AlreadyInACluster):
        await control.bootstrap((1, 2))
    waiting = await alone(world, 4)
    for call in (waiting.cluster.control.leave, waiting.cluster.control.rescue, waiting.cluster.control.undrain):
        with pytest.raises(NotInACluster):
            await call()


async def test_one_change_at_a_time(world: World, autojump_clock: MockClock) -> None:
    leader = await three(world)
    leader.cluster.duties.changing = "node 9 is admitted"
    other = next(node for node in world.nodes.values() if node is not leader)
    third = next(node for node in world.nodes.values() if node not in (leader, other))
    with pytest.raises(ChangeUnderWay, match="node 9 is admitted"):
        await other.cluster.control.remove(third.node_id)


async def test_without_a_majority_nothing_is_changed(world: World, autojump_clock: MockClock) -> None:
    await three(world)
    await world.kill(2)
    await world.kill(3)
    node = world.nodes[1]
    await world.until(lambda: not node.port.quorum)
    with pytest.raises(NoQuorum):
        await node.cluster.control.remove(2)
    status = await node.cluster.control.status()
    assert status.alarms == ("There is no majority: no link to nodes 2, 3.",)


async def test_leadership_is_handed_to_whom_one_names(world: World, autojump_clock: MockClock) -> None:
    leader = await three(world)
    for target in (1, 2, 3, 1):
        assert await leader.cluster.control.transfer_leadership(target) == target
        assert (await world.leader()).node_id == target


async def test_a_node_that_is_drained_hands_over_and_moves_clients(world: World, autojump_clock: MockClock) -> None:
    leader = await three(world)
    await leader.cluster.control.drain(50.0)
    assert leader.port.drain_rate == 50.0
    assert not leader.is_leader
    assert (await leader.cluster.control.status()).draining
    await leader.cluster.control.undrain()
    assert leader.port.drain_rate == 0.0


async def test_the_status_says_how_everybody_is(world: World, autojump_clock: MockClock) -> None:
    leader = await three(world)
    dead = next(node_id for node_id in (1, 2, 3) if node_id != leader.node_id)
    await world.kill(dead)
    await world.until(lambda: not leader.port.nodes[dead].up)
    status = await leader.cluster.control.status()
    assert status.leader == leader.node_id
    assert status.has_quorum
    assert {member.node_id: (member.state, member.link_up) for member in status.members} == {
        node_id: ("down" if node_id == dead else "up", node_id != dead) for node_id in (1, 2, 3)
    }
    assert {member.address for member in status.members} == set(world.members.values())


async def test_the_status_of_a_node_that_waits_says_for_whom(world: World, autojump_clock: MockClock) -> None:
    await world.start(1)
    await world.start(2)
    await trio.sleep(2)
    status = await world.nodes[1].cluster.control.status()
    assert status.cluster_id == ""
    assert status.alarms == ("There is no cluster yet: there is no link to node 3.",)
    assert [(member.node_id, member.link_up) for member in status.members] == [(1, True), (2, True), (3, False)]


async def test_who_only_knocks_is_no_alarm(world: World, autojump_clock: MockClock) -> None:
    """It may end the connection before it has been told that it isn't let in."""
    leader = await three(world)
    leader.cluster.reception.rejected_by(FIRST_ID + 4, "it has been told")
    assert (await leader.cluster.control.status()).alarms == ()
    leader.cluster.reception.rejected_by(2, "it is another cluster")
    assert (await leader.cluster.control.status()).alarms
