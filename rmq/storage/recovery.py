"""The start of a node with its data: the newest snapshot, the journal after it, and everything else swept away."""

import fcntl
import os
from pathlib import Path
from typing import Final

from rmq.flow.payloads import unload
from rmq.storage.boot import begin_run
from rmq.storage.journal import Journal, JournalReader, journal_numbers, journal_path
from rmq.storage.record_file import CorruptFile, sync_directory
from rmq.storage.segments import Segments, segment_numbers, segment_path, write_chunks
from rmq.storage.snapshot import snapshot_numbers, snapshot_path
from rmq.storage.snapshot_reader import SnapshotReader
from rmq.storage.state import State

LOCK_NAME: Final = "lock"
# Payloads go to disk in portions while the journal is read.
UNLOAD_AFTER: Final = 256


class DataInUse(Exception):
    """Another process has this data folder."""


class DataLock:
    """Keeps a second node out of a data folder for as long as this process lives. Raises ``DataInUse``, ``OSError``."""

    def __init__(self, folder: Path) -> None:
        self._fd = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            raise DataInUse(f"{folder} is used by another running node") from None

    def release(self) -> None:
        """Let others in."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Found:
    """What was found of a member of a cluster: its snapshot ends with the command at ``batch`` of the log, in ``term``.

    ``snapshot`` is the number of the newest snapshot, ``snapshot_bytes`` its size on disk.
    """

    def __init__(self, folder: Path, segments: Segments) -> None:
        self.folder = folder
        self.segments = segments
        self.batch = 0
        self.term = 0
        self.snapshot = 0
        self.snapshot_bytes = 0
        self.old_journal_bytes = 0


class Recovery(Found):
    """What was found of a node alone, and where to go on: ``journal`` is open, ``batch`` is the last one.

    ``old_journal_bytes`` is what journal files before that take. ``cut_off`` bytes of a torn tail were removed,
    ``damaged`` says what ``repair`` has set aside. ``lost_end``: what the last node hadn't
    synced may be lost, for its machine stopped, or because of the damage.
    """

    def __init__(self, folder: Path, journal: Journal, segments: Segments) -> None:
        super().__init__(folder, segments)
        self.journal = journal
        self.cut_off = 0
        self.lost_end = False
        self.operations = 0
        self.damaged: list[CorruptFile] = []


def recover(folder: Path, state: State, *, memory_budget: int, repair: bool) -> Recovery:
    """Read the data into an empty state. Raises ``CorruptFile``, ``OSError``.

    A damaged snapshot falls back on the one before it, if there is one, only with ``repair``: what was acknowledged
    since is then lost. It is set aside with its messages.
    """
    damaged: list[CorruptFile] = []
    reader = _newest_snapshot(folder, state, memory_budget, damaged, repair=repair)
    first = 1 if reader is None else reader.journal
    wanted = {} if reader is None else reader.sizes
    if damaged:
        for number in set(segment_numbers(folder)) - set(wanted):
            path = segment_path(folder, number)
            path.rename(path.with_suffix(".damaged"))
    _sweep(folder, first, set(wanted), 0 if reader is None else reader.number)
    segments = Segments(folder, max(segment_numbers(folder), default=0) + 1)
    segments.sizes = dict(wanted)
    replay = JournalReader(folder, first, 0 if reader is None else reader.batch, repair=repair)
    operations = 0
    for operation in replay:
        state.apply(operation)
        operations += 1
        if len(state.ctx.to_disk) >= UNLOAD_AFTER:
            _unload(folder, state, segments)
    _unload(folder, state, segments)
    journal = Journal(folder, max(replay.last, first))
    journal.open()
    journal.sync()  # what a killed process wrote may not be on disk yet
    recovery = Recovery(folder, journal, segments)
    recovery.batch = replay.written
    recovery.snapshot = 0 if reader is None else reader.number
    recovery.snapshot_bytes = 0 if reader is None else reader.size
    recovery.old_journal_bytes = max(replay.size - journal.size, 0)
    recovery.cut_off = replay.cut_off
    recovery.operations = operations
    recovery.damaged = damaged + replay.damaged
    recovery.lost_end = begin_run(folder) or len(recovery.damaged) > 0
    return recovery


def recover_member(folder: Path, state: State, *, memory_budget: int) -> Found:
    """Read the snapshot of a member of a cluster into an empty state; what came after it is in the replicated log.

    Raises ``CorruptFile``, ``OSError``.
    """
    finish_taking_over(folder)
    reader = _newest_snapshot(folder, state, memory_budget, [], repair=False)
    sizes = {} if reader is None else reader.sizes
    _sweep(folder, 1, set(sizes), 0 if reader is None else reader.number)
    segments = Segments(folder, max(segment_numbers(folder), default=0) + 1)
    segments.sizes = dict(sizes)
    found = Found(folder, segments)
    if reader is not None:
        found.batch = reader.batch
        found.term = reader.journal
        found.snapshot = reader.number
        found.snapshot_bytes = reader.size
    return found


def begin_taking_over(source: Path, folder: Path) -> None:
    """A snapshot of another node shall take the place of this node's own: from here on the next start has it do so.

    Raises ``OSError``: nothing has changed.
    """
    source.rename(_next(folder))


def _next(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.next")


def finish_taking_over(folder: Path) -> None:
    """If there is a folder that is to take the place of this one, have it do so.

    Raises ``OSError``; it may be tried again. Whenever the process ends meanwhile: the next start finds the old data or
    the new data, whole.
    """
    if not _next(folder).exists():
        return
    sync_directory(folder.parent)
    for path in folder.iterdir() if folder.exists() else ():
        path.unlink()
    if folder.exists():
        folder.rmdir()
    _next(folder).rename(folder)
    sync_directory(folder.parent)


def _newest_snapshot(
    folder: Path, state: State, memory_budget: int, damaged: list[CorruptFile], *, repair: bool
) -> SnapshotReader | None:
    for number in reversed(snapshot_numbers(folder)):
        reader = SnapshotReader(folder, number, memory_budget)
        try:
            reader.read(state)
            return reader
        except CorruptFile as error:
            if not repair:
                raise
            damaged.append(error)
            path = snapshot_path(folder, number)
            path.rename(path.with_suffix(".damaged"))
            state.clear()
    return None


def _unload(folder: Path, state: State, segments: Segments) -> None:
    messages, state.ctx.to_disk = state.ctx.to_disk, []
    messages = [message for message in messages if message.references and not message.on_disk]
    for message in messages:
        if message.location < 0:
            segments.place(message)
    write_chunks(folder, segments.take())
    for message in messages:
        unload(state.ctx, message)


def _sweep(folder: Path, first_journal: int, segments: set[int], snapshot: int) -> None:
    """Remove what the snapshot has made superfluous, or what a snapshot that was never finished has left."""
    for path in folder.glob("*.tmp"):
        path.unlink()
    for number in journal_numbers(folder):
        if number < first_journal:
            journal_path(folder, number).unlink()
    for number in segment_numbers(folder):
        if number not in segments:
            segment_path(folder, number).unlink()
    for number in snapshot_numbers(folder):
        if number != snapshot:
            snapshot_path(folder, number).unlink()
