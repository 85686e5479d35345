"""A listener: accepts connections up to its caps, hands them to the reactor, and knows how they begin and end."""

import socket
from typing import TYPE_CHECKING, Final

import structlog

from rmq.engine.connection_timers import CloseTimeout, HandshakeTimeout
from rmq.engine.disconnect import connection_lost
from rmq.engine.timers import Timer
from rmq.mqtt.framing import Decoder
from rmq.net.connection import Connection, ConnectionOwner
from rmq.session.channel import Channel
from rmq.session.limits import Limits

if TYPE_CHECKING:
    from rmq.net.reactor import Reactor

log = structlog.get_logger(__name__)

ACCEPTS_PER_TURN: Final = 64
# Out of descriptors: how long no more are accepted.
ACCEPT_PAUSE_S: Final = 0.2
# How long a peer may take the last bytes, and read them, before the connection is cut.
LINGER_S: Final = 2.0


class ListenerOptions:
    """Options of the listening socket itself; what concerns its clients is in ``Limits``."""

    __slots__ = (
        "backlog",
        "host",
        "is_ipv6",
        "max_connections",
        "max_handshakes",
        "nodelay",
        "port",
        "reuseaddr",
        "reuseport",
        "tcp_keepalive",
    )

    def __init__(self, host: str, port: int, *, is_ipv6: bool = False) -> None:
        self.host = host
        self.port = port
        self.is_ipv6 = is_ipv6
        self.backlog = 1024
        self.max_connections = 1_024_000
        self.max_handshakes = 500
        self.nodelay = True
        self.reuseaddr = True
        self.reuseport = False
        self.tcp_keepalive = True


class Listener(ConnectionOwner):
    """One listening socket. ``open`` raises ``OSError`` when the address can't be had."""

    def __init__(self, options: ListenerOptions, limits: Limits) -> None:
        self.options = options
        self.limits = limits
        self.host = options.host
        self.port = options.port
        super().__init__()
        self.connections = 0
        self.handshakes = 0
        self._close_timers: dict[Connection, CloseTimeout] = {}
        self._handshake_timers: dict[Connection, HandshakeTimeout] = {}
        self._sock: socket.socket | None = None
        self._reactor: Reactor | None = None

    @property
    def name(self) -> str:
        """Kind and name, as in the configuration: ``tcp.external``."""
        return self.limits.listener

    def open(self) -> None:
        """Bind and listen; ``port`` is the real one afterwards, when 0 was asked for."""
        options = self.options
        sock = socket.socket(socket.AF_INET6 if options.is_ipv6 else socket.AF_INET, socket.SOCK_STREAM)
        try:
            if options.reuseaddr:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if options.reuseport:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sock.setblocking(False)
            sock.bind((options.host, options.port))
            sock.listen(options.backlog)
        except OSError:
            sock.close()
            raise
        self.port = sock.getsockname()[1]
        self._sock = sock

    def start(self, reactor: "Reactor") -> None:
        """Begin to accept."""
        if self._sock is None:
            raise RuntimeError("listener isn't open")
        self._reactor = reactor
        reactor.watch_listener(self._sock.fileno(), self)

    def close(self) -> None:
        """Stop accepting; connections stay."""
        sock = self._sock
        if sock is None:
            return
        self._sock = None
        if self._reactor is not None:
            self._reactor.forget_listener(sock.fileno())
        sock.close()

    def on_readable(self) -> None:
        """Accept what waits, at most ``ACCEPTS_PER_TURN``."""
        reactor = self._reactor
        listening = self._sock
        if reactor is None or listening is None:
            return
        for _ in range(ACCEPTS_PER_TURN):
            try:
                sock, _address = listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionError:
                continue  # the peer gave up before we came
            except OSError as error:
                log.warning("can't accept connections", listener=self.name, error=error.strerror)
                self._pause(reactor)
                return
            self._admit(reactor, sock)

    def _admit(self, reactor: "Reactor", sock: socket.socket) -> None:
        options = self.options
        counters = reactor.counters
        if self.connections >= options.max_connections or self.handshakes >= options.max_handshakes:
            counters.connections_refused_limit += 1
            sock.close()
            return
        sock.setblocking(False)
        if options.nodelay:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if options.tcp_keepalive:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        counters.connections_accepted += 1
        self.connections += 1
        self.handshakes += 1
        broker = reactor.broker
        broker.stats.handshakes.inc()
        connection = Connection(reactor.ctx, self, sock, sock.fileno(), None)
        channel = Channel(Decoder(self.limits.max_packet_size, reactor.topics), self.limits, connection, broker.ctx.now)
        connection.channel = channel
        timer = HandshakeTimeout(broker, channel)
        self._handshake_timers[connection] = timer
        broker.timers.enter(timer, broker.ctx.now + self.limits.handshake_timeout_s)
        reactor.add(connection)

    def handshake_over(self, connection: Connection) -> None:
        """A connection is accepted, or gone before it was."""
        timer = self._handshake_timers.pop(connection, None)
        reactor = self._reactor
        if timer is None or reactor is None:
            return
        self.handshakes -= 1
        reactor.broker.timers.cancel(timer)
        reactor.broker.stats.handshakes.dec()

    def watch(self, connection: Connection) -> None:
        """What the connection waits for has changed."""
        if self._reactor is not None:
            self._reactor.watch(connection)

    def forget(self, connection: Connection) -> None:
        """A connection of this listener is about to be closed."""
        self.connections -= 1
        if self._reactor is not None:
            self._reactor.forget(connection)
            timer = self._close_timers.pop(connection, None)
            if timer is not None:
                self._reactor.broker.timers.cancel(timer)

    def lost(self, connection: Connection, text: str) -> None:
        """The network connection ended without a DISCONNECT."""
        if self._reactor is not None and connection.channel is not None:
            connection_lost(self._reactor.broker, connection.channel, text)

    def limit_close(self, connection: Connection) -> None:
        """The peer may take ``LINGER_S`` for the last bytes."""
        if self._reactor is not None and connection.channel is not None:
            broker = self._reactor.broker
            timer = CloseTimeout(connection.channel)
            self._close_timers[connection] = timer
            broker.timers.enter(timer, broker.ctx.now + LINGER_S)

    def addresses(self, connection: Connection) -> tuple[str, int, int]:
        """The peer's host and port, and the local port."""
        try:
            peer = connection.sock.getpeername()
        except OSError:
            return "", 0, self.port
        return str(peer[0]), int(str(peer[1])), self.port

    def report_bug(self, connection: Connection, where: str) -> None:
        """Give up the one connection that an exception came from."""
        if self._reactor is not None:
            self._reactor.broker.report_bug(connection.channel, where)

    def _pause(self, reactor: "Reactor") -> None:
        if self._sock is not None:
            reactor.forget_listener(self._sock.fileno())
            broker = reactor.broker
            broker.timers.enter(_AcceptAgain(self), broker.ctx.now + ACCEPT_PAUSE_S)

    def go_on(self) -> None:
        """Accept again after a pause."""
        if self._sock is not None and self._reactor is not None:
            self._reactor.watch_listener(self._sock.fileno(), self)


class _AcceptAgain(Timer):
    __slots__ = ("_listener",)

    def __init__(self, listener: Listener) -> None:
        super().__init__()
        self._listener = listener

    def fire(self, now: float) -> float:
        self._listener.go_on()
        return 0.0
