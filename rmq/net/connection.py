"""One connection: a non-blocking socket, its byte layers, and the channel it carries.

Hot: it moves every byte, so it is compiled; the socket is made elsewhere and only used here.
"""

from typing import TYPE_CHECKING, Final

from rmq.flow.context import FlowContext
from rmq.flow.deliver import pump
from rmq.flow.inbound import receive
from rmq.mqtt import codes
from rmq.mqtt.packets import Publish
from rmq.net.connection_owner import ConnectionOwner
from rmq.net.layers import ENDED, PROXY_HEADER, TLS_HANDSHAKE, WS_HANDSHAKE, ByteLayer, LayerError
from rmq.session.channel import CLOSED, CLOSING, Channel
from rmq.session.transport import Transport

if TYPE_CHECKING:
    from rmq.net.byte_socket import ByteSocket
    from rmq.net.inbound_rates import Meter

READ_SIZE: Final = 65_536
PIECE_SIZE: Final = 262_144
SHUT_WR: Final = 1


class Connection(Transport):
    """Carries bytes between a socket and a channel; made by a listener, driven by the reactor.

    ``layers`` stand between the two, the one next to the socket first: PROXY protocol, TLS, WebSocket. None for plain
    TCP, whose way through here is the shortest.
    """

    __slots__ = (
        "_ctx",
        "_end_due",
        "_finished",
        "_handshaking",
        "_held",
        "_layer_end",
        "_layers_owe",
        "_lingering",
        "_owner",
        "_unsent",
        "_unsent_from",
        "channel",
        "fd",
        "layers",
        "meter",
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
        self.meter: Meter | None = None  # None unless inbound rates are limited
        self._held = False  # nothing is read until the meter allows it
        self._lingering = False
        self._handshaking = True
        self._layers_owe = False  # bytes of their own may wait in the layers
        self._layer_end: LayerError | None = None  # how a layer ended; what came before it may still wait
        self._end_due = False  # it waits no more
        self._finished = False  # the layers' last bytes are out of them

    @property
    def is_costly(self) -> bool:
        """Whether what comes next is a step of a handshake in a byte layer: TLS computes for a millisecond there."""
        return self.layers is not None and self._handshaking

    @property
    def wants_write(self) -> bool:
        """Whether bytes wait for the socket to take them."""
        return len(self._unsent) > 0

    def on_readable(self) -> None:
        """Read once, at most ``READ_SIZE`` bytes, and have them handled."""
        meter = self.meter
        if meter is None:
            self._read(READ_SIZE)
        else:
            self._read_metered(meter)

    def _read(self, room: int) -> int:
        """How many bytes came."""
        try:
            data: bytes = self.sock.recv(room)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            self.lose(error.strerror or "connection lost")
            return 0
        if not data:
            self.lose("connection closed by the client")
            return 0
        size = len(data)
        channel = self.channel
        if channel is None or channel.state >= CLOSING:
            return size  # lingering: read and forget, so that the peer can read our last bytes
        layers = self.layers
        if layers is not None:
            self._receive_layered(layers, channel, data)
            return size
        receive(self._ctx, channel, data)
        if channel.paused:
            self._set_reading(False)
        return size

    def _read_metered(self, meter: "Meter") -> None:
        """Read what the meter allows; at the end of that, wait until it allows more."""
        channel = self.channel
        if self._held or channel is None:
            return  # woken by a hang-up: what came before it is read in its turn
        ctx = self._ctx
        now = ctx.now
        room = meter.room(now)
        if room > 0:
            backlog = channel.backlog
            known = 0 if backlog is None else len(backlog)
            before = ctx.counters.packets_publish_received
            size = self._read(room)
            messages = ctx.counters.packets_publish_received - before
            backlog = channel.backlog
            if backlog is not None:  # behind a pause, and counted only when they are handled
                for i in range(known, len(backlog)):
                    if isinstance(backlog[i], Publish):
                        messages += 1
            meter.spend(size, messages, now)
            if meter.room(now) > 0:
                return
        if self.fd >= 0 and channel.state < CLOSING:
            self._held = True
            self._set_reading(False)
            self._owner.hold_back(self)

    def read_again(self) -> None:
        """The meter allows to read."""
        channel = self.channel
        if not self._held or channel is None:
            return
        self._held = False
        if self.meter is not None:
            self.meter.served = False
        channel.last_read_at = self._ctx.now  # that nothing was read was not the client's silence
        if not channel.paused:
            self._set_reading(True)

    def _receive_layered(self, layers: list[ByteLayer], channel: Channel, data: bytes) -> None:
        """Pass bytes inwards, have what comes out handled, and send what the layers have to say."""
        if self._layer_end is not None:
            return  # a layer has ended while the channel is paused
        size = len(data)
        for layer in layers:
            try:
                data = layer.receive(data)
            except LayerError as error:
                self._layer_end = error
                data = error.before
            if not data:
                break
        # While the socket takes nothing, what the layers owe waits in them: they bound it. After an end it is part of
        # the farewell, so that the peer is given the time to read it.
        self._layers_owe = True
        if not self._unsent and self._layer_end is None:
            self._send(self._outwards(b"", False))
            if self.fd < 0:
                return
        # ``receive`` counts the bytes that it gets; what is counted is what was on the wire.
        self._ctx.counters.bytes_received += size - len(data)
        if data:
            receive(self._ctx, channel, data)
        if channel.paused:
            self._set_reading(False)
        else:
            self._end_soon()

    def _outwards(self, data: bytes, last: bool) -> bytes:
        """Pass bytes outwards, with those that the layers owe; after the ``last`` ones each layer says its farewell."""
        layers = self.layers
        if layers is None:
            return data
        for layer in reversed(layers):
            if data:
                data = layer.send(data)
            if last:
                data += layer.finish()
            elif self._layers_owe:
                data += layer.take_pending()
        self._layers_owe = False
        if last:
            self._finished = True
        return data

    def _end_soon(self) -> None:
        """If a layer has ended: all before that is handled, the next flush ends the connection."""
        channel = self.channel
        if self._layer_end is not None and channel is not None:
            self._end_due = True
            if not channel.dirty:
                channel.dirty = True
                self._ctx.dirty.append(channel)

    def _end_with_layer(self, channel: Channel) -> bool:
        """End the connection, unless it waits again or has ended; its last bytes go with one more flush."""
        end = self._layer_end
        self._end_due = False
        if end is None or channel.paused or channel.state >= CLOSING:
            return False
        counters = self._ctx.counters
        if end.kind == ENDED:
            self._owner.lost(self, str(end))
            channel.state = CLOSING  # not closed yet: the layers' farewell is to be sent
            return True
        if end.kind == TLS_HANDSHAKE:
            counters.tls_handshake_errors += 1
        elif end.kind == WS_HANDSHAKE:
            counters.ws_handshake_errors += 1
        elif end.kind == PROXY_HEADER:
            counters.proxy_protocol_errors += 1
        else:
            counters.protocol_errors += 1
        self._ctx.ports.close(channel, codes.PROTOCOL_ERROR, str(end))
        return True

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
        if self._end_due and self._end_with_layer(channel):
            return
        if self._unsent:
            if channel.state >= CLOSING:
                self._limit_close()  # the peer may have stopped reading for good
            return
        if channel.out:
            data = channel.take_output()
            if self.layers is not None:
                data = self._outwards(data, channel.state >= CLOSING)
            if not self._send(data):
                return
            if channel.state >= CLOSING:
                self._linger()
                return
        elif channel.state >= CLOSING:
            data = b"" if self.layers is None or self._finished else self._outwards(b"", True)
            if data:
                if self._send(data):
                    self._linger()
            elif self._lingering:
                self._linger()
            else:
                self.close()
            return
        elif self._layers_owe and not self._send(self._outwards(b"", False)):
            return
        if channel.blocked:
            pump(self._ctx, channel)

    def _send(self, data: bytes) -> bool:
        """Send, while nothing is unsent; False when not all of it went: the rest waits until the socket takes more."""
        if not data:
            return True
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
        self.meter = None
        self._held = False
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
            if not self._held:
                self._set_reading(True)
            self._end_soon()

    def is_held_back(self) -> bool:
        """Whether nothing is read because of inbound rates."""
        return self._held

    def certificate_name(self) -> str | None:
        """The user name that the client's certificate gives it."""
        return self._owner.certificate_name(self)

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
        self._layer_end = None  # its traceback may hold this connection
        channel = self.channel
        if channel is not None:
            channel.state = CLOSED
            channel.out.clear()
            # The channel keeps its transport: without this the pair is a cycle, and only a full garbage collection,
            # which is rare on purpose, would ever free a closed connection.
            self.channel = None

    def addresses(self) -> tuple[str, int, int]:
        """The client's host and port, and the local port."""
        return self._owner.addresses(self)
