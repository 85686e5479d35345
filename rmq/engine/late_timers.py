"""What the end of a node means for very many sessions: a portion of it at once, the rest in the next ticks."""

from typing import TYPE_CHECKING, Final

from rmq.engine.session_end import hand_over_shares
from rmq.engine.timers import TICKS_PER_SECOND, StandingTimer
from rmq.session.session import Session

if TYPE_CHECKING:
    from rmq.engine.broker import Broker

# So many sessions are looked at in one tick: some milliseconds.
AT_ONCE: Final = 500


class LateTimers(StandingTimer):
    """Sessions that were closed with their node, whose timers aren't entered yet."""

    __slots__ = ("_broker", "_orphans", "_sessions", "_wills")

    def __init__(self, broker: "Broker") -> None:
        super().__init__()
        self._broker = broker
        self._sessions: list[Session] = []
        self._orphans: list[str] = []
        # The epoch of each of these sessions that has a will.
        self._wills: dict[str, int] = {}

    def sessions_closed(self, sessions: list[Session], with_wills: list[Session]) -> None:
        """They have no connection any more; ``with_wills`` are those of them that have one."""
        self._sessions += sessions
        self._wills.update({session.client_id: session.epoch for session in with_wills})
        self._begin()

    def wills_wait(self, client_ids: list[str]) -> None:
        """The wills of clients that left no session wait."""
        self._orphans += client_ids
        self._begin()

    def has_will(self, session: Session) -> bool:
        """Whether the will of a session waits, and its timer isn't entered yet."""
        return self._wills.get(session.client_id) == session.epoch

    def _begin(self) -> None:
        again = self.fire(self._broker.ctx.now)
        if again:
            self._broker.timers.enter(self, again)

    def fire(self, now: float) -> float:
        """Do a portion."""
        broker = self._broker
        state = broker.state
        for _ in range(AT_ONCE):
            if self._sessions:
                session = self._sessions.pop()
                self._wills.pop(session.client_id, None)
                if state.sessions.get(session.client_id) is session and session.disconnected_at:
                    state.events.session_closed(session)
                    if broker.cluster.decides:
                        hand_over_shares(broker, session)
            elif self._orphans:
                client_id = self._orphans.pop()
                if client_id in state.cluster.wills:
                    state.events.will_waits(client_id)
            else:
                return 0.0
        return now + 1 / TICKS_PER_SECOND
