"""The section of docs/benchmarks.md on what durability costs."""

from __future__ import annotations

from statistics import median

from tests.bench.brokers import PERSISTENT_MOSQUITTO_CONF
from tests.bench.durability import DURABLE, KEEPERS, MOSQUITTO
from tests.bench.markdown import spread, table
from tests.bench.results import Durability, Series, ratio

ONE_IN_FLIGHT = {"1 pair, window 1": 1, "100 pairs, window 1": 100}


def durability_section(found: Durability, options: dict[str, str]) -> str:
    """Its text and tables."""
    commands = "\n".join(f"- {title}: `rmq-bench {DURABLE[title]}`" for title in found.runs)
    return f"""## What durability costs

QoS 1 to sessions that outlive their connection: {options["description"]}, the four in turn. A message leaves its window
when its subscriber has it **and** the broker has acknowledged it to its publisher. The data is on {found.filesystem},
where writing 4 KiB with fdatasync takes {found.sync_us:,.0f} µs (median of 50). `storage.ack_policy` says when a
publisher gets its PUBACK:

- `memory`: at once; it is written soon after.
- `quorum`, the default: when the journal has it. It survives the death of the process.
- `quorum_fsync`: when the disk has it. It survives a loss of power.
- mosquitto with `persistence true` **does not make the same promise**: it answers before anything is on disk, and
  writes its database every 30 minutes (its default) and when it ends. One that is killed has lost what came since.

Messages received per second, median (lowest to highest); the ratio is the median of the ratios of neighbouring runs:

{_rates(found)}

What one exchange takes, from one PUBLISH to the next of the same pair (mean of a run, median of the runs):

{_exchanges(found)}

What a message costs, in this order: {", ".join(KEEPERS)}. *broker µs/msg* is processor time per message received, all
threads; *messages a sync* counts fsync and fdatasync calls (with perf; "-": none, or not counted); *load tool CPU* near
100 means that the tool was the limit.

{_costs(found)}

{commands}

The node runs the shipped `etc/` with `--set storage.ack_policy=…`, mosquitto with:

```
{PERSISTENT_MOSQUITTO_CONF.strip().format(port="PORT", data="DATA", user="USER")}
```"""


def _rates(found: Durability) -> str:
    rows: list[list[str]] = []
    for title, by_keeper in found.runs.items():
        reached = ratio(by_keeper[MOSQUITTO].received(), by_keeper["quorum"].received())
        rows.append([title, *(spread(by_keeper[keeper].received()) for keeper in KEEPERS), f"**{reached:.2f}**"])
    return table(["scenario", *KEEPERS, "quorum : mosquitto"], rows)


def _exchanges(found: Durability) -> str:
    rows: list[list[str]] = []
    for title, pairs in ONE_IN_FLIGHT.items():
        if title in found.runs:
            rows.append([title, *(_exchange(found.runs[title][keeper], pairs) for keeper in KEEPERS)])
    return table(["", *(f"{keeper} µs" for keeper in KEEPERS)], rows)


def _exchange(series: Series, pairs: int) -> str:
    """Each pair has one message on its way, so its exchanges follow each other without a gap."""
    taken = [1e6 * pairs / rate for rate in series.received() if rate]
    return f"{median(taken):,.0f}" if taken else "-"


def _costs(found: Durability) -> str:
    rows: list[list[str]] = []
    for title, by_keeper in found.runs.items():
        all_series = [by_keeper[keeper] for keeper in KEEPERS]
        rows.append(
            [
                title,
                " / ".join(f"{series.cpu_us_per_message():.1f}" for series in all_series),
                " / ".join(_figure(series.messages_per_sync()) for series in all_series),
                " / ".join(f"{series.load_cpu():.0f}" for series in all_series),
            ]
        )
    return table(["scenario", "broker µs/msg", "messages a sync", "load tool CPU %"], rows)


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"
