"""Which node a name is of: requests name nodes as answers do, or by their numbers."""

from collections.abc import Mapping

from rmq.management import ManagementService
from rmq_http_api.errors import ApiError


async def node_names(management: ManagementService) -> Mapping[int, str]:
    """The name of each node by its number; of one that gives no answer it may be "node 3"."""
    own = management.local.ref
    found = {own.node_id: own.name}
    gathered = await management.brokers()
    for broker in gathered.answers:
        found[broker.node.node_id] = broker.node.name
    for missing in gathered.missing:
        found[missing.node_id] = missing.name or f"node {missing.node_id}"
    return found


def named(names: Mapping[int, str], node_id: int) -> str:
    """A node's name; its number if it came a moment ago."""
    return names.get(node_id, f"node {node_id}")


async def find_node(management: ManagementService, name: str) -> int:
    """The number of a node; ``ApiError`` 404 if there is none of this name."""
    own = management.local.ref
    if name in (own.name, str(own.node_id)):
        return own.node_id
    for node_id, known in (await node_names(management)).items():
        if name in (known, str(node_id)):
            return node_id
    raise ApiError(404, "NODE_NOT_FOUND", f"there is no node {name[:128]!r}")
