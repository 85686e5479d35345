"""A server as a process with its children, and ports for it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_STOP_TIMEOUT_S = 30.0
_KIB = 1024


class BenchError(Exception):
    """A system that is missing, doesn't start, or isn't what it should be."""


class Ports:
    """Ports below those the kernel gives to clients, each once."""

    def __init__(self, first: int) -> None:
        self._next = first

    def take(self) -> int:
        """A port nobody listens on."""
        while True:
            port = self._next
            self._next += 1
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    continue
            return port


class Server:
    """A running process with its children; its output goes to a file in its folder."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        folder: Path,
        environment: Mapping[str, str] | None = None,
        cores: frozenset[int] = frozenset(),
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        wanted = cores or os.sched_getaffinity(0)
        try:
            with self.log.open("ab") as output:
                self._process = subprocess.Popen(
                    command,
                    cwd=folder,
                    env={**os.environ, **(environment or {})},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    preexec_fn=lambda: os.sched_setaffinity(0, wanted),
                )
        except OSError as error:
            raise BenchError(f"{command[0]}: {error.strerror}") from error

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def is_running(self) -> bool:
        """Whether it hasn't ended."""
        return self._process.poll() is None

    def cpu_seconds(self) -> float:
        """Processor time of it and its children, ended ones included, so far."""
        ticks = 0
        for pid in self._tree():
            fields = _stat(pid)
            ticks += sum(int(field) for field in fields[11:15])  # utime, stime, cutime, cstime
        return ticks / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self) -> int:
        """RSS of it and its children."""
        return sum(_status(pid, "VmRSS") for pid in self._tree())

    def peak_resident_bytes(self) -> int:
        """The highest RSS it had, with that of its children."""
        return sum(_status(pid, "VmHWM") for pid in self._tree())

    def waited_for_processor(self) -> float:
        """For how many seconds its first thread has wanted to run while others did; 0 when it has ended."""
        try:
            return int(Path(f"/proc/{self._process.pid}/schedstat").read_text().split()[1]) / 1e9
        except (OSError, IndexError):
            return 0.0

    def kill(self) -> None:
        """SIGKILL to it and its children, and wait for its end."""
        for pid in reversed(self._tree()):
            _signal(pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """SIGTERM; SIGKILL to what is left of it and its children after a while."""
        tree = self._tree()
        self._process.terminate()
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pid in tree[1:]:
            _signal(pid, signal.SIGKILL)

    def tail(self) -> str:
        """The last lines it said."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])

    def _tree(self) -> list[int]:
        """Process ids: its own, if it runs, and those of its children and theirs."""
        if not self.is_running():
            return []
        children: dict[int, list[int]] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and (fields := _stat(int(entry.name))):
                children.setdefault(int(fields[1]), []).append(int(entry.name))
        found = [self.pid]
        for pid in found:
            found += children.get(pid, [])
        return found


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat behind the name; none if there is no such process any more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _status(pid: int, key: str) -> int:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1]) * _KIB
    except OSError:
        pass
    return 0


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def wait_until_listening(server: Server, port: int, timeout_s: float) -> None:
    """Return when `server` takes connections on this port; BenchError with what it said if it doesn't."""
    deadline = time.monotonic() + timeout_s
    while True:
        if not server.is_running():
            raise BenchError(f"{server.name} ended at its start:\n{server.tail()}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise BenchError(f"{server.name} does not listen on {port}:\n{server.tail()}") from None
            time.sleep(0.05)
