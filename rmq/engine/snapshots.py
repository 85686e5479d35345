"""When snapshots are taken, and their steps: a little in each turn, the writing in the disk thread."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from rmq.storage.journal import SyncFailed, journal_numbers, journal_path
from rmq.storage.recovery import Found
from rmq.storage.segments import read_payload, segment_of, segment_path, sync_segments, write_chunks
from rmq.storage.snapshot import SnapshotFile, SnapshotWriter, snapshot_numbers, snapshot_path

if TYPE_CHECKING:
    from rmq.engine.stored_port import StoredPort

log = structlog.get_logger(__name__)

# How long one step may take.
STEP_S: Final = 0.002
# Snapshots that are wanted for want of room, or failed, aren't tried more often.
PAUSE_S: Final = 10.0
# For want of room so many times as long as the last one took passes before the next: perhaps it helps as little.
SHARE: Final = 10.0


class Snapshots:
    """``size`` is that of the newest snapshot, ``old_journals`` that of journal files before the current one.

    ``wanted``: take one soon, to make room. ``is_held``: none is begun, for another one takes the place of all that is
    here.
    """

    def __init__(self, port: "StoredPort", recovery: Found) -> None:
        self._port = port
        self.number = recovery.snapshot
        self._tried = recovery.snapshot
        self.size = recovery.snapshot_bytes
        self.old_journals = recovery.old_journal_bytes
        self.wanted = False
        self.is_held = False
        # The bytes of each segment that belong to the newest snapshot.
        self.sizes = dict(recovery.segments.sizes)
        self._writer: SnapshotWriter | None = None
        self._file: SnapshotFile | None = None
        self._batch = recovery.batch
        self._next_at = 0.0
        self._room_at = 0.0
        self._began = 0.0

    def keeps(self, location: int) -> bool:
        """Whether what is at this place stays there, also when the snapshot that is being written is finished."""
        number = segment_of(location)
        if number not in self._port.segments.sizes:
            return False
        writer = self._writer
        return writer is None or number >= writer.first_segment or number in writer.wanted

    @property
    def running(self) -> bool:
        """Whether one is being written."""
        return self._writer is not None

    def maybe_begin(self) -> None:
        """Between two batches: begin a snapshot if the journal has grown enough, or room is needed."""
        port = self._port
        if self._writer is not None or self.is_held or port.log.written == self._batch:
            return
        grown = self.old_journals + port.log_bytes > max(port.options.snapshot_after, self.size)
        now = port.broker.ctx.now
        if now >= self._next_at and (grown or (self.wanted and now >= self._room_at)):
            self._begin()

    def restart(self, found: Found) -> None:
        """Another snapshot has taken the place of all that was here."""
        self.number = self._tried = found.snapshot
        self.size = found.snapshot_bytes
        self.sizes = dict(found.segments.sizes)
        self.old_journals = 0
        self.wanted = False
        self._batch = found.batch

    def files(self) -> list[tuple[Path, int]]:
        """The files of the newest snapshot, and how many bytes of each belong to it."""
        folder = self._port.folder
        segments = [(segment_path(folder, number), size) for number, size in sorted(self.sizes.items())]
        return [(snapshot_path(folder, self.number), self.size), *segments] if self.number else []

    def begin_soon(self) -> None:
        """Take one whatever the size, as soon as no batch is being written."""
        self.wanted = True
        if self._writer is None and not self.is_held and not self._port.log.is_writing():
            self._begin()

    def _begin(self) -> None:
        port = self._port
        self.wanted = False
        self._next_at = port.broker.ctx.now + PAUSE_S
        self._began = time.monotonic()
        # A number for each try: sessions remember the number of the snapshot that has them.
        self._tried += 1
        number = self._tried
        folder = port.folder
        self._writer = SnapshotWriter(
            port.broker.state,
            port.segments,
            number,
            port.mark_of_snapshot(),
            port.log.written,
            lambda location: read_payload(folder, location),
        )
        self._batch = port.log.written
        self._file = SnapshotFile(folder, number)
        size = port.log_bytes
        port.writer.submit(port.rotation(), lambda _, error: self._rotated(size, error))

    def _rotated(self, size: int, error: OSError | None) -> None:
        if error is not None:
            if isinstance(error, SyncFailed):
                self._port.distrust(error)
            self._abort(error)
            return
        self.old_journals += size
        self._step()

    def _step(self) -> None:
        writer = self._writer
        file = self._file
        if writer is None or file is None:
            return
        port = self._port
        deadline = time.monotonic() + STEP_S
        more = True
        try:
            while more and time.monotonic() < deadline:
                more = writer.step()
        except OSError as error:
            self._abort(error)
            return
        if not more:
            writer.finish()
        data = writer.take()
        port.unwritten += port.segments.take()
        chunks = list(port.unwritten)
        folder = port.folder
        wanted = sorted(writer.wanted)

        def write() -> object:
            write_chunks(folder, chunks)
            size = file.append(data)
            if not more:
                sync_segments(folder, wanted)
                file.finish()
            return size

        def done(size: object, error: OSError | None) -> None:
            if self._writer is not writer:
                return  # given up meanwhile
            if error is not None:
                self._abort(error)
                return
            port.chunks_written()
            if more:
                self._step()
            else:
                assert isinstance(size, int)
                self._finished(writer, size)

        port.writer.submit(write, done)

    def _finished(self, writer: SnapshotWriter, size: int) -> None:
        port = self._port
        self._writer = None
        self._file = None
        self.number = writer.number
        self.size = size
        self.sizes = writer.sizes
        self.old_journals = 0
        segments = port.segments
        segments.wanted = {number: writer.wanted.get(number, 0) for number in segments.sizes}
        unwanted = [n for n in segments.sizes if n < writer.first_segment and n not in writer.wanted]
        for number in unwanted:
            segments.forget(number)
        port.broker.counters.storage_snapshots += 1
        took = time.monotonic() - self._began
        self._room_at = port.broker.ctx.now + SHARE * took
        log.info(
            "snapshot taken",
            number=writer.number,
            records=writer.records,
            size_bytes=size,
            seconds=round(took, 3),
        )
        folder = port.folder

        def sweep() -> object:
            for number in journal_numbers(folder):
                if number < writer.journal:
                    journal_path(folder, number).unlink(missing_ok=True)
            for number in snapshot_numbers(folder):
                if number < writer.number:
                    snapshot_path(folder, number).unlink(missing_ok=True)
            for number in unwanted:
                segment_path(folder, number).unlink(missing_ok=True)
            return None

        port.writer.submit(sweep, self._swept)
        port.all_synced(self._batch, writer.journal)

    def _swept(self, _: object, error: OSError | None) -> None:
        if error is not None:
            log.warning("old data can't be removed", error=str(error))
        self._port.room_changed()

    def _abort(self, error: OSError) -> None:
        log.error("a snapshot failed", error=error.strerror or str(error))
        port = self._port
        port.broker.counters.storage_errors += 1
        file = self._file
        self.abandon()
        if file is not None:
            port.writer.submit(file.discard, _nothing)
        if port.sync_broken:
            port.fail("snapshot", error, self.begin_soon)
        else:
            self._batch = -1
            self.wanted = True

    def hold(self) -> None:
        """Begin none until ``release``; what is being written is given up."""
        self.wanted = self.wanted or self.running
        file = self._file
        self.abandon()
        if file is not None:
            self._port.writer.submit(file.discard, _nothing)
        self.is_held = True

    def release(self) -> None:
        """They may be begun again."""
        self.is_held = False

    def abandon(self) -> None:
        """Write no further."""
        if self._writer is not None:
            self._writer.detach()
        self._writer = None
        self._file = None


def _nothing(_: object, __: OSError | None) -> None:
    """There is nothing to do about it."""
