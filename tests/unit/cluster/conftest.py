"""A world of nodes for each test, its folders in memory if the machine has such: they are synced all the time."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from tests.unit.cluster.world import World

IN_MEMORY = Path("/dev/shm")


@pytest.fixture
def data_folder(tmp_path: Path) -> Iterator[Path]:
    if not IN_MEMORY.is_dir():
        yield tmp_path
        return
    folder = Path(tempfile.mkdtemp(prefix="rmq-test-", dir=IN_MEMORY))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def world(data_folder: Path, nursery: trio.Nursery, autojump_clock: MockClock) -> World:
    return World(data_folder, nursery)
