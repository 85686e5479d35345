"""A world for every test that asks for one."""

from collections.abc import Iterator

import pytest

from tests.unit.management.world import World


@pytest.fixture
def world() -> Iterator[World]:
    """A broker with default options and its management; no test may leave a bug behind."""
    made = World()
    yield made
    assert made.engine.counters.internal_errors == made.engine.expected_bugs
    assert made.engine.counters.hook_errors == 0
