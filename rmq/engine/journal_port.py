"""The port of a node alone that keeps its data: operations are journalled, then applied, then answered."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import structlog

from rmq.engine.stored_port import RETRY_S, Again, StorageOptions, StoredPort
from rmq.engine.timers import StandingTimer
from rmq.flow.context import STORAGE_FAILED, STORAGE_HELD, STORAGE_READY
from rmq.mqtt.packets import Will
from rmq.session.receipts import Receipt
from rmq.storage.boot import end_run
from rmq.storage.disk_thread import DiskThread, Job
from rmq.storage.records import Operation, SkipPacketIds
from rmq.storage.recovery import Recovery

if TYPE_CHECKING:
    from rmq.engine.broker import Broker

log = structlog.get_logger(__name__)

CLOSE_TIMEOUT_S: Final = 5.0
# How often it is looked whether somebody has waited too long, as a part of that time.
LOOK_AFTER: Final = 0.1
# What is said of a disk that neither works nor fails.
NO_ANSWER: Final = "no answer"


class JournalPort(StoredPort):
    """Drives the journal from the node's own thread: ``turn`` is called once a turn, disk threads do what blocks.

    ``wake`` has the next turn come soon; it is called from other threads.
    """

    def __init__(self, broker: "Broker", recovery: Recovery, options: StorageOptions, wake: Callable[[], None]) -> None:
        super().__init__(broker, recovery, options, wake)
        self.journal = recovery.journal
        self._syncer = DiskThread("rmq-sync", wake)
        self._epoch = broker.state.last_epoch
        self._syncing = False
        self._syncing_since = 0.0
        self._sync_later = False
        self._untrusted = 0
        self._writing_since = 0.0
        self._failing_since = 0.0
        broker.timers.enter(_LookAfter(self), broker.touch_clock() + options.timeout_s / 2)
        if recovery.lost_end:
            self.propose(SkipPacketIds())

    # Proposing

    def propose(self, operation: Operation, receipt: Receipt | None = None) -> bool:
        """Have it in the next batch."""
        self.log.append(operation, receipt)
        if self.log.pending_bytes > self.options.pending_limit:
            self._check_room()
        return False

    def claim(
        self, client_id: str, will: Will | None, claimed: Callable[[int], None], refused: Callable[[], None]
    ) -> None:
        """Grant the claim: nobody else is there."""
        self._epoch += 1
        claimed(self._epoch)

    def release(self, client_id: str, epoch: int) -> None:
        """Nobody else asks for it."""

    # Writing

    def turn(self) -> None:
        """Act on what the disk threads have done, and give them what was proposed meanwhile."""
        self.writer.collect()
        self._syncer.collect()
        self.reader.collect()
        if self.log.has_proposed() and not self.log.is_writing():
            self._write()

    def _write(self) -> None:
        data = self.log.take()
        batch = self.log.batch
        self._writing_since = self.broker.ctx.now
        self.writer.submit(lambda: self.journal.append(batch, data), self._written)

    def _write_again(self) -> None:
        data = self.log.again()
        batch = self.log.batch
        self.writer.submit(lambda: self.journal.append(batch, data), self._written)

    def _written(self, _: object, error: OSError | None) -> None:
        broker = self.broker
        if error is not None:
            self.fail("journal", error, self._write_again)
            return
        broker.touch_clock()
        broker.counters.storage_batches += 1
        self.log.complete()
        self._report_bugs()
        if self.error and not self.sync_broken:
            self.recovered()
        if broker.ctx.to_disk:
            self.unload()
        self._check_room()
        self._sync_rest()
        self.snapshots.maybe_begin()
        if self.log.has_proposed():
            self._write()

    def _report_bugs(self) -> None:
        bugs = self.log.bugs
        while bugs:
            try:
                raise bugs.pop(0)
            except Exception:
                self.broker.report_bug(None, "in applying an operation")

    # Syncing

    def _sync_rest(self) -> None:
        """What is written and not synced: at once if somebody waits for it, else in a while."""
        if self.log.wants_sync():
            self._sync()
        elif self.log.synced != self.log.written and not self._sync_later and not self._syncing:
            self._sync_later = True
            self.broker.timers.enter(Again(self._sync), self.broker.ctx.now + self.options.sync_interval_s)

    def _sync(self) -> None:
        self._sync_later = False
        if self._syncing or self.sync_broken or self.log.synced == self.log.written:
            return
        self._syncing = True
        self._syncing_since = self.broker.ctx.now
        batch = self.log.written
        journal = self.journal.number
        self._syncer.submit(self.journal.sync, lambda _, error: self._synced(batch, journal, error))

    def _synced(self, batch: int, journal: int, error: OSError | None) -> None:
        self._syncing = False
        if error is not None:
            self._distrust(journal, error)
            return
        if self.sync_broken:
            return  # a rotation was told of the failure, which is told once
        self.log.complete_sync(batch)
        self._report_bugs()
        if self.error == NO_ANSWER and not self.log.is_writing():
            self.recovered()
        self._sync_rest()

    @property
    def log_bytes(self) -> int:
        """The journal file that is written."""
        return self.journal.size

    def mark_of_snapshot(self) -> int:
        """The number of the next journal file."""
        return self.journal.number + 1

    def rotation(self) -> Job:
        """Go on in the next file."""
        trusted = not self.sync_broken
        return lambda: self.journal.rotate(trusted=trusted)

    def distrust(self, error: OSError) -> None:
        """It was the sync of the file that is written."""
        self._distrust(self.journal.number, error)

    def _distrust(self, journal: int, error: OSError) -> None:
        """A sync of this journal file failed: only a snapshot, which writes everything to other files, makes up for it.

        The kernel may have dropped what it couldn't write, and says so once.
        """
        self.sync_broken = True
        self._untrusted = max(journal, self.journal.number)
        self.fail("journal sync", error, self.snapshots.begin_soon)

    def all_synced(self, batch: int, mark: int) -> None:
        """What came since is in the journal file with this number, and later ones."""
        self.log.complete_sync(batch)
        self._report_bugs()
        if self.sync_broken and mark <= self._untrusted:
            self.snapshots.begin_soon()  # it began before that
            return
        self.sync_broken = False
        if self.error and not self.log.is_writing():
            self.recovered()
        self._sync_rest()

    # Failing and going on

    def fail(self, what: str, error: OSError, again: Callable[[], None]) -> None:
        """A disk call failed: say so, refuse what needs the disk, try again in a second."""
        broker = self.broker
        broker.counters.storage_errors += 1
        reason = error.strerror or str(error)
        if not self.error:
            self._failing_since = broker.ctx.now
            log.error("storage fails: nothing can be stored", what=what, error=reason, folder=str(self.folder))
        self.error = reason
        broker.ctx.storage = STORAGE_FAILED
        broker.timers.enter(Again(again), broker.ctx.now + RETRY_S)

    def recovered(self) -> None:
        """Publishers may go on if there is room."""
        log.warning("storage works again", was=self.error)
        self.error = ""
        self.broker.ctx.storage = STORAGE_HELD
        self._check_room()

    def look_after(self) -> None:
        """Every now and then: whoever has waited for ``timeout_s`` of a failure is told that nobody knows."""
        broker = self.broker
        now = broker.ctx.now
        timeout = self.options.timeout_s
        since = now
        if self.log.is_writing():
            since = self._writing_since
        if self._syncing and self.log.wants_sync():
            since = min(since, self._syncing_since)
        if not self.error and now - since > timeout / 2:
            log.error("storage fails: the disk doesn't answer", folder=str(self.folder))
            self.error = NO_ANSWER
            self._failing_since = since
            broker.ctx.storage = STORAGE_FAILED
        if self.error and now - self._failing_since >= timeout:
            self.log.give_up()
        if not self.log.is_writing():
            self.snapshots.maybe_begin()  # publishers that are held for want of room bring no batch that would

    def _check_room(self) -> None:
        ctx = self.broker.ctx
        if ctx.storage == STORAGE_FAILED:
            return
        options = self.options
        was_held = ctx.storage == STORAGE_HELD
        pending_limit = options.pending_limit // 2 if was_held else options.pending_limit
        over_disk = bool(options.disk_budget) and self.disk_bytes > options.disk_budget
        if self.pending_bytes > pending_limit or over_disk:
            if not was_held:
                log.warning(
                    "publishers are held",
                    reason="disk budget is used up" if over_disk else "the disk is slow",
                    disk_bytes=self.disk_bytes,
                    pending_bytes=self.pending_bytes,
                )
            ctx.storage = STORAGE_HELD
            if over_disk:
                self.snapshots.wanted = True
        elif was_held:
            ctx.storage = STORAGE_READY
            log.info("publishers go on")
            self.broker.storage_waits.go_on()

    def room_changed(self) -> None:
        """A snapshot has changed what the data takes on disk."""
        self._check_room()

    # The end

    def close(self) -> None:
        """Write and sync what is left. Blocks; raises nothing, what can't be written is logged."""
        self.snapshots.abandon()
        finished = self.writer.close(CLOSE_TIMEOUT_S)
        self._syncer.close(CLOSE_TIMEOUT_S)
        self.reader.close(CLOSE_TIMEOUT_S)
        try:
            if finished:
                self.turn_last()
            self.journal.close()
            if finished and not self.sync_broken:
                end_run(self.folder)
        except OSError as error:
            log.error("the journal's end can't be written", error=error.strerror)

    def turn_last(self) -> None:
        """Without the threads: the outcomes that are left, and the last batches."""
        self.writer.collect()
        if self.log.is_writing():
            self.journal.append(self.log.batch, self.log.again())
            self.log.complete()
        while self.log.has_proposed():
            data = self.log.take()
            self.journal.append(self.log.batch, data)
            self.log.complete()
        self._report_bugs()


class _LookAfter(StandingTimer):
    __slots__ = ("_port",)

    def __init__(self, port: JournalPort) -> None:
        super().__init__()
        self._port = port

    def fire(self, now: float) -> float:
        self._port.look_after()
        return now + self._port.options.timeout_s * LOOK_AFTER
