"""A client's WebSocket over a blocking socket, with the interface of a socket: MQTT bytes in and out."""

from __future__ import annotations

import socket

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.typing import Subprotocol
from websockets.uri import parse_uri


class WebSocketSocket:
    """Shakes hands when it is made; raises the library's exception when the server refuses."""

    def __init__(self, sock: socket.socket, path: str, host: str = "localhost") -> None:
        self._sock = sock
        self._received = bytearray()
        self._ended = False
        self._protocol = ClientProtocol(parse_uri(f"ws://{host}{path}"), subprotocols=[Subprotocol("mqtt")])
        self._protocol.send_request(self._protocol.connect())
        self._flush()
        while self._protocol.handshake_exc is None and self._protocol.subprotocol is None:
            self._feed(sock.recv(65_536))
        if self._protocol.handshake_exc is not None:
            raise self._protocol.handshake_exc

    def sendall(self, data: bytes, /) -> None:
        """One binary frame."""
        self._protocol.send_binary(data)
        self._flush()

    def recv(self, size: int, /) -> bytes:
        """Payload of binary frames; empty after a close frame, and at the end of the connection."""
        while not self._received and not self._ended:
            data = self._sock.recv(65_536)
            if not data:
                return b""
            self._feed(data)
        data = bytes(self._received[:size])
        del self._received[:size]
        return data

    def settimeout(self, timeout_s: float | None, /) -> None:
        """As a socket's."""
        self._sock.settimeout(timeout_s)

    def setsockopt(self, level: int, option: int, value: bytes, /) -> None:
        """As a socket's."""
        self._sock.setsockopt(level, option, value)

    def close(self) -> None:
        """Close the connection without a close frame."""
        self._sock.close()

    def _flush(self) -> None:
        self._sock.sendall(b"".join(self._protocol.data_to_send()))

    def _feed(self, data: bytes) -> None:
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                if event.opcode is Opcode.CLOSE:
                    self._ended = True
                else:
                    self._received += event.data
