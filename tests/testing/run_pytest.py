"""Runs pytest in a process and a folder of its own, as people who have installed rmq do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.architecture.sources import ROOT

TIMEOUT_S = 120
# A configuration of its own, so that the one of this repository isn't found.
INI = """[pytest]
addopts = --strict-markers
filterwarnings = error
asyncio_default_fixture_loop_scope = function
"""


class Run:
    """How it went with these files of tests: ``output`` is all it wrote."""

    def __init__(self, folder: Path, sources: Sequence[str], *arguments: str) -> None:
        for number, source in enumerate(sources):
            (folder / f"test_{number}.py").write_text(source, encoding="utf-8")
        (folder / "pytest.ini").write_text(INI, encoding="utf-8")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("RMQ_", "PYTEST_"))}
        parts = [ROOT, ROOT / "plugins", ROOT / "cluster", ROOT / "http_api"]
        environment["PYTHONPATH"] = os.pathsep.join(str(part) for part in parts)
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        self.code = done.returncode
        self.output = done.stdout

    def passed(self, count: int) -> None:
        """So many tests ran, and all passed."""
        assert self.code == 0, self.output
        assert f"{count} passed" in self.output, self.output
