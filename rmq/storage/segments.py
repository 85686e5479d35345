"""Segments: files of messages that outlive a journal file, or that are too many for the memory.

A message is written to a segment once, when a snapshot or a budget first wants it there, and is found again by its
*location*: segment number and offset. Placing a message only gives it its location and its place in a buffer; the bytes
are written later, by a disk thread. Which messages of a segment are still wanted a snapshot finds out: it meets all.
"""

import os
import secrets
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rmq.mqtt.message import Message
from rmq.storage.message_codec import decode_message, encode_message
from rmq.storage.packing import pack, unpack
from rmq.storage.record_file import FILE_HEADER, MAX_RECORD, RECORD_HEADER, RecordReader, file_header, record

MAGIC: Final = b"RMQ-SEGM"
OFFSET_BITS: Final = 40
OFFSET_MASK: Final = (1 << OFFSET_BITS) - 1
SEGMENT_BYTES: Final = 64 * 1024 * 1024


def segment_path(folder: Path, number: int) -> Path:
    """The file with this number."""
    return folder / f"messages-{number:010d}.seg"


def segment_numbers(folder: Path) -> list[int]:
    """The numbers of the segments that are there, in order."""
    return sorted(int(path.stem.removeprefix("messages-")) for path in folder.glob("messages-*.seg"))


def segment_of(location: int) -> int:
    """The number of the segment that a location is in."""
    return location >> OFFSET_BITS


class Chunk:
    """Bytes that belong at one place of one segment; ``is_written`` is for whoever writes them to say."""

    def __init__(self, segment: int, offset: int, data: bytes) -> None:
        self.segment = segment
        self.offset = offset
        self.data = data
        self.is_written = False

    def has(self, location: int) -> bool:
        """Whether what is at a location is among them."""
        begin = self.segment << OFFSET_BITS | self.offset
        return begin <= location < begin + len(self.data)


class Segments:
    """Places messages, and knows how much of each segment is wanted.

    ``sizes`` are the bytes of each segment, ``wanted`` those that the last snapshot met.
    """

    def __init__(self, folder: Path, first: int) -> None:
        self._folder = folder
        self.current = first
        self._end = 0
        self._mark = b""
        self._buffer: list[bytes] = []
        self._buffer_at = 0
        self.sizes: dict[int, int] = {}
        self.wanted: dict[int, int] = {}
        self._full: list[Chunk] = []

    @property
    def size(self) -> int:
        """The bytes of all segments."""
        return sum(self.sizes.values())

    @property
    def untaken_bytes(self) -> int:
        """What was placed, and ``take`` hasn't given to anybody."""
        buffered = self._end - self._buffer_at if self._buffer else 0
        return sum(len(chunk.data) for chunk in self._full) + buffered

    def place(self, message: Message) -> int:
        """Give a message a location. Its payload must be in memory."""
        content = pack(encode_message(message))
        if self._end >= SEGMENT_BYTES:
            self.roll()
        if self._end == 0:
            self._mark = secrets.token_bytes(4)
            header = file_header(MAGIC, self._mark)
            self._buffer = [header]
            self._buffer_at = 0
            self._end = len(header)
        data = record(content, self._mark)
        location = self.current << OFFSET_BITS | self._end
        self._buffer.append(data)
        self._end += len(data)
        self.sizes[self.current] = self._end
        message.location = location
        return location

    def roll(self) -> None:
        """Go on in a new segment."""
        self._full += self._take_buffer()
        self.current += 1
        self._end = 0

    def _take_buffer(self) -> list[Chunk]:
        if not self._buffer:
            return []
        chunk = Chunk(self.current, self._buffer_at, b"".join(self._buffer))
        self._buffer = []
        self._buffer_at = self._end
        return [chunk]

    def take(self) -> list[Chunk]:
        """What was placed and isn't written yet; whoever takes it writes it, again and again until that works."""
        chunks = self._full + self._take_buffer()
        self._full = []
        return chunks

    def forget(self, number: int) -> None:
        """A segment is removed."""
        self.sizes.pop(number, None)
        self.wanted.pop(number, None)

    def sparse(self) -> set[int]:
        """Segments of which less than half was wanted by the last snapshot: the next one copies what is left."""
        return {number for number in self.sizes if number != self.current and self._is_sparse(number)}

    def leave_sparse(self) -> None:
        """Go on in a new segment if the current one is sparse, so that it can be removed some day."""
        if self._is_sparse(self.current):
            self.roll()

    def _is_sparse(self, number: int) -> bool:
        size = self.sizes.get(number, 0)
        return 2 * self.wanted.get(number, size) < size


def write_chunks(folder: Path, chunks: list[Chunk]) -> None:
    """Write the chunks that aren't written yet at their places. Raises ``OSError``; it may be tried again."""
    for chunk in chunks:
        if chunk.is_written:
            continue
        fd = os.open(segment_path(folder, chunk.segment), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            data = memoryview(chunk.data)
            offset = chunk.offset
            while data:
                count = os.pwrite(fd, data, offset)
                offset += count
                data = data[count:]
        finally:
            os.close(fd)
        chunk.is_written = True


def sync_segments(folder: Path, numbers: list[int]) -> None:
    """Have these segments survive a loss of power. Raises ``OSError``."""
    for number in numbers:
        path = segment_path(folder, number)
        if path.exists():
            fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.fdatasync(fd)
            finally:
                os.close(fd)


def read_payload(folder: Path, location: int) -> bytes:
    """The payload of the message at a location. Raises ``OSError``, also when there is damage."""
    path = segment_path(folder, segment_of(location))
    offset = location & OFFSET_MASK
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        header = os.pread(fd, RECORD_HEADER.size, offset)
        if len(header) == RECORD_HEADER.size:
            _, size, crc = RECORD_HEADER.unpack(header)
            content = os.pread(fd, min(size, MAX_RECORD), offset + RECORD_HEADER.size)
            if len(content) == size and zlib.crc32(content, zlib.crc32(struct.pack(">I", size))) == crc:
                return decode_message(unpack(content)).payload
    finally:
        os.close(fd)
    raise OSError(5, f"damaged at byte {offset}", str(path))


class SegmentReader:
    """All messages of a segment with their locations; ``data`` are its bytes. Afterwards ``size`` is how many count.

    Raises ``CorruptFile``.
    """

    def __init__(self, folder: Path, number: int, data: bytes) -> None:
        self._reader = RecordReader(segment_path(folder, number), MAGIC, data=data)
        self._number = number
        self.size = 0

    def __iter__(self) -> Iterator[Message]:
        for offset, content in self._reader:
            message = decode_message(unpack(content))
            message.location = self._number << OFFSET_BITS | offset
            yield message
        self.size = max(self._reader.end, FILE_HEADER.size)
