"""What goes wrong, and when. Each fault ends by itself; never more goes wrong at once than the promise allows for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from random import Random
from typing import Final

import trio

from rmq.session.limits import ACK_QUORUM_FSYNC
from tests.simulation.client import Client
from tests.simulation.node import Node, host
from tests.simulation.publisher import Publisher
from tests.simulation.world import World

Ways = set[tuple[str, str]]

# How long a step may take of a fault that needs several things to happen one after the other (s).
STEP_S: Final = 0.6


class Faults:
    """``run`` has them happen for the profile's time. ``clients`` may be hit too."""

    def __init__(self, world: World, clients: list[Client]) -> None:
        self._world = world
        self._clients = clients
        self._random = Random(world.random.random())
        self._restarting: set[int] = set()
        self._faults: dict[str, Callable[[], Awaitable[None]]] = {
            "crash": self._crash,
            "crash_everywhere": self._crash_everywhere,
            "power": self._power,
            "power_everywhere": self._power_everywhere,
            "wipe": self._wipe,
            "partition": self._partition,
            "one_way": self._one_way,
            "deaf": self._deaf,
            "mute": self._mute,
            "late_batch": self._late_batch,
            "slow": self._slow,
            "cut": self._cut,
            "half_cut": self._half_cut,
            "stall": self._stall,
            "stop": self._stop,
            "transfer": self._transfer,
            "drain": self._drain,
            "lose_client": self._lose_client,
            "jump": self._jump,
        }

    async def run(self) -> None:
        """Now one, now another, until the time is up; some still have to end then."""
        world = self._world
        until = world.agenda.now + world.profile.duration
        names = list(world.profile.faults)
        weights = [world.profile.faults[name] for name in names]
        while world.agenda.now < until:
            await trio.sleep(self._random.uniform(*world.profile.pause))
            (name,) = self._random.choices(names, weights)
            await self._faults[name]()

    def _did(self, name: str, text: object = "") -> None:
        self._world.note(f"fault {name} {text}")
        self._world.unrest.note(self._world.agenda.now)
        self._world.counts[f"fault {name}"] += 1

    # Nodes

    def _running(self) -> list[Node]:
        # One that comes or goes has nothing else happen to it.
        return [node for node_id, node in sorted(self._world.nodes.items()) if node_id in self._world.members]

    def _pick(self) -> Node | None:
        running = self._running()
        if not running:
            return None
        leader = self._world.leader()
        if leader not in running:
            leader = None
        # The leader is the one that it hurts to lose.
        if leader is not None and self._random.random() < 0.5:
            return leader
        return self._random.choice(running)

    def _is_calm(self, node: Node) -> bool:
        """Whether all others who vote run and have forgotten nothing, so that one disk may forget."""
        world = self._world
        others = [node_id for node_id in world.members if node_id != node.node_id]
        return (
            all(other in world.nodes and world.nodes[other].is_sound for other in others) and not world.network.blocked
        )

    async def _restart(self, node_id: int, low: float, high: float) -> None:
        self._restarting.add(node_id)

        def begin() -> None:
            self._world.nursery.start_soon(start)

        async def start() -> None:
            self._restarting.discard(node_id)
            await self._world.start(node_id)

        self._world.agenda.later(low, high, begin)

    async def _crash(self) -> None:
        node = self._pick()
        if node is not None:
            self._did("crash", node.node_id)
            await self._world.kill(node.node_id)
            await self._restart(node.node_id, 0.05, 4.0)

    async def _crash_everywhere(self) -> None:
        self._did("crash_everywhere")
        for node in self._running():
            await self._world.kill(node.node_id)
            await self._restart(node.node_id, 0.05, 3.0)

    async def _power(self) -> None:
        node = self._pick()
        is_allowed = self._world.profile.ack_policy == ACK_QUORUM_FSYNC
        if node is not None and (is_allowed or self._is_calm(node)):
            self._did("power", node.node_id)
            await self._world.power_off(node.node_id)
            await self._restart(node.node_id, 0.2, 4.0)

    async def _power_everywhere(self) -> None:
        self._did("power_everywhere")
        # Disks that lag: what is acknowledged all the same is lost now.
        seconds = self._random.choice((0.0, 0.3, 0.5))
        for node in self._running():
            node.speed.stall(self._world.agenda.now, 2 * seconds)
        await trio.sleep(seconds)
        self._world.forget_history()
        nodes = [node.node_id for node in self._running()]
        # Else a disk may have more than was synced, and one that has is enough.
        await self._world.power_off(*nodes, only_synced=self._random.random() < 0.6)
        for node_id in nodes:
            await self._restart(node_id, 0.2, 3.0)

    async def _wipe(self) -> None:
        node = self._pick()
        if node is not None and self._is_calm(node):
            self._did("wipe", node.node_id)
            await self._world.kill(node.node_id)
            self._world.wipe(node.node_id)
            await self._restart(node.node_id, 0.05, 3.0)

    async def _stop(self) -> None:
        node = self._pick()
        if node is not None and not self._restarting:
            self._did("stop", node.node_id)
            await self._world.stop(node.node_id)
            await self._restart(node.node_id, 0.05, 2.0)

    async def _stall(self) -> None:
        node = self._pick()
        if node is not None:
            seconds = self._random.choice((0.05, 0.3, 1.0, 2.5))
            self._did("stall", f"{node.node_id} {seconds}")
            node.speed.stall(self._world.agenda.now, seconds)

    async def _transfer(self) -> None:
        leader = self._world.leader()
        raft = None if leader is None else leader.cluster.replication.raft
        if raft is not None:
            self._did("transfer")
            raft.transfer_leadership(None, lambda _: None)

    async def _drain(self) -> None:
        node = self._pick()
        if node is not None:
            self._did("drain", node.node_id)
            node.port.drain(20.0)
            self._world.agenda.later(0.3, 2.0, lambda: node.port.drain(0.0), node.node_id)

    # Links

    def _for_a_while(self, ways: Ways, seconds: float) -> None:
        network = self._world.network
        network.block(ways)

        def heal() -> None:
            self._world.note("heal")
            network.free(ways)

        self._world.agenda.after(seconds, heal)

    def _seconds(self) -> float:
        return self._random.choice((0.2, 0.7, 1.5, 3.0, 5.0))

    async def _partition(self) -> None:
        hosts = [host(node_id) for node_id in sorted(self._world.members)]
        self._random.shuffle(hosts)
        count = self._random.randint(1, len(hosts) // 2)
        one, other = hosts[:count], hosts[count:]
        ways = {(a, b) for a in one for b in other} | {(b, a) for a in one for b in other}
        seconds = self._seconds()
        self._did("partition", f"{one} {seconds}")
        self._for_a_while(ways, seconds)

    async def _one_way(self) -> None:
        source, target = self._two()
        seconds = self._seconds()
        self._did("one_way", f"{source} {target} {seconds}")
        self._for_a_while({(source, target)}, seconds)

    async def _deaf(self) -> None:
        """A node hears nothing of its leader, which hears it: what it proposes is committed, and it doesn't know.

        Its clients turn elsewhere meanwhile, with words of theirs still on the way to it.
        """
        pair = self._leader_and_other()
        if pair is None:
            return
        leader, other = pair
        seconds = self._random.uniform(1.05, 1.9)
        self._did("deaf", f"{other.node_id} {seconds:.2f}")
        self._for_a_while({(host(leader.node_id), host(other.node_id))}, seconds)
        for client in self._clients:
            if client.line is not None and client.line.node is other and self._random.random() < 0.5:
                delay = self._random.uniform(0.0, 0.6)
                self._world.agenda.later(0.01, 0.3, partial(client.jump, delay))

    async def _mute(self) -> None:
        """A leader hears nothing of a node for so long that it is declared down; the link is just kept."""
        pair = self._leader_and_other()
        if pair is not None:
            leader, other = pair
            seconds = self._random.uniform(1.6, self._world.profile.link_dead_after - 0.05)
            self._did("mute", f"{other.node_id} {seconds:.2f}")
            self._for_a_while({(host(other.node_id), host(leader.node_id))}, seconds)

    async def _late_batch(self) -> None:
        """What a node proposes is held up on its way to the leader until the node is declared down and up again.

        Another leader sees to the second; so the batch comes to one that leads, behind the node's next incarnation.
        """
        world = self._world
        pair = self._leader_and_other()
        others = [] if pair is None else [node for node in self._running() if node not in pair and node.votes]
        if pair is None or not others:
            return
        (leader, node), other = pair, self._random.choice(others)
        # Twice applied is what was sent once at QoS 1: QoS 2 has its packet identifiers.
        for client in self._clients:
            home = client.line.node if isinstance(client, Publisher) and client.qos == 1 and client.line else None
            if home is not None and home not in (leader, other) and home in self._running():
                node = home
                break
        self._did("late_batch", f"{node.node_id} by {other.node_id}")
        for client in self._clients:
            if isinstance(client, Publisher) and client.line is not None and client.line.node is node:
                client.publish()
                client.publish()
        await trio.sleep(self._random.uniform(0.004, 0.012))  # it is proposed, and hasn't come to the leader
        ways = {(host(node.node_id), host(leader.node_id))}
        world.network.block(ways)

        def is_up() -> bool:
            record = other.port.nodes.get(node.node_id)
            return record is not None and record.up

        for low, step in (
            (world.profile.link_dead_after, lambda: not is_up()),
            (STEP_S, lambda: leader.lead(other) and other.is_leader),
            (STEP_S, is_up),
            (STEP_S, lambda: other.lead(leader) and leader.is_leader),
        ):
            if not await world.until(step, low):
                break
        else:
            world.counts["late batches"] += 1
        world.network.free(ways)

    def _leader_and_other(self) -> tuple[Node, Node] | None:
        leader = self._world.leader()
        others = [node for node in self._running() if node is not leader]
        return None if leader is None or not others else (leader, self._random.choice(others))

    async def _slow(self) -> None:
        source, target = self._two()
        network = self._world.network
        extra, seconds = self._random.choice((0.02, 0.2, 0.8)), self._random.uniform(1.0, 5.0)
        self._did("slow", f"{source} {target} {extra} {seconds:.2f}")
        network.slow[source, target] = extra

        def heal() -> None:
            network.slow.pop((source, target), None)

        self._world.agenda.after(seconds, heal)

    def _two(self) -> tuple[str, str]:
        one, other = self._random.sample(sorted(self._world.members), 2)
        return host(one), host(other)

    async def _cut(self) -> None:
        for connection in self._world.network.between(*self._two()):
            self._did("cut", connection.hosts)
            connection.cut()

    async def _half_cut(self) -> None:
        for connection in self._world.network.between(*self._two()):
            self._did("half_cut", connection.hosts)
            connection.cut_for(connection.hosts[0])

    # Clients

    async def _lose_client(self) -> None:
        client = self._random.choice(self._clients)
        self._did("lose_client", client.name)
        client.drop()

    async def _jump(self) -> None:
        client = self._random.choice(self._clients)
        self._did("jump", client.name)
        client.jump(self._random.choice((0.0, 0.05, 0.5, 1.5)))

    async def end(self) -> None:
        """Nothing is wrong any more; every node runs."""
        world = self._world
        world.note("all is well from here on")
        world.network.slow.clear()
        world.network.free(set(world.network.blocked))
        for node_id in world.members:
            world.machine(node_id).speed.stall_until = 0.0
        await world.until(lambda: not self._restarting, 10.0)
