"""The history: kept at whole intervals, for so long, in a file that survives what files go through."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import structlog
import trio
from rmq_http_api.history import FILE, MEMORY_RETENTION_S, PRUNE_INTERVAL_S, HistoryFile, HistoryKeeper
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from rmq.management.models import HistoryView, NodeRef
from rmq.management.node.history import HistoryKind

START = 1_700_000_000.0
EVER = (0, 10**15, 100_000)


class Kept:
    """A keeper over figures that count its readings, and a clock that follows trio's."""

    def __init__(self, folder: Path | None, retention_s: float = 3600.0) -> None:
        self.readings = 0
        self.names = ["a.count", "b.count"]
        node = NodeRef(1, "1")
        logger = structlog.get_logger("test")
        self._begun = trio.current_time()
        self.keeper = HistoryKeeper(node, folder, self.clock, self.stats, lambda: {"m": self.readings}, logger)
        self.keeper.retention_s = retention_s

    def clock(self) -> float:
        return START + 1.3 + trio.current_time() - self._begun

    def stats(self) -> dict[str, int]:
        self.readings += 1
        return dict.fromkeys(self.names, self.readings)

    async def let_go(self, clock: MockClock, *seconds: float) -> None:
        """Let time go on, and each time what it brings be written."""
        for step in seconds:
            await wait_all_tasks_blocked()
            clock.jump(step)
            await wait_all_tasks_blocked()
            await self.read()

    async def read(self, kind: HistoryKind = "stats", limit: int = 100_000, window_s: int = 0) -> HistoryView:
        return await self.keeper.read(kind, 0, 10**15, limit, window_s)


async def test_a_point_at_every_interval(tmp_path: Path, nursery: trio.Nursery, mock_clock: MockClock) -> None:
    kept = Kept(tmp_path)
    nursery.start_soon(kept.keeper.run)
    await kept.let_go(mock_clock, 3.0, 1.0, 5.0)
    found = await kept.read()
    assert found.names == ("a.count", "b.count")
    assert [(point.at_ms, point.values) for point in found.points] == [
        (1_700_000_010_000, (2, 2)),
        (1_700_000_005_000, (1, 1)),
    ]
    metrics = await kept.read("metrics")
    assert metrics.names == ("m",) and [point.values for point in metrics.points] == [(2,), (1,)]
    nursery.cancel_scope.cancel()


async def test_the_interval_can_be_changed(tmp_path: Path, nursery: trio.Nursery, mock_clock: MockClock) -> None:
    kept = Kept(tmp_path)
    kept.keeper.interval_s = 60.0
    nursery.start_soon(kept.keeper.run)
    await kept.let_go(mock_clock, 39.0, 60.0, 15.0)
    assert [point.at_ms for point in (await kept.read()).points] == [1_700_000_100_000, 1_700_000_040_000]
    nursery.cancel_scope.cancel()


async def test_limits_and_windows(tmp_path: Path, autojump_clock: MockClock) -> None:
    kept = Kept(tmp_path)
    for _ in range(24):
        await kept.keeper.keep()
        await trio.sleep(5.0)
    assert [point.values[0] for point in (await kept.read(limit=3)).points] == [24, 23, 22]
    merged = (await kept.read(window_s=60)).points
    # 1,700,000,000 is 20 s into a minute: 8 points, 12, and 4.
    assert [(point.at_ms, point.values[0]) for point in merged] == [
        (1_700_000_100_000, 24),
        (1_700_000_040_000, 20),
        (1_699_999_980_000, 8),
    ]
    assert len((await kept.read(limit=2, window_s=60)).points) == 2
    some = await kept.keeper.read("stats", 1_700_000_010_000, 1_700_000_020_000, 100, 0)
    assert [point.at_ms for point in some.points] == [1_700_000_020_000, 1_700_000_015_000, 1_700_000_010_000]


async def test_what_is_too_old_is_not_read_and_then_removed(tmp_path: Path, autojump_clock: MockClock) -> None:
    kept = Kept(tmp_path, 100.0)
    await kept.keeper.keep()
    await trio.sleep(101.0)
    assert (await kept.read()).points == ()
    await trio.sleep(PRUNE_INTERVAL_S)
    await kept.keeper.keep()
    with sqlite3.connect(tmp_path / FILE) as connection:
        assert connection.execute("SELECT count(*) FROM points").fetchone() == (2,)


async def test_names_that_come_and_go(tmp_path: Path, autojump_clock: MockClock) -> None:
    kept = Kept(tmp_path)
    await kept.keeper.keep()
    kept.names = ["b.count", "c.count"]
    await trio.sleep(5.0)
    await kept.keeper.keep()
    found = await kept.read()
    assert found.names == ("b.count", "c.count", "a.count")
    assert [point.values for point in found.points] == [(2, 2, 0), (1, 0, 1)]


async def test_it_survives_a_restart(tmp_path: Path, autojump_clock: MockClock) -> None:
    first = Kept(tmp_path / "new" / "folder")
    await first.keeper.keep()
    await first.keeper.close()
    await first.keeper.keep()  # a point that comes too late
    assert (await first.read()).points == ()
    second = Kept(tmp_path / "new" / "folder")
    assert [point.values for point in (await second.read()).points] == [(1, 1)]


async def test_without_a_folder_it_is_in_memory_and_short(autojump_clock: MockClock) -> None:
    kept = Kept(None, 7 * 86_400.0)
    await kept.keeper.keep()
    assert len((await kept.read()).points) == 1
    await trio.sleep(MEMORY_RETENTION_S + 5)
    assert (await kept.read()).points == ()


async def test_a_retention_of_nothing_keeps_nothing(tmp_path: Path, autojump_clock: MockClock) -> None:
    kept = Kept(tmp_path, 0.0)
    await kept.keeper.keep()
    assert (await kept.read()).points == ()
    assert not (tmp_path / FILE).exists()


async def test_a_damaged_file_is_set_aside(tmp_path: Path, autojump_clock: MockClock) -> None:
    (tmp_path / FILE).write_bytes(b"this is no database" * 999)
    kept = Kept(tmp_path)
    with capture_logs() as logs:
        await kept.keeper.keep()
    assert [line["event"] for line in logs] == ["history can't be kept"] and logs[0]["new_file"]
    await kept.keeper.keep()
    assert len((await kept.read()).points) == 1
    assert (tmp_path / FILE).with_suffix(".damaged").exists()


async def test_a_folder_that_cannot_be_used_is_told_once(tmp_path: Path, autojump_clock: MockClock) -> None:
    place = tmp_path / "taken"
    place.write_text("a file where the folder should be")
    kept = Kept(place)
    with capture_logs() as logs:
        for _ in range(3):
            await kept.keeper.keep()
        assert (await kept.read()).points == ()
    assert kept.keeper.failures == 4 and len(logs) == 1
    place.unlink()
    await kept.keeper.keep()
    assert len((await kept.read()).points) == 1


@pytest.mark.slow
def test_a_week_is_bounded(tmp_path: Path) -> None:
    """Seven days of points every 5 s, as big as real ones, stay far below the bound of the file."""
    file = HistoryFile(tmp_path / FILE)
    names = [f"metric.number.{number}" for number in range(170)]
    for number in range(2000):
        values = dict(zip(names, (number * i * 37 % (i * i + 1) for i in range(170)), strict=True))
        file.add(number * 5000, values, values)
    file.close()
    size = (tmp_path / FILE).stat().st_size
    assert size / 2000 * (7 * 86_400 / 5) < 128 * 1024 * 1024
