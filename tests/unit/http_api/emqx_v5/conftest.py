"""An API of this dialect for every test that asks for one."""

from collections.abc import Iterator

import pytest

from tests.unit.http_api.emqx_v5.v5 import V5


@pytest.fixture
def v5() -> Iterator[V5]:
    """A node alone; no test may leave a bug behind."""
    made = V5()
    yield made
    assert made.bugs == 0
    assert made.world.engine.counters.internal_errors == 0
