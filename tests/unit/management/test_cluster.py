"""The cluster as administrators see it: a node alone refuses all of it, in one way."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from rmq.management import ManagementService
from rmq.management.cluster import ClusterControl, NoCluster
from rmq.management.errors import NotInACluster
from tests.unit.management.world import Peers, World

CALLS: dict[str, Callable[[ClusterControl], Awaitable[object]]] = {
    "status": lambda cluster: cluster.status(),
    "join": lambda cluster: cluster.join(("2@10.0.0.2:5363",), discard_data=True),
    "leave": lambda cluster: cluster.leave(),
    "remove": lambda cluster: cluster.remove(2),
    "drain": lambda cluster: cluster.drain(100.0),
    "undrain": lambda cluster: cluster.undrain(),
    "transfer_leadership": lambda cluster: cluster.transfer_leadership(2),
    "bootstrap": lambda cluster: cluster.bootstrap((1, 2)),
    "backup": lambda cluster: cluster.backup(Path("/backup")),
    "restore": lambda cluster: cluster.restore(Path("/backup")),
    "rescue_warnings": lambda cluster: cluster.rescue_warnings(),
    "rescue": lambda cluster: cluster.rescue(),
    "rebuild": lambda cluster: cluster.rebuild(),
}


def test_every_call_is_tried_here() -> None:
    calls = {name for name, _ in inspect.getmembers(ClusterControl, inspect.isfunction) if not name.startswith("_")}
    assert calls == set(CALLS)


@pytest.mark.parametrize("name", CALLS)
async def test_a_node_alone_has_no_cluster(world: World, name: str) -> None:
    with pytest.raises(NotInACluster, match="isn't in a cluster"):
        await CALLS[name](world.service.cluster)


async def test_a_node_that_enters_a_cluster_asks_the_others() -> None:
    world, other = World(1), World(2)
    cluster = NoCluster()
    other.engine.connect("there")
    assert (await world.service.clients()).items == ()
    world.service.enter_cluster(Peers([other]), cluster)
    assert [client.node_id for client in (await world.service.clients()).items] == [2]
    assert world.service.cluster is cluster
    assert ManagementService(world.local, world.passwords, Peers([other]), cluster).cluster is cluster
