"""One connection: a non-blocking socket, its byte layers, and the channel it carries."""

import socket
from typing import TYPE_CHECKING, Final

import structlog

from rmq.engine.connection_timers import CloseTimeout, HandshakeTimeout
from rmq.engine.disconnect import connection_lost
from rmq.engine.timers import Timer
from rmq.flow.deliver import pump
from rmq.flow.inbound import receive
from rmq.mqtt.framing import Decoder
from rmq.net.layers import ByteLayer, LayerError
from rmq.session.channel import CLOSED, CLOSING, Channel
from rmq.session.transport import Transport

if TYPE_CHECKING:
    from rmq.net.listener import Listener
    from rmq.net.reactor import Reactor

log = structlog.get_logger(__name__)

READ_SIZE: Final = 65_536
# How long the peer may take the last bytes, and read them, before the connection is cut.
LINGER_S: Final = 2.0


class Connection(Transport):
    """Carries bytes between a socket and a channel; made by a listener, driven by the reactor."""

    __slots__ = ("_handshake_timer", "_lingering", "_reading", "_unsent", "channel", "fd", "layers", "listener", "reactor", "sock")

    def __init__(
        self, reactor: "Reactor", listener: "Listener", sock: socket.socket, layers: list[ByteLayer] | None
    ) -> None:
        broker = reactor.broker
        limits = listener.limits
        self.reactor = reactor
        self.listener = listener
        self.sock = sock
        self.fd = sock.fileno()
        self.layers = layers
        self.channel = Channel(
            Decoder(limits.max_packet_size, reactor.topics), limits, self, broker.ctx.now
        )
        self._unsent: memoryview | None = None
        self._reading = True
        self._lingering = False
        self._handshake_timer: Timer | None = HandshakeTimeout(broker, self.channel)
        broker.timers.enter(self._handshake_timer, broker.ctx.now + limits.handshake_timeout_s)

    def on_readable(self) -> None:
        """Read once, at most ``READ_SIZE`` bytes, and have them handled."""
        try:
            data = self.sock.recv(READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self.lose(error.strerror or "connection lost")
            return
        if not data:
            self.lose("connection closed by the client")
            return
        channel = self.channel
        if channel.state >= CLOSING:
            return  # lingering: read and forget, so that the peer can read our last bytes
        if self.layers is not None:
            data = self._through_layers(data)
            if not data:
                return
        receive(self.reactor.ctx, channel, data)
        if channel.paused:
            self._set_reading(reading=False)

    def _through_layers(self, data: bytes) -> bytes:
        try:
            for layer in self.layers or ():
                data = layer.receive(data)
                pending = layer.take_pending()
                if pending:
                    self._send_raw(pending)
        except LayerError as error:
            self.lose(str(error))
            return b""
        return data

    def _send_raw(self, data: bytes) -> None:
        channel = self.channel
        channel.out.append(data)
        channel.out_size += len(data)
        self.flush()

    def on_writable(self) -> None:
        """The socket takes bytes again."""
        unsent = self._unsent
        if unsent is not None:
            channel = self.channel
            sent = self._send(unsent)
            if sent < 0:
                return
            if sent < len(unsent):
                self._unsent = unsent[sent:]
                channel.out_size -= sent
                return
            self._unsent = None
            channel.out_size -= sent
            channel.congested = False
            self.reactor.watch(self)
        self.flush()

    def flush(self) -> None:
        """Send what the channel has collected; close the connection when it is closing and all is sent."""
        channel = self.channel
        channel.dirty = False
        if self._unsent is not None:
            return
        out = channel.out
        if out:
            data = channel.take_output()
            if self.layers is not None:
                for layer in reversed(self.layers):
                    data = layer.send(data)
            sent = self._send(data)
            if sent < 0:
                return
            if sent < len(data):
                self._unsent = memoryview(data)[sent:]
                channel.out_size = len(data) - sent
                channel.congested = True
                self.reactor.watch(self)
                if channel.state >= CLOSING and not self._lingering:
                    self._lingering = True
                    self._limit_close()
                return
            if channel.state >= CLOSING:
                self._linger()
                return
        elif channel.state >= CLOSING:
            if self._lingering:
                self._linger()
            else:
                self.close()
            return
        if channel.blocked:
            pump(self.reactor.ctx, channel)

    def _send(self, data: "bytes | memoryview") -> int:
        try:
            sent = self.sock.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            self.lose(error.strerror or "connection lost")
            return -1
        self.reactor.counters.bytes_sent += sent
        return sent

    def _linger(self) -> None:
        """All is sent: say so, and wait for the peer to close.

        Closing at once, with bytes of the peer unread, would make the kernel send a reset, and the peer could lose
        the DISCONNECT or CONNACK that tells it why.
        """
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()
            return
        self._set_reading(reading=True)
        if not self._lingering:
            self._lingering = True
            self._limit_close()

    def _limit_close(self) -> None:
        broker = self.reactor.broker
        broker.timers.enter(CloseTimeout(self.channel), broker.ctx.now + LINGER_S)

    def _set_reading(self, *, reading: bool) -> None:
        if reading != self._reading:
            self._reading = reading
            self.reactor.watch(self)

    @property
    def wants_read(self) -> bool:
        """Whether the reactor is to wait for bytes."""
        return self._reading

    @property
    def wants_write(self) -> bool:
        """Whether the reactor is to wait for room."""
        return self._unsent is not None

    def resume_reading(self) -> None:
        """The channel is no longer paused."""
        if self.channel.state < CLOSED:
            self._set_reading(reading=True)

    def accepted(self) -> None:
        """The handshake is over."""
        timer = self._handshake_timer
        if timer is not None:
            self._handshake_timer = None
            self.reactor.broker.timers.cancel(timer)
            self.listener.handshake_over()

    def lose(self, text: str) -> None:
        """The network connection is gone or broken."""
        connection_lost(self.reactor.broker, self.channel, text)
        self.close()

    def abort(self) -> None:
        """Close at once."""
        self.close()

    def close(self) -> None:
        """Close the socket and forget the connection. The channel has been ended before."""
        if self.fd < 0:
            return
        self.reactor.forget(self)
        self.fd = -1
        self.sock.close()
        channel = self.channel
        channel.state = CLOSED
        channel.out.clear()
        self._unsent = None
        timer = self._handshake_timer
        if timer is not None:
            self._handshake_timer = None
            self.reactor.broker.timers.cancel(timer)
            self.listener.handshake_over()
        self.listener.connection_closed()

    def addresses(self) -> tuple[str, int, int]:
        """The peer's host and port, and the local port."""
        try:
            peer = self.sock.getpeername()
        except OSError:
            return "", 0, self.listener.port
        return str(peer[0]), int(peer[1]), self.listener.port
