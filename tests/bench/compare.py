"""Compares rmq with mosquitto and writes docs/benchmarks.md; `make bench` runs it: python -m tests.bench.compare."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from tests.bench import document, machine
from tests.bench.api import ApiPart
from tests.bench.brokers import Broker, BrokerError, Brokers
from tests.bench.counters import Monitor, after_run, compare
from tests.bench.durability import DurabilityPart
from tests.bench.load_tool import LoadTool, LoadToolError, Measured
from tests.bench.neighbours import LONGEST_S, NeighboursPart
from tests.bench.results import BROKERS, CounterCheck, Memory, Results, Series, pair_of_series, ratio
from tests.bench.scenarios import LATENCY_OF, SCENARIOS, Scenario

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("latency", "connect", "memory", "durability", "neighbours", "api")
PORTS_BEFORE_DURABILITY = 400


class Comparison:
    """Makes the runs in turn and collects what they found."""

    def __init__(self, brokers: Brokers, tool: LoadTool, results: Results, arguments: argparse.Namespace) -> None:
        self._brokers = brokers
        self._tool = tool
        self._results = results
        self._runs: int = arguments.runs
        self._seconds: float = arguments.seconds
        self._connections: int = arguments.connections

    def throughput(self, scenario: Scenario) -> None:
        """One scenario, all runs in turn."""
        found = self._results.throughput.setdefault(scenario.name, pair_of_series())
        options = [*scenario.options, "-d", str(self._seconds)]
        for number in range(self._runs):
            for name in BROKERS:
                self._one(name, f"{scenario.title}, run {number + 1}", options, found[name])
            theirs, ours = (found[name].received()[-1:] for name in BROKERS)
            say(f"  {scenario.title}: {sum(theirs):,.0f} / {sum(ours):,.0f} msg/s, ratio {ratio(theirs, ours):.2f}")

    def latency(self, qos: int) -> None:
        """Both brokers at half of mosquitto's own maximum."""
        base = self._results.throughput.get(LATENCY_OF[qos])
        if base is None:
            return
        rate = round(median(base["mosquitto"].received()) / 2)
        self._results.latency_rate[qos] = rate
        found = self._results.latency.setdefault(qos, pair_of_series())
        options = ["pair", "-c", "100", "-q", str(qos), "-r", str(rate), "-d", str(self._seconds)]
        for number in range(self._runs):
            for name in BROKERS:
                self._one(name, f"latency QoS {qos}, run {number + 1}", options, found[name])
            shown = " / ".join(f"{found[name].latency('p99')[-1]:,.0f}" for name in BROKERS)
            say(f"  latency QoS {qos} at {rate:,} msg/s: p99 {shown} µs")

    def connect(self) -> None:
        """Connect and subscribe, as fast as it goes."""
        self._results.connects = pair_of_series()
        for number in range(self._runs):
            for name in BROKERS:
                options = ["conn", "-c", str(min(5000, self._connections))]
                self._one(name, f"connect, run {number + 1}", options, self._results.connects[name])
            shown = " / ".join(f"{self._results.connects[name].connects()[-1]:,.0f}" for name in BROKERS)
            say(f"  connect + subscribe: {shown} per second")

    def memory(self, title: str, options: Sequence[str]) -> None:
        """Memory of idle connections."""
        found = self._results.memory.setdefault(title, {})
        for name in BROKERS:
            with self._brokers.start(name) as broker:
                before = machine.memory_bytes(broker.pid)
                after: list[tuple[int, int]] = []

                def look(broker: Broker = broker, after: list[tuple[int, int]] = after) -> None:
                    after.append(machine.memory_bytes(broker.pid))

                self._tool.while_holding(broker.port, ["-c", str(self._connections), *options], look)
                pss, private = ((after[0][i] - before[i]) / self._connections for i in (0, 1))
                found[name] = Memory(self._connections, pss, private)
            say(f"  {title}: {name} {found[name].pss:,.0f} bytes (PSS) per idle connection")

    def _one(self, name: str, title: str, options: Sequence[str], series: Series) -> None:
        with self._brokers.start(name) as broker:
            before = machine.cpu_seconds(broker.pid)
            measured = self._checked(broker, title, options) if name == "rmq" else self._tool.run(broker.port, options)
            series.cpu_seconds.append(machine.cpu_seconds(broker.pid) - before)
            series.runs.append(measured)
        if measured["error"]:
            self.problem(f"{title}, {name}: {measured['error']}")

    def _checked(self, broker: Broker, title: str, options: Sequence[str]) -> Measured:
        """A run of the node between two looks at its counters."""
        with Monitor(broker.port) as monitor:
            before = monitor.fresh()
            measured = self._tool.run(broker.port, options)
            delta = after_run(monitor, before, measured)
        mode, clients = options[0], int(options[options.index("-c") + 1])
        subscriptions = 1 if mode == "fan-in" else clients
        if not measured["totals"]:  # a run of connections only
            return measured
        check = CounterCheck(title, compare(delta, measured, subscriptions))
        self._results.checks.append(check)
        if check.differences():
            self.problem(f"{title}: the node's counters differ: {check.differences()}")
        return measured

    def problem(self, text: str) -> None:
        """What went wrong: on the page, and for whoever watches."""
        self._results.problems.append(text)
        say(f"  PROBLEM {text}")


def say(text: str) -> None:
    """Progress for whoever watches."""
    print(text, file=sys.stderr, flush=True)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    names = [scenario.name for scenario in SCENARIOS]
    beside = Path(sys.executable).parent
    parser = argparse.ArgumentParser(prog="tests.bench.compare", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one run of 2 s and 2,000 connections: a smoke test")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a measured window (default 5)")
    parser.add_argument("--runs", type=int, default=3, help="runs of each broker (default 3)")
    parser.add_argument("--connections", type=int, default=10_000, help="idle connections (default 10,000)")
    parser.add_argument("--only", action="append", choices=[*names, *PARTS], help="only this part; repeatable")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks.md")
    parser.add_argument("--raw", type=Path, default=ROOT / "build" / "benchmarks.json", help="all results as JSON")
    parser.add_argument("--port", type=int, default=21100, help="first port; every start of a broker takes the next")
    parser.add_argument("--rmq-node", nargs="+", default=[str(beside / "rmq-node")], help="command of the node")
    parser.add_argument("--rmq-bench", nargs="+", default=[str(beside / "rmq-bench")], help="command of the load tool")
    parser.add_argument("--strict", action="store_true", help="exit code 3 when a target is not met")
    found = parser.parse_args(arguments)
    if found.quick:
        found.runs, found.seconds, found.connections = 1, 2.0, min(2000, found.connections)
    return found


def measure(arguments: argparse.Namespace, directory: Path) -> tuple[Results, str]:
    """All that was asked for."""
    cores = sorted(os.sched_getaffinity(0))
    broker_core, load_core = cores[0], cores[-1]
    brokers = Brokers(directory, ROOT / "etc", arguments.rmq_node, broker_core, arguments.port)
    tool = LoadTool(arguments.rmq_bench, load_core)
    described = f"{arguments.runs} runs of {arguments.seconds:g} s each, medians"
    if broker_core == load_core:
        described += "; ONE core for broker and load: the figures say little"
    options = {"description": described, "seconds": f"{arguments.seconds:g}", "warmup": "1"}
    results = Results(machine.facts(), brokers.versions(), options)
    effective = brokers.effective_configuration()
    say(f"{results.versions['mosquitto']}; {results.versions['rmq']}")
    comparison = Comparison(brokers, tool, results, arguments)
    wanted = arguments.only or [*(scenario.name for scenario in SCENARIOS), *PARTS]
    needed = {*wanted, *(LATENCY_OF.values() if "latency" in wanted else ())}
    for scenario in SCENARIOS:
        if scenario.name in needed:
            comparison.throughput(scenario)
    if "latency" in wanted:
        for qos in LATENCY_OF:
            comparison.latency(qos)
    if "connect" in wanted:
        comparison.connect()
    if "memory" in wanted:
        comparison.memory("connected", ["--no-subscribe"])
        comparison.memory("connected and one subscription", ["--subscribe"])
    if "durability" in wanted:

        def brokers_in(folder: Path) -> Brokers:
            first_port = arguments.port + PORTS_BEFORE_DURABILITY
            return Brokers(folder, ROOT / "etc", arguments.rmq_node, broker_core, first_port)

        part = DurabilityPart(brokers_in, tool, comparison.problem, say)
        results.durability = part.measure(ROOT / "build", arguments.runs, arguments.seconds)
    if "neighbours" in wanted:
        rude_core = cores[1] if len(cores) > 2 else load_core
        visits = NeighboursPart(brokers, tool, rude_core, comparison.problem, say)
        results.neighbours = visits.measure(arguments.runs, arguments.seconds, arguments.connections)
    if "api" in wanted:
        asked = ApiPart(brokers, tool, load_core, comparison.problem, say)
        results.api = asked.measure(arguments.runs, min(arguments.seconds, LONGEST_S), arguments.connections)
    return results, effective


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; 0 measured, 1 a run went wrong or counters differ, 2 nothing could be measured, 3 see --strict."""
    options = parse(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="rmq-bench-") as directory:
            os.chmod(directory, 0o755)  # mosquitto gives up its rights and still reads its configuration
            results, effective = measure(options, Path(directory))
    except (BrokerError, LoadToolError) as error:
        say(f"make bench: {error}")
        return 2
    document.write(options.out, results, effective)
    options.raw.parent.mkdir(parents=True, exist_ok=True)
    options.raw.write_text(json.dumps(dataclasses.asdict(results), indent=1))
    say(f"\n{document.summary(results)}\n\nwritten: {options.out}")
    if results.problems:
        return 1
    return 3 if options.strict and "NOT met" in options.out.read_text() else 0


if __name__ == "__main__":
    sys.exit(main())
