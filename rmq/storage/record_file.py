"""Files of records: a file header, then records that each carry their length and a checksum.

A record is 4 bytes of mark, 4 of length, 4 of CRC-32 over length and content, then the content. The mark lets a reader
find out whether anything readable comes behind a damaged record: if so the file is corrupt in the middle, if not only
its tail is torn, as it is when a process or a machine dies while it writes. In a journal the mark is a random one that
stands in the file header: nobody can put the likeness of a record into a message.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

MARK: Final = b"\xa7RMQ"
RECORD_HEADER: Final = struct.Struct(">4sII")
FILE_HEADER: Final = struct.Struct(">8sHH4s")
FORMAT: Final = 1
# No record is longer: a length beyond it is damage.
MAX_RECORD: Final = 1 << 30


class CorruptFile(Exception):
    """A file can't be read on from an offset, though something readable comes later or should."""

    def __init__(self, path: Path, offset: int, reason: str) -> None:
        super().__init__(f"{path}: corrupt at byte {offset}: {reason}")
        self.path = path
        self.offset = offset
        self.reason = reason


def file_header(magic: bytes, mark: bytes = MARK) -> bytes:
    """The first bytes of a file of this kind; ``magic`` is 8 bytes, ``mark`` begins each of its records."""
    return FILE_HEADER.pack(magic, FORMAT, _mark_check(mark), mark)


def _mark_check(mark: bytes) -> int:
    # With a damaged mark no record would be found, and the whole file would pass for a torn tail.
    return zlib.crc32(mark) & 0xFFFF


def mark_of(header: bytes) -> bytes:
    """What begins each record of a file with this header."""
    mark: bytes = FILE_HEADER.unpack(header)[3]
    return mark


def record(content: bytes, mark: bytes = MARK) -> bytes:
    """A record with this content. Raises ``ValueError`` when it is over ``MAX_RECORD``."""
    size = len(content)
    if size > MAX_RECORD:
        raise ValueError(f"{size} bytes are too many for one record")
    crc = zlib.crc32(content, zlib.crc32(struct.pack(">I", size)))
    return RECORD_HEADER.pack(mark, size, crc) + content


def read_file(path: Path, size: int) -> bytes:
    """The first ``size`` bytes of a file, -1: all of it. Raises ``OSError``."""
    with path.open("rb") as file:
        return file.read(size)


class RecordReader:
    """Reads a whole file of records into memory and hands out their contents.

    After the iteration ``end`` is the offset behind the last good record; ``torn`` how many bytes follow that are no
    record. Raises ``CorruptFile`` for damage with a good record behind it, and for a wrong file header. ``data`` are
    the bytes of the file, where somebody has read them already.
    """

    def __init__(self, path: Path, magic: bytes, size: int = -1, data: bytes | None = None) -> None:
        self.path = path
        self._data = read_file(path, size) if data is None else data
        self.end = 0
        self.torn = 0
        self._magic = magic
        self._mark = MARK

    def __iter__(self) -> Iterator[tuple[int, memoryview]]:
        """Offset and content of each record."""
        data = self._data
        if len(data) < FILE_HEADER.size:
            self.torn = len(data)  # died while it was being created
            return
        magic, version, check, self._mark = FILE_HEADER.unpack_from(data)
        if magic != self._magic:
            raise CorruptFile(self.path, 0, f"doesn't begin with {self._magic!r}")
        if version != FORMAT:
            raise CorruptFile(self.path, 8, f"format {version} isn't known, only {FORMAT}")
        if check != _mark_check(self._mark):
            raise CorruptFile(self.path, 10, "the mark of its records is damaged")
        offset = FILE_HEADER.size
        self.end = offset
        view = memoryview(data)
        while offset < len(data):
            reason = self._damage(offset)
            if reason is not None:
                self._judge(offset, reason)
                return
            size = RECORD_HEADER.unpack_from(data, offset)[1]
            start = offset + RECORD_HEADER.size
            yield offset, view[start : start + size]
            offset = start + size
            self.end = offset

    def _damage(self, offset: int) -> str | None:
        data = self._data
        if offset + RECORD_HEADER.size > len(data):
            return "the record is cut off"
        mark, size, crc = RECORD_HEADER.unpack_from(data, offset)
        if mark != self._mark:
            return "no record begins here"
        start = offset + RECORD_HEADER.size
        if size > MAX_RECORD or start + size > len(data):
            return "the record is cut off"
        if zlib.crc32(memoryview(data)[start : start + size], zlib.crc32(struct.pack(">I", size))) != crc:
            return "the checksum is wrong"
        return None

    def _judge(self, offset: int, reason: str) -> None:
        position = offset
        while (position := self._data.find(self._mark, position + 1)) >= 0:
            if self._damage(position) is None:
                raise CorruptFile(self.path, offset, reason)
        self.torn = len(self._data) - offset


def sync_directory(folder: Path) -> None:
    """Make the names in a folder survive a loss of power."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
