"""What durability costs: QoS 1 to persistent sessions, with rmq's three promises and with mosquitto's."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.bench import machine
from tests.bench.brokers import PERSISTENT_MOSQUITTO_CONF, Broker, Brokers
from tests.bench.load_tool import LoadTool
from tests.bench.results import Durability, Series
from tests.bench.syncs import Syncs

MOSQUITTO: Final = "mosquitto"
POLICIES: Final = ("memory", "quorum", "quorum_fsync")
KEEPERS: Final = (MOSQUITTO, *POLICIES)

_KEPT: Final = "-q 1 --persistent --until-acked"
DURABLE: Final = {
    "1 pair, window 1": f"pair -c 1 -w 1 {_KEPT}",
    "100 pairs, window 1": f"pair -c 100 -w 1 {_KEPT}",
    "100 pairs, window 16": f"pair -c 100 -w 16 {_KEPT}",
    "fan-in 100 → 1, window 8": f"fan-in -c 100 -w 8 {_KEPT}",
    "fan-out 1 → 100, window 16": f"fan-out -c 100 -w 16 {_KEPT}",
    "retained, 100 pairs, window 16": "pair -c 100 -w 16 -q 1 --retain --until-acked",
}
"""Options of rmq-bench; in the last one the retained message is what is kept, the subscribers are not persistent."""

IN_MEMORY: Final = ("tmpfs", "ramfs")


def start(brokers: Brokers, keeper: str) -> Broker:
    """A fresh broker that keeps its promise in this way."""
    if keeper == MOSQUITTO:
        return brokers.mosquitto(PERSISTENT_MOSQUITTO_CONF)
    return brokers.node(f"storage.ack_policy={keeper}")


class DurabilityPart:
    """Makes the runs; `problem` is told what went wrong, `say` how it goes."""

    def __init__(
        self,
        brokers_in: Callable[[Path], Brokers],
        tool: LoadTool,
        problem: Callable[[str], None],
        say: Callable[[str], None],
    ) -> None:
        self._brokers_in = brokers_in
        self._tool = tool
        self._problem = problem
        self._say = say

    def measure(self, folder: Path, runs: int, seconds: float) -> Durability:
        """All scenarios, the brokers in turn, with their data in a temporary folder inside `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        found = Durability(machine.filesystem(folder), machine.sync_us(folder))
        if found.filesystem.startswith(IN_MEMORY):
            self._problem(f"durability: {folder} is in memory ({found.filesystem}): the figures say nothing")
        with tempfile.TemporaryDirectory(prefix="bench-data-", dir=folder) as directory:
            os.chmod(directory, 0o755)
            brokers = self._brokers_in(Path(directory))
            for title, options in DURABLE.items():
                by_keeper = found.runs.setdefault(title, {keeper: Series() for keeper in KEEPERS})
                command = [*options.split(), "-d", f"{seconds:g}"]
                for number in range(runs):
                    for keeper in KEEPERS:
                        self._one(brokers, keeper, f"{title}, run {number + 1}", command, by_keeper[keeper])
                    shown = " / ".join(f"{by_keeper[keeper].received()[-1]:,.0f}" for keeper in KEEPERS)
                    self._say(f"  durability, {title}: {shown} msg/s")
        return found

    def _one(self, brokers: Brokers, keeper: str, title: str, options: list[str], series: Series) -> None:
        with start(brokers, keeper) as broker:
            before = machine.cpu_seconds(broker.pid)
            with Syncs(broker.pid) as syncs:
                measured = self._tool.run(broker.port, options)
            series.cpu_seconds.append(machine.cpu_seconds(broker.pid) - before)
            series.syncs.append(syncs.count)
            series.runs.append(measured)
        if measured["error"]:
            self._problem(f"durability, {title}, {keeper}: {measured['error']}")
