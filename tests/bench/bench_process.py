"""For tests: rmq-bench of this checkout as a process, and where it finds a broker."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MOSQUITTO = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
NO_MOSQUITTO = "mosquitto is not installed (Debian: apt-get install mosquitto)"


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start_bench(port: int, *options: str) -> subprocess.Popen[str]:
    """Start rmq-bench of this checkout (or, in the copy that tests the wheel, the installed one)."""
    return subprocess.Popen(
        [sys.executable, "-m", "rmq.bench", *options, "-p", str(port), "--json"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def bench(port: int, *options: str) -> tuple[int, dict[str, object]]:
    """Run rmq-bench to its end: its exit code and its result."""
    with start_bench(port, *options, "--no-progress") as process:
        output, _ = process.communicate(timeout=60)
    return process.returncode, json.loads(output)


def totals(result: dict[str, object]) -> dict[str, int]:
    """What was counted over the whole run."""
    found = result["totals"]
    assert isinstance(found, dict)
    return found
