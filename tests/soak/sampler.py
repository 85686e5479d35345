"""What a node uses, every few seconds: memory, descriptors, threads, processor, disk, and its own figures, as CSV."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.soak.ledger import Problems
from tests.soak.node import SoakNode
from tests.soak.peer import Peer, PeerGone
from tests.support.wire_parser import Publish

TOPIC: Final = "$SYS/brokers/1"
STATS: Final = (
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
    "storage.bytes",
    "storage.queued_bytes",
)
METRICS: Final = (
    "internal.errors",
    "hooks.errors",
    "hooks.overruns",
    "storage.errors",
    "storage.snapshots",
    "client.connected",
    "messages.publish",
    "messages.delivered",
    "messages.dropped",
    "session.takeovers",
)
PROCESS: Final = ("rss_kb", "descriptors", "threads", "cpu_percent", "disk_bytes", "load_rss_kb")
FRESH_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One row: seconds since the start, what was going on, and the figures by name."""

    at_s: float
    phase: str
    values: dict[str, float]


class Sampler:
    """Takes samples, keeps them, and writes each to the file at once."""

    def __init__(self, node: SoakNode, monitor: Monitor, path: Path) -> None:
        self.samples: list[Sample] = []
        self._node = node
        self._monitor = monitor
        self._path = path
        self._start = time.monotonic()
        self._last_cpu = (self._start, _cpu_s(node.process.pid))
        with path.open("w", newline="") as file:
            csv.writer(file).writerow(["at_s", "phase", *PROCESS, *STATS, *METRICS])

    async def take(self, phase: str) -> Sample:
        """One sample, with figures the node has published after this call."""
        figures = await self._monitor.fresh()
        pid = self._node.process.pid
        now, cpu = time.monotonic(), _cpu_s(pid)
        status = _status(pid)
        values: dict[str, float] = {
            "rss_kb": status["VmRSS"],
            "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
            "threads": status["Threads"],
            "cpu_percent": round(100 * (cpu - self._last_cpu[1]) / max(0.001, now - self._last_cpu[0]), 1),
            "disk_bytes": disk_bytes(self._node.data),
            "load_rss_kb": _status(os.getpid())["VmRSS"],
        }
        self._last_cpu = (now, cpu)
        values |= {name: figures.get(f"{name}.count", -1) for name in STATS}
        values |= {name: figures.get(name, -1) for name in METRICS}
        sample = Sample(round(now - self._start, 1), phase, values)
        self.samples.append(sample)
        with self._path.open("a", newline="") as file:
            csv.writer(file).writerow([sample.at_s, phase, *values.values()])
        return sample


class Monitor:
    """A client that listens to the figures of node 1."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._figures: dict[str, float] = {}
        self._published = asyncio.Event()
        self._peer: Peer | None = None

    async def start(self, node: SoakNode) -> None:
        """Connect for good."""
        self._peer = await Peer.connect(node.tcp, "soak-monitor", keep_alive=0, received=self._received)
        await self._peer.subscribe((f"{TOPIC}/stats", 0), (f"{TOPIC}/metrics", 0))

    async def fresh(self) -> dict[str, float]:
        """Stats and metrics that were published after this call."""
        # The first ones that come may have been on their way already; metrics are the second message of each interval.
        for _ in range(2):
            self._published.clear()
            async with asyncio.timeout(FRESH_TIMEOUT_S):
                await self._published.wait()
        return dict(self._figures)

    async def stop(self) -> None:
        """Disconnect."""
        assert self._peer is not None
        if self._peer.is_gone:
            self._problems.add("connection ended by the node", f"monitor: {PeerGone()}")
        await self._peer.disconnect()

    def _received(self, publish: Publish) -> None:
        for name, value in json.loads(publish.payload).items():
            if isinstance(value, int | float):
                self._figures[name] = value
        if publish.topic.endswith("/metrics"):
            self._published.set()


def disk_bytes(directory: Path) -> int:
    """Sizes of all files below; one that is deleted meanwhile counts nothing."""
    total = 0
    for path in directory.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total


def _status(pid: int) -> dict[str, int]:
    found = {}
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name in ("VmRSS", "Threads"):
            found[name] = int(rest.split()[0])
    return found


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
