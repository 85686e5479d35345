"""A group of nodes for a test, gone afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.unit.cluster.raft.schedule import fresh_folder
from tests.unit.cluster.raft.world import World


@pytest.fixture
def make_world() -> Iterator[Callable[..., World]]:
    worlds: list[World] = []

    def make(seed: int = 1, voters: int = 3) -> World:
        worlds.append(World(fresh_folder(), seed, voters))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()
