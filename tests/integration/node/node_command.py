"""Runs `python -m rmq` to its end, for starts that must fail."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.support.broker_process import HTTP_API_ANYWHERE, REPOSITORY

TIMEOUT_S: Final = 60.0
FOLDERS: Final = (REPOSITORY, REPOSITORY / "plugins", REPOSITORY / "cluster", REPOSITORY / "http_api")


def command(*arguments: str) -> list[str]:
    """The command line of a node with these arguments."""
    return [os.environ.get("RMQ_TEST_PYTHON") or sys.executable, "-m", "rmq", *arguments]


def environment() -> dict[str, str]:
    """Without settings from outside; with the checkout on the path, unless an installed package is to be tested."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RMQ_")} | HTTP_API_ANYWHERE
    kept.pop("PYTHONPATH", None)
    if not os.environ.get("RMQ_TEST_PYTHON"):
        kept["PYTHONPATH"] = os.pathsep.join(str(folder) for folder in FOLDERS)
    return kept


def failed_start(directory: Path, *arguments: str) -> list[str]:
    """What a node writes that can't start; it must end with exit code 2 and write to standard error only."""
    done = subprocess.run(
        command(*arguments),
        cwd=directory,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    written = done.stderr.decode()
    assert done.returncode == 2, (done.returncode, done.stdout, written)
    assert done.stdout == b""
    assert "Traceback" not in written
    return written.splitlines()
