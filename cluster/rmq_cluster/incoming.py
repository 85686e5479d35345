"""A snapshot received: written beside what is there, checked, and only then put in its place."""

import os
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

import structlog

from rmq.storage.record_file import CorruptFile, sync_directory
from rmq_cluster.disk import Disk, ignored
from rmq_cluster.identity import Position
from rmq_cluster.transfer import (
    ACCEPTED,
    INSTALLED,
    REFUSED,
    WRITTEN,
    Abort,
    Ack,
    BadTransfer,
    Begin,
    End,
    Message,
    Part,
)

log = structlog.get_logger(__name__)

# What is left free on the disk beside a snapshot.
SPARE_BYTES: Final = 64 * 1024 * 1024


class Installer(Protocol):
    """Who puts a snapshot in the place of what is there."""

    def refuses(self, sender: int, index: int) -> str:
        """Why a snapshot isn't wanted from this node, "" if it is."""

    def install(self, folder: Path, position: Position, done: Callable[[Exception | None], None]) -> None:
        """Put it in place, which takes a while. ``done`` is told why it can't be. Raises ``OSError``."""


class Incoming:
    """One snapshot at a time. ``answer`` sends an acknowledgement to a peer, ``received`` counts snapshots in
    place, ``bytes`` what was written of all. ``is_installing``: one is being put in place."""

    def __init__(self, folder: Path, disk: Disk, installer: Installer, answer: Callable[[int, bytes], None]) -> None:
        self._folder = folder
        self._disk = disk
        self._installer = installer
        self._answer = answer
        self._current: _Receipt | None = None
        # Whatever becomes of the link, what is being put in place is going to be there.
        self.is_installing = False
        self.received = 0
        self.failed = 0
        self.bytes = 0

    @property
    def running(self) -> bool:
        """Whether one is coming."""
        return self._current is not None or self.is_installing

    def take(self, peer: int, message: Message) -> None:
        """The next message of a peer. Raises ``BadTransfer``: what no sound peer sends."""
        if isinstance(message, Begin):
            self._begin(peer, message)
            return
        current = self._current
        if current is None or current.peer != peer or current.begin.number != message.number:
            return  # what was given up has parts on its way
        if isinstance(message, Part):
            self._part(current, message)
        elif isinstance(message, End):
            self._end(current, message)
        elif isinstance(message, Abort):
            self._current = None

    def link_down(self, peer: int) -> None:
        """There is no link any more."""
        if self._current is not None and self._current.peer == peer:
            self._current = None

    def _begin(self, peer: int, begin: Begin) -> None:
        reason = "a snapshot is being put in place" if self.is_installing else ""
        reason = reason or self._installer.refuses(peer, begin.index)
        if not reason and self._current is not None and self._current.peer != peer:
            reason = f"a snapshot of node {self._current.peer} is coming"
        if reason:
            self._answer(peer, Ack(REFUSED, begin.number, 0, reason).packed())
            return
        receipt = _Receipt(peer, begin)
        self._current = receipt
        log.info("receiving a snapshot", peer=peer, index=begin.index, size_bytes=begin.size)

        def done(_: object, error: Exception | None) -> None:
            if error is not None:
                self._fail(receipt, error)
            elif self._current is receipt:
                self._answer(peer, Ack(ACCEPTED, begin.number).packed())

        self._disk.submit(lambda: self._make_room(begin.size), done)

    def _make_room(self, size: int) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True, mode=0o700)
        if shutil.disk_usage(self._folder).free < size + SPARE_BYTES:
            raise OSError(28, f"there is no room for {size} bytes", str(self._folder))

    def _part(self, receipt: "_Receipt", part: Part) -> None:
        name, offset = receipt.expect(part)
        path = self._folder / name

        def done(_: object, error: Exception | None) -> None:
            if error is not None:
                self._fail(receipt, error)
            elif self._current is receipt:
                receipt.written += len(part.data)
                self.bytes += len(part.data)
                self._answer(receipt.peer, Ack(WRITTEN, receipt.begin.number, receipt.written).packed())

        self._disk.submit(lambda: _write(path, offset, part.data), done)

    def _end(self, receipt: "_Receipt", end: End) -> None:
        reason = receipt.verify(end)
        if reason:
            self._fail(receipt, CorruptFile(self._folder, 0, reason))
            return
        begin = receipt.begin

        def done(_: object, error: Exception | None) -> None:
            if error is not None:
                self._fail(receipt, error)
            elif self._current is receipt:
                self._install(receipt)

        self._disk.submit(lambda: _sync(self._folder, begin.files), done)

    def _install(self, receipt: "_Receipt") -> None:
        begin = receipt.begin
        position = Position(begin.index, begin.term, begin.voters, begin.observers)
        log.info("the snapshot is complete and is put in place", peer=receipt.peer, index=begin.index)
        self.is_installing = True
        try:
            self._installer.install(self._folder, position, lambda error: self._installed(receipt, error))
        except OSError as error:
            self._installed(receipt, error)

    def _installed(self, receipt: "_Receipt", error: Exception | None) -> None:
        begin = receipt.begin
        self.is_installing = False
        if error is not None:
            self._current = receipt
            self._fail(receipt, error)
            return
        self._current = None
        self.received += 1
        log.info("the snapshot is in place", peer=receipt.peer, index=begin.index)
        self._answer(receipt.peer, Ack(INSTALLED, begin.number, begin.size).packed())
        self._disk.submit(lambda: shutil.rmtree(self._folder, ignore_errors=True), ignored)

    def _fail(self, receipt: "_Receipt", error: Exception) -> None:
        if self._current is not receipt:
            return
        self._current = None
        self.failed += 1
        reason = getattr(error, "strerror", None) or str(error)
        log.error("a snapshot can't be received", peer=receipt.peer, reason=reason)
        self._answer(receipt.peer, Ack(REFUSED, receipt.begin.number, 0, reason).packed())


class _Receipt:
    def __init__(self, peer: int, begin: Begin) -> None:
        self.peer = peer
        self.begin = begin
        self.written = 0
        self._file = 0
        self._offset = 0
        self._checksums = [0] * len(begin.files)

    def _skip_finished(self) -> None:
        files = self.begin.files
        while self._file < len(files) and self._offset == files[self._file][1]:
            self._file += 1
            self._offset = 0

    def expect(self, part: Part) -> tuple[str, int]:
        """File name and offset of a part, which must be the next one. Raises ``BadTransfer``."""
        self._skip_finished()
        if part.file != self._file or self._file >= len(self.begin.files) or part.offset != self._offset:
            raise BadTransfer("a part that isn't the next one")
        name, size = self.begin.files[self._file]
        if not part.data or self._offset + len(part.data) > size:
            raise BadTransfer("a part that is longer than its file, or empty")
        self._checksums[self._file] = zlib.crc32(part.data, self._checksums[self._file])
        offset = self._offset
        self._offset += len(part.data)
        return name, offset

    def verify(self, end: End) -> str:
        """What is wrong with all that came, "" for nothing."""
        self._skip_finished()
        if self._file != len(self.begin.files):
            return "it isn't complete"
        if list(end.checksums) != self._checksums:
            return "a checksum is wrong"
        return ""


def _write(path: Path, offset: int, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        view = memoryview(data)
        while view:
            count = os.pwrite(fd, view, offset)
            offset += count
            view = view[count:]
    finally:
        os.close(fd)


def _sync(folder: Path, files: tuple[tuple[str, int], ...]) -> None:
    for name, _ in files:
        fd = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    sync_directory(folder)
