"""Timers of a session without a connection: its expiry and its will delay."""

from typing import TYPE_CHECKING, Final

from rmq.engine import session_end, wills
from rmq.engine.timers import Timer
from rmq.mqtt import codes
from rmq.storage.records import RemoveWill

if TYPE_CHECKING:
    from rmq.engine.broker import Broker

# When to look again while the end of the connection isn't applied: the disk is slow, or fails.
NOT_YET_S: Final = 1.0


def enter_expiry_timer(broker: "Broker", client_id: str, epoch: int, expiry: int, since: float) -> None:
    """End a session ``expiry`` seconds after ``since``, unless it never ends or is claimed again."""
    if expiry != codes.SESSION_NEVER_EXPIRES:
        timer = SessionExpiry(broker, client_id, epoch)
        broker.session_timers[client_id] = timer
        broker.timers.enter(timer, since + expiry)


def enter_will_timer(broker: "Broker", client_id: str, epoch: int, due_at: float) -> None:
    """Publish a session's will at ``due_at``, unless it is claimed again."""
    timer = WillDelay(broker, client_id, epoch)
    broker.will_timers[client_id] = timer
    broker.timers.enter(timer, due_at)


class SessionExpiry(Timer):
    """Ends a session when its expiry interval is over, unless it was claimed again."""

    __slots__ = ("_broker", "_client_id", "_epoch")

    def __init__(self, broker: "Broker", client_id: str, epoch: int) -> None:
        super().__init__()
        self._broker = broker
        self._client_id = client_id
        self._epoch = epoch

    def fire(self, now: float) -> float:
        """End the session; a will that still waits is published with it [MQTT-3.1.3-9]."""
        broker = self._broker
        session = broker.state.sessions.get(self._client_id)
        if session is None or session.epoch != self._epoch or session.channel is not None:
            return 0.0
        if not session.disconnected_at:
            return now + NOT_YET_S
        deadline = session.disconnected_at + session.expiry_interval
        if now < deadline:
            return deadline
        will = session_end.waiting_will(broker, session)
        broker.counters.session_expired += 1
        session_end.end_session(broker, session)
        if will is not None:
            wills.publish_will(broker, session, will)
        return 0.0


class WillDelay(Timer):
    """Publishes a delayed will, unless the session was resumed."""

    __slots__ = ("_broker", "_client_id", "_epoch")

    def __init__(self, broker: "Broker", client_id: str, epoch: int) -> None:
        super().__init__()
        self._broker = broker
        self._client_id = client_id
        self._epoch = epoch

    def fire(self, now: float) -> float:
        """Publish it."""
        broker = self._broker
        session = broker.state.sessions.get(self._client_id)
        if session is None or session.epoch != self._epoch or session.will is None:
            return 0.0
        if not session.will_due_at:
            return now + NOT_YET_S
        if now < session.will_due_at:
            return session.will_due_at
        will = session.will
        broker.will_timers.pop(self._client_id, None)
        broker.cluster.propose(RemoveWill(self._client_id, self._epoch))
        wills.publish_will(broker, session, will)
        return 0.0
