"""In the reactor's place: a broker whose clients' sockets are virtual, with turns when something is to be done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from rmq.engine.broker import BrokerOptions
from rmq.engine.cluster_clock import ClusterClock
from rmq.engine.connection_timers import HandshakeTimeout
from rmq.engine.timers import TICKS_PER_SECOND
from rmq.mqtt.framing import Decoder
from rmq.net.connection import Connection
from rmq.net.turns import flush_channels
from rmq.session.channel import Channel
from rmq.session.limits import Limits
from tests.simulation.agenda import Agenda
from tests.simulation.determinism import OrderedWheel
from tests.simulation.sockets import SimSockets
from tests.support.engine import Engine, FakeSocket

# How long bytes take between a client and its node.
DELAY_S: Final = (0.001, 0.008)


class Socket(FakeSocket):
    """The node's end of a client's connection; what it sends reaches ``receive`` later, in order; b"" is the end."""

    def __init__(self, agenda: Agenda, receive: Callable[[bytes], None]) -> None:
        super().__init__()
        self._agenda = agenda
        self._receive = receive
        self._last = 0.0
        self._is_over = False

    def recv(self, size: int, /) -> bytes:
        if self.incoming and not self.incoming[0]:
            return b""  # the client has closed it
        return super().recv(size)

    def send(self, data: bytes, /) -> int:
        count = super().send(data)
        self.received.clear()
        self._deliver(bytes(data[:count]))
        return count

    def shutdown(self, how: int, /) -> None:
        super().shutdown(how)
        self.end()

    def close(self) -> None:
        super().close()
        self.end()

    def end(self) -> None:
        """The connection is over, as the client sees it."""
        if not self._is_over:
            self._is_over = True
            self._deliver(b"")

    def _deliver(self, data: bytes) -> None:
        agenda = self._agenda
        self._last = max(self._last, agenda.now + agenda.random.uniform(*DELAY_S))
        agenda.at(self._last, lambda: self._receive(data))


class SimEngine(Engine):
    """``sockets`` are those of its links. ``is_dead``: the process is gone, and does nothing any more."""

    def __init__(self, agenda: Agenda, node_id: int, wall_clock: Callable[[], float], limits: Limits) -> None:
        options = BrokerOptions()
        options.node_id = node_id
        super().__init__(options)
        self.limits = limits
        self.is_dead = False
        self.sockets: SimSockets
        self._agenda = agenda
        self._node_id = node_id
        self._is_awake = False
        broker = self.broker
        broker.clock = ClusterClock(wall_clock, lambda: agenda.now)
        broker.timers = OrderedWheel(broker.touch_clock(), lambda: broker.report_bug(None, "in a timer"))
        broker.flush = self.flush_now

    def start_timers(self) -> None:
        """Let the wheel turn until the node dies."""
        if not self.is_dead:
            self.broker.advance_timers()
            self._agenda.after(1 / TICKS_PER_SECOND, self.start_timers, self._node_id)

    def wake(self) -> None:
        """Have a turn soon."""
        if not self._is_awake and not self.is_dead:
            self._is_awake = True
            self._agenda.soon(self._woken, self._node_id)

    def _woken(self) -> None:
        self._is_awake = False
        self.turn()

    def turn(self) -> None:
        """A turn of the reactor."""
        if self._busy or self.is_dead:
            return
        self._busy = True
        self.broker.touch_clock()
        self.sockets.read_in_turn()
        more = False
        for connection in list(self.connections):
            if connection.fd >= 0 and connection.wants_read and self._sockets[connection].incoming:
                try:
                    connection.on_readable()
                except Exception:
                    self.report_bug(connection, "in a packet")
                more = more or bool(self._sockets[connection].incoming)
        self._busy = False
        self.flush_now()
        if more:
            self.wake()

    def flush_now(self) -> None:
        """Send what was written, outside of a turn too."""
        if self._busy or self.is_dead:
            return
        self._busy = True
        try:
            self.broker.turn_storage()
        except Exception:
            self.broker.report_bug(None, "in storage")
        context = self.broker.ctx
        dirty, context.dirty = context.dirty, []
        flush_channels(dirty, self)
        self._busy = False
        if context.dirty:
            self.wake()

    def watch(self, connection: Connection) -> None:
        """A connection that reads again may have something to read."""
        if connection.wants_read:
            self.wake()

    def accept(self, sock: Socket) -> Connection:
        """A new connection."""
        limits = self.limits
        connection = Connection(self.broker.ctx, self, sock, len(self._sockets) + 10, None)
        now = self.broker.touch_clock()
        channel = Channel(Decoder(limits.max_packet_size, self._topics), limits, connection, now)
        connection.channel = channel
        self.connections.append(connection)
        self._sockets[connection] = sock
        timer = HandshakeTimeout(self.broker, channel)
        self._handshakes[connection] = timer
        self.broker.timers.enter(timer, now + limits.handshake_timeout_s)
        return connection

    def receive(self, connection: Connection, data: bytes) -> None:
        """Bytes of a client have come; b"": it has closed the connection."""
        sock = self._sockets.get(connection)
        if sock is not None and connection.fd >= 0 and not self.is_dead:
            sock.incoming.append(data)
            self.wake()

    def die(self) -> None:
        """The process is gone; its kernel closes the clients' connections."""
        self.is_dead = True
        for connection in self.connections:
            sock = self._sockets[connection]
            if isinstance(sock, Socket):
                sock.end()
