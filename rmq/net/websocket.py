"""MQTT over WebSocket (MQTT 5.0, 6; RFC 6455): the server's handshake and its frames, as a byte layer."""

import logging
from typing import Final

from websockets.exceptions import ProtocolError
from websockets.frames import Close, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from rmq.net.layers import ENDED, WS_HANDSHAKE, ByteLayer, LayerError
from rmq.net.websocket_frames import INVALID_DATA, PROTOCOL_ERROR, FrameReader, binary_frame

try:
    from websockets.speedups import apply_mask
except ImportError:  # the library's C extension is optional
    from websockets.utils import apply_mask

# In the order of preference [MQTT-6.0.0-3]; the second is what MQTT 3.1 called it.
SUBPROTOCOLS: Final = (Subprotocol("mqtt"), Subprotocol("mqttv3.1"))
# Request line and all header fields of a handshake together; browsers with their cookies stay below.
MAX_HEAD_BYTES: Final = 16_384
# Larger output goes in several frames, because clients limit what they take too, often to 1 MiB.
MAX_SENT_FRAME_BYTES: Final = 262_144
MAX_REASON_BYTES: Final = 123

_HEAD_END: Final = b"\r\n\r\n"
# The library reports every handshake at INFO, without the client's address.
_UNHEARD: Final = logging.Logger("rmq.net.websocket", logging.CRITICAL)  # noqa: LOG001 -- not in the tree of loggers


class WebSocketLayer(ByteLayer):
    """One connection: first the HTTP handshake, then frames.

    The payloads of the frames are one stream of MQTT bytes; packets keep to no frame's bounds [MQTT-6.0.0-2].

    ``path`` is where MQTT is served, ``max_frame_bytes`` how large the payload of one frame of the client may be.
    ``subprotocol`` is what was agreed on, empty before.

    The handshake is the library's. Frames are read by ``websocket_frames`` instead: small ones cost 0.2 µs each when it
    is compiled, 5 µs in the library.
    """

    __slots__ = ("_close", "_head", "_pending", "_path", "_reader", "subprotocol")

    def __init__(self, path: str, max_frame_bytes: int) -> None:
        super().__init__()
        self.subprotocol = ""
        self._path = path
        self._reader = FrameReader(max_frame_bytes, apply_mask)
        self._head: bytearray | None = bytearray()  # the HTTP request, None when it is over
        self._pending = b""  # the answer to it
        self._close = Frame(Opcode.CLOSE, Close(1000, "").serialize())

    def receive(self, data: bytes) -> bytes:
        """The MQTT bytes in it. ``LayerError`` for a bad handshake or frame, and for the client's close frame."""
        if self._head is not None:
            data = self._receive_head(self._head, data)
            if not data:
                return data
        try:
            return self._reader.feed(data)
        except LayerError as error:
            self._close = self._close_frame(error)
            raise

    def send(self, data: bytes) -> bytes:
        """One binary frame [MQTT-6.0.0-1], or a few."""
        if not self.subprotocol:
            return b""
        if self._pending:
            return self.take_pending() + self.send(data)  # the answer to the handshake comes first
        if len(data) <= MAX_SENT_FRAME_BYTES:
            return binary_frame(data)
        pieces = [data[at : at + MAX_SENT_FRAME_BYTES] for at in range(0, len(data), MAX_SENT_FRAME_BYTES)]
        return b"".join([binary_frame(piece) for piece in pieces])

    def take_pending(self) -> bytes:
        """The answer to the handshake, or to the last ping."""
        pending = self._pending
        self._pending = b""
        ping = self._reader.ping
        if ping is not None:
            self._reader.ping = None
            pending += Frame(Opcode.PONG, ping).serialize(mask=False)
        return pending

    def finish(self) -> bytes:
        """The close frame, or the HTTP error."""
        pending = self.take_pending()
        return pending + self._close.serialize(mask=False) if self.subprotocol else pending

    def _close_frame(self, error: LayerError) -> Frame:
        payload = self._reader.close_payload
        if error.kind == ENDED:
            try:
                Close.parse(payload)
                return Frame(Opcode.CLOSE, payload)
            except ProtocolError:
                close = Close(PROTOCOL_ERROR, "")
            except UnicodeDecodeError:
                close = Close(INVALID_DATA, "")
        else:
            close = Close(self._reader.close_code, str(error)[:MAX_REASON_BYTES])
        return Frame(Opcode.CLOSE, close.serialize())

    def _receive_head(self, head: bytearray, data: bytes) -> bytes:
        """Collects the request and answers it when it is complete; the bytes behind it."""
        searched = max(0, len(head) - len(_HEAD_END) + 1)
        head += data
        if not 0x41 <= head[0] <= 0x5A:  # a method in capital letters
            raise self._refuse(400, "not an HTTP request: MQTT over WebSocket is spoken here")
        end = head.find(_HEAD_END, searched, MAX_HEAD_BYTES)
        if end < 0:
            if len(head) >= MAX_HEAD_BYTES:
                raise self._refuse(431, f"no end of the header fields in {MAX_HEAD_BYTES} bytes")
            return b""
        end += len(_HEAD_END)
        rest = bytes(head[end:])
        self._answer(bytes(head[:end]))
        self._head = None
        return rest

    def _answer(self, head: bytes) -> None:
        protocol = _handshake()
        protocol.receive_data(head)
        events = protocol.events_received()
        request = events[0] if events else None
        if not isinstance(request, Request):
            raise self._refuse(400, str(protocol.handshake_exc or "not a valid HTTP request"))
        if request.path.partition("?")[0] != self._path:
            raise self._refuse(404, "MQTT isn't served at this path")
        response = protocol.accept(request)
        if response.status_code != 101 or protocol.subprotocol is None:
            text = response.body.decode("utf-8", "replace").partition("\n")[0][:MAX_REASON_BYTES]
            raise self._refused(response, text)
        self.subprotocol = str(protocol.subprotocol)
        self._pending = response.serialize()

    def _refuse(self, status: int, text: str) -> LayerError:
        return self._refused(_handshake().reject(status, text + "\n"), text)

    def _refused(self, response: Response, text: str) -> LayerError:
        self._pending = response.serialize()
        self._head = None
        return LayerError(WS_HANDSHAKE, f"WebSocket handshake refused with {response.status_code}: {text}")


def _handshake() -> ServerProtocol:
    return ServerProtocol(subprotocols=SUBPROTOCOLS, logger=_UNHEARD)
