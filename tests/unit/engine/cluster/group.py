"""A few engines as the members of one cluster, joined by a log in memory that puts their commands in order.

Everything of the engine is the real thing, each member with a ``MemberPort`` of its own. The log, the links and
the disks are stand-ins: a test says which member's commands are held back, who applies nothing for a while, who is
cut off, whose frames don't get through. Nothing waits: whatever can go on goes on in ``Group.settle``.
"""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rmq.engine import stored_port
from rmq.engine.broker import BrokerOptions
from rmq.engine.cluster_clock import ClusterClock
from rmq.engine.member_options import MemberOptions
from rmq.engine.member_port import MemberPort
from rmq.engine.ports import APPLIED, UNKNOWN, Replicator
from rmq.metrics.counters import Counters
from rmq.storage.cluster_records import ClusterOperation
from rmq.storage.digest import digest_of
from rmq.storage.events import StateEvents
from rmq.storage.records import Configure
from rmq.storage.recovery import recover_member
from rmq.storage.segments import read_payload
from tests.support.engine import START, Engine
from tests.unit.storage.disk_engine import Disk
from tests.unit.storage.replica import Facts, facts

TERM = 1
FORWARD = 12
Frame = tuple[int, int, bytes]
Done = Callable[[int], None]


class MemberDisk(Disk):
    """A disk that can be waited for."""

    def drain(self) -> None:
        self.work()


class Member(Engine, Replicator):
    """One node. ``holds_commands``: what it proposes isn't committed; ``holds_applying``: it applies nothing."""

    def __init__(
        self,
        group: Group,
        node_id: int,
        folder: Path,
        options: BrokerOptions,
        member_options: MemberOptions,
        skew: float,
    ) -> None:
        self.group = group
        self.node_id = node_id
        self.folder = folder
        self.holds_commands = self.holds_applying = False
        self.is_cut_off = False
        self.commands: deque[tuple[bytes, Done]] = deque()
        self._committed: dict[int, Done] = {}
        self._turning = True
        options.node_id = node_id
        super().__init__(options)
        self._turning = False
        self.skew = skew
        broker = self.broker
        broker.clock = ClusterClock(lambda: group.time + self.skew, lambda: group.time)
        folder.mkdir(parents=True, exist_ok=True)
        broker.state.node_id = broker.ctx.node_id = broker.routes.node_id = node_id
        broker.state.events = StateEvents()
        broker.ctx.counters = Counters()
        broker.state.configure(Configure(False, 0, 0))
        found = recover_member(folder, broker.state, memory_budget=0)
        broker.ctx.counters = broker.counters
        self.disks: dict[str, MemberDisk] = {}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(stored_port, "DiskThread", self._disk)
            self.port = MemberPort(broker, found, member_options, lambda: None, alone=None)
        self.port.replicator = self
        broker.cluster = self.port
        broker.turn_storage = self.port.turn
        self.port.begin()

    def _disk(self, name: str, wake: Callable[[], None]) -> MemberDisk:
        return self.disks.setdefault(name, MemberDisk(name, wake))

    # What the port needs

    def submit(self, command: bytes, done: Done) -> None:
        self.commands.append((command, done))

    def send(self, node_id: int, kind: int, body: bytes) -> bool:
        return self.group.carry(self, node_id, kind, body)

    # Driving

    def turn(self) -> None:
        self.group.settle()

    def turn_alone(self) -> bool:
        """Do what can be done here; whether there was anything."""
        if self._turning:
            return False
        self._turning = True
        worked = False
        try:
            again = True
            while again:
                before = self.port.log.pending_bytes, len(self.commands)
                super().turn()
                self.port.turn()
                again = bool(self.broker.ctx.dirty) or (self.port.log.pending_bytes, len(self.commands)) != before
                for disk in self.disks.values():
                    if not disk.holds:
                        again = disk.work() > 0 or again
                    again = again or disk.has_outcomes()
                worked = worked or again
        finally:
            self._turning = False
        return worked

    def commit(self) -> bool:
        """Its commands take their places in the log, if they may."""
        if self.holds_commands or self.is_cut_off or not self.commands:
            return False
        while self.commands:
            command, done = self.commands.popleft()
            self.group.log.append(command)
            self._committed[len(self.group.log)] = done
        return True

    def apply(self, count: int = 1_000_000) -> bool:
        """Apply what is committed."""
        applied = False
        while self.port.applied_index < len(self.group.log) and count:
            count -= 1
            index = self.port.applied_index + 1
            applied = True
            self.port.apply(index, TERM, self.group.log[index - 1])
            done = self._committed.pop(index, None)
            if done is not None:
                done(APPLIED)
        return applied

    def skipped(self, index: int) -> None:
        """What came up to there is in a snapshot: nobody can tell what became of a command."""
        for place in [place for place in self._committed if place <= index]:
            self._committed.pop(place)(UNKNOWN)

    def everything(self) -> Facts:
        """What it has applied, as it has to be the same everywhere; payloads wherever they are."""
        state = self.broker.state
        on_disk = {
            id(d.message): d.message
            for session in state.sessions.values()
            if session.outbound is not None
            for d in session.outbound.deliveries.values()
            if d.message.on_disk
        }
        for message in on_disk.values():
            message.payload = read_payload(self.folder, message.location)
        found = facts(state)
        for message in on_disk.values():
            message.payload = b""
        cluster = state.cluster
        found["retained"] = sorted((m.topic, m.payload, m.qos) for m in state.retained.all())
        found["delayed"] = sorted(state.delayed)
        found["rules"] = (state.max_retained, state.max_retained_payload, state.router.allow_multiple_matches)
        found["owners"] = {o.client_id: (o.node, o.epoch, o.will and o.will.topic) for o in cluster.owners.values()}
        found["waiting wills"] = {w.client_id: (w.epoch, w.due_at) for w in cluster.wills.values()}
        found["tables"] = {n: sorted(f) for n, f in cluster.routes.items() if f}
        found["members"] = {n: sorted(m) for n, m in cluster.members.items() if m}
        found["nodes"] = {n: (r.incarnation, r.up, r.sequence) for n, r in cluster.nodes.items()}
        found["home"] = {s.client_id: (s.node, s.disconnected_at, s.created_epoch) for s in state.sessions.values()}
        found["time"] = cluster.time
        return found

    def propose(self, operation: ClusterOperation) -> None:
        """As if a part of this node had."""
        self.port.propose(operation)
        self.group.settle()

    def kill(self) -> None:
        """The end of the process, at once."""
        self.group.gone(self)


class Group:
    """``members`` by node id, those that run. ``time`` is everybody's, but for a member's ``skew``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.time = START
        self.members: dict[int, Member] = {}
        self.log: list[bytes] = []
        self.expected_bugs = 0
        self._leader = 0
        self._settling = False
        self._held_links: set[tuple[int, int]] = set()
        self._frames: dict[tuple[int, int], deque[Frame]] = {}
        self._nonces = 0
        self._rejoining: set[Member] = set()
        self._bugs = 0

    # Members

    def start(
        self,
        node_id: int,
        options: BrokerOptions | None = None,
        member: MemberOptions | None = None,
        *,
        join: bool = True,
        skew: float = 0.0,
    ) -> Member:
        """Start a node, for the first time or once more with what it has on disk; its clock is ``skew`` seconds off."""
        folder = self.folder / str(node_id)
        started = Member(self, node_id, folder, options or BrokerOptions(), member or MemberOptions(), skew)
        self.members[node_id] = started
        if join:
            self.join(started)
        return started

    def join(self, member: Member) -> None:
        """Have a node be up."""
        self._nonces += 1
        member.port.join(f"nonce {self._nonces}", lambda _: None)
        self.settle()

    def gone(self, member: Member) -> None:
        """A node doesn't run any more."""
        self._bugs += member.counters.internal_errors - member.expected_bugs
        del self.members[member.node_id]
        for link in [link for link in self._frames if member.node_id in link]:
            del self._frames[link]
        for other in self.members.values():
            other.port.peer_lost(member.node_id)
        self.settle()

    @property
    def leader(self) -> Member:
        """The node that decides."""
        return self.members[self._leader]

    def lead(self, member: Member) -> None:
        """Have this node lead."""
        self._leader = member.node_id
        self.settle()

    def cut_off(self, member: Member) -> None:
        """A node has no links any more."""
        member.is_cut_off = True
        for other in self.members.values():
            if other is not member:
                other.port.peer_lost(member.node_id)
                member.port.peer_lost(other.node_id)
        self.settle()

    def heal(self, member: Member) -> None:
        """Its links are back."""
        member.is_cut_off = False
        self.settle()

    def declare_down(self, member: Member | int) -> None:
        """The leader does."""
        node_id = member if isinstance(member, int) else member.node_id
        leader = self.leader
        leader.port.declare_down(node_id, leader.port.nodes[node_id].incarnation)
        self.settle()

    def _have_up_again(self, member: Member) -> None:
        """A node that finds that it was declared down joins again, as the cluster has it do."""
        port = member.port
        record = port.nodes.get(member.node_id)
        over = record is not None and not (record.up and record.incarnation == port.incarnation)
        if (
            port.incarnation
            and over
            and not port.is_leaving
            and not member.is_cut_off
            and member not in self._rejoining
        ):
            self._rejoining.add(member)
            self._nonces += 1
            port.join(f"nonce {self._nonces}", lambda _: self._rejoining.discard(member))

    def _choose_leader(self) -> None:
        able = [m.node_id for m in self.members.values() if not m.is_cut_off]
        if self._leader not in able:
            self._leader = min(able, default=0)
        for member in self.members.values():
            member.port.is_leader = member.node_id == self._leader and not member.is_cut_off
            member.port.voters = tuple(sorted(self.members))
            if member.port.has_quorum == member.is_cut_off:
                member.port.set_quorum(not member.is_cut_off)
            if not member.is_cut_off:
                member.port.contact(0.0)

    # Links

    @contextmanager
    def held_link(self, sender: Member, receiver: Member) -> Iterator[None]:
        """Frames this way wait for the end of the block."""
        link = (sender.node_id, receiver.node_id)
        self._held_links.add(link)
        try:
            yield
        finally:
            self._held_links.discard(link)
            self.settle()

    def carry(self, sender: Member, node_id: int, kind: int, body: bytes) -> bool:
        """A frame is to be sent; whether there is a link."""
        receiver = self.members.get(node_id)
        if receiver is None or receiver.is_cut_off or sender.is_cut_off:
            return False
        self._frames.setdefault((sender.node_id, node_id), deque()).append((sender.node_id, kind, body))
        return True

    def _deliver(self) -> bool:
        delivered = False
        for link, frames in list(self._frames.items()):
            receiver = self.members.get(link[1])
            if receiver is None or link in self._held_links:
                continue
            while frames:
                delivered = True
                sender, kind, body = frames.popleft()
                if kind == FORWARD:
                    receiver.port.forwards(sender, body)
                else:
                    receiver.port.forward_ack(sender, body)
        return delivered

    # Driving

    def settle(self) -> None:
        """Go on until nothing can go on any more."""
        if self._settling:
            return
        self._settling = True
        try:
            again = True
            rounds = 0
            while again:
                rounds += 1
                assert rounds < 2000, "the group never comes to rest"
                again = False
                self._choose_leader()
                for member in list(self.members.values()):
                    self._have_up_again(member)
                    again = member.turn_alone() or again
                    again = member.commit() or again
                for member in list(self.members.values()):
                    if not member.holds_applying and not member.is_cut_off:
                        again = member.apply() or again
                self._tell_status()
                again = self._deliver() or again
        finally:
            self._settling = False

    def _tell_status(self) -> None:
        for member in self.members.values():
            for other in self.members.values():
                if other is not member and not member.is_cut_off and not other.is_cut_off:
                    applied = other.port.applied_index
                    if member.port._applied.get(other.node_id) != applied:
                        member.port.peer_status(other.node_id, applied, applied)

    def tick(self) -> None:
        """The leader tells the time."""
        if self._leader in self.members:
            self.leader.port.tick(self.time + self.leader.skew)
            self.settle()

    def pass_time(self, seconds: float) -> None:
        """In ticks of the timers; the leader tells the time with each."""
        for _ in range(round(seconds * 10)):
            self.time += 0.1
            if self._leader in self.members:
                self.leader.port.tick(self.time + self.leader.skew)
            for member in list(self.members.values()):
                member.time = self.time
                member.broker.advance_timers()
            self.settle()

    # Snapshots

    def take_snapshot(self, member: Member) -> int:
        """Have a member write one; returns where it stands in the log."""
        member.port.take_snapshot()
        self.settle()
        return member.port.snapshot_index

    def install(self, sender: Member, receiver: Member) -> None:
        """Put one member's newest snapshot in the place of what another has."""
        folder = self.folder / "incoming"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for path, size in sender.port.snapshot_files():
            (folder / path.name).write_bytes(path.read_bytes()[:size])
        receiver.port.load_snapshot(folder, sender.port.snapshot_index, sender.port.snapshot_term)
        receiver.skipped(sender.port.snapshot_index)
        self.pass_time(0.3)  # what nobody knows the outcome of is proposed again after a moment

    # Checking

    def check(self) -> None:
        """All members that have applied everything hold the same, and none has met a bug."""
        first: Member | None = None
        for member in self.members.values():
            if member.port.applied_index < len(self.log):
                continue
            if first is None:
                first = member
                continue
            mine, theirs = member.everything(), first.everything()
            for what in mine:
                assert mine[what] == theirs[what], (
                    f"{what} of nodes {member.node_id} and {first.node_id}: {_difference(mine[what], theirs[what])}"
                )
            assert digest_of(member.broker.state) == digest_of(first.broker.state), "digests differ"
        bugs = self._bugs + sum(m.counters.internal_errors - m.expected_bugs for m in self.members.values())
        assert bugs == 0


def _difference(mine: object, theirs: object) -> str:
    if isinstance(mine, dict) and isinstance(theirs, dict):
        return "; ".join(
            f"{key}: {_difference(mine.get(key), theirs.get(key))}"
            for key in sorted(mine.keys() | theirs.keys(), key=str)
            if mine.get(key) != theirs.get(key)
        )
    return f"{mine} / {theirs}"
