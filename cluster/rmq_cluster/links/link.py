"""The link to one node: its two connections, read and written until either breaks."""

import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import structlog
import trio

from rmq_cluster.links.connection import Connection
from rmq_cluster.links.counters import LinkCounters
from rmq_cluster.links.direct import DirectSockets, socket_of
from rmq_cluster.links.frames import FrameParser, FrameTooLong
from rmq_cluster.links.guard import Guard
from rmq_cluster.links.handler import CHANNEL_NAMES
from rmq_cluster.links.handshake import STREAM_ERRORS, Fields, close, describe_failure
from rmq_cluster.links.options import LinkOptions

log = structlog.get_logger(__name__)

READ_BYTES: Final = 262_144
# Of a socket that is read in the reactor's turns: others wait meanwhile.
DIRECT_BYTES: Final = 120 * 1024


class Link:
    """Both connections to ``peer``, by channel. ``run`` and ``attempt`` name the pair, as its dialler did.

    Life: made; ``begin`` tells the handler; ``serve`` reads and writes; ``end``, from anywhere and any number of times,
    tells the handler once and stops ``serve``. Nothing is read after ``end``. ``on_end`` comes before the handler
    is told.
    """

    def __init__(
        self,
        peer: int,
        pair: tuple[bytes, int],
        streams: Sequence[trio.abc.Stream],
        options: LinkOptions,
        guard: Guard,
        counters: LinkCounters,
        on_end: Callable[["Link"], None],
        direct: DirectSockets,
    ) -> None:
        self.peer = peer
        self.run, self.attempt = pair
        self._has_ended = False
        # Set when both connections are closed and no task of the link is left.
        self.gone = trio.Event()
        limits = options.control_buffer, options.data_buffer
        self.connections = [
            Connection(channel, stream, limits[channel], counters, socket_of(stream))
            for channel, stream in enumerate(streams)
        ]
        self._parsers = [FrameParser(options.max_frame) for _ in streams]
        self._direct = direct
        self._guard = guard
        self._counters = counters
        self._on_end = on_end
        self._scope = trio.CancelScope()
        self._is_beginning = False
        self._reason = ""
        self.where = ""

    def begin(self, fields: Fields, where: str) -> None:
        """Tell the handler that the link stands; ``where`` the peer is, for the log."""
        log.info("cluster link up", peer=self.peer, address=where)
        self.where = where
        self._counters.links_up += 1
        self._is_beginning = True
        if not self._guard.link_up(self.peer, fields):
            self.end("bug", "a bug in taking it up")
        self._is_beginning = False
        if self.has_ended():
            self._tell_end()

    def has_ended(self) -> bool:
        """Whether ``end`` was called."""
        return self._has_ended

    def end(self, kind: str, reason: str) -> None:
        """Close both connections; ``kind`` is a key of ``counters.CLOSES``, ``reason`` is for people."""
        if self._has_ended:
            return
        self._has_ended = True
        self._reason = reason
        self._counters.closes[kind] += 1
        self._scope.cancel()
        for connection in self.connections:
            if connection.sock is not None:
                self._direct.forget(connection.sock)
            connection.close()
        self._on_end(self)
        # A handler that closes the link while it is being told that it is up hears of the end after that.
        if not self._is_beginning:
            self._tell_end()

    async def serve(self) -> None:
        """Read and write until ``end``, or until cancelled, which ends the link too."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    for connection in self.connections:
                        if connection.sock is None:
                            nursery.start_soon(self._read, connection)
                        elif not self._has_ended:
                            self._direct.watch(connection.sock, partial(self._on_readable, connection, connection.sock))
                        nursery.start_soon(self._write, connection)
        finally:
            self.end("stopped", "this node stops")
            for connection in self.connections:
                if connection.sock is not None:
                    connection.sock.close()
            await close(*(connection.stream for connection in self.connections))
            self.gone.set()

    @property
    def silent_ticks(self) -> int:
        """For how many ticks nothing came on either connection."""
        return min(connection.silent_ticks for connection in self.connections)

    def tick(self, silent_after: int, stuck_after: int) -> None:
        """As ``Connection.tick`` of both connections; ends the link if either is broken."""
        for connection in self.connections:
            kind = connection.tick(silent_after, stuck_after)
            if kind is not None:
                what = "brought nothing" if kind == "silent" else "took nothing"
                self.end(kind, f"the {CHANNEL_NAMES[connection.channel]} connection {what} for too long")
                return

    async def _read(self, connection: Connection) -> None:
        receive = connection.stream.receive_some
        try:
            # What arrived just before the end stays unread: the peer may have begun anew on another link.
            while True:
                data = await receive(READ_BYTES)
                if self.has_ended() or not self._take(connection, bytes(data)):
                    return
        except STREAM_ERRORS as error:
            self._fail(connection.channel, error)

    def _on_readable(self, connection: Connection, sock: socket.socket) -> None:
        try:
            data = sock.recv(DIRECT_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._fail(connection.channel, error)
            return
        self._take(connection, data)

    def _take(self, connection: Connection, data: bytes) -> bool:
        """Have handled what a read brought; False when that ended the link."""
        channel = connection.channel
        if not data:
            self.end("ended", f"the peer closed the {CHANNEL_NAMES[channel]} connection")
            return False
        connection.is_heard = True
        counters = self._counters
        counters.bytes_received[channel] += len(data)
        try:
            frames = self._parsers[channel].feed(data)
        except FrameTooLong as error:
            self.end("bad_frame", f"on the {CHANNEL_NAMES[channel]} connection: {error}")
            return False
        if frames:
            counters.frames_received[channel] += len(frames)
            problem = self._guard.frames(self.peer, channel, frames)
            if problem is not None:
                self.end(*problem)
        return not self.has_ended()

    async def _write(self, connection: Connection) -> None:
        try:
            await connection.write()
        except STREAM_ERRORS as error:
            self._fail(connection.channel, error)

    def _fail(self, channel: int, error: Exception) -> None:
        _, text = describe_failure(error)
        self.end("broken", f"{CHANNEL_NAMES[channel]}: {text}")

    def _tell_end(self) -> None:
        log.info("cluster link down", peer=self.peer, reason=self._reason)
        self._guard.link_down(self.peer, self._reason)
