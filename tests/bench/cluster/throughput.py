"""Rounds of runs: messages per processor second, messages per second, acknowledgements, connections."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

from tests.bench.cluster import loads
from tests.bench.cluster.results import BySystem, Results, Run, Runs
from tests.bench.cluster.scenarios import PACED, PERSISTENT, PERSISTENT_PER_S, TITLES, TRANSIENT, Scenario
from tests.bench.cluster.system import System
from tests.bench.load_tool import LoadTool, LoadToolError

TRANSIENT_PART = "transient"
PERSISTENT_PART = "persistent"
CONNECT_PART = "connect"


class Rounds:
    """Makes the runs of one system after the other; a round has each once, so what is compared is near in time."""

    def __init__(
        self, tool: LoadTool, results: Results, seconds: float, connections: int, say: Callable[[str], None]
    ) -> None:
        self._tool = tool
        self._results = results
        self._seconds = seconds
        self._connections = connections
        self._say = say

    def make(self, name: str, system: System, parts: frozenset[str]) -> None:
        """All runs of one round on this system, which runs."""
        if TRANSIENT_PART in parts:
            for scenario in TRANSIENT:
                made = self._run(name, system, scenario, ["-d", f"{self._seconds:g}"])
                self._add(self._results.transient.setdefault(scenario.name, {}), name, made)
        if PERSISTENT_PART in parts:
            self._persistent(name, system)
        if CONNECT_PART in parts:
            self._connect(name, system)

    def _persistent(self, name: str, system: System) -> None:
        made = self._run(name, system, PERSISTENT, ["-d", f"{self._seconds:g}"])
        self._add(self._results.persistent, name, made)
        reached = self._results.persistent.get(name, Runs()).received()
        if made is None or not reached or not median(reached):
            return
        for rate, where in ((median(reached) / 2, self._results.half_load), (PERSISTENT_PER_S / 2, None)):
            if where is None and median(reached) < rate:
                continue  # more than it can take: the figure would be that of a growing queue
            paced = self._run(name, system, PACED, ["-r", f"{rate:.0f}", "-d", f"{self._seconds:g}"])
            self._add(self._results.fixed_load if where is None else where, name, paced)

    def _connect(self, name: str, system: System) -> None:
        try:
            made = loads.connect(system, self._tool, ["-c", str(self._connections), "--in-flight", "200"])
        except LoadToolError as error:
            self._problem(f"connections, {TITLES[name]}: {error}")
            return
        if made.measured["error"]:
            self._problem(f"connections, {TITLES[name]}: {made.measured['error']} {made.measured['failures']}")
        self._say(f"  {TITLES[name]}: {made.measured['connects_per_s']:,.0f} CONNECT + SUBSCRIBE per second")
        self._add(self._results.connects, name, made)

    def _run(self, name: str, system: System, scenario: Scenario, further: list[str]) -> Run | None:
        title = f"{TITLES[name]}, {scenario.title} {' '.join(further[:-2])}".rstrip()
        try:
            made = loads.run(system, self._tool, scenario, further)
        except LoadToolError as error:
            self._problem(f"{title}: {error}")
            return None
        measured = made.measured
        if measured["error"]:
            self._problem(f"{title}: {measured['error']} {measured['failures'] or ''}".rstrip())
        if measured["failures"] or not measured["totals"]:
            return None  # not what was to be measured: not everybody was there
        acked = measured["ack_latency_us"]
        self._say(
            f"  {title}: {measured['received_per_s']:,.0f} msg/s, {made.per_cpu_second():,.0f} per CPU-second"
            + (f", PUBACK p99 {acked['p99'] / 1000:,.1f} ms" if acked else "")
        )
        return made

    def _problem(self, text: str) -> None:
        self._results.problems.append(text)
        self._say(f"  PROBLEM {text}")

    @staticmethod
    def _add(into: BySystem, name: str, made: Run | None) -> None:
        if made is not None and made.cpu_seconds:
            into.setdefault(name, Runs()).runs.append(made)
