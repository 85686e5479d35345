"""One URL: events are written to its queue and sent from there, one batch after the other, until they have arrived."""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

import structlog
import trio

from rmq.plugin_api import in_thread
from rmq_plugins.web_hook.config import WebHookConfig
from rmq_plugins.web_hook.disk_queue import DiskQueue, QueueInUseError
from rmq_plugins.web_hook.posting import REFUSED, SENT
from rmq_plugins.web_hook.segments import Record, packed_size

# Records read ahead, so that a small batch doesn't cost a look at the disk.
READ_AHEAD: Final = 256
READ_AHEAD_SIZE: Final = 4 * 1024 * 1024
# How long it is until a disk that failed, or a queue that another one has, is tried again.
DISK_RETRY_S: Final = 1.0
IN_USE_RETRY_S: Final = 0.1
LOG_INTERVAL_S: Final = 10.0

Send = Callable[[Sequence[bytes]], Awaitable[tuple[int, str]]]


class Lane:
    """``put`` takes an event at any time; ``run`` does the rest. ``send`` and ``config`` may be replaced while it runs.

    ``now`` is in seconds since 1970. ``dropped`` counts events by why they will never arrive: ``queue_full``,
    ``expired``, ``refused`` by the other side, ``damaged`` on disk, ``disk_failed`` until the end.
    """

    def __init__(
        self,
        name: str,
        queue: DiskQueue,
        send: Send,
        config: WebHookConfig,
        now: Callable[[], float],
        logger: structlog.stdlib.BoundLogger,
    ) -> None:
        self.name = name
        self.send = send
        self.config = config
        self.sent = 0
        self.failed = 0
        self.dropped: dict[str, int] = {}
        self._queue = queue
        self._now = now
        self._log = logger.bind(url=name)
        self._log_at = float("-inf")
        self._disk = trio.Lock()  # the queue knows one thread at a time
        self._opened = False
        self._pending: list[tuple[float, bytes]] = []
        self._pending_size = 0
        self._stored = 0  # events on disk that haven't been sent, and their bytes
        self._stored_size = 0
        self._ahead: deque[Record] = deque()
        self._put = trio.Event()
        self._written = trio.Event()
        self._pause = trio.CancelScope()
        self._scope = trio.CancelScope()
        self._ended = trio.Event()
        self._running = False
        self._closed = False

    @property
    def length(self) -> int:
        """How many events wait, on disk or for it."""
        return self._stored + len(self._pending)

    def put(self, at: float, event: bytes) -> None:
        """Take an event; one that there is no room for is dropped."""
        size = packed_size(event)
        full = self.length >= self.config.queue_capacity
        if full or self._stored_size + self._pending_size + size > self.config.queue_max_size:
            self._drop("queue_full", 1)
            return
        self._pending.append((at, event))
        self._pending_size += size
        self._put.set()

    def attrs(self) -> dict[str, object]:
        """Its figures; ages in seconds."""
        oldest = self._ahead[0].at if self._ahead else self._pending[0][0] if self._pending else None
        return {
            "queued": self.length,
            "queued_bytes": self._stored_size + self._pending_size,
            "unwritten": len(self._pending),
            "oldest_age_s": 0.0 if oldest is None else round(max(self._now() - oldest, 0.0), 3),
            "sent": self.sent,
            "failed": self.failed,
            "dropped": dict(self.dropped),
        }

    def configure(self, config: WebHookConfig, send: Send) -> None:
        """Go on by another configuration; what waits for a retry is tried at once."""
        self.config = config
        self.send = send
        self._queue.sync = config.queue_sync
        self._pause.cancel()

    async def run(self) -> None:
        """Write and send until it is cancelled or closed."""
        if self._closed:
            return
        self._running = True
        try:
            with self._scope:
                await self._open()
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write_on)
                    nursery.start_soon(self._send_on)
        finally:
            self._queue.close()
            self._opened = False
            self._ended.set()

    async def flush(self) -> None:
        """Have on disk what was put until now, as far as the disk takes it."""
        try:
            async with self._disk:
                if self._pending and not self._opened:
                    await in_thread(self._queue.open)
                    self._opened = True
                await self._write()
        except OSError as error:
            self._disk_failed(error)

    async def close(self) -> None:
        """End; what hasn't been sent stays on disk."""
        self._closed = True
        await self.flush()
        if self._pending:
            self._drop("disk_failed", len(self._pending))
            self._pending.clear()
        self._scope.cancel()
        if self._running:
            await self._ended.wait()
        else:
            self._queue.close()

    async def _open(self) -> None:
        while not self._opened:
            try:
                async with self._disk:
                    if not self._opened:
                        await in_thread(self._queue.open)
                        self._opened = True
            except QueueInUseError:
                await trio.sleep(IN_USE_RETRY_S)  # the plugin is being restarted: the one of before ends soon
            except OSError as error:
                self._queue.close()
                self._disk_failed(error)
                await trio.sleep(DISK_RETRY_S)
        self._measure()

    def _measure(self) -> None:
        self._stored = self._queue.length
        self._stored_size = self._queue.size
        if self._queue.damaged:
            self._drop("damaged", self._queue.damaged)
            self._queue.damaged = 0
        if self._stored:
            self._written.set()

    async def _write_on(self) -> None:
        while True:
            await self._put.wait()
            self._put = trio.Event()
            try:
                async with self._disk:
                    await self._write()
            except OSError as error:
                self._disk_failed(error)
                await trio.sleep(DISK_RETRY_S)
                self._put.set()

    async def _write(self) -> None:
        events = self._pending
        if not events or not self._opened:
            return
        self._pending = []
        size, self._pending_size = self._pending_size, 0
        self._stored += len(events)  # they count while they are being written, too
        self._stored_size += size
        try:
            # Not to be given up halfway: whoever is cancelled waits for the thread.
            await in_thread(partial(self._queue.append, events))
        except OSError:
            self._pending[:0] = events
            self._pending_size += size
            raise
        finally:
            self._measure()

    async def _send_on(self) -> None:
        while True:
            if not self._ahead:
                await self._read()
            if not self._ahead:
                await self._written.wait()
                continue
            wait_s = self.config.batch_interval
            if wait_s and self._stored < self.config.batch_max_events:
                await trio.sleep(wait_s)
            if len(self._ahead) < min(self._stored, self.config.batch_max_events):
                await self._read()
            await self._deliver(self._batch())

    async def _read(self) -> None:
        most = max(READ_AHEAD, self.config.batch_max_events)
        most_bytes = max(READ_AHEAD_SIZE, self.config.batch_max_size)
        self._written = trio.Event()
        try:
            async with self._disk:
                self._ahead = deque(await in_thread(partial(self._queue.read, most, most_bytes)))
                self._measure()
        except OSError as error:
            self._disk_failed(error)
            await trio.sleep(DISK_RETRY_S)
            self._written.set()

    def _batch(self) -> list[Record]:
        batch: list[Record] = []
        size = 0
        for record in self._ahead:
            size += len(record.content) + 1
            if batch and (len(batch) >= self.config.batch_max_events or size > self.config.batch_max_size):
                break
            batch.append(record)
        return batch

    async def _deliver(self, batch: list[Record]) -> None:
        """Until they have arrived, or never will."""
        pause_s = self.config.retry_interval
        while batch:
            if self._is_expired(batch[0]):
                self._drop("expired", 1)
                await self._done(batch[:1])
                batch = batch[1:]
                continue
            outcome, problem = await self.send([record.content for record in batch])
            if outcome == SENT:
                self.sent += len(batch)
                await self._done(batch)
                return
            if outcome == REFUSED:
                if len(batch) > 1:  # one of them may be what isn't wanted
                    for record in batch:
                        await self._deliver([record])
                    return
                self._drop("refused", 1)
                self._warn("refused", problem)
                await self._done(batch)
                return
            self.failed += 1
            self._warn("not sent", problem)
            with trio.move_on_after(pause_s) as self._pause:
                await trio.sleep_forever()
            pause_s = min(pause_s * self.config.retry_multiplier, self.config.retry_max_interval)

    def _is_expired(self, record: Record) -> bool:
        limit_s = self.config.retry_max_elapsed_time
        return limit_s > 0 and self._now() - record.at >= limit_s

    async def _done(self, batch: Sequence[Record]) -> None:
        for _ in batch:
            self._ahead.popleft()
        while True:
            try:
                async with self._disk:
                    await in_thread(partial(self._queue.acknowledge, batch[-1].number))
                    self._measure()
            except OSError as error:
                self._disk_failed(error)
                await trio.sleep(DISK_RETRY_S)
            else:
                return

    def _drop(self, why: str, count: int) -> None:
        self.dropped[why] = self.dropped.get(why, 0) + count
        if why in ("queue_full", "damaged", "disk_failed"):
            self._warn("events dropped", why)

    def _disk_failed(self, error: OSError) -> None:
        self._warn("the queue can't be written or read", str(error))

    def _warn(self, text: str, problem: str) -> None:
        now = self._now()
        if now >= self._log_at:
            self._log_at = now + LOG_INTERVAL_S
            self._log.warning(text, problem=problem, queued=self.length)
