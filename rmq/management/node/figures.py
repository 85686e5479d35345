"""All figures of this node in one answer, as monitoring wants them often: nothing here takes long."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from rmq import __version__
from rmq.hooks.registry import HookRegistry
from rmq.management.models import HistogramView, NodeFigures
from rmq.management.node.hook_figures import HookFigures
from rmq.management.node.host import look_at_host, look_at_process
from rmq.metrics.histogram import BOUNDS_US, Histogram
from rmq.metrics.keys import metrics_snapshot, stats_snapshot

if TYPE_CHECKING:
    from rmq.management.local import LocalNode


class Figures:
    """``limits`` are by the names of ``NodeFigures.limits``; ``certificates`` tells when the certificate of each
    listener ends, in seconds since 1970. Whoever builds the node sets both.
    """

    def __init__(self, node: "LocalNode", hooks: HookRegistry, data_path: str, started_at: float) -> None:
        self.limits: Mapping[str, int] = {}
        self.certificates: Callable[[], Mapping[str, float]] = _none
        self._node = node
        self._hooks = hooks
        self._data_path = data_path
        self._started_at = started_at

    async def read(self) -> NodeFigures:
        """Read all of them. What waits in queues is as the last round of the census found it."""
        node = self._node
        broker = node.broker
        latencies = broker.ctx.latencies
        process, host = await look_at_process(), await look_at_host(self._data_path)
        health = await node.condition.health()
        return NodeFigures(
            node=node.ref,
            version=__version__,
            started_at=self._started_at,
            serving=health.serving,
            metrics=metrics_snapshot(broker.counters) | node.cluster_metrics(),
            stats=stats_snapshot(broker.refresh_stats()) | node.cluster_stats(),
            latencies={
                "deliver": view_histogram(latencies.deliver),
                "ack": view_histogram(latencies.ack),
                "loop_lag": view_histogram(latencies.loop_lag),
            },
            cpu_ms=process.cpu_ms,
            memory_resident=process.memory_resident,
            open_files=process.open_files,
            max_open_files=host.max_open_files,
            threads=process.threads,
            disk_total=host.disk_total,
            disk_free=host.disk_free,
            limits=self.limits,
            certificates=self.certificates(),
            hooks=tuple(
                HookFigures(use.plugin, use.point, use.calls, round(use.seconds * 1e6), use.errors, use.overruns)
                for use in self._hooks.uses.all()
            ),
        )


def view_histogram(histogram: Histogram) -> HistogramView:
    """A histogram as it is now."""
    return HistogramView(tuple(BOUNDS_US), tuple(histogram.counts), histogram.sum_us)


def _none() -> Mapping[str, float]:
    return {}
