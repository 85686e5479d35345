"""An API that is made up."""

from __future__ import annotations

import os

import pytest

from tests.unit.ctl.desk import Desk


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    """One that has no answers yet; nothing comes from the environment of the tests."""
    for name in list(os.environ):
        if name.startswith("RMQ_"):
            monkeypatch.delenv(name)
    return Desk()
