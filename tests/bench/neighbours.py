"""What slow or rude clients cost others: the latency of 100 pairs at a modest rate, alone and beside them."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.bench.brokers import Broker, Brokers
from tests.bench.load_tool import LoadTool
from tests.bench.results import BROKERS, Neighbours
from tests.bench.rude import connect_packet

ROOT: Final = Path(__file__).resolve().parents[2]
PAIRS: Final = 100
RATE: Final = 2000
WARMUP_S: Final = 6.0
LONGEST_S: Final = 3.0
_LOGIN_TIMEOUT_S: Final = 1.0
_END_TIMEOUT_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """A kind of neighbours (of tests.bench.rude) and how many; no kind is nobody."""

    title: str
    kind: str
    count: int


def neighbourhoods(idle: int) -> list[Neighbourhood]:
    """All that is measured, with so many idle connections."""
    return [
        Neighbourhood("alone", "", 0),
        Neighbourhood(f"beside {idle:,} idle connections", "idle", idle),
        Neighbourhood("beside 100 stopped readers", "stopped", 100),
        Neighbourhood("beside 500 slow handshakes", "loris", 500),
        Neighbourhood("beside 1,000 half-open connections", "half-open", 1000),
    ]


class RudeError(Exception):
    """The neighbours did not come, or their process ended."""


class RudeProcess:
    """The neighbours as a process; leaving the `with` ends it."""

    def __init__(self, place: Neighbourhood, port: int, core: int) -> None:
        self._title = place.title
        self._core = core
        self._command = [sys.executable, "-m", "tests.bench.rude", place.kind]
        self._command += ["--port", str(port), "--count", str(place.count)]
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def come(self, timeout_s: float) -> None:
        """Start, and return when all are in place. Raises `RudeError` when they aren't in time."""
        core = self._core
        self._process = process = subprocess.Popen(
            self._command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
        assert process.stdout is not None
        if not select.select([process.stdout], [], [], timeout_s)[0]:
            raise RudeError(f"{self._title}: not in place within {timeout_s:g} s")
        if process.stdout.readline().strip() != "ready":
            raise RudeError(f"{self._title}: {_last_line(process.communicate(timeout=_END_TIMEOUT_S)[1])}")

    def end(self) -> int:
        """Have it stop; returns how many connections were still open. Raises `RudeError`."""
        assert self._process is not None
        try:
            said, errors = self._process.communicate(timeout=_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise RudeError(f"{self._title}: the neighbours' process does not end") from None
        if not said.strip().isdigit():
            raise RudeError(f"{self._title}: {_last_line(errors)}")
        return int(said)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["the neighbours' process ended"])[-1]


def login_ms(port: int) -> float | None:
    """What a new client waits for its CONNACK, in ms; None when it gets none."""
    begun = time.perf_counter()
    try:
        with socket.create_connection(("127.0.0.1", port), _LOGIN_TIMEOUT_S) as sock:
            sock.sendall(connect_packet("newcomer"))
            answer = sock.recv(4)
            sock.sendall(b"\xe0\x00")
    except OSError:
        return None
    return (time.perf_counter() - begun) * 1000 if len(answer) == 4 and not answer[3] else None


class NeighboursPart:
    """Makes the runs; `problem` is told what went wrong, `say` how it goes."""

    def __init__(
        self, brokers: Brokers, tool: LoadTool, core: int, problem: Callable[[str], None], say: Callable[[str], None]
    ) -> None:
        self._brokers = brokers
        self._tool = tool
        self._core = core
        self._problem = problem
        self._say = say

    def measure(self, runs: int, seconds: float, idle: int) -> dict[str, dict[str, Neighbours]]:
        """Every neighbourhood, the brokers in turn: by title, then by broker."""
        found: dict[str, dict[str, Neighbours]] = {}
        for place in neighbourhoods(idle):
            by_broker = found.setdefault(place.title, {name: Neighbours(place.count) for name in BROKERS})
            for _ in range(runs):
                for name in BROKERS:
                    with self._brokers.start(name) as broker:
                        self._one(broker, place, min(seconds, LONGEST_S), by_broker[name])
            shown = " / ".join(_said(by_broker[name]) for name in BROKERS)
            self._say(f"  neighbours, {place.title}: p50, p99 {shown} µs")
        return found

    def _one(self, broker: Broker, place: Neighbourhood, seconds: float, found: Neighbours) -> None:
        """The pairs connect first, then the neighbours come while the load warms up: later there may be no room."""
        options = ["pair", "-c", str(PAIRS), "-q", "0", "-r", str(RATE)]
        options += ["--warmup", f"{WARMUP_S:g}", "-d", f"{seconds:g}"]
        still_open = 0
        logins: list[float | None] = []
        try:
            with RudeProcess(place, broker.port, self._core) as rude:

                def come() -> None:
                    if place.kind:
                        rude.come(WARMUP_S - _LOGIN_TIMEOUT_S)
                    logins.append(login_ms(broker.port))

                measured = self._tool.run_with(broker.port, options, come)
                if place.kind:
                    still_open = rude.end()
        except RudeError as error:
            self._problem(f"neighbours, {broker.name}: {error}")
            return
        if measured["error"]:
            self._problem(f"neighbours, {place.title}, {broker.name}: {measured['error']}")
        found.series.runs.append(measured)
        found.still_open.append(still_open)
        found.logins += logins


def _said(found: Neighbours) -> str:
    """The last run, for whoever watches."""
    return ", ".join(f"{found.series.latency(name)[-1]:,.0f}" for name in ("p50", "p99") if found.series.runs)
