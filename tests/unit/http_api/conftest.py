"""An API for every test that asks for one."""

from collections.abc import Iterator

import pytest

from tests.unit.http_api.api import Api


@pytest.fixture
def api() -> Iterator[Api]:
    """A node alone, open as by default; no test may leave a bug behind."""
    made = Api()
    yield made
    assert made.bugs == 0
    assert made.world.engine.counters.internal_errors == 0
