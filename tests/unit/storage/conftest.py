"""Every test here may ask for an engine, one that keeps its data, and a disk that fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.engine import engine as engine
from tests.unit.storage.disk_engine import DiskEngine
from tests.unit.storage.faulty_disk import FaultyDisk

StartEngine = Callable[..., DiskEngine]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[StartEngine]:
    """Starts engines on one folder, one after the other; none may leave a bug behind."""
    started: list[DiskEngine] = []

    def begin(*arguments: object, **options: object) -> DiskEngine:
        started.append(DiskEngine(tmp_path / "data", *arguments, **options))  # type: ignore[arg-type]  # as DiskEngine's
        return started[-1]

    yield begin
    for each in started:
        assert each.counters.internal_errors == each.expected_bugs
        each.kill()


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> FaultyDisk:
    """The disk, for whatever writes to it."""
    modules = ("journal", "record_file", "segments", "snapshot")
    return FaultyDisk(monkeypatch, *(f"rmq.storage.{module}" for module in modules))
