"""From the way of every message into the store: put aside at once, packed and written in batches a moment later."""

from collections.abc import Callable
from typing import Final

import structlog
import trio

from rmq.plugin_api import Message, topic_matches
from rmq_plugins.message_storage.record import packed
from rmq_plugins.message_storage.store import Incoming, Store

BATCH_S: Final = 0.1
# So many are packed before others have their turn, some 0.3 ms; and so many, of so many bytes, are written at once.
_SLICE: Final = 128
_BATCH: Final = 4096
_BATCH_BYTES: Final = 4 * 1024 * 1024
# What waits to be written has so many bytes at most.
_WAITING_BYTES: Final = 64 * 1024 * 1024
_REMEMBERED_TOPICS: Final = 10_000


class Intake:
    """``last`` is the id that was given last. ``dropped``: too many waited; ``failed``: the disk took them not."""

    def __init__(
        self,
        store: Store,
        topics: tuple[str, ...],
        default_expiry_s: float,
        max_age_s: float,
        max_waiting: int,
        now: Callable[[], float],
        logger: structlog.stdlib.BoundLogger,
    ) -> None:
        self.last = store.last
        self.dropped = 0
        self.failed = 0
        self.error = ""
        self._store = store
        self._topics = topics
        self._default_expiry_s = default_expiry_s
        self._max_age_s = max_age_s
        self._max_waiting = max_waiting
        self._now = now
        self._logger = logger
        self._waiting: list[tuple[int, Message, bytes]] = []
        self._waiting_bytes = 0
        self._wanted: dict[str, bool] = {}
        self._writing = trio.Lock()

    @property
    def waiting(self) -> int:
        """How many messages wait to be written."""
        return len(self._waiting)

    def position(self) -> int:
        """An id between those of messages before now and those that come."""
        now = int(self._now() * 1e6)
        if now > self.last:
            self.last = now
        return self.last

    def take(self, message: Message) -> None:
        """A message is published: on the way of every one of them."""
        id_ = int(message.created_at * 1e6)
        if id_ <= self.last:
            id_ = self.last + 1
        self.last = id_
        payload = message.payload
        waiting_bytes = self._waiting_bytes + len(payload)
        if waiting_bytes > _WAITING_BYTES or len(self._waiting) >= self._max_waiting:
            self.dropped += 1
            return
        self._waiting_bytes = waiting_bytes
        self._waiting.append((id_, message, payload))

    async def run(self) -> None:
        """Write what comes, as long as this runs."""
        while True:
            await trio.sleep(BATCH_S)
            if self._waiting:
                await self.flush()

    async def flush(self) -> None:
        """Have everything in the store that was published before."""
        async with self._writing:
            waiting, self._waiting = self._waiting, []
            self._waiting_bytes = 0
            batch: list[Incoming] = []
            size = 0
            now = self._now()
            for number, (id_, message, payload) in enumerate(waiting):
                if number % _SLICE == _SLICE - 1:
                    await trio.lowlevel.checkpoint()
                keep_until = self._keep_until(message, now)
                if not keep_until:
                    continue
                data = packed(id_, keep_until, message, payload)
                batch.append(Incoming(id_, keep_until, message.topic, data))
                size += len(data)
                if len(batch) == _BATCH or size >= _BATCH_BYTES:
                    await self._add(batch, now)
                    batch, size = [], 0
            if batch:
                await self._add(batch, now)

    def _keep_until(self, message: Message, now: float) -> float:
        """0 for one that isn't kept."""
        topic = message.topic
        wanted = self._wanted.get(topic)
        if wanted is None:
            wanted = any(topic_matches(topic_filter, topic) for topic_filter in self._topics)
            if len(self._wanted) >= _REMEMBERED_TOPICS:
                self._wanted.clear()
            self._wanted[topic] = wanted
        if not wanted:
            return 0.0
        expires_at = message.expires_at or message.created_at + self._default_expiry_s
        return 0.0 if expires_at <= now else min(expires_at, now + self._max_age_s)

    async def _add(self, batch: list[Incoming], now: float) -> None:
        try:
            await self._store.add(batch, now)
        except OSError as error:
            self.failed += len(batch)
            if not self.error:
                self._logger.error("messages can't be kept", error=str(error))
            self.error = str(error)
        else:
            self.error = ""
