"""The API's sockets: bound here, served with HTTP by hypercorn in the node's trio loop, ended in good order."""

import logging
import resource
import socket
import ssl
import sys
from typing import Any, Final

import structlog
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from rmq.management.turns import Turns
from rmq_http_api.app import Application
from rmq_http_api.streams import TimedStream, is_protocol_error

log = structlog.get_logger("rmq.http")

BACKLOG: Final = 128
# How long a connection may be open without a whole request head, and between two requests.
IDLE_TIMEOUT_S: Final = 30.0
TLS_HANDSHAKE_TIMEOUT_S: Final = 10.0
MAX_HEADERS: Final = 16 * 1024
# How long requests may go on when the server ends.
GRACE_S: Final = 3.0
# Accepting pauses so long when the process has no more file descriptors.
PAUSE_S: Final = 0.2
# So many descriptors, or of a small limit this share, are left when clients and the API have taken all they may have.
RESERVED: Final = 16
RESERVED_SHARE: Final = 0.0625


def api_descriptors(limit: int) -> int:
    """Descriptors from this number on aren't for the API; ``limit`` is the process's (RLIMIT_NOFILE)."""
    if limit == resource.RLIM_INFINITY:
        return sys.maxsize
    return limit - min(RESERVED, int(limit * RESERVED_SHARE))


class ServerError(Exception):
    """The server can't be opened; the text is one line for the operator."""


class Server:
    """One listener with its application. ``address`` has the real port once ``open`` was called.

    ``turns`` are those of all work that waits for MQTT.
    """

    def __init__(
        self,
        app: Application,
        host: str,
        port: int,
        *,
        max_connections: int,
        turns: Turns,
        tls: ssl.SSLContext | None = None,
        reuse_address: bool = True,
        reuse_port: bool = False,
    ) -> None:
        self.app = app
        self.address = (host, port)
        self._tls = tls
        self._reuse_address = reuse_address
        self._reuse_port = reuse_port
        self._room = trio.CapacityLimiter(max_connections)
        self._turns = turns
        self._context = WorkerContext(None)
        self._config = _hypercorn_config()
        self._socket: socket.socket | None = None
        self._accepting = trio.CancelScope()
        self._ended = trio.Event()
        self._running = False
        self._streams: set[trio.SocketStream] = set()
        self._descriptors = api_descriptors(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        self._refused = 0

    @property
    def connections(self) -> int:
        """How many there are."""
        return len(self._streams)

    def open(self) -> None:
        """Take the address; ``ServerError``."""
        host, port = self.address
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            sock = socket.socket(family, kind, protocol)
        except OSError as error:
            raise ServerError(f"{_shown(host, port)}: {error.strerror}") from None
        try:
            if self._reuse_address:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if self._reuse_port:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.setblocking(False)
            sock.bind(address)
            sock.listen(BACKLOG)
        except OSError as error:
            sock.close()
            raise ServerError(f"{_shown(host, port)}: {error.strerror}") from None
        self._socket = sock
        self.address = (host, sock.getsockname()[1])

    def change(self, tls: ssl.SSLContext | None, max_connections: int) -> None:
        """Have connections from now on be made so."""
        self._tls = tls
        self._room.total_tokens = max_connections

    async def run(self) -> None:
        """Serve until ``stop``; must be open."""
        assert self._socket is not None, "not open"
        self._running = True
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(self._socket))
        try:
            async with trio.open_nursery() as outer:
                async with trio.open_nursery() as nursery:
                    with self._accepting:
                        await self._accept(listener, nursery)
                    await listener.aclose()
                    await self._context.terminated.set()  # idle connections end, the others after their answers
                    outer.start_soon(self._cut_after_grace, nursery)
                outer.cancel_scope.cancel()
        finally:
            self._socket.close()
            self._ended.set()

    async def stop(self) -> None:
        """Take no more connections, let requests come to their ends, and close the rest."""
        self._accepting.cancel()
        if self._running:
            await self._ended.wait()
        else:
            self.close()

    def close(self) -> None:
        """Give the address back, if nobody serves it."""
        if self._socket is not None and not self._running:
            self._socket.close()

    async def _accept(self, listener: trio.SocketListener, nursery: trio.Nursery) -> None:
        while True:
            await self._room.acquire_on_behalf_of(place := object())
            try:
                stream = await listener.accept()
            except OSError as error:
                self._room.release_on_behalf_of(place)
                log.warning("HTTP API can't accept a connection", error=str(error))
                await trio.sleep(PAUSE_S)
                continue
            except BaseException:
                self._room.release_on_behalf_of(place)
                raise
            if stream.socket.fileno() >= self._descriptors:
                # The last ones are for what the node writes and hears of other nodes.
                self._room.release_on_behalf_of(place)
                await trio.aclose_forcefully(stream)
                self._refused += 1
                if self._refused == 1:
                    log.warning("no descriptors left for the HTTP API", limit=self._descriptors)
                continue
            self._refused = 0
            nursery.start_soon(self._serve, stream, place)

    async def _cut_after_grace(self, nursery: trio.Nursery) -> None:
        await trio.sleep(GRACE_S)
        nursery.cancel_scope.cancel()
        for stream in list(self._streams):  # hypercorn shields what it sends
            await trio.aclose_forcefully(stream)

    async def _serve(self, stream: trio.SocketStream, place: object) -> None:
        self._streams.add(stream)
        timed = TimedStream(stream, self._turns)
        whole: Any = timed
        if self._tls is not None:
            whole = trio.SSLStream(timed, self._tls, server_side=True, https_compatible=True)
        try:
            # hypercorn says SSLStream for everything that isn't TLS too.
            app: Any = self.app  # starlette and hypercorn have types of their own for the same ASGI
            await _Connection(ASGIWrapper(app), self._config, self._context, ConnectionState({}), whole)
        except Exception as error:
            if not is_protocol_error(error):
                log.exception("bug while a connection of the HTTP API was served")
        finally:
            self._streams.discard(stream)
            self._room.release_on_behalf_of(place)
            await trio.aclose_forcefully(stream)


class _Connection(TCPServer):
    """One connection. When the peer has gone it ends at once: hypercorn would sit out the idle time-out first."""

    async def _read_data(self) -> None:
        await super()._read_data()
        await self.idle_task.stop()


def _hypercorn_config() -> Config:
    config = Config()
    config.errorlog = logging.getLogger("rmq.http.hypercorn")
    config.accesslog = None
    config.include_server_header = False
    config.keep_alive_timeout = IDLE_TIMEOUT_S
    config.ssl_handshake_timeout = TLS_HANDSHAKE_TIMEOUT_S
    config.h11_max_incomplete_size = MAX_HEADERS
    config.h2_max_header_list_size = MAX_HEADERS
    config.h2_max_concurrent_streams = 8
    return config


def tls_context(cert: str, key: str) -> ssl.SSLContext:
    """What TLS needs; ``ServerError`` for files that can't be read or don't fit."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(cert, key)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ServerError(f"tls: {cert}, {key}: {reason}") from None
    return context


def _shown(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
