"""Random faults, replayed by their seed: what was acknowledged is on every node afterwards, once, in one order."""

from __future__ import annotations

import os
from random import Random

import pytest
import trio
from rmq_cluster.options import ClusterOptions
from trio.testing import MockClock

from tests.unit.cluster.world import CountingPort, World

# RMQ_CHAOS_SEEDS=20-40 runs these; RMQ_CHAOS_SECONDS of virtual time each.
FIRST, _, LAST = os.environ.get("RMQ_CHAOS_SEEDS", "0-3").partition("-")
FAULTS_S = float(os.environ.get("RMQ_CHAOS_SECONDS", "12"))


def options(_: CountingPort, chosen: ClusterOptions) -> None:
    chosen.log_kept = 0


class Chaos:
    """Clients that write all the time, and somebody who breaks things."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.random = Random(seed)
        self.acknowledged: list[str] = []
        self.wrote = 0
        self.faults: list[str] = []
        self.ends = False

    async def write(self, writer: int) -> None:
        number = 0
        while not self.ends:
            nodes = [node for node in self.world.nodes.values() if node.cluster.ready.is_set()]
            if not nodes:
                await trio.sleep(0.05)
                continue
            node = self.random.choice(nodes)
            value = f"{writer}.{number}"
            number += 1
            self.wrote += 1
            with trio.move_on_after(3.0):
                await node.port.commit(value)
                self.acknowledged.append(value)
            await trio.sleep(0.01 * self.random.random())

    async def break_things(self) -> None:
        world, random = self.world, self.random
        ends_at = trio.current_time() + FAULTS_S
        while trio.current_time() < ends_at:
            await trio.sleep(random.uniform(0.2, 2.0))
            victim = random.choice((1, 2, 3))
            fault = random.choice(("kill", "kill", "wipe", "isolate", "break", "stop", "snapshot", "transfer", "all"))
            self.faults.append(f"{fault} {victim}")
            if fault == "kill":
                await world.kill(victim)
                await trio.sleep(random.uniform(0.0, 3.0))
                await world.start(victim, change=options)
            elif fault == "stop":
                await world.stop(victim)
                await trio.sleep(random.uniform(0.0, 3.0))
                await world.start(victim, change=options)
            elif fault == "wipe":
                # A second disk is lost only when the first node is whole again: nobody survives a lost majority.
                await world.ready(timeout_s=60.0)
                await world.kill(victim)
                world.wipe(victim)
                await world.start(victim, change=options)
                await world.ready(timeout_s=60.0)
            elif fault == "isolate":
                world.isolate(victim)
                await trio.sleep(random.uniform(0.1, 5.0))
                world.reunite()
            elif fault == "break":
                world.break_links(victim)
            elif fault == "snapshot":
                world.nodes[victim].port.take_snapshot()
            elif fault == "transfer":
                raft = world.nodes[victim].cluster.replication.raft
                if raft is not None:
                    raft.transfer_leadership(None, lambda _: None)
            else:
                for node_id in (1, 2, 3):
                    await world.kill(node_id)
                for node_id in random.sample((1, 2, 3), 3):
                    await world.start(node_id, change=options)
                    await trio.sleep(random.uniform(0.0, 1.0))


@pytest.fixture
def seeded(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks run in an order that the seed decides."""
    monkeypatch.setattr(trio._core._run, "_ALLOW_DETERMINISTIC_SCHEDULING", True)
    trio._core._run._r.seed(seed)


@pytest.mark.usefixtures("seeded")
@pytest.mark.parametrize("seed", range(int(FIRST), int(LAST)))
async def test_what_was_acknowledged_is_everywhere_once(world: World, autojump_clock: MockClock, seed: int) -> None:
    world.random = Random(seed)
    for node_id in (1, 2, 3):
        await world.start(node_id, change=options)
    await world.ready()
    chaos = Chaos(world, seed)
    async with trio.open_nursery() as writers:
        for writer in range(4):
            writers.start_soon(chaos.write, writer)
        await chaos.break_things()
        chaos.ends = True
    await world.ready(timeout_s=60.0)
    # One that was declared down comes back by itself.
    await world.until(lambda: all(record.up for record in world.nodes[1].port.nodes.values()), 60.0)
    await world.same(timeout_s=60.0)
    values = world.nodes[1].port.values
    assert len(values) == len(set(values)), f"twice, after {chaos.faults}"
    lost = set(chaos.acknowledged) - set(values)
    assert not lost, f"{sorted(lost)[:5]} of {len(chaos.acknowledged)} lost after {chaos.faults}"
    assert len(chaos.acknowledged) > 50
