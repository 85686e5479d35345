"""Whether a node has returned to where it was: limits for every figure, and the table people read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from tests.soak.node import SNAPSHOT_AFTER_BYTES
from tests.soak.sampler import Sample

# At rest: the heap reaches its size after some minutes of load, perhaps after the warm-up. Under load, from the second
# third to the last one, it should have it.
MORE_MEMORY: Final = 1.10
MORE_MEMORY_KB: Final = 8 * 1024
MORE_UNDER_LOAD: Final = 1.05
MORE_UNDER_LOAD_KB: Final = 4 * 1024
# At rest: a journal not yet due for a snapshot, and segments with what was in queues at the last one, which is at most
# as old as the pause between two snapshots.
MOST_DISK_BYTES: Final = 16 * SNAPSHOT_AFTER_BYTES
# Must be exactly what they were.
GAUGES: Final = (
    "connections",
    "sessions",
    "subscriptions",
    "subscriptions_shared",
    "retained",
    "message_queues",
    "out_inflights",
    "in_inflights",
    "handshakings",
    "handshakings_active",
    "delayed_publishs",
    "message_storages",
    "topics",
    "routes",
    "storage.failed",
    "storage.held",
    "storage.queued_bytes",
)
NONE: Final = ("internal.errors", "hooks.errors", "storage.errors")


@dataclass(frozen=True, slots=True)
class Line:
    """One figure: what it was, what it is, what it may be at most."""

    name: str
    before: float
    after: float
    most: float
    least: float = 0

    @property
    def is_good(self) -> bool:
        """Whether it is within its limits."""
        return self.least <= self.after <= self.most


def memory_limit(before_kb: float) -> float:
    """The most memory that a node at rest may use that used so much at rest before, in KiB."""
    return before_kb * MORE_MEMORY + MORE_MEMORY_KB


def judge(before: Sample, after: Sample, under_load: Sequence[Sample]) -> list[Line]:
    """Every figure of the node at rest after the warm-up and at the end, and its memory while there was load."""
    was, now = before.values, after.values
    lines = [Line("rss_kb", was["rss_kb"], now["rss_kb"], memory_limit(was["rss_kb"]))]
    if len(under_load) >= 6:
        third = len(under_load) // 3
        early = median(sample.values["rss_kb"] for sample in under_load[third : 2 * third])
        late = median(sample.values["rss_kb"] for sample in under_load[-third:])
        lines.append(
            Line("rss_kb under load (2nd, 3rd third)", early, late, early * MORE_UNDER_LOAD + MORE_UNDER_LOAD_KB)
        )
    lines += [Line(name, was[name], now[name], was[name]) for name in ("descriptors", "threads")]
    lines.append(Line("disk_bytes", was["disk_bytes"], now["disk_bytes"], MOST_DISK_BYTES))
    lines += [Line(name, was[name], now[name], was[name], was[name]) for name in GAUGES]
    lines += [Line(name, was[name], now[name], 0) for name in NONE]
    return lines


def table(lines: Sequence[Line]) -> str:
    """For a terminal."""
    rows = [f"{'':40} {'before':>12} {'after':>12} {'most':>12}"]
    for line in lines:
        verdict = "" if line.is_good else "VIOLATION"
        rows.append(f"{line.name:40} {line.before:12.0f} {line.after:12.0f} {line.most:12.0f}  {verdict}")
    return "\n".join(row.rstrip() for row in rows)
