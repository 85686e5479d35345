"""The section of docs/benchmarks.md on what neighbours cost."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

from tests.bench.markdown import spread, table
from tests.bench.neighbours import LONGEST_S, PAIRS, RATE
from tests.bench.results import BROKERS, Neighbours
from tests.bench.rude import FLOOD_A_SECOND, FLOOD_BYTES, FLOOD_FIRST


def neighbours_section(found: dict[str, dict[str, Neighbours]]) -> str:
    """Its text and table."""
    rows: list[list[str]] = []
    for title, by_broker in found.items():
        both = [by_broker[name] for name in BROKERS]
        latencies = [spread(one.series.latency(name)) for name in ("p50", "p99") for one in both]
        rows.append([title, *latencies, _each(both, _still_open), _each(both, _login)])
    latency_heads = [f"{broker} {name} µs" for name in ("p50", "p99") for broker in BROKERS]
    return f"""## What neighbours cost

The latency of {PAIRS} pairs with QoS 0 that follow a schedule of {RATE:,} messages a second together
(`rmq-bench pair -c {PAIRS} -q 0 -r {RATE}`), for at most {LONGEST_S:g} s, beside clients that are slow or rude: median
(lowest to highest). The pairs are connected when the neighbours come, and all are there before the measurement begins.
Where there are only two cores the neighbours' process runs on the load tool's, so that a part of the difference is its
own, the same for both brokers. *still connected* at the end, of how many, and *a new client's login*, from SYN to
CONNACK, are {" / ".join(BROKERS)}, too.

{table(["", *latency_heads, "still connected", "a new client's login ms"], rows)}

- **Stopped readers** subscribe and never read: {FLOOD_FIRST * FLOOD_BYTES / 2**20:.1f} MiB for each of them come before
  the measurement, and {FLOOD_A_SECOND} messages of {FLOOD_BYTES} bytes a second during it.
- **Slow handshakes** send their CONNECT at one byte a second.
- **Half-open connections** are opened, and nothing is ever said on them.

rmq takes `max_handshaking_limit` (500) connections without a finished CONNECT. For one more, the one silent
for longest is closed, if that is more than a second; each is closed after `handshake_timeout` (30 s). The login is
tried at once when the neighbours have come, before any of them is a second old."""


def _each(both: list[Neighbours], figure: Callable[[Neighbours], str]) -> str:
    return " / ".join(figure(one) for one in both)


def _still_open(found: Neighbours) -> str:
    if not found.count or not found.still_open:
        return "-"
    return f"{median(found.still_open):,.0f} of {found.count:,}"


def _login(found: Neighbours) -> str:
    taken = [login for login in found.logins if login is not None]
    if not found.logins:
        return "-"
    refused = len(found.logins) - len(taken)
    said = [f"{median(taken):.1f}"] if taken else []
    return ", ".join([*said, *([f"refused {refused} of {len(found.logins)} times"] if refused else [])])
