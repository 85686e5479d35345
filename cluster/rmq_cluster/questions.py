"""Management's questions to the other members, over the cluster's links."""

from typing import TYPE_CHECKING

from rmq.management.local import LocalNode
from rmq_cluster.requests import ClusterPeers, Peer
from rmq_cluster.view import state_of

if TYPE_CHECKING:
    from rmq_cluster.cluster import Cluster


def make_peers(cluster: "Cluster", local: LocalNode) -> ClusterPeers:
    """Have the cluster carry them; before it runs."""
    peers = ClusterPeers(local, cluster.carrier, lambda: others(cluster))
    cluster.exchange = peers.exchange
    return peers


def others(cluster: "Cluster") -> tuple[Peer, ...]:
    """All other members as they are now."""
    identity = cluster.identity
    if identity is None:
        return ()
    linked = {peer.node_id for peer in cluster.peers.linked()}
    return tuple(
        Peer(node_id, str(node_id), state_of(cluster, node_id), node_id in linked)
        for node_id in sorted(identity.addresses())
        if node_id != cluster.node_id
    )
