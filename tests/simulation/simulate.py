"""One run of one seed."""

from __future__ import annotations

import gc
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import trio
from trio.testing import MockClock
from rmq_cluster.raft.log import RaftLog

from tests.simulation.client import Client
from tests.simulation.determinism import determinism
from tests.simulation.faults import Faults
from tests.simulation.healing import Healing
from tests.simulation.ledger import Ledger
from tests.simulation.power import Power
from tests.simulation.profile import Profile
from tests.simulation.publisher import Publisher
from tests.simulation.subscriber import Explorer, Subscriber
from tests.simulation.world import World

IN_MEMORY: Final = Path("/dev/shm")
FOUNDED_S: Final = 20.0
# Virtual seconds after which a run is given up.
LONGEST_S: Final = 400.0
# What may be done in one moment.
MAX_STEPS: Final = 20_000


@dataclass
class Result:
    """What came of a run. ``seconds`` are virtual ones."""

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
    counts: Counter[str] = Counter()
    world: list[World] = []

    def logged(method: str, event: dict[str, Any]) -> None:
        if world:
            world[0].logged(method, event)

    def make_thread(name: str, wake: Callable[[], None]) -> Any:
        return world[0].make_thread(name, wake)

    base = IN_MEMORY if IN_MEMORY.is_dir() else None
    gc.disable()  # what it finalizes would be finalized at another moment in each run
    try:
        with (
            tempfile.TemporaryDirectory(prefix="rmq-simulation-", dir=base) as folder,
            determinism(seed, make_thread, logged),
            Counting(RaftLog, "truncate", counts, "truncations"),
            power.watching(),
        ):
            course = Course(Profile.of(seed), Path(folder), power, clock, world)
            return trio.run(course.run, counts, clock=clock, instruments=[Spinning(clock, world)])
    finally:
        power.close()
        gc.enable()
        gc.collect()


class Spinning(trio.abc.Instrument):
    """Ends a run in which much is done while no time goes by: on a real machine a node would use all of its CPU."""

    def __init__(self, clock: MockClock, worlds: list[World]) -> None:
        self._clock = clock
        self._worlds = worlds
        self._at = 0.0
        self._steps = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """A task goes on."""
        now = self._clock.current_time()
        if now != self._at:
            self._at = now
            self._steps = 0
        self._steps += 1
        if self._steps == MAX_STEPS:
            for world in self._worlds:
                world.problem(f"it spins, at last in {task.name}")
                world.nursery.cancel_scope.cancel()


class Counting:
    """Counts the calls of a method."""

    def __init__(self, owner: type, method: str, counts: Counter[str], name: str) -> None:
        self._owner = owner
        self._method = method
        self._original = getattr(owner, method)
        self._counts = counts
        self._name = name

    def __enter__(self) -> None:
        original, counts, name = self._original, self._counts, self._name

        def counted(*args: Any, **kwargs: Any) -> Any:
            counts[name] += 1
            return original(*args, **kwargs)

        setattr(self._owner, self._method, counted)

    def __exit__(self, *_: object) -> None:
        setattr(self._owner, self._method, self._original)


async def _run(
    profile: Profile, folder: Path, power: Power, clock: MockClock, worlds: list[World], counts: Counter[str]
) -> Result:
    world: World | None = None
    try:
        with trio.move_on_after(LONGEST_S) as scope:
            async with trio.open_nursery() as nursery:
                world = World(profile, folder, nursery, power, clock)
                worlds.append(world)
                nursery.start_soon(world.agenda.run)
                await _course(world)
                nursery.cancel_scope.cancel()
        assert world is not None
        if scope.cancelled_caught:
            world.problem("it doesn't end")
    except Exception as error:
        assert world is not None
        world.problem(f"the run ends with {_told(error)}")
    world.counts.update(counts)
    return Result(
        profile.seed,
        world.problems,
        dict(sorted(world.counts.items())),
        world.digest(),
        trio.current_time(),
        world.trace,
    )


async def _course(world: World) -> None:
    for node_id in sorted(world.members):
        await world.start(node_id)
    if not await world.until(world.is_sound, FOUNDED_S):
        world.problem(f"the cluster isn't founded: {list(world.nodes.values())}")
        return
    ledger = Ledger(world.problem)
    subscribers: list[Client] = [
        Subscriber(world, ledger, "s1", 1, ["t/#"], slow=0.0),
        Subscriber(world, ledger, "s2", 2, ["t/#"], slow=0.02),
        Subscriber(world, ledger, "s3", 2, ["t/p2/+", "t/p3/0"], slow=0.3),
    ]
    publishers = [
        Publisher(world, ledger, "p1", 1, ["t/p1/0", "t/p1/1"], retain=False),
        Publisher(world, ledger, "p2", 2, ["t/p2/0", "t/p2/1"], retain=False),
        Publisher(world, ledger, "p3", 2, ["t/p3/0"], retain=False),
        Publisher(world, ledger, "p4", 1, ["r/p4/0", "r/p4/1", "r/p4/2"], retain=True),
    ]

    def everywhere(topic: str) -> None:
        for publisher in publishers[:3]:
            publisher.extra.append(topic)
            publisher.publish()

    explorer = Explorer(world, ledger, "e1", everywhere)
    clients: list[Client] = [*subscribers, *publishers, explorer]
    for client in clients:
        client.begin()
    await world.until(lambda: len(ledger.subscribed) >= 4, 20.0)
    faults = Faults(world, clients)
    await faults.run()
    await faults.end()
    explorer.stop()
    for publisher in publishers:
        publisher.stop()
    await Healing(world, ledger, clients).run()
    world.counts["sent"] += len(ledger.sent)
    world.counts["got"] += sum(len(payloads) for payloads in ledger.got.values())
    world.counts["connects"] += sum(client.connects for client in clients)
    world.count_all()
    for node_id in list(world.nodes):
        await world.kill(node_id)


def _told(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return " and ".join(_told(inner) for inner in error.exceptions)
    places: list[str] = []
    trace = error.__traceback__
    while trace is not None:
        places.append(f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}")
        trace = trace.tb_next
    return f"{type(error).__name__}: {error} ({' '.join(places[-5:])})"
