"""Figures of nodes as metric families, each with the samples of all nodes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from rmq.management.aggregate import sum_metrics, sum_stats
from rmq.management.models import Gathered, HistogramView, Metrics, NodeFigures, Stats
from rmq.management.node.hook_figures import HookFigures, sum_hooks
from rmq_http_api.prometheus.names import COUNTER_PLACES, GAUGE_PLACES, PREFIX, SILENCE, SILENCE_PLACE, Place

Kind = Literal["counter", "gauge", "histogram"]

# The value of the label "node" of what is of all nodes.
ALL: Final = "all"
_LATENCIES: Final = (
    (
        "deliver",
        "publish_to_deliver_seconds",
        "From reading a PUBLISH until it was written to a connected receiver, of some of them",
    ),
    (
        "ack",
        "publish_to_ack_seconds",
        "From reading a QoS 1 or 2 PUBLISH until its PUBACK or PUBREC was written, of some of them",
    ),
    ("loop_lag", "event_loop_lag_seconds", "How late something that was due came to run"),
)
_HOOKS: Final = (
    ("calls", "plugin_hook_calls", "Calls of the handlers of a plugin, or of a part of the node, by hook point"),
    ("seconds", "plugin_hook_seconds", "Time from calls of handlers to their answers; async ones with what they await"),
    ("errors", "plugin_hook_errors", "Calls of handlers that raised, or had no valid answer"),
    ("overruns", "plugin_hook_overruns", "Calls of handlers over their time budget"),
)
_LIMITS: Final = (
    ("storage.memory_budget", "storage_memory_budget_bytes", "What may wait in memory, not on disk alone; 0: no limit"),
    ("storage.disk_budget", "storage_disk_budget_bytes", "What storage may take on disk; 0: no limit"),
)


@dataclass(slots=True)
class Sample:
    """A value, or for a histogram what it is made of."""

    labels: Mapping[str, str]
    value: float = 0.0
    histogram: HistogramView | None = None


@dataclass(slots=True)
class Family:
    """All samples of one name; a counter's is without "_total"."""

    name: str
    kind: Kind
    help_text: str
    samples: list[Sample] = field(default_factory=list)


class Families:
    """Families by name in the order they came."""

    def __init__(self) -> None:
        self._found: dict[str, Family] = {}

    def all(self) -> list[Family]:
        """All of them."""
        return list(self._found.values())

    def family(self, name: str, kind: Kind, help_text: str) -> Family:
        """One, new or not."""
        family = self._found.get(name)
        if family is None:
            family = self._found[name] = Family(name, kind, help_text)
        return family

    def add(self, place: Place, kind: Kind, node: str, value: float) -> None:
        """One figure of a node."""
        labels = {"node": node}
        if place.label:
            labels[place.label] = place.value
        self.family(place.family, kind, place.help_text).samples.append(Sample(labels, value))

    def gauge(self, name: str, help_text: str, value: float, /, **labels: str) -> None:
        """A gauge of our own."""
        self.family(PREFIX + name, "gauge", help_text).samples.append(Sample(labels, value))


def families_of(gathered: Gathered[NodeFigures]) -> list[Family]:
    """Each node with all it has; a node without an answer is there as ``rmq_up 0``."""
    families = Families()
    _add_up(families, gathered)
    for figures in sorted(gathered.answers, key=lambda figures: figures.node.node_id):
        node = str(figures.node.node_id)
        _add_counts(families, node, figures.metrics, figures.stats)
        for key, name, help_text in _LATENCIES:
            histogram = figures.latencies.get(key)
            if histogram is not None:
                family = families.family(PREFIX + name, "histogram", help_text)
                family.samples.append(Sample({"node": node}, histogram=histogram))
        _add_hooks(families, node, figures.hooks)
        _add_node(families, node, figures)
        _add_cluster(families, node, figures.stats)
    return families.all()


def families_of_sum(gathered: Gathered[NodeFigures]) -> list[Family]:
    """All nodes as one: counters and histograms added up, gauges by the rules of ``rmq.metrics.keys``."""
    families = Families()
    _add_up(families, gathered)
    answers = gathered.answers
    metrics = sum_metrics(Gathered(tuple(Metrics((one.node,), one.metrics) for one in answers)))
    stats = sum_stats(Gathered(tuple(Stats((one.node,), one.stats) for one in answers)))
    _add_counts(families, ALL, metrics.values, stats.values)
    for key, name, help_text in _LATENCIES:
        histogram = _sum_histograms(one.latencies[key] for one in answers if key in one.latencies)
        if histogram is not None:
            family = families.family(PREFIX + name, "histogram", help_text)
            family.samples.append(Sample({"node": ALL}, histogram=histogram))
    _add_hooks(families, ALL, sum_hooks(one.hooks for one in answers))
    return families.all()


def _add_up(families: Families, gathered: Gathered[NodeFigures]) -> None:
    nodes = [(one.node.node_id, 1) for one in gathered.answers] + [(one.node_id, 0) for one in gathered.missing]
    for node_id, up in sorted(nodes):
        families.gauge("up", "Whether the node answers: 1 or 0", up, node=str(node_id))


def _add_counts(families: Families, node: str, metrics: Mapping[str, int], stats: Mapping[str, int]) -> None:
    # A node of another version may have fewer, or others.
    for name, place in COUNTER_PLACES:
        if name in metrics:
            families.add(place, "counter", node, metrics[name])
    for name, place in GAUGE_PLACES:
        if name in stats:
            families.add(place, "gauge", node, stats[name])


def _add_node(families: Families, node: str, figures: NodeFigures) -> None:
    gauge = families.gauge
    gauge("node_info", "What the node is", 1, node=node, name=figures.node.name, version=figures.version)
    gauge("serving", "Whether the node can serve clients: 1 or 0", figures.serving, node=node)
    cpu = Place(f"{PREFIX}process_cpu_seconds", "Processor time that the process has used")
    families.add(cpu, "counter", node, figures.cpu_ms / 1000)
    gauge("process_resident_memory_bytes", "Memory that the process has in RAM", figures.memory_resident, node=node)
    gauge("process_open_fds", "File descriptors that the process has open", figures.open_files, node=node)
    gauge("process_max_fds", "File descriptors that the process may have open", figures.max_open_files, node=node)
    gauge("process_threads", "Threads of the process", figures.threads, node=node)
    start = "When the node was started, in seconds since 1970"
    gauge("process_start_time_seconds", start, figures.started_at, node=node)
    gauge("disk_size_bytes", "Size of the disk that the node's data is on", figures.disk_total, node=node)
    gauge("disk_free_bytes", "What is free on the disk that the node's data is on", figures.disk_free, node=node)
    for key, name, help_text in _LIMITS:
        if key in figures.limits:
            gauge(name, help_text, figures.limits[key], node=node)
    for listener, end in figures.certificates.items():
        help_text = "When the certificate of a listener ends, in seconds since 1970"
        gauge("certificate_not_after_timestamp_seconds", help_text, end, node=node, listener=listener)


def _add_hooks(families: Families, node: str, hooks: Iterable[HookFigures]) -> None:
    for one in hooks:
        labels = {"node": node, "plugin": one.plugin, "point": one.point}
        values = {"calls": one.calls, "seconds": one.time_us / 1e6, "errors": one.errors, "overruns": one.overruns}
        for key, name, help_text in _HOOKS:
            families.family(PREFIX + name, "counter", help_text).samples.append(Sample(labels, values[key]))


def _add_cluster(families: Families, node: str, stats: Mapping[str, int]) -> None:
    if SILENCE in stats:
        families.add(SILENCE_PLACE, "gauge", node, stats[SILENCE] / 1000)
    committed, applied = stats.get("cluster.log.committed.count"), stats.get("cluster.log.applied.count")
    if committed is not None and applied is not None:
        help_text = "Committed log entries that aren't applied yet"
        families.gauge("cluster_apply_lag_entries", help_text, committed - applied, node=node)


def _sum_histograms(histograms: Iterable[HistogramView]) -> HistogramView | None:
    total: HistogramView | None = None
    for one in histograms:
        if total is None:
            total = one
        elif one.bounds_us == total.bounds_us:  # those of another version can't be added
            counts = tuple(a + b for a, b in zip(total.counts, one.counts, strict=True))
            total = HistogramView(one.bounds_us, counts, total.sum_us + one.sum_us)
    return total
