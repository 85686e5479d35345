"""The port of a member of a cluster as the cluster sees it: snapshots, the time, levels, data from before."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog

from rmq.engine import disconnect
from rmq.engine.applied import AppliedEvents, begin_timers
from rmq.engine.cluster_clock import ClusterClock
from rmq.engine.installing import Installing, Told
from rmq.engine.member_options import MemberOptions
from rmq.engine.member_receipts import Left, Reclaimed
from rmq.engine.replicated_port import OPERATION_LEVEL, ReplicatedPort
from rmq.engine.stored_port import RETRY_S
from rmq.flow.context import STORAGE_HELD
from rmq.mqtt import codes
from rmq.mqtt.message import Message
from rmq.storage.account_records import ACCOUNT_LEVEL
from rmq.storage.cluster_records import NodeDown, NodeUp, RaiseLevel, ReclaimClient, Tick
from rmq.storage.cluster_routes import member_key
from rmq.storage.cluster_state import NodeRecord
from rmq.storage.codec import encode_operation
from rmq.storage.disk_thread import Job
from rmq.storage.recovery import Found
from rmq.storage.snapshot_reader import finish

if TYPE_CHECKING:
    from rmq.engine.broker import Broker

log = structlog.get_logger(__name__)

# By so much at once time doesn't go on by itself.
LEAP_S: Final = 1.0


class MemberPort(ReplicatedPort):
    """``on_snapshot`` is told the place of each snapshot that is safe on disk.

    ``lost_power``: the log may have lost its end. ``installing`` is a snapshot of another node that is being put in the
    place of what is here, if there is one.

    ``alone`` is the folder with the data of a node alone, if there is such.
    """

    def __init__(
        self, broker: "Broker", found: Found, options: MemberOptions, wake: Callable[[], None], *, alone: Path | None
    ) -> None:
        super().__init__(broker, found, options, wake)
        self.on_snapshot: Callable[[int], None] = _nobody
        self.snapshot_index = found.batch
        self.snapshot_term = found.term
        self.lost_power = False
        self.installing: Installing | None = None
        self._joining: tuple[str, bytes, Callable[[int], None]] | None = None
        self._join_submitted = False
        self._alone = alone
        self._founded: Callable[[], None] | None = None
        broker.state.events = _MemberEvents(broker, self)

    # Being a member

    @property
    def nodes(self) -> Mapping[int, NodeRecord]:
        """The nodes that ever joined."""
        return self.broker.state.cluster.nodes

    def join(self, nonce: str, then: Callable[[int], None]) -> None:
        """Have this node be up; ``then`` gets its incarnation once that is committed."""
        self.is_leaving = False
        at = self.broker.touch_clock()
        operation = NodeUp(self.node_id, nonce, self.member.grace_s, at, self.lost_power)
        command = self.pack([OPERATION_LEVEL, self.node_id, 0, 0]) + self.pack(encode_operation(operation))
        self._joining = (nonce, command, then)
        self._join_submitted = False

    def joined(self, incarnation: int, nonce: str) -> None:
        """A node with this node's id is up."""
        joining = self._joining
        if joining is None or joining[0] != nonce:
            return
        self._joining = None
        was_member = self.incarnation > 0
        self.lost_power = False
        self.incarnation = incarnation
        self.sequence = 0
        if self.command:
            # It was proposed by an incarnation that is over, so that it was applied before that or never will be.
            self.sequence = 1
            self.command = self.header() + self.log.again()
            self.submitted = False
        if was_member:
            self._claim_again()
        self._configure()
        self.look_at_quorum()
        joining[2](incarnation)

    def _claim_again(self) -> None:
        """This node was declared down while it was alive: what it has it tells again, where nobody else came."""
        broker = self.broker
        for operation in broker.routes.all():
            self.propose(operation)
        for channel in list(broker.registry):
            session = channel.session
            if session is not None:
                will = None if session.persistent else session.will
                again = ReclaimClient(session.client_id, self.node_id, channel.epoch, will)
                self.propose(again, Reclaimed(self, session.client_id, channel.epoch))

    def _configure(self) -> None:
        own = self.broker.own_rules()
        if not own.is_like(self.broker.state.rules()):
            self.propose(own)

    def leave(self, then: Callable[[], None]) -> None:
        """Have it be known that this node stops: nothing is proposed behind that."""
        at = self.broker.touch_clock()
        self.propose(NodeDown(self.node_id, self.incarnation, self.member.grace_s, at, left=True), Left(then))
        self.is_leaving = True

    def declare_down(self, node_id: int, incarnation: int) -> None:
        """Leader: propose that a node is down, if it is still in this incarnation."""
        self.propose(NodeDown(node_id, incarnation, 0.0, self.broker.touch_clock()))

    def declared_down(self, incarnation: int) -> None:
        """This node was declared down, or has said so itself.

        The others take what is applied from here on for never sent, so that nothing more may be sent to its clients
        before they are this node's again.
        """
        broker = self.broker
        if incarnation != self.incarnation:
            return
        if self.is_leaving:
            for channel in list(broker.registry):
                disconnect.close(broker, channel, codes.SERVER_SHUTTING_DOWN, "node stops")
            return
        log.warning("this node was declared down", incarnation=incarnation)
        broker.ctx.storage = STORAGE_HELD
        self.lease.end()
        for channel in broker.registry:
            channel.loading = True
            channel.blocked = True

    def submit_join(self) -> None:
        """Propose it until it is committed."""
        if self._joining is not None and not self._join_submitted:
            self._join_submitted = True
            self.replicator.submit(self._joining[1], self._join_done)

    def _join_done(self, outcome: int) -> None:
        self._join_submitted = False

    def tick(self, at: float) -> None:
        """Leader: propose that it is this late, if it isn't later already."""
        # Its own clock is only one of those that ``at`` was chosen from, until a time is committed.
        is_first = not self.broker.state.cluster.time
        self.propose(Tick(at if is_first else max(at, self.broker.touch_clock())))

    @property
    def operation_level(self) -> int:
        """The newest operations that this program knows."""
        return OPERATION_LEVEL

    @property
    def committed_level(self) -> int:
        """The newest operations that may be proposed."""
        return self.broker.state.cluster.level

    def may_propose(self, level: int) -> bool:
        """Whether that is committed."""
        return level <= self.committed_level

    def raise_level(self, level: int) -> None:
        """Leader: propose that operations of this level may be proposed from here on."""
        self.propose(RaiseLevel(level))

    def digest(self) -> tuple[int, bytes] | None:
        """The last index at which all nodes take a digest of their state, and the digest."""
        return self.digests.last

    def drain(self, rate: float) -> None:
        """Move clients away, so many a second, and take no new ones; 0.0: take clients again."""
        self.broker.draining.set_rate(rate)

    def when_drained(self, then: Callable[[], None]) -> None:
        """Have ``then`` called when no client is connected here any more, while the node is drained."""
        self.broker.draining.when_drained(then)

    # Snapshots

    @property
    def log_bytes(self) -> int:
        """The commands since the last snapshot began."""
        return self.bytes_since_snapshot

    def mark_of_snapshot(self) -> int:
        """The term of the last command before it."""
        return self.term

    def rotation(self) -> Job:
        """Nothing has to be done: the log is cut when the snapshot is safe."""
        self.bytes_since_snapshot = 0
        return _nothing

    def all_synced(self, batch: int, mark: int) -> None:
        """The log before it isn't needed any more."""
        if self.error:
            self.recovered()
        self.snapshot_index = batch
        self.snapshot_term = mark
        founded, self._founded = self._founded, None
        if founded is not None:
            founded()
            self._set_aside()
        self.on_snapshot(batch)

    def take_snapshot(self) -> None:
        """Begin a snapshot soon."""
        self.snapshots.begin_soon()

    @property
    def has_own_data(self) -> bool:
        """Whether there is state of a node alone, which no cluster has yet."""
        return self._alone is not None

    def discard(self) -> None:
        """Forget the state of a node alone; its files are set aside."""
        self.broker.state.clear()
        self._set_aside()

    def _set_aside(self) -> None:
        alone, self._alone = self._alone, None
        if alone is not None:
            aside = alone.with_name(f"{alone.name}.{int(self.broker.touch_clock())}")
            alone.rename(aside)
            log.info("the data of the node alone is set aside", folder=str(aside))

    def found(self, then: Callable[[], None]) -> None:
        """Make the state of a node alone the snapshot at index 1, then call ``then``."""
        at = self.broker.touch_clock()
        state = self.broker.state
        state.cluster.adopt(self.node_id, self.member.grace_s, at)
        if state.accounts.last_revision:  # a program that doesn't know them can't read the snapshot
            state.cluster.level = ACCOUNT_LEVEL
        self.log.pass_over(1)
        self.term = 1
        self._founded = then
        self.snapshots.begin_soon()

    def snapshot_files(self) -> list[tuple[Path, int]]:
        """The files of the snapshot on disk, and how many bytes of each belong to it."""
        return self.snapshots.files()

    def load_snapshot(self, folder: Path, index: int, term: int, done: Told) -> None:
        """Replace the state by the snapshot in a folder, in slices; nothing may be applied before ``done`` is told."""
        assert self.installing is None
        self.installing = Installing(self, folder, index, term, done)
        self.installing.begin()

    def installed(self, index: int, term: int) -> None:
        """The snapshot of another node is in the place of all that was here."""
        self.log.pass_over(index)
        self.term = self.snapshot_term = term
        self.snapshot_index = index
        self.bytes_since_snapshot = 0
        self._look_at_own_record(index)

    def read_payloads(self, messages: list[Message], then: Callable[[], None]) -> None:
        """Read them, unless their files are just going."""
        if self.installing is None or not self.installing.swallows(messages, then):
            super().read_payloads(messages, then)

    def _look_at_own_record(self, index: int) -> None:
        """What this node had under way may be part of the state that it has taken over."""
        record = self.nodes.get(self.node_id)
        if record is None:
            return
        if self.command and record.incarnation == self.incarnation and record.sequence >= self.sequence:
            self.command = b""
            self.log.skip(index)
        if self._joining is not None and record.nonce == self._joining[0] and record.up:
            self.joined(record.incarnation, record.nonce)
        elif self.incarnation and (not record.up or record.incarnation != self.incarnation):
            self.declared_down(self.incarnation)

    def begin(self) -> None:
        """Let time go on for what was read at the start."""
        broker = self.broker
        if broker.state.cluster.time:
            self.time_moved(broker.state.cluster.time)
        finish(begin_timers(broker))

    def time_moved(self, at: float) -> None:
        """The cluster's time is committed."""
        broker = self.broker
        clock = broker.clock
        if not isinstance(clock, ClusterClock):
            return
        if not clock.is_known:
            clock.begin(at)
            broker.timers.restart(broker.touch_clock())
            return
        leap = clock.set(at)
        if leap > LEAP_S:
            log.warning("the cluster's time leaps forward", seconds=round(leap, 1))
            self._leapt(leap)

    def _leapt(self, seconds: float) -> None:
        """Nobody has waited, or been silent, for so long."""
        broker = self.broker
        broker.touch_clock()
        self._progress_at += seconds
        self._lost_at += seconds
        self._again_at += seconds
        self.lease.postpone(seconds)
        self.forwarding.postpone(seconds)
        for channel in broker.registry:
            channel.last_read_at += seconds

    # The end

    def close(self) -> None:
        """Write what is left for snapshots and payloads. Blocks; raises nothing."""
        self.snapshots.abandon()
        self.writer.close(RETRY_S)
        self.reader.close(RETRY_S)


class _MemberEvents(AppliedEvents):
    """What concerns the member as such goes to the port."""

    def __init__(self, broker: "Broker", port: MemberPort) -> None:
        super().__init__(broker)
        self._port = port

    def hand_over(self, message: Message, key: str, client_id: str) -> None:
        """The node of the member delivers it, or finds another member."""
        port = self._port
        if member_key(client_id, key) not in port.broker.state.cluster.members.get(port.node_id, {}):
            return
        if message.on_disk:
            try:
                port.read_payload(message)
            except OSError:
                port.broker.counters.storage_errors += 1
                return
        port.forwarding.hand_over(message, key, client_id)

    def node_up(self, node: int, incarnation: int, nonce: str) -> None:
        """It may be this one."""
        if node == self._port.node_id:
            self._port.joined(incarnation, nonce)

    def node_down(self, node: int, incarnation: int) -> None:
        """Nobody waits for it any more."""
        self._port.forwarding.gone(node)
        if node == self._port.node_id:
            self._port.declared_down(incarnation)

    def time_moved(self, at: float) -> None:
        """Set the clock."""
        self._port.time_moved(at)


def _nobody(_: Any) -> None:
    """Nobody wants to know."""


def _nothing() -> None:
    """There is nothing to do."""
