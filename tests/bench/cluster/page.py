"""Writes docs/benchmarks-cluster.md."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from statistics import median

from tests.bench.cluster import nats, rabbitmq
from tests.bench.cluster.page_full import full_section
from tests.bench.cluster.results import BySystem, Results, Runs, percentile, ratio
from tests.bench.cluster.scenarios import (
    ACK_P99_US,
    ALONE,
    CONNECTS_PER_S,
    FAILOVER_P95_S,
    FORWARDED_RATIO,
    NATS,
    PACED,
    PERSISTENT,
    PERSISTENT_PER_S,
    PERSISTENT_RATIO,
    RABBITMQ,
    RMQ,
    SYSTEMS,
    TITLES,
    TRANSIENT,
)
from tests.bench.document import NOTES
from tests.bench.markdown import spread, table, verdict

_EMPTY_NOTES = "<!-- notes -->\n<!-- /notes -->"


def write(path: Path, results: Results) -> None:
    """Write the page; what stands between its notes markers was written by a person and is kept."""
    kept = NOTES.search(path.read_text()) if path.exists() else None
    parts = [
        _head(results),
        _transient(results),
        _persistent(results),
        _connects(results),
        _failover(results),
        full_section(results.full),
        _problems(results),
        kept.group(0) if kept else _EMPTY_NOTES,
        _method(results),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n\n".join(part for part in parts if part) + "\n")


def _head(results: Results) -> str:
    rows = [[key, value] for key, value in [*results.machine.items(), *results.versions.items()]]
    for name, told in results.verified.items():
        rows += [[f"{TITLES[name]}: {key}", value] for key, value in told.items()]
    today = dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
    return (
        f"# Benchmarks of the cluster\n\nWritten by `make bench-cluster` on {today}: {results.options['description']}. "
        "Each system is three server processes on this one machine, the load a fourth process; a round has all systems "
        "in turn, each freshly started, and a ratio is the median of those of each round. Processor time is that of "
        "all servers together, from when all clients are connected to the end. [benchmarks.md](benchmarks.md) has one "
        "node against mosquitto.\n\nWhat is said here of RabbitMQ's queues, NATS's streams and rmq's settings was read "
        "from the running systems; one of which it isn't true is left out, and Problems says so.\n\n"
        + table(["what", "value"], rows)
    )


def _transient(results: Results) -> str:
    rows: list[list[str]] = []
    for scenario in TRANSIENT:
        found = results.transient.get(scenario.name)
        if found is None:
            continue
        rows.append([scenario.title, *(spread(_of(found, name).per_cpu_second()) for name in SYSTEMS)])
        rows[-1] += _against(_of(found, ALONE).per_cpu_second(), _of(found, RMQ).per_cpu_second(), FORWARDED_RATIO)
    if not rows:
        return ""
    speeds = [
        [
            scenario.title,
            *(spread(_of(results.transient[scenario.name], name).received()) for name in SYSTEMS),
            " / ".join(f"{_of(results.transient[scenario.name], name).load_cpu():.0f}" for name in SYSTEMS),
        ]
        for scenario in TRANSIENT
        if scenario.name in results.transient
    ]
    names = [TITLES[name] for name in SYSTEMS]
    return (
        "## Messages to connected clients\n\nSubscribers' sessions end with their connections. Messages received per "
        "second of processor time, median (lowest to highest):\n\n"
        + table(["scenario", *names, "rmq : rmq alone", "target", ""], rows)
        + "\n\nMessages received per second:\n\n"
        + table(["scenario", *names, "load tool CPU %"], speeds)
    )


def _persistent(results: Results) -> str:
    if not results.persistent:
        return ""
    found = results.persistent
    rows = [
        ["messages received per second", *(spread(_of(found, name).received()) for name in SYSTEMS)],
        ["messages per processor second", *(spread(_of(found, name).per_cpu_second()) for name in SYSTEMS)],
    ]
    for title, paced in (
        ("half of its own rate", results.half_load),
        (f"{PERSISTENT_PER_S / 2:,.0f} msg/s", results.fixed_load),
    ):
        rows.append([f"received at {title}, msg/s", *(spread(_of(paced, name).received()) for name in SYSTEMS)])
        for key in ("p50", "p99", "max"):
            figures = [[us / 1000 for us in _of(paced, name).acknowledged_us(key)] for name in SYSTEMS]
            rows.append([f"PUBACK at {title}, {key}, ms", *(_milliseconds(values) for values in figures)])
    ours = _of(found, RMQ).received()
    verdicts: list[list[str]] = []
    if ours:
        verdicts.append(_verdict("messages per second", median(ours), PERSISTENT_PER_S, "≥ {:,.0f}"))
        times = ratio(_of(found, RABBITMQ).received(), ours)
        if _of(found, RABBITMQ).runs:
            verdicts.append(_verdict("messages per second, rmq : RabbitMQ", times, PERSISTENT_RATIO, "≥ {:g}"))
        if _of(found, NATS).runs:
            verdicts.append(
                ["messages per second, rmq : NATS", f"{ratio(_of(found, NATS).received(), ours):,.2f}", "", ""]
            )
        for title, paced in (("half of its own rate", results.half_load), ("7,500 msg/s", results.fixed_load)):
            waits = _of(paced, RMQ).acknowledged_us("p99")
            if waits:
                p99 = median(waits)
                limit = f"≤ {ACK_P99_US / 1000:g}"
                verdicts.append([f"PUBACK p99 at {title}, ms", f"{p99 / 1000:,.1f}", limit, verdict(p99 <= ACK_P99_US)])
    return (
        "## Messages to persistent sessions\n\nQoS 1, 256 bytes, every pair on two nodes. A message leaves its window "
        "when its subscriber has it **and** the broker has acknowledged it to its publisher, which RabbitMQ (quorum "
        "queues), NATS (three replicas) and rmq (`quorum`) do when a majority has it. The time until PUBACK counts "
        "from when the message was due: where less is received than the rate, the system (or the load, on a busy "
        "machine) fell behind. *rmq alone* is one node, for comparison.\n\n"
        + table(["", *(TITLES[name] for name in SYSTEMS)], rows)
        + ("\n\n" + table(["rmq", "reached", "target", ""], verdicts) if verdicts else "")
    )


def _connects(results: Results) -> str:
    if not results.connects:
        return ""
    rows = [
        ["CONNECT + SUBSCRIBE per second", *(spread(_of(results.connects, name).connects()) for name in SYSTEMS)],
        [
            "processor seconds by node",
            *(" / ".join(f"{s:.1f}" for s in _of(results.connects, name).cpu_by_node()) or "-" for name in SYSTEMS),
        ],
    ]
    ours = _of(results.connects, RMQ).connects()
    text = f"## Connections\n\n{results.options['connections']} clients over all nodes in turn, each with a filter of "
    text += "its own.\n\n" + table(["", *(TITLES[name] for name in SYSTEMS)], rows)
    if ours:
        row = _verdict("CONNECT + SUBSCRIBE per second", median(ours), CONNECTS_PER_S, "≥ {:,.0f}")
        text += "\n\n" + table(["rmq", "reached", "target", ""], [row])
    return text


def _failover(results: Results) -> str:
    found = results.failovers
    if found is None or not found.seconds:
        return ""
    p95 = percentile(found.seconds, 0.95)
    rows = [
        ["p50", f"{percentile(found.seconds, 0.5):.2f}", "", ""],
        ["p95", f"{p95:.2f}", f"≤ {FAILOVER_P95_S:g}", verdict(p95 <= FAILOVER_P95_S)],
        ["max", f"{max(found.seconds):.2f}", "", ""],
    ]
    return (
        f"## When the leader dies\n\nSeconds from `kill -9` of the leader to the first PUBACK of a message to a "
        f"persistent session that was sent to a survivor after the kill; {len(found.seconds)} kills, each of whoever "
        f"leads. The publisher was closed and came again {found.reconnects} times. The killed node serves again "
        f"{percentile(found.rejoins, 0.5):.1f} s after its start (median; at most {max(found.rejoins):.1f} s).\n\n"
        + table(["", "s", "target", ""], rows)
    )


def _problems(results: Results) -> str:
    if not results.problems:
        return ""
    return "## Problems\n\n" + "\n".join(f"- {problem}" for problem in results.problems)


def _method(results: Results) -> str:
    lines = "\n".join(f"- {s.title}: `rmq-bench {' '.join(s.options)}`" for s in (*TRANSIENT, PERSISTENT, PACED))
    return f"""## How it was measured

{lines}

`--publishers-at` and `--at` say on which nodes. Payloads are of 64 bytes where nothing else is said, MQTT 3.1.1. Each
run warms up for 1 s, measures for {results.options["seconds"]} s and ends when everything outstanding has arrived.
{results.options["cores"]}.

RabbitMQ runs with this file a node, its MQTT plugin alone, and an epmd of its own:

```
{rabbitmq.CONF.strip().format(port="PORT")}
```

NATS runs with this file a node:

```
{
        nats.CONF.strip().format(
            number="N",
            client="PORT",
            monitor="PORT",
            data="DATA",
            route="PORT",
            routes="ROUTES",
            mqtt="PORT",
        )
    }
```

Both may send 128 messages to a subscriber before it has acknowledged one, as rmq's `max_inflight` is. What is in effect
on the first node of rmq:

```toml
{results.effective.strip() or "(rmq was left out of this run)"}
```"""


def _of(found: BySystem, name: str) -> Runs:
    return found.get(name, Runs())


def _against(alone: list[float], ours: list[float], target: float) -> list[str]:
    if not alone or not ours:
        return ["-", f"{target:g}", "-"]
    reached = ratio(alone, ours)
    return [f"**{reached:.2f}**", f"{target:g}", verdict(reached >= target)]


def _verdict(title: str, reached: float, target: float, shown: str) -> list[str]:
    return [
        title,
        f"{reached:,.0f}" if reached >= 100 else f"{reached:,.2f}",
        shown.format(target),
        verdict(reached >= target),
    ]


def _milliseconds(values: list[float]) -> str:
    if not values:
        return "-"
    if len(values) == 1:
        return f"{values[0]:,.1f}"
    return f"{median(values):,.1f} ({min(values):,.1f} to {max(values):,.1f})"
