"""Raft, its log and the port, driven together: what was proposed goes in, what is committed is applied, the log synced.

No I/O but that of the log, and no task: whoever owns it calls ``turn`` when something came in, and every 20 ms.
"""

from collections.abc import Callable
from random import Random
from typing import Final, Protocol

import structlog

from rmq.engine.ports import Replicator
from rmq_cluster.contact import Contact
from rmq_cluster.disk import Disk
from rmq_cluster.identity import Position
from rmq_cluster.options import ClusterOptions
from rmq_cluster.port import Port
from rmq_cluster.raft.log import RaftLog
from rmq_cluster.raft.members import Members
from rmq_cluster.raft.node import RaftNode
from rmq_cluster.raft.options import Outcome, RaftOptions
from rmq_cluster.recover import go_alone

log = structlog.get_logger(__name__)

# How often a turn goes round because applying has brought something new to propose.
ROUNDS: Final = 3
LEADER: Final = "leader"
SYNC_PAUSE_S: Final = 0.1  # between two syncs of the log where no acknowledgement waits for that
FRAME_ROOM: Final = 64 * 1024  # what a frame has beside a command
NEVER_S: Final = 1e9


class Watcher(Protocol):
    """Who is told of what happens in the group."""

    def snapshot_needed(self, peer: int) -> None:
        """A member needs what the log no longer has."""

    def members_changed(self, voters: tuple[int, ...], observers: tuple[int, ...]) -> None:
        """A change of membership is committed."""

    def role_changed(self, role: str, leader: int | None) -> None:
        """This node's role, or the leader that it knows, is another."""

    def snapshot_taken(self, index: int) -> None:
        """The port has a snapshot up to an index safe on disk."""

    def progressed(self) -> None:
        """More is applied, or synced, than before."""

    def stepped_out(self, reason: str) -> None:
        """This node can't go on as a member."""


class Replication(Replicator):
    """``send_raft`` sends a message of Raft, ``send_data`` a frame on the DATA connection; ``wake``: have a turn soon.

    ``failed`` says why this node has stepped out, "" while it is sound; at ``fatal`` exceptions of the port it must.
    ``on_bug`` is told of exceptions that should not have been.
    """

    def __init__(
        self,
        node_id: int,
        raft_log: RaftLog,
        port: Port,
        watcher: Watcher,
        disk: Disk,
        *,
        send_raft: Callable[[int, bytes], None],
        send_data: Callable[[int, int, bytes], bool],
        wake: Callable[[], None],
        clock: Callable[[], float],
        random: Random,
        options: ClusterOptions,
        on_bug: Callable[[str, Exception], None],
        fatal: tuple[type[Exception], ...] = (),
    ) -> None:
        self._on_bug = on_bug
        self.node_id = node_id
        self.log = raft_log
        self.port = port
        self.failed = ""
        self.raft: RaftNode | None = None
        self._watcher = watcher
        self._disk = disk
        self._send_raft = send_raft
        self._send_data = send_data
        self._wake = wake
        self._clock = clock
        self._random = random
        times = options.raft
        self._options = RaftOptions(
            election_min=times.election_min,
            election_max=times.election_max,
            heartbeat=times.heartbeat,
            leader_timeout=times.leader_fallback,
            kept_bytes=options.log_kept,
            max_command=options.link_max_frame - FRAME_ROOM,
        )
        self._fatal = fatal
        self._in_turn = False
        self._dirty = False
        self._syncing = False
        self._told_synced = 0
        self._quorum = False
        self._progress = (0, 0)
        self._sync_pause = 0.0 if options.sync_at_once else SYNC_PAUSE_S
        self._sync_at = 0.0
        self.contact = Contact()
        self._last_submitted = 0
        self._submitted: dict[int, Callable[[int], None]] = {}
        self._refused: list[Callable[[int], None]] = []

    # The start

    def start(self, voters: tuple[int, ...], installing: Position | None, *, votes: bool) -> None:
        """Begin to take part; ``voters`` counts for a log that knows no members. Raises ``OSError``, ``ValueError``.

        ``installing`` is where another node's snapshot stands, if the last process ended while it was put in place.
        """
        raft_log, port = self.log, self.port
        index, term = port.snapshot_index, port.snapshot_term
        if index > raft_log.last_index or (index > raft_log.base_index and raft_log.term_at(index) != term):
            # The snapshot is safe and the log doesn't lead to it: the power went, or the snapshot is another node's.
            members = raft_log.members if raft_log.members.voters else Members(voters)
            if installing is not None and installing.index == index:
                members = Members(installing.voters, installing.observers)
            raft_log.reset(index, term, members)
        port.replicator = self
        port.on_snapshot = self._watcher.snapshot_taken
        self._make(voters, votes=votes)

    def _make(self, voters: tuple[int, ...], *, votes: bool) -> None:
        self.raft = RaftNode(
            self.node_id,
            voters,
            self.log,
            self,
            self._send_raft,
            self._clock,
            self._random,
            self._options,
            applied=max(self.port.applied_index, self.log.base_index),
            votes=votes,
            on_bug=self._on_bug,
        )
        self.port.voters = self.raft.voters

    def go_alone(self) -> None:
        """Go on as the only member, from what is in this node's log. Raises ``OSError``."""
        assert self.raft is not None
        self.raft = None
        go_alone(self.log, self.node_id)
        self._make((self.node_id,), votes=True)
        submitted, self._submitted = self._submitted, {}
        for done in submitted.values():
            done(Outcome.UNKNOWN)
        self._wake()

    # What the port needs (Replicator)

    def submit(self, command: bytes, done: Callable[[int], None]) -> None:
        """Have a command committed."""
        if self.raft is None or self.failed:
            self._refused.append(done)
            return
        self._last_submitted += 1
        number = self._last_submitted
        self._submitted[number] = done
        self.raft.propose(command, lambda outcome: self._done(number, outcome))
        self._dirty = True
        if not self._in_turn:
            self._wake()

    def _done(self, number: int, outcome: int) -> None:
        done = self._submitted.pop(number, None)
        if done is not None:
            done(outcome)

    def send(self, node_id: int, kind: int, body: bytes) -> bool:
        """Send something to another node on the DATA connection."""
        return not self.failed and self._send_data(node_id, kind, body)

    # Driving

    def receive(self, peer: int, frames: list[bytes]) -> None:
        """Messages of Raft, then a turn. Raises ``BadMessage``."""
        if self.raft is None or self.failed:
            return
        try:
            for frame in frames:
                self.raft.receive(peer, frame)
        except OSError as error:
            self._fail("log", error)
            return
        self.advance()

    def link_up(self, peer: int) -> None:
        """Messages can be sent to a member whose Raft runs."""
        self._guarded(lambda raft: raft.link_up(peer))

    def link_down(self, peer: int) -> None:
        """They can't any more."""
        self._guarded(lambda raft: raft.link_down(peer))

    def turn(self) -> None:
        """Propose what waits; called so often that nothing else is done when nothing does."""
        if self._in_turn:
            return
        self._turn_port()
        if self._dirty:
            self.advance()

    def _turn_port(self) -> None:
        self._in_turn = True
        try:
            self.port.turn()
        finally:
            self._in_turn = False

    def advance(self) -> None:
        """Propose what waits, go on with the log, apply what is committed."""
        raft = self.raft
        if self._in_turn:
            return
        if raft is not None and raft.is_stopped:
            self.step_out("a bug in its part of the group, the log says which")
        if raft is None or self.failed:
            self._turn_port()
            refused, self._refused = self._refused, []
            for done in refused:
                done(Outcome.REFUSED)
            return
        if self.log.synced < self._told_synced:
            self._tell_synced()  # a leader has replaced the end of the log: what was synced there is gone
        self._in_turn = True
        more = False
        before = raft.applied_index
        try:
            for _ in range(ROUNDS):
                self.port.turn()
                self._dirty = False
                more = raft.tick()
                self.port.turn()
                if not self._dirty:
                    break
        except OSError as error:
            self._fail("log", error)
            return
        finally:
            self._in_turn = False
        # What is refused for want of a leader and proposed again at once isn't worth another turn.
        if more or (self._dirty and raft.applied_index != before):
            self._wake()
        self._sync()
        self.port.contact(self.contact.age(raft, self._clock(), leads=raft.role == LEADER))
        self._look()

    def _look(self) -> None:
        raft = self.raft
        assert raft is not None
        if raft.has_quorum != self._quorum:
            self._quorum = raft.has_quorum
            self.port.set_quorum(self._quorum)
        progress = (self.port.applied_index, self.log.synced)
        if progress != self._progress:
            self._progress = progress
            self._watcher.progressed()

    def _sync(self) -> None:
        if self._syncing or self.log.synced >= self.log.last_index:
            return
        now = self._clock()
        if now < self._sync_at:
            return
        self._sync_at = now + self._sync_pause
        self._syncing = True
        self._disk.submit(self.log.sync, self._synced)

    def _synced(self, _: object, error: Exception | None) -> None:
        self._syncing = False
        if self.failed or self.raft is None:
            return
        if error is not None:
            self._fail("log sync", error)
            return
        self._tell_synced()
        self._sync()
        self._look()
        self._wake()

    def _tell_synced(self) -> None:
        self._told_synced = self.log.synced
        self.port.own_synced(self._told_synced)

    def _guarded(self, call: Callable[[RaftNode], None]) -> None:
        if self.raft is None or self.failed:
            return
        try:
            call(self.raft)
        except OSError as error:
            self._fail("log", error)
            return
        self._wake()

    def _fail(self, what: str, error: Exception) -> None:
        reason = getattr(error, "strerror", None) or str(error)
        self.step_out(f"{what}: {reason}")

    def step_out(self, reason: str) -> None:
        """Acknowledge nothing more: others go on without this node."""
        if self.failed:
            return
        self.failed = reason
        log.error("this node steps out of the cluster", reason=reason)
        self.port.is_leader = False
        self.port.set_quorum(False)
        self.port.step_out(reason)
        self._watcher.stepped_out(reason)

    # What Raft tells (StateMachine)

    def apply(self, index: int, term: int, command: bytes) -> None:
        """A command is committed."""
        if self.failed:
            return
        try:
            self.port.apply(index, term, command)
        except self._fatal as error:
            # Going on without it would make this node's state another one than that of the others.
            self.step_out(str(error))

    def snapshot_needed(self, peer: int) -> None:
        """A member needs what the log no longer has."""
        self._watcher.snapshot_needed(peer)

    def members_changed(self, voters: tuple[int, ...], observers: tuple[int, ...]) -> None:
        """A change of membership is committed."""
        self.port.voters = voters
        self._watcher.members_changed(voters, observers)

    def role_changed(self, role: str, leader: int | None) -> None:
        """This node's role, or the leader that it knows, is another."""
        self.port.is_leader = role == LEADER
        self._watcher.role_changed(role, leader)

    # Snapshots

    def snapshot_taken(self, index: int) -> None:
        """A snapshot up to an index is safe on disk: the log before it isn't needed any more."""
        if index > self.log.base_index:
            self._guarded(lambda raft: raft.compact(index))

    def hold(self) -> None:
        """Apply nothing until ``release``: the state is being replaced by a snapshot."""
        if self.raft is not None:
            self.raft.is_held = True

    def release(self) -> None:
        """Go on applying."""
        if self.raft is not None:
            self.raft.is_held = False
        self._wake()

    def installed(self, index: int, term: int, members: Members) -> None:
        """The port has loaded another node's snapshot."""
        self._guarded(lambda raft: raft.installed(index, term, members))

    # The end

    def close(self, *, clean: bool) -> None:
        """Nothing is proposed or applied any more. Raises nothing: what can't be written is logged."""
        self.raft = None
        try:
            self.log.close(clean=clean and not self.failed)
        except OSError as error:
            log.error("the end of the log can't be written", error=error.strerror)

    def contact_age(self) -> float:
        """For how many seconds this node may have missed what the others decided; large before it takes part."""
        return NEVER_S if self.raft is None or self.failed else self.raft.contact_age()

    @property
    def role(self) -> str:
        """What this node is in the group; "" before it takes part."""
        return "" if self.raft is None or self.failed else self.raft.role

    @property
    def is_leader(self) -> bool:
        """Whether this node leads."""
        return self.role == LEADER

    @property
    def leader(self) -> int | None:
        """The leader that this node knows."""
        return None if self.raft is None or self.failed else self.raft.leader
