"""The part of the one table that only a member of a cluster has: what the cluster counts, and what is; by name.

Counters are added up over nodes. A gauge has its rule beside it: ``SUM``, or ``ONCE`` for what is about all nodes
alike, of which the highest holds.
"""

from typing import Final, Protocol

from rmq.metrics.gauges import Gauge
from rmq.metrics.keys import ONCE, SUM

_CHANNELS: Final = {
    f"cluster.links.{channel}.{what}.{way}": f"{noun} {way} on the {channel} connections between nodes"
    for channel in ("control", "data")
    for what, noun in (("frames", "Frames"), ("bytes", "Bytes"))
    for way in ("sent", "received")
}

_DROPPED: Final = {
    "no_link": "there was no link to the node",
    "control_full": "as much as may waited on its control connection",
    "data_full": "as much as may waited on its data connection",
    "too_large": "too long for one frame",
    "link_lost": "their link broke while they waited",
}

_REFUSED: Final = {
    "malformed": "what came was no handshake",
    "too_large": "a message of the handshake was too long",
    "wire_version": "the other side speaks another version",
    "wrong_peer": "the other side isn't the node it should be, or looked for another one",
    "wrong_direction": "the node with the lower id dialled",
    "bad_proof": "the other side has another secret",
    "not_loopback": "without a secret a name led to another machine",
    "same_id": "another process with the same node id has a link",
    "rejected": "this node refused the peer",
    "rejected_by_peer": "the peer refused this node",
    "timeout": "it took too long",
    "ended": "the other side closed the connection",
    "broken": "the connection broke",
    "tls": "TLS came to nothing",
    "displaced": "too many were under way, and this was the oldest",
    "no_resources": "no file or memory was left for the connection",
    "stale": "a later attempt of the same node was there first",
    "half_pair": "the other connection of the pair didn't come",
    "bug": "an exception that should not have been",
}

_CLOSED: Final = {
    "closed": "this node closed it",
    "removed": "the peer is no member any more, or has another address",
    "replaced": "the peer made a new one",
    "ended": "the peer closed it",
    "broken": "the connection broke",
    "silent": "nothing was heard for too long",
    "stalled": "the peer took nothing for too long",
    "bad_frame": "the peer sent what no sound peer sends",
    "bug": "an exception that should not have been",
    "stopped": "this node stopped",
}

CLUSTER_METRICS: Final[dict[str, str]] = {
    "cluster.bugs": "Bugs in the cluster: exceptions that should not have been",
    "cluster.digests.compared": "Digests of the state that were compared with those of other nodes",
    "cluster.snapshots.sent": "Snapshots that other nodes have got",
    "cluster.snapshots.sent.failed": "Snapshots that didn't get to another node",
    "cluster.snapshots.sent.bytes": "Bytes of snapshots sent to other nodes",
    "cluster.snapshots.received": "Snapshots taken over from another node",
    "cluster.snapshots.received.failed": "Snapshots of other nodes that couldn't be received",
    "cluster.snapshots.received.bytes": "Bytes of snapshots received from other nodes",
    "cluster.links.up": "Links to other nodes that were made",
    "cluster.links.dials.failed": "Connections to other nodes that couldn't be opened",
    **_CHANNELS,
    **{f"cluster.links.dropped.{reason}": f"Frames not sent: {text}" for reason, text in _DROPPED.items()},
    **{f"cluster.links.refused.{reason}": f"Handshakes in vain: {text}" for reason, text in _REFUSED.items()},
    **{f"cluster.links.closed.{reason}": f"Links that went down: {text}" for reason, text in _CLOSED.items()},
    "cluster.requests.asked": "Questions of management asked of other nodes",
    "cluster.requests.answered": "Questions to other nodes that were answered",
    "cluster.requests.unanswered": "Questions to other nodes without an answer: refused, link lost, or not in time",
    "cluster.requests.unreadable": "Answers of other nodes that aren't what the question asks for",
    "cluster.requests.stray_answers": "Answers of other nodes that nobody waited for any more",
    "cluster.requests.questions": "Questions of other nodes",
    "cluster.requests.replies": "Answers to other nodes that were sent whole",
    "cluster.requests.refused": "Questions of other nodes refused: not known, too many at once, or not now",
    "cluster.requests.internal_errors": "Bugs: exceptions in answering a question of another node",
    "cluster.requests.too_slow": "Answers to other nodes that weren't ready in time",
    "cluster.requests.forgotten": "Questions that the other node gave up itself",
    "cluster.requests.cut_off": "Answers to other nodes that couldn't be sent: no link, or no room",
    "cluster.requests.too_large": "Answers to other nodes that were too long",
}

CLUSTER_STATS: Final[dict[str, tuple[str, str]]] = {
    "cluster.stepped_out": (SUM, "Is 1 when this node has stepped out of the cluster"),
    "cluster.leader": (SUM, "Is 1 when this node leads"),
    "cluster.quorum": (SUM, "Is 1 while a majority is in contact"),
    "cluster.cold": (SUM, "Is 1 while this node doesn't vote because it may have forgotten something"),
    "cluster.alarms": (SUM, "Alarms of the cluster's status: what a person should see to"),
    "cluster.links": (SUM, "Links to other nodes"),
    "cluster.term": (ONCE, "Term of the replicated log: how many elections there were"),
    "cluster.silence": (ONCE, "Milliseconds since the leader was heard, or by the leader a majority"),
    "cluster.log.bytes": (SUM, "Bytes of the replicated log on disk"),
    "cluster.log.entries": (ONCE, "Entries of the replicated log that are kept"),
    "cluster.log.committed": (ONCE, "Last entry that is committed"),
    "cluster.log.applied": (ONCE, "Last entry that is applied"),
    "cluster.log.synced": (ONCE, "Last entry that would survive a loss of power"),
    "cluster.states.differing": (SUM, "Nodes whose state was found to be another one than this node's"),
}


class ClusterFigures(Protocol):
    """A member's cluster, as far as it is counted."""

    def counters(self) -> dict[str, int]:
        """Those of ``CLUSTER_METRICS``."""

    def gauges(self) -> dict[str, int]:
        """Those of ``CLUSTER_STATS``, as they are now."""


class ClusterGauges:
    """The gauges of the cluster, with the highest value of each that was seen."""

    def __init__(self) -> None:
        self._gauges = {name: Gauge() for name in CLUSTER_STATS}

    def sampled(self, figures: dict[str, int]) -> dict[str, int]:
        """Take the values as they are now; all of them, each as ``.count`` and ``.max``."""
        values: dict[str, int] = {}
        for name, gauge in self._gauges.items():
            gauge.set(figures[name])
            values[f"{name}.count"] = gauge.count
            values[f"{name}.max"] = gauge.max
        return values
