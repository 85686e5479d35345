"""Records behind one another in a file, or in memory. What is written together is a frame: length, checksum, records.

Everything that touches the file blocks and belongs into a thread.
"""

import os
import struct
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Final

from rmq_plugins.message_storage.topics import TopicNode

_FRAME: Final = struct.Struct(">II")
FRAME_SIZE: Final = _FRAME.size
SUFFIX: Final = ".messages"
# Records so near to each other are read in one piece.
_NEAR: Final = 4096
_MOST_AT_ONCE: Final = 1024 * 1024


class Place:
    """Where one record is: offset and length."""

    __slots__ = ("length", "offset")

    def __init__(self, offset: int, length: int) -> None:
        self.offset = offset
        self.length = length


class Segment:
    """Some messages: ``ids`` in order, with their places; ``nodes`` are their topics.

    ``keep_until`` is when the last of them is over; ``begun_at`` when it was begun; ``size`` in bytes. All times are
    seconds since 1970. ``path`` None: it is in memory.
    """

    def __init__(self, path: Path | None, begun_at: float) -> None:
        self.path = path
        self.begun_at = begun_at
        self.size = 0
        self.keep_until = 0.0
        self.ids = array("Q")
        self.nodes: set[TopicNode] = set()
        self._offsets = array("Q")
        self._lengths = array("I")
        self._data = bytearray()
        self._fd = -1

    def note(self, start: int, ids: Sequence[int], lengths: Sequence[int], nodes: set[TopicNode], until: float) -> None:
        """Records of these lengths are there, from an offset on; the last of them is kept ``until`` then."""
        self.ids.extend(ids)
        self._lengths.extend(lengths)
        self._offsets.extend(accumulate(lengths[:-1], initial=start))
        self.nodes |= nodes
        self.keep_until = max(self.keep_until, until)

    def place(self, id_: int) -> Place | None:
        """Where a message is."""
        index = bisect_left(self.ids, id_)
        if index == len(self.ids) or self.ids[index] != id_:
            return None
        return Place(self._offsets[index], self._lengths[index])

    def append(self, records: bytes) -> None:
        """Write a frame; all of it, or with an ``OSError`` nothing."""
        frame = _FRAME.pack(len(records), zlib.crc32(records)) + records
        if self.path is None:
            self._data += frame
        else:
            self._write(frame)
        self.size += len(frame)

    def _write(self, frame: bytes) -> None:
        if self.path is None:
            raise RuntimeError("this segment is in memory")
        if self._fd < 0:
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.ftruncate(self._fd, self.size)
        view = memoryview(frame)
        written = 0
        try:
            while written < len(view):
                written += os.pwrite(self._fd, view[written:], self.size + written)
        except OSError:
            os.ftruncate(self._fd, self.size)
            raise

    def read(self, places: Sequence[Place]) -> list[bytes]:
        """The records at these places, which are in order; raises ``OSError``."""
        if self.path is None:
            return [bytes(self._data[place.offset : place.offset + place.length]) for place in places]
        fd = self._fd if self._fd >= 0 else os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            found: list[bytes] = []
            for start, end, some in _together(places):
                data = os.pread(fd, end - start, start)
                if len(data) < end - start:
                    raise OSError(f"{self.path} ends too early")
                found += [data[place.offset - start : place.offset - start + place.length] for place in some]
            return found
        finally:
            if fd != self._fd:
                os.close(fd)

    def close(self) -> None:
        """Nothing more is written."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def remove(self) -> None:
        """Take it away."""
        self.close()
        self._data = bytearray()
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def _together(places: Sequence[Place]) -> Iterator[tuple[int, int, list[Place]]]:
    """Places that are read in one piece: from where to where, and which."""
    some: list[Place] = []
    for place in places:
        if some:
            start, end = some[0].offset, some[-1].offset + some[-1].length
            if place.offset - end > _NEAR or place.offset + place.length - start > _MOST_AT_ONCE:
                yield start, end, some
                some = []
        some.append(place)
    if some:
        yield some[0].offset, some[-1].offset + some[-1].length, some


def frames(path: Path) -> Iterator[tuple[int, bytes]]:
    """The offset and the records of each whole frame of a file; ends before what is torn or damaged."""
    with path.open("rb") as file:
        offset = 0
        while True:
            head = file.read(FRAME_SIZE)
            if len(head) < FRAME_SIZE:
                return
            length, checksum = _FRAME.unpack(head)
            records = file.read(length)
            if len(records) < length or zlib.crc32(records) != checksum:
                return
            yield offset + FRAME_SIZE, records
            offset += FRAME_SIZE + length


def path_of(folder: Path, first: int) -> Path:
    """The file whose first record has this id."""
    return folder / f"{first:020d}{SUFFIX}"


def paths(folder: Path) -> list[Path]:
    """All files, the oldest first."""
    return sorted(path for path in folder.glob(f"*{SUFFIX}") if path.stem.isdecimal())
