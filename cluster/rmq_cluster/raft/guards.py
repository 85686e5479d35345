"""What is let through of appends and their answers: the protocol core itself would lose committed entries.

Each method names what goes wrong without it; tests/unit/cluster/raft/test_guards.py shows each.
"""

from rmq_cluster.raft.amnesia import Amnesia
from rmq_cluster.raft.core import LEADER, Core
from rmq_cluster.raft.elections import Elections
from rmq_cluster.raft.messages import Ack, Append, BadMessage, Stale
from rmq_cluster.raft.replication import Replication


class Guards:
    """Stands between the links and the core, for appends in and for acks in and out."""

    def __init__(self, core: Core, amnesia: Amnesia, elections: Elections, replication: Replication) -> None:
        self._core = core
        self._amnesia = amnesia
        self._elections = elections
        self._replication = replication
        self._ack_up_to: int | None = None  # what the append being handled verified, where the core would say more
        self._number = 0

    # -- a follower ------------------------------------------------------------------------------------------------

    def receive_append(self, peer: int, message: Append) -> None:
        """Entries of a leader, or its heartbeat."""
        core = self._core
        if not self._amnesia.accepts_appends:
            return
        if message.term < core.term:
            self._tell_term(peer)
            return
        self._elections.heard_leader()
        self._number = message.number
        kept = self._without_known(self._committing_verified(message))
        self._amnesia.heard_leader(message.term, message.last)
        self._core.deliver(peer, kept)
        self._ack_up_to = None
        verified = message.previous + len(message.entries)
        if core.log.term_at(verified) == (message.entries[-1][2] if message.entries else message.previous_term):
            self._amnesia.verified(verified)

    def _tell_term(self, peer: int) -> None:
        # Else a node whose term is ahead, after an election that it lost, would be out for good.
        self._core.send(peer, Stale(self._core.term))

    def _committing_verified(self, message: Append) -> Append:
        # The core commits up to its own last entry, which this append may say nothing about.
        verified = message.previous + len(message.entries)
        return message if message.commit <= verified else message._replace(commit=verified)

    def _without_known(self, message: Append) -> Append:
        # The core cuts off everything behind the previous entry, known or not: entries that it acknowledged before.
        log = self._core.log
        if log.term_at(message.previous) != message.previous_term:
            return message
        entries = message.entries
        known = 0
        while known < len(entries) and log.term_at(entries[known][1]) == entries[known][2]:
            known += 1
        verified = message.previous + len(entries)
        if known == len(entries) and verified < log.last_index:
            self._ack_up_to = verified
            return message._replace(previous=log.last_index, previous_term=log.last_term, entries=[])
        if known:
            return message._replace(previous=entries[known - 1][1], previous_term=entries[known - 1][2],
                                    entries=entries[known:])  # fmt: skip
        return message

    def outgoing_ack(self, following: int, *, success: bool, reset: bool) -> Ack:
        """What the core answers to an append, as it may be sent."""
        core = self._core
        if success and self._ack_up_to is not None:
            following = self._ack_up_to + 1
        elif reset:
            following = self._backed_up(following)
        return Ack(core.term, self._number, following, success, reset)

    def _backed_up(self, following: int) -> int:
        # The core goes back one entry a round trip.
        return min(following, self._core.commit + 1) if following <= self._core.log.last_index else following

    # -- a leader --------------------------------------------------------------------------------------------------

    def receive_ack(self, peer: int, message: Ack) -> None:
        """A member's answer to an append. Raises ``BadMessage``."""
        core = self._core
        if message.term > core.term:
            if peer in core.others:
                core.adopt_term(message.term, 0)
            return
        if core.state != LEADER or peer not in core.next_index or not self._is_of_this_term(message):
            return
        if not 0 < message.following <= core.log.last_index + 1:
            raise BadMessage(
                f"node {peer} acknowledges {message.following - 1}, the last entry is {core.log.last_index}"
            )
        if message.reset and not self._is_new_reset(peer, message):
            message = message._replace(reset=False)
        before = core.next_index[peer]
        core.deliver(peer, message)
        if message.reset:
            core.next_index[peer] = max(core.next_index[peer], core.match_index[peer] + 1)
            self._replication.begin_again(peer)
        elif message.success:
            core.next_index[peer] = self._not_rewound(before, core.next_index[peer])
            self._replication.acknowledged(peer, message.following - 1)

    def _is_of_this_term(self, message: Ack) -> bool:
        # An ack says what a log holds in the term in which it was sent; the core doesn't ask.
        return message.term == self._core.term

    def _is_new_reset(self, peer: int, message: Ack) -> bool:
        # One reset a round trip: the answers to a burst each name another entry, and the core never gets past them.
        return message.number > self._replication.answered_before(peer)

    def _not_rewound(self, before: int, after: int) -> int:
        # Entries behind this one are on their way; the core would send them all again, with every ack.
        return max(before, after)
