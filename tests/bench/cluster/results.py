"""What the cluster's benchmark found, and the arithmetic on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil
from statistics import median

from tests.bench.load_tool import Measured


@dataclass(slots=True)
class Run:
    """One run of rmq-bench; `cpu_seconds` by node, from the last connect to the end."""

    measured: Measured
    cpu_seconds: list[float]

    def per_cpu_second(self) -> float:
        """Messages received per second of processor time of all nodes together."""
        return self.measured["totals"].get("received", 0) / max(sum(self.cpu_seconds), 0.01)


@dataclass(slots=True)
class Runs:
    """The runs of one thing for one system, in the order they were made."""

    runs: list[Run] = field(default_factory=list)

    def received(self) -> list[float]:
        """Messages received per second, one figure a run."""
        return [run.measured["received_per_s"] for run in self.runs]

    def per_cpu_second(self) -> list[float]:
        """Messages per processor second, one figure a run."""
        return [run.per_cpu_second() for run in self.runs]

    def connects(self) -> list[float]:
        """Connections per second, one figure a run."""
        return [run.measured["connects_per_s"] for run in self.runs]

    def acknowledged_us(self, name: str) -> list[float]:
        """A percentile of the time until PUBACK, one figure a run."""
        return [run.measured["ack_latency_us"].get(name, 0) for run in self.runs]

    def cpu_by_node(self) -> list[float]:
        """Median processor seconds of each node."""
        return [median(values) for values in zip(*(run.cpu_seconds for run in self.runs), strict=True)]

    def load_cpu(self) -> float:
        """How busy the load tool was, in percent of a core."""
        return median(run.measured["load_cpu_percent"] for run in self.runs) if self.runs else 0.0


@dataclass(slots=True)
class Failovers:
    """Seconds from the death of the leader to the first acknowledged publish on a survivor, one a kill.

    `reconnects` counts how often the publisher was closed meanwhile, `rejoins` has the seconds from the start of the
    killed node until it serves again.
    """

    seconds: list[float] = field(default_factory=list)
    reconnects: int = 0
    rejoins: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Wait:
    """How long the publishes of a probe waited for their PUBACK while something went on, in seconds."""

    what: str
    count: int
    p50: float
    p99: float
    longest: float


@dataclass(slots=True)
class NodeSize:
    """What one node takes: bytes in memory now and at most, bytes on disk."""

    resident: int
    peak: int
    disk: int


@dataclass(slots=True)
class Pauses:
    """The longest pause of each node in seconds, and the longest without its waits for a processor."""

    longest: list[float]
    own: list[float]


@dataclass(slots=True)
class Full:
    """A cluster with many sessions and messages; `held` tells why not all messages were taken, if so.

    `sizes` are by node: empty, with the sessions, and with the messages. `rejoin` is by what happened, in seconds, and
    so are `pauses`.
    """

    payload: int
    sessions: int
    routes: int
    wanted: int
    taken: int = 0
    held: str = ""
    fill_seconds: float = 0.0
    sizes: dict[str, list[NodeSize]] = field(default_factory=dict)
    waits: list[Wait] = field(default_factory=list)
    rejoin: dict[str, float] = field(default_factory=dict)
    pauses: dict[str, Pauses] = field(default_factory=dict)
    budgets: dict[str, str] = field(default_factory=dict)


BySystem = dict[str, Runs]


@dataclass(slots=True)
class Results:
    """Everything one `make bench-cluster` found."""

    machine: dict[str, str]
    options: dict[str, str]
    versions: dict[str, str] = field(default_factory=dict)
    verified: dict[str, dict[str, str]] = field(default_factory=dict)
    transient: dict[str, BySystem] = field(default_factory=dict)
    persistent: BySystem = field(default_factory=dict)
    half_load: BySystem = field(default_factory=dict)
    fixed_load: BySystem = field(default_factory=dict)
    connects: BySystem = field(default_factory=dict)
    failovers: Failovers | None = None
    full: list[Full] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    effective: str = ""


def ratio(theirs: list[float], ours: list[float]) -> float:
    """The median of the ratios of ours to theirs, each run against the other's of the same round."""
    ratios = [b / a for a, b in zip(theirs, ours, strict=False) if a]
    return median(ratios) if ratios else 0.0


def percentile(values: list[float], share: float) -> float:
    """The smallest of the values that `share` (0 to 1) of them don't exceed; 0 without any."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[max(0, ceil(len(ordered) * share) - 1)]
