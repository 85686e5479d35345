"""Configuration tests start in an empty folder and without RMQ_ variables, so that only what they write counts."""

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _nothing_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("RMQ_")]:
        monkeypatch.delenv(name)
