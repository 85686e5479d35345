"""One run of one seed."""

from __future__ import annotations

import gc
import tempfile
from collections import Counter
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from unittest import mock

import trio
from rmq_cluster.raft.log import RaftLog
from trio.testing import MockClock

from rmq.storage.cluster_state import ClusterState
from tests.simulation import course
from tests.simulation.determinism import determinism
from tests.simulation.power import Power
from tests.simulation.profile import Profile
from tests.simulation.world import World

IN_MEMORY: Final = Path("/dev/shm")
# How often tasks may go on in one moment.
MAX_ROUNDS: Final = 2_000


@dataclass
class Result:
    """What came of a run. ``seconds`` are virtual ones, ``digest`` is that of the trace."""

    seed: int
    problems: list[str]
    counts: dict[str, int]
    digest: str
    seconds: float
    trace: list[str] = field(default_factory=list)

    def line(self) -> dict[str, Any]:
        """All but the trace, as JSON can have it."""
        return {
            "seed": self.seed,
            "problems": self.problems,
            "counts": self.counts,
            "digest": self.digest,
            "seconds": self.seconds,
        }


def simulate(seed: int) -> Result:
    """Run a seed. Whatever goes wrong is among its problems."""
    power = Power()
    base = IN_MEMORY if IN_MEMORY.is_dir() else None
    gc.disable()  # what it finalizes would be finalized at another moment in each run
    try:
        with tempfile.TemporaryDirectory(prefix="rmq-simulation-", dir=base) as folder:
            clock = MockClock(autojump_threshold=0)
            world = World(Profile.of(seed), Path(folder), power, clock)
            with (
                determinism(seed, world.make_thread, world.logged),
                _counting(world.counts),
                power.watching(),
            ):
                trio.run(course.run, world, clock=clock, instruments=[Passing(world)])
    finally:
        power.close()
        gc.enable()
        gc.collect()
    counts = dict(sorted(world.counts.items()))
    return Result(seed, world.problems, counts, world.digest(), round(world.agenda.now, 3), world.trace)


class Passing(trio.abc.Instrument):
    """Tells the agenda what time it is, and ends a run in which much is done while no time goes by.

    On a real machine a node would use all of its CPU then.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._agenda = world.agenda
        self._rounds = 0

    def after_io_wait(self, timeout: float) -> None:
        """A round of tasks begins; the clock moves between rounds only."""
        agenda = self._agenda
        now = agenda.clock.current_time()
        if now != agenda.now:
            agenda.now = now
            self._rounds = 0
        self._rounds += 1
        if self._rounds == MAX_ROUNDS:
            self._world.problem("it spins")
            self._world.nursery.cancel_scope.cancel()


def _counting(counts: Counter[str]) -> AbstractContextManager[object]:
    """Counts what a rule of the cluster's own had to catch."""
    truncate, begin_batch = RaftLog.truncate, ClusterState.begin_batch

    def truncated(log: RaftLog, index: int) -> None:
        counts["truncations"] += 1
        truncate(log, index)

    def begun(state: ClusterState, node: int, incarnation: int, sequence: int) -> bool:
        record = state.nodes.get(node)
        if record is not None and (record.incarnation != incarnation or not record.up):
            counts["batches of the past"] += 1
        elif record is not None and sequence <= record.sequence:
            counts["batches again"] += 1
        return begin_batch(state, node, incarnation, sequence)

    stack = ExitStack()
    stack.enter_context(mock.patch.object(RaftLog, "truncate", truncated))
    stack.enter_context(mock.patch.object(ClusterState, "begin_batch", begun))
    return stack
