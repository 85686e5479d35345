"""A broker behind real sockets in this process, under trio, and clients that read as slowly as a test likes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeVar

import trio

from rmq.engine.broker import Broker, BrokerOptions
from rmq.engine.gate import EngineGate
from rmq.engine.timers import TICKS_PER_SECOND
from rmq.hooks.async_runner import AsyncRunner
from rmq.hooks.chains import HookChains
from rmq.hooks.registry import HookRegistry
from rmq.metrics.counters import Counters
from rmq.net.listener import Listener, ListenerOptions
from rmq.net.reactor import Reactor
from rmq.session.channel import Channel
from rmq.session.limits import Limits
from tests.support import wire
from tests.support.engine import START, whole_packet
from tests.support.packet_notation import V5
from tests.support.wire import Properties, Will
from tests.support.wire_parser import Connack, Packet, Suback, parse

TIMEOUT_S: Final = 10.0
P = TypeVar("P", bound=Packet)


class Server:
    """A broker with one listener on a free port of 127.0.0.1."""

    def __init__(self, limits: Limits | None, options: ListenerOptions | None) -> None:
        chains = HookChains()
        self.counters = Counters()
        self.hooks = HookRegistry(chains, self.counters, 10.0)
        gate = EngineGate()
        runner = AsyncRunner(chains, self.hooks)
        self.broker = Broker(BrokerOptions(), chains, self.counters, runner, lambda: START + trio.current_time(), gate)
        gate.broker = self.broker
        self.listener = Listener(options or ListenerOptions("127.0.0.1", 0), limits or Limits("tcp.external"))
        self.reactor = Reactor(self.broker)
        self.clients: list[SlowClient] = []

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return "127.0.0.1", self.listener.port

    def channel(self, client_id: str) -> Channel:
        """The connection of a client as the broker sees it."""
        channel = self.broker.registry.get(client_id)
        assert channel is not None, f"{client_id!r} isn't connected"
        return channel

    async def until(self, condition: Callable[[], bool]) -> None:
        """Come back when something is so; what happens to sockets tells nobody, so it is looked at again and again."""
        with trio.fail_after(TIMEOUT_S):
            while not condition():  # noqa: ASYNC110 -- see above
                await trio.sleep(0.01)

    async def turn_timers(self) -> None:
        """What the node does ten times a second."""
        while True:
            await trio.sleep(1 / TICKS_PER_SECOND)
            self.broker.advance_timers()


@asynccontextmanager
async def serving(limits: Limits | None = None, options: ListenerOptions | None = None) -> AsyncIterator[Server]:
    """A running server; no test may leave a bug or a connection behind."""
    server = Server(limits, options)
    server.listener.open()
    try:
        async with trio.open_nursery() as nursery:
            server.broker.spawn = nursery.start_soon
            server.hooks.start(nursery.start_soon)
            server.listener.start(server.reactor)
            nursery.start_soon(server.reactor.run)
            nursery.start_soon(server.turn_timers)
            with trio.fail_after(TIMEOUT_S):
                yield server
            for client in server.clients:
                client.close()
            await server.until(lambda: len(server.reactor) == 0)
            nursery.cancel_scope.cancel()
    finally:
        for client in server.clients:
            client.close()
        server.listener.close()
        server.reactor.close()
    assert server.counters.internal_errors == 0
    assert len(server.reactor) == server.listener.connections == server.listener.handshakes == 0


class SlowClient:
    """A client that reads from its socket only when asked to, and only so much."""

    def __init__(self, sock: trio.socket.SocketType, level: int) -> None:
        self.sock = sock
        self.level = level
        self.buffer = bytearray()

    async def send(self, *packets: bytes) -> None:
        """Send all of it, waiting while the broker takes nothing."""
        data = memoryview(b"".join(packets))
        while data:
            data = data[await self.sock.send(data) :]

    async def read_bytes(self, size: int = 65_536) -> bool:
        """One read; False at the end."""
        data = await self.sock.recv(size)
        self.buffer += data
        return bool(data)

    async def packet(self) -> Packet:
        """The next packet."""
        while not (size := whole_packet(self.buffer)):
            assert await self.read_bytes(), f"the connection ended: {bytes(self.buffer[:50]).hex(' ')}"
        first = self.buffer[0]
        start = 1
        while self.buffer[start] & 0x80:
            start += 1
        body = bytes(self.buffer[start + 1 : size])
        del self.buffer[:size]
        return parse(first, body, self.level)

    async def take(self, kind: type[P]) -> P:
        """The next packet, which must be of this kind."""
        packet = await self.packet()
        assert isinstance(packet, kind), f"{kind.__name__} expected, {packet!s:.200} came"
        return packet

    async def subscribe(self, topic_filter: str, qos: int = 0) -> None:
        """Subscribe and wait for the answer."""
        await self.send(wire.subscribe(1, [(topic_filter, qos)], level=self.level))
        assert (await self.take(Suback)).codes == [qos]

    async def expect_refused(self, *packets: bytes) -> None:
        """The broker closes the connection without a word, before or after these packets are sent."""
        try:
            await self.send(*packets)
            assert not await self.read_bytes()
        except ConnectionError:
            pass

    async def expect_end(self) -> None:
        """Nothing more comes, and the broker ends the connection in order."""
        while await self.read_bytes():
            pass
        assert not self.buffer, bytes(self.buffer[:50]).hex(" ")

    def close(self) -> None:
        """Close without DISCONNECT."""
        self.sock.close()


async def open_client(server: Server, level: int = V5, *, receive_buffer: int = 0) -> SlowClient:
    """A connection; with a small ``receive_buffer`` the kernel holds little for a client that doesn't read."""
    sock = trio.socket.socket()
    if receive_buffer:
        sock.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, receive_buffer)
    await sock.connect(server.address)
    client = SlowClient(sock, level)
    server.clients.append(client)
    return client


async def connect(
    server: Server,
    client_id: str,
    *,
    level: int = V5,
    properties: Properties = (),
    will: Will | None = None,
    receive_buffer: int = 0,
) -> SlowClient:
    """A connected client."""
    client = await open_client(server, level, receive_buffer=receive_buffer)
    await client.send(wire.connect(client_id, level, True, 60, properties, will))
    assert (await client.take(Connack)).code == 0
    return client
