"""An engine without sockets: a broker, a clock that tests set, and clients whose bytes are fed and read by hand.

Everything between the bytes and the engine is the real thing (connection, decoder, flow, engine, timers); only the
socket, the reactor and the time are stand-ins. Nothing waits: ``Engine.advance`` moves the clock and fires timers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final, TypeVar

import pytest

from rmq.engine.broker import Broker, BrokerOptions
from rmq.engine.connection_timers import CloseTimeout, HandshakeTimeout
from rmq.engine.disconnect import connection_lost
from rmq.engine.gate import EngineGate
from rmq.hooks.async_runner import AsyncRunner
from rmq.hooks.chains import HookChains
from rmq.hooks.registry import HookRegistry
from rmq.metrics.counters import Counters
from rmq.mqtt.framing import Decoder
from rmq.mqtt.topic_cache import TopicCache
from rmq.net.connection import Connection
from rmq.net.connection_owner import ConnectionOwner
from rmq.net.turns import flush_channels
from rmq.session.channel import Channel
from rmq.session.limits import Limits
from rmq.session.session import Session
from tests.support import wire
from tests.support.packet_notation import V5
from tests.support.wire import Properties, Will
from tests.support.wire_parser import Ack, Connack, Packet, Puback, Pubcomp, Publish, Pubrec, Pubrel, Suback, parse

START: Final = 1_700_000_000.0
LINGER_S: Final = 2.0

P = TypeVar("P", bound=Packet)
A = TypeVar("A", bound=Ack)


class FakeSocket:
    """Where a connection's bytes come from and go to. ``room`` is how many more it takes, None for any number."""

    def __init__(self) -> None:
        self.incoming: list[bytes] = []
        self.received = bytearray()
        self.room: int | None = None
        self.shut = False
        self.closed = False
        self.sends = 0

    def recv(self, size: int, /) -> bytes:
        if not self.incoming:
            raise BlockingIOError
        data = self.incoming.pop(0)
        if len(data) > size:
            self.incoming.insert(0, data[size:])
        return data[:size]

    def send(self, data: bytes, /) -> int:
        assert not self.shut and not self.closed, "bytes sent after the end"
        self.sends += 1
        count = len(data) if self.room is None else min(len(data), self.room)
        if count == 0 and data:
            raise BlockingIOError
        if self.room is not None:
            self.room -= count
        self.received += data[:count]
        return count

    def shutdown(self, how: int, /) -> None:
        self.shut = True

    def close(self) -> None:
        self.closed = True

    def getpeername(self) -> tuple[object, ...]:
        return "127.0.0.1", 40_000


class Engine(ConnectionOwner):
    """A broker and what drives it. ``limits`` are those of connections that don't bring their own."""

    def __init__(self, options: BrokerOptions | None = None, async_time_budget_s: float = 5.0) -> None:
        super().__init__()
        self.time = START
        self.chains = HookChains()
        self.counters = Counters()
        self.hooks = HookRegistry(self.chains, self.counters, 10.0, async_time_budget_s=async_time_budget_s)
        gate = EngineGate()
        runner = AsyncRunner(self.chains, self.hooks)
        self.broker = Broker(options or BrokerOptions(), self.chains, self.counters, runner, lambda: self.time, gate)
        gate.broker = self.broker
        self.broker.flush = self.turn
        self.limits = Limits("tcp.external")
        self.connections: list[Connection] = []
        self.expected_bugs = 0
        self._sockets: dict[Connection, FakeSocket] = {}
        self._handshakes: dict[Connection, HandshakeTimeout] = {}
        self._topics = TopicCache()
        self._busy = False

    # Driving

    def start(self, spawn: Callable[[Callable[[], Awaitable[None]]], object]) -> None:
        """There is a nursery: asynchronous hooks can run."""

        def run(work: Callable[[], Awaitable[None]]) -> None:
            spawn(work)

        self.broker.spawn = run
        self.hooks.start(run)

    def advance(self, seconds: float) -> None:
        """Move the clock in one leap, then fire what is due."""
        self.time += seconds
        self.broker.advance_timers()

    def turn(self) -> None:
        """What the reactor does in a turn, until nothing is left to do."""
        if self._busy:
            return
        self._busy = True
        self.broker.touch_clock()
        again = True
        while again:
            again = False
            for connection in list(self.connections):
                if connection.fd >= 0 and connection.wants_read and self._sockets[connection].incoming:
                    connection.on_readable()
                    again = True
            context = self.broker.ctx
            if context.dirty:
                dirty, context.dirty = context.dirty, []
                flush_channels(dirty, self)
                again = True
        if self.broker.ctx.latencies.due:
            self.broker.ctx.latencies.settle(self.broker.clock())
        self._busy = False

    def session(self, client_id: str) -> Session:
        """The session of a client, with or without a connection."""
        kept = self.broker.state.sessions.get(client_id)
        channel = self.broker.registry.get(client_id)
        session = channel.session if kept is None and channel is not None else kept
        assert session is not None, f"no session {client_id!r}"
        return session

    def has_session(self, client_id: str) -> bool:
        """Whether the client has a session."""
        return client_id in self.broker.state.sessions or self.broker.registry.get(client_id) is not None

    def open(self, level: int = V5, limits: Limits | None = None) -> Client:
        """A new connection on which nothing was sent yet."""
        limits = limits or self.limits
        sock = FakeSocket()
        connection = Connection(self.broker.ctx, self, sock, len(self._sockets) + 10, None)
        now = self.broker.touch_clock()
        channel = Channel(Decoder(limits.max_packet_size, self._topics), limits, connection, now)
        connection.channel = channel
        self.connections.append(connection)
        self._sockets[connection] = sock
        timer = HandshakeTimeout(self.broker, channel)
        self._handshakes[connection] = timer
        self.broker.timers.enter(timer, now + limits.handshake_timeout_s)
        return Client(self, connection, channel, sock, level)

    def connect(
        self,
        client_id: str,
        level: int = V5,
        *,
        clean: bool = True,
        expiry: int | None = None,
        keep_alive: int = 0,
        properties: Properties = (),
        will: Will | None = None,
        username: str | None = None,
        password: bytes | None = None,
        limits: Limits | None = None,
        code: int = 0,
    ) -> Client:
        """A connected client (or one that was refused with ``code``); ``expiry`` is its session expiry interval."""
        client = self.open(level, limits)
        if expiry is not None:
            properties = [*properties, (wire.SESSION_EXPIRY, expiry)]
        client.send(wire.connect(client_id, level, clean, keep_alive, properties, will, username, password))
        client.connack = client.take(Connack)
        assert client.connack.code == code, client.connack
        return client

    # What a connection asks of its owner

    def forget(self, connection: Connection) -> None:
        self.connections.remove(connection)

    def lost(self, connection: Connection, text: str) -> None:
        if connection.channel is not None:
            connection_lost(self.broker, connection.channel, text)

    def limit_close(self, connection: Connection) -> None:
        if connection.channel is not None:
            self.broker.timers.enter(CloseTimeout(connection.channel), self.broker.ctx.now + LINGER_S)

    def handshake_over(self, connection: Connection) -> None:
        timer = self._handshakes.pop(connection, None)
        if timer is not None:
            self.broker.timers.cancel(timer)

    def addresses(self, connection: Connection) -> tuple[str, int, int]:
        return "127.0.0.1", 40_000 + connection.fd, 1883

    def report_bug(self, connection: Connection, where: str) -> None:
        self.broker.report_bug(connection.channel, where)


class Client:
    """The other end of one connection; it builds and reads packets of its protocol ``level``."""

    def __init__(self, engine: Engine, connection: Connection, channel: Channel, sock: FakeSocket, level: int) -> None:
        self.engine = engine
        self.connection = connection
        self.channel = channel
        self.sock = sock
        self.level = level
        self.connack: Connack | None = None
        self._packets: list[Packet] = []
        self._last_packet_id = 0

    @property
    def closed(self) -> bool:
        """Whether the broker has ended the connection."""
        return self.sock.shut or self.sock.closed

    def send(self, *packets: bytes) -> None:
        """Have the broker read bytes, all in one read, and do what follows from them."""
        self.sock.incoming.append(b"".join(packets))
        self.engine.turn()

    def read(self) -> list[Packet]:
        """All packets that came since the last call."""
        buffer = self.sock.received
        while (size := whole_packet(buffer)) > 0:
            body = bytes(buffer[:size])
            start = 1
            while body[start] & 0x80:
                start += 1
            self._packets.append(parse(body[0], body[start + 1 :], self.level))
            del buffer[:size]
        packets = self._packets
        self._packets = []
        return packets

    def take(self, kind: type[P]) -> P:
        """The one packet that came, which must be of this kind."""
        packets = self.read()
        assert len(packets) == 1 and isinstance(packets[0], kind), f"{kind.__name__} expected, {packets} came"
        return packets[0]

    def payloads(self) -> list[bytes]:
        """The payloads of the messages that came; nothing else may have come."""
        packets = self.read()
        assert all(isinstance(packet, Publish) for packet in packets), packets
        return [packet.payload for packet in packets if isinstance(packet, Publish)]

    def next_packet_id(self) -> int:
        """A packet identifier that this client hasn't used."""
        self._last_packet_id += 1
        return self._last_packet_id

    def subscribe(self, *filters: tuple[str, int], properties: Properties = ()) -> list[int]:
        """Subscribe; the SUBACK must come first. What came behind it is left to be read."""
        self.send(wire.subscribe(self.next_packet_id(), filters, properties, self.level))
        packets = self.read()
        assert packets and isinstance(packets[0], Suback), packets
        self._packets = packets[1:]
        return packets[0].codes

    def publish(
        self, topic: str, payload: bytes = b"", qos: int = 0, *, retain: bool = False, properties: Properties = ()
    ) -> int:
        """Publish, and release at QoS 2; returns the reason code of the answer. What else came is left to be read."""
        packet_id = self.next_packet_id() if qos else 0
        self.send(wire.publish(topic, payload, qos, packet_id, retain, properties=properties, level=self.level))
        if qos == 0:
            return 0
        kind: type[Ack] = Puback if qos == 1 else Pubrec
        answer = self._pick(kind, packet_id)
        if qos == 2 and answer.code < 0x80:
            self.send(wire.pubrel(packet_id))
            self._pick(Pubcomp, packet_id)
        return answer.code

    def _pick(self, kind: type[A], packet_id: int) -> A:
        """Take one acknowledgement out of what came."""
        packets = self.read()
        found = [packet for packet in packets if isinstance(packet, kind) and packet.packet_id == packet_id]
        assert len(found) == 1, f"one {kind.__name__} of {packet_id} expected among {packets}"
        self._packets = [packet for packet in packets if packet is not found[0]]
        return found[0]

    def acknowledge(self, packets: Sequence[Packet]) -> None:
        """Answer each PUBLISH and PUBREL as it is to be answered."""
        answers: list[bytes] = []
        for packet in packets:
            if isinstance(packet, Pubrel):
                answers.append(wire.pubcomp(packet.packet_id))
            elif isinstance(packet, Publish) and packet.qos:
                answers.append(wire.puback(packet.packet_id) if packet.qos == 1 else wire.pubrec(packet.packet_id))
        if answers:
            self.send(*answers)

    def receive_all(self) -> list[Publish]:
        """Read and acknowledge until nothing more comes; the messages in order."""
        messages: list[Publish] = []
        while packets := self.read():
            messages += [packet for packet in packets if isinstance(packet, Publish)]
            self.acknowledge(packets)
        return messages

    def disconnect(self, reason: int | None = None, properties: Properties = ()) -> None:
        """DISCONNECT."""
        self.send(wire.disconnect(reason, properties))

    def lose(self) -> None:
        """The network connection breaks."""
        self.connection.lose("connection reset")
        self.engine.turn()

    def take_nothing(self) -> None:
        """Stop reading: from now on the broker's bytes stay with the broker."""
        self.sock.room = 0

    def take_bytes(self, count: int | None = None) -> None:
        """Read so many bytes more (None: all from now on)."""
        self.sock.room = count
        if self.connection.wants_write:
            self.connection.on_writable()
        self.engine.turn()


def whole_packet(buffer: bytearray) -> int:
    """Size of the packet at the beginning, 0 when it isn't complete."""
    length = shift = 0
    for at in range(1, min(len(buffer), 5)):
        length |= (buffer[at] & 0x7F) << shift
        shift += 7
        if not buffer[at] & 0x80:
            return at + 1 + length if len(buffer) > at + length else 0
    return 0


@pytest.fixture
def engine() -> Iterator[Engine]:
    """A broker with default options and no sockets; no test of the inside may leave a bug behind."""
    made = Engine()
    yield made
    assert made.counters.internal_errors == made.expected_bugs
