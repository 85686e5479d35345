"""What goes wrong, and when. Each fault ends by itself; never more goes wrong at once than the promise allows for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random

import trio

from rmq.session.limits import ACK_QUORUM_FSYNC
from tests.simulation.client import Client
from tests.simulation.node import Node, host
from tests.simulation.staged import Staged
from tests.simulation.world import World


class Faults:
    """``run`` has them happen for the profile's time. ``clients`` may be hit too."""

    def __init__(self, world: World, clients: list[Client]) -> None:
        self._world = world
        self._clients = clients
        self._random = Random(world.random.random())
        self._restarting: set[int] = set()
        staged = Staged(world, clients, self._random)
        self._faults: dict[str, Callable[[], Awaitable[None]]] = {
            "crash": self._crash,
            "crash_everywhere": self._crash_everywhere,
            "power": self._power,
            "power_everywhere": self._power_everywhere,
            "wipe": self._wipe,
            "partition": self._partition,
            "one_way": self._one_way,
            "deaf": staged.deaf,
            "mute": staged.mute,
            "late_batch": staged.late_batch,
            "unheard": staged.unheard,
            "apart": staged.apart,
            "cut_off": staged.cut_off,
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
        if world.profile.first:
            await self._faults[world.profile.first]()
        weights = [world.profile.faults[name] for name in names]
        while world.agenda.now < until:
            await trio.sleep(self._random.uniform(*world.profile.pause))
            (name,) = self._random.choices(names, weights)
            await self._faults[name]()

    # Nodes

    def _pick(self) -> Node | None:
        running = self._world.running()
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
            self._world.fault("crash", node.node_id)
            await self._world.kill(node.node_id)
            await self._restart(node.node_id, 0.05, 4.0)

    async def _crash_everywhere(self) -> None:
        self._world.fault("crash_everywhere")
        for node in self._world.running():
            await self._world.kill(node.node_id)
            await self._restart(node.node_id, 0.05, 3.0)

    async def _power(self) -> None:
        node = self._pick()
        is_allowed = self._world.profile.ack_policy == ACK_QUORUM_FSYNC
        if node is not None and (is_allowed or self._is_calm(node)):
            self._world.fault("power", node.node_id)
            await self._world.power_off(node.node_id)
            await self._restart(node.node_id, 0.2, 4.0)

    async def _power_everywhere(self) -> None:
        self._world.fault("power_everywhere")
        # Disks that lag: what is acknowledged all the same is lost now.
        seconds = self._random.choice((0.0, 0.3, 0.5))
        for node in self._world.running():
            node.speed.stall(self._world.agenda.now, 2 * seconds)
        await trio.sleep(seconds)
        self._world.forget_history()
        nodes = [node.node_id for node in self._world.running()]
        # Else a disk may have more than was synced, and one that has is enough.
        await self._world.power_off(*nodes, only_synced=self._random.random() < 0.6)
        for node_id in nodes:
            await self._restart(node_id, 0.2, 3.0)

    async def _wipe(self) -> None:
        node = self._pick()
        if node is not None and self._is_calm(node):
            self._world.fault("wipe", node.node_id)
            await self._world.kill(node.node_id)
            self._world.wipe(node.node_id)
            await self._restart(node.node_id, 0.05, 3.0)

    async def _stop(self) -> None:
        node = self._pick()
        if node is not None and not self._restarting:
            self._world.fault("stop", node.node_id)
            await self._world.stop(node.node_id)
            await self._restart(node.node_id, 0.05, 2.0)

    async def _stall(self) -> None:
        node = self._pick()
        if node is not None:
            seconds = self._random.choice((0.05, 0.3, 1.0, 2.5))
            self._world.fault("stall", f"{node.node_id} {seconds}")
            node.speed.stall(self._world.agenda.now, seconds)

    async def _transfer(self) -> None:
        leader = self._world.leader()
        raft = None if leader is None else leader.cluster.replication.raft
        if raft is not None:
            self._world.fault("transfer")
            raft.transfer_leadership(None, lambda _: None)

    async def _drain(self) -> None:
        node = self._pick()
        if node is not None:
            self._world.fault("drain", node.node_id)
            node.port.drain(20.0)
            self._world.agenda.later(0.3, 2.0, lambda: node.port.drain(0.0), node.node_id)

    # Links

    def _seconds(self) -> float:
        return self._random.choice((0.2, 0.7, 1.5, 3.0, 5.0))

    async def _partition(self) -> None:
        hosts = [host(node_id) for node_id in sorted(self._world.members)]
        self._random.shuffle(hosts)
        count = self._random.randint(1, len(hosts) // 2)
        one, other = hosts[:count], hosts[count:]
        ways = {(a, b) for a in one for b in other} | {(b, a) for a in one for b in other}
        seconds = self._seconds()
        self._world.fault("partition", f"{one} {seconds}")
        self._world.cut_for_a_while(ways, seconds)

    async def _one_way(self) -> None:
        source, target = self._two()
        seconds = self._seconds()
        self._world.fault("one_way", f"{source} {target} {seconds}")
        self._world.cut_for_a_while({(source, target)}, seconds)

    async def _slow(self) -> None:
        source, target = self._two()
        network = self._world.network
        extra, seconds = self._random.choice((0.02, 0.2, 0.8)), self._random.uniform(1.0, 5.0)
        self._world.fault("slow", f"{source} {target} {extra} {seconds:.2f}")
        network.slow[source, target] = extra

        def heal() -> None:
            network.slow.pop((source, target), None)

        self._world.agenda.after(seconds, heal)

    def _two(self) -> tuple[str, str]:
        one, other = self._random.sample(sorted(self._world.members), 2)
        return host(one), host(other)

    async def _cut(self) -> None:
        for connection in self._world.network.between(*self._two()):
            self._world.fault("cut", connection.hosts)
            connection.cut()

    async def _half_cut(self) -> None:
        for connection in self._world.network.between(*self._two()):
            self._world.fault("half_cut", connection.hosts)
            connection.cut_for(connection.hosts[0])

    # Clients

    async def _lose_client(self) -> None:
        client = self._random.choice(self._clients)
        self._world.fault("lose_client", client.name)
        client.drop()

    async def _jump(self) -> None:
        client = self._random.choice(self._clients)
        self._world.fault("jump", client.name)
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
