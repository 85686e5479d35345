"""The queue of one URL on disk: appended at its end, read and acknowledged at its beginning. Everything here blocks.

A folder holds segments (files of records, named by the number of their first one), ``position`` (what is acknowledged)
and ``lock``. What a crash tore off at the end of the last segment is cut off. Where ``position`` is older than what was
sent, events are read once more: at least once, and never one before an earlier one.
"""

import fcntl
import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rmq_plugins.web_hook.segments import Record, SegmentWriter, firsts, packed, path_of, records

SEGMENT_SIZE: Final = 16 * 1024 * 1024
_POSITION: Final = struct.Struct(">QQQ")  # first record of the segment, offset in it, number of the next record


class QueueInUseError(OSError):
    """Somebody else has the queue open."""


class DiskQueue:
    """``length`` records of ``size`` bytes wait, acknowledged ones of the first segment included in neither.

    ``damaged`` counts records that couldn't be read back. All calls raise ``OSError``.
    """

    def __init__(self, folder: Path, sync: bool = False, segment_size: int = SEGMENT_SIZE) -> None:
        self.sync = sync
        self.damaged = 0
        self._folder = folder
        self._segment_size = segment_size
        self._segments: list[int] = []
        self._sizes: dict[int, int] = {}
        self._next = 0  # the number of the record that comes next
        self._read_number = 0
        self._read_offset = 0
        self._ends: list[tuple[int, int, int]] = []  # after each record read and not acknowledged
        self._writer: SegmentWriter | None = None
        self._position_fd = -1
        self._lock_fd = -1

    @property
    def length(self) -> int:
        """How many records wait."""
        return self._next - self._read_number

    @property
    def size(self) -> int:
        """How many bytes they have."""
        return sum(self._sizes.values()) - self._read_offset

    def open(self) -> None:
        """Find what is there. Raises ``QueueInUseError`` while another one has it open."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock_fd = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise QueueInUseError(f"{self._folder} is in use") from None
        self._position_fd = os.open(self._folder / "position", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        segment, offset, number = self._position()
        self._segments = firsts(self._folder)
        self._sizes = {first: path_of(self._folder, first).stat().st_size for first in self._segments}
        self._next = number
        if self._segments:
            self._find_end()
        if self._next < number:  # what was sent already has been torn off
            self._start_anew(number)
        elif segment in self._sizes:
            self._read_number, self._read_offset = number, min(offset, self._sizes[segment])
            self._remove_before(segment)
        elif self._segments:
            self._read_number, self._read_offset = self._segments[0], 0
        else:
            self._read_number = number

    def _position(self) -> tuple[int, int, int]:
        raw = os.pread(self._position_fd, _POSITION.size + 4, 0)
        body = raw[: _POSITION.size]
        if len(raw) != _POSITION.size + 4 or zlib.crc32(body) != int.from_bytes(raw[_POSITION.size :], "big"):
            return -1, 0, 0
        segment, offset, number = _POSITION.unpack(body)
        return segment, offset, number

    def _find_end(self) -> None:
        last = self._segments[-1]
        end, self._next = 0, last
        for record in records(path_of(self._folder, last), last, 0):
            end, self._next = record.end, record.number + 1
        self._writer = SegmentWriter(path_of(self._folder, last), end)
        self._sizes[last] = end

    def _start_anew(self, number: int) -> None:
        self._close_writer()
        for first in self._segments:
            path_of(self._folder, first).unlink(missing_ok=True)
        self._segments, self._sizes = [], {}
        self._next = self._read_number = number
        self._read_offset = 0

    def append(self, events: Sequence[tuple[float, bytes]]) -> None:
        """Write events behind all others; all of them or, with an ``OSError``, none."""
        if not events:
            return
        if self._writer is None or self._writer.size >= self._segment_size:
            self._close_writer()
            self._writer = SegmentWriter(path_of(self._folder, self._next), 0)
            self._segments.append(self._next)
            self._sizes[self._next] = 0
            if self.sync:
                self._sync_folder()
        self._writer.append(b"".join(packed(at, content) for at, content in events))
        self._sizes[self._segments[-1]] = self._writer.size
        self._next += len(events)
        if self.sync:
            self._writer.sync()

    def _sync_folder(self) -> None:
        fd = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def read(self, most: int, most_bytes: int) -> list[Record]:
        """The first records that wait, at least one if there is any; the same again until they are acknowledged."""
        found: list[Record] = []
        self._ends = []
        size = 0
        number, offset = self._read_number, self._read_offset
        for index, first in enumerate(self._segments):
            following = self._segments[index + 1] if index + 1 < len(self._segments) else self._next
            for record in records(path_of(self._folder, first), number, offset):
                if found and (len(found) >= most or size + len(record.content) > most_bytes):
                    return found
                size += len(record.content)
                found.append(record)
                self._ends.append((first, record.end, record.number + 1))
                number = record.number + 1
            if number < following:
                if found:
                    return found  # the damage comes first when these are acknowledged
                self._skip(index, following)
                return self.read(most, most_bytes)
            offset = 0
        return found

    def _skip(self, index: int, following: int) -> None:
        """Give up what is left of a segment that is damaged."""
        self.damaged += following - self._read_number
        if index + 1 == len(self._segments):
            self._start_anew(following)
            return
        self._read_number, self._read_offset = following, 0
        self._remove_before(following)

    def acknowledge(self, number: int) -> None:
        """Of what was read, the records up to this number needn't be kept any more. Doing it again changes nothing."""
        for segment, offset, following in self._ends:
            if following != number + 1:
                continue
            body = _POSITION.pack(segment, offset, following)
            os.pwrite(self._position_fd, body + zlib.crc32(body).to_bytes(4, "big"), 0)
            if self.sync:
                os.fdatasync(self._position_fd)
            self._remove_before(segment)
            self._read_number, self._read_offset = following, offset

    def _remove_before(self, segment: int) -> None:
        while self._segments and self._segments[0] < segment:
            path_of(self._folder, self._segments[0]).unlink(missing_ok=True)
            self._sizes.pop(self._segments.pop(0), None)
            self._read_offset = 0

    def _close_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def close(self) -> None:
        """Close all files, and let others have it."""
        self._close_writer()
        for fd in (self._position_fd, self._lock_fd):
            if fd >= 0:
                os.close(fd)
        self._position_fd = self._lock_fd = -1
