"""Timers of a session without a connection: its expiry and its will delay."""

from typing import TYPE_CHECKING, Final

from rmq.engine import session_end, wills
from rmq.engine.timers import Timer
from rmq.mqtt import codes

if TYPE_CHECKING:
    from rmq.engine.broker import Broker

# When to look again whether another node, which decides, has done it; or whether what was proposed is applied.
LOOK_AGAIN_S: Final = 1.0


def enter_expiry_timer(broker: "Broker", client_id: str, epoch: int, expiry: int, since: float) -> None:
    """End a session ``expiry`` seconds after ``since``, unless it never ends or is claimed again."""
    if expiry != codes.SESSION_NEVER_EXPIRES:
        before = broker.session_timers.get(client_id)
        if before is not None:
            broker.timers.cancel(before)
        timer = SessionExpiry(broker, client_id, epoch)
        broker.session_timers[client_id] = timer
        broker.timers.enter(timer, since + expiry)


def enter_will_timer(broker: "Broker", client_id: str, epoch: int, due_at: float) -> None:
    """Publish a session's will at ``due_at``, unless it is claimed again."""
    timer = broker.will_timers.get(client_id)
    if timer is None or timer.epoch != epoch:
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
        if session is None or session.epoch != self._epoch or not session.disconnected_at:
            if broker.session_timers.get(self._client_id) is self:
                del broker.session_timers[self._client_id]
            return 0.0
        deadline = session.disconnected_at + session.expiry_interval
        if now < deadline:
            return deadline
        if not broker.cluster.decides:
            return now + LOOK_AGAIN_S
        will = session_end.waiting_will(broker, session)
        broker.counters.session_expired += 1
        if will is not None:
            wills.publish_waiting_will(broker, session, will)
        session_end.end_session(broker, session)
        return now + LOOK_AGAIN_S if broker.cluster.replicates else 0.0


class WillDelay(Timer):
    """Publishes a delayed will, unless the session was resumed."""

    __slots__ = ("_broker", "_client_id", "epoch")

    def __init__(self, broker: "Broker", client_id: str, epoch: int) -> None:
        super().__init__()
        self._broker = broker
        self._client_id = client_id
        self.epoch = epoch

    def fire(self, now: float) -> float:
        """Publish it."""
        broker = self._broker
        session = broker.state.sessions.get(self._client_id)
        if session is None or session.epoch != self.epoch or session.will is None:
            if broker.will_timers.get(self._client_id) is self:
                del broker.will_timers[self._client_id]
            return 0.0
        if not session.will_due_at:
            return now + LOOK_AGAIN_S
        if now < session.will_due_at:
            return session.will_due_at
        if not broker.cluster.decides:
            return now + LOOK_AGAIN_S
        broker.will_timers.pop(self._client_id, None)
        wills.publish_waiting_will(broker, session, session.will)
        return now + LOOK_AGAIN_S if broker.cluster.replicates else 0.0


class OrphanedWill(Timer):
    """Publishes the will of a client whose node is gone and that left no session, unless the client is back."""

    __slots__ = ("_broker", "_client_id")

    def __init__(self, broker: "Broker", client_id: str) -> None:
        super().__init__()
        self._broker = broker
        self._client_id = client_id

    def fire(self, now: float) -> float:
        """Publish it."""
        broker = self._broker
        waiting = broker.state.cluster.wills.get(self._client_id)
        if waiting is None:
            return 0.0
        if now < waiting.due_at:
            return waiting.due_at
        if broker.cluster.decides:
            wills.propose_will(broker, self._client_id, waiting.epoch, waiting.will)
        return now + LOOK_AGAIN_S
