"""A member of a Raft group, as the rest of the node sees it; no clock, no links and no thread of its own."""

import random as random_module
from collections.abc import Callable

import structlog

from rmq_cluster.raft.core import LEADER
from rmq_cluster.raft.driver import Driver
from rmq_cluster.raft.entries import COMMAND, MEMBERS
from rmq_cluster.raft.log import RaftLog
from rmq_cluster.raft.machine import StateMachine
from rmq_cluster.raft.members import ADD_OBSERVER, ADD_VOTER, REMOVE, Members
from rmq_cluster.raft.options import Outcome, RaftOptions
from rmq_cluster.raft.proposals import Done, change_content


class RaftNode:
    """One node's part in the replicated log.

    ``members`` are the voters of a log that knows none yet; afterwards the log knows. A node that isn't among them
    listens until an entry makes it a member. ``applied`` is the index that the machine's recovered state stands at.
    ``send`` gets a peer and a frame; it may drop the frame. All calls come from one thread. An ``OSError`` out of any
    of them (the disk), or another exception, stops the node for good: it does nothing any more. ``on_bug`` is told
    what was called, and the exception of the machine or of a ``done``.
    Raises ``ValueError`` when ``applied`` isn't between the log's base and its end, ``OSError``.
    """

    def __init__(
        self,
        node_id: int,
        members: tuple[int, ...],
        log: RaftLog,
        machine: StateMachine,
        send: Callable[[int, bytes], None],
        clock: Callable[[], float],
        random: random_module.Random,
        options: RaftOptions,
        *,
        applied: int,
        votes: bool = True,
        on_bug: Callable[[str, Exception], None] | None = None,
    ) -> None:
        if not log.members.voters:
            voters = members if votes else tuple(node for node in members if node != node_id)
            log.reset(log.base_index, log.base_term, Members(tuple(sorted(set(voters)))))
        if not log.base_index <= applied <= log.last_index:
            raise ValueError(f"the state stands at {applied}, the log goes from {log.base_index} to {log.last_index}")
        self._log = log
        self._core = Driver(node_id, log, machine, send, clock, random, options, applied, on_bug or _log_bug)

    # -- how it stands ---------------------------------------------------------------------------------------------

    @property
    def role(self) -> str:
        """``leader``, ``candidate``, ``follower``, or ``observer``: one that doesn't vote."""
        return self._core.role

    @property
    def term(self) -> int:
        """The term it is in."""
        return int(self._core.term)

    @property
    def leader(self) -> int | None:
        """The leader it knows, maybe itself."""
        leader = self._core.leader
        return None if leader is None else int(leader)

    @property
    def commit_index(self) -> int:
        """The last entry known to be committed."""
        return int(self._core.commit)

    @property
    def applied_index(self) -> int:
        """The last entry that the machine was given."""
        return int(self._core.applied)

    @property
    def last_index(self) -> int:
        """The last entry of the log."""
        return self._log.last_index

    @property
    def voters(self) -> tuple[int, ...]:
        """Who votes, by the newest entry that says so."""
        return self._log.members.voters

    @property
    def observers(self) -> tuple[int, ...]:
        """Who doesn't vote."""
        return self._log.members.observers

    @property
    def is_cold(self) -> bool:
        """It may have forgotten something, so it doesn't vote before it caught up; see ``amnesia``."""
        return self._core.amnesia.is_cold

    @property
    def is_stopped(self) -> bool:
        """An error ended this node's part."""
        return self._core.is_stopped

    @property
    def has_quorum(self) -> bool:
        """A majority answered this leader, or this follower heard its leader, within the longest election time."""
        return self._core.leader is not None and self.contact_age() <= self._core.options.election_max

    def match_index(self, peer: int) -> int:
        """On a leader: up to where a member's log is known to be the leader's, as written."""
        return self._core.match_index.get(peer, 0)

    def contact_age(self) -> float:
        """Seconds since a leader was heard; on a leader since a majority was, 0 when that is less than an election."""
        core = self._core
        now = core.clock()
        if core.state != LEADER:
            return now - core.elections.heard_at
        answers = sorted((core.answered_at.get(peer, float("-inf")) for peer in core.others), reverse=True)
        needed = (len(answers) + 1) // 2
        age = now - answers[needed - 1] if needed else 0.0
        return age if age > core.options.election_min else 0.0

    # -- what happens ----------------------------------------------------------------------------------------------

    def propose(self, command: bytes, done: Done) -> None:
        """Have a command committed, here or through the leader. ``done`` is told its ``Outcome`` once, never here."""
        self._propose(COMMAND, command, done)

    def _propose(self, kind: int, content: bytes, done: Done) -> None:
        self._core.proposals.propose(kind, content, done)
        if self._core.is_stopped:
            self._core.proposals.stop()

    @property
    def is_held(self) -> bool:
        """Whether the machine is given nothing, whatever is committed: its state is being replaced."""
        return self._core.is_held

    @is_held.setter
    def is_held(self, held: bool) -> None:
        self._core.is_held = held

    def receive(self, peer: int, frame: bytes) -> None:
        """A frame came in; ``tick`` follows the last of a turn. Raises ``BadMessage`` for nonsense: drop the link."""
        self._core.receive(peer, frame)

    def link_up(self, peer: int) -> None:
        """A new connection stands, both ways; for each new one, before its first frame."""
        self._core.run(lambda: self._core.link_up(peer))

    def link_down(self, peer: int) -> None:
        """The connection broke."""
        self._core.run(lambda: self._core.link_down(peer))

    def tick(self) -> bool:
        """After what a turn received and proposed, and every 20 ms. True: more is committed than was applied, go on."""
        self._core.run(self._core.tick)
        core = self._core
        return not core.is_stopped and not core.is_held and core.applied < core.commit

    # -- members, leadership ---------------------------------------------------------------------------------------

    def add_member(self, node: int, done: Done, *, votes: bool = True) -> None:
        """Make a node a member, or an observer a voter. Refused while another change is under way, or if it is one."""
        # A voter listens first, until it has the whole log.
        self._propose(MEMBERS, change_content(ADD_VOTER if votes else ADD_OBSERVER, node), done)

    def remove_member(self, node: int, done: Done) -> None:
        """Make a node no member. A leader that removes itself hands leadership over first."""
        if node != self._core.node_id or self._core.state != LEADER:
            self._propose(MEMBERS, change_content(REMOVE, node), done)
            return

        def handed_over(outcome: int) -> None:
            if outcome == Outcome.APPLIED:
                self._propose(MEMBERS, change_content(REMOVE, node), done)
            else:
                self._core.proposals.settle(done, Outcome.REFUSED)

        self.transfer_leadership(None, handed_over)

    def transfer_leadership(self, to: int | None, done: Done) -> None:
        """Hand leadership to a voter, None: to the one that is furthest. Proposals wait meanwhile.

        Applied: another node leads. Refused: this isn't the leader, nobody is there, or the target didn't catch up in
        time. Unknown: it was asked to take over and didn't yet.
        """
        self._core.leadership.transfer(to, done)

    # -- snapshots -------------------------------------------------------------------------------------------------

    def compact(self, index: int) -> None:
        """A snapshot up to this index is safe on disk: entries before it may go, but for a few that others may need."""
        if index > self._core.applied:
            raise ValueError(f"entry {index} isn't applied, only {self._core.applied}")
        if index > self._log.base_index:
            self._core.run(lambda: self._compact(index))

    def _compact(self, index: int) -> None:
        start = self._log.start_of_batch(index, self._core.options.kept_bytes)
        if start > self._log.base_index:
            self._log.compact(start)

    def installed(self, index: int, term: int, members: Members) -> None:
        """The machine's state was replaced by another node's snapshot, which stands at this entry.

        Raises ``ValueError`` when the state was further already.
        """
        if index < self._core.applied:
            raise ValueError(f"a snapshot of {index} on a state of {self._core.applied}")
        self._core.run(lambda: self._install(index, term, members))

    def _install(self, index: int, term: int, members: Members) -> None:
        core, log = self._core, self._log
        if log.term_at(index) == term:
            log.commit = max(log.commit, index)
        else:
            log.reset(index, term, members)
        core.commit = log.commit
        core.applied = index
        core.proposals.passed(index)
        core.tell_members(members)


def _log_bug(what: str, error: Exception) -> None:
    structlog.get_logger(__name__).error("a bug was met", what=what, exc_info=error)
