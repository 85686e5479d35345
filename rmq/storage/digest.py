"""A digest of the state: replicas that have applied the same commands have the same one."""

import struct
from typing import Final
from zlib import crc32

from rmq.session.session import Session
from rmq.storage.events import StateWatcher
from rmq.storage.state import State

# A digest is taken at every so-manieth place in the log, so that all nodes take it of the same state.
DIGEST_EVERY: Final = 16384
_MASK: Final = 0x3FFFFFFFFFFFFFF


def digest_of(state: State) -> bytes:
    """16 bytes, of sessions, their queues, and what is counted of the rest.

    The order in which a table was filled is not part of it: a node that began with a snapshot has another one.
    """
    total = 0
    for session in state.sessions.values():
        total = (total + _of_session(session)) & _MASK
    return _digest(total, _counted(state), state.cluster.time)


class DigestWalk(StateWatcher):
    """The same of the state as it is now, taken in steps while it goes on changing: a session is counted before it
    changes. ``result`` is there when ``step`` has returned False.
    """

    __slots__ = ("_number", "_rest", "_sessions", "_state", "_time", "_total", "result")

    def __init__(self, state: State) -> None:
        super().__init__()
        self._state = state
        self._sessions = list(state.sessions.values())
        self._rest = _counted(state)
        self._time = state.cluster.time
        self._total = 0
        self.result = b""
        state.digest_number += 1
        self._number = state.digest_number
        state.digesting = self

    def before_session(self, session: Session) -> None:
        """Count a session that isn't yet."""
        if session.digested != self._number:
            session.digested = self._number
            self._total = (self._total + _of_session(session)) & _MASK

    def step(self, count: int) -> bool:
        """Count so many more; False when all are."""
        sessions = self._sessions
        while count and sessions:
            self.before_session(sessions.pop())
            count -= 1
        if sessions:
            return True
        if self._state.digesting is self:
            self._state.digesting = None
        self.result = _digest(self._total, self._rest, self._time)
        return False


def _of_session(session: Session) -> int:
    value = crc32(session.client_id.encode()) + 31 * session.epoch + 7 * session.node
    if session.disconnected_at != 0.0:
        value += 1
    subscriptions = session.subscriptions
    if subscriptions is not None:
        value += 131 * len(subscriptions)
    inbound = session.inbound_qos2
    if inbound is not None:
        value += 8191 * len(inbound)
    outbound = session.outbound
    # One that was never used only the node with the connection has.
    if outbound is not None and (len(outbound.deliveries) or outbound.last_packet_id):
        value += 524287 * len(outbound.deliveries) + 6700417 * outbound.last_packet_id + 17 * outbound.reserved
    return value * 2654435761 & _MASK


def _counted(state: State) -> int:
    cluster = state.cluster
    counted = (
        len(state.sessions),
        state.retained.count,
        len(state.delayed),
        state.last_epoch,
        len(cluster.owners),
        len(cluster.wills),
        sum(len(routes) for routes in cluster.routes.values()),
        sum(len(members) for members in cluster.members.values()),
        *sorted(node * 1000003 + record.incarnation for node, record in cluster.nodes.items()),
    )
    counts = repr(counted).encode()
    accounts = state.accounts
    if accounts.last_revision:  # a member that doesn't know accounts, and has none, counts without them
        counts += repr((accounts.last_revision, accounts.count, accounts.checksum)).encode()
    return crc32(counts)


def _digest(total: int, rest: int, time: float) -> bytes:
    return struct.pack(">QII", total, rest, crc32(struct.pack(">d", time)))
