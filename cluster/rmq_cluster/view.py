"""The cluster as this node sees it, for people."""

from typing import TYPE_CHECKING

from rmq.management.cluster import ClusterStatus, MemberState, MemberView

if TYPE_CHECKING:
    from rmq_cluster.cluster import Cluster


def status_of(cluster: "Cluster") -> ClusterStatus:
    """How everything is; before there is a cluster, who is to be in it and what it waits for."""
    identity = cluster.identity
    if identity is None:
        listed = sorted({*cluster.founding.listed, *cluster.belonging.known})
        waiting = tuple(_member(cluster, node_id, is_voter=False) for node_id in listed)
        return ClusterStatus("", cluster.node_id, None, 0, 0, 0, waiting, False, alarms_of(cluster))
    raft = cluster.replication.raft
    voters = identity.voters if raft is None else raft.voters
    observers = () if raft is None else raft.observers
    members = tuple(
        _member(cluster, node_id, is_voter=node_id in voters)
        for node_id in sorted({*voters, *observers, *identity.addresses()})
    )
    return ClusterStatus(
        identity.cluster_id,
        cluster.node_id,
        cluster.replication.leader,
        0 if raft is None else raft.term,
        0 if raft is None else raft.commit_index,
        0 if raft is None else raft.applied_index,
        members,
        raft is not None and raft.has_quorum and not cluster.replication.failed,
        alarms_of(cluster),
        cluster.port.committed_level,
        cluster.draining > 0.0,
    )


def state_of(cluster: "Cluster", node_id: int) -> MemberState:
    """Whether a member is up, as it is committed, and if it isn't, whether it was stopped in good order."""
    record = cluster.port.nodes.get(node_id)
    if record is None:
        return "down"
    return "up" if record.up else "left" if record.left else "down"


def _member(cluster: "Cluster", node_id: int, *, is_voter: bool) -> MemberView:
    raft = cluster.replication.raft
    record = cluster.port.nodes.get(node_id)
    state = state_of(cluster, node_id)
    if cluster.identity is not None:
        address = cluster.identity.addresses().get(node_id, "")
    else:
        address = (cluster.founding.listed | cluster.belonging.known).get(node_id, "")
    lag = 0
    level = 0
    is_linked = True
    commit = 0 if raft is None else raft.commit_index
    if node_id == cluster.node_id:
        lag = commit - (0 if raft is None else raft.applied_index)
        level = cluster.port.operation_level
    else:
        peer = cluster.peers.peer(node_id)
        is_linked = peer.linked
        if peer.status is not None:
            lag = commit - peer.status.applied
            level = peer.status.level
    return MemberView(
        node_id,
        str(node_id),
        address,
        is_voter,
        state,
        0 if record is None else record.incarnation,
        max(lag, 0),
        is_linked,
        level,
    )


def alarms_of(cluster: "Cluster") -> tuple[str, ...]:
    """What a person should see to, in sentences."""
    alarms: list[str] = []
    replication = cluster.replication
    raft = replication.raft
    if replication.failed:
        alarms.append(f"This node has stepped out of the cluster: {replication.failed}.{_way_back(cluster)}")
    elif cluster.identity is None:
        why = "this node waits to be let in" if cluster.belonging.wants_in else cluster.founding.waits_for
        alarms.append(f"There is no cluster yet: {why or 'it is being founded'}.")
    elif raft is not None:
        absent = [node_id for node_id in raft.voters if node_id != cluster.node_id and not _is_linked(cluster, node_id)]
        if raft.is_cold:
            needed = f": no link to {_list(absent)}" if absent else ""
            alarms.append(
                "This node may have forgotten what it had promised (it wasn't shut down cleanly, or its disk is new) "
                f"and doesn't vote until it has caught up, or all voters are here{needed}."
            )
        elif not raft.has_quorum:
            alarms.append(f"There is no majority: no link to {_list(absent)}.")
    alarms += cluster.conflicts.sentences()
    for node_id, index in sorted(cluster.digests.different.items()):
        alarms.append(f"The states of this node and of node {node_id} differed at {index}: rebuild one of them.")
    return tuple(alarms)


def _way_back(cluster: "Cluster") -> str:
    identity = cluster.identity
    if identity is not None and identity.removed:
        return " It comes back with an empty data folder only; stop it."
    if identity is not None and identity.rebuild:
        return ""  # it says so itself
    return " It doesn't come back by itself: when that is mended, stop it and start it again."


def _is_linked(cluster: "Cluster", node_id: int) -> bool:
    return cluster.peers.peer(node_id).linked


def _list(node_ids: list[int]) -> str:
    return "nodes " + ", ".join(map(str, node_ids)) if len(node_ids) != 1 else f"node {node_ids[0]}"


def rescue_warnings(cluster: "Cluster") -> tuple[str, ...]:
    """What going on alone would mean, in sentences."""
    raft = cluster.replication.raft
    if raft is None:
        return ("This node isn't in a cluster.",)
    others = [node_id for node_id in raft.voters if node_id != cluster.node_id]
    warnings = [
        f"This node goes on as the only member, with what it has: everything up to entry {raft.last_index} of its log.",
        "What the other nodes acknowledged and this one hasn't got is lost, and nobody can tell how much that is.",
        f"The data of {_list(others)} are no good any more: such a node is refused until it is rebuilt or emptied.",
        f"Empty or rebuild {_list(others)} before they are started again: those that come back as they were and are "
        "more than half of what was the cluster go on as it, beside this one.",
        "Do this only if those nodes never come back by themselves, and on one node only.",
    ]
    unsure = raft.last_index - raft.commit_index
    if unsure > 0:
        warnings.insert(1, f"The last {unsure} entries may never have been acknowledged; they are kept.")
    if raft.is_cold:
        warnings.insert(1, "This node wasn't shut down cleanly, or its disk is new: it may lack what it had before.")
    return tuple(warnings)
