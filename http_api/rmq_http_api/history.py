"""What the node's stats and metrics were: kept in a file of SQLite for some days, written and read in a thread.

The only file that knows sqlite3. Points are kept at whole intervals of the clock, so that those of several nodes fall
together. What can't be written is told in the log and missing later; nothing else suffers from it.
"""

import sqlite3
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import orjson
import structlog
import trio

from rmq.management.models import HistoryPoint, HistoryView, NodeRef
from rmq.management.node.history import HistoryKind
from rmq.plugin_api import in_thread

FILE: Final = "history.sqlite3"
# The last resort: 7 days of points every 5 seconds take about a quarter of it.
MAX_FILE_BYTES: Final = 256 * 1024 * 1024
PAGE_BYTES: Final = 4096
# Between two removals of what is too old.
PRUNE_INTERVAL_S: Final = 600.0
# Where nothing is kept on disk, so much is kept in memory.
MEMORY_RETENTION_S: Final = 3600.0
_KINDS: Final[Mapping[HistoryKind, int]] = {"stats": 0, "metrics": 1}
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS names (id INTEGER PRIMARY KEY, written TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS points (
    kind INTEGER NOT NULL, at_ms INTEGER NOT NULL, names INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (kind, at_ms)
) WITHOUT ROWID;
"""

Values = Mapping[str, int]
Found = tuple[tuple[str, ...], tuple[HistoryPoint, ...]]


class HistoryFile:
    """The file, or without a path the memory. Every call waits for the disk; one at a time, from any thread."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def add(self, at_ms: int, stats: Values, metrics: Values) -> None:
        """Keep one point of each kind; ``sqlite3.Error`` or ``OSError`` when that isn't possible."""
        connection = self._open()
        points: tuple[tuple[HistoryKind, Values], ...] = (("stats", stats), ("metrics", metrics))
        with connection:
            for kind, values in points:
                written = orjson.dumps(list(values)).decode()
                connection.execute("INSERT OR IGNORE INTO names (written) VALUES (?)", (written,))
                data = zlib.compress(orjson.dumps(list(values.values())), 1)
                connection.execute(
                    "INSERT OR REPLACE INTO points SELECT ?, ?, id, ? FROM names WHERE written = ?",
                    (_KINDS[kind], at_ms, data, written),
                )

    def prune(self, before_ms: int) -> None:
        """Remove what is older."""
        connection = self._open()
        with connection:
            connection.execute("DELETE FROM points WHERE at_ms < ?", (before_ms,))
            connection.execute("DELETE FROM names WHERE id NOT IN (SELECT names FROM points)")

    def read(self, kind: HistoryKind, start_ms: int, end_ms: int, limit: int, window_ms: int) -> Found:
        """Names and points, as ``History.read`` has them; names that came later are 0 before that."""
        where = "kind = ? AND at_ms BETWEEN ? AND ?"
        arguments: tuple[int, ...] = (_KINDS[kind], start_ms, end_ms)
        if window_ms:
            # Of the columns beside max() SQLite answers those of the row that has it.
            query = f"SELECT max(at_ms), names, data FROM points WHERE {where} GROUP BY at_ms / ?"
            arguments += (window_ms,)
        else:
            query = f"SELECT at_ms, names, data FROM points WHERE {where}"
        connection = self._open()
        rows = connection.execute(f"{query} ORDER BY at_ms DESC LIMIT ?", (*arguments, limit)).fetchall()
        lists: dict[int, list[str]] = {}
        for number in dict.fromkeys(row[1] for row in rows):
            (written,) = connection.execute("SELECT written FROM names WHERE id = ?", (number,)).fetchone()
            lists[number] = orjson.loads(written)
        names = tuple(dict.fromkeys(name for found in lists.values() for name in found))
        points = []
        for at_ms, number, data in rows:
            values = orjson.loads(zlib.decompress(data))
            if lists[number] != list(names):
                by_name = dict(zip(lists[number], values, strict=True))
                values = [by_name.get(name, 0) for name in names]
            points.append(HistoryPoint(at_ms - at_ms % window_ms if window_ms else at_ms, tuple(values)))
        return names, tuple(points)

    def close(self) -> None:
        """Let go of the file; the next call opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def set_aside(self) -> None:
        """Begin a new file, the damaged one stays beside it."""
        self.close()
        if self._path is not None:
            self._path.replace(self._path.with_suffix(".damaged"))
            for suffix in ("-wal", "-shm"):
                Path(f"{self._path}{suffix}").unlink(missing_ok=True)

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            if self._path is not None:
                self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            made = sqlite3.connect(self._path or ":memory:", timeout=1.0, check_same_thread=False)
            try:
                made.execute(f"PRAGMA page_size = {PAGE_BYTES}")
                made.execute(f"PRAGMA max_page_count = {MAX_FILE_BYTES // PAGE_BYTES}")
                made.execute("PRAGMA journal_mode = WAL")
                # A loss of power may cost the last points, not the file.
                made.execute("PRAGMA synchronous = NORMAL")
                made.executescript(_TABLES)
            except BaseException:
                made.close()
                raise
            self._connection = made
        return self._connection


class HistoryKeeper:
    """``History`` of this node. ``interval_s`` and ``retention_s`` may be changed; a retention of 0 keeps nothing.

    ``clock`` gives seconds since 1970; ``stats`` and ``metrics`` read what is kept. Without a folder it is in memory.
    """

    def __init__(
        self,
        node: NodeRef,
        folder: Path | None,
        clock: Callable[[], float],
        stats: Callable[[], Values],
        metrics: Callable[[], Values],
        logger: structlog.stdlib.BoundLogger,
    ) -> None:
        self.interval_s = 5.0
        self.retention_s = 0.0
        self.failures = 0
        self._node = node
        self._in_memory = folder is None
        self._file = HistoryFile(None if folder is None else folder / FILE)
        self._clock = clock
        self._stats = stats
        self._metrics = metrics
        self._log = logger
        self._failed = False
        self._pruned_at = 0.0
        self._closed = False
        self._one = trio.CapacityLimiter(1)

    async def run(self) -> None:
        """Keep a point at every interval, for ever."""
        while True:
            interval = self.interval_s
            await trio.sleep(interval - self._clock() % interval)
            await self.keep()

    async def keep(self) -> None:
        """Keep a point of now."""
        if not self.retention_s:
            return
        now = self._clock()
        # The moment that was slept until: the sleep may have ended a hair before it.
        at_ms = round(now / self.interval_s) * round(self.interval_s * 1000)
        stats, metrics = self._stats(), self._metrics()
        before_ms = 0
        if now >= self._pruned_at + PRUNE_INTERVAL_S:
            self._pruned_at = now
            before_ms = int((now - self._retention()) * 1000)

        def write() -> None:
            if self._closed:
                return
            if before_ms:
                self._file.prune(before_ms)
            self._file.add(at_ms, stats, metrics)

        try:
            await in_thread(write, limiter=self._one)
        except (sqlite3.Error, OSError) as error:
            await self._fail(error)
        else:
            self._failed = False

    async def read(self, kind: HistoryKind, start_ms: int, end_ms: int, limit: int, window_s: int) -> HistoryView:
        """The newest points of a time; none where they can't be read."""
        if not self.retention_s:
            return HistoryView(self._node, (), ())
        oldest = int((self._clock() - self._retention()) * 1000)

        def read() -> Found:
            return ((), ()) if self._closed else self._file.read(
                kind, max(start_ms, oldest), end_ms, max(limit, 0), max(window_s, 0) * 1000
            )  # fmt: skip

        try:
            names, points = await in_thread(read, limiter=self._one)
        except (sqlite3.Error, OSError) as error:
            await self._fail(error)
            names, points = (), ()
        return HistoryView(self._node, names, points)

    async def close(self) -> None:
        """Keep nothing any more, and let go of the file."""

        def close() -> None:
            self._closed = True
            self._file.close()

        with trio.CancelScope(shield=True):
            await in_thread(close, limiter=self._one)

    def _retention(self) -> float:
        return min(self.retention_s, MEMORY_RETENTION_S) if self._in_memory else self.retention_s

    async def _fail(self, error: Exception) -> None:
        self.failures += 1
        is_damaged = isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
        if not self._failed:
            self._failed = True
            self._log.error("history can't be kept", error=str(error), new_file=is_damaged)
        try:
            await in_thread(self._file.set_aside if is_damaged else self._file.close, limiter=self._one)
        except (sqlite3.Error, OSError):
            pass  # it was told already, and is tried again with the next point
