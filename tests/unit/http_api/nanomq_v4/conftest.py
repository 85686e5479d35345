"""An API for every test that asks for one."""

from collections.abc import Iterator

import pytest

from tests.unit.http_api.nanomq import NanoApi


@pytest.fixture
def nano() -> Iterator[NanoApi]:
    """A node alone; no test may leave a bug behind."""
    made = NanoApi()
    yield made
    assert made.bugs == 0
    assert made.world.engine.counters.internal_errors == 0
