"""A group of nodes in one process: a virtual clock, links with delays, disks that forget, and a ledger of promises."""

from __future__ import annotations

import heapq
import random
import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from rmq_cluster.raft.log import RaftLog
from rmq_cluster.raft.members import Members
from rmq_cluster.raft.messages import Voted, decode
from rmq_cluster.raft.node import RaftNode
from rmq_cluster.raft.options import Outcome, RaftOptions

TICK = 0.04
BUGGY = b"!"  # the end of a command at which the machine and who proposed it raise
OPTIONS = RaftOptions(batch_bytes=2000, pipeline_bytes=6000, kept_bytes=200)


class Broken(AssertionError):
    """A promise of Raft was broken."""


class Bug(Exception):
    """A bug of the machine, or of who proposed."""


class Ledger:
    """What was promised so far, by anybody."""

    def __init__(self) -> None:
        self.committed: dict[int, tuple[int, bytes]] = {}
        self.known_in: dict[int, int] = {}  # the term in which somebody first knew that it was committed
        self.leaders: dict[int, int] = {}
        self.votes: dict[tuple[int, int], int] = {}
        self.outcomes: dict[bytes, int] = {}
        self.open: dict[bytes, int] = {}  # whose

    def applied(self, index: int, term: int, command: bytes, current: int) -> None:
        self.known_in.setdefault(index, current)
        known = self.committed.setdefault(index, (term, command))
        if known != (term, command):
            raise Broken(f"entry {index} is {known} and {(term, command)}")

    def leads(self, node: RaftNode, log: RaftLog, node_id: int) -> None:
        if self.leaders.get(node.term) == node_id:
            return
        if self.leaders.setdefault(node.term, node_id) != node_id:
            raise Broken(f"term {node.term} has leaders {self.leaders[node.term]} and {node_id}")
        for index, (term, _) in self.committed.items():
            if index > log.base_index and self.known_in[index] < node.term and log.term_at(index) != term:
                raise Broken(f"leader {node_id} of term {node.term} hasn't the committed entry {index} of term {term}")

    def voted(self, node_id: int, term: int, candidate: int) -> None:
        if self.votes.setdefault((node_id, term), candidate) != candidate:
            raise Broken(f"node {node_id} votes twice in term {term}")

    def proposed(self, command: bytes, node_id: int) -> Callable[[int], None]:
        self.open[command] = node_id

        def done(outcome: int) -> None:
            if command in self.outcomes:
                raise Broken(f"{command!r} has two outcomes")
            self.outcomes[command] = outcome
            self.open.pop(command, None)
            if command.endswith(BUGGY):
                raise Bug

        return done

    def died(self, node_id: int) -> None:
        """Whoever waited in that process waits no more."""
        self.open = {command: node for command, node in self.open.items() if node != node_id}


class Machine:
    """The commands it was given, in order."""

    def __init__(self, world: World, node_id: int) -> None:
        self.world = world
        self.node_id = node_id
        self.index = 0
        self.state: list[tuple[int, bytes]] = []
        self.members = Members()
        self.snapshot: Snapshot = Snapshot(0, 0, Members(), [])
        self.wanted: list[int] = []
        self.roles: list[tuple[str, int | None]] = []

    def apply(self, index: int, term: int, command: bytes) -> None:
        if index <= self.index:
            raise Broken(f"node {self.node_id} applies {index} after {self.index}")
        self.world.ledger.applied(index, term, command, self.world.hosts[self.node_id].node.term)
        self.index = index
        self.state.append((index, command))
        if command.endswith(BUGGY):
            raise Bug

    def snapshot_needed(self, peer: int) -> None:
        self.wanted.append(peer)
        self.world.snapshot(self.node_id, peer)

    def members_changed(self, voters: tuple[int, ...], observers: tuple[int, ...]) -> None:
        self.members = Members(voters, observers)

    def role_changed(self, role: str, leader: int | None) -> None:
        self.roles.append((role, leader))
        if role == "leader":
            self.world.elected += 1


class Snapshot:
    """A state, and where in the log it stands."""

    def __init__(self, index: int, term: int, members: Members, state: list[tuple[int, bytes]]) -> None:
        self.index = index
        self.term = term
        self.members = members
        self.state = state


class Host:
    """A machine with a disk, and the node that runs on it."""

    def __init__(self, world: World, node_id: int) -> None:
        self.node_id = node_id
        self.folder = world.root / str(node_id)
        self.folder.mkdir(exist_ok=True)
        self.machine = Machine(world, node_id)
        self.boot = "boot"
        self.synced_sizes: dict[str, int] = {}
        self.log: RaftLog
        self.node: RaftNode
        self.is_up = False
        self.stalled_until = 0.0
        self.life = 0
        self.is_turn_due = False


class World:
    """Some hosts. Everything happens in ``run``, in order of virtual time; chance comes from the seed only."""

    def __init__(self, root: Path, seed: int, voters: int = 3, options: RaftOptions = OPTIONS) -> None:
        self.root = root
        self.random = random.Random(seed)
        self.options = options
        self.now = 1000.0
        self.ledger = Ledger()
        self.hosts: dict[int, Host] = {}
        self.founders = tuple(range(1, voters + 1))
        self.cut: set[tuple[int, int]] = set()
        self.links: dict[tuple[int, int], int] = {}  # low and high id: number of the connection
        self.loss = 0.0
        self.doubles = 0.0
        self.delay = (0.0002, 0.003)
        self.moment = 0.001
        self.slow: dict[tuple[int, int], float] = {}
        self.sent_bytes = 0
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = count()
        self._arrives: dict[tuple[int, int], float] = {}
        self._commands = count()
        self.elected = self.installed = self.truncated = self.restarts = 0
        for node_id in self.founders:
            self.start(node_id)
        self.connect_all()

    # -- time ------------------------------------------------------------------------------------------------------

    def after(self, delay: float, action: Callable[..., None], *args: Any) -> None:
        heapq.heappush(self._events, (self.now + delay, next(self._order), action, args))

    def run(self, seconds: float) -> None:
        until = self.now + seconds
        while self._events and self._events[0][0] <= until:
            self.now, _, action, args = heapq.heappop(self._events)
            action(*args)
        self.now = until

    def run_until(self, condition: Callable[[], bool], limit: float = 20.0) -> None:
        until = self.now + limit
        while not condition():
            if self.now > until:
                raise Broken(f"not within {limit} s: " + "; ".join(self.describe()))
            self.run(0.05)

    def describe(self) -> list[str]:
        return [
            f"{h.node_id}: {h.node.role} term {h.node.term} leader {h.node.leader} last {h.node.last_index} "
            f"commit {h.node.commit_index} cold {h.log.cold} voters {h.node.voters} observers {h.node.observers}"
            if h.is_up
            else f"{h.node_id}: down"
            for h in self.hosts.values()
        ]

    # -- hosts -----------------------------------------------------------------------------------------------------

    def start(self, node_id: int, *, votes: bool = True, members: tuple[int, ...] | None = None) -> Host:
        host = self.hosts.get(node_id) or Host(self, node_id)
        self.hosts[node_id] = host
        host.log = log = RaftLog(host.folder, host.boot, file_bytes=3000)
        self._watch(log)
        machine = host.machine
        snapshot = machine.snapshot
        if snapshot.index > log.last_index or snapshot.index < log.base_index:
            log.reset(snapshot.index, snapshot.term, snapshot.members)
        machine.index = snapshot.index
        machine.state = list(snapshot.state)
        host.node = RaftNode(
            node_id,
            self.founders if members is None else members,
            log,
            machine,
            lambda peer, frame: self._send(node_id, peer, frame),
            lambda: self.now,
            random.Random(self.random.getrandbits(32)),
            self.options,
            applied=snapshot.index,
            votes=votes,
            on_bug=_raise,
        )
        host.is_up = True
        host.life += 1
        host.synced_sizes = log._files.sizes()
        self.after(self.random.random() * TICK, self._tick, host, host.life)
        return host

    def _watch(self, log: RaftLog) -> None:
        original = log.truncate

        def truncate(index: int) -> None:
            self.truncated += 1
            original(index)

        log.truncate = truncate  # type: ignore[method-assign]  # counted, else as it is

    def _tick(self, host: Host, life: int) -> None:
        if host.life == life and host.is_up:
            if host.stalled_until <= self.now:
                self._turn(host)
            self.after(TICK * (0.5 + self.random.random()), self._tick, host, life)

    def _turn_after(self, host: Host, life: int) -> None:
        host.is_turn_due = False
        if host.life == life and host.is_up:
            self._turn(host)

    def _turn(self, host: Host) -> None:
        host.node.tick()
        if host.node.role == "leader":
            self.ledger.leads(host.node, host.log, host.node_id)

    def sync(self, node_id: int) -> None:
        host = self.hosts[node_id]
        host.log.sync()
        host.synced_sizes = host.log._files.sizes()

    def kill(self, node_id: int) -> None:
        """The process dies: what it wrote stays, what it said arrives."""
        host = self.hosts[node_id]
        host.is_up = False
        host.log.close(clean=False)
        self.ledger.died(node_id)
        for peer in list(self.hosts):
            self._break(node_id, peer)

    def lose_power(self, node_id: int) -> None:
        """The machine stops: what was not synced is gone."""
        host = self.hosts[node_id]
        self.kill(node_id)
        host.boot += "+"
        for path in host.folder.glob("raft-*.log"):
            size = host.synced_sizes.get(path.name)
            if size is None:
                path.unlink()
            else:
                with path.open("r+b") as file:
                    file.truncate(size)

    def wipe(self, node_id: int) -> None:
        """Its disk is lost."""
        host = self.hosts[node_id]
        if host.is_up:
            self.kill(node_id)
        shutil.rmtree(host.folder)
        life = host.life
        self.hosts[node_id] = Host(self, node_id)
        self.hosts[node_id].life = life

    # -- links -----------------------------------------------------------------------------------------------------

    def connect_all(self) -> None:
        ids = sorted(self.hosts)
        for low in ids:
            for high in ids:
                if low < high:
                    self.connect(low, high)

    def connect(self, a: int, b: int) -> None:
        low, high = min(a, b), max(a, b)
        if (low, high) in self.links or not (self.hosts[low].is_up and self.hosts[high].is_up):
            return
        if (low, high) in self.cut or (high, low) in self.cut:
            return
        self.links[low, high] = next(self._order)
        self._arrives.pop((low, high), None)
        self._arrives.pop((high, low), None)
        for one, other in ((low, high), (high, low)):
            self.hosts[one].node.link_up(other)

    def _break(self, a: int, b: int) -> None:
        if self.links.pop((min(a, b), max(a, b)), None) is None:
            return
        for one, other in ((a, b), (b, a)):
            if self.hosts[one].is_up:
                self.hosts[one].node.link_down(other)

    def break_link(self, a: int, b: int) -> None:
        """The connection breaks, and a new one comes soon."""
        self._break(a, b)
        self.after(0.05 + self.random.random() * 0.3, self._reconnect, a, b)

    def _reconnect(self, a: int, b: int) -> None:
        if a in self.hosts and b in self.hosts:
            self.connect(a, b)

    def silence(self, a: int, b: int) -> None:
        """From now on what a sends to b is lost; after a while the connection is given up."""
        self.cut.add((a, b))
        self.after(2.0, self._give_up, a, b)

    def _give_up(self, a: int, b: int) -> None:
        if (a, b) in self.cut:
            self._break(a, b)

    def heal(self) -> None:
        self.cut.clear()
        self.slow.clear()
        self.loss = self.doubles = 0.0
        self.connect_all()

    def _send(self, source: int, target: int, frame: bytes) -> None:
        if frame[:2] == b"\x92\x03":
            vote = decode(frame)
            assert isinstance(vote, Voted)
            self.ledger.voted(source, vote.term, target)
        self.sent_bytes += len(frame)
        number = self.links.get((min(source, target), max(source, target)))
        if number is None or (source, target) in self.cut or (self.loss and self.random.random() < self.loss):
            return
        self._post(source, target, number, frame)
        if self.doubles and self.random.random() < self.doubles:
            self._post(source, target, number, frame)

    def _post(self, source: int, target: int, number: int, frame: bytes) -> None:
        low, high = self.delay
        soon = self.now + low + (high - low) * self.random.random() + self.slow.get((source, target), 0.0)
        at = max(self._arrives.get((source, target), 0.0), soon)
        self._arrives[source, target] = at
        self.after(at - self.now, self._arrive, source, target, number, frame)

    def _arrive(self, source: int, target: int, number: int, frame: bytes) -> None:
        host = self.hosts[target]
        if not host.is_up or self.links.get((min(source, target), max(source, target))) != number:
            return
        if host.stalled_until > self.now:
            self.after(host.stalled_until - self.now, self._arrive, source, target, number, frame)
            return
        host.node.receive(source, frame)
        if not self.moment:
            self._turn(host)
        elif not host.is_turn_due:  # what arrives within a moment is one turn's
            host.is_turn_due = True
            self.after(self.moment, self._turn_after, host, host.life)

    # -- what is done with them ------------------------------------------------------------------------------------

    def propose(self, node_id: int, size: int = 10) -> bytes:
        number = next(self._commands)
        command = b"%d:" % number + b"x" * size + (BUGGY if number % 20 == 7 else b"")
        self.hosts[node_id].node.propose(command, self.ledger.proposed(command, node_id))
        return command

    def take_snapshot(self, node_id: int) -> None:
        """The state is safe on disk; the log before it may go."""
        host = self.hosts[node_id]
        index = host.node.applied_index
        if index > host.machine.snapshot.index:
            host.machine.snapshot = self._state_of(host)
            host.node.compact(index)

    def _state_of(self, host: Host) -> Snapshot:
        index = host.node.applied_index
        term = host.log.term_at(index)
        assert term is not None
        return Snapshot(index, term, host.log.members_at(index), list(host.machine.state))

    def snapshot(self, source: int, target: int) -> None:
        host = self.hosts[source]
        self.after(
            0.05 + self.random.random() * 0.2, self._install, target, self.hosts[target].life, self._state_of(host)
        )

    def _install(self, target: int, life: int, snapshot: Snapshot) -> None:
        host = self.hosts[target]
        if host.is_up and host.life == life and snapshot.index > host.node.applied_index:
            host.machine.snapshot = snapshot
            host.machine.index = snapshot.index
            host.machine.state = list(snapshot.state)
            host.node.installed(snapshot.index, snapshot.term, snapshot.members)
            self.installed += 1

    def leader(self) -> Host | None:
        """Who leads in the newest term."""
        leading = [h for h in self.hosts.values() if h.is_up and h.node.role == "leader"]
        return max(leading, key=lambda h: h.node.term, default=None)

    def wait_for_leader(self) -> Host:
        self.run_until(lambda: self.leader() is not None and self.agree())
        leader = self.leader()
        assert leader is not None
        return leader

    def agree(self) -> bool:
        """All members that are up have the same leader, and everything of it."""
        leader = self.leader()
        if leader is None:
            return False
        members = {*leader.node.voters, *leader.node.observers}
        up = [h for h in self.hosts.values() if h.is_up and h.node_id in members]
        return all(
            h.node.leader == leader.node_id
            and h.node.applied_index == leader.node.last_index
            and not h.node.is_cold
            and h.node.voters == leader.node.voters
            for h in up
        )

    def check_end(self) -> None:
        """After all is healed: everything that was promised is so."""
        self.run_until(lambda: self.agree() and not self.ledger.open, 30.0)
        leader = self.leader()
        assert leader is not None
        state = leader.machine.state
        if state != sorted((index, command) for index, (_, command) in self.ledger.committed.items()):
            raise Broken("the leader's state isn't what was committed")
        for host in self.hosts.values():
            if host.is_up and host.machine.state != state[: len(host.machine.state)]:
                raise Broken(f"node {host.node_id} has another state")
        commands = {command for _, command in state}
        for command, outcome in self.ledger.outcomes.items():
            if outcome == Outcome.APPLIED and command not in commands:
                raise Broken(f"{command!r} was acknowledged and is lost")
            if outcome == Outcome.REFUSED and command in commands:
                raise Broken(f"{command!r} was refused and is there")

    def close(self) -> None:
        for host in self.hosts.values():
            if host.is_up:
                host.log.close(clean=False)
        shutil.rmtree(self.root)


def _raise(what: str, error: Exception) -> None:
    if isinstance(error, Bug):
        return
    raise Broken(f"{what}: {error!r}") from error
