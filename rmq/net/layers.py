"""Byte layers between a socket and the protocol: bytes in, bytes out, no I/O."""

from typing import Final

from mypy_extensions import mypyc_attr

# What the end of a layer counts as.
ENDED: Final = 0  # in order, by the peer: no error
BROKEN: Final = 1  # an error after the handshake: connections.protocol_errors
TLS_HANDSHAKE: Final = 2  # tls.handshake.errors
WS_HANDSHAKE: Final = 3  # ws.handshake.errors
PROXY_HEADER: Final = 4  # proxy.protocol.errors


class LayerError(Exception):
    """The peer broke the layer's protocol, or ended it: nothing behind it can be read, the connection is closed.

    ``kind`` is one of the constants above. ``before`` are the bytes for the protocol's side that came before the end;
    they are handled as if the end came a read later.
    """

    def __init__(self, kind: int, text: str, before: bytes = b"") -> None:
        super().__init__(text)
        self.kind = kind
        self.before = before


@mypyc_attr(allow_interpreted_subclasses=True)
class ByteLayer:
    """One layer of one connection, such as TLS or WebSocket; plain TCP has none. This base changes nothing.

    ``source`` is the client's host and port where the layer learns them from the peer, as PROXY protocol does.
    """

    __slots__ = ("source",)

    def __init__(self) -> None:
        self.source: tuple[str, int] | None = None

    def receive(self, data: bytes) -> bytes:
        """Bytes from the socket's side; returns those for the protocol's side. Raises ``LayerError``, and is not
        called again afterwards.
        """
        return data

    def send(self, data: bytes) -> bytes:
        """Bytes from the protocol's side; returns those for the socket's side, with pending ones where order matters.

        Nothing comes out of a layer that isn't open: what can't be said in it is not said in the clear.
        """
        return data

    def take_pending(self) -> bytes:
        """Bytes that the layer itself has to send now, such as a handshake's; asked for after each ``receive``."""
        return b""

    def finish(self) -> bytes:
        """The last bytes of the layer: what is pending, and its own farewell. Called once; nothing is sent after it."""
        return b""
