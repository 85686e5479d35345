"""What ports that keep data on disk share: snapshots, and payloads that live on disk only."""

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import structlog

from rmq.engine.ports import ClusterPort
from rmq.engine.snapshots import Snapshots
from rmq.engine.timers import StandingTimer
from rmq.flow.context import STORAGE_HELD
from rmq.flow.payloads import load, unload
from rmq.mqtt.message import Message
from rmq.storage.commit_log import CommitLog
from rmq.storage.disk_thread import DiskThread, Job
from rmq.storage.packing import packer
from rmq.storage.recovery import Found
from rmq.storage.segments import Chunk, read_payload, write_chunks

if TYPE_CHECKING:
    from rmq.engine.broker import Broker

log = structlog.get_logger(__name__)

RETRY_S: Final = 1.0


class StorageOptions:
    """Sizes in bytes, 0 for no limit; times in seconds."""

    def __init__(self) -> None:
        self.disk_budget = 0
        self.pending_limit = 64 * 1024 * 1024
        self.snapshot_after = 64 * 1024 * 1024
        self.sync_interval_s = 1.0
        self.timeout_s = 5.0


class StoredPort(ClusterPort):
    """``wake`` has the next turn come soon; it is called from disk threads.

    ``error`` says what fails on disk, "" while all works; ``sync_broken``: a sync failed, and only a snapshot makes up.
    """

    def __init__(self, broker: "Broker", recovery: Found, options: StorageOptions, wake: Callable[[], None]) -> None:
        self.broker = broker
        self.options = options
        self.folder = recovery.folder
        self.segments = recovery.segments
        self.log = CommitLog(broker.state, recovery.batch, packer())
        self.writer = DiskThread("rmq-journal", wake)
        self.reader = DiskThread("rmq-read", wake)
        self.unwritten: list[Chunk] = []
        self._writes = 0
        self._unloading: list[Message] = []
        self.sync_broken = False
        self.error = ""
        self.snapshots = Snapshots(self, recovery)
        # Counts how often all that is on disk was replaced.
        self._generation = 0

    @abstractmethod
    def fail(self, what: str, error: OSError, again: Callable[[], None]) -> None:
        """A disk call failed: say so, refuse what needs the disk, try again in a second."""

    @abstractmethod
    def recovered(self) -> None:
        """The disk works again."""

    @property
    @abstractmethod
    def log_bytes(self) -> int:
        """What was written since the last snapshot began."""

    @abstractmethod
    def mark_of_snapshot(self) -> int:
        """What a snapshot that begins now says of the log that goes on after it; see ``SnapshotWriter``."""

    @abstractmethod
    def rotation(self) -> Job:
        """What the disk thread has to do for the log to go on after a snapshot that begins now."""

    @abstractmethod
    def distrust(self, error: OSError) -> None:
        """A sync of the log failed."""

    @abstractmethod
    def all_synced(self, batch: int, mark: int) -> None:
        """A snapshot after this batch, with this mark, is safe on disk."""

    @abstractmethod
    def room_changed(self) -> None:
        """A snapshot has changed what the data takes on disk."""

    @property
    def disk_bytes(self) -> int:
        """What the data takes on disk."""
        return self.snapshots.size + self.snapshots.old_journals + self.log_bytes + self.segments.size

    # Payloads

    def unload(self) -> None:
        """Have the payloads written that shall live on disk only, then free their memory."""
        ctx = self.broker.ctx
        messages, ctx.to_disk = ctx.to_disk, []
        for message in messages:
            if message.references and not message.on_disk:
                if message.location < 0 or not self.snapshots.keeps(message.location):
                    self.segments.place(message)
                self._unloading.append(message)
        if not self._writes:
            self.write_segments()

    @property
    def pending_bytes(self) -> int:
        """What is held in memory until it is in the log, or in segments: whichever is more."""
        unwritten = sum(len(chunk.data) for chunk in self.unwritten) + self.segments.untaken_bytes
        return max(self.log.pending_bytes, unwritten)

    def write_segments(self) -> None:
        """Write what was placed; then free the memory of what was to be freed."""
        self._writes += 1
        self.unwritten += self.segments.take()
        chunks = list(self.unwritten)
        messages, self._unloading = self._unloading, []
        self.writer.submit(
            lambda: write_chunks(self.folder, chunks), lambda _, error: self._unloaded(chunks, messages, error)
        )

    def _unloaded(self, chunks: list[Chunk], messages: list[Message], error: OSError | None) -> None:
        self._writes -= 1
        if error is not None:
            self._unloading += messages
            self.fail("segments", error, self.write_segments)
            return
        self.chunks_written()
        if self.error and not self.log.is_writing() and not self.sync_broken:
            self.recovered()
        for message in messages:
            if self.snapshots.keeps(message.location):
                unload(self.broker.ctx, message)
        if self._unloading and not self._writes:
            self.write_segments()  # what has come meanwhile, all at once
        elif self.broker.ctx.storage == STORAGE_HELD:
            self.room_changed()

    def chunks_written(self) -> None:
        """Some more are on disk."""
        self.unwritten = [chunk for chunk in self.unwritten if not chunk.is_written]

    def read_payloads(self, messages: list[Message], then: Callable[[], None]) -> None:
        """Read them in the reading thread, or behind the writing of those that aren't written yet."""
        places = [message.location for message in messages]
        generation = self._generation
        thread = self.reader
        self.unwritten += self.segments.take()
        if any(chunk.has(place) for chunk in self.unwritten for place in places):
            self.write_segments()
            thread = self.writer

        def read() -> object:
            return [read_payload(self.folder, place) for place in places]

        def done(result: object, error: OSError | None) -> None:
            broker = self.broker
            if generation != self._generation:
                return  # whoever waited for them has another session now
            if error is not None:
                broker.counters.storage_errors += 1
                log.error("a waiting message can't be read", error=str(error))
                again = Again(lambda: self._read_again(generation, messages, then))
                broker.timers.enter(again, broker.ctx.now + RETRY_S)
                return
            assert isinstance(result, list)
            for message, payload in zip(messages, result, strict=True):
                load(broker.ctx, message, payload)
            then()

        thread.submit(read, done)

    def _read_again(self, generation: int, messages: list[Message], then: Callable[[], None]) -> None:
        if generation == self._generation:
            self.read_payloads(messages, then)

    def replace_files(self, found: Found) -> None:
        """All that was on disk is replaced; what was under way for it comes to nothing."""
        self._generation += 1
        self.segments = found.segments
        self.unwritten = []
        self._unloading = []
        self.snapshots.restart(found)

    def read_payload(self, message: Message) -> None:
        """Read it here and now."""
        load(self.broker.ctx, message, read_payload(self.folder, message.location))


class Again(StandingTimer):
    """Calls something later, once."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[[], None]) -> None:
        super().__init__()
        self._call = call

    def fire(self, now: float) -> float:
        self._call()
        return 0.0
