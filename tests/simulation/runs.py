"""For the tests: seeds in processes of their own, where the hash seed is fixed."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
FOLDERS: Final = (".", "cluster", "http_api", "plugins")
TIMEOUT_S: Final = 3600.0
MEMORY_BYTES: Final = 4 * 1024**3
# How many seeds CI runs, from 1 on.
CI_SEEDS: Final = 200

Line = dict[str, Any]


def run(first: int, last: int, *arguments: str) -> list[Line]:
    """Run seeds, one after the other; what came of each."""
    command = [sys.executable, "-m", "tests.simulation", f"{first}-{last}", *arguments]
    path = os.pathsep.join(str(ROOT / folder) for folder in FOLDERS)
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": path}
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        # A course that runs away shall fail by itself, and take nothing else with it.
        preexec_fn=partial(resource.setrlimit, resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES)),
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def run_many(first: int, last: int) -> list[Line]:
    """Run seeds, in as many processes as there are processors."""
    workers = os.cpu_count() or 1
    size = -(-(last - first + 1) // workers)
    starts = range(first, last + 1, size)
    with ThreadPoolExecutor(workers) as pool:
        parts = pool.map(lambda start: run(start, min(start + size - 1, last)), starts)
    return [line for part in parts for line in part]


def until_problem(mutation: str, first: int, last: int) -> Line:
    """Run seeds with a rule taken out, until one has a problem; the last line."""
    return run(first, last, "--mutation", mutation, "--until-problem")[-1]
