"""The client's side of all byte layers, without a socket: a PROXY protocol header, TLS, WebSocket, or any of them."""

from __future__ import annotations

import ssl

from websockets.client import ClientProtocol
from websockets.frames import Close, Frame, Opcode
from websockets.http11 import Response
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from tests.support.tls_client import TlsClient


class ClientEnd:
    """``received`` are the MQTT bytes that came. The methods return bytes to be sent."""

    def __init__(self, header: bytes = b"", context: ssl.SSLContext | None = None, path: str = "") -> None:
        self._header = header
        self.tls = None if context is None else TlsClient(context)
        self.websocket: ClientProtocol | None = None
        if path:
            uri = parse_uri(f"ws://localhost{path}")
            self.websocket = ClientProtocol(uri, subprotocols=[Subprotocol("mqtt")], max_size=None)
        self.received = bytearray()
        self.frames: list[Frame] = []
        self.response: Response | None = None

    @property
    def close_frame(self) -> Close | None:
        """What the server's close frame said."""
        return None if self.websocket is None else self.websocket.close_rcvd

    def start(self) -> bytes:
        """What the client says first."""
        return self._header + (self._request() if self.tls is None else self.tls.start())

    def feed(self, data: bytes) -> bytes:
        """Bytes from the server, and what the layers answer to them."""
        answer = b""
        if self.tls is not None:
            was_open = self.tls.open
            answer = self.tls.feed(data)
            data = bytes(self.tls.received)
            self.tls.received.clear()
            if self.tls.open and not was_open:
                answer += self.tls.encrypt(self._request())
        if self.websocket is None:
            self.received += data
            return answer
        if data:
            self.websocket.receive_data(data)
        for event in self.websocket.events_received():
            if isinstance(event, Response):
                self.response = event
            elif isinstance(event, Frame):
                self.frames.append(event)
                if event.opcode is Opcode.BINARY:
                    self.received += event.data
        return answer + self._encrypt(self._written())

    def pack(self, data: bytes) -> bytes:
        """MQTT bytes, in one frame if there are frames."""
        if self.websocket is not None:
            self.websocket.send_binary(data)
            data = self._written()
        return self._encrypt(data)

    def frame(self, opcode: Opcode, data: bytes) -> bytes:
        """Any other frame."""
        return self._encrypt(Frame(opcode, data).serialize(mask=True))

    def close(self) -> bytes:
        """The client ends its layers in order, the inner one first."""
        data = b""
        if self.websocket is not None:
            self.websocket.send_close(1000)
            data = self._encrypt(self._written())
        return data if self.tls is None else data + self.tls.close()

    def _request(self) -> bytes:
        if self.websocket is None:
            return b""
        self.websocket.send_request(self.websocket.connect())
        return self._written()

    def _written(self) -> bytes:
        return b"" if self.websocket is None else b"".join(self.websocket.data_to_send())

    def _encrypt(self, data: bytes) -> bytes:
        return self.tls.encrypt(data) if self.tls is not None and data else data
