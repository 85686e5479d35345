"""What the process uses, and figures for Prometheus under NanoMQ's names; of the node that is asked.

Names are NanoMQ's, for the sake of its dashboards: Prometheus would have counters end in ``_total``. ``/metrics`` has
our own, of which there are many more.
"""

import os
from collections.abc import Callable, Mapping
from typing import Final

from rmq.management.models import NodeFigures
from rmq_http_api.answers import Answer, json_answer
from rmq_http_api.calls import Call
from rmq_http_api.nanomq.codes import SUCCEEDED
from rmq_http_api.nanomq.figures import messages_dropped
from rmq_http_api.nanomq_v4.wording import PREFIX
from rmq_http_api.parameters import NoQuery
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict

EXPOSITION: Final = "text/plain; version=0.0.4; charset=utf-8"
# A NanoMQ name without its prefix, the gauge that it is the count or the maximum of, and what that is.
_GAUGES: Final = (
    ("connections", "connections", "Connected clients"),
    ("sessions", "sessions", "Sessions, with and without a connection"),
    ("topics", "topics", "Distinct topic filters"),
    ("subscribers", "subscriptions", "Subscriptions, shared ones too"),
)


class MetricsAnswer(TypedDict):
    """What the process uses; ``metrics`` are those of bridges, of which there are none."""

    code: int
    metrics: list[str]
    cpuinfo: str
    memory: str


Plain = Call[NoQuery, None]


class FigureRoutes:
    """The routes of figures. ``processors`` is how many the machine has: all of them together are 100 %."""

    def __init__(self, service: ApiService, processors: int | None = None) -> None:
        self._management = service.management
        self._processors = processors or os.cpu_count() or 1
        self._seen: tuple[float, int] | None = None  # when, and the processor time that was used by then
        self._cpu_max = 0.0
        self._memory_max = 0

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        path = f"{PREFIX}/prometheus"
        return [
            Route(
                "GET", f"{PREFIX}/metrics", "metrics", "What the process uses", self.metrics, answers=(MetricsAnswer,)
            ),
            Route("GET", path, "prometheus", "Figures of this node for Prometheus", self.prometheus, answers=(str,)),
        ]

    async def metrics(self, call: Plain) -> Answer:
        """Processor and memory; numbers are texts here, as in NanoMQ."""
        figures = await self._management.local.figures.read()
        answer: MetricsAnswer = {
            "code": SUCCEEDED,
            "metrics": [],
            "cpuinfo": f"{self._cpu(figures):.2f}%",
            "memory": str(figures.memory_resident),
        }
        return json_answer(answer)

    async def prometheus(self, call: Plain) -> Answer:
        """All figures that NanoMQ has."""
        figures = await self._management.local.figures.read()
        cpu = self._cpu(figures)
        self._cpu_max = max(self._cpu_max, cpu)
        self._memory_max = max(self._memory_max, figures.memory_resident)
        lines: list[str] = []

        def add(name: str, kind: str, help_text: str, value: float) -> None:
            full = f"nanomq_{name}"
            lines.extend((f"# HELP {full} {help_text}", f"# TYPE {full} {kind}", f"{full} {value:.10g}"))

        _add_gauges(add, figures.stats)
        metrics = figures.metrics
        add("messages_received", "counter", "PUBLISH packets received", metrics.get("packets.publish.received", 0))
        add("messages_sent", "counter", "PUBLISH packets sent", metrics.get("packets.publish.sent", 0))
        help_text = "Messages dropped, or without a subscriber"
        add("messages_dropped", "counter", help_text, messages_dropped(metrics))
        add("memory_usage", "gauge", "Memory of the process in RAM, in bytes", figures.memory_resident)
        add("memory_usage_max", "gauge", "The most of it that was seen here, in bytes", self._memory_max)
        add("cpu_usage", "gauge", "Processor time of all there is since the last time, in percent", cpu)
        add("cpu_usage_max", "gauge", "The most of it that was seen here, in percent", self._cpu_max)
        return Answer("".join(f"{line}\n" for line in lines).encode(), EXPOSITION)

    def _cpu(self, figures: NodeFigures) -> float:
        """How much of the machine's processors the process had since this was asked last, or since it was started."""
        now = self._management.local.broker_info().now
        since, used_ms = self._seen or (figures.started_at, 0)
        self._seen = (now, figures.cpu_ms)
        passed_ms = (now - since) * 1000 * self._processors
        return max(0.0, 100 * (figures.cpu_ms - used_ms) / passed_ms) if passed_ms > 0 else 0.0


def _add_gauges(add: Callable[[str, str, str, float], None], stats: Mapping[str, int]) -> None:
    for name, ours, meaning in _GAUGES:
        add(f"{name}_count", "gauge", meaning, stats.get(f"{ours}.count", 0))
        add(f"{name}_max", "gauge", f"{meaning}: the most since the start", stats.get(f"{ours}.max", 0))
