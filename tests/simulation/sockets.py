"""Links without tasks, as nodes have them over plain TCP: read in the turns of the reactor, written to at once."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import cast

import trio
from rmq_cluster.links.direct import DirectSockets

from tests.simulation.network import CAPACITY, Pipe, SimStream


class SimSocket:
    """What links ask of a socket that doesn't block, for one end of a connection."""

    def __init__(self, outgoing: Pipe, incoming: Pipe) -> None:
        self._outgoing = outgoing
        self.incoming = incoming

    def send(self, data: bytes) -> int:
        """Send all of it or nothing. Raises ``OSError``."""
        pipe = self._outgoing
        if pipe.is_broken:
            raise BrokenPipeError
        if pipe.waiting >= CAPACITY:
            raise BlockingIOError
        pipe.enter(data)
        return len(data)

    def recv(self, size: int) -> bytes:
        """What has arrived, b"" at the end. Raises ``OSError``."""
        pipe = self.incoming
        if pipe.is_broken:
            raise ConnectionResetError
        data = pipe.take(size)
        if not data and not pipe.is_at_end:
            raise BlockingIOError
        return data

    def close(self) -> None:
        """The stream is closed beside it."""


class SimSockets(DirectSockets):
    """Those of one node; ``wake`` has its reactor take a turn, in which it calls ``read_in_turn``."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self.in_turn = False
        self._wake = wake
        self._watched: dict[Pipe, Callable[[], None]] = {}
        self._ready: dict[Pipe, None] = {}

    def watch(self, sock: socket.socket, on_readable: Callable[[], None]) -> None:
        pipe = cast(SimSocket, sock).incoming
        self._watched[pipe] = on_readable
        pipe.on_change = lambda: self._changed(pipe)
        self._changed(pipe)

    def forget(self, sock: socket.socket) -> None:
        pipe = cast(SimSocket, sock).incoming
        pipe.on_change = None
        self._watched.pop(pipe, None)
        self._ready.pop(pipe, None)

    def _changed(self, pipe: Pipe) -> None:
        if pipe.is_readable:
            self._ready[pipe] = None
            self._wake()

    def read(self) -> None:
        ready, self._ready = self._ready, {}
        for pipe in ready:
            reader = self._watched.get(pipe)
            if reader is not None:  # what one of them brought may have ended another
                reader()
                if pipe in self._watched:
                    self._changed(pipe)

    async def run(self) -> None:
        await trio.sleep_forever()


def socket_of(stream: trio.abc.Stream) -> SimSocket | None:
    """In place of that of ``links.direct``: None for the stream of a node whose links have tasks."""
    assert isinstance(stream, SimStream)
    return SimSocket(stream.outgoing, stream.incoming) if stream.is_plain else None
