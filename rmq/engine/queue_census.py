"""Counting what all sessions have, queued and in flight: exact at once for few sessions, in bounded steps for many."""

from collections.abc import Callable
from typing import Final

from rmq.metrics.gauges import Stats
from rmq.session.session import Session

# So many sessions are counted whenever somebody looks (about 2 ms), and so many in each tick of a longer round.
SESSIONS_AT_ONCE: Final = 4000
SESSIONS_PER_TICK: Final = 1000


class QueueCensus:
    """Rounds over all sessions; the gauges are set when a round is complete.

    With no more than ``SESSIONS_AT_ONCE`` sessions a look is a round. With more of them a look begins a round or goes
    on with it, and the timers finish it: the gauges are then those of the last complete round, which takes one tick
    for each ``SESSIONS_PER_TICK``.

    ``in_cluster``: subscriptions are counted too. Every node's router has those of all kept sessions, so only a walk
    over the sessions that this node answers for, those that ``is_at_home`` tells, says how many are its own.
    """

    def __init__(
        self,
        sessions: Callable[[], list[Session]],
        stats: Stats,
        in_cluster: Callable[[], bool] = lambda: False,
        is_at_home: Callable[[Session], bool] = lambda session: True,
    ) -> None:
        self.rounds = 0
        self._in_cluster = in_cluster
        self._is_at_home = is_at_home
        self._sessions = sessions
        self._stats = stats
        self._round: list[Session] | None = None
        self._position = 0
        self._queued = 0
        self._inflight = 0
        self._inbound_qos2 = 0
        self._subscriptions = 0
        self._shared = 0
        self._persistent = 0

    @property
    def is_under_way(self) -> bool:
        """Whether a round has begun that isn't complete."""
        return self._round is not None

    def count(self, limit: int) -> None:
        """Look at no more than ``limit`` sessions, in the round that is under way or in a new one."""
        sessions = self._round
        if sessions is None:
            sessions = self._round = self._sessions()
            self._position = self._queued = self._inflight = self._inbound_qos2 = 0
            self._subscriptions = self._shared = self._persistent = 0
        in_cluster = self._in_cluster()
        end = self._position + limit
        for session in sessions[self._position : end]:
            if in_cluster and session.persistent and not self._is_at_home(session):
                continue
            outbound = session.outbound
            if outbound is not None:
                sent = 0 if session.channel is None else outbound.inflight
                self._inflight += sent
                self._queued += len(outbound) - sent
            self._inbound_qos2 += session.inbound_qos2_count()
            if session.persistent:
                self._persistent += session.subscription_count()
            if in_cluster and session.subscriptions:
                self._subscriptions += len(session.subscriptions)
                for subscription in session.subscriptions.values():
                    if subscription.share_group:
                        self._shared += 1
        self._position = end
        if end >= len(sessions):
            self._finish()

    def _finish(self) -> None:
        self._round = None
        self.rounds += 1
        stats = self._stats
        stats.message_queues.set(self._queued)
        stats.out_inflights.set(self._inflight)
        stats.in_inflights.set(self._inbound_qos2)
        stats.subscriptions_persistent.set(self._persistent)
        if self._in_cluster():
            stats.subscriptions.set(self._subscriptions)
            stats.subscriptions_shared.set(self._shared)
