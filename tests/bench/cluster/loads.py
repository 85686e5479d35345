"""One run of rmq-bench over all nodes, with the processor time it cost each."""

from __future__ import annotations

from collections.abc import Sequence

from tests.bench.cluster.results import Run
from tests.bench.cluster.scenarios import ACROSS, Scenario
from tests.bench.cluster.system import System
from tests.bench.load_tool import LoadTool

_DRAIN_S = "45"  # NATS delivers again after 30 s what it believes lost


def run(system: System, tool: LoadTool, scenario: Scenario, further: Sequence[str]) -> Run:
    """Run it; processor time counts from when all connections are there, so that it is that of messages."""
    before: list[float] = []

    def connected() -> None:
        before.extend(system.cpu_seconds())

    options = [*scenario.options, *further, *placed(system, scenario), "--drain", _DRAIN_S]
    measured = tool.run_with(system.ports[0], options, connected)
    return Run(measured, [b - a for a, b in zip(before, system.cpu_seconds(), strict=True)] if before else [])


def connect(system: System, tool: LoadTool, options: Sequence[str]) -> Run:
    """Connect and subscribe over all nodes; processor time counts from the start."""
    before = system.cpu_seconds()
    measured = tool.run(system.ports[0], ["conn", *options, "--at", system.addresses()])
    return Run(measured, [b - a for a, b in zip(before, system.cpu_seconds(), strict=True)])


def placed(system: System, scenario: Scenario) -> list[str]:
    """Where publishers and subscribers go; with one node all go there."""
    if scenario.place == ACROSS:
        return ["--publishers-at", system.address(0), "--at", system.address(1)]
    return ["--publishers-at", system.addresses(), "--at", system.addresses(1)]
