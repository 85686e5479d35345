"""The end of a node in the state: all that it had open is closed, whatever may have been sent counts as sent."""

from typing import TYPE_CHECKING, Final

from rmq.session.outbound import LAST_PACKET_ID
from rmq.session.session import Session

if TYPE_CHECKING:
    from rmq.storage.cluster_state import ClusterState

# More than are given to one session between two syncs of a log; no divisor of all, so that it doesn't come round soon.
SKIPPED_PACKET_IDS: Final = 20_011


def sweep(cluster: "ClusterState", node: int, grace: float, at: float) -> None:
    """Close everything that a node had open."""
    cluster.drop_routes(node)
    state = cluster.state
    closed: list[Session] = []
    for session in state.sessions.values():
        if session.node == node and session.disconnected_at == 0.0:
            _close(cluster, session, grace, at)
            closed.append(session)
    if closed:
        state.events.sessions_closed(closed)
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
    cluster.state.changing(session.client_id)
    session.disconnected_at = at
    outbound = session.outbound
    if outbound is not None:
        count = min(len(outbound), outbound.may_be_sent())
        outbound.reserve(count)
        if session.channel is None:
            outbound.mark_sent(count)
    if session.will is not None:
        session.will_due_at = at + max(min(session.will.delay_interval, session.expiry_interval), grace)


def skip_packet_ids(cluster: "ClusterState") -> None:
    """Identifiers that were given in the lost end of a log aren't given again to other messages soon.

    A client that has answered such a message with PUBREC would take the other one for the same [MQTT-4.3.3-10].
    """
    state = cluster.state
    for session in state.sessions.values():
        outbound = session.outbound
        if outbound is not None:
            state.changing(session.client_id)
            outbound.last_packet_id = (outbound.last_packet_id + SKIPPED_PACKET_IDS) % LAST_PACKET_ID


def adopt(cluster: "ClusterState", node: int, grace: float, at: float) -> None:
    """Sessions of a node that was alone become a member's, all without a connection."""
    state = cluster.state
    closed: list[Session] = []
    for session in state.sessions.values():
        cluster.count_session(session.node, -1)
        cluster.count_session(node, 1)
        session.node = node
        if session.disconnected_at == 0.0:
            _close(cluster, session, grace, at)
            closed.append(session)
    state.events.sessions_closed(closed)
