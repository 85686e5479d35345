"""An API for every test that asks for one."""

from collections.abc import Iterator

import pytest

from tests.unit.http_api.emqx_v2.admin import V2


@pytest.fixture
def v2() -> Iterator[V2]:
    """A node alone; no test may leave a bug behind."""
    made = V2()
    yield made
    assert made.api.bugs == 0
    assert made.world.engine.counters.internal_errors == 0
