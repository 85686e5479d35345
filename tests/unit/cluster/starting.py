"""How tests of a cluster begin: three nodes that are one, and empty ones that are to join."""

from __future__ import annotations

from tests.unit.cluster.world import Node, World


async def three(world: World) -> Node:
    """Three nodes that are up; the leader."""
    for node_id in (1, 2, 3):
        await world.start(node_id)
    await world.ready()
    leader = await world.leader()
    await world.same()
    return leader


def addresses(world: World, *node_ids: int) -> tuple[str, ...]:
    """Members as one names them who wants to join."""
    return tuple(f"{node_id}@{world.address(node_id)}" for node_id in node_ids)


async def alone(world: World, node_id: int) -> Node:
    """An empty node that is to join: what it lists never comes."""
    return await world.start(node_id, members={node_id: world.address(node_id), 60: world.address(60)})
