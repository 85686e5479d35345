"""Several nodes of a cluster in one process: memory streams, a virtual disk, and a port that counts what it applies."""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import trio
from rmq_cluster.cluster import Cluster
from rmq_cluster.disk import Done, Job
from rmq_cluster.options import ClusterOptions

from rmq.engine.ports import APPLIED, REFUSED, Replicator
from rmq.storage.packing import pack, unpack
from rmq.storage.record_file import CorruptFile
from tests.support.memory_network import MemoryNetwork, MemoryStream, MemoryWorld

SECRET = b"secret of the tests"
START_OF_TIME = 1_700_000_000.0


class UnknownOperation(Exception):
    """A command has something that this program doesn't know."""


class VirtualDisk:
    """Does what it is given at once, and says so a little later."""

    def __init__(self, name: str, nursery: trio.Nursery) -> None:
        self.name = name
        self.delay_s = 0.0005
        self._nursery = nursery
        self.is_full = False

    def submit(self, job: Job, done: Done) -> None:
        result: object = None
        failure: Exception | None = None
        try:
            if self.is_full:
                raise OSError(28, "No space left on device")
            result = job()
        except Exception as error:
            failure = error
        self._nursery.start_soon(self._tell, done, result, failure)

    async def _tell(self, done: Done, result: object, failure: Exception | None) -> None:
        await trio.sleep(self.delay_s)
        done(result, failure)

    def close(self, timeout_s: float) -> bool:
        return True


class Record:
    """What is committed of a node."""

    def __init__(self, incarnation: int, up: bool, left: bool = False, nonce: str = "") -> None:
        self.nonce = nonce
        self.incarnation = incarnation
        self.up = up
        self.left = left


class CountingPort:
    """``values`` are those that were applied, in order; everything else is as the cluster needs it."""

    def __init__(self, node_id: int, folder: Path) -> None:
        self.node_id = node_id
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.replicator: Replicator
        self.on_snapshot: Callable[[int], None] = lambda index: None
        self.is_leader = False
        self.voters: tuple[int, ...] = ()
        self.lost_power = False
        self.applied_index = 0
        self.snapshot_index = 0
        self.snapshot_term = 0
        self.applied_term = 0
        self.nodes: dict[int, Record] = {}
        self.values: list[Any] = []
        self.time = 0.0
        self.operation_level = 1
        self.committed_level = 1
        self.has_own_data = False
        self.quorum = False
        self.stepped_out = ""
        self.drain_rate = 0.0
        self.has_clients = False
        self.drained: Callable[[], None] | None = None
        self.statuses: dict[int, tuple[int, int]] = {}
        self.contact_age = 0.0
        self.synced = 0
        self.forwarded: list[tuple[int, bytes]] = []
        self.lost: list[int] = []
        self.commands = 0
        self.wants_snapshot = False
        self.padding = 0
        self.knows_more = False
        self._seen: dict[int, int] = {}
        self._sequence = 0
        self._waiting: list[tuple[list[Any], Callable[[], None] | None]] = []
        self._flight: list[tuple[list[Any], Callable[[], None] | None]] = []
        self._flying = b""
        self._is_flying = False
        self._again = False
        self._again_at = 0.0
        self.refusals = 0
        self._read()

    # Proposing

    def propose(self, operation: list[Any], then: Callable[[], None] | None = None) -> None:
        self._waiting.append((operation, then))

    async def commit(self, value: Any) -> None:
        """Propose a value and wait until it is applied here."""
        applied = trio.Event()
        self.propose(["add", value], applied.set)
        await applied.wait()

    def turn(self) -> None:
        if self.wants_snapshot:
            self.wants_snapshot = False
            self._write()
        if self._is_flying:
            return
        if self._again:
            if trio.current_time() < self._again_at:
                return
            self._again = False
        elif self._waiting:
            self._flight, self._waiting = self._waiting, []
            self._sequence += 1
            origin = [self.node_id, self._nonce(), self._sequence]
            self._flying = pack([origin, [operation for operation, _ in self._flight]])
        else:
            return
        self._is_flying = True
        self.replicator.submit(self._flying, self._done)

    def _nonce(self) -> int:
        return id(self) % 1_000_003

    def _done(self, outcome: int) -> None:
        self._is_flying = False
        if outcome == APPLIED:
            flight, self._flight = self._flight, []
            for _, then in flight:
                if then is not None:
                    then()
        else:
            # The same bytes once more: what was applied already is passed over.
            self._again = True
            self._again_at = trio.current_time() + 0.05
            self.refusals += outcome == REFUSED

    # Applying

    def apply(self, index: int, term: int, command: bytes) -> None:
        assert index > self.applied_index
        self.applied_index = index
        self.applied_term = term
        self.commands += 1
        (node_id, nonce, sequence), operations = unpack(command)
        key = node_id * 10_000_019 + nonce
        if self._seen.get(key, 0) >= sequence:
            return
        self._seen[key] = sequence
        for operation in operations:
            self._apply(operation)

    def _apply(self, operation: list[Any]) -> None:
        kind, *rest = operation
        if kind == "add":
            self.values.append(rest[0])
        elif kind == "up":
            node_id, nonce = rest
            last = self.nodes.get(node_id)
            self.nodes[node_id] = Record(1 if last is None else last.incarnation + 1, True, nonce=nonce)
        elif kind == "down":
            node_id, incarnation, left = rest
            if node_id in self.nodes and self.nodes[node_id].incarnation == incarnation and self.nodes[node_id].up:
                self.nodes[node_id].up = False
                self.nodes[node_id].left = left
        elif kind == "tick":
            self.time = max(self.time, rest[0])
        elif kind == "level":
            self.committed_level = max(self.committed_level, rest[0])
        elif kind != "new" or not self.knows_more:
            raise UnknownOperation(f"operation {kind!r} isn't known: this node needs a newer program")

    # What the cluster calls

    def peer_status(self, node_id: int, applied: int, synced: int) -> None:
        self.statuses[node_id] = (applied, synced)

    def own_synced(self, index: int) -> None:
        self.synced = index

    def forwards(self, node_id: int, body: bytes) -> None:
        self.forwarded.append((node_id, body))

    def forward_ack(self, node_id: int, body: bytes) -> None:
        self.forwarded.append((node_id, body))

    def peer_lost(self, node_id: int) -> None:
        self.lost.append(node_id)

    def contact(self, age: float) -> None:
        self.contact_age = age

    def set_quorum(self, has_quorum: bool) -> None:
        self.quorum = has_quorum

    def join(self, nonce: str, then: Callable[[int], None]) -> None:
        self.propose(["up", self.node_id, nonce], lambda: then(self.nodes[self.node_id].incarnation))

    def leave(self, then: Callable[[], None]) -> None:
        self.propose(["down", self.node_id, self.nodes[self.node_id].incarnation, True], then)

    def declare_down(self, node_id: int, incarnation: int) -> None:
        self.propose(["down", node_id, incarnation, False])

    def tick(self, at: float) -> None:
        self.propose(["tick", at])

    def step_out(self, reason: str) -> None:
        self.stepped_out = reason

    def drain(self, rate: float) -> None:
        self.drain_rate = rate

    def when_drained(self, then: Callable[[], None]) -> None:
        self.drained = then
        if not self.has_clients:
            then()

    def raise_level(self, level: int) -> None:
        self.propose(["level", level])

    def digest(self) -> tuple[int, bytes] | None:
        return None

    # Snapshots

    def discard(self) -> None:
        self.has_own_data = False
        self.values = []

    def found(self, then: Callable[[], None]) -> None:
        self.applied_index = self.snapshot_index = 1
        self.applied_term = self.snapshot_term = 1
        self._write()
        then()

    def take_snapshot(self) -> None:
        self.wants_snapshot = True

    def snapshot_files(self) -> list[tuple[Path, int]]:
        path = self._path(self.snapshot_index)
        padding = self.folder / "padding"
        files = [(path, path.stat().st_size)]
        if padding.exists():
            files.append((padding, self.padding))
        return files

    def load_snapshot(self, folder: Path, index: int, term: int, done: Callable[[Exception | None], None]) -> None:
        names = sorted(path.name for path in folder.iterdir())
        name = self._path(index).name
        if name not in names:
            done(CorruptFile(folder, 0, "no snapshot"))
            return
        for found in names:
            (folder / found).rename(self.folder / found)
        self._read()
        assert (self.snapshot_index, self.snapshot_term) == (index, term)
        done(None)

    def _path(self, index: int) -> Path:
        return self.folder / f"snapshot-{index:010d}.json"

    def _write(self) -> None:
        index = self.applied_index
        self.has_own_data = False
        state = {
            "index": index,
            "term": self.applied_term,
            "values": self.values,
            "nodes": {
                str(key): [record.incarnation, record.up, record.left, record.nonce]
                for key, record in self.nodes.items()
            },
            "seen": {str(key): value for key, value in self._seen.items()},
            "time": self.time,
            "level": self.committed_level,
            "padding": self.padding,
        }
        if self.padding:
            # So that a snapshot is larger than what may be under way.
            pattern = bytes(range(256)) * 256
            (self.folder / "padding").write_bytes((pattern * (self.padding // len(pattern) + 1))[: self.padding])
        old = self._path(self.snapshot_index)
        self._path(index).write_text(json.dumps(state))
        if old != self._path(index):
            old.unlink(missing_ok=True)
        self.snapshot_index, self.snapshot_term = index, self.applied_term
        self.on_snapshot(index)

    def _read(self) -> None:
        paths = sorted(self.folder.glob("snapshot-*.json"))
        if not paths:
            return
        state = json.loads(paths[-1].read_text())
        self.applied_index = self.snapshot_index = state["index"]
        self.applied_term = self.snapshot_term = state["term"]
        self.values = state["values"]
        self.nodes = {int(key): Record(*record) for key, record in state["nodes"].items()}
        self._seen = {int(key): value for key, value in state["seen"].items()}
        self.time = state["time"]
        self.committed_level = state["level"]
        self.padding = state["padding"]
        if self.padding:
            padding = (self.folder / "padding").read_bytes()
            assert zlib.crc32(padding) and len(padding) == self.padding

    @property
    def state(self) -> tuple[object, ...]:
        """What has to be the same on every node."""
        nodes = {key: (record.incarnation, record.up, record.left) for key, record in self.nodes.items()}
        return self.values, nodes, self.time, self.committed_level


class Wires:
    """All connections, with the hosts at their ends; ``cut_off`` is a host that nothing gets to."""

    def __init__(self) -> None:
        self.streams: list[tuple[tuple[str, str], Wire]] = []
        self.cut_off = ""


class Wire:
    """One connection, both directions."""

    def __init__(self, stream: MemoryStream) -> None:
        self._stream = stream

    def freeze(self) -> None:
        self._stream.freeze()

    def freeze_back(self) -> None:
        self._stream.incoming.is_frozen = True

    def thaw(self) -> None:
        self._stream.thaw()

    def thaw_back(self) -> None:
        self._stream.incoming.is_frozen = False
        self._stream.incoming.change()

    def cut(self) -> None:
        self._stream.cut()


class WiredNetwork(MemoryNetwork):
    """The network of one host, whose connections can be told apart."""

    def __init__(self, world: MemoryWorld, address: str, wires: Wires) -> None:
        super().__init__(world, address)
        self._wires = wires

    async def dial(self, address: str, port: int, host: str) -> trio.abc.Stream:
        ends = (self.address, address)
        if self._wires.cut_off in ends:
            await trio.sleep_forever()
        stream = await super().dial(address, port, host)
        assert isinstance(stream, MemoryStream)
        self._wires.streams.append((ends, Wire(stream)))
        return stream


def _nothing() -> None:
    """Stand still."""


class Node:
    """One node while it runs: ``cancel`` is a kill, ``cluster.stop`` a stop."""

    def __init__(self, node_id: int, cluster: Cluster, port: CountingPort, scope: trio.CancelScope) -> None:
        self.node_id = node_id
        self.cluster = cluster
        self.port = port
        self.scope = scope
        self.ended = trio.Event()
        self.disks: dict[str, VirtualDisk] = {}

    @property
    def is_leader(self) -> bool:
        return self.cluster.replication.is_leader

    @property
    def voters(self) -> tuple[int, ...]:
        """As this node's identity has them."""
        return () if self.cluster.identity is None else self.cluster.identity.voters


class World:
    """Nodes by id, each with a folder that outlives it."""

    def __init__(self, folder: Path, nursery: trio.Nursery, count: int = 3, seed: int = 1) -> None:
        self.folder = folder
        self.nursery = nursery
        self.network = MemoryWorld()
        self.wires = Wires()
        self.ports: dict[int, int] = {}
        self.members = {node_id: self.address(node_id) for node_id in range(1, count + 1)}
        self.nodes: dict[int, Node] = {}
        self.random = Random(seed)
        self.skew: dict[int, float] = {}
        self.boot = "boot-1"

    def address(self, node_id: int) -> str:
        return f"node{node_id}:{self.ports.get(node_id, 5363)}"

    def data(self, node_id: int) -> Path:
        return self.folder / f"node{node_id}"

    async def start(
        self,
        node_id: int,
        *,
        members: dict[int, str] | None = None,
        change: Callable[[CountingPort, ClusterOptions], None] | None = None,
    ) -> Node:
        folder = self.data(node_id)
        folder.mkdir(exist_ok=True)
        port = CountingPort(node_id, folder / "storage")
        listed = self.members if members is None else members
        options = ClusterOptions(dict(listed), bind=self.address(node_id), secret=SECRET)
        options.advertised = self.address(node_id)
        if change is not None:
            change(port, options)
        disks: dict[str, VirtualDisk] = {}

        def make_disk(name: str) -> VirtualDisk:
            disks[name] = VirtualDisk(name, self.nursery)
            return disks[name]

        cluster = Cluster(
            options,
            node_id,
            folder,
            port,
            clock=trio.current_time,
            wall_clock=lambda: START_OF_TIME + self.skew.get(node_id, 0.0) + trio.current_time(),
            random=Random(self.random.random()),
            make_disk=make_disk,
            network=WiredNetwork(self.network, f"node{node_id}", self.wires),
            boot=self.boot,
            fatal=(UnknownOperation,),
        )
        node = Node(node_id, cluster, port, trio.CancelScope())
        node.disks = disks
        self.nodes[node_id] = node
        await self.nursery.start(self._run, node)
        return node

    async def _run(self, node: Node, task_status: trio.TaskStatus[None]) -> None:
        try:
            with node.scope:
                await node.cluster.run(task_status=_Started(task_status))
        finally:
            node.ended.set()

    async def kill(self, node_id: int) -> None:
        node = self.nodes.pop(node_id)
        node.scope.cancel()
        await node.ended.wait()

    async def stop(self, node_id: int) -> None:
        node = self.nodes.pop(node_id)
        await node.cluster.stop()
        await node.ended.wait()

    def wipe(self, node_id: int) -> None:
        """The disk of a node that doesn't run is a new one."""
        shutil.rmtree(self.data(node_id))

    def isolate(self, node_id: int) -> None:
        """Nothing comes to or from a node any more, and nobody is told."""
        host = f"node{node_id}"
        self.wires.cut_off = host
        for ends, stream in self.wires.streams:
            if host in ends:
                stream.freeze()
                stream.freeze_back()

    def reunite(self) -> None:
        """The network is whole again; connections of before aren't."""
        host, self.wires.cut_off = self.wires.cut_off, ""
        for ends, stream in self.wires.streams:
            if host in ends:
                stream.cut()

    def break_links(self, node_id: int) -> None:
        """All connections of a node break, and can be made again."""
        for ends, stream in self.wires.streams:
            if f"node{node_id}" in ends:
                stream.cut()

    async def pause(self, node: Node, seconds: float) -> None:
        """A node stands still, and goes on with all that came meanwhile."""
        host = f"node{node.node_id}"
        tick, node.cluster.tick = node.cluster.tick, _nothing  # type: ignore[method-assign]  # it stands still
        frozen = [stream for ends, stream in self.wires.streams if host in ends]
        for stream in frozen:
            stream.freeze()
            stream.freeze_back()
        await trio.sleep(seconds)
        for stream in frozen:
            stream.thaw()
            stream.thaw_back()
        node.cluster.tick = tick  # type: ignore[method-assign]

    async def leader(self, timeout_s: float = 20.0) -> Node:
        """The one leader that every node follows."""
        with trio.fail_after(timeout_s):
            while True:
                leaders = {node.cluster.replication.leader for node in self.nodes.values()}
                if len(leaders) == 1:
                    (found,) = leaders
                    if found is not None and found in self.nodes and self.nodes[found].is_leader:
                        return self.nodes[found]
                await trio.sleep(0.02)

    async def until(self, condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
        """Wait, in virtual time, until something holds."""
        with trio.fail_after(timeout_s):
            while not condition():  # noqa: ASYNC110 (a virtual clock; nobody announces what is looked at)
                await trio.sleep(0.01)

    async def same(self, *node_ids: int, timeout_s: float = 20.0) -> None:
        """Wait until nodes have the same state."""
        ids = node_ids or tuple(self.nodes)
        await self.until(lambda: len({repr(self.nodes[node_id].port.state) for node_id in ids}) == 1, timeout_s)

    async def ready(self, *node_ids: int, timeout_s: float = 20.0) -> None:
        with trio.fail_after(timeout_s):
            for node_id in node_ids or tuple(self.nodes):
                await self.nodes[node_id].cluster.ready.wait()


class _Started(trio.TaskStatus[int]):
    """Started with a port, of which nobody is told."""

    def __init__(self, inner: trio.TaskStatus[None]) -> None:
        self._inner = inner

    def started(self, value: int | None = None) -> None:
        self._inner.started()
