"""One engine as a member of a group: its port is the real one, its disks work when a test lets them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rmq.engine import stored_port
from rmq.engine.broker import BrokerOptions
from rmq.engine.cluster_clock import ClusterClock
from rmq.engine.member_options import MemberOptions
from rmq.engine.member_port import MemberPort
from rmq.engine.ports import APPLIED, UNKNOWN, Replicator
from rmq.metrics.counters import Counters
from rmq.storage.cluster_records import ClusterOperation
from rmq.storage.events import StateEvents
from rmq.storage.records import Configure
from rmq.storage.recovery import recover_member
from rmq.storage.segments import read_payload
from tests.support.engine import Engine
from tests.unit.storage.disk_engine import Disk
from tests.unit.storage.replica import Facts, facts

if TYPE_CHECKING:
    from tests.unit.engine.cluster.group import Group

TERM = 1
Done = Callable[[int], None]


class Member(Engine, Replicator):
    """One node. ``holds_commands``: what it proposes isn't committed; ``holds_applying``: it applies nothing.

    ``hears_nothing``: what it proposes is committed, but it is told that nobody knows. ``holds_syncing``: of its
    log nothing is synced behind ``synced``.
    """

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
        self.is_cut_off = self.hears_nothing = False
        self.holds_syncing = False
        self.synced = 0
        self.installed: list[Exception | None] = []
        self.commands: deque[tuple[bytes, Done]] = deque()
        self._committed: dict[int, Done] = {}
        self._unknown: list[Done] = []
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
        self.disks: dict[str, Disk] = {}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(stored_port, "DiskThread", self._disk)
            self.port = MemberPort(broker, found, member_options, lambda: None, alone=None)
        self.port.replicator = self
        broker.cluster = self.port
        broker.turn_storage = self.port.turn
        self.port.begin()

    def _disk(self, name: str, wake: Callable[[], None]) -> Disk:
        return self.disks.setdefault(name, Disk(name, wake))

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
            if self.hears_nothing:
                self._unknown.append(done)
            else:
                self._committed[len(self.group.log)] = done
        return True

    def hear_that_nobody_knows(self) -> None:
        """What became of its commands that were committed while it hears nothing."""
        unknown, self._unknown = self._unknown, []
        for done in unknown:
            done(UNKNOWN)

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

    def sync(self) -> bool:
        """What is written is synced, if it may be; whether there was anything."""
        if self.holds_syncing or self.synced == self.port.applied_index:
            return False
        self.synced = self.port.applied_index
        self.port.own_synced(self.synced)
        return True

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
        found["nodes"] = {n: (r.incarnation, r.up, r.left, r.sequence) for n, r in cluster.nodes.items()}
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
