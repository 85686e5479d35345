"""A network in memory for links: hosts by name, streams of bounded capacity that can be broken, frozen or slowed.

It implements ``rmq_cluster.links.Network``; with trio's ``MockClock`` nothing in it takes real time.
"""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Sequence
from typing import Final

import trio

CAPACITY: Final = 262_144


class _Pipe:
    """One direction of a stream."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.is_frozen = False
        self.is_ended = False
        self.is_broken = False
        # What was sent in all, for tests that look at the bytes themselves.
        self.sent = bytearray()
        self._buffer = bytearray()
        self._changed = trio.Event()

    def change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def put(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()
        view = memoryview(data)
        while True:
            if self.is_broken:
                raise trio.BrokenResourceError("broken")
            taken = max(0, min(len(view), self.capacity - len(self._buffer)))
            if taken:
                self._buffer += view[:taken]
                self.sent += view[:taken]
                view = view[taken:]
                self.change()
            if not view:
                return
            await self._changed.wait()

    async def get(self, max_bytes: int) -> bytes:
        await trio.lowlevel.checkpoint()
        while True:
            if self.is_broken:
                raise trio.BrokenResourceError("broken")
            if self._buffer and not self.is_frozen:
                data = bytes(self._buffer[:max_bytes])
                del self._buffer[: len(data)]
                self.change()
                return data
            if self.is_ended and not self.is_frozen:
                return b""
            await self._changed.wait()


class MemoryStream(trio.abc.Stream):
    """One end of a connection."""

    def __init__(self, outgoing: _Pipe, incoming: _Pipe, remote: str) -> None:
        self.outgoing = outgoing
        self.incoming = incoming
        self.remote = remote
        self.is_closed = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self.is_closed:
            raise trio.ClosedResourceError
        await self.outgoing.put(data)

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if self.is_closed:
            raise trio.ClosedResourceError
        return await self.incoming.get(max_bytes or CAPACITY)

    async def aclose(self) -> None:
        self.is_closed = True
        self.outgoing.is_ended = True
        # As a reset: what the other side still sends goes nowhere.
        self.incoming.is_broken = True
        self.outgoing.change()
        self.incoming.change()
        await trio.lowlevel.checkpoint()

    def freeze(self) -> None:
        """Nothing that is sent from this end arrives any more, and nobody is told."""
        self.outgoing.is_frozen = True

    def thaw(self) -> None:
        """What was held up arrives."""
        self.outgoing.is_frozen = False
        self.outgoing.change()

    def cut(self) -> None:
        """Break the connection, for both ends."""
        for pipe in (self.outgoing, self.incoming):
            pipe.is_broken = True
            pipe.change()


def stream_pair(remotes: tuple[str, str] = ("a", "b"), capacity: int = CAPACITY) -> tuple[MemoryStream, MemoryStream]:
    """Both ends of a connection between two hosts."""
    there, back = _Pipe(capacity), _Pipe(capacity)
    return MemoryStream(there, back, remotes[1]), MemoryStream(back, there, remotes[0])


class _Listener(trio.abc.Listener[trio.abc.Stream]):
    def __init__(self, world: MemoryWorld, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self._world = world
        self.put, self._get = trio.open_memory_channel[MemoryStream](math.inf)

    async def accept(self) -> trio.abc.Stream:
        return await self._get.receive()

    async def aclose(self) -> None:
        self._world.listeners.pop((self.host, self.port), None)
        self._get.close()
        await trio.lowlevel.checkpoint()


class MemoryWorld:
    """All hosts. ``names`` says what names stand for, else a host is its own address. ``capacity``: of new streams."""

    def __init__(self) -> None:
        self.names: dict[str, list[str]] = {}
        self.capacity = CAPACITY
        self.listeners: dict[tuple[str, int], _Listener] = {}
        # Hosts that swallow whatever is sent to them: a dial gets no answer.
        self.black_holes: set[str] = set()
        # The ends of who dialled, in the order of dialling; tests break and freeze them.
        self.dialled: list[MemoryStream] = []
        self.resolved: list[str] = []

    def host(self, address: str) -> MemoryNetwork:
        """The network as one host sees it."""
        return MemoryNetwork(self, address)


class MemoryNetwork:
    """``Network`` of one host."""

    def __init__(self, world: MemoryWorld, address: str) -> None:
        self.world = world
        self.address = address

    async def resolve(self, host: str) -> list[str]:
        await trio.lowlevel.checkpoint()
        self.world.resolved.append(host)
        found = self.world.names.get(host, [host])
        if not found:
            raise OSError(errno.ENOENT, "Name or service not known")
        return found

    async def dial(self, address: str, port: int, host: str) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        if address in self.world.black_holes:
            await trio.sleep_forever()
        listener = self.world.listeners.get((address, port))
        if listener is None:
            raise OSError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        ours, theirs = stream_pair((self.address, address), self.world.capacity)
        self.world.dialled.append(ours)
        listener.put.send_nowait(theirs)
        return ours

    async def listen(self, host: str, port: int) -> Sequence[trio.abc.Listener[trio.abc.Stream]]:
        await trio.lowlevel.checkpoint()
        if (host, port) in self.world.listeners:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        listener = _Listener(self.world, host, port)
        self.world.listeners[host, port] = listener
        return [listener]

    def port_of(self, listener: trio.abc.Listener[trio.abc.Stream]) -> int:
        assert isinstance(listener, _Listener)
        return listener.port

    def remote_host(self, stream: trio.abc.Stream) -> str:
        assert isinstance(stream, MemoryStream)
        return stream.remote
