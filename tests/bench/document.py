"""Writes docs/benchmarks.md."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from statistics import median

from tests.bench.api_page import api_section
from tests.bench.brokers import MOSQUITTO_CONF, SYS_INTERVAL
from tests.bench.durability_page import durability_section
from tests.bench.markdown import spread, table, verdict
from tests.bench.neighbours_page import neighbours_section
from tests.bench.results import BROKERS, Results, Series, ratio
from tests.bench.scenarios import BYTES_PER_IDLE_CONNECTION, CONNECTS_PER_S, SCENARIOS

NOTES = re.compile(r"<!-- notes -->.*<!-- /notes -->", re.DOTALL)
_EMPTY_NOTES = "<!-- notes -->\n<!-- /notes -->"


def write(path: Path, results: Results, effective: str) -> None:
    """Write the page; what stands between its notes markers was written by a person and is kept."""
    kept = NOTES.search(path.read_text()) if path.exists() else None
    parts = [
        _head(results),
        _throughput(results),
        _latency(results),
        _connections(results),
        durability_section(results.durability, results.options) if results.durability else "",
        neighbours_section(results.neighbours) if results.neighbours else "",
        api_section(results.api) if results.api else "",
        _counters(results),
        _problems(results),
        kept.group(0) if kept else _EMPTY_NOTES,
        _method(results, effective),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n\n".join(part for part in parts if part) + "\n")


def summary(results: Results) -> str:
    """The throughput table alone, for the terminal."""
    return _throughput(results)


def _head(results: Results) -> str:
    rows = [[key, value] for key, value in results.machine.items()]
    rows += [[key, value] for key, value in results.versions.items()]
    today = dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
    return (
        f"# Benchmarks\n\nWritten by `make bench` on {today}: {results.options['description']}. Each broker alone on "
        "one core, the load tool on the other, same machine, in turn. Runs of one broker vary by a tenth or more on a "
        "shared machine, so every ratio is taken between two runs made one after the other. "
        "Three nodes in a cluster: [benchmarks-cluster.md](benchmarks-cluster.md), by `make bench-cluster`.\n\n"
        + table(["what", "value"], rows)
    )


def _throughput(results: Results) -> str:
    if not results.throughput:
        return ""
    rows: list[list[str]] = []
    for scenario in SCENARIOS:
        found = results.throughput.get(scenario.name)
        if found is None:
            continue
        theirs, ours = found["mosquitto"], found["rmq"]
        reached = ratio(theirs.received(), ours.received())
        rows.append(
            [
                scenario.title,
                spread(theirs.received()),
                spread(ours.received()),
                f"**{reached:.2f}**",
                f"{scenario.target:g}",
                verdict(reached >= scenario.target),
                _costs(theirs, ours),
                f"{theirs.load_cpu():.0f} / {ours.load_cpu():.0f}",
            ]
        )
    head = ["scenario", "mosquitto msg/s", "rmq msg/s", "ratio", "target", "", "broker µs/msg", "load tool CPU %"]
    return (
        "## Throughput\n\nMessages received per second, median (lowest to highest); the ratio is the median of the "
        "ratios of neighbouring runs. *broker µs/msg* is the broker's processor time per message received, mosquitto / "
        "rmq; *load tool CPU* near 100 means that the tool, not the broker, was the limit.\n\n" + table(head, rows)
    )


def _costs(theirs: Series, ours: Series) -> str:
    return f"{theirs.cpu_us_per_message():.1f} / {ours.cpu_us_per_message():.1f}"


def _latency(results: Results) -> str:
    if not results.latency:
        return ""
    rows: list[list[str]] = []
    for qos, found in results.latency.items():
        for name in ("p50", "p90", "p99", "max"):
            theirs = median(found["mosquitto"].latency(name))
            ours = median(found["rmq"].latency(name))
            wanted = name in ("p50", "p99")
            rows.append(
                [
                    f"QoS {qos}, {results.latency_rate[qos]:,.0f} msg/s, {name}",
                    spread(found["mosquitto"].latency(name)),
                    spread(found["rmq"].latency(name)),
                    f"{ours / theirs:.2f}" if theirs else "-",
                    "≤ 1" if wanted else "",
                    verdict(ours <= theirs) if wanted else "",
                ]
            )
    head = ["100 pairs, open loop", "mosquitto µs", "rmq µs", "ratio", "target", ""]
    return (
        "## Latency at half load\n\nPublisher to subscriber, at half of the rate mosquitto reached with 100 pairs and "
        "window 1, the same rate for both. Messages follow a schedule and their latency counts from the time they were "
        "due, so a broker that falls behind can't hide it.\n\n" + table(head, rows)
    )


def _connections(results: Results) -> str:
    rows: list[list[str]] = []
    if results.connects:
        theirs, ours = (results.connects[name].connects() for name in BROKERS)
        met = verdict(median(ours) >= CONNECTS_PER_S)
        rows.append(["connect + subscribe per second", spread(theirs), spread(ours), f"≥ {CONNECTS_PER_S:,}", met])
    for title, found in results.memory.items():
        mosquitto, rmq = found["mosquitto"], found["rmq"]
        rows.append(
            [
                f"bytes per idle connection, {title} (PSS / private, {rmq.connections:,} connections)",
                f"{mosquitto.pss:,.0f} / {mosquitto.private:,.0f}",
                f"{rmq.pss:,.0f} / {rmq.private:,.0f}",
                f"≤ {BYTES_PER_IDLE_CONNECTION:,}",
                verdict(rmq.pss <= BYTES_PER_IDLE_CONNECTION),
            ]
        )
    if not rows:
        return ""
    return "## Connections\n\n" + table(["what", "mosquitto", "rmq", "target (rmq)", ""], rows)


def _counters(results: Results) -> str:
    if not results.checks:
        return ""
    wrong = [check for check in results.checks if check.differences()]
    text = (
        "## The node's own counters\n\nBefore and after every run of rmq its counters are read from "
        f"`$SYS/brokers/1/metrics` and compared with what the load tool sent and received, from first connect to last "
        f"acknowledgement: {len(results.checks)} runs, {sum(len(check.rows) for check in results.checks)} figures, "
        f"{'all equal' if not wrong else f'**{len(wrong)} runs with differences**'}."
    )
    for check in wrong:
        text += f"\n\n{check.title}:\n\n" + table(
            ["counter", "node", "load tool"], [[key, f"{a:,}", f"{b:,}"] for key, a, b in check.differences()]
        )
    last = results.checks[-1]
    rows = [[key, f"{a:,}", f"{b:,}"] for key, a, b in last.rows if a or b]
    return text + f"\n\nFor example {last.title}:\n\n" + table(["counter", "node", "load tool"], rows)


def _problems(results: Results) -> str:
    if not results.problems:
        return ""
    return "## Problems\n\n" + "\n".join(f"- {problem}" for problem in results.problems)


def _method(results: Results, effective: str) -> str:
    options = "\n".join(f"- {s.title}: `rmq-bench {' '.join(s.options)}`" for s in SCENARIOS)
    return f"""## How it was measured

{options}

64-byte payloads, MQTT 3.1.1. Every run starts a fresh broker, warms up for {results.options["warmup"]} s, measures for
{results.options["seconds"]} s and ends when everything outstanding has arrived. The window of a publisher counts
messages that its subscriber (for fan-out: all of them) has not received yet. Latency is sampled: one send in seven
carries its time (all do at half load), of each socket read one message is looked at, at a rotating place, and it counts
with the number of messages of that read.

mosquitto runs with its defaults but for: TCP_NODELAY as rmq has it, and no limit on queued messages, because at its
default it drops QoS 1 messages of the fan-in:

```
{MOSQUITTO_CONF.strip().format(port="PORT")}
```

rmq-node runs the shipped `etc/` with `--set listener.tcp.external.addr=…`, `--data-dir` and `--set {SYS_INTERVAL}`,
so that the counters can be read soon after each run. What is in effect:

```toml
{effective.strip()}
```"""
