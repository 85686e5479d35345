"""The records of a snapshot that only a cluster has."""

from collections.abc import Iterator
from typing import Any, Final

from rmq.storage.cluster_state import ClusterState, NodeRecord, Owner, WaitingWill
from rmq.storage.message_codec import decode_will, encode_will

CLUSTER: Final = "cluster"
NODE: Final = "node"
ROUTES: Final = "routes"
MEMBERS: Final = "members"
OWNERS: Final = "owners"
WILL: Final = "will"
PER_RECORD: Final = 1000


def cluster_records(cluster: ClusterState) -> Iterator[list[object]]:
    """The records of what a cluster keeps now; made one by one later, of lists that are copied now.

    A node that is alone has none; one that founds a cluster may have a level.
    """
    head: list[object] = [CLUSTER, cluster.time, cluster.level]
    nodes: list[list[object]] = [
        [NODE, number, node.incarnation, node.nonce, node.up, node.sequence, node.left]
        for number, node in cluster.nodes.items()
    ]
    routes = {node: list(filters) for node, filters in cluster.routes.items()}
    members = {
        node: [[m.session.client_id, m.key, m.topic_filter, m.share_group, m.qos] for m in subscriptions.values()]
        for node, subscriptions in cluster.members.items()
    }
    owners = list(cluster.owners.values())
    wills = list(cluster.wills.values())
    return _records(head, nodes, routes, members, owners, wills) if nodes or cluster.level else iter(())


def _records(
    head: list[object],
    nodes: list[list[object]],
    routes: dict[int, list[str]],
    members: dict[int, list[list[object]]],
    owners: list[Owner],
    wills: list[WaitingWill],
) -> Iterator[list[object]]:
    yield head
    yield from nodes
    for node, filters in routes.items():
        for i in range(0, len(filters), PER_RECORD):
            yield [ROUTES, node, filters[i : i + PER_RECORD]]
    for node, entries in members.items():
        for i in range(0, len(entries), PER_RECORD):
            yield [MEMBERS, node, entries[i : i + PER_RECORD]]
    for i in range(0, len(owners), PER_RECORD):
        some = owners[i : i + PER_RECORD]
        yield [OWNERS, [[o.client_id, o.node, o.epoch, encode_will(o.will)] for o in some]]
    for w in wills:
        yield [WILL, w.client_id, w.epoch, encode_will(w.will), w.due_at]


def enter_cluster_record(cluster: ClusterState, fields: list[Any]) -> bool:
    """Enter what a record has; False when it is of another kind."""
    kind = fields[0]
    if kind == CLUSTER:
        _, cluster.time, cluster.level = fields
    elif kind == NODE:
        _, number, incarnation, nonce, up, sequence, left = fields
        cluster.nodes[number] = NodeRecord(incarnation, nonce, up, sequence, left)
    elif kind == ROUTES:
        for topic_filter in fields[2]:
            cluster.add_route(fields[1], topic_filter)
    elif kind == MEMBERS:
        for client_id, key, topic_filter, share_group, qos in fields[2]:
            cluster.add_member(fields[1], client_id, key, topic_filter, share_group, qos)
    elif kind == OWNERS:
        for client_id, node, epoch, will in fields[1]:
            cluster.owners[client_id] = Owner(client_id, node, epoch, decode_will(will))
    elif kind == WILL:
        _, client_id, epoch, fields_of_will, due_at = fields
        will = decode_will(fields_of_will)
        assert will is not None
        cluster.wills[client_id] = WaitingWill(client_id, epoch, will, due_at)
    else:
        return False
    return True
