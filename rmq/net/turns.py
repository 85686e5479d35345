"""The inner loops of a reactor's turn: serve the sockets that are ready, send what was written."""

from typing import Final

from rmq.net.connection import Connection
from rmq.net.connection_owner import ConnectionOwner
from rmq.session.channel import Channel

COSTLY_PER_TURN: Final = 4


def handle_ready(
    connections: dict[int, Connection],
    ready: list[tuple[int, int]],
    readable: int,
    writable: int,
    owner: ConnectionOwner,
) -> list[int]:
    """Serve the connections among the descriptors that are ready; returns the descriptors that are something else.

    Of those that are costly only a few are served: the others are still ready in the next turn, after everybody else.
    """
    others: list[int] = []
    costly = 0
    for fd, events in ready:
        connection = connections.get(fd)
        if connection is None:
            others.append(fd)
            continue
        if connection.is_costly:
            costly += 1
            if costly > COSTLY_PER_TURN:
                continue
        try:
            if events & readable:
                connection.on_readable()
            if events & writable and connection.fd == fd:
                connection.on_writable()
        except Exception:
            owner.report_bug(connection, "in a packet")
    return others


def flush_channels(channels: list[Channel], owner: ConnectionOwner) -> None:
    """Send what these channels have collected."""
    for channel in channels:
        transport = channel.transport
        try:
            transport.flush()
        except Exception:
            if isinstance(transport, Connection):
                owner.report_bug(transport, "in a flush")
