"""The journal: every batch of operations in the order in which they are applied, in files numbered from 1 on.

Blocking calls, made by a disk thread. A record is the number of a batch (8 bytes) and its operations, one msgpack list
after the other.
"""

import os
import secrets
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rmq.storage.codec import UnknownOperation, decode_operation
from rmq.storage.packing import unpack_all
from rmq.storage.record_file import FILE_HEADER, CorruptFile, RecordReader, file_header, mark_of, record, sync_directory
from rmq.storage.records import Operation

MAGIC: Final = b"RMQ-JRNL"
BATCH: Final = struct.Struct(">Q")


def journal_path(folder: Path, number: int) -> Path:
    """The file with this number."""
    return folder / f"journal-{number:010d}.log"


def journal_numbers(folder: Path) -> list[int]:
    """The numbers of the journal files that are there, in order."""
    return sorted(int(path.stem.removeprefix("journal-")) for path in folder.glob("journal-*.log"))


class SyncFailed(OSError):
    """The kernel couldn't write what it had accepted, and may have dropped it: it says so once."""


class Journal:
    """The file that is appended to. ``size`` is the length of its good part, in bytes."""

    def __init__(self, folder: Path, number: int) -> None:
        self._folder = folder
        self.number = number
        self.size = 0
        self._fd = -1
        self._previous_fd = -1  # somebody may be syncing it
        self._dirty = False
        self._mark = b""

    def open(self) -> None:
        """Begin a new file, or go on with one whose torn tail was cut off. Raises ``OSError``."""
        path = journal_path(self._folder, self.number)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(fd).st_size
            if size < FILE_HEADER.size:
                size = self._begin(fd, path)
            mark = mark_of(os.pread(fd, FILE_HEADER.size, 0))
        except OSError:
            os.close(fd)
            raise
        if self._previous_fd >= 0:
            os.close(self._previous_fd)
        self._previous_fd = self._fd
        self._fd = fd
        self._mark = mark
        self.size = size

    def _begin(self, fd: int, path: Path) -> int:
        header = file_header(MAGIC, secrets.token_bytes(4))
        try:
            if os.pwrite(fd, header, 0) != len(header):
                raise OSError(28, "no space for the file header")
            sync_directory(self._folder)
        except OSError:
            path.unlink(missing_ok=True)  # else a torn tail of the file before wouldn't be the journal's end
            raise
        return len(header)

    def append(self, batch: int, operations: bytes) -> int:
        """Write one batch; returns the new size. Raises ``OSError``: then nothing of it counts; try it again."""
        if self._dirty:
            os.ftruncate(self._fd, self.size)
            self._dirty = False
        data = memoryview(record(BATCH.pack(batch) + operations, self._mark))
        offset = self.size
        self._dirty = True
        while data:
            count = os.pwrite(self._fd, data, offset)
            offset += count
            data = data[count:]
        self._dirty = False
        self.size = offset
        return offset

    def trim(self) -> None:
        """After a failed append: cut off what was written of it. Raises ``OSError``."""
        if self._dirty:
            os.ftruncate(self._fd, self.size)
            self._dirty = False

    def sync(self) -> None:
        """Have what is written survive a loss of power. Raises ``OSError``."""
        os.fdatasync(self._fd)

    def rotate(self, *, trusted: bool) -> None:
        """Go on in a new file; the old one is synced first, unless it isn't trusted any more.

        Raises ``OSError``, of which ``SyncFailed`` means that the old file isn't to be trusted; it is still used.
        """
        self.trim()
        if trusted:
            try:
                os.fdatasync(self._fd)
            except OSError as error:
                raise SyncFailed(error.errno, error.strerror) from error
        self.number += 1
        try:
            self.open()
        except OSError:
            self.number -= 1
            raise

    def close(self) -> None:
        """Sync and close."""
        if self._previous_fd >= 0:
            os.close(self._previous_fd)
            self._previous_fd = -1
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            try:
                os.fdatasync(fd)
            finally:
                os.close(fd)


class JournalReader:
    """Reads the journal from file ``first`` on, after batch ``written``.

    Afterwards ``last`` is the number of the newest file (0: none), ``written`` the last batch, and ``cut_off`` how many
    bytes of a torn tail were removed. With ``repair`` everything from the first damage on is set aside instead of an
    error: ``damaged`` then holds the errors, and the files set aside end in ``.damaged``.
    """

    def __init__(self, folder: Path, first: int, written: int, *, repair: bool) -> None:
        self._folder = folder
        self._repair = repair
        self._first = first
        self.written = written
        self.last = 0
        self.size = 0
        self.cut_off = 0
        self.damaged: list[CorruptFile] = []

    def __iter__(self) -> Iterator[Operation]:
        """The operations. Raises ``CorruptFile``."""
        numbers = [number for number in journal_numbers(self._folder) if number >= self._first]
        if not numbers and self._first > 1:  # a snapshot begins only when the file after it is there
            self._give_up(CorruptFile(journal_path(self._folder, self._first), 0, "the file is missing"), [])
        for position, number in enumerate(numbers):
            if number != self._first + position:
                path = journal_path(self._folder, self._first + position)
                self._give_up(CorruptFile(path, 0, "the file is missing"), numbers[position:])
                return
            try:
                yield from self._read(number, is_last=number == numbers[-1])
            except CorruptFile as error:
                self._give_up(error, numbers[position:])
                return
            self.last = number

    def _read(self, number: int, *, is_last: bool) -> Iterator[Operation]:
        path = journal_path(self._folder, number)
        reader = RecordReader(path, MAGIC)
        for offset, content in reader:
            (batch,) = BATCH.unpack_from(content)
            if batch <= self.written:
                continue
            if batch != self.written + 1:
                raise CorruptFile(path, offset, f"batch {self.written + 1} is missing, {batch} follows")
            try:
                operations = [decode_operation(fields) for fields in unpack_all(content[BATCH.size :])]
            except (UnknownOperation, TypeError, IndexError, ValueError) as error:
                raise CorruptFile(path, offset, f"operation can't be read: {error}") from error
            yield from operations
            self.written = batch
        self.size += reader.end
        if reader.torn:
            if not is_last:
                raise CorruptFile(path, reader.end, "the file ends in the middle of a record, and others follow")
            self.cut_off = reader.torn
            os.truncate(path, reader.end)

    def _give_up(self, error: CorruptFile, numbers: list[int]) -> None:
        if not self._repair:
            raise error
        self.damaged.append(error)
        for number in numbers:
            path = journal_path(self._folder, number)
            if path != error.path or error.offset == 0:
                path.rename(path.with_suffix(".damaged"))
                continue
            path.with_suffix(".damaged").write_bytes(path.read_bytes())
            os.truncate(path, error.offset)
            self.last = number
