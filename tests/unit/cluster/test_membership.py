"""Who is a member of a cluster: joining, voting, leaving and being removed."""

from __future__ import annotations

import pytest
import trio
from rmq_cluster.identity import IdentityError
from trio.testing import MockClock

from rmq.management.errors import (
    AlreadyInACluster,
    BadQuery,
    ChangeUnderWay,
    ClusterRefused,
    ManagementError,
    NodeHasData,
    NoQuorum,
)
from tests.unit.cluster.starting import addresses, alone, three
from tests.unit.cluster.world import CountingPort, World


@pytest.mark.parametrize("known", [1, 2, 3])
async def test_a_new_node_joins_and_votes(world: World, autojump_clock: MockClock, known: int) -> None:
    leader = await three(world)
    await leader.port.commit("before")
    node = await alone(world, 4)
    await node.cluster.control.join(addresses(world, known))
    await world.same()
    await world.until(lambda: all(node.voters == (1, 2, 3, 4) for node in world.nodes.values()))
    assert node.port.values == ["before"]
    await node.port.commit("after")
    await world.same()


async def test_a_member_is_found_by_its_address(world: World, autojump_clock: MockClock) -> None:
    leader = await three(world)
    node = await alone(world, 4)
    await node.cluster.control.join((world.address(2),))
    await world.until(lambda: all(node.voters == (1, 2, 3, 4) for node in world.nodes.values()))
    assert not any(node.cluster.conflicts.sentences() for node in world.nodes.values())
    await leader.port.commit("after")
    await world.same()


async def test_an_address_where_no_other_node_is(world: World, autojump_clock: MockClock) -> None:
    await three(world)
    node = await alone(world, 4)
    with pytest.raises(ClusterRefused, match=r"nobody says who is at node9:5363: node9:5363: "):
        await node.cluster.control.join(("node9:5363",))
    with pytest.raises(ClusterRefused, match=r"the node at node4:5363 has the id 4, as this one has"):
        await node.cluster.control.join((world.address(1), world.address(4)))
    for text in ("node1", "0@node1:1", "x@node1:1", "@", "node1:99999"):
        with pytest.raises(BadQuery):
            await node.cluster.control.join((text,))
    assert node.cluster.identity is None and not node.cluster.belonging.wants_in


async def test_a_node_with_a_low_id_joins_too(world: World, autojump_clock: MockClock) -> None:
    world.members = {node_id: world.address(node_id) for node_id in (2, 3, 4)}
    for node_id in (2, 3, 4):
        await world.start(node_id)
    await world.ready()
    node = await alone(world, 1)
    await node.cluster.control.join(addresses(world, 3))
    await world.until(lambda: all(node.voters == (1, 2, 3, 4) for node in world.nodes.values()))
    await world.same()


async def test_a_node_that_has_moved_is_found_by_those_whose_configuration_is_old(
    world: World, autojump_clock: MockClock
) -> None:
    await three(world)
    await world.kill(2)
    world.ports[2] = 6000
    node = await world.start(2, members=world.members | {2: world.address(2)})
    await world.ready(2)
    await world.until(lambda: node.cluster.links.connected() == {1, 3})
    # Even one that starts anew with the old one.
    await world.kill(3)
    await world.start(3)
    await world.ready(3)
    await world.until(lambda: node.cluster.links.connected() == {1, 3})
    await world.same()


async def test_join_is_refused_to_who_has_data_or_a_cluster(world: World, autojump_clock: MockClock) -> None:
    def seed(port: CountingPort, _: object) -> None:
        port.has_own_data = True
        port.values = ["own"]

    leader = await three(world)
    with pytest.raises(AlreadyInACluster):
        await leader.cluster.control.join(addresses(world, 1))
    node = await world.start(4, members={4: world.address(4), 60: world.address(60)}, change=seed)
    with pytest.raises(NodeHasData):
        await node.cluster.control.join(addresses(world, 1))
    with pytest.raises(BadQuery):
        await node.cluster.control.join(("1:nonsense",))
    assert node.port.values == ["own"]
    await node.cluster.control.join(addresses(world, 1), discard_data=True)
    await world.same()
    assert node.port.values == []


async def test_a_member_without_a_vote_takes_part_in_everything_else(world: World, autojump_clock: MockClock) -> None:
    def no_vote(_: object, options: object) -> None:
        options.votes = False  # type: ignore[attr-defined]  # ClusterOptions

    await three(world)
    node = await world.start(4, members={4: world.address(4), 60: world.address(60)}, change=no_vote)
    await node.cluster.control.join(addresses(world, 1))
    await node.port.commit("from the observer")
    await trio.sleep(5)
    assert node.voters == (1, 2, 3)
    await world.same()
    status = await node.cluster.control.status()
    assert [(member.node_id, member.voter) for member in status.members] == [
        (1, True),
        (2, True),
        (3, True),
        (4, False),
    ]
    assert status.has_quorum


async def test_at_most_five_vote(world: World, autojump_clock: MockClock) -> None:
    world.members = {node_id: world.address(node_id) for node_id in range(1, 8)}
    for node_id in world.members:
        await world.start(node_id)
    await world.ready()
    await trio.sleep(3)
    assert all(node.voters == (1, 2, 3, 4, 5) for node in world.nodes.values())
    await world.nodes[7].port.commit("x")
    await world.same()


@pytest.mark.parametrize("leads", [True, False])
async def test_a_node_leaves_for_good(world: World, autojump_clock: MockClock, leads: bool) -> None:
    leader = await three(world)
    node = next(node for node in world.nodes.values() if (node is leader) is leads)
    await node.cluster.control.leave()
    others = [other for other in world.nodes.values() if other is not node]
    await world.until(lambda: all(node.node_id not in other.voters for other in others))
    await world.until(lambda: not others[0].port.nodes[node.node_id].up)
    await others[0].port.commit("goes on")
    assert node.port.stepped_out
    await world.kill(node.node_id)
    with pytest.raises(IdentityError, match="removed from cluster"):
        await world.start(node.node_id)


async def test_a_node_that_leaves_is_drained_first(world: World, autojump_clock: MockClock) -> None:
    leader = await three(world)
    leader.port.has_clients = True
    left = trio.Event()

    async def leave() -> None:
        await leader.cluster.control.leave(20.0)
        left.set()

    world.nursery.start_soon(leave)
    await world.until(lambda: leader.port.drained is not None)
    await trio.sleep(60)
    assert leader.port.drain_rate == 20.0 and not left.is_set()
    others = [other for other in world.nodes.values() if other is not leader]
    assert not leader.is_leader and all(other.voters == (1, 2, 3) for other in others)
    assert leader.port.nodes[leader.node_id].up, "it serves those that are left"
    with pytest.raises(ChangeUnderWay):
        await leader.cluster.control.leave()
    assert leader.port.drained is not None
    leader.port.drained()
    with trio.fail_after(10):
        await left.wait()
    await world.until(lambda: all(leader.node_id not in other.voters for other in others))


async def test_a_node_that_may_not_leave_takes_clients_again(world: World, autojump_clock: MockClock) -> None:
    await three(world)
    node = world.nodes[3]
    refusals: list[Exception] = []

    async def leave(rate: float) -> None:
        try:
            await node.cluster.control.leave(rate)
        except ManagementError as error:
            refusals.append(error)

    with pytest.raises(BadQuery, match="above 0"):
        await node.cluster.control.leave(0.0)
    assert node.port.drain_rate == 0.0
    # Somebody thinks better of it.
    node.port.has_clients = True
    world.nursery.start_soon(leave, 20.0)
    await world.until(lambda: node.port.drain_rate == 20.0)
    await node.cluster.control.undrain()
    await world.until(lambda: len(refusals) == 1)
    assert "undrain" in str(refusals[0]) and node.port.drain_rate == 0.0
    # The majority goes meanwhile; it was drained before by hand, and stays so.
    await node.cluster.control.drain(5.0)
    node.port.drained = None
    world.nursery.start_soon(leave, 20.0)
    await world.until(lambda: node.port.drained is not None)
    await world.kill(1)
    await world.kill(2)
    await world.until(lambda: not node.port.quorum)
    assert node.port.drained is not None
    node.port.drained()
    await world.until(lambda: len(refusals) == 2)
    assert isinstance(refusals[1], NoQuorum) and node.port.drain_rate == 5.0


async def test_a_dead_node_is_removed_and_its_id_comes_back_empty(world: World, autojump_clock: MockClock) -> None:
    leader = await three(world)
    dead = next(node_id for node_id in (1, 2, 3) if node_id != leader.node_id)
    await world.kill(dead)
    await leader.cluster.control.remove(dead)
    await world.until(lambda: all(dead not in node.voters for node in world.nodes.values()))
    # With the disk it had it isn't let in.
    await world.start(dead)
    await trio.sleep(5)
    assert not world.nodes[dead].cluster.ready.is_set()
    await world.kill(dead)
    world.wipe(dead)
    node = await alone(world, dead)
    await node.cluster.control.join(addresses(world, leader.node_id))
    await world.until(lambda: all(node.voters == (1, 2, 3) for node in world.nodes.values()))
    await world.same()
    assert node.port.nodes[dead].incarnation == 2


async def test_an_empty_node_is_let_in_by_one_that_has_not_heard_of_its_removal(
    world: World, autojump_clock: MockClock
) -> None:
    """The others tell it, of the node that had its id; it goes on asking, also as a new process."""
    await three(world)
    node = await alone(world, 4)
    await node.cluster.control.join(addresses(world, 1))
    await world.until(lambda: all(node.voters == (1, 2, 3, 4) for node in world.nodes.values()))
    await world.same()
    await world.kill(3)
    await world.leader()
    await world.nodes[1].cluster.control.remove(4)
    await world.kill(4)
    world.wipe(4)
    await world.kill(1)
    await world.kill(2)
    await world.start(3)
    node = await alone(world, 4)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(node.cluster.control.join, addresses(world, 1, 2, 3))
        await world.until(lambda: node.cluster.identity is not None)  # node 3 takes it for a member
        nursery.cancel_scope.cancel()
    await world.kill(4)
    node = await world.start(4)
    await world.start(1)
    await world.start(2)
    await world.until(lambda: all(node.voters == (1, 2, 3, 4) for node in world.nodes.values()))
    await world.same()
    assert not node.cluster.replication.failed


async def test_the_leader_is_removed_by_another(world: World, autojump_clock: MockClock) -> None:
    leader = await three(world)
    other = next(node for node in world.nodes.values() if node is not leader)
    await other.cluster.control.remove(leader.node_id)
    await world.until(lambda: leader.port.stepped_out != "")
    await world.until(lambda: leader.node_id not in other.voters)


async def test_a_node_whose_place_another_process_has_taken_steps_out(world: World, autojump_clock: MockClock) -> None:
    leader = await three(world)
    node = next(node for node in world.nodes.values() if node is not leader)
    leader.port.propose(["up", node.node_id, "of another process"])
    await world.until(lambda: node.port.stepped_out != "")
    assert f"another process has become node {node.node_id}" in node.port.stepped_out
    await leader.port.commit("goes on")


async def test_from_one_node_to_three_and_back_under_load(world: World, autojump_clock: MockClock) -> None:
    first = await world.start(1, members={1: world.address(1)})
    await world.ready()
    acknowledged: list[int] = []

    async def write() -> None:
        for number in range(1_000_000):
            await first.port.commit(number)
            acknowledged.append(number)
            await trio.sleep(0.005)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write)
        for node_id in (2, 3):
            node = await alone(world, node_id)
            await node.cluster.control.join(addresses(world, 1))
        await world.until(lambda: first.voters == (1, 2, 3))
        await first.cluster.control.transfer_leadership(3)
        await trio.sleep(1)
        for node_id in (3, 2):
            await world.nodes[node_id].cluster.control.leave()
            await world.kill(node_id)
            await trio.sleep(1)
        await world.until(lambda: first.voters == (1,) and first.is_leader)
        before = len(acknowledged)
        await world.until(lambda: len(acknowledged) > before + 20)
        nursery.cancel_scope.cancel()
    assert first.port.values[: len(acknowledged)] == acknowledged
