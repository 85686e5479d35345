"""Measures the cluster and writes docs/benchmarks-cluster.md; `make bench-cluster` runs it."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shlex
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.bench import machine
from tests.bench.cluster import failover, memory, page
from tests.bench.cluster.client import ClientError
from tests.bench.cluster.nats import Nats
from tests.bench.cluster.rabbitmq import RabbitMQ
from tests.bench.cluster.results import Failovers, Results
from tests.bench.cluster.rmq import NODES, Rmq
from tests.bench.cluster.scenarios import NATS, RABBITMQ, RMQ, SYSTEMS, TITLES
from tests.bench.cluster.servers import BenchError, Ports
from tests.bench.cluster.system import System
from tests.bench.cluster.throughput import CONNECT_PART, PERSISTENT_PART, TRANSIENT_PART, Rounds
from tests.bench.load_tool import LoadTool, LoadToolError

ROOT = Path(__file__).resolve().parents[3]
ROUND_PARTS = frozenset((TRANSIENT_PART, PERSISTENT_PART, CONNECT_PART))
FAILOVER_PART = "failover"
MEMORY_PART = "memory"
PARTS = (*sorted(ROUND_PARTS), FAILOVER_PART, MEMORY_PART)


class Systems:
    """Starts any of the systems afresh, with data in a folder of its own below `directory`."""

    def __init__(self, directory: Path, arguments: argparse.Namespace, cores: frozenset[int]) -> None:
        self._directory = directory
        self._arguments = arguments
        self._cores = cores
        self._ports = Ports(arguments.port)
        self._started = 0

    def make(self, name: str, settings: Sequence[str] = ()) -> System:
        """One of them, which begins to run in a `with`."""
        folder = self._folder(name)
        if name == RABBITMQ:
            return RabbitMQ(folder, self._cores, self._ports)
        if name == NATS:
            return Nats(folder, self._cores, self._ports)
        return self.rmq(NODES if name == RMQ else 1, settings, folder)

    def rmq(self, size: int = NODES, settings: Sequence[str] = (), folder: Path | None = None) -> Rmq:
        """Nodes of rmq."""
        place = folder or self._folder(RMQ)
        return Rmq(place, self._cores, self._ports, self._arguments.rmq_node, ROOT / "etc", size, settings)

    def _folder(self, name: str) -> Path:
        self._started += 1
        return self._directory / f"{self._started}-{name}"


def say(text: str) -> None:
    """Progress for whoever watches."""
    print(text, file=sys.stderr, flush=True)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    beside = Path(sys.executable).parent
    parser = argparse.ArgumentParser(prog="tests.bench.cluster.compare", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of 2 s, few kills, little data: a smoke test")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a measured window (default 5)")
    parser.add_argument("--runs", type=int, default=3, help="rounds (default 3)")
    parser.add_argument("--connections", type=int, default=10_000, help="clients that connect (default 10,000)")
    parser.add_argument("--kills", type=int, default=20, help="how often the leader is killed (default 20)")
    parser.add_argument("--sessions", type=int, default=100_000, help="sessions of a full cluster (default 100,000)")
    parser.add_argument("--messages", type=int, default=500_000, help="messages queued in it (default 500,000)")
    parser.add_argument("--payloads", type=int, nargs="+", default=[1024, 65536], help="their sizes (1024 65536)")
    parser.add_argument(
        "--full-setting", action="append", default=[], help="KEY=VALUE for the nodes of a full cluster; repeatable"
    )
    parser.add_argument("--only", action="append", choices=PARTS, help="only this part; repeatable")
    parser.add_argument("--system", action="append", choices=SYSTEMS, help="only this system; repeatable")
    parser.add_argument("--server-core", type=int, action="append", help="keep all servers on this core; repeatable")
    parser.add_argument("--load-core", type=int, help="keep the load on this core")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks-cluster.md")
    parser.add_argument("--raw", type=Path, default=ROOT / "build" / "benchmarks-cluster.json", help="all as JSON")
    parser.add_argument("--data", type=Path, default=ROOT / "build", help="where the data lies meanwhile")
    parser.add_argument("--port", type=int, default=23000, help="first port; those that are taken are passed over")
    parser.add_argument("--rmq-node", type=shlex.split, default=[str(beside / "rmq-node")], help="command of the node")
    parser.add_argument(
        "--rmq-bench", type=shlex.split, default=[str(beside / "rmq-bench")], help="command of the load tool"
    )
    parser.add_argument("--strict", action="store_true", help="exit code 3 when a target is not met")
    found = parser.parse_args(arguments)
    if found.quick:
        found.runs, found.seconds, found.connections, found.kills = 1, 2.0, min(2000, found.connections), 3
        found.sessions, found.messages = min(2000, found.sessions), min(10_000, found.messages)
    return found


def measure(arguments: argparse.Namespace, directory: Path) -> Results:
    """All that was asked for."""
    cores = frozenset(arguments.server_core or os.sched_getaffinity(0))
    tool = LoadTool(arguments.rmq_bench, arguments.load_core)
    systems = Systems(directory, arguments, cores)
    wanted = tuple(arguments.system or SYSTEMS)
    parts = frozenset(arguments.only or PARTS)
    where = f"Servers on cores {sorted(cores)}, load on {'any' if arguments.load_core is None else arguments.load_core}"
    options = {
        "description": f"{arguments.runs} rounds of {arguments.seconds:g} s a run, medians",
        "seconds": f"{arguments.seconds:g}",
        "connections": f"{arguments.connections:,}",
        "cores": f"{where}; data on {machine.filesystem(directory)}, sync {machine.sync_us(directory):.0f} µs",
    }
    results = Results(machine.facts(), options)
    rounds = Rounds(tool, results, arguments.seconds, arguments.connections, say)
    for number in range(arguments.runs if parts & ROUND_PARTS else 0):
        for name in wanted:
            title = f"round {number + 1}, {TITLES[name]}"
            say(title)
            with problems_noted(results, title), systems.make(name) as system:
                verify(name, system, results, tool)
                rounds.make(name, system, parts)
    if RMQ in wanted and FAILOVER_PART in parts:
        say("failover")
        with problems_noted(results, "failover"), systems.rmq() as cluster:
            verify(RMQ, cluster, results, tool)
            results.failovers = Failovers()
            failover.measure(cluster, arguments.kills, results.failovers, say)
    if RMQ in wanted and MEMORY_PART in parts:
        for payload in arguments.payloads:
            title = f"a full cluster, messages of {payload:,} bytes"
            say(title)
            with problems_noted(results, title), systems.rmq(settings=arguments.full_setting) as cluster:
                verify(RMQ, cluster, results, tool)
                results.full.append(memory.begun(cluster, payload, arguments.sessions, arguments.messages))
                memory.measure(cluster, results.full[-1], say)
    return results


def verify(name: str, system: System, results: Results, tool: LoadTool) -> None:
    """Keep what the running system says about itself; BenchError when it isn't what is to be compared."""
    results.verified[name] = system.verify(tool)
    results.versions[TITLES[name]] = system.version()
    if isinstance(system, Rmq) and name == RMQ:
        results.effective = system.effective_configuration()


@contextmanager
def problems_noted(results: Results, title: str) -> Iterator[None]:
    """What goes wrong inside ends this part only: the rest of a long run is not lost with it."""
    try:
        yield
    except (BenchError, ClientError, LoadToolError) as error:
        results.problems.append(f"{title}: {error}")
        say(f"  PROBLEM {results.problems[-1]}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; 0 measured, 1 something went wrong (the page says what), 3 see --strict."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every process that was started is ended
    options = parse(arguments)
    options.data.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix="bench-cluster-", dir=options.data) as directory:
            results = measure(options, Path(directory))
    except KeyboardInterrupt:
        say("make bench-cluster: interrupted")
        return 130
    page.write(options.out, results)
    options.raw.parent.mkdir(parents=True, exist_ok=True)
    options.raw.write_text(json.dumps(dataclasses.asdict(results), indent=1))
    say(f"\nwritten: {options.out}")
    if results.problems:
        return 1
    return 3 if options.strict and "NOT met" in options.out.read_text() else 0


if __name__ == "__main__":
    sys.exit(main())
