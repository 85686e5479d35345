"""Byte layers between a socket and the protocol: bytes in, bytes out, no I/O."""

from mypy_extensions import mypyc_attr


class LayerError(Exception):
    """The peer broke the layer's protocol; the connection is closed."""


@mypyc_attr(allow_interpreted_subclasses=True)
class ByteLayer:
    """One layer of one connection, such as TLS or WebSocket; plain TCP has none. This base changes nothing."""

    def receive(self, data: bytes) -> bytes:
        """Bytes from the socket's side; returns those for the protocol's side. Raises ``LayerError``."""
        return data

    def send(self, data: bytes) -> bytes:
        """Bytes from the protocol's side; returns those for the socket's side."""
        return data

    def take_pending(self) -> bytes:
        """Bytes that the layer itself has to send now, such as a handshake's."""
        return b""
