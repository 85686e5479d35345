"""The port of a member of a cluster: operations are replicated in commands, then applied, then answered."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog

from rmq.engine import disconnect
from rmq.engine.applied import AppliedEvents, begin_timers
from rmq.engine.cluster_clock import ClusterClock
from rmq.engine.forwards import Forwards
from rmq.engine.ports import Replicator
from rmq.engine.rebind import rebind
from rmq.engine.stored_port import RETRY_S, Again, StorageOptions, StoredPort
from rmq.engine.timers import Timer
from rmq.flow.context import STORAGE_FAILED, STORAGE_HELD, STORAGE_READY
from rmq.flow.ports import Pick
from rmq.mqtt import codes
from rmq.mqtt.message import Message
from rmq.mqtt.packets import Will
from rmq.session.receipts import Receipt
from rmq.session.session import Session
from rmq.storage.cluster_records import ClaimClient, NodeDown, NodeUp, RaiseLevel, ReclaimClient, ReleaseClient, Tick
from rmq.storage.cluster_state import NodeRecord
from rmq.storage.codec import decode_operation, encode_operation
from rmq.storage.digest import DIGEST_EVERY, digest_of
from rmq.storage.disk_thread import Job
from rmq.storage.fields import as_int
from rmq.storage.packing import packer, unpack_all
from rmq.storage.records import Configure, Operation
from rmq.storage.recovery import Found, take_over_files

if TYPE_CHECKING:
    from rmq.engine.broker import Broker

log = structlog.get_logger(__name__)

# Operations of this level and below are known to this program.
OPERATION_LEVEL: Final = 1
# What one command may hold; a single larger operation goes alone.
MAX_OPERATIONS: Final = 1000
MAX_BYTES: Final = 256 * 1024
# How often it is looked whether somebody has waited too long (s).
LOOK_AFTER_S: Final = 0.2


class MemberOptions(StorageOptions):
    """``quorum_timeout_s``: how long work waits for a majority; ``grace_s``: how long wills of a lost node wait."""

    def __init__(self) -> None:
        super().__init__()
        self.quorum_timeout_s = 5.0
        self.forward_deadline_s = 2.0
        self.grace_s = 1.5
        self.max_retained = 0
        self.max_retained_payload = 0
        self.allow_multiple_matches = False


class ReplicatedPort(StoredPort):
    """Commands are numbered by their place in the replicated log, and this node's own ones by incarnation and sequence.

    One of them is under way at a time. ``replicator`` is what it is under way on, set before anything else is called;
    ``on_snapshot`` is told the place of each snapshot that is safe on disk. ``is_leader``: this node decides what is
    due. ``voters`` are those whose disks count. ``alone`` is the folder with the data of a node alone, if it has such.
    """

    replicates = True

    def __init__(
        self, broker: "Broker", found: Found, options: MemberOptions, wake: Callable[[], None], *, alone: Path | None
    ) -> None:
        super().__init__(broker, found, options, wake)
        self.member = options
        self.node_id = broker.node_id
        self.replicator: Replicator = _Nowhere()
        self.on_snapshot: Callable[[int], None] = _nobody
        self.is_leader = False
        self.voters: tuple[int, ...] = ()
        self.incarnation = 0
        self._alone = alone
        self.snapshot_index = found.batch
        self.snapshot_term = found.term
        self.log.replicated = True
        self.forwarding = Forwards(broker, self._send, options.forward_deadline_s)
        self._pack = packer()
        self._term = found.term
        self._log_bytes = 0
        self._command = b""
        self._sequence = 0
        self._submitted = False
        self._joining: tuple[str, bytes, Callable[[int], None]] | None = None
        self._join_submitted = False
        self._leaving = False
        self._applied: dict[int, int] = {}
        self._synced: dict[int, int] = {}
        self._has_quorum = False
        self._lost_at = 0.0
        self._gave_up = False
        self._stepped_out = False
        self._moved = False
        self._digest: tuple[int, bytes] | None = None
        self._founded: Callable[[], None] | None = None
        broker.state.events = _MemberEvents(broker, self)
        broker.ctx.storage = STORAGE_FAILED
        broker.timers.enter(_LookAfter(self), broker.touch_clock() + LOOK_AFTER_S)

    # Proposing

    @property
    def decides(self) -> bool:
        """The leader does."""
        return self.is_leader and self.broker.ctx.storage == STORAGE_READY

    def propose(self, operation: Operation, receipt: Receipt | None = None) -> bool:
        """Have it in the next command."""
        self.log.append(operation, receipt)
        if self.log.pending_bytes > self.options.pending_limit:
            self._check_room()
        return False

    def claim(
        self, client_id: str, will: Will | None, claimed: Callable[[int], None], refused: Callable[[], None]
    ) -> None:
        """Claim it by an operation: whoever is later in the log has it."""
        claim = ClaimClient(client_id, self.node_id, will)
        self.propose(claim, _Claimed(self, claim, claimed, refused))

    def release(self, client_id: str, epoch: int) -> None:
        """Give a claim back."""
        self.propose(ReleaseClient(client_id, epoch))

    def forward(
        self, message: Message, nodes: list[int] | None, picks: list[Pick] | None, receipt: Receipt | None
    ) -> int:
        """Send it at the end of the turn."""
        return self.forwarding.forward(message, nodes, picks, receipt)

    def turn(self) -> None:
        """At the end of each turn: replicate what was proposed, send what is to be forwarded, act on disk outcomes."""
        self.writer.collect()
        self.reader.collect()
        self.forwarding.flush()
        if self._joining is not None and not self._join_submitted:
            self._join_submitted = True
            self.replicator.submit(self._joining[1], self._join_done)
        if self.incarnation and not self._submitted and not self._leaving_done():
            if not self._command and self.log.has_proposed():
                self._begin()
            if self._command:
                self._submitted = True
                self.replicator.submit(self._command, self._done)
        if self._moved:
            self._moved = False
            self._after_applying()
        if self.broker.ctx.dirty:
            self.broker.flush()

    def _leaving_done(self) -> bool:
        return self._leaving and not self.log.has_proposed() and not self._command

    def _begin(self) -> None:
        self._sequence += 1
        data = self.log.take(MAX_OPERATIONS, MAX_BYTES)
        self._command = self._header() + data

    def _header(self) -> bytes:
        return self._pack([OPERATION_LEVEL, self.node_id, self.incarnation, self._sequence])

    def _done(self, outcome: int) -> None:
        # Whatever became of it: until it is applied the same command is proposed again, and applied once.
        self._submitted = False

    def _join_done(self, outcome: int) -> None:
        self._join_submitted = False

    # Applying

    def apply(self, index: int, term: int, command: bytes) -> None:
        """Apply a committed command. Raises ``UnknownOperation``: the state would not be that of the others."""
        broker = self.broker
        broker.touch_clock()
        state = broker.state
        self._term = term
        self._log_bytes += len(command)
        self._moved = True
        state.cluster.index = index
        if command == self._command and self._is_own_next():
            self._command = b""
            self.log.complete(index)
        else:
            self._apply_other(command)
            self.log.pass_over(index)
        if index % DIGEST_EVERY == 0:
            self._digest = (index, digest_of(state))

    def _is_own_next(self) -> bool:
        return self.broker.state.cluster.begin_batch(self.node_id, self.incarnation, self._sequence)

    def _apply_other(self, command: bytes) -> None:
        lists = unpack_all(command)
        header = next(lists, None)
        if header is None:
            return  # an entry of the log itself
        node, incarnation, sequence = as_int(header[1]), as_int(header[2]), as_int(header[3])
        state = self.broker.state
        # All of it is read before anything is applied: an operation that isn't known must not come half way.
        operations = [decode_operation(fields) for fields in lists]
        if incarnation == 0:
            operations = [operation for operation in operations if isinstance(operation, NodeUp)]
        elif not state.cluster.begin_batch(node, incarnation, sequence):
            return
        for operation in operations:
            try:
                state.apply(operation)
            except Exception:
                self.broker.report_bug(None, "in applying an operation")

    def _after_applying(self) -> None:
        self._report_bugs()
        if self.broker.ctx.to_disk:
            self.unload()
        self._tell_everywhere()
        self._tell_synced()
        self._check_room()
        self.snapshots.maybe_begin()

    def _report_bugs(self) -> None:
        bugs = self.log.bugs
        while bugs:
            try:
                raise bugs.pop(0)
            except Exception:
                self.broker.report_bug(None, "in applying an operation")

    @property
    def applied_index(self) -> int:
        """The place in the log of the last command that was applied."""
        return self.log.written

    # Other nodes

    def peer_status(self, node_id: int, applied: int, synced: int) -> None:
        """How far another node is."""
        self._applied[node_id] = applied
        self._synced[node_id] = synced
        if self.log.waits_elsewhere() or self.log.wants_sync():
            self._tell_everywhere()
            self._tell_synced()
            self.broker.flush()

    def own_synced(self, index: int) -> None:
        """How far this node's log would survive a loss of power."""
        self._synced[self.node_id] = index
        self._tell_synced()
        self._report_bugs()
        self.broker.flush()

    def _tell_synced(self) -> None:
        if self.voters:
            synced = sorted((self._synced.get(node, 0) for node in self.voters), reverse=True)
            # No further than it is applied here: a receipt is told of what has happened.
            self.log.complete_sync(min(synced[len(synced) // 2], self.log.written))

    def _tell_everywhere(self) -> None:
        if self.log.waits_elsewhere():
            applied = self.log.written
            for node, record in self.broker.state.cluster.nodes.items():
                if record.up and node != self.node_id:
                    applied = min(applied, self._applied.get(node, 0))
            self.log.complete_everywhere(applied)

    def forwards(self, node_id: int, body: bytes) -> None:
        """Messages for clients of this node."""
        self.forwarding.received(node_id, body)

    def forward_ack(self, node_id: int, body: bytes) -> None:
        """Another node has its messages."""
        self.forwarding.acknowledged(node_id, body)

    def peer_lost(self, node_id: int) -> None:
        """The link with another node is gone."""
        self._applied.pop(node_id, None)
        self.forwarding.lost(node_id)

    def _send(self, node_id: int, kind: int, body: bytes) -> bool:
        return self.replicator.send(node_id, kind, body)

    # Being a member

    @property
    def nodes(self) -> Mapping[int, NodeRecord]:
        """The nodes that ever joined."""
        return self.broker.state.cluster.nodes

    def join(self, nonce: str, then: Callable[[int], None]) -> None:
        """Have this node be up; ``then`` gets its incarnation once that is committed."""
        self._leaving = False
        operation = NodeUp(self.node_id, nonce, self.member.grace_s, self.broker.touch_clock())
        command = self._pack([OPERATION_LEVEL, self.node_id, 0, 0]) + self._pack(encode_operation(operation))
        self._joining = (nonce, command, then)
        self._join_submitted = False

    def joined(self, incarnation: int, nonce: str) -> None:
        """A node with this node's id is up."""
        joining = self._joining
        if joining is None or joining[0] != nonce:
            return
        self._joining = None
        was_member = self.incarnation > 0
        self.incarnation = incarnation
        self._sequence = 0
        if self._command:
            # It was proposed by an incarnation that is over, so that it was applied before that or never will be.
            self._sequence = 1
            self._command = self._header() + self.log.again()
            self._submitted = False
        if was_member:
            self._claim_again()
        self._configure()
        self._look_at_quorum()
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
                self.propose(again, _Reclaimed(self, session, channel.epoch))

    def _configure(self) -> None:
        rules = self.broker.state.rules()
        own = self.member
        differ = (rules.allow_multiple_matches, rules.max_retained, rules.max_retained_payload) != (
            own.allow_multiple_matches,
            own.max_retained,
            own.max_retained_payload,
        )
        if differ:
            self.propose(Configure(own.allow_multiple_matches, own.max_retained, own.max_retained_payload))

    def leave(self, then: Callable[[], None]) -> None:
        """Have it be known that this node stops: nothing is proposed behind that."""
        at = self.broker.touch_clock()
        self.propose(NodeDown(self.node_id, self.incarnation, self.member.grace_s, at), _Left(then))
        self._leaving = True

    def declare_down(self, node_id: int, incarnation: int) -> None:
        """Leader: propose that a node is down, if it is still in this incarnation."""
        self.propose(NodeDown(node_id, incarnation, 0.0, self.broker.touch_clock()))

    def declared_down(self, incarnation: int) -> None:
        """This node was declared down."""
        if incarnation == self.incarnation and not self._leaving:
            log.warning("this node was declared down", incarnation=incarnation)
            self.broker.ctx.storage = STORAGE_HELD

    def tick(self, at: float) -> None:
        """Leader: propose that it is this late, if it isn't later already."""
        self.propose(Tick(max(at, self.broker.touch_clock())))

    @property
    def operation_level(self) -> int:
        """The newest operations that this program knows."""
        return OPERATION_LEVEL

    @property
    def committed_level(self) -> int:
        """The newest operations that may be proposed."""
        return self.broker.state.cluster.level

    def raise_level(self, level: int) -> None:
        """Leader: propose that operations of this level may be proposed from here on."""
        self.propose(RaiseLevel(level))

    def digest(self) -> tuple[int, bytes] | None:
        """The last index at which all nodes take a digest of their state, and the digest."""
        return self._digest

    def drain(self, rate: float) -> None:
        """Move clients away, so many a second, and take no new ones; 0.0: take clients again."""
        self.broker.draining.set_rate(rate)

    # Whether work can be done

    def set_quorum(self, has_quorum: bool) -> None:
        """Whether a majority is in contact."""
        self._has_quorum = has_quorum
        self._look_at_quorum()

    def _look_at_quorum(self) -> None:
        ctx = self.broker.ctx
        if self._stepped_out or not self.incarnation:
            return
        if self._has_quorum:
            self._gave_up = False
            if ctx.storage == STORAGE_FAILED:
                ctx.storage = STORAGE_HELD
                log.info("a majority is in contact: work goes on")
            self._check_room()
        elif ctx.storage != STORAGE_FAILED:
            self._lost_at = self.broker.touch_clock()
            ctx.storage = STORAGE_HELD

    def look_after(self, now: float) -> None:
        """Every now and then: whoever has waited for too long is told that nobody knows."""
        self.forwarding.look_after(now)
        ctx = self.broker.ctx
        if self._has_quorum or not self.incarnation or self._stepped_out:
            return
        if now - self._lost_at < self.member.quorum_timeout_s:
            return
        if ctx.storage != STORAGE_FAILED:
            log.error("no majority is in contact: what needs one is refused")
            ctx.storage = STORAGE_FAILED
        if not self._gave_up:
            self._gave_up = True
            self.log.give_up()
            self._report_bugs()
            self.broker.flush()

    def step_out(self, reason: str) -> None:
        """This node can't go on as a member: nothing is acknowledged any more, its clients go elsewhere."""
        broker = self.broker
        self._stepped_out = True
        broker.ctx.storage = STORAGE_FAILED
        self.log.give_up()
        for channel in list(broker.registry):
            disconnect.close(broker, channel, codes.SERVER_UNAVAILABLE, "this node can't go on")
        broker.flush()

    def _check_room(self) -> None:
        ctx = self.broker.ctx
        if ctx.storage == STORAGE_FAILED or not self._has_quorum:
            return
        options = self.options
        was_held = ctx.storage == STORAGE_HELD
        pending_limit = options.pending_limit // 2 if was_held else options.pending_limit
        over_disk = bool(options.disk_budget) and self.disk_bytes > options.disk_budget
        if self.log.pending_bytes > pending_limit or over_disk or self.error:
            ctx.storage = STORAGE_HELD
            if over_disk:
                self.snapshots.wanted = True
        elif was_held:
            ctx.storage = STORAGE_READY
            self.broker.storage_waits.go_on()

    # The disk

    def fail(self, what: str, error: OSError, again: Callable[[], None]) -> None:
        """Payloads or a snapshot can't be written: hold publishers, and try again; the log is another matter."""
        broker = self.broker
        broker.counters.storage_errors += 1
        reason = error.strerror or str(error)
        if not self.error:
            log.error("storage fails: publishers are held", what=what, error=reason, folder=str(self.folder))
        self.error = reason
        if broker.ctx.storage == STORAGE_READY:
            broker.ctx.storage = STORAGE_HELD
        broker.timers.enter(Again(again), broker.ctx.now + RETRY_S)

    def recovered(self) -> None:
        """Publishers may go on if there is room."""
        log.warning("storage works again", was=self.error)
        self.error = ""
        self._check_room()

    def distrust(self, error: OSError) -> None:
        """Nothing is synced here."""

    def room_changed(self) -> None:
        """A snapshot has changed what the data takes on disk."""
        self._check_room()

    # Snapshots

    @property
    def log_bytes(self) -> int:
        """The commands since the last snapshot began."""
        return self._log_bytes

    def mark_of_snapshot(self) -> int:
        """The term of the last command before it."""
        return self._term

    def rotation(self) -> Job:
        """Nothing has to be done: the log is cut when the snapshot is safe."""
        self._log_bytes = 0
        return _nothing

    def all_synced(self, batch: int, mark: int) -> None:
        """The log before it isn't needed any more."""
        if self.error:
            self.recovered()
        self.snapshot_index = batch
        self.snapshot_term = mark
        founded, self._founded = self._founded, None
        if founded is not None:
            self._set_aside()
            founded()
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
        self.broker.state.cluster.adopt(self.node_id, self.member.grace_s, at)
        self.log.pass_over(1)
        self._term = 1
        self._founded = then
        self.snapshots.begin_soon()

    def snapshot_files(self) -> list[tuple[Path, int]]:
        """The files of the snapshot on disk, and how many bytes of each belong to it."""
        return self.snapshots.files()

    def load_snapshot(self, folder: Path, index: int, term: int) -> None:
        """Replace the state by the snapshot in a folder. Raises ``CorruptFile``, ``OSError``."""
        broker = self.broker
        self.snapshots.abandon()
        rebinding = rebind(broker)
        broker.state.clear()
        broker.ctx.to_disk.clear()
        events = broker.state.events
        found = take_over_files(folder, self.folder, broker.state, memory_budget=broker.options.memory_budget)
        broker.state.events = events
        self.segments = found.segments
        self.unwritten = []
        self.snapshots.restart(found)
        self.log.pass_over(index)
        self._term = self.snapshot_term = term
        self.snapshot_index = index
        self._log_bytes = 0
        self.begin()
        rebinding.finish()

    def begin(self) -> None:
        """Let time go on for what was read."""
        broker = self.broker
        if broker.state.cluster.time:
            self.time_moved(broker.state.cluster.time)
        begin_timers(broker)

    def time_moved(self, at: float) -> None:
        """The cluster's time is committed."""
        broker = self.broker
        clock = broker.clock
        if not isinstance(clock, ClusterClock):
            return
        if self.incarnation:
            clock.set(at)
        else:
            clock.begin(at)
            broker.timers.restart(broker.touch_clock())

    # The end

    def close(self) -> None:
        """Write what is left for snapshots and payloads. Blocks; raises nothing."""
        self.snapshots.abandon()
        self.writer.close(RETRY_S)
        self.reader.close(RETRY_S)


class _MemberEvents(AppliedEvents):
    """What concerns the member as such goes to the port."""

    def __init__(self, broker: "Broker", port: ReplicatedPort) -> None:
        super().__init__(broker)
        self._port = port

    def node_up(self, node: int, incarnation: int, nonce: str) -> None:
        """It may be this one."""
        if node == self._port.node_id:
            self._port.joined(incarnation, nonce)

    def node_down(self, node: int, incarnation: int) -> None:
        """Nobody waits for it any more."""
        super().node_down(node, incarnation)
        if node == self._port.node_id:
            self._port.declared_down(incarnation)

    def time_moved(self, at: float) -> None:
        """Set the clock."""
        self._port.time_moved(at)


class _Claimed(Receipt):
    """A claim is applied, or nobody knows: then it is given back if it is applied later."""

    def __init__(
        self,
        port: ReplicatedPort,
        claim: ClaimClient,
        claimed: Callable[[int], None],
        refused: Callable[[], None],
    ) -> None:
        super().__init__(False)
        self._port = port
        self._claim = claim
        self._claimed = claimed
        self._refused: Callable[[], None] | None = refused

    def applied(self) -> None:
        if self._refused is None:
            self._port.release(self._claim.client_id, self._claim.epoch)
        else:
            self._claimed(self._claim.epoch)

    def give_up(self) -> None:
        refused, self._refused = self._refused, None
        if refused is not None:
            refused()


class _Reclaimed(Receipt):
    """It is applied whether a connection keeps its client id."""

    def __init__(self, port: ReplicatedPort, session: Session, epoch: int) -> None:
        super().__init__(False)
        self._port = port
        self._session = session
        self._epoch = epoch

    def applied(self) -> None:
        session = self._session
        broker = self._port.broker
        owner = broker.state.cluster.owners.get(session.client_id)
        if owner is not None and owner.node == self._port.node_id and owner.epoch == self._epoch:
            if not session.persistent:
                session.will = owner.will
            return
        channel = session.channel
        if channel is not None and channel.epoch == self._epoch:
            disconnect.close(broker, channel, codes.SESSION_TAKEN_OVER, "another connection took the session over")


class _Left(Receipt):
    """It is known that this node stops."""

    def __init__(self, then: Callable[[], None]) -> None:
        super().__init__(False)
        self._then = then

    def applied(self) -> None:
        self._then()


class _LookAfter(Timer):
    __slots__ = ("_port",)

    def __init__(self, port: ReplicatedPort) -> None:
        super().__init__()
        self._port = port

    def fire(self, now: float) -> float:
        self._port.look_after(now)
        return now + LOOK_AFTER_S


class _Nowhere(Replicator):
    """Until there is something to replicate on."""

    def submit(self, command: bytes, done: Callable[[int], None]) -> None:
        """Nobody is there."""
        raise RuntimeError("the cluster isn't running")

    def send(self, node_id: int, kind: int, body: bytes) -> bool:
        """Nobody is there."""
        return False


def _nobody(_: Any) -> None:
    """Nobody wants to know."""


def _nothing() -> None:
    """There is nothing to do."""
