"""Figures of the cluster for metrics: what was counted since the start, and what is.

``rmq.metrics.cluster_keys`` has what each means.
"""

from dataclasses import fields
from typing import TYPE_CHECKING, Final

from rmq_cluster.view import alarms_of

if TYPE_CHECKING:
    from rmq_cluster.cluster import Cluster

# A leader that never heard a majority has been without one for ever.
MAX_SILENCE_MS: Final = 1_000_000_000


class Figures:
    """``rmq.metrics.cluster_keys.ClusterFigures`` of a node in a cluster."""

    def __init__(self, cluster: "Cluster") -> None:
        self._cluster = cluster

    def counters(self) -> dict[str, int]:
        """What was counted since the start."""
        return counters_of(self._cluster)

    def gauges(self) -> dict[str, int]:
        """What is."""
        return gauges_of(self._cluster)


def counters_of(cluster: "Cluster") -> dict[str, int]:
    """By name, what only grows; sizes in bytes."""
    links = cluster.links.counters
    found = {
        "cluster.bugs": cluster.bugs.count + links.bugs,
        "cluster.digests.compared": cluster.digests.compared,
        "cluster.snapshots.sent": cluster.outgoing.sent,
        "cluster.snapshots.sent.failed": cluster.outgoing.failed,
        "cluster.snapshots.sent.bytes": cluster.outgoing.bytes,
        "cluster.snapshots.received": cluster.incoming.received,
        "cluster.snapshots.received.failed": cluster.incoming.failed,
        "cluster.snapshots.received.bytes": cluster.incoming.bytes,
        "cluster.links.up": links.links_up,
        "cluster.links.dials.failed": links.dials_failed,
    }
    for channel, name in enumerate(("control", "data")):
        found[f"cluster.links.{name}.frames.sent"] = links.frames_sent[channel]
        found[f"cluster.links.{name}.frames.received"] = links.frames_received[channel]
        found[f"cluster.links.{name}.bytes.sent"] = links.bytes_sent[channel]
        found[f"cluster.links.{name}.bytes.received"] = links.bytes_received[channel]
    for what, table in (("dropped", links.drops), ("refused", links.refusals), ("closed", links.closes)):
        for reason, count in table.items():
            found[f"cluster.links.{what}.{reason}"] = count
    exchange = cluster.exchange
    if exchange is not None:
        counters = exchange.counters
        for field in fields(counters):
            found[f"cluster.requests.{field.name}"] = getattr(counters, field.name)
    return found


def gauges_of(cluster: "Cluster") -> dict[str, int]:
    """By name, what is; times in milliseconds, sizes in bytes, a fact as 1 or 0."""
    replication = cluster.replication
    raft = replication.raft
    takes_part = raft is not None and not replication.failed
    return {
        "cluster.stepped_out": int(bool(replication.failed)),
        "cluster.leader": int(replication.is_leader),
        "cluster.quorum": int(raft is not None and takes_part and raft.has_quorum),
        "cluster.cold": int(raft is not None and raft.is_cold),
        "cluster.alarms": len(alarms_of(cluster)),
        "cluster.links": len(cluster.links.connected()),
        "cluster.term": 0 if raft is None else raft.term,
        "cluster.silence": 0 if raft is None else int(min(raft.contact_age() * 1000, MAX_SILENCE_MS)),
        "cluster.log.bytes": replication.log.size,
        "cluster.log.entries": replication.log.last_index - replication.log.base_index,
        "cluster.log.committed": 0 if raft is None else raft.commit_index,
        "cluster.log.applied": 0 if raft is None else raft.applied_index,
        "cluster.log.synced": replication.log.synced,
        "cluster.states.differing": len(cluster.digests.different),
    }
