"""How many descriptors are left to connections."""

from __future__ import annotations

import resource
import sys

import pytest

from rmq.net.descriptors import connection_descriptors


@pytest.mark.parametrize(
    ("limit", "left"), [(64, 48), (256, 192), (1024, 960), (65_536, 65_472), (resource.RLIM_INFINITY, sys.maxsize)]
)
def test_a_quarter_is_kept_and_at_most_64(monkeypatch: pytest.MonkeyPatch, limit: int, left: int) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (limit, limit))
    assert connection_descriptors() == left
