"""Elections: asked for beforehand, one vote a node, none forced by our own stall; a silent leader is forgotten."""

from typing import Final

from rmq_cluster.raft.amnesia import Amnesia
from rmq_cluster.raft.core import CANDIDATE, LEADER, Core
from rmq_cluster.raft.messages import PreVote, PreVoted, Stale, TakeOver, Vote, Voted

# A majority that would vote for us is good for this long, in seconds.
CONSENT_TIME: Final = 0.2


class Elections:
    """When this node stands, and for whom it votes."""

    def __init__(self, core: Core, amnesia: Amnesia) -> None:
        self._core = core
        self._amnesia = amnesia
        self.heard_at = float("-inf")
        self._ticked_at = core.clock()
        self._asking: int | None = None  # the term of the pre-vote that is on
        self._would_vote: set[int] = set()
        self._consent: tuple[int, float] | None = None  # term, when
        self._voted: set[int] = set()
        self._voted_term = 0

    def heard_leader(self) -> None:
        """An append of a term that isn't over came in."""
        self.heard_at = self._core.clock()
        self._asking = self._consent = None

    # -- before each tick ------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Before the core's own tick, which begins an election when the deadline is over."""
        core = self._core
        now = core.clock()
        late = now - self._ticked_at
        self._ticked_at = now
        if core.state == LEADER:
            return
        self._spare_after_stall(now, late)
        self._forget_silent_leader(now)
        if not core.is_voter() or not self._amnesia.may_stand(core.log.last_term, core.log.last_index):
            core.deadline = now + core.options.election_min
            core.is_taking_over = False
        elif not core.others:
            core.deadline = 0.0
        elif not core.is_taking_over:
            self._ask_first(now)

    def _spare_after_stall(self, now: float, late: float) -> None:
        # It was this node that stood still: what the leader said meanwhile isn't read yet.
        if late > self._core.options.election_min / 2:
            self._core.deadline = max(self._core.deadline, now + self._core.options.election_min)

    def _forget_silent_leader(self, now: float) -> None:
        # Else proposals would go to nobody, until the election.
        core = self._core
        leader = core.leader
        if leader is None or leader == core.node_id:
            return
        if leader not in core.connected or now - self.heard_at > core.options.election_max:
            core.leader = None

    def _ask_first(self, now: float) -> None:
        # Else a node that comes back deposes a healthy leader by its higher term.
        core = self._core
        if core.deadline >= now:
            return
        consent, self._consent = self._consent, None
        if consent is not None and consent[0] == core.term and now - consent[1] < CONSENT_TIME:
            self._asking = None
            return
        options = core.options
        spread = options.election_max - options.election_min
        core.deadline = now + (options.election_min + spread * core.random.random()) / 2
        self._asking = core.term + 1
        self._would_vote = {core.node_id}
        for peer in sorted(core.others & core.connected):
            core.send(peer, PreVote(core.term + 1, core.log.last_index, core.log.last_term))
        self._count()

    # -- messages --------------------------------------------------------------------------------------------------

    def receive_pre_vote(self, peer: int, message: PreVote) -> None:
        """Somebody asks whether we would vote for it."""
        core = self._core
        since = core.clock() - self.heard_at
        log = core.log
        if core.state == LEADER or since < core.options.election_min or not core.is_voter():
            return
        if not self._amnesia.may_vote_for(message.last_term, message.last):
            return
        if (message.last_term, message.last) >= (log.last_term, log.last_index):
            core.send(peer, PreVoted(message.term, core.term))

    def receive_pre_voted(self, peer: int, message: PreVoted) -> None:
        """Somebody would vote for us."""
        core = self._core
        if message.term != self._asking or core.state == LEADER or peer not in core.others:
            return
        if message.own_term > core.term:
            core.adopt_term(message.own_term, 0)
        self._would_vote.add(peer)
        self._count()

    def _count(self) -> None:
        core = self._core
        if len(self._would_vote & (core.others | {core.node_id})) * 2 > len(core.others) + 1:
            self._consent = (core.term, core.clock())
            self._asking = None
            core.deadline = 0.0

    def receive_vote(self, peer: int, message: Vote) -> None:
        """A candidate asks for our vote."""
        core = self._core
        if message.term < core.term:
            core.send(peer, Stale(core.term))
        elif self._amnesia.may_vote_for(message.last_term, message.last):
            core.deliver(peer, message)

    def receive_voted(self, peer: int, message: Voted) -> None:
        """Somebody votes for us."""
        core = self._core
        if core.state != CANDIDATE or message.term != core.term or not self._is_first_vote(peer):
            return
        core.deliver(peer, message)

    def _is_first_vote(self, peer: int) -> bool:
        # The core counts messages, not nodes, whoever sends them.
        core = self._core
        if self._voted_term != core.term:
            self._voted_term = core.term
            self._voted.clear()
        if peer not in core.others or peer in self._voted:
            return False
        self._voted.add(peer)
        return True

    def forget_vote(self, peer: int) -> None:
        """This node lost its disk: whatever it voted, it may vote again."""
        core = self._core
        if core.state == CANDIDATE and self._voted_term == core.term and peer in self._voted:
            self._voted.discard(peer)
            core.votes -= 1

    def receive_stale(self, peer: int, message: Stale) -> None:
        """A member's term is after ours."""
        if peer in self._core.others and message.term > self._core.term:
            self._core.adopt_term(message.term, 0)

    def receive_take_over(self, peer: int, message: TakeOver) -> None:
        """The leader wants us to stand at once."""
        core = self._core
        if core.is_voter() and self._amnesia.may_stand(core.log.last_term, core.log.last_index):
            core.deliver(peer, message)
