"""A few engines as the members of one cluster, joined by a log in memory that puts their commands in order.

Everything of the engine is the real thing, each member with a ``MemberPort`` of its own. The log, the links and
the disks are stand-ins: a test says which member's commands are held back, who applies nothing for a while, who is
cut off, whose frames don't get through. Nothing waits: whatever can go on goes on in ``Group.settle``.
"""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rmq.engine.broker import BrokerOptions
from rmq.engine.forwards import FORWARD
from rmq.engine.member_options import MemberOptions
from rmq.storage.digest import digest_of
from tests.support.engine import START
from tests.unit.engine.cluster.member import Member

Frame = tuple[int, int, bytes]


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
        lost_power: bool = False,
    ) -> Member:
        """Start a node, for the first time or once more with what it has on disk; its clock is ``skew`` seconds off."""
        folder = self.folder / str(node_id)
        started = Member(self, node_id, folder, options or BrokerOptions(), member or MemberOptions(), skew)
        started.port.lost_power = lost_power
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
        is_asking = port.is_leaving or member in self._rejoining
        if port.incarnation and over and not is_asking and not member.is_cut_off:
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
            for member in self.members.values():
                member.hear_that_nobody_knows()
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
                again = self._tell_status() or again
                again = self._deliver() or again
        finally:
            self._settling = False

    def _tell_status(self) -> bool:
        told = False
        for member in self.members.values():
            told = member.sync() or told
            for other in self.members.values():
                if other is not member and not member.is_cut_off and not other.is_cut_off:
                    status = other.port.applied_index, other.synced
                    if (member.port._applied.get(other.node_id), member.port._synced.get(other.node_id)) != status:
                        member.port.peer_status(other.node_id, *status)
                        told = True
        return told

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

    def lose_power(self) -> None:
        """Everywhere at once: what no disk of a majority has is gone. Those that run again are ``start``ed."""
        synced = sorted(member.synced for member in self.members.values())
        del self.log[synced[len(synced) // 2] :]
        for member in list(self.members.values()):
            member.kill()

    # Snapshots

    def take_snapshot(self, member: Member) -> int:
        """Have a member write one; returns where it stands in the log."""
        member.port.take_snapshot()
        self.settle()
        return member.port.snapshot_index

    def install(self, sender: Member, receiver: Member) -> None:
        """Put one member's newest snapshot in the place of what another has."""
        self.begin_installing(sender, receiver)
        self.finish_installing(receiver)

    def begin_installing(self, sender: Member, receiver: Member) -> None:
        """The same, which goes on in ``settle``; nothing is applied meanwhile. ``receiver.installed`` tells its end."""
        folder = self.folder / "incoming"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for path, size in sender.port.snapshot_files():
            (folder / path.name).write_bytes(path.read_bytes()[:size])
        index = sender.port.snapshot_index
        receiver.installed = []
        held, receiver.holds_applying = receiver.holds_applying, True

        def done(error: Exception | None) -> None:
            receiver.installed.append(error)
            receiver.holds_applying = held
            if error is None:
                receiver.skipped(index)

        receiver.port.load_snapshot(folder, index, sender.port.snapshot_term, done)

    def finish_installing(self, receiver: Member) -> None:
        """Have it come to its end."""
        self.settle()
        assert receiver.installed == [None]
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
