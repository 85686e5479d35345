"""One node: started as ``rmq.node.member`` starts it, killed, stopped, started again with what is on its disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

import trio
from rmq_cluster.cluster import Cluster
from rmq_cluster.options import ClusterOptions
from rmq_cluster.raft.options import RaftOptions
from rmq_cluster.recover import prepare

from rmq.engine.broker import Broker
from rmq.engine.member_options import MemberOptions
from rmq.engine.member_port import MemberPort
from rmq.metrics.counters import Counters
from rmq.session.limits import Limits
from rmq.storage.codec import UnknownOperation
from rmq.storage.events import StateEvents
from rmq.storage.recovery import Found, recover_member
from tests.simulation.agenda import NODE
from tests.simulation.disk import VirtualDisk, VirtualThread
from tests.simulation.engine import SimEngine
from tests.simulation.sockets import SimSockets

if TYPE_CHECKING:
    from tests.simulation.world import World

SECRET: Final = b"secret of the simulation"
STATE: Final = "state"
PORT: Final = 5363


def host(node_id: int) -> str:
    """The name of a node's machine."""
    return f"node{node_id}"


def address(node_id: int) -> str:
    """Where it listens for links."""
    return f"{host(node_id)}:{PORT}"


class SimPort(MemberPort):
    """Tells ``on_applied`` what was applied."""

    on_applied: Callable[[int, int, bytes], None]

    def apply(self, index: int, term: int, command: bytes) -> None:
        super().apply(index, term, command)
        self.on_applied(index, term, command)


class Node:
    """One process of a node, from its start to its end. ``members`` are those it is configured with."""

    def __init__(self, world: World, node_id: int, members: dict[int, str]) -> None:
        self.world = world
        self.node_id = node_id
        self.disks: list[VirtualDisk] = []
        self.speed = world.machine(node_id).speed
        self.scope = trio.CancelScope()
        self.ended = trio.Event()
        profile = world.profile
        folder = world.folder(node_id)
        state_folder = folder / STATE
        state_folder.mkdir(parents=True, exist_ok=True)
        prepare(folder, state_folder)
        limits = Limits("tcp.simulation")
        limits.ack_policy = profile.ack_policy
        limits.max_mqueue_len = 100_000
        wall_clock = world.wall_clock(node_id)
        self.engine = SimEngine(world.agenda, node_id, wall_clock, limits)
        broker = self.engine.broker
        options = MemberOptions()
        options.snapshot_after = profile.snapshot_after
        world.building = self
        self.port = SimPort(broker, _recover(broker, state_folder), options, self.engine.wake, alone=None)
        world.building = None
        self.port.on_applied = lambda index, term, command: world.applied(self, index, term, command)
        self._note_who_is_down()
        broker.state.node_id = broker.ctx.node_id = broker.routes.node_id = node_id
        broker.cluster = self.port
        cluster_options = ClusterOptions(members, bind=address(node_id), secret=SECRET)
        cluster_options.advertised = address(node_id)
        cluster_options.link_dead_after = profile.link_dead_after
        cluster_options.votes = node_id not in profile.observers
        cluster_options.voters = tuple(other for other in members if other not in profile.observers)
        self.cluster = Cluster(
            cluster_options,
            node_id,
            folder,
            self.port,
            clock=lambda: world.agenda.now,
            wall_clock=wall_clock,
            random=Random(world.random.random()),
            make_disk=self.make_disk,
            network=world.network.host(host(node_id)),
            boot=f"boot {world.machine(node_id).boots}",
            fatal=(UnknownOperation,),
        )
        self.engine.sockets = self.cluster.links.direct = SimSockets(self.engine.wake)
        # Few entries are kept behind a snapshot, so that nodes which were away need one.
        self.cluster.replication._options = RaftOptions(kept_bytes=profile.kept_bytes)
        broker.turn_storage = self.cluster.turn

    def _note_who_is_down(self) -> None:
        # When it is applied: what a leader proposes may come into the log much later.
        world, events = self.world, self.engine.broker.state.events
        node_down = events.node_down

        def noted(node: int, incarnation: int) -> None:
            world.declared_down[node].append(world.agenda.now)
            node_down(node, incarnation)

        events.node_down = noted  # type: ignore[method-assign]  # of this one object

    def make_disk(self, name: str) -> VirtualDisk:
        """A disk thread of this node."""
        disk = VirtualDisk(self.world.agenda, self.node_id, self.speed)
        self.disks.append(disk)
        return disk

    def make_thread(self, name: str, wake: Callable[[], None]) -> VirtualThread:
        """The same, as the engine has it."""
        return VirtualThread(self.make_disk(name), wake)

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Take part until killed or stopped."""
        NODE.set(self.node_id)
        self.port.begin()
        self.engine.start_timers()
        try:
            with self.scope:
                async with trio.open_nursery() as nursery:

                    def spawn(work: Callable[[], object]) -> None:
                        raise AssertionError("nothing is asynchronous here")

                    self.engine.broker.spawn = spawn
                    await nursery.start(self.cluster.run)
                    task_status.started()
        finally:
            self.ended.set()

    async def kill(self) -> None:
        """kill -9: what it wrote stays, nothing else."""
        self.die()
        self.scope.cancel()
        await self.ended.wait()

    def die(self) -> None:
        """From here on it does nothing, and nothing is told to it."""
        for disk in self.disks:
            disk.kill()
        self.engine.die()

    async def stop(self) -> None:
        """SIGTERM."""
        await self.cluster.stop()
        await self.ended.wait()
        self.engine.die()
        self.port.close()
        self.die()

    # How it is

    @property
    def is_leader(self) -> bool:
        """Whether it leads."""
        return self.cluster.replication.is_leader

    @property
    def votes(self) -> bool:
        """Whether it does."""
        return self.node_id not in self.world.profile.observers

    def lead(self, other: Node) -> bool:
        """Hand leadership over, if this node has it."""
        raft = self.cluster.replication.raft
        if raft is not None and self.is_leader:
            raft.transfer_leadership(other.node_id, lambda _: None)
        return True

    @property
    def is_sound(self) -> bool:
        """Whether it is up, knows a leader and has forgotten nothing."""
        raft = self.cluster.replication.raft
        if raft is None or self.cluster.replication.failed or raft.leader is None or raft.is_cold:
            return False
        record = self.port.nodes.get(self.node_id)
        is_up = record is not None and record.up and record.incarnation == self.port.incarnation
        return is_up and raft.applied_index + 50 >= raft.last_index

    def __repr__(self) -> str:
        raft = self.cluster.replication.raft
        if raft is None:
            return f"<node {self.node_id}, no raft, {self.cluster.founding.waits_for}>"
        return (
            f"<node {self.node_id} {raft.role} of {raft.leader} term {raft.term} log {raft.last_index} "
            f"commit {raft.commit_index} applied {raft.applied_index} cold {raft.is_cold} "
            f"incarnation {self.port.incarnation} storage {self.engine.broker.ctx.storage} "
            f"failed {self.cluster.replication.failed!r} clients {len(self.engine.broker.registry)}>"
        )


def _recover(broker: Broker, folder: Path) -> Found:
    ctx = broker.ctx
    counters = ctx.counters
    ctx.counters = Counters()
    broker.state.events = StateEvents()
    broker.state.node_id = broker.node_id
    try:
        return recover_member(folder, broker.state, memory_budget=0)
    finally:
        ctx.counters = counters
