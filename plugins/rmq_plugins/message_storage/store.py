"""All segments: messages are added at the end, found by topic, read, and dropped from the beginning.

SQLite was measured too: beside a busy interpreter each row that its thread adds waits for the interpreter's lock, 3.7
ms a message with ``executemany``. Here the thread has one call for a whole batch.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import trio

from rmq.plugin_api import in_thread
from rmq_plugins.message_storage.record import packed, unpacked_all
from rmq_plugins.message_storage.segment import FRAME_SIZE, Place, Segment, frames, path_of, paths
from rmq_plugins.message_storage.topics import TopicNode, TopicTree

# Capacity, count and time are given back a segment at a time; there are about so many.
_SHARES: Final = 16
_MOST_BYTES: Final = 16 * 1024 * 1024
# So many records are looked at before others have their turn: half a millisecond.
_AT_ONCE: Final = 256


class Batch:
    """Messages that are added together, in the order of their ids; the last of them is kept ``until`` then."""

    __slots__ = ("ids", "nodes", "records", "size", "until")

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.records: list[bytes] = []
        self.nodes: set[TopicNode] = set()
        self.until = 0.0
        self.size = 0


class Store:
    """``count`` messages of ``size`` bytes; ``last`` is the highest id. ``folder`` None: in memory.

    ``dropped`` counts messages that had to go for others before their time; ``damaged`` files with an end that
    couldn't be read. ``segment_age_s``: after that time the next segment begins.
    """

    def __init__(self, folder: Path | None, capacity: int, max_count: int, segment_age_s: float, at_once: int) -> None:
        self.count = 0
        self.size = 0
        self.last = 0
        self.dropped = 0
        self.damaged = 0
        self.tree = TopicTree()
        self._folder = folder
        self._capacity = capacity
        self._max_count = max_count
        self._segment_bytes = min(_MOST_BYTES, capacity // _SHARES)
        self._segment_count = max(1, max_count // _SHARES)
        self._segment_age_s = segment_age_s
        self._at_once = at_once
        self._segments: list[Segment] = []
        self._unremoved: list[Segment] = []
        self._firsts: list[int] = []
        # Files are written, read and removed one after the other.
        self._disk = trio.Lock()

    async def open(self) -> None:
        """Find what is there; raises ``OSError``."""
        if self._folder is None:
            return
        for path, begun_at, size in await in_thread(partial(_files, self._folder)):
            await self._take(path, begun_at, size)

    async def _take(self, path: Path, begun_at: float, size: int) -> None:
        segment = Segment(path, begun_at)
        read = frames(path)
        while (frame := await in_thread(partial(next, read, None))) is not None:
            start, data = frame
            batch = Batch()
            try:
                for number, kept in enumerate(unpacked_all(data)):
                    record = packed(kept.id, kept.keep_until, kept.message, kept.message.payload)
                    self.put(batch, kept.id, kept.keep_until, self.node(kept.message.topic), record)
                    if number % _AT_ONCE == _AT_ONCE - 1:
                        await trio.lowlevel.checkpoint()
            except ValueError:
                self.damaged += 1  # written by something else
                break
            if batch.size != len(data) or batch.ids[0] <= self.last:
                break
            self._note(segment, batch, start)
            segment.size = start + len(data)
        if segment.size < size:
            self.damaged += 1
        if not segment.ids:
            await in_thread(segment.remove)
            return
        self._enter(segment)
        self.size += segment.size

    def _enter(self, segment: Segment) -> None:
        self._segments.append(segment)
        self._firsts.append(segment.ids[0])

    def _note(self, segment: Segment, batch: Batch, start: int) -> None:
        segment.note(start, batch.ids, [len(record) for record in batch.records], batch.nodes, batch.until)
        self.last = batch.ids[-1]
        self.count += len(batch.ids)

    def node(self, topic: str) -> TopicNode:
        """The place of a topic; the same as long as it isn't ``gone``."""
        return self.tree.node(topic)

    def put(self, batch: Batch, id_: int, keep_until: float, node: TopicNode, record: bytes) -> None:
        """Put a message into a batch; its topic knows it from now on, ``add`` makes it be there."""
        node.ids.append(id_)
        batch.nodes.add(node)
        batch.ids.append(id_)
        batch.records.append(record)
        batch.size += len(record)
        if keep_until > batch.until:
            batch.until = keep_until

    async def add(self, batch: Batch, now: float) -> None:
        """Add messages behind all others; all of them or, with an ``OSError``, none."""
        async with self._disk:
            segment = self._current(now)
            is_new = segment is None
            if segment is None:
                path = None if self._folder is None else path_of(self._folder, batch.ids[0])
                segment = Segment(path, now)
            before = segment.size
            data = b"".join(batch.records)
            try:
                if self._folder is None:
                    segment.append(data)
                else:
                    await in_thread(partial(segment.append, data))
            except OSError:
                if is_new:
                    segment.remove()
                gone = set(batch.ids)
                for node in batch.nodes:
                    node.forget(gone)
                raise
            self.size += segment.size - before
            self._note(segment, batch, before + FRAME_SIZE)
            if is_new:
                self._enter(segment)
            while len(self._segments) > 1 and (self.size > self._capacity or self.count > self._max_count):
                self.dropped += len(self._segments[0].ids)
                await self._drop(0)

    def _current(self, now: float) -> Segment | None:
        """The last segment, if it takes more."""
        if not self._segments:
            return None
        last = self._segments[-1]
        is_full = last.size >= self._segment_bytes or len(last.ids) >= self._segment_count
        if not is_full and now - last.begun_at < self._segment_age_s:
            return last
        last.close()
        return None

    async def tidy(self, now: float) -> None:
        """Drop what is over."""
        async with self._disk:
            await self._remove()
            index = 0
            while index < len(self._segments):
                if self._segments[index].keep_until <= now:
                    await self._drop(index)
                else:
                    index += 1

    async def _drop(self, index: int) -> None:
        segment = self._segments.pop(index)
        del self._firsts[index]
        self.count -= len(segment.ids)
        self.size -= segment.size
        # What is older than this segment and still there stays: it is kept for longer.
        oldest = index == 0
        gone = set() if oldest else set(segment.ids)
        for number, node in enumerate(segment.nodes):
            if oldest:
                node.forget_until(segment.ids[-1])
            else:
                node.forget(gone)
            if number % self._at_once == self._at_once - 1:
                await trio.lowlevel.checkpoint()
        self._unremoved.append(segment)
        await self._remove()

    async def _remove(self) -> None:
        """Remove the files of segments that are gone; what the disk refuses is tried again with the next ``tidy``."""
        unremoved, self._unremoved = self._unremoved, []
        for segment in unremoved:
            try:
                if self._folder is None:
                    segment.remove()
                else:
                    await in_thread(segment.remove)
            except OSError:
                self._unremoved.append(segment)

    @property
    def unremoved(self) -> int:
        """How many files are left that nobody needs, because they couldn't be removed."""
        return len(self._unremoved)

    def find(self, topic_filter: str) -> Iterator[TopicNode | None]:
        """As ``TopicTree.find``."""
        return self.tree.find(topic_filter)

    def size_of(self, id_: int) -> int:
        """How many bytes a message has, 0 if it is gone."""
        segment = self._segment_of(id_)
        place = None if segment is None else segment.place(id_)
        return 0 if place is None else place.length

    async def read(self, ids: Sequence[int]) -> list[bytes]:
        """The records of these ids, which are in order, without those that are gone; raises ``OSError``."""
        async with self._disk:
            wanted: list[tuple[Segment, list[Place]]] = []
            for id_ in ids:
                segment = self._segment_of(id_)
                place = None if segment is None else segment.place(id_)
                if segment is None or place is None:
                    continue
                if not wanted or wanted[-1][0] is not segment:
                    wanted.append((segment, []))
                wanted[-1][1].append(place)
            if self._folder is None:
                return _read(wanted)
            return await in_thread(partial(_read, wanted))

    def _segment_of(self, id_: int) -> Segment | None:
        index = bisect_right(self._firsts, id_) - 1
        return None if index < 0 else self._segments[index]

    async def close(self) -> None:
        """Close the last file."""
        async with self._disk:
            for segment in self._segments[-1:]:
                segment.close()


def _files(folder: Path) -> list[tuple[Path, float, int]]:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return [(path, path.stat().st_mtime, path.stat().st_size) for path in paths(folder)]


def _read(wanted: Sequence[tuple[Segment, Sequence[Place]]]) -> list[bytes]:
    return [record for segment, places in wanted for record in segment.read(places)]
