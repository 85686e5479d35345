"""A listener: accepts connections up to its caps, hands them to the reactor, and knows how they begin and end."""

import socket
from itertools import islice
from typing import TYPE_CHECKING, Final

import structlog

from rmq.engine.connection_timers import CloseTimeout, HandshakeTimeout
from rmq.engine.disconnect import connection_lost
from rmq.mqtt.framing import Decoder
from rmq.net import layer_stack
from rmq.net.connection import Connection
from rmq.net.connection_owner import ConnectionOwner
from rmq.net.descriptors import connection_descriptors
from rmq.net.inbound_rates import Allowance, InboundLimits, Meter, TokenBucket
from rmq.net.layer_stack import LayerStack, TlsOptions
from rmq.net.listener_timers import AcceptAgain, ProxiedHandshake, ReadAgain
from rmq.net.listening_socket import ListeningSocket, SocketOptions
from rmq.net.read_queue import ReadQueue
from rmq.session.channel import AWAIT_CONNECT, Channel
from rmq.session.limits import Limits

if TYPE_CHECKING:
    from rmq.net.reactor import Reactor

log = structlog.get_logger(__name__)

ACCEPTS_PER_TURN: Final = 64
# The system has none to give: how long no more are accepted.
ACCEPT_PAUSE_S: Final = 0.2
# Refusing whoever is one too many for the limit of descriptors: how often that is said.
TELL_AGAIN_AFTER_S: Final = 1.0
# How long a peer may take the last bytes, and read them, before the connection is cut.
LINGER_S: Final = 2.0
# At the limit of handshakes: who has been silent for so long may be displaced, and among how many one is looked for.
DISPLACED_AFTER_S: Final = 1.0
DISPLACED_AMONG: Final = 64


class ListenerOptions(SocketOptions):
    """Options of a listener that aren't its clients' ``Limits``.

    ``websocket_path`` empty means no WebSocket, ``tls`` None no TLS. ``proxy_header_s`` is how long a proxy may take
    for the PROXY protocol header.
    """

    __slots__ = (
        "inbound",
        "max_connections",
        "max_handshakes",
        "proxy_header_s",
        "proxy_protocol",
        "tls",
        "websocket_path",
    )

    def __init__(self, host: str, port: int, *, is_ipv6: bool = False) -> None:
        super().__init__(host, port, is_ipv6=is_ipv6)
        self.inbound = InboundLimits()
        self.max_connections = 1_024_000
        self.max_handshakes = 500
        self.proxy_protocol = False
        self.proxy_header_s = 5.0
        self.tls: TlsOptions | None = None
        self.websocket_path = ""


class Listener(ConnectionOwner):
    """One listening socket and the connections it has accepted."""

    def __init__(self, options: ListenerOptions, limits: Limits) -> None:
        self.options = options
        self.limits = limits
        self.host = options.host
        self.port = options.port
        super().__init__()
        self.connections = 0
        self.handshakes = 0
        self._layers = LayerStack(
            options.tls, options.websocket_path, limits.max_packet_size, proxied=options.proxy_protocol
        )
        self._close_timers: dict[Connection, CloseTimeout] = {}
        self._handshake_timers: dict[Connection, HandshakeTimeout] = {}
        self._read_timers: dict[Connection, ReadAgain] = {}
        self._read_queue: ReadQueue | None = None
        self._accept_bucket: TokenBucket | None = None
        self._descriptors = 0
        self._descriptors_told_at = 0.0
        self._allowance: Allowance | None = None
        self._listening: ListeningSocket | None = None
        self._reactor: Reactor | None = None

    @property
    def name(self) -> str:
        """Kind and name, as in the configuration: ``tcp.external``."""
        return self.limits.listener

    @property
    def address(self) -> str:
        """Where it listens: ``127.0.0.1:8083/mqtt``, or the path of a Unix socket."""
        options = self.options
        host = f"[{self.host}]" if options.is_ipv6 else self.host
        return options.path or f"{host}:{self.port}{options.websocket_path}"

    @property
    def is_running(self) -> bool:
        """Whether it accepts."""
        return self._listening is not None and self._reactor is not None

    @property
    def certificate_end(self) -> float | None:
        """When its certificate ends, in seconds since 1970; None without one."""
        return self._layers.certificate_end

    def open(self) -> None:
        """Bind and listen; ``port`` is the real one afterwards, when 0 was asked for. Raises ``ListenError``."""
        self._layers.load_certificates()
        self._listening = ListeningSocket(self.options)
        self.port = self.options.port = self._listening.port  # opened again, it is the same one

    def reload_certificates(self) -> None:
        """Use what is in the files now, for connections from now on.

        Raises ``ListenError`` when that can't be used: the listener goes on with what it has.
        """
        self._layers.load_certificates()
        if self._layers.has_tls:
            log.info("certificates loaded", listener=self.name)

    def start(self, reactor: "Reactor") -> None:
        """Begin to accept."""
        listening = self._listening
        if listening is None:
            raise RuntimeError("listener isn't open")
        self._reactor = reactor
        now = reactor.broker.ctx.now
        self._descriptors = connection_descriptors()
        inbound = self.options.inbound
        if inbound.connections is not None:
            self._accept_bucket = TokenBucket(inbound.connections, now)
        if inbound.are_for_reading:
            self._allowance = Allowance(inbound.listener_messages, inbound.listener_bytes, now)
            self._read_queue = ReadQueue(self._allowance, reactor.broker.timers)
        reactor.watch_listener(listening.sock.fileno(), self)

    def close(self) -> None:
        """Stop accepting; connections stay."""
        listening = self._listening
        if listening is None:
            return
        self._listening = None
        if self._reactor is not None:
            self._reactor.forget_listener(listening.sock.fileno())
        listening.close()

    def on_readable(self) -> None:
        """Accept what waits, at most ``ACCEPTS_PER_TURN``, and no more than its rate allows."""
        reactor = self._reactor
        listening = self._listening
        if reactor is None or listening is None:
            return
        now = reactor.broker.ctx.now
        bucket = self._accept_bucket
        for _ in range(ACCEPTS_PER_TURN):
            if bucket is not None and (wait := bucket.wait(now)) > 0.0:
                reactor.counters.accepts_delayed += 1
                self._pause(reactor, listening, wait)
                return
            try:
                sock, _address = listening.sock.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionError:
                continue  # the peer gave up before we came
            except OSError as error:
                log.warning("can't accept connections", listener=self.name, error=error.strerror)
                self._pause(reactor, listening, ACCEPT_PAUSE_S)
                return
            if bucket is not None:
                bucket.spend(1, now)
            if sock.fileno() >= self._descriptors:
                self._refuse_for_descriptors(reactor, sock, now)
                continue
            listening.prepare(sock)
            self._admit(reactor, sock, self.limits)

    def _admit(self, reactor: "Reactor", sock: socket.socket, limits: Limits) -> None:
        options = self.options
        counters = reactor.counters
        if self.handshakes >= options.max_handshakes:
            self._displace(reactor)
        if self.connections >= options.max_connections or self.handshakes >= options.max_handshakes:
            counters.connections_refused_limit += 1
            sock.close()
            return
        counters.connections_accepted += 1
        self.connections += 1
        self.handshakes += 1
        broker = reactor.broker
        now = broker.ctx.now
        broker.stats.handshakes.inc()
        connection = Connection(reactor.ctx, self, sock, sock.fileno(), self._layers.make())
        channel = Channel(Decoder(limits.max_packet_size, reactor.topics), limits, connection, now)
        connection.channel = channel
        if self._allowance is not None:
            own = Allowance(options.inbound.client_messages, options.inbound.client_bytes, now)
            connection.meter = Meter(own, self._allowance)
        self._enter_handshake_timer(connection, channel)
        reactor.add(connection)

    def _refuse_for_descriptors(self, reactor: "Reactor", sock: socket.socket, now: float) -> None:
        """The node needs those that are left: to write its journal, to hear from other nodes, to answer its API."""
        reactor.counters.connections_refused_limit += 1
        sock.close()
        if now >= self._descriptors_told_at + TELL_AGAIN_AFTER_S:
            self._descriptors_told_at = now
            log.warning("no descriptors left for connections", listener=self.name, limit=self._descriptors)

    def _displace(self, reactor: "Reactor") -> None:
        """Make room by closing the connection that has waited longest without a CONNECT.

        Else whoever opens as many connections as there may be handshakes, and says nothing, keeps everybody out.
        """
        now = reactor.broker.ctx.now
        for connection, timer in islice(self._handshake_timers.items(), DISPLACED_AMONG):
            channel = connection.channel
            if now - timer.began < DISPLACED_AFTER_S:
                return
            if channel is not None and channel.state == AWAIT_CONNECT:
                reactor.counters.handshakes_displaced += 1
                connection_lost(reactor.broker, channel, "displaced by a newer connection")
                connection.abort()
                return

    def _enter_handshake_timer(self, connection: Connection, channel: Channel) -> None:
        reactor = self._reactor
        if reactor is None:
            return
        broker = reactor.broker
        options = self.options
        wait = self.limits.handshake_timeout_s
        if options.proxy_protocol:
            wait = min(wait, options.proxy_header_s)
            timer: HandshakeTimeout = ProxiedHandshake(broker, channel, connection)
        else:
            timer = HandshakeTimeout(broker, channel)
        self._handshake_timers[connection] = timer
        broker.timers.enter(timer, broker.ctx.now + wait)

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
            timers = self._reactor.broker.timers
            for timer in (self._close_timers.pop(connection, None), self._read_timers.pop(connection, None)):
                if timer is not None:
                    timers.cancel(timer)

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

    def hold_back(self, connection: Connection) -> None:
        """A connection isn't read until its own debt, or the listener's, is paid."""
        reactor = self._reactor
        meter = connection.meter
        if reactor is None or meter is None or self._read_queue is None:
            return
        now = reactor.broker.ctx.now
        wait = meter.own_wait(now)
        if wait > 0.0:
            reactor.counters.reads_held_client += 1
            timer = ReadAgain(connection, self._read_timers)
            self._read_timers[connection] = timer
            reactor.broker.timers.enter(timer, now + wait)
        else:
            reactor.counters.reads_held_listener += 1
            self._read_queue.wait(connection, now)

    def addresses(self, connection: Connection) -> tuple[str, int, int]:
        """The client's host and port, as a proxy told them if there is one, and the local port.

        The clients of a Unix socket have its path for a host and no port.
        """
        if self.options.path:
            return self.options.path, 0, 0
        source = layer_stack.source(connection.layers)
        if source is not None:
            return source[0], source[1], self.port
        try:
            peer = connection.sock.getpeername()
        except OSError:
            return "", 0, self.port
        return str(peer[0]), int(str(peer[1])), self.port

    def certificate_name(self, connection: Connection) -> str | None:
        """The user name in the client's certificate, see ``LayerStack.user_name``."""
        return self._layers.user_name(connection.layers)

    def report_bug(self, connection: Connection, where: str) -> None:
        """Give up the one connection that an exception came from."""
        if self._reactor is not None:
            self._reactor.broker.report_bug(connection.channel, where)

    def _pause(self, reactor: "Reactor", listening: ListeningSocket, pause_s: float) -> None:
        reactor.forget_listener(listening.sock.fileno())
        reactor.broker.timers.enter(AcceptAgain(self), reactor.broker.ctx.now + pause_s)

    def go_on(self) -> None:
        """Accept again after a pause."""
        if self._listening is not None and self._reactor is not None:
            self._reactor.watch_listener(self._listening.sock.fileno(), self)
