"""The end of a node in the state: all that it had open is closed, whatever may have been sent counts as sent."""

from typing import TYPE_CHECKING

from rmq.session.session import Session

if TYPE_CHECKING:
    from rmq.storage.cluster_state import ClusterState


def sweep(cluster: "ClusterState", node: int, grace: float, at: float) -> None:
    """Close everything that a node had open."""
    cluster.drop_routes(node)
    state = cluster.state
    closed: list[Session] = []
    with_wills: list[Session] = []
    for session in state.sessions.values():
        if session.node == node and session.disconnected_at == 0.0:
            _close(cluster, session, grace, at)
            closed.append(session)
            if session.will is not None:
                with_wills.append(session)
    if closed:
        state.events.sessions_closed(closed, with_wills)
    gone = [owner for owner in cluster.owners.values() if owner.node == node]
    wills: list[str] = []
    for owner in gone:
        del cluster.owners[owner.client_id]
        if cluster.will_waits(owner, at + grace):
            wills.append(owner.client_id)
    if wills:
        state.events.wills_wait(wills)


def _close(cluster: "ClusterState", session: Session, grace: float, at: float) -> None:
    """What a connection's end does, told by nobody."""
    cluster.state.change(session)
    session.disconnected_at = at
    outbound = session.outbound
    if outbound is not None:
        count = min(len(outbound), outbound.may_be_sent())
        outbound.reserve(count)
        if session.channel is None:
            outbound.mark_sent(count)
    if session.will is not None:
        session.will_due_at = at + max(min(session.will.delay_interval, session.expiry_interval), grace)


def adopt(cluster: "ClusterState", node: int, grace: float, at: float) -> None:
    """Sessions of a node that was alone become a member's, all without a connection."""
    state = cluster.state
    closed: list[Session] = []
    with_wills: list[Session] = []
    for session in state.sessions.values():
        cluster.count_session(session.node, -1)
        cluster.count_session(node, 1)
        session.node = node
        if session.disconnected_at == 0.0:
            _close(cluster, session, grace, at)
            closed.append(session)
            if session.will is not None:
                with_wills.append(session)
    if closed:
        state.events.sessions_closed(closed, with_wills)
