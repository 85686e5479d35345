"""A village of nodes for each test that asks for one."""

from __future__ import annotations

import pytest
import trio

from tests.unit.cluster.links.harness import Village


@pytest.fixture
def village(nursery: trio.Nursery) -> Village:
    """Nobody lives there yet."""
    return Village(nursery)
