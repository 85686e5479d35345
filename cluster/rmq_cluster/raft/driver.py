"""One turn after the other: the core and its guards get what came in, then everything that follows goes out."""

import random
from collections.abc import Callable
from typing import Any, Final

from rmq_cluster.raft.amnesia import Amnesia
from rmq_cluster.raft.core import LEADER, Core
from rmq_cluster.raft.elections import Elections
from rmq_cluster.raft.entries import COMMAND, MEMBERS
from rmq_cluster.raft.guards import Guards
from rmq_cluster.raft.leadership import Leadership
from rmq_cluster.raft.library import Peer, Pysyncobj
from rmq_cluster.raft.log import RaftLog
from rmq_cluster.raft.machine import StateMachine
from rmq_cluster.raft.members import Members
from rmq_cluster.raft.messages import (
    Ack,
    Append,
    BadMessage,
    Message,
    PreVote,
    PreVoted,
    Propose,
    Proposed,
    Report,
    Stale,
    TakeOver,
    Vote,
    Voted,
    decode,
    encode,
)  # fmt: skip
from rmq_cluster.raft.options import RaftOptions
from rmq_cluster.raft.proposals import Proposals
from rmq_cluster.raft.replication import Replication

ROLES: Final = ("follower", "candidate", "leader")


class Driver(Pysyncobj, Core):
    """A core with its guards, its log and its machine. See ``RaftNode``."""

    def __init__(
        self,
        node_id: int,
        log: RaftLog,
        machine: StateMachine,
        send: Callable[[int, bytes], None],
        clock: Callable[[], float],
        chance: random.Random,
        options: RaftOptions,
        applied: int,
        on_bug: Callable[[str, Exception], None],
    ) -> None:
        self.node_id = node_id
        self.log = log
        self.options = options
        self.clock = clock
        self.random = chance
        self._machine = machine
        self._send_frame = send
        self._on_bug = on_bug
        self._outbox: list[tuple[int, Message]] = []
        self.is_stopped = False
        self.is_held = False
        self._is_busy = False
        self._named: set[int] = set()
        self._parting: dict[int, float] = {}
        self._settled: Members | None = None  # committed, and known to the core
        super().__init__(node_id, log.members.voters, log, clock, chance, options)
        self.applied = applied
        self.commit = log.commit = max(applied, log.commit)
        self.amnesia = Amnesia(self)
        self.elections = Elections(self, self.amnesia)
        self.replication = Replication(self)
        self.guards = Guards(self, self.amnesia, self.elections, self.replication)
        self.proposals = Proposals(self)
        self.proposals.on_members = self.see_members
        self.leadership = Leadership(self, self.proposals)
        self._led_term = -1
        self._told: tuple[str, int | None] = (self.role, None)
        self._seen: tuple[int, int | None] = (self.term, None)
        self._handlers: dict[type, Callable[[int, Any], None]] = {
            Append: self.guards.receive_append,
            Ack: self.guards.receive_ack,
            Vote: self.elections.receive_vote,
            Voted: self.elections.receive_voted,
            PreVote: self.elections.receive_pre_vote,
            PreVoted: self.elections.receive_pre_voted,
            Stale: self.elections.receive_stale,
            TakeOver: self.elections.receive_take_over,
            Propose: self.proposals.receive_propose,
            Proposed: self.proposals.receive_proposed,
            Report: self.amnesia.receive_report,
        }
        self.amnesia.on_lost_all = self.elections.forget_vote
        self.see_members()

    @property
    def role(self) -> str:
        """See ``RaftNode``."""
        return ROLES[self.state] if self.state == LEADER or self.is_voter() else "observer"

    def is_voter(self) -> bool:
        """See ``Core``."""
        # One that is being removed counts until that is committed: until then it may be needed.
        return self.node_id in self.log.members.voters or self.node_id in self.log.members_at(self.commit).voters

    def see_members(self) -> None:
        """Have the core know the members that the log names."""
        log = self.log
        is_settled = log.members_index <= self.commit
        if is_settled and log.members is self._settled and not self._parting:
            return
        self._settled = log.members if is_settled else None
        voters, observers = log.members
        self.self_node = Peer(self.node_id) if self.is_voter() else None
        others, listeners = set(voters) - {self.node_id}, set(observers) - {self.node_id}
        listeners |= self._parting_after(others | listeners)
        if others == self.others and listeners == self.listeners:
            return
        for peer in (self.others | self.listeners) - (others | listeners):
            self.next_index.pop(peer, None)
            self.match_index.pop(peer, None)
        self.others.clear()
        self.others.update(Peer(peer) for peer in sorted(others))
        self.listeners.clear()
        self.listeners.update(Peer(peer) for peer in sorted(listeners))
        for peer in sorted(others | listeners):
            if peer not in self.next_index:
                self.next_index[peer] = log.last_index + 1
                self.match_index[peer] = 0
                self.answered_at[peer] = self.clock()

    def _parting_after(self, named: set[int]) -> set[int]:
        # Who is removed listens for a moment longer, so that it learns of it.
        now = self.clock()
        if self.state == LEADER:
            for peer in self._named - named:
                self._parting[peer] = now + 2 * self.options.election_max
        else:
            self._parting.clear()
        self._named = named
        for peer in [peer for peer, until in self._parting.items() if now > until or peer in named]:
            del self._parting[peer]
        return set(self._parting)

    # -- turns -----------------------------------------------------------------------------------------------------

    def run(self, action: Callable[[], None]) -> None:
        """Do something, then send and tell what follows from it. An exception ends this node's part and goes on up."""
        if self.is_stopped or self._is_busy:
            return
        self._is_busy = True
        try:
            action()
            self._settle()
        except BadMessage:
            raise
        except Exception:
            self._stop()
            raise
        finally:
            self._is_busy = False
            self._tell_outcomes()

    def _settle(self) -> None:
        self.see_members()
        self._see_role()
        self.log.flush()  # nothing is sent that a killed process could forget
        outbox, self._outbox = self._outbox, []
        connected = self.connected
        for peer, message in outbox:
            if peer in connected:
                self._send_frame(peer, encode(message))

    def _see_role(self) -> None:
        seen = (self.term, self.leader)
        if seen != self._seen:
            self._seen = seen
            self.proposals.give_up()
        told = (self.role, self.leader)
        if told != self._told:
            self._told = told
            self.call("role_changed", self._machine.role_changed, *told)

    def _stop(self) -> None:
        self.is_stopped = True
        self._outbox.clear()
        self.leadership.stop()
        self.proposals.stop()

    def _tell_outcomes(self) -> None:
        for done, outcome in self.proposals.take_outcomes():
            self.call("the outcome of a proposal", done, outcome)

    def call(self, what: str, target: Callable[..., None], *args: object) -> None:
        """Call somebody else's code. Its bug is reported and changes nothing here."""
        try:
            target(*args)
        except Exception as error:
            self._on_bug(what, error)

    def receive(self, peer: int, frame: bytes) -> None:
        """See ``RaftNode``."""
        if peer in self.connected:
            message = decode(frame)
            handler = self._handlers[type(message)]
            self.run(lambda: handler(peer, message))

    def tick(self) -> None:
        """See ``RaftNode``."""
        self.amnesia.tick()
        self.elections.tick()
        self.tick_library()
        if self.state == LEADER:
            if not self.others and self.log.last_index > self.commit:
                self.log.flush()
                self.tick_library()  # alone: what was just written is committed
            self._resign_if_removed()
            for peer in self.replication.send():
                self.call("snapshot_needed", self._machine.snapshot_needed, peer)
        self.leadership.tick()

    def _resign_if_removed(self) -> None:
        if not self.is_voter():
            self.step_down()

    def link_up(self, peer: int) -> None:
        """See ``RaftNode``."""
        if peer in self.connected:
            self.link_down(peer)
        self.connected.add(Peer(peer))
        self.replication.link_up(peer)
        self.amnesia.link_up(peer)

    def link_down(self, peer: int) -> None:
        """See ``RaftNode``."""
        self.connected.discard(Peer(peer))
        self.amnesia.link_down(peer)
        if self.leader == peer:
            self.leader = None

    # -- what the library calls, and the guards --------------------------------------------------------------------

    def send(self, peer: int, message: Message) -> None:
        """See ``Core``."""
        self._outbox.append((int(peer), message))

    def outgoing_ack(self, following: int, *, success: bool, reset: bool) -> Ack:
        """See ``Guards``."""
        return self.guards.outgoing_ack(following, success=success, reset=reset)

    def drain(self) -> None:
        """See ``Proposals``."""
        self.proposals.drain()

    def heartbeat(self) -> None:
        """Sends at the end of the tick, once."""
        if self.term != self._led_term:
            self._led_term = self.term
            self.replication.lead()
        self.next_heartbeat = self.clock() + self.options.heartbeat
        self.replication.heartbeat()

    def apply_committed(self) -> None:
        """Give the machine what is committed, for about as long as one tick may take."""
        log = self.log
        if self.commit > log.written:
            log.flush()  # what is applied must not be forgotten by a killed process
        applied, commit = self.applied, self.commit
        if applied >= commit or self.is_held:
            return
        until = self.clock() + self.options.apply_time
        while applied < commit:
            entry, index, term = log.entries[applied + 1 - log.base_index]
            applied = self.applied = index  # first: an exception must not have it applied again
            if entry[0] == COMMAND:
                self.call("apply", self._machine.apply, index, term, entry[1:])
            elif entry[0] == MEMBERS:
                self.tell_members(log.members_at(index))
            self.proposals.applied(index, term)
            if self.clock() > until:
                return

    def tell_members(self, members: Members) -> None:
        """These are the members, committed."""
        self.call("members_changed", self._machine.members_changed, members.voters, members.observers)
