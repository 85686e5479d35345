"""One connection: a non-blocking socket, its byte layers, and the channel it carries.

Hot: it moves every byte, so it is compiled; the socket is made elsewhere and only used here.
"""

from typing import TYPE_CHECKING, Final

from mypy_extensions import mypyc_attr

from rmq.flow.context import FlowContext
from rmq.flow.deliver import pump
from rmq.flow.inbound import receive
from rmq.net.layers import ByteLayer, LayerError
from rmq.session.channel import CLOSED, CLOSING, Channel
from rmq.session.transport import Transport

if TYPE_CHECKING:
    from rmq.net.byte_socket import ByteSocket

READ_SIZE: Final = 65_536
PIECE_SIZE: Final = 262_144
SHUT_WR: Final = 1


@mypyc_attr(allow_interpreted_subclasses=True)
class ConnectionOwner:
    """What a connection asks of the reactor that drives it and the listener that accepted it."""

    def watch(self, connection: "Connection") -> None:
        """What the connection waits for has changed."""

    def forget(self, connection: "Connection") -> None:
        """The connection's socket is about to be closed."""

    def lost(self, connection: "Connection", text: str) -> None:
        """The network connection ended without a DISCONNECT."""

    def limit_close(self, connection: "Connection") -> None:
        """The connection waits for its peer to take the last bytes: not for ever."""

    def handshake_over(self, connection: "Connection") -> None:
        """The CONNECT was accepted, or never will be."""

    def addresses(self, connection: "Connection") -> tuple[str, int, int]:
        """The peer's host and port, and the local port."""
        return "", 0, 0

    def report_bug(self, connection: "Connection", where: str) -> None:
        """An exception came out of the handling of this connection; it is being handled."""


class Connection(Transport):
    """Carries bytes between a socket and a channel; made by a listener, driven by the reactor."""

    __slots__ = (
        "_ctx",
        "_handshaking",
        "_lingering",
        "_owner",
        "_unsent",
        "_unsent_from",
        "channel",
        "fd",
        "layers",
        "sock",
        "wants_read",
    )

    def __init__(
        self, ctx: FlowContext, owner: ConnectionOwner, sock: "ByteSocket", fd: int, layers: list[ByteLayer] | None
    ) -> None:
        self._ctx = ctx
        self._owner = owner
        self.sock = sock
        self.fd = fd
        self.layers = layers
        self.channel: Channel | None = None
        self._unsent: bytes = b""
        self._unsent_from = 0
        self.wants_read = True
        self._lingering = False
        self._handshaking = True

    @property
    def wants_write(self) -> bool:
        """Whether bytes wait for the socket to take them."""
        return len(self._unsent) > 0

    def on_readable(self) -> None:
        """Read once, at most ``READ_SIZE`` bytes, and have them handled."""
        try:
            data: bytes = self.sock.recv(READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self.lose(error.strerror or "connection lost")
            return
        if not data:
            self.lose("connection closed by the client")
            return
        channel = self.channel
        if channel is None or channel.state >= CLOSING:
            return  # lingering: read and forget, so that the peer can read our last bytes
        if self.layers is not None:
            data = self._through_layers(data)
            if not data:
                return
        receive(self._ctx, channel, data)
        if channel.paused:
            self._set_reading(False)

    def _through_layers(self, data: bytes) -> bytes:
        layers = self.layers
        if layers is None:
            return data
        try:
            for i in range(len(layers)):
                layer = layers[i]
                data = layer.receive(data)
                pending = layer.take_pending()
                if pending:
                    for outer in range(i - 1, -1, -1):
                        pending = layers[outer].send(pending)
                    self._send(pending)
                if not data:
                    break
        except LayerError as error:
            self.lose(str(error))
            return b""
        return data

    def on_writable(self) -> None:
        """The socket takes bytes again."""
        unsent = self._unsent
        channel = self.channel
        if unsent and channel is not None:
            # In pieces: copying all that is left at every step would take quadratic time for a big message.
            sent = self._try_send(unsent[self._unsent_from : self._unsent_from + PIECE_SIZE])
            if sent < 0:
                return
            channel.out_size -= sent
            self._unsent_from += sent
            if self._unsent_from < len(unsent):
                return
            self._unsent = b""
            self._unsent_from = 0
            channel.congested = False
            self._owner.watch(self)
        self.flush()

    def flush(self) -> None:
        """Send what the channel has collected; close the connection when it is closing and all is sent."""
        channel = self.channel
        if channel is None:
            return
        channel.dirty = False
        if self._unsent:
            if channel.state >= CLOSING:
                self._limit_close()  # the peer may have stopped reading for good
            return
        if channel.out:
            data = channel.take_output()
            if self.layers is not None:
                for layer in reversed(self.layers):
                    data = layer.send(data)
            if not self._send(data):
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
            pump(self._ctx, channel)

    def _send(self, data: bytes) -> bool:
        """Send; False when not all of it went, which then waits until the socket takes more."""
        if self._unsent:
            self._unsent += data
            if self.channel is not None:
                self.channel.out_size += len(data)
            return False
        sent = self._try_send(data)
        if sent == len(data):
            return True
        channel = self.channel
        if sent < 0 or channel is None:
            return False
        self._unsent = data[sent:]
        channel.out_size += len(data) - sent
        channel.congested = True
        self._owner.watch(self)
        if channel.state >= CLOSING:
            self._limit_close()
        return False

    def _try_send(self, data: bytes) -> int:
        try:
            sent: int = self.sock.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            self.lose(error.strerror or "connection lost")
            return -1
        self._ctx.counters.bytes_sent += sent
        return sent

    def _linger(self) -> None:
        """All is sent: say so, and wait for the peer to close.

        Closing at once, with bytes of the peer unread, would make the kernel send a reset, and the peer could lose
        the DISCONNECT or CONNACK that tells it why.
        """
        try:
            self.sock.shutdown(SHUT_WR)
        except OSError:
            self.close()
            return
        self._set_reading(True)
        self._limit_close()

    def _limit_close(self) -> None:
        if not self._lingering:
            self._lingering = True
            self._owner.limit_close(self)

    def _set_reading(self, reading: bool) -> None:
        if reading != self.wants_read:
            self.wants_read = reading
            self._owner.watch(self)

    def resume_reading(self) -> None:
        """The channel is no longer paused."""
        if self.fd >= 0:
            self._set_reading(True)

    def accepted(self) -> None:
        """The handshake is over."""
        if self._handshaking:
            self._handshaking = False
            self._owner.handshake_over(self)

    def lose(self, text: str) -> None:
        """The network connection is gone or broken."""
        self._owner.lost(self, text)
        self.close()

    def abort(self) -> None:
        """Close at once."""
        self.close()

    def close(self) -> None:
        """Close the socket and forget the connection. The channel has been ended before."""
        if self.fd < 0:
            return
        self.accepted()
        self._owner.forget(self)
        self.fd = -1
        self.sock.close()
        self._unsent = b""
        channel = self.channel
        if channel is not None:
            channel.state = CLOSED
            channel.out.clear()
            # The channel keeps its transport: without this the pair is a cycle, and only a full garbage collection,
            # which is rare on purpose, would ever free a closed connection.
            self.channel = None

    def addresses(self) -> tuple[str, int, int]:
        """The peer's host and port, and the local port."""
        return self._owner.addresses(self)


def handle_ready(
    connections: dict[int, Connection],
    ready: list[tuple[int, int]],
    readable: int,
    writable: int,
    owner: ConnectionOwner,
) -> list[int]:
    """Serve the connections among the descriptors that are ready; returns the descriptors that are something else."""
    others: list[int] = []
    for fd, events in ready:
        connection = connections.get(fd)
        if connection is None:
            others.append(fd)
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
