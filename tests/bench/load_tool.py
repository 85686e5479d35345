"""rmq-bench as a process, pinned to a core of its own if there is one for it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import TypedDict, cast

_GRACE_S = 60.0


class Measured(TypedDict):
    """The part of rmq-bench's JSON that is used here."""

    connected: int
    failures: dict[str, int]
    connects_per_s: float
    seconds: float
    sent_per_s: float
    received_per_s: float
    latency_us: dict[str, float]
    ack_latency_us: dict[str, float]
    late_us: int
    lost: int
    drained: bool
    totals: dict[str, int]
    load_cpu_percent: float
    compiled: bool
    error: str | None


class LoadToolError(Exception):
    """The load tool said nothing that can be used."""


class LoadTool:
    """Runs rmq-bench; on any core if none is given."""

    def __init__(self, command: Sequence[str], core: int | None) -> None:
        self._command = list(command)
        self._core = core

    def run(self, port: int, options: Sequence[str]) -> Measured:
        """One run to its end."""
        return self._result(self._start(port, [*options, "--json"]))

    def run_with(self, port: int, options: Sequence[str], connected: Callable[[], None]) -> Measured:
        """One run to its end; `connected` is called when all connections are there, while the load warms up."""
        process = self._start(port, [*options, "--json", "--progress"])
        assert process.stderr is not None
        try:
            for line in process.stderr:
                if " connected in " in line:
                    break
            connected()
        except BaseException:
            process.kill()
            process.communicate()
            raise
        return self._result(process)

    def _result(self, process: subprocess.Popen[str]) -> Measured:
        try:
            output, errors = process.communicate(timeout=_GRACE_S + 60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise LoadToolError("rmq-bench did not end") from None
        try:
            return cast("Measured", json.loads(output))
        except json.JSONDecodeError:
            raise LoadToolError(f"rmq-bench: {errors.strip() or 'no result'}") from None

    def while_holding(self, port: int, options: Sequence[str], then: Callable[[], None]) -> None:
        """Open idle connections, call `then` while they are open, close them."""
        process = self._start(port, ["conn", *options, "--hold", "60", "--progress"])
        assert process.stderr is not None
        try:
            lines: list[str] = []
            for line in process.stderr:
                lines.append(line.strip())
                if line.startswith("holding"):
                    break
            else:
                raise LoadToolError("rmq-bench held no connections: " + " / ".join(lines))
            time.sleep(1.5)
            then()
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=_GRACE_S)

    def _start(self, port: int, options: Sequence[str]) -> subprocess.Popen[str]:
        cores = os.sched_getaffinity(0) if self._core is None else {self._core}
        try:
            return subprocess.Popen(
                [*self._command, *options, "-p", str(port)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                preexec_fn=lambda: os.sched_setaffinity(0, cores),
            )
        except OSError as error:
            raise LoadToolError(f"{self._command[0]}: {error.strerror}") from error
