"""A node that may have forgotten what it promised neither votes nor stands until nothing can hang on that.

Lost the tail of its log (power went while it was not synced): it must first hold what a leader's log ended with when
they met. A leader was elected without it, so by a majority that holds everything committed.

Lost everything, its votes included: before that it must hear from so many others that every majority it was once part
of is among them, and take over the highest term; then wait until candidates of that time are gone.

Nobody left to be caught up with, because everybody lost something (founding, power gone everywhere): once all who vote
are connected and have said where they stand, they vote only for a log as good as the best of all. That isn't so when a
majority lost everything while others didn't: then only people can decide.
"""

from collections.abc import Callable
from typing import Final

from rmq_cluster.raft.core import LEADER, Core
from rmq_cluster.raft.log import LOST_ALL, LOST_TAIL, MET_ALL, TERM_REGAINED, WARM
from rmq_cluster.raft.messages import Report

REMEMBERING: Final = (WARM, LOST_TAIL, MET_ALL)  # they know a term that their votes were not after


class Amnesia:
    """What this node may have forgotten, and what keeps it from voting."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._began = core.clock()
        self._asked_at = float("-inf")
        self._reports: dict[int, Report] = {}
        self._needed: int | None = None
        self._needed_term = 0
        self.on_lost_all: Callable[[int], None] = lambda _: None

    @property
    def is_cold(self) -> bool:
        """It may have forgotten something."""
        return self._core.log.cold != WARM

    @property
    def accepts_appends(self) -> bool:
        """It knows a term that no leader of its former life is behind."""
        return self._core.log.cold != LOST_ALL

    def may_vote_for(self, last_term: int, last: int) -> bool:
        """It may vote for somebody whose log ends so, as far as its memory goes."""
        log = self._core.log
        return log.cold == WARM or (log.cold == MET_ALL and (last_term, last) >= log.best)

    def may_stand(self, last_term: int, last: int) -> bool:
        """It may stand with a log that ends so, as far as its memory goes."""
        return self.may_vote_for(last_term, last)

    # -- what others say -------------------------------------------------------------------------------------------

    def link_up(self, peer: int) -> None:
        """Tell the peer where we stand, as it tells us."""
        self._reports.pop(peer, None)
        self._core.send(peer, self._report(wants_answer=False))

    def link_down(self, peer: int) -> None:
        """What it said is no longer so."""
        self._reports.pop(peer, None)

    def receive_report(self, peer: int, message: Report) -> None:
        """Where another node stands."""
        self._reports[peer] = message
        if message.cold == LOST_ALL:
            self.on_lost_all(peer)
        if message.wants_answer:
            self._core.send(peer, self._report(wants_answer=False))

    def _report(self, *, wants_answer: bool) -> Report:
        core = self._core
        return Report(core.log.cold, core.term, core.log.last_index, core.log.last_term, wants_answer)

    # -- how it ends -----------------------------------------------------------------------------------------------

    def heard_leader(self, term: int, last: int) -> None:
        """The leader of this term has a log that ends so."""
        if self._needed is None or term > self._needed_term:
            self._needed = last
            self._needed_term = term

    def verified(self, index: int) -> None:
        """Our log is the leader's up to this index."""
        if self.is_cold and self._needed is not None and index >= self._needed:
            self._core.log.set_cold(WARM)

    def tick(self) -> None:
        """Ask, and see whether enough is known."""
        core = self._core
        if not self.is_cold:
            return
        if not core.others:
            if core.is_voter():
                core.log.set_cold(WARM)  # alone: nobody was promised anything
            return
        now = core.clock()
        if now - self._asked_at > 2 * core.options.heartbeat:
            self._asked_at = now
            for peer in sorted(core.others & core.connected):
                core.send(peer, self._report(wants_answer=True))
        self._regain_term(now)
        self._meet_all()
        if core.state == LEADER and core.log.term_at(core.commit) == core.term:
            core.log.set_cold(WARM)

    def _regain_term(self, now: float) -> None:
        core = self._core
        if core.log.cold != LOST_ALL:
            return
        informed = [peer for peer in core.others if peer in self._reports and self._reports[peer].cold in REMEMBERING]
        total = len(core.others) + 1
        is_long_ago = now - self._began > 2 * core.options.election_max
        if not (len(informed) == len(core.others) or (len(informed) >= total - total // 2 and is_long_ago)):
            return
        self._take_over_term()

    def _take_over_term(self) -> None:
        core = self._core
        term = max(core.term, *(report.term for report in self._reports.values()))
        # It may have voted in that term: as if it had, for itself.
        core.adopt_term(term, core.node_id)
        core.log.set_cold(TERM_REGAINED)

    def _meet_all(self) -> None:
        core = self._core
        levels = [self._reports[peer].cold for peer in core.others if peer in self._reports] + [core.log.cold]
        if core.log.cold == MET_ALL or not core.is_voter() or len(levels) <= len(core.others):
            return
        if WARM in levels and sum(level not in REMEMBERING for level in levels) * 2 > len(levels):
            return
        if core.log.cold == LOST_ALL:
            self._take_over_term()
        ends = [(report.last_term, report.last) for peer, report in self._reports.items() if peer in core.others]
        core.log.set_cold(MET_ALL, max(*ends, (core.log.last_term, core.log.last_index)))
