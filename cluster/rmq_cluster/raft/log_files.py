"""The files of the replicated log: numbered, append-only, each beginning with what it stands on.

A file's first record is its base: the index, term and members before its first entry. Every other record is an entry;
one whose index isn't new replaces everything from that index on, so a truncation rewrites nothing. A truncation to
before a file's base begins a new file, so a base that is no longer true is always followed by one that is. Compaction
deletes whole files from the front.
"""

import errno
import os
import secrets
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from rmq.storage.packing import pack, unpack
from rmq.storage.record_file import FILE_HEADER, CorruptFile, RecordReader, file_header, mark_of, record, sync_directory
from rmq_cluster.raft.members import Members, members_of

log = structlog.get_logger(__name__)

MAGIC: Final = b"RMQ-RAFT"
ENTRY: Final = struct.Struct(">QQ")
CONTINUES: Final = 0  # the base is an entry of the files before
# How often is looked whether there are descriptors again.
DESCRIPTORS_PAUSE_S: Final = 0.2
STARTS: Final = 1  # nothing before counts: founding, or a snapshot was installed


@dataclass(frozen=True, slots=True)
class Base:
    """What a file stands on."""

    kind: int
    index: int
    term: int
    members: Members


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as it was read."""

    index: int
    term: int
    command: bytes


class LogFile:
    """One file: its number, where it is, the index of its base, its length in bytes."""

    __slots__ = ("base_index", "number", "path", "size")

    def __init__(self, number: int, path: Path, base_index: int, size: int) -> None:
        self.number = number
        self.path = path
        self.base_index = base_index
        self.size = size


class LogFiles:
    """The files in a folder. All calls but ``sync`` are made by the thread that owns the node's state."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: list[LogFile] = []
        self._fd = -1
        self._mark = b""
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._lock = threading.Lock()  # over what sync() shares with the owner
        self._unsynced_fds: list[int] = []
        self._is_new_name = False
        self._unwanted: list[Path] = []
        self.cut_off = 0

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(file.size for file in self._files)

    @property
    def last_size(self) -> int:
        """Length of the file that is written to, with what waits for a flush."""
        return self._files[-1].size + self._waiting_bytes if self._files else 0

    @property
    def last_base(self) -> int:
        """Index of the base of the file that is written to."""
        return self._files[-1].base_index

    def sizes(self) -> dict[str, int]:
        """Length in bytes by file name."""
        return {file.path.name: file.size for file in self._files}

    def is_empty(self) -> bool:
        """Nothing was ever logged here."""
        return not self._numbers()

    def _numbers(self) -> list[int]:
        return sorted(int(path.stem.removeprefix("raft-")) for path in self._folder.glob("raft-*.log"))

    def _path(self, number: int) -> Path:
        return self._folder / f"raft-{number:010d}.log"

    # -- reading ---------------------------------------------------------------------------------------------------

    def read(self) -> Iterator[Base | Entry]:
        """Everything in order. A torn tail is cut off. Raises ``CorruptFile`` and ``OSError``.

        The caller calls ``refuse`` for a base that what was read before doesn't reach, as happens after a loss of
        power: its file is cut off as a whole.
        """
        for path in self._folder.glob("raft-*.tmp"):
            path.unlink()
        for number in self._numbers():
            path = self._path(number)
            reader = RecordReader(path, MAGIC)
            file: LogFile | None = None
            for offset, content in reader:
                if file is None:
                    base = _base(path, offset, content)
                    file = LogFile(number, path, base.index, 0)
                    self._files.append(file)
                    yield base
                    if self._files[-1:] != [file]:
                        break  # refused
                else:
                    yield _entry(path, offset, content)
            if file is None:  # died while it was begun
                self.cut_off += path.stat().st_size
                path.unlink()
            elif file in self._files:
                file.size = reader.end
                if reader.torn:
                    self.cut_off += reader.torn
                    os.truncate(path, reader.end)

    def refuse(self) -> None:
        """While reading: the base just read isn't reached; its file goes."""
        file = self._files.pop()
        self.cut_off += file.path.stat().st_size
        file.path.unlink()

    def go_on(self) -> None:
        """After reading: append to the last file."""
        if self._files:
            self._open(self._files[-1].path, os.O_RDWR)

    # -- writing ---------------------------------------------------------------------------------------------------

    def begin(self, base: Base) -> None:
        """Start a new file on this base. Raises ``OSError``."""
        self.flush()
        number = self._files[-1].number + 1 if self._files else 1
        path = self._path(number)
        mark = secrets.token_bytes(4)
        fields = [base.kind, base.index, base.term, list(base.members.voters), list(base.members.observers)]
        data = file_header(MAGIC, mark) + record(pack(fields), mark)
        temporary = path.with_suffix(".tmp")
        fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            _write(fd, data, 0)
            if base.kind == STARTS:
                os.fsync(fd)
            os.rename(temporary, path)
        except BaseException:
            os.close(fd)
            raise
        self._go_on_in(fd, mark)  # the same descriptor: with another one to be had, this could fail half way
        self._files.append(LogFile(number, path, base.index, len(data)))
        if base.kind == STARTS:
            sync_directory(self._folder)
            self.drop(len(self._files) - 1)
        else:
            self._is_new_name = True

    def _open(self, path: Path, flags: int) -> None:
        fd = os.open(path, flags | os.O_CLOEXEC)
        self._go_on_in(fd, mark_of(os.pread(fd, FILE_HEADER.size, 0)))

    def _go_on_in(self, fd: int, mark: bytes) -> None:
        self._mark = mark
        with self._lock:
            if self._fd >= 0:
                self._unsynced_fds.append(self._fd)
            self._fd = fd

    def append(self, index: int, term: int, command: bytes) -> None:
        """Have an entry written by the next ``flush``."""
        data = record(ENTRY.pack(index, term) + command, self._mark)
        self._waiting.append(data)
        self._waiting_bytes += len(data)

    def flush(self) -> None:
        """Write what was appended. Raises ``OSError``: then nothing of it counts."""
        if not self._waiting:
            return
        data = b"".join(self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0
        file = self._files[-1]
        try:
            _write(self._fd, data, file.size)
        except OSError:
            os.ftruncate(self._fd, file.size)
            raise
        file.size += len(data)

    def drop_before(self, index: int) -> None:
        """Do without the files that a log which begins at this index doesn't need."""
        for position in range(len(self._files) - 1, 0, -1):
            if self._files[position].base_index <= index:
                self.drop(position)
                return

    def drop(self, count: int) -> None:
        """Do without the first files, which the next ``sync`` deletes; a long one takes a tenth of a second.

        The last must stay.
        """
        with self._lock:
            self._unwanted += [file.path for file in self._files[:count]]
        del self._files[:count]

    def sync(self) -> None:
        """Have what was written survive a loss of power, then delete what isn't needed any more.

        Blocking, for a disk thread: also while there are no descriptors for it. Raises ``OSError``.
        """
        told = False
        while True:
            try:
                old, current, folder, unwanted = self._take_unsynced()
                break
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE):
                    raise
                if not told:
                    log.warning("the log can't be synced yet", error=error.strerror)
                told = True
                time.sleep(DESCRIPTORS_PAUSE_S)
        try:
            for fd in (*old, current):
                if fd >= 0:
                    os.fdatasync(fd)
            if folder >= 0:
                os.fsync(folder)
            for path in unwanted:
                path.unlink(missing_ok=True)
        finally:
            for fd in (*old, current, folder):
                if fd >= 0:
                    os.close(fd)

    def _take_unsynced(self) -> tuple[list[int], int, int, list[Path]]:
        """Files to be synced: those before, the last one, and the folder (-1: none); and what is to be deleted."""
        with self._lock:
            current = os.dup(self._fd) if self._fd >= 0 else -1
            try:
                folder = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC) if self._is_new_name else -1
            except OSError:
                if current >= 0:
                    os.close(current)
                raise
            self._is_new_name = False
            old, self._unsynced_fds = self._unsynced_fds, []
            unwanted, self._unwanted = self._unwanted, []
            return old, current, folder, unwanted

    def close(self) -> None:
        """Close the files; what waits for a flush is lost."""
        with self._lock:
            for fd in (*self._unsynced_fds, self._fd):
                if fd >= 0:
                    os.close(fd)
            self._unsynced_fds.clear()
            self._fd = -1


def _write(fd: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        count = os.pwrite(fd, view, offset)
        offset += count
        view = view[count:]


def _base(path: Path, offset: int, content: memoryview) -> Base:
    try:
        kind, index, term, *members = unpack(content)
        if kind not in (CONTINUES, STARTS) or type(index) is not int or type(term) is not int:
            raise ValueError("not a base")
        return Base(kind, index, term, members_of(members))
    except ValueError as error:
        raise CorruptFile(path, offset, f"doesn't begin with a base: {error}") from error


def _entry(path: Path, offset: int, content: memoryview) -> Entry:
    if len(content) <= ENTRY.size:
        raise CorruptFile(path, offset, "no entry")
    index, term = ENTRY.unpack_from(content)
    return Entry(index, term, bytes(content[ENTRY.size :]))
