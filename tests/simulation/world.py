"""All nodes of a run: what they applied is compared, what happens is traced, what goes against the promise is noted."""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, Final
from zlib import crc32

import trio
from trio.testing import MockClock

from rmq.flow.context import NEVER
from tests.simulation.agenda import NODE, Agenda
from tests.simulation.disk import DiskSpeed, VirtualThread
from tests.simulation.network import SimNetwork, Ways
from tests.simulation.node import Node, address, host
from tests.simulation.power import Power
from tests.simulation.profile import Profile
from tests.simulation.unrest import Unrest

START: Final = 1_700_000_000.0
# Of what is logged these say that the program is wrong.
BUGS: Final = ("bug", "a bug")
MAX_PROBLEMS: Final = 20
LOOK_AFTER_S: Final = 0.1
# Who is less than so many commands behind has caught up.
NEAR: Final = 50


class Machine:
    """What outlives a node's process: how often it was switched on, how fast its disk is."""

    def __init__(self) -> None:
        self.boots = 1
        self.speed = DiskSpeed()


class World:
    """``problems`` are what must not be; ``counts`` how often things happened; ``trace`` all of it, in order.

    ``alone``: when some node's clients went on among themselves; ``declared_down``: when others learnt so, by node.
    """

    def __init__(self, profile: Profile, folder: Path, power: Power, clock: MockClock) -> None:
        self.profile = profile
        self.random = Random(profile.seed)
        self.agenda = Agenda(Random(self.random.random()), clock)
        self.network = SimNetwork(self.agenda, Random(self.random.random()), is_plain=profile.is_plain)
        self.power = power
        self.unrest = Unrest()
        self.alone = Unrest()
        self.declared_down: dict[int, list[float]] = defaultdict(list)
        self.nursery: trio.Nursery
        self.nodes: dict[int, Node] = {}
        self.members = {node_id: address(node_id) for node_id in range(1, profile.nodes + 1)}
        self.building: Node | None = None
        self.problems: list[str] = []
        self.counts: Counter[str] = Counter()
        self.trace: list[str] = []
        self.on_start: list[Callable[[Node], None]] = []
        self._folder = folder
        self._machines: dict[int, Machine] = {}
        self.power_went: Callable[[], None] = lambda: None
        self._commands: dict[int, tuple[int, int]] = {}
        self._digests: dict[int, tuple[int, bytes]] = {}

    # What is noted

    def note(self, text: str) -> None:
        """For the trace."""
        self.trace.append(f"{self.agenda.now:.6f} {NODE.get()} {text}")

    def problem(self, text: str) -> None:
        """Something is as it must never be."""
        self.note(f"PROBLEM {text}")
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(f"at {self.agenda.now:.3f} s: {text}")

    def bug(self, text: str, error: BaseException) -> None:
        """An exception that must not be."""
        self.problem(f"{text} {_told(error)}")

    def logged(self, method: str, event: dict[str, Any]) -> None:
        """A line of the log."""
        text = str(event.pop("event", ""))
        error = event.pop("exc_info", None)
        self.note(f"{method} {text} {' '.join(f'{key}={value}' for key, value in sorted(event.items()))}")
        if text.startswith(BUGS):
            if isinstance(error, tuple):
                error = error[1]
            self.problem(f"node {NODE.get()}: {text} {event} {_told(error)}")
        if text == "role in the cluster" and event.get("role") == "leader":
            self.counts["leaders"] += 1

    def fault(self, name: str, text: object = "") -> None:
        """Something goes wrong, as it shall."""
        self.note(f"fault {name} {text}")
        self.unrest.note(self.agenda.now)
        self.counts[f"fault {name}"] += 1

    def digest(self) -> str:
        """Of the whole trace."""
        return hashlib.sha256("\n".join(self.trace).encode()).hexdigest()[:16]

    # Nodes

    def machine(self, node_id: int) -> Machine:
        """What a node runs on."""
        return self._machines.setdefault(node_id, Machine())

    def folder(self, node_id: int) -> Path:
        """A node's data."""
        return self._folder / host(node_id)

    def wall_clock(self, node_id: int) -> Callable[[], float]:
        """What time a node's machine takes it to be."""
        start = START + self.profile.skew.get(node_id, 0.0)
        return lambda: start + self.agenda.now

    def make_thread(self, name: str, wake: Callable[[], None]) -> VirtualThread:
        """A disk thread for the node that is being built."""
        assert self.building is not None
        return self.building.make_thread(name, wake)

    async def start(self, node_id: int, members: dict[int, str] | None = None) -> Node:
        """Start a node with what is on its disk."""
        self.folder(node_id).mkdir(exist_ok=True)
        token = NODE.set(node_id)
        try:
            node = Node(self, node_id, dict(self.members if members is None else members))
        finally:
            NODE.reset(token)
        self.note(f"start {node_id}")
        self.unrest.note(self.agenda.now)
        self.nodes[node_id] = node
        await self.nursery.start(node.run)
        for call in self.on_start:
            call(node)
        return node

    async def kill(self, node_id: int) -> None:
        """kill -9."""
        self.note(f"kill {node_id}")
        self._count(node_id)
        await self.nodes.pop(node_id).kill()

    async def power_off(self, *node_ids: int, only_synced: bool = False) -> None:
        """The power of some machines goes at once: what wasn't synced is lost, by chance or all; nobody is told."""
        nodes = [self.nodes.pop(node_id) for node_id in node_ids]
        for node in nodes:
            self.note(f"power of {node.node_id} off")
            self._count(node.node_id, node)
            self.network.vanish(host(node.node_id))
            node.die()
        for node in nodes:
            await node.kill()
            self.power.lose(self.folder(node.node_id), self.random, only_synced=only_synced)
            self.machine(node.node_id).boots += 1

    async def stop(self, node_id: int) -> None:
        """SIGTERM."""
        self.note(f"stop {node_id}")
        self._count(node_id)
        await self.nodes.pop(node_id).stop()

    def wipe(self, node_id: int) -> None:
        """The disk of a node that doesn't run is a new one."""
        self.note(f"wipe {node_id}")
        self.power.forget(self.folder(node_id))
        shutil.rmtree(self.folder(node_id))

    def _count(self, node_id: int, node: Node | None = None) -> None:
        self.unrest.note(self.agenda.now)
        counters = (node or self.nodes[node_id]).engine.counters
        self.counts["takeovers"] += counters.takeovers
        self.counts["resumes"] += counters.session_resumed
        self.counts["snapshots"] += counters.storage_snapshots
        self.counts["forwarded"] += counters.messages_forwarded

    def count_all(self) -> None:
        """At the end: what the nodes that still run have counted."""
        for node_id in self.nodes:
            self._count(node_id)

    def running(self) -> list[Node]:
        """The members that run; one that comes or goes has nothing else happen to it."""
        return [node for node_id, node in sorted(self.nodes.items()) if node_id in self.members]

    def leader(self) -> Node | None:
        """The node that leads, if all agree on one."""
        leaders = {node.cluster.replication.leader for node in self.nodes.values()}
        found = leaders.pop() if len(leaders) == 1 else None
        return self.nodes.get(found) if found else None

    def is_sound(self) -> bool:
        """Whether all members run, and all are well and hardly behind."""
        nodes = self.nodes.values()
        if len(nodes) < len(self.members) or not all(node.is_sound for node in nodes):
            return False
        places = [node.port.applied_index for node in nodes]
        return max(places) - min(places) < NEAR

    def look(self) -> None:
        """Every now and then: whether something is wrong."""
        now = self.agenda.now
        network = self.network
        is_wrong = network.blocked or network.slow or not self.is_sound() or self.leader() is None
        if is_wrong or any(machine.speed.stall_until > now for machine in self._machines.values()):
            self.unrest.note(now)
        if any(node.engine.broker.ctx.routes_until == NEVER for node in self.nodes.values()):
            self.alone.note(now)
        self.agenda.after(LOOK_AFTER_S, self.look)

    def cut_for_a_while(self, ways: Ways, seconds: float) -> None:
        """Nothing arrives on these ways for so long."""
        self.network.block(ways)

        def heal() -> None:
            self.note("heal")
            self.network.free(ways)

        self.agenda.after(seconds, heal)

    async def until(self, condition: Callable[[], bool], seconds: float, step: float = 0.02) -> bool:
        """Wait, in virtual time, until something holds; False if it doesn't for so long."""
        deadline = self.agenda.now + seconds
        while not condition():
            if self.agenda.now > deadline:
                return False
            await trio.sleep(step)
        return True

    # What they apply

    def forget_history(self) -> None:
        """All nodes have lost what they hadn't synced: other commands may take those places."""
        self._commands.clear()
        self._digests.clear()
        self.power_went()

    def applied(self, node: Node, index: int, term: int, command: bytes) -> None:
        """A node has applied a command: the same as all others at this place, with the same outcome."""
        value = (term, crc32(command))
        known = self._commands.setdefault(index, value)
        self.note(f"applied {index} {term} {value[1]:08x}")
        if known != value:
            self.problem(f"node {node.node_id} applied another command at {index}: {value}, others {known}")
        digest = node.port.digest()
        if digest is not None and digest[0] == index:
            other, expected = self._digests.setdefault(index, (node.node_id, digest[1]))
            if expected != digest[1]:
                self.problem(f"the states of nodes {other} and {node.node_id} differ at {index}")


def _told(error: object) -> str:
    if isinstance(error, BaseExceptionGroup):
        return " and ".join(_told(inner) for inner in error.exceptions)
    if not isinstance(error, BaseException):
        return ""
    trace = error.__traceback__
    places: list[str] = []
    while trace is not None:
        places.append(f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}")
        trace = trace.tb_next
    return f"{type(error).__name__}: {error} ({' '.join(places[-4:])})"
