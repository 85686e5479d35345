"""Counts how often a process has the disk sync a file, with perf."""

from __future__ import annotations

import shutil
import signal
import subprocess
from types import TracebackType
from typing import Final, Self

_EVENTS: Final = "syscalls:sys_enter_fsync,syscalls:sys_enter_fdatasync"
_END_TIMEOUT_S: Final = 10.0


class Syncs:
    """Used in a `with`; `count` is there afterwards, None where perf is missing or isn't allowed to look."""

    def __init__(self, pid: int) -> None:
        self.count: int | None = None
        self._pid = pid
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        perf = shutil.which("perf")
        if perf is not None:
            self._process = subprocess.Popen(
                [perf, "stat", "-x", ";", "-e", _EVENTS, "-p", str(self._pid)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            _, said = self._process.communicate(timeout=_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            return
        self.count = counted(said)


def counted(said: str) -> int | None:
    """The sum of what `perf stat -x ;` says, or None if it says anything else."""
    lines = [line.split(";") for line in said.splitlines() if "sys_enter_" in line]
    if not lines or not all(line[0].isdigit() for line in lines):
        return None
    return sum(int(line[0]) for line in lines)
