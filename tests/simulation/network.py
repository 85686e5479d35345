"""Links between nodes: each way of each connection has delays of its own; ways are blocked, connections break.

It implements ``rmq_cluster.links.Network``. Bytes of one connection stay in order, as TCP keeps them; what is sent over
different connections arrives in any order.
"""

from __future__ import annotations

import errno
import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Final

import trio

from tests.simulation.agenda import Agenda

Ways = set[tuple[str, str]]

CAPACITY: Final = 262_144
DELAY_S: Final = (0.002, 0.016)


class Pipe:
    """One way of a connection. ``is_lost``: nothing more of it arrives, and nobody is told.

    ``on_change`` is called when there may be something to read; ``waiting`` bytes aren't read yet.
    """

    def __init__(self, network: SimNetwork, source: str, target: str) -> None:
        self._network = network
        self.source = source
        self.target = target
        self.is_broken = False
        self.is_lost = False
        self.is_ended = False
        self._under_way: deque[bytes] = deque()
        self._due = 0  # of these so many would have arrived, if nothing held them
        self._ready = bytearray()
        self.is_at_end = False
        self.waiting = 0
        self.on_change: Callable[[], None] | None = None
        self._last = 0.0
        self._is_awaited = False
        self._changed = trio.Event()

    def change(self) -> None:
        """Have both ends look again."""
        if self.on_change is not None:
            self.on_change()
        if self._is_awaited:
            self._is_awaited = False
            self._changed.set()
            self._changed = trio.Event()

    async def _change(self) -> None:
        self._is_awaited = True
        await self._changed.wait()

    async def put(self, data: bytes) -> None:
        """Send; waits while too much is on its way. No checkpoint otherwise: that would cost as much as the rest."""
        while self.waiting >= CAPACITY and not self.is_broken:
            await self._change()
        if self.is_broken:
            raise trio.BrokenResourceError("broken")
        self.enter(data)

    def enter(self, data: bytes) -> None:
        """Have it arrive some time."""
        agenda = self._network.agenda
        self._last = max(self._last, agenda.now + self._network.delay(self.source, self.target))
        self._under_way.append(data)
        self.waiting += len(data)
        agenda.at(self._last, self._arrive)

    def _arrive(self) -> None:
        self._due += 1
        self.arrive()

    def arrive(self) -> None:
        """Have arrive what is due, unless it is held up."""
        if not self._due or self.is_lost or (self.source, self.target) in self._network.blocked:
            return
        while self._due:
            self._due -= 1
            data = self._under_way.popleft()
            self._ready += data
            self.is_at_end = not data
        self.change()

    def end(self) -> None:
        """The sender has closed it; that arrives behind everything else."""
        if not self.is_ended:
            self.is_ended = True
            self.enter(b"")

    @property
    def is_readable(self) -> bool:
        """Whether there is something to read: bytes, the end, or that it is broken."""
        return bool(self._ready) or self.is_at_end or self.is_broken

    def take(self, max_bytes: int) -> bytes:
        """Of what has arrived."""
        data = bytes(self._ready[:max_bytes])
        del self._ready[:max_bytes]
        if self.waiting >= CAPACITY:
            self.change()
        self.waiting -= len(data)
        return data

    async def get(self, max_bytes: int) -> bytes:
        """What has arrived, b"" at the end."""
        while not self.is_broken:
            if self._ready:
                return self.take(max_bytes)
            if self.is_at_end:
                return b""
            await self._change()
        raise trio.BrokenResourceError("broken")


class SimStream(trio.abc.Stream):
    """One end of a connection; ``is_plain``: whoever reads it needs no task for that."""

    def __init__(self, outgoing: Pipe, incoming: Pipe, *, is_plain: bool) -> None:
        self.outgoing = outgoing
        self.incoming = incoming
        self.is_plain = is_plain
        self._is_closed = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self._is_closed:
            raise trio.ClosedResourceError
        await self.outgoing.put(bytes(data))

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if self._is_closed:
            raise trio.ClosedResourceError
        return await self.incoming.get(max_bytes or CAPACITY)

    async def aclose(self) -> None:
        self._is_closed = True
        self.outgoing.end()
        self.incoming.is_broken = True
        self.incoming.change()
        await trio.lowlevel.checkpoint()


class Connection:
    """Both ways between the host that dialled and the one that was dialled."""

    def __init__(self, there: Pipe, back: Pipe) -> None:
        self.hosts = (there.source, there.target)
        self.there = there
        self.back = back

    def cut(self) -> None:
        """Break it for both ends."""
        for pipe in (self.there, self.back):
            pipe.is_broken = True
            pipe.change()

    def cut_for(self, host: str) -> None:
        """Break it for one end; the other one learns nothing, and hears nothing any more."""
        own, other = (self.there, self.back) if host == self.hosts[0] else (self.back, self.there)
        own.is_lost = True
        other.is_broken = True
        other.change()

    def vanish(self, host: str) -> None:
        """A host has no power any more: nothing of it arrives, not even the end."""
        (self.there if host == self.hosts[0] else self.back).is_lost = True

    @property
    def is_over(self) -> bool:
        """Whether both ends have closed it."""
        return all(pipe.is_broken or pipe.is_ended for pipe in (self.there, self.back))


class _Listener(trio.abc.Listener[trio.abc.Stream]):
    def __init__(self, close: Callable[[], None], port: int) -> None:
        self.port = port
        self._close = close
        self.put, self._get = trio.open_memory_channel[SimStream](math.inf)

    async def accept(self) -> trio.abc.Stream:
        return await self._get.receive()

    async def aclose(self) -> None:
        self._close()
        self._get.close()
        await trio.lowlevel.checkpoint()


class SimNetwork:
    """All hosts. ``blocked`` has ways, (from, to), on which nothing arrives; ``slow`` those with more delay, in s.

    ``is_plain``: links have no tasks of their own, as over TCP without TLS.
    """

    def __init__(self, agenda: Agenda, random: Random, *, is_plain: bool) -> None:
        self.agenda = agenda
        self.random = random
        self.is_plain = is_plain
        self.blocked: Ways = set()
        self.slow: dict[tuple[str, str], float] = {}
        self.listeners: dict[tuple[str, int], _Listener] = {}
        self._connections: list[Connection] = []
        self._changed = trio.Event()

    def host(self, name: str) -> HostNetwork:
        """The network as one host sees it."""
        return HostNetwork(self, name)

    def delay(self, source: str, target: str) -> float:
        """How long the next bytes take, in seconds."""
        extra = self.slow.get((source, target), 0.0)
        return self.random.uniform(*DELAY_S) + (extra and self.random.uniform(extra / 2, extra))

    def block(self, ways: Ways) -> None:
        """Nothing arrives on these ways; what is sent arrives when they are free again."""
        self.blocked |= ways

    def free(self, ways: Ways) -> None:
        """What was held arrives."""
        self.blocked -= ways
        self._changed.set()
        self._changed = trio.Event()
        for connection in self._connections:
            connection.there.arrive()
            connection.back.arrive()

    def between(self, one: str, other: str) -> list[Connection]:
        """The connections of two hosts that still stand."""
        self._connections = [connection for connection in self._connections if not connection.is_over]
        return [connection for connection in self._connections if set(connection.hosts) == {one, other}]

    def around(self, host: str, others: Iterable[str]) -> Ways:
        """All ways between a host and others."""
        return {way for other in others if other != host for way in ((host, other), (other, host))}

    def vanish(self, host: str) -> None:
        """A host has no power: its connections say nothing more."""
        for connection in self._connections:
            if host in connection.hosts:
                connection.vanish(host)

    async def connect(self, source: str, target: str, port: int) -> SimStream:
        """Open a connection. Raises ``OSError``."""
        await trio.sleep(self.delay(source, target) + self.delay(target, source))
        while (source, target) in self.blocked or (target, source) in self.blocked:
            await self._changed.wait()
        listener = self.listeners.get((target, port))
        if listener is None:
            raise OSError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        there, back = Pipe(self, source, target), Pipe(self, target, source)
        self._connections.append(Connection(there, back))
        listener.put.send_nowait(SimStream(back, there, is_plain=self.is_plain))
        return SimStream(there, back, is_plain=self.is_plain)


class HostNetwork:
    """``Network`` of one host."""

    def __init__(self, network: SimNetwork, name: str) -> None:
        self._network = network
        self._name = name

    async def resolve(self, host: str) -> list[str]:
        await trio.lowlevel.checkpoint()
        return [host]

    async def dial(self, address: str, port: int, host: str) -> trio.abc.Stream:
        return await self._network.connect(self._name, address, port)

    async def listen(self, host: str, port: int) -> Sequence[trio.abc.Listener[trio.abc.Stream]]:
        await trio.lowlevel.checkpoint()
        listeners = self._network.listeners
        if (host, port) in listeners:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))

        def close() -> None:
            listeners.pop((host, port), None)

        listeners[host, port] = _Listener(close, port)
        return [listeners[host, port]]

    def port_of(self, listener: trio.abc.Listener[trio.abc.Stream]) -> int:
        assert isinstance(listener, _Listener)
        return listener.port

    def remote_host(self, stream: trio.abc.Stream) -> str:
        assert isinstance(stream, SimStream)
        return stream.incoming.source
