"""A digest of the state: replicas that have applied the same commands have the same one."""

import struct
from typing import Final
from zlib import crc32

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
        total = (total + value * 2654435761) & _MASK
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
    rest = crc32(repr(counted).encode())
    return struct.pack(">QII", total, rest, crc32(struct.pack(">d", cluster.time)))
