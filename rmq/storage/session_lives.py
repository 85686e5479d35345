"""How persistent sessions begin, are taken over, and lose their connections."""

from typing import TYPE_CHECKING

from rmq.session.session import Session
from rmq.storage.records import CloseSession, OpenSession

if TYPE_CHECKING:
    from rmq.storage.state import State


def open_session(state: "State", operation: OpenSession) -> None:
    """A connection takes its session, or begins one."""
    state.last_epoch = max(state.last_epoch, operation.epoch)
    session = state.sessions.get(operation.client_id)
    if session is not None and session.epoch >= operation.epoch:
        return
    if operation.epoch < state.cluster.epoch_of(operation.client_id):
        return  # claimed again before it was open
    state.changing(operation.client_id)
    if session is not None and not operation.resume:
        state.forget(session)
        session = None
    if session is not None and session.disconnected_at == 0.0 and operation.node != session.node:
        outbound = session.outbound  # taken from another node, which hasn't told what was sent
        if outbound is not None:
            sent = min(len(outbound), outbound.may_be_sent())
            outbound.reserve(sent)
            outbound.mark_sent(sent)
    if session is None:
        session = Session(operation.client_id, True)
        session.created_at = operation.at
        session.created_epoch = operation.epoch
        session.snapshot = state.snapshot
        session.digested = state.digest_number
        state.sessions[operation.client_id] = session
    else:
        state.cluster.count_session(session.node, -1)
    state.cluster.count_session(operation.node, 1)
    session.epoch = operation.epoch
    session.node = operation.node
    session.remote = operation.node != 0 and operation.node != state.node_id
    state.cluster.opened(operation.client_id, operation.node, operation.epoch)
    session.username = operation.username
    session.protocol_level = operation.protocol_level
    session.expiry_interval = operation.expiry_interval
    session.will = operation.will
    session.will_due_at = 0.0
    session.disconnected_at = 0.0
    session.max_window = operation.window
    session.max_queue = operation.max_queue
    session.drop_newest = operation.drop_newest
    outbound = session.outbound
    if outbound is not None:
        outbound.limit = operation.max_queue
        outbound.drop_newest = operation.drop_newest
        outbound.set_window(operation.window)


def close_session(state: "State", operation: CloseSession) -> None:
    """The connection of a session has ended; the session is kept for a while."""
    session = state.changing(operation.client_id)
    if session is None or session.epoch != operation.epoch:
        return
    session.disconnected_at = operation.at
    session.expiry_interval = operation.expiry_interval
    session.will_due_at = operation.will_due_at
    outbound = session.outbound
    if outbound is not None:
        sent = operation.inflight
        if state.cluster.epoch_of(operation.client_id) > operation.epoch:
            sent += operation.leaving  # claimed since: what was acknowledged here is still there
        outbound.reserve(sent)
        outbound.mark_sent(sent)
    if operation.will_due_at == 0.0:
        session.will = None
    state.cluster.release(operation.client_id, operation.epoch)
    state.events.session_closed(session)
