"""What the comparison found, and the arithmetic on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median

from tests.bench.load_tool import Measured

BROKERS = ("mosquitto", "rmq")


@dataclass(slots=True)
class Series:
    """The runs of one thing for one broker, in the order they were made."""

    runs: list[Measured] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    syncs: list[int | None] = field(default_factory=list)

    def received(self) -> list[float]:
        """Messages received per second, one figure a run."""
        return [run["received_per_s"] for run in self.runs]

    def connects(self) -> list[float]:
        """Connections per second, one figure a run."""
        return [run["connects_per_s"] for run in self.runs]

    def latency(self, name: str) -> list[float]:
        """A percentile in µs, one figure a run."""
        return [run["latency_us"].get(name, 0) for run in self.runs]

    def load_cpu(self) -> float:
        """How busy the load tool was, in percent of its core."""
        return median(run["load_cpu_percent"] for run in self.runs)

    def cpu_us_per_message(self) -> float:
        """Processor time of the broker per message received, everything included."""
        return median(
            1e6 * cpu / max(1, run["totals"].get("received", 0))
            for cpu, run in zip(self.cpu_seconds, self.runs, strict=True)
        )

    def messages_per_sync(self) -> float | None:
        """Messages received for each fsync or fdatasync; None when there was none, or nobody counted."""
        found = [run["totals"].get("received", 0) / n for n, run in zip(self.syncs, self.runs, strict=True) if n]
        return median(found) if found else None


@dataclass(slots=True)
class CounterCheck:
    """One run of the node whose counters were compared."""

    title: str
    rows: list[tuple[str, int, int]]

    def differences(self) -> list[tuple[str, int, int]]:
        """What didn't match."""
        return [row for row in self.rows if row[1] != row[2]]


@dataclass(slots=True)
class Memory:
    """Bytes per idle connection: growth of PSS and of private memory, divided by the connections."""

    connections: int
    pss: float
    private: float


@dataclass(slots=True)
class Durability:
    """Runs with persistent sessions: by scenario and broker; `sync_us` is one write of 4 KiB with its fdatasync."""

    filesystem: str
    sync_us: float
    runs: dict[str, dict[str, Series]] = field(default_factory=dict)


@dataclass(slots=True)
class Neighbours:
    """Runs beside one kind of neighbours, of one broker.

    `still_open` is how many of the `count` neighbours were connected at the end of each run; `logins` how long a
    new client waited for its CONNACK meanwhile, in ms, None if it was refused.
    """

    count: int
    series: Series = field(default_factory=Series)
    still_open: list[int] = field(default_factory=list)
    logins: list[float | None] = field(default_factory=list)


@dataclass(slots=True)
class ApiCost:
    """Messages measured beside somebody who asks the API; `answers_per_s` is what that one got, in each run."""

    series: Series = field(default_factory=Series)
    answers_per_s: list[float] = field(default_factory=list)


@dataclass(slots=True)
class ApiResults:
    """The API with `idle` connected clients: ms of each answer and its bytes by route, and what asking costs others."""

    idle: int
    routes: dict[str, list[float]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    beside: dict[str, ApiCost] = field(default_factory=dict)


@dataclass(slots=True)
class Results:
    """Everything one `make bench` found."""

    machine: dict[str, str]
    versions: dict[str, str]
    options: dict[str, str]
    throughput: dict[str, dict[str, Series]] = field(default_factory=dict)
    latency: dict[int, dict[str, Series]] = field(default_factory=dict)
    latency_rate: dict[int, float] = field(default_factory=dict)
    connects: dict[str, Series] = field(default_factory=dict)
    memory: dict[str, dict[str, Memory]] = field(default_factory=dict)
    durability: Durability | None = None
    neighbours: dict[str, dict[str, Neighbours]] = field(default_factory=dict)
    api: ApiResults | None = None
    checks: list[CounterCheck] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def pair_of_series() -> dict[str, Series]:
    """An empty series for each broker."""
    return {name: Series() for name in BROKERS}


def ratio(theirs: list[float], ours: list[float]) -> float:
    """The median of rmq's ratio to mosquitto, each run against the one made just before it."""
    ratios = [b / a for a, b in zip(theirs, ours, strict=False) if a]
    return median(ratios) if ratios else 0.0
