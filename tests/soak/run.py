"""One soak run: a node, a warm-up, the load, everything taken away after each, and what was found."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from tests.soak.churn import Churn, Crowd, Retainer, Sleeper, fill_caches
from tests.soak.flows import Flow, Together, Wills
from tests.soak.ledger import Problems
from tests.soak.node import SoakNode
from tests.soak.nuisance import SlowReader, Troublemaker
from tests.soak.sampler import Monitor, Sample, Sampler
from tests.soak.verdict import GAUGES, Line, judge
from tests.soak.world import Load, World

SAMPLE_EVERY_S: Final = 10.0
MANY_NAMES: Final = 40_000
STOP_TIMEOUT_S: Final = 180.0
# Sessions that are left to themselves expire within seconds.
REST_TIMEOUT_S: Final = 90.0


class Outcome:
    """What a run has found."""

    def __init__(self, lines: list[Line], problems: Problems, totals: str) -> None:
        self.lines = lines
        self.problems = problems
        self.totals = totals

    @property
    def is_good(self) -> bool:
        """Nothing was found."""
        return not self.problems.counts and all(line.is_good for line in self.lines)


class Run:
    """A run of so many seconds, the warm-up not included; ``directory`` gets the samples and the node's files.

    When the gauges are at rest the node has ``rest_s`` more seconds before it is measured.
    """

    def __init__(
        self, directory: Path, *, load_s: float, warm_up_s: float, rest_s: float, seed: int, say: Callable[[str], None]
    ) -> None:
        self._directory = directory
        self._load_s = load_s
        self._warm_up_s = warm_up_s
        self._rest_s = rest_s
        self._rng = random.Random(seed)
        self._say = say
        self._problems = Problems(say)
        self._loads: Sequence[Load] = ()

    async def run(self) -> Outcome:
        """From the node's start to its end."""
        asyncio.get_running_loop().set_exception_handler(self._forgotten)
        node = SoakNode(self._directory)
        outcome = Outcome([], self._problems, "the run was not finished")
        try:
            outcome = await self._with(node)
        except Exception:
            self._problems.add("the run failed", traceback.format_exc())
        finally:
            code = await asyncio.to_thread(node.process.stop)
        if code:
            self._problems.add("exit code", f"the node ended with {code}")
        self._read_log(node.process.log)
        if outcome.is_good:
            await asyncio.to_thread(shutil.rmtree, node.data)
        return outcome

    def _read_log(self, log: str) -> None:
        for line in log.splitlines():
            if "Traceback" in line or (line.startswith("{") and json.loads(line)["level"] in ("error", "critical")):
                self._problems.add("log", line[:2000])

    async def _with(self, node: SoakNode) -> Outcome:
        monitor = Monitor(self._problems)
        await monitor.start(node)
        sampler = Sampler(node, monitor, self._directory / "samples.csv")
        fresh = await sampler.take("fresh")
        before = fresh
        if self._warm_up_s:
            await fill_caches(node.tcp, MANY_NAMES)
            before = await self._phase("warm", node, sampler, self._warm_up_s, fresh)
        after = await self._phase("main", node, sampler, self._load_s, before)
        await monitor.stop()
        under_load = [sample for sample in sampler.samples if sample.phase == "main"]
        return Outcome(judge(before, after, under_load), self._problems, _totals(before, after, under_load))

    async def _phase(self, name: str, node: SoakNode, sampler: Sampler, seconds: float, at_rest: Sample) -> Sample:
        """Load for so long, then all of it taken away; how the node is at rest afterwards."""
        world = World(node.doors, self._rng, self._problems, name)
        self._loads = loads(world)
        end = time.monotonic() + seconds
        tasks = [asyncio.create_task(load.run()) for load in self._loads]
        while (left := end - time.monotonic()) > 0:
            await asyncio.sleep(min(SAMPLE_EVERY_S, left))
            self._tell(await sampler.take(name))
        world.stopping.set()
        done, late = await asyncio.wait(tasks, timeout=STOP_TIMEOUT_S)
        for task in late:
            self._problems.add("does not stop", repr(task.get_coro()))
            task.cancel()
        for task in done:
            task.result()
        for load in self._loads:
            await world.attempt(f"taking away {type(load).__name__}", load.take_away)
        return await self._rest(f"{name}, at rest", sampler, at_rest)

    async def _rest(self, phase: str, sampler: Sampler, at_rest: Sample) -> Sample:
        """Wait until the gauges are what they were at rest, or for too long, and then a little more."""
        deadline = time.monotonic() + REST_TIMEOUT_S
        while True:
            sample = await sampler.take(phase)
            if all(sample.values[name] == at_rest.values[name] for name in GAUGES):
                break
            if time.monotonic() > deadline:
                break
        await asyncio.sleep(self._rest_s)
        sample = await sampler.take(phase)
        self._tell(sample)
        return sample

    def _tell(self, sample: Sample) -> None:
        values = {name: f"{value:.0f}" for name, value in sample.values.items()}
        self._say(
            f"{sample.at_s:6.0f} s  {sample.phase:13} {sample.values['rss_kb'] / 1024:6.1f} MB"
            f", {values['cpu_percent']} %, {values['connections']} connections, {values['sessions']} sessions"
            f", {values['retained']} retained, {values['message_queues']} queued"
            f", {sample.values['disk_bytes'] / 1048576:.1f} MB on disk, {values['storage.snapshots']} snapshots"
        )

    def _forgotten(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """An exception in a task nobody waits for, such as that of a reader."""
        self._problems.add("failed", f"{context.get('message')}: {context.get('exception')!r}")


def loads(world: World) -> Sequence[Load]:
    """All kinds, some several times."""
    return [
        *(Flow(world, number, qos=1 + number % 2) for number in range(8)),
        *(Flow(world, number, qos=1 + number % 2, members=3) for number in range(8, 11)),
        *(Together(world, number) for number in range(4)),
        Wills(world, 4),
        *(Churn(world, number) for number in range(10)),
        *(Retainer(world, number) for number in range(4)),
        *(Sleeper(world, number) for number in range(4)),
        *(Crowd(world, number) for number in range(2)),
        *(SlowReader(world, number) for number in range(3)),
        *(Troublemaker(world, number) for number in range(3)),
    ]


def _totals(before: Sample, after: Sample, under_load: Sequence[Sample]) -> str:
    names = ("client.connected", "messages.publish", "messages.delivered", "messages.dropped", "session.takeovers")
    parts = [f"{after.values[name] - before.values[name]:.0f} {name}" for name in (*names, "storage.snapshots")]
    cpu = sum(sample.values["cpu_percent"] for sample in under_load) / max(1, len(under_load))
    return f"{', '.join(parts)}; {cpu:.0f} % of a core on average"
