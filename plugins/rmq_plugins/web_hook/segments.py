"""Records in one file: length, checksum, time and content, one behind the other. Everything here blocks."""

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

_HEAD: Final = struct.Struct(">IId")  # length of the content, CRC-32 of time and content, seconds since 1970
_SUFFIX: Final = ".events"
MAX_RECORD: Final = 300 * 1024 * 1024  # a payload may have 256 MB; what claims to be longer is no record


class Record:
    """One event: its number in the queue, when it happened (seconds since 1970), its content, and where it ends."""

    __slots__ = ("at", "content", "end", "number")

    def __init__(self, number: int, at: float, content: bytes, end: int) -> None:
        self.number = number
        self.at = at
        self.content = content
        self.end = end


def packed(at: float, content: bytes) -> bytes:
    """A record as it is written."""
    checked = zlib.crc32(content, zlib.crc32(struct.pack(">d", at)))
    return _HEAD.pack(len(content), checked, at) + content


def packed_size(content: bytes) -> int:
    """How long that is."""
    return _HEAD.size + len(content)


def path_of(folder: Path, first: int) -> Path:
    """The file whose first record has this number."""
    return folder / f"{first:020d}{_SUFFIX}"


def firsts(folder: Path) -> list[int]:
    """The numbers of the first records of all files, in order."""
    return sorted(int(path.stem) for path in folder.glob(f"*{_SUFFIX}") if path.stem.isdecimal())


def records(path: Path, number: int, offset: int) -> Iterator[Record]:
    """The whole records from an offset on, whose first has this number; ends before what is torn or damaged."""
    with path.open("rb") as file:
        file.seek(offset)
        while (record := _next(file, number, offset)) is not None:
            yield record
            number += 1
            offset = record.end


def _next(file: BinaryIO, number: int, offset: int) -> Record | None:
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    length, checked, at = _HEAD.unpack(head)
    if length > MAX_RECORD:
        return None
    content = file.read(length)
    if len(content) < length or zlib.crc32(content, zlib.crc32(struct.pack(">d", at))) != checked:
        return None
    return Record(number, at, content, offset + _HEAD.size + length)


class SegmentWriter:
    """Appends to one file. A write that fails leaves the file as it was."""

    def __init__(self, path: Path, size: int) -> None:
        self.size = size
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.ftruncate(self._fd, size)

    def append(self, data: bytes) -> None:
        """Write all of it; raises ``OSError``."""
        view = memoryview(data)
        written = 0
        try:
            while written < len(view):
                written += os.pwrite(self._fd, view[written:], self.size + written)
        except OSError:
            os.ftruncate(self._fd, self.size)
            raise
        self.size += written

    def sync(self) -> None:
        """Wait until it is on the disk itself."""
        os.fdatasync(self._fd)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)
