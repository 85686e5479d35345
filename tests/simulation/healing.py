"""The end of a run: all is well again, clients finish what they began, then everything is compared."""

from __future__ import annotations

from typing import Final

import trio
from rmq_cluster.figures import counters_of

from rmq.storage.digest import digest_of
from tests.simulation.cast import Cast
from tests.simulation.ledger import Ledger
from tests.simulation.publisher import Publisher
from tests.simulation.world import World
from tests.unit.storage.replica import facts

# How long all may take to be as it should, in virtual seconds.
SOUND_S: Final = 40.0
DELIVERED_S: Final = 60.0
EQUAL_S: Final = 20.0
# For so long all goes on with nothing wrong, before clients end: what is promised only then is looked at then.
CALM_S: Final = 1.2


class Healing:
    """Each step that isn't reached in time is a problem."""

    def __init__(self, world: World, ledger: Ledger, cast: Cast) -> None:
        self._world = world
        self._ledger = ledger
        self._cast = cast
        self._clients = cast.clients

    async def run(self) -> None:
        """All steps."""
        world = self._world
        if not await world.until(world.is_sound, SOUND_S):
            world.problem(f"the cluster isn't sound again: {list(world.nodes.values())}")
            return
        await world.until(lambda: all(client.is_open for client in self._clients), DELIVERED_S, 0.1)
        await trio.sleep(CALM_S)
        self._cast.stop()
        if not await world.until(self._is_settled, DELIVERED_S, 0.1):
            waiting = [
                f"{client.name} ({'open' if client.is_open else 'not open'}, {client.line and client.line.node})"
                for client in self._clients
                if not client.is_open or client.expects_answers()
            ]
            world.problem(f"clients aren't answered: {waiting}")
        await world.until(lambda: not self._ledger.missing() and not self._cast.testaments.missing(), DELIVERED_S, 0.5)
        await trio.sleep(1.0)
        self._ledger.check()
        self._cast.check()
        self._check_owners()
        await self._compare()
        self._check_counters()

    def _is_settled(self) -> bool:
        for client in self._clients:
            if not client.is_open or client.expects_answers():
                return False
            if isinstance(client, Publisher) and client.pending:
                return False
        return True

    def _check_owners(self) -> None:
        world = self._world
        for client in self._clients:
            if client.line is None:
                continue
            expected = client.line.node.node_id
            connected = [
                node_id for node_id, node in world.nodes.items() if node.engine.broker.registry.get(client.name)
            ]
            if connected != [expected]:
                world.problem(f"{client.name} is connected to {expected}, and nodes {connected} have a connection")
            for node_id, node in world.nodes.items():
                owner = node.engine.broker.state.cluster.owners.get(client.name)
                if owner is None or owner.node != expected:
                    named = None if owner is None else owner.node
                    world.problem(f"node {node_id} takes {named} for the owner of {client.name}, it is {expected}")

    async def _compare(self) -> None:
        world = self._world
        nodes = list(world.nodes.values())
        if not await world.until(lambda: len({node.port.applied_index for node in nodes}) == 1, EQUAL_S, 0.003):
            world.problem(f"nodes don't come to the same place: {nodes}")
            return
        states = [(node.node_id, node.engine.broker.state) for node in nodes]
        if len({digest_of(state) for _, state in states}) > 1:
            world.problem("the digests of the states differ")
        first, *others = [(node_id, facts(state)) for node_id, state in states]
        for node_id, found in others:
            if found != first[1]:
                world.problem(f"the states of nodes {first[0]} and {node_id} differ: {_difference(first[1], found)}")
        for node in nodes:
            retained = node.engine.broker.state.retained.match("#")
            self._ledger.check_retained(node.node_id, {message.topic: message.payload for message in retained})

    def _check_counters(self) -> None:
        for node in self._world.nodes.values():
            counters = node.engine.counters
            if counters.internal_errors:
                self._world.problem(f"node {node.node_id} has counted {counters.internal_errors} internal errors")
            bugs = counters_of(node.cluster)["cluster.bugs"]
            if bugs:
                self._world.problem(f"node {node.node_id} has counted {bugs} bugs in its cluster")
            if node.cluster.replication.failed:
                self._world.problem(f"node {node.node_id} has stepped out: {node.cluster.replication.failed}")


def _difference(one: object, other: object, path: str = "") -> str:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}, key=str):
            if one.get(key) != other.get(key):
                return _difference(one.get(key), other.get(key), f"{path}/{key}")
    return f"{path}: {one!r}"[:600] + f" and {other!r}"[:600]
