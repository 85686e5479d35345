"""One connection that stands: what waits to be sent, within bounds, its writer, and what was heard of the peer."""

import socket
from collections import deque
from typing import Final

import trio

from rmq_cluster.links.counters import LinkCounters
from rmq_cluster.links.frames import HEADER, HEADER_BYTES
from rmq_cluster.links.handler import KEEP_ALIVE

# Frames are joined until they are this long; a longer one is sent in such pieces, so that a slow peer is seen to move.
SEND_BYTES: Final = 262_144
_FULL: Final = ("control_full", "data_full")
_KEEP_ALIVE_FRAME: Final = HEADER.pack(0, KEEP_ALIVE)


class _Batch:
    """Frames that will be joined into one piece: headers and bodies, how many, how long in all."""

    __slots__ = ("frames", "parts", "size")

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.frames = 0
        self.size = 0


class Connection:
    """One of a link's two connections. ``limit`` is how many bytes may wait in it.

    ``is_heard`` is set by whoever reads from ``stream``. With ``sock``, the socket of a plain TCP connection, a frame
    is sent at once while nothing waits, and only what the socket doesn't take waits for the writer.
    """

    __slots__ = (
        "_batch",
        "_batches",
        "_counters",
        "_has_moved",
        "_is_closed",
        "_is_sending",
        "_limit",
        "_room",
        "_silent_ticks",
        "_stuck_ticks",
        "_wake",
        "channel",
        "is_heard",
        "pending",
        "sock",
        "stream",
    )

    def __init__(
        self,
        channel: int,
        stream: trio.abc.Stream,
        limit: int,
        counters: LinkCounters,
        sock: socket.socket | None = None,
    ) -> None:
        self.channel = channel
        self.stream = stream
        self.sock = sock
        # Bytes that wait or are being sent.
        self.pending = 0
        self.is_heard = True
        self._limit = limit
        self._counters = counters
        self._batch = _Batch()
        # Batches that are long enough, before the one that still grows.
        self._batches: deque[_Batch] = deque()
        self._wake = trio.Event()
        self._room: trio.Event | None = None
        self._is_closed = False
        self._is_sending = False
        self._has_moved = True
        self._silent_ticks = 0
        self._stuck_ticks = 0

    def send(self, kind: int, body: bytes) -> bool:
        """Whether the frame waits to be sent; False: too much waits, which is counted."""
        size = HEADER_BYTES + len(body)
        if self.pending + size > self._limit:
            self._counters.drops[_FULL[self.channel]] += 1
            return False
        if self.sock is not None and not self.pending and not self._is_closed:
            self._send_now(self.sock, HEADER.pack(len(body), kind) + body, 1)
            return True
        batch = self._batch
        batch.parts.append(HEADER.pack(len(body), kind))
        batch.parts.append(body)
        batch.frames += 1
        batch.size += size
        if not self.pending:
            self._wake.set()
        self.pending += size
        if batch.size >= SEND_BYTES:
            self._batches.append(batch)
            self._batch = _Batch()
        return True

    def _send_now(self, sock: socket.socket, data: bytes, frames: int) -> None:
        try:
            sent = sock.send(data)
        except OSError:
            sent = 0  # it takes nothing, or is broken, which the writer finds out
        if sent:
            self._has_moved = True
            self._counters.bytes_sent[self.channel] += sent
        if sent == len(data):
            self._counters.frames_sent[self.channel] += frames
            return
        batch = self._batch
        batch.parts.append(data[sent:])
        batch.frames += frames
        batch.size = len(data) - sent
        self.pending = batch.size
        self._wake.set()

    async def write(self) -> None:
        """Send what waits, as one piece each time, until it is closed, cancelled, or the stream fails."""
        channel = self.channel
        counters = self._counters
        while not self._is_closed:
            if not self.pending:
                self._wake = trio.Event()
                await self._wake.wait()
            batch = self._take()
            data = b"".join(batch.parts)
            batch.parts.clear()
            self._is_sending = True
            if len(data) <= SEND_BYTES:
                await self.stream.send_all(data)
                self._sent(len(data))
            else:
                view = memoryview(data)
                for at in range(0, len(data), SEND_BYTES):
                    piece = view[at : at + SEND_BYTES]
                    await self.stream.send_all(piece)
                    self._sent(len(piece))
            self._is_sending = False
            counters.frames_sent[channel] += batch.frames
            counters.bytes_sent[channel] += batch.size

    async def wait_for_room(self, below: int) -> bool:
        """Wait until at most ``below`` bytes are pending; False: the connection was closed meanwhile."""
        await trio.lowlevel.checkpoint()
        while self.pending > below and not self._is_closed:
            if self._room is None:
                self._room = trio.Event()
            await self._room.wait()
        return not self._is_closed

    def close(self) -> None:
        """Give up what waits, and count it; its tasks are ended by the link."""
        self._is_closed = True
        waiting = self._batch.frames + sum(batch.frames for batch in self._batches)
        self._counters.drops["link_lost"] += waiting
        self._batches.clear()
        self._batch = _Batch()
        self._wake_waiters()

    def tick(self, silent_after: int, stuck_after: int) -> str | None:
        """A tenth of ``dead_after`` went by: say something if nothing else was said. Returns why the connection is
        broken (a key of ``counters.CLOSES``), or None.

        Ticks are counted instead of time, because after a pause of this whole process the time was up before the first
        byte of what waits in the socket could be read; such a pause is one tick.
        """
        self._silent_ticks = 0 if self.is_heard else self._silent_ticks + 1
        self.is_heard = False
        if self._silent_ticks >= silent_after:
            return "silent"
        self._stuck_ticks = 0 if self._has_moved or not self._is_sending else self._stuck_ticks + 1
        if self._stuck_ticks >= stuck_after:
            return "stalled"
        if not self.pending and not self._has_moved and self.sock is not None:
            self._send_now(self.sock, _KEEP_ALIVE_FRAME, 0)
        elif not self.pending and not self._has_moved:
            self._batch.parts.append(_KEEP_ALIVE_FRAME)
            self._batch.size += HEADER_BYTES
            self.pending += HEADER_BYTES
            self._wake.set()
        self._has_moved = False
        return None

    @property
    def silent_ticks(self) -> int:
        """For how many ticks nothing came."""
        return self._silent_ticks

    def _take(self) -> _Batch:
        if self._batches:
            return self._batches.popleft()
        batch = self._batch
        self._batch = _Batch()
        return batch

    def _sent(self, size: int) -> None:
        self.pending -= size
        self._has_moved = True
        if self._room is not None:
            self._wake_waiters()

    def _wake_waiters(self) -> None:
        if self._room is not None:
            self._room.set()
            self._room = None
