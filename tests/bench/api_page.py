"""The section of docs/benchmarks.md on the HTTP API."""

from __future__ import annotations

from statistics import median

from tests.bench.markdown import spread, table
from tests.bench.neighbours import PAIRS, RATE
from tests.bench.results import ApiResults


def api_section(found: ApiResults) -> str:
    """Its text and tables."""
    routes = [
        [f"`{path}`", f"{found.sizes[path]:,}", str(len(taken)), _ms(taken, 50), _ms(taken, 99)]
        for path, taken in found.routes.items()
    ]
    beside = [
        [title, *(spread(cost.series.latency(name)) for name in ("p50", "p99")), _rate(cost.answers_per_s)]
        for title, cost in found.beside.items()
    ]
    return f"""## The HTTP API

A node with {found.idle:,} connected clients, each with a subscription. One connection asks for a route again and again,
each time when it has the answer before: what it waits, in ms.

{table(["route", "bytes", "times", "p50 ms", "p99 ms"], routes)}

What it costs MQTT: the latency of {PAIRS} pairs with QoS 0 that follow a schedule of {RATE:,} messages a second
together (`rmq-bench pair -c {PAIRS} -q 0 -r {RATE}`), on such a node with its {found.idle:,} clients, while `wrk` asks
the API without a pause: median (lowest to highest). wrk runs on the load tool's core.

{table(["", "p50 µs", "p99 µs", "answers a second"], beside)}"""


def _ms(taken: list[float], percent: int) -> str:
    ordered = sorted(taken)
    return f"{ordered[min(len(ordered) * percent // 100, len(ordered) - 1)]:,.2f}"


def _rate(answers: list[float]) -> str:
    return f"{median(answers):,.1f}" if answers else "-"
