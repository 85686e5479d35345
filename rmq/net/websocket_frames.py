"""WebSocket frames of a client (RFC 6455, 5) become one stream of bytes, passed on as they come.

Hot: many clients send one small packet a frame. Payload never waits for the rest of its frame; what is kept is at most
a header or a control frame.
"""

from collections.abc import Callable
from typing import Final

from rmq.net.layers import BROKEN, ENDED, LayerError

CONTINUATION: Final = 0
TEXT: Final = 1
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10

# Close codes (RFC 6455, 7.4.1).
NORMAL: Final = 1000
PROTOCOL_ERROR: Final = 1002
UNSUPPORTED_DATA: Final = 1003
INVALID_DATA: Final = 1007
MESSAGE_TOO_BIG: Final = 1009

MAX_CONTROL_BYTES: Final = 125
_FIN: Final = 0x80
_RESERVED: Final = 0x70
_OPCODE: Final = 0x0F
_CONTROL: Final = 0x08
_MASKED: Final = 0x80
_MASK_BYTES: Final = 4
# In the place of a length: two, or eight, bytes with the length follow.
_LENGTH_IN_2: Final = 126


def binary_frame(data: bytes) -> bytes:
    """One whole message of a server, not masked."""
    size = len(data)
    if size <= MAX_CONTROL_BYTES:
        return bytes((_FIN | BINARY, size)) + data
    if size < 65_536:
        return bytes((_FIN | BINARY, _LENGTH_IN_2, size >> 8, size & 0xFF)) + data
    return b"\x82\x7f" + size.to_bytes(8, "big") + data


class FrameReader:
    """Reads the frames of one client; ``unmask`` takes a payload and its mask.

    ``ping`` is the payload of the last ping, None when none came since it was last set to that: only the latest has to
    be answered (RFC 6455, 5.5.3). ``close_code`` is, after a ``LayerError``, what the close frame is to say; after one
    of kind ``ENDED`` the client's own close frame had the payload ``close_payload``.
    """

    __slots__ = (
        "_in_message",
        "_mask",
        "_max_frame_bytes",
        "_partial",
        "_remaining",
        "_unmask",
        "close_code",
        "close_payload",
        "ping",
    )

    def __init__(self, max_frame_bytes: int, unmask: Callable[[bytes, bytes], bytes]) -> None:
        self.ping: bytes | None = None
        self.close_code: int = NORMAL
        self.close_payload: bytes = b""
        self._max_frame_bytes = max_frame_bytes
        self._unmask = unmask
        self._partial: bytes = b""  # a header, or a control frame, that isn't complete
        self._remaining: int = 0  # bytes of the current frame that are still to come
        self._mask: bytes = b""  # turned so that it fits the next of them
        self._in_message: bool = False  # whether a message in several frames goes on

    def feed(self, data: bytes) -> bytes:
        """The payload in these bytes; ``LayerError`` at the client's close frame and at whatever isn't allowed."""
        parts: list[bytes] = []
        if self._partial:
            data = self._partial + data
            self._partial = b""
        unmask = self._unmask
        size = len(data)
        pos = self._rest_of_frame(data, parts) if self._remaining else 0
        while size - pos >= 2:
            first = data[pos]
            second = data[pos + 1]
            at = pos + 2
            if second < _MASKED:
                raise self._failure(PROTOCOL_ERROR, "a frame that isn't masked [RFC 6455, 5.1]", parts)
            length = second - _MASKED
            is_long = length > MAX_CONTROL_BYTES
            if is_long:
                begin = at
                at += 2 if length == _LENGTH_IN_2 else 8
                if at > size:
                    break
                length = int.from_bytes(data[begin:at], "big")
            body = at + _MASK_BYTES
            if body > size:
                break
            if first != _FIN | BINARY or self._in_message:
                self._check(first, is_long, parts)
            if length > self._max_frame_bytes and not first & _CONTROL:
                text = f"a frame of {length} bytes, the limit is {self._max_frame_bytes}"
                raise self._failure(MESSAGE_TOO_BIG, text, parts)
            mask = data[at:body]
            end = body + length
            if end <= size:
                payload = unmask(data[body:end], mask)
                if first & _CONTROL:
                    self._control(first & _OPCODE, payload, parts)
                else:
                    parts.append(payload)
                pos = end
                continue
            if first & _CONTROL:
                break
            self._mask = mask
            self._remaining = length
            pos = body + self._rest_of_frame(data[body:], parts)
        if pos < size:
            self._partial = data[pos:]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _rest_of_frame(self, data: bytes, parts: list[bytes]) -> int:
        """Takes the current frame's payload from the beginning of ``data``; how much that was."""
        mask = self._mask
        taken = len(data)
        if taken >= self._remaining:
            taken = self._remaining
        parts.append(self._unmask(data[:taken], mask))
        self._remaining -= taken
        turn = taken % _MASK_BYTES
        if turn:
            self._mask = mask[turn:] + mask[:turn]
        return taken

    def _check(self, first: int, is_long: bool, parts: list[bytes]) -> None:
        """Whether this frame may come now; its header is complete."""
        opcode = first & _OPCODE
        if first & _RESERVED:
            raise self._failure(PROTOCOL_ERROR, "a reserved bit is set, and no extension is in use", parts)
        if opcode > PONG or (opcode > BINARY and not opcode & _CONTROL):
            raise self._failure(PROTOCOL_ERROR, f"opcode {opcode} is unknown", parts)
        if opcode & _CONTROL:
            if is_long or not first & _FIN:
                raise self._failure(PROTOCOL_ERROR, "a control frame that is too long or in pieces", parts)
            return
        if opcode == TEXT:
            raise self._failure(UNSUPPORTED_DATA, "a text frame, MQTT takes binary ones [MQTT-6.0.0-1]", parts)
        if (opcode == CONTINUATION) != self._in_message:
            raise self._failure(PROTOCOL_ERROR, "a message begins within another, or goes on without one", parts)
        self._in_message = not first & _FIN

    def _control(self, opcode: int, payload: bytes, parts: list[bytes]) -> None:
        if opcode == PING:
            self.ping = payload
        elif opcode == CLOSE:
            self.close_payload = payload
            raise LayerError(ENDED, "the client closed the WebSocket connection", b"".join(parts))

    def _failure(self, close_code: int, text: str, parts: list[bytes]) -> LayerError:
        self.close_code = close_code
        return LayerError(BROKEN, f"WebSocket: {text}", b"".join(parts))
