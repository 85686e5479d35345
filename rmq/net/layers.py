"""Byte layers between a socket and the protocol: bytes in, bytes out, no I/O."""

from abc import ABC, abstractmethod


class ByteLayer(ABC):
    """One layer of one connection, such as TLS or WebSocket. Plain TCP has none."""

    @abstractmethod
    def receive(self, data: bytes) -> bytes:
        """Bytes from the socket's side; returns those for the protocol's side. Raises ``LayerError``."""

    @abstractmethod
    def send(self, data: bytes) -> bytes:
        """Bytes from the protocol's side; returns those for the socket's side."""

    @abstractmethod
    def take_pending(self) -> bytes:
        """Bytes that the layer itself has to send, such as a handshake's."""


class LayerError(Exception):
    """The peer broke the layer's protocol; the connection is closed."""
