"""Streams over TCP, with TLS or without: the network of a real node."""

import errno
import os
import socket
from collections.abc import Sequence
from typing import Final

import trio

from rmq_cluster.links.addresses import is_address
from rmq_cluster.links.options import TlsFiles
from rmq_cluster.links.tls import client_context, server_context

# Look-ups under way at once. One that is given up goes on in its thread, and with a name server that doesn't answer
# these would otherwise take every thread that other parts of the node may use.
MAX_LOOKUPS: Final = 8


class TcpNetwork:
    """``Network`` over TCP. Raises ``LinkError`` for files that can't be used."""

    def __init__(self, tls: TlsFiles | None) -> None:
        self._server_tls = None if tls is None else server_context(tls)
        self._client_tls = None if tls is None else client_context(tls)
        self._lookups = trio.CapacityLimiter(MAX_LOOKUPS)

    async def resolve(self, host: str) -> list[str]:
        """As ``getaddrinfo`` orders them."""
        if is_address(host):
            return [host]
        found = await trio.to_thread.run_sync(_look_up, host, abandon_on_cancel=True, limiter=self._lookups)
        return list(dict.fromkeys(found))

    async def dial(self, address: str, port: int, host: str) -> trio.abc.Stream:
        """With TLS, after its handshake: raises ``trio.BrokenResourceError`` when that fails."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = trio.socket.socket(family, socket.SOCK_STREAM)
        try:
            await sock.connect((address, port))
        except OSError as error:
            sock.close()
            raise OSError(error.errno, _strerror(error)) from None
        except BaseException:
            sock.close()
            raise
        stream = trio.SocketStream(sock)
        if self._client_tls is None:
            return stream
        tls = trio.SSLStream(stream, self._client_tls, server_hostname=host, https_compatible=True)
        try:
            await tls.do_handshake()
        except BaseException:
            await trio.aclose_forcefully(tls)
            raise
        return tls

    async def listen(self, host: str, port: int) -> Sequence[trio.abc.Listener[trio.abc.Stream]]:
        """One listener for each address of the host."""
        try:
            found = await trio.open_tcp_listeners(port, host=host)
        except OSError as error:
            raise OSError(error.errno, _strerror(error)) from None
        if self._server_tls is None:
            return found
        return [trio.SSLListener(listener, self._server_tls, https_compatible=True) for listener in found]

    def port_of(self, listener: trio.abc.Listener[trio.abc.Stream]) -> int:
        """As the socket knows it."""
        if isinstance(listener, trio.SSLListener):
            listener = listener.transport_listener
        assert isinstance(listener, trio.SocketListener)
        port: int = listener.socket.getsockname()[1]
        return port

    def remote_host(self, stream: trio.abc.Stream) -> str:
        """As the socket knows it; ``unknown`` when the peer has gone already."""
        if isinstance(stream, trio.SSLStream):
            stream = stream.transport_stream
        assert isinstance(stream, trio.SocketStream)
        try:
            host: str = stream.socket.getpeername()[0]
        except OSError:
            return "unknown"
        return host


def _look_up(host: str) -> list[str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise OSError(errno.EINVAL, "no name that a host can have") from None
    return [str(address[0]) for _, _, _, _, address in found]


def _strerror(error: OSError) -> str:
    # trio puts the address into its text, which whoever reports this does anyway.
    if isinstance(error, socket.gaierror) or error.errno is None:
        return error.strerror or str(error)
    return os.strerror(error.errno)
