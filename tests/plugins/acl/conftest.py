"""Nothing is configured but what a test writes."""

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _nothing_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("RMQ_") and not name.startswith("RMQ_TEST_")]:
        monkeypatch.delenv(name)
