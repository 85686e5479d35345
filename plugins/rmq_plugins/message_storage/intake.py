"""From the way of every message into the store: put aside at once, packed and written in batches a moment later."""

from collections.abc import Callable, Sequence
from typing import Final

import structlog
import trio

from rmq.plugin_api import Message, topic_matches
from rmq_plugins.message_storage.record import packed
from rmq_plugins.message_storage.store import Batch, Store
from rmq_plugins.message_storage.topics import TopicNode

BATCH_S: Final = 0.1
# So many are packed before others have their turn, some 0.3 ms; and so many, of so many bytes, are written at once.
_SLICE: Final = 256
_BATCH: Final = 4096
_BATCH_BYTES: Final = 4 * 1024 * 1024
# What waits to be written has so many bytes at most.
_WAITING_BYTES: Final = 64 * 1024 * 1024
# Ids are never further from the time of their messages.
_APART_S: Final = 0.002
_REMEMBERED_TOPICS: Final = 100_000


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
        self._waiting: list[tuple[Message, bytes]] = []
        self._waiting_bytes = 0
        self._at = 0.0
        # Ids of messages that wait follow on this one, and from a place in the list on on another one.
        self._first = store.last
        self._jumps: list[tuple[int, int]] = []
        self._nodes: dict[str, TopicNode] = {}
        self._unwanted: set[str] = set()
        self._writing = trio.Lock()

    @property
    def waiting(self) -> int:
        """How many messages wait to be written."""
        return len(self._waiting)

    def position(self) -> int:
        """An id between those of messages before now and those that come."""
        self._at = self._now()
        now = int(self._at * 1e6)
        if now > self.last:
            self.last = now
            if self._jumps and self._jumps[-1][0] == len(self._waiting):
                self._jumps.pop()
            self._jumps.append((len(self._waiting), now))
        return self.last

    def take(self, message: Message) -> None:
        """A message is published: on the way of every one of them.

        It gets the id that is next; ``position`` brings ids up to the time now and then.
        """
        if message.created_at > self._at + _APART_S:
            self.position()
        payload = message.payload
        waiting_bytes = self._waiting_bytes + len(payload)
        if waiting_bytes > _WAITING_BYTES or len(self._waiting) >= self._max_waiting:
            self.dropped += 1
            return
        self.last += 1
        self._waiting_bytes = waiting_bytes
        self._waiting.append((message, payload))

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
            jumps, self._jumps = self._jumps, []
            first, self._first = self._first, self.last
            self._waiting_bytes = 0
            batch = Batch()
            now = self._now()
            jumps.append((len(waiting), 0))
            start = 0
            for end, following in jumps:
                for begin in range(start, end, _SLICE):
                    self._pack(batch, waiting[begin : min(begin + _SLICE, end)], first, now)
                    first += min(begin + _SLICE, end) - begin
                    await trio.lowlevel.checkpoint()
                    if len(batch.ids) >= _BATCH or batch.size >= _BATCH_BYTES:
                        await self._add(batch, now)
                        batch = Batch()
                start, first = end, following
            if batch.ids:
                await self._add(batch, now)

    def _pack(self, batch: Batch, waiting: Sequence[tuple[Message, bytes]], id_: int, now: float) -> None:
        """Put messages into a batch; their ids follow on this one."""
        nodes = self._nodes
        ids, records, known = batch.ids, batch.records, batch.nodes
        default_expiry_s = self._default_expiry_s
        longest = now + self._max_age_s
        for message, payload in waiting:
            id_ += 1
            topic = message.topic
            if topic in self._unwanted:
                continue
            node = nodes.get(topic)
            if node is None or node.gone:
                node = self._node(topic)
                if node is None:
                    continue
            keep_until = message.expires_at or message.created_at + default_expiry_s
            if keep_until > longest:
                keep_until = longest
            if keep_until > now:  # as ``Store.put``, without a call for each message
                record = packed(id_, keep_until, message, payload)
                node.ids.append(id_)
                known.add(node)
                ids.append(id_)
                records.append(record)
                batch.size += len(record)
                if keep_until > batch.until:
                    batch.until = keep_until

    def _node(self, topic: str) -> TopicNode | None:
        """The place of a topic that isn't known yet; None if its messages aren't kept."""
        if len(self._nodes) + len(self._unwanted) >= _REMEMBERED_TOPICS:
            self._nodes.clear()
            self._unwanted.clear()
        if not any(topic_matches(topic_filter, topic) for topic_filter in self._topics):
            self._unwanted.add(topic)
            return None
        node = self._nodes[topic] = self._store.node(topic)
        return node

    async def _add(self, batch: Batch, now: float) -> None:
        try:
            await self._store.add(batch, now)
        except OSError as error:
            self.failed += len(batch.ids)
            if not self.error:
                self._logger.error("messages can't be kept", error=str(error))
            self.error = str(error)
        else:
            self.error = ""
