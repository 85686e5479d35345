"""The port of a member of a cluster: operations are replicated in commands, then applied, then answered."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import structlog

from rmq.engine import disconnect
from rmq.engine.digesting import Digesting
from rmq.engine.forwards import Forwards
from rmq.engine.member_options import MemberOptions
from rmq.engine.member_receipts import Claimed
from rmq.engine.ports import APPLIED, Nowhere, Replicator
from rmq.engine.routes_lease import RoutesLease
from rmq.engine.stored_port import RETRY_S, Again, StoredPort
from rmq.engine.timers import StandingTimer
from rmq.flow.context import STORAGE_FAILED, STORAGE_HELD, STORAGE_READY
from rmq.mqtt import codes
from rmq.mqtt.packets import Will
from rmq.session.receipts import Receipt
from rmq.storage.cluster_records import ClaimClient, NodeUp, ReleaseClient
from rmq.storage.codec import decode_operation
from rmq.storage.fields import as_int
from rmq.storage.packing import packer, unpack_all
from rmq.storage.records import Operation
from rmq.storage.recovery import Found

if TYPE_CHECKING:
    from rmq.engine.broker import Broker

log = structlog.get_logger(__name__)

# Operations of this level and below are known to this program.
OPERATION_LEVEL: Final = 2
# What one command may hold; a single larger operation goes alone.
MAX_OPERATIONS: Final = 1000
MAX_BYTES: Final = 256 * 1024
# When a command that was refused, for there is no leader, is proposed again.
SUBMIT_AGAIN_S: Final = 0.05
# How often it is looked whether somebody has waited too long (s).
LOOK_AFTER_S: Final = 0.2


class ReplicatedPort(StoredPort):
    """Commands are numbered by their place in the replicated log, and this node's own ones by incarnation and sequence.

    One of them is under way at a time. ``replicator`` is what it is under way on, set before anything else is called;
    ``is_leader``: this node decides what is due. ``voters`` are those whose disks count. ``incarnation`` is 0 before
    this node is up for the first time.
    """

    replicates = True

    def __init__(self, broker: "Broker", found: Found, options: MemberOptions, wake: Callable[[], None]) -> None:
        super().__init__(broker, found, options, wake)
        self.member = options
        self.node_id = broker.node_id
        self.replicator: Replicator = Nowhere()
        self.is_leader = False
        self.voters: tuple[int, ...] = ()
        self.incarnation = 0
        self.log.replicated = True
        self.forwarding = Forwards(broker, self._send, options.forward_deadline_s)
        self.pack = packer()
        self.term = found.term
        self.bytes_since_snapshot = 0
        self.command = b""
        self.sequence = 0
        self.submitted = False
        self._applied: dict[int, int] = {}
        self._synced: dict[int, int] = {}
        self.has_quorum = False
        self.lease = RoutesLease(self)
        self._lost_at = 0.0
        self._again_at = 0.0
        self._progress_at = 0.0
        self._looked_at = broker.touch_clock()
        self._stepped_out = False
        self._moved = False
        self.digests = Digesting(broker.state)
        broker.ctx.storage = STORAGE_FAILED
        broker.ctx.no_answer = "no majority of the cluster answers"
        broker.timers.enter(_LookAfter(self), broker.touch_clock() + LOOK_AFTER_S)

    # Proposing

    @property
    def decides(self) -> bool:
        """The leader does."""
        return self.is_leader and self.broker.ctx.storage == STORAGE_READY

    def propose(self, operation: Operation, receipt: Receipt | None = None) -> bool:
        """Have it in the next command; behind the last one, that this node stops, there is none."""
        if self.is_leaving:
            return False
        self.log.append(operation, receipt)
        if self.log.pending_bytes > self.options.pending_limit:
            self.check_room()
        return False

    def claim(
        self, client_id: str, will: Will | None, claimed: Callable[[int], None], refused: Callable[[], None]
    ) -> None:
        """Claim it by an operation: whoever is later in the log has it."""
        claim = ClaimClient(client_id, self.node_id, will)
        self.propose(claim, Claimed(self, claim, claimed, refused))

    def release(self, client_id: str, epoch: int) -> None:
        """Give a claim back."""
        self.propose(ReleaseClient(client_id, epoch))

    def turn(self) -> None:
        """At the end of each turn: replicate what was proposed, send what is to be forwarded, act on disk outcomes."""
        self.writer.collect()
        self.reader.collect()
        self.forwarding.flush()
        self.submit_join()
        if self.incarnation and not self.submitted and self._is_up():
            if not self.command and self.log.has_proposed():
                self._begin()
            if self.command and self.broker.ctx.now >= self._again_at:
                self.submitted = True
                self.replicator.submit(self.command, self._done)
        self.digests.go_on()
        if self._moved:
            self._moved = False
            self._after_applying()
        if self.broker.ctx.dirty:
            self.broker.flush()

    def submit_join(self) -> None:
        """Have this node be up, if that is asked for and not under way."""

    def _is_up(self) -> bool:
        record = self.broker.state.cluster.nodes.get(self.node_id)
        return record is not None and record.up and record.incarnation == self.incarnation

    def _begin(self) -> None:
        self.sequence += 1
        data = self.log.take(MAX_OPERATIONS, MAX_BYTES)
        self.command = self.header() + data

    def header(self) -> bytes:
        return self.pack([OPERATION_LEVEL, self.node_id, self.incarnation, self.sequence])

    def _done(self, outcome: int) -> None:
        # Whatever became of it: until it is applied the same command is proposed again, and applied once.
        self.submitted = False
        if outcome != APPLIED:
            self._again_at = self.broker.touch_clock() + SUBMIT_AGAIN_S

    # Applying

    def apply(self, index: int, term: int, command: bytes) -> None:
        """Apply a committed command. Raises ``UnknownOperation``: the state would not be that of the others."""
        broker = self.broker
        broker.touch_clock()
        state = broker.state
        self.term = term
        self.bytes_since_snapshot += len(command)
        self._moved = True
        broker.ctx.index = index
        if command == self.command and self._is_own_next():
            self.command = b""
            self._progress_at = broker.ctx.now
            state.is_own = True
            self.log.complete(index)
            if broker.ctx.storage == STORAGE_FAILED:
                self.look_at_quorum()
        else:
            state.is_own = False
            self._apply_other(command)
            state.is_own = True
            self.log.pass_over(index)
        self.digests.applied(index)

    def _is_own_next(self) -> bool:
        return self.broker.state.cluster.begin_batch(self.node_id, self.incarnation, self.sequence)

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
        self.check_room()
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
        is_waited_for = self.log.waits_elsewhere() or self.log.wants_sync()
        self._tell_everywhere()
        self._tell_synced()
        if is_waited_for:
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
        """The link with another node is gone: how far it is counts again when it says so over the next one.

        It may come back with less than it had.
        """
        self._applied.pop(node_id, None)
        self._synced.pop(node_id, None)
        self.forwarding.lost(node_id)

    def _send(self, node_id: int, kind: int, body: bytes) -> bool:
        return self.replicator.send(node_id, kind, body)

    def contact(self, age: float) -> None:
        """How long ago, in seconds, it was certain that others count this node as up."""
        self.lease.contact(age)

    # Whether work can be done

    def set_quorum(self, has_quorum: bool) -> None:
        """Whether a majority is in contact."""
        self.has_quorum = has_quorum
        self.look_at_quorum()

    def look_at_quorum(self) -> None:
        ctx = self.broker.ctx
        if self._stepped_out or not self.incarnation:
            return
        if self.has_quorum:
            self.lease.end_alone()
            if ctx.storage == STORAGE_FAILED:
                ctx.storage = STORAGE_HELD
                log.info("a majority is in contact: work goes on")
            self.check_room()
        elif ctx.storage != STORAGE_FAILED:
            self._lost_at = self.broker.touch_clock()
            ctx.storage = STORAGE_HELD

    def look_after(self, now: float) -> None:
        """Every now and then: whoever has waited for too long is told that nobody knows."""
        self.forwarding.look_after(now)
        stood_still = max(now - self._looked_at - 2 * LOOK_AFTER_S, 0.0)
        self._looked_at = now
        self._progress_at += stood_still  # nobody has waited while this process stood still
        self._lost_at += stood_still
        ctx = self.broker.ctx
        if not self.incarnation or self._stepped_out:
            return
        waits = bool(self.command) or self.log.has_proposed()
        if not waits:
            self._progress_at = now
        since = self._progress_at if self.has_quorum else min(self._lost_at, self._progress_at)
        if now - since < self.member.quorum_timeout_s:
            return
        if ctx.storage != STORAGE_FAILED:
            log.error("nothing is agreed on: what needs a majority is refused", has_quorum=self.has_quorum)
            ctx.storage = STORAGE_FAILED
            if self.member.serves_alone and not self.has_quorum:
                self.lease.go_on_alone()
            self.broker.storage_waits.go_on()
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

    def check_room(self) -> None:
        ctx = self.broker.ctx
        if ctx.storage == STORAGE_FAILED or not self.has_quorum:
            return
        options = self.options
        was_held = ctx.storage == STORAGE_HELD
        pending_limit = options.pending_limit // 2 if was_held else options.pending_limit
        over_disk = bool(options.disk_budget) and self.disk_bytes > options.disk_budget
        if self.pending_bytes > pending_limit or over_disk or self.error:
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
        self.check_room()

    def distrust(self, error: OSError) -> None:
        """Nothing is synced here."""

    def room_changed(self) -> None:
        """A snapshot has changed what the data takes on disk."""
        self.check_room()


class _LookAfter(StandingTimer):
    __slots__ = ("_port",)

    def __init__(self, port: ReplicatedPort) -> None:
        super().__init__()
        self._port = port

    def fire(self, now: float) -> float:
        self._port.look_after(now)
        return now + LOOK_AFTER_S
