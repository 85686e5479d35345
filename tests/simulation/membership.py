"""Nodes that come, go, and come back empty, while other things go wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random
from typing import Final

import trio

from rmq.management.errors import ManagementError, NotAMember
from tests.simulation.node import Node, address
from tests.simulation.world import World

# How long a change may take before it is asked for again, in virtual seconds.
PATIENCE_S: Final = 12.0
NEW: Final = 4


class Membership:
    """``run`` has a fourth node join, another one removed, and that one come back with an empty disk."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._random = Random(world.random.random())
        self.finished = trio.Event()

    async def run(self) -> None:
        """All three; each is asked for until it is done."""
        world = self._world
        await trio.sleep(self._random.uniform(0.5, 2.0))
        await self._come(NEW)
        await trio.sleep(self._random.uniform(0.5, 2.0))
        gone = self._random.choice(sorted(world.members))
        await self._go(gone)
        await trio.sleep(self._random.uniform(0.2, 1.0))
        await self._come(gone)
        self.finished.set()

    async def _come(self, node_id: int) -> None:
        world = self._world
        others = dict(world.members)
        node = await world.start(node_id, others | {node_id: address(node_id)})
        names = tuple(f"{other}@{where}" for other, where in sorted(others.items()))

        async def join() -> None:
            # An earlier try may have told the others already: then it comes in by itself.
            if node.cluster.identity is None:
                await node.cluster.control.join(names)
            await node.cluster.ready.wait()

        await self._until_done(f"join {node_id}", join)
        world.members[node_id] = address(node_id)

    async def _go(self, node_id: int) -> None:
        world = self._world
        del world.members[node_id]  # no fault is its own from here on
        await world.until(lambda: node_id in world.nodes, PATIENCE_S)

        async def remove() -> None:
            node = self._anybody(node_id)
            if node is not None:
                with suppress(NotAMember):  # an earlier try has done it
                    await node.cluster.control.remove(node_id)
            await world.until(lambda: self._is_out(node_id), PATIENCE_S)

        await self._until_done(f"remove {node_id}", remove)
        await world.kill(node_id)
        world.wipe(node_id)

    def _anybody(self, but: int) -> Node | None:
        nodes = [node for node_id, node in sorted(self._world.nodes.items()) if node_id != but]
        return self._random.choice(nodes) if nodes else None

    def _is_out(self, node_id: int) -> bool:
        nodes = [node for other, node in self._world.nodes.items() if other != node_id and node.is_leader]
        for node in nodes:
            raft = node.cluster.replication.raft
            if raft is None:
                return False
            members = node.cluster.replication.log.members_at(raft.commit_index)
            if node_id in (*members.voters, *members.observers):
                return False
            if node.cluster.belonging.has(node_id):
                return False
        return bool(nodes)

    async def _until_done(self, what: str, change: Callable[[], Awaitable[None]]) -> None:
        world = self._world
        while True:
            world.note(f"membership: {what}")
            try:
                with trio.move_on_after(PATIENCE_S):
                    await change()
                    world.note(f"membership: {what} is done")
                    world.counts[f"membership {what.split()[0]}"] += 1
                    return
            except ManagementError as error:
                world.note(f"membership: {what}: {error!r}")
            await trio.sleep(self._random.uniform(0.2, 1.0))
