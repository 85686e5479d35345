"""Frames: 4 bytes length of the body, 1 byte kind, body; out of bytes and into bytes, without I/O."""

from struct import Struct
from typing import Final

HEADER: Final = Struct(">IB")
HEADER_BYTES: Final = 5


class FrameTooLong(Exception):
    """A frame announces a longer body than is allowed."""


class FrameParser:
    """Cuts the bytes of one connection into frames; ``max_body`` is the longest body in bytes.

    Frames of kind 0 keep a connection alive and are passed over.
    """

    __slots__ = ("_have", "_max_body", "_need", "_parts")

    def __init__(self, max_body: int) -> None:
        self._max_body = max_body
        # The beginning of a frame that isn't complete: pieces, their length, and how much is needed to go on.
        self._parts: list[bytes] = []
        self._have = 0
        self._need = 0

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Kind and body of the frames that these bytes complete. Raises ``FrameTooLong`` as soon as one announces it;
        the frames before it are lost then, with the connection.
        """
        frames: list[tuple[int, bytes]] = []
        if self._parts:
            self._parts.append(data)
            self._have += len(data)
            if self._have < self._need:
                return frames  # a long body comes in many pieces: joined once, when all are there
            data = b"".join(self._parts)
            self._parts.clear()
        unpack = HEADER.unpack_from
        max_body = self._max_body
        size = len(data)
        at = 0
        need = HEADER_BYTES
        while at + HEADER_BYTES <= size:
            length, kind = unpack(data, at)
            if length > max_body:
                raise FrameTooLong(f"a frame of {length} bytes, {max_body} are allowed")
            body = at + HEADER_BYTES
            end = body + length
            if end > size:
                need = HEADER_BYTES + length
                break
            if kind:
                frames.append((kind, data[body:end]))
            at = end
        if at < size:
            rest = data[at:] if at else data
            self._parts.append(rest)
            self._have = len(rest)
            self._need = need
        return frames
