"""Figures of the cluster for metrics: one flat table of what is, and of what was counted since the start."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rmq_cluster.cluster import Cluster


def figures_of(cluster: "Cluster") -> dict[str, float]:
    """By name; names that end in ``_total`` only grow, times are in seconds, sizes in bytes."""
    replication = cluster.replication
    raft = replication.raft
    counters = cluster.links.counters
    figures: dict[str, float] = {
        "cluster_stepped_out": float(bool(replication.failed)),
        "cluster_is_leader": float(replication.is_leader),
        "cluster_has_quorum": float(raft is not None and raft.has_quorum and not replication.failed),
        "cluster_is_cold": float(raft is not None and raft.is_cold),
        "cluster_links": float(len(cluster.links.connected())),
        "cluster_log_bytes": float(replication.log.size),
        "cluster_log_entries": float(replication.log.last_index - replication.log.base_index),
        "cluster_synced_index": float(replication.log.synced),
        "cluster_states_differing": float(len(cluster.digests.different)),
        "cluster_digests_compared_total": float(cluster.digests.compared),
        "cluster_snapshots_sent_total": float(cluster.outgoing.sent),
        "cluster_snapshots_not_sent_total": float(cluster.outgoing.failed),
        "cluster_snapshot_bytes_sent_total": float(cluster.outgoing.bytes),
        "cluster_snapshots_received_total": float(cluster.incoming.received),
        "cluster_snapshots_not_received_total": float(cluster.incoming.failed),
        "cluster_dials_failed_total": float(counters.dials_failed),
        "cluster_links_up_total": float(counters.links_up),
    }
    if raft is not None:
        figures |= {
            "cluster_term": float(raft.term),
            "cluster_commit_index": float(raft.commit_index),
            "cluster_applied_index": float(raft.applied_index),
            "cluster_contact_age": raft.contact_age(),
        }
    for channel, name in enumerate(("control", "data")):
        figures |= {
            f"cluster_{name}_frames_sent_total": float(counters.frames_sent[channel]),
            f"cluster_{name}_frames_received_total": float(counters.frames_received[channel]),
            f"cluster_{name}_bytes_sent_total": float(counters.bytes_sent[channel]),
            f"cluster_{name}_bytes_received_total": float(counters.bytes_received[channel]),
        }
    for kind, table in (("drops", counters.drops), ("refusals", counters.refusals), ("closes", counters.closes)):
        for reason, count in table.items():
            figures[f"cluster_link_{kind}_{reason}_total"] = float(count)
    return figures
