"""When a cluster is founded, and when it isn't."""

from __future__ import annotations

import pytest
import trio
from rmq_cluster.identity import load_identity
from rmq_cluster.options import ClusterOptions
from trio.testing import MockClock

from tests.unit.cluster.world import CountingPort, World


def cluster_ids(world: World) -> set[str]:
    return {identity.cluster_id if (identity := load_identity(world.data(n))) else "" for n in world.nodes}


async def test_three_empty_nodes_found_one_cluster_and_all_are_up(world: World, autojump_clock: MockClock) -> None:
    for node_id in (2, 3, 1):
        await world.start(node_id)
    await world.ready()
    (cluster_id,) = cluster_ids(world)
    assert cluster_id
    await world.same()
    assert {node_id: record.up for node_id, record in world.nodes[1].port.nodes.items()} == {1: True, 2: True, 3: True}


async def test_what_one_proposes_all_apply(world: World, autojump_clock: MockClock) -> None:
    for node_id in (1, 2, 3):
        await world.start(node_id)
    await world.ready()
    for node_id in (1, 2, 3):
        for number in range(20):
            await world.nodes[node_id].port.commit(f"{node_id}.{number}")
    await world.same()
    assert len(world.nodes[1].port.values) == 60


async def test_two_of_three_found_nothing(world: World, autojump_clock: MockClock) -> None:
    await world.start(1)
    await world.start(2)
    await trio.sleep(10)
    assert cluster_ids(world) == {""}
    assert "node 3" in world.nodes[1].cluster.founding.waits_for
    await world.start(3)
    await world.ready()
    assert len(cluster_ids(world)) == 1


async def test_one_listed_node_founds_alone(world: World, autojump_clock: MockClock) -> None:
    await world.start(1, members={1: world.address(1)})
    await world.ready()
    await world.nodes[1].port.commit("x")
    assert world.nodes[1].port.values == ["x"]


async def test_an_empty_node_comes_back_to_its_cluster_and_founds_none(world: World, autojump_clock: MockClock) -> None:
    for node_id in (1, 2, 3):
        await world.start(node_id)
    await world.ready()
    await world.nodes[1].port.commit("kept")
    await world.kill(3)
    world.wipe(3)
    await world.start(3)
    await world.ready(3)
    assert len(cluster_ids(world)) == 1
    await world.same()
    assert world.nodes[3].port.values == ["kept"]


async def test_two_wiped_nodes_found_no_second_cluster_over_the_third(world: World, autojump_clock: MockClock) -> None:
    for node_id in (1, 2, 3):
        await world.start(node_id)
    await world.ready()
    await world.nodes[3].port.commit("kept")
    (before,) = cluster_ids(world)
    for node_id in (1, 2):
        await world.kill(node_id)
        world.wipe(node_id)
    for node_id in (1, 2):
        await world.start(node_id)
    await trio.sleep(20)
    assert cluster_ids(world) == {before}
    assert not any(node.is_leader for node in world.nodes.values())
    assert world.nodes[3].port.values == ["kept"]


async def test_the_proposer_dies_half_way_and_the_others_wait_for_it(world: World, autojump_clock: MockClock) -> None:
    for node_id in (1, 2, 3):
        await world.start(node_id)
    await world.until(lambda: load_identity(world.data(2)) is not None)
    await world.kill(1)
    world.wipe(1)
    await world.start(1)
    await world.ready()
    assert len(cluster_ids(world)) == 1


async def test_a_node_with_data_is_the_seed_of_the_others(world: World, autojump_clock: MockClock) -> None:
    def seed(port: CountingPort, _: object) -> None:
        port.has_own_data = True
        port.values = ["old", "data"]

    await world.start(1)
    await world.start(2, change=seed)
    await trio.sleep(5)
    assert cluster_ids(world) == {""}
    await world.start(3)
    await world.ready()
    await world.same()
    assert world.nodes[1].port.values == ["old", "data"]
    await world.until(lambda: all(node.voters == (1, 2, 3) for node in world.nodes.values()))


async def test_two_nodes_with_data_are_told_so(world: World, autojump_clock: MockClock) -> None:
    def seed(port: CountingPort, _: object) -> None:
        port.has_own_data = True

    await world.start(1, change=seed)
    await world.start(2, change=seed)
    await world.start(3)
    await trio.sleep(5)
    assert cluster_ids(world) == {""}
    reason = world.nodes[1].cluster.reception.check(2, world.nodes[2].cluster.reception.hello())
    assert reason == "nodes 1 and 2 both have data of their own: only one may"


async def test_nodes_that_list_different_members_found_nothing(world: World, autojump_clock: MockClock) -> None:
    await world.start(1)
    await world.start(2, members={1: world.address(1), 2: world.address(2)})
    await trio.sleep(5)
    assert cluster_ids(world) == {""}
    reason = world.nodes[1].cluster.reception.check(2, world.nodes[2].cluster.reception.hello())
    assert reason == "nodes 1 and 2 list different members"


async def test_a_node_of_another_cluster_is_refused(world: World, autojump_clock: MockClock) -> None:
    for node_id in (1, 2, 3):
        await world.start(node_id)
    await world.ready()
    await world.start(4, members={4: world.address(4)})
    await world.ready(4)
    reason = world.nodes[1].cluster.reception.check(4, world.nodes[4].cluster.reception.hello())
    assert reason is not None
    assert "node 4 is in cluster" in reason


async def test_a_person_names_the_nodes(world: World, autojump_clock: MockClock) -> None:
    await world.start(1)
    await world.start(2)
    await trio.sleep(1)
    await world.nodes[2].cluster.control.bootstrap((1, 2))
    await world.ready()
    assert world.nodes[1].voters == (1, 2)
    await world.nodes[1].port.commit("x")
    await world.same()


async def test_a_seed_that_ends_before_its_identity_is_kept_is_still_the_seed(
    world: World, autojump_clock: MockClock
) -> None:
    def seed(port: CountingPort, _: object) -> None:
        port.has_own_data = True
        port.values = ["old", "data"]

    node = await world.start(1, change=seed)
    node.port.found(lambda: None)
    await world.kill(1)
    for node_id in (1, 2, 3):
        await world.start(node_id)
    await world.ready()
    await world.same()
    assert world.nodes[3].port.values == ["old", "data"]


@pytest.mark.parametrize("silent", [1, 2])
async def test_a_listed_node_that_may_not_vote_does_not(world: World, autojump_clock: MockClock, silent: int) -> None:
    def no_vote(_: CountingPort, options: ClusterOptions) -> None:
        options.votes = False

    world.members = {node_id: world.address(node_id) for node_id in (1, 2, 3, 4)}
    for node_id in world.members:
        await world.start(node_id, change=no_vote if node_id == silent else None)
    await world.ready()
    voters = tuple(node_id for node_id in (1, 2, 3, 4) if node_id != silent)
    assert all(node.voters == voters for node in world.nodes.values())
    await world.nodes[silent].port.commit("x")
    await world.same()


async def test_the_port_knows_the_voters_from_the_start(world: World, autojump_clock: MockClock) -> None:
    for node_id in (1, 2, 3):
        await world.start(node_id)
    await world.ready()
    assert all(node.port.voters == (1, 2, 3) for node in world.nodes.values())
    await world.kill(2)
    node = await world.start(2)
    await world.ready(2)
    assert node.port.voters == (1, 2, 3)
