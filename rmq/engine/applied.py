"""What an applied operation means for this node: timers, connections that aren't its own any more, deliveries."""

from typing import TYPE_CHECKING

from rmq.engine import disconnect
from rmq.engine.retained_expiry import RetainedExpiry
from rmq.engine.session_timers import OrphanedWill, enter_expiry_timer, enter_will_timer
from rmq.flow.forwarded import deliver_applied
from rmq.mqtt import codes
from rmq.mqtt.message import Message
from rmq.session.session import Session
from rmq.storage.events import StateEvents
from rmq.storage.records import DelayMessage
from rmq.storage.snapshot_reader import Steps

if TYPE_CHECKING:
    from rmq.engine.broker import Broker


class AppliedEvents(StateEvents):
    """Acts on them in the broker."""

    def __init__(self, broker: "Broker") -> None:
        super().__init__()
        self._broker = broker

    def session_closed(self, session: Session) -> None:
        """Begin its timers."""
        broker = self._broker
        enter_expiry_timer(broker, session.client_id, session.epoch, session.expiry_interval, session.disconnected_at)
        if session.will is not None and session.will_due_at:
            enter_will_timer(broker, session.client_id, session.epoch, session.will_due_at)

    def sessions_closed(self, sessions: list[Session], with_wills: list[Session]) -> None:
        """Begin their timers; what waits for members of share groups goes to others."""
        self._broker.late_timers.sessions_closed(sessions, with_wills)

    def wills_wait(self, client_ids: list[str]) -> None:
        """Begin their timers."""
        self._broker.late_timers.wills_wait(client_ids)

    def will_waits(self, client_id: str) -> None:
        """Begin its timer."""
        broker = self._broker
        broker.timers.enter(OrphanedWill(broker, client_id), broker.state.cluster.wills[client_id].due_at)

    def account_changed(self, kind: str, name: str) -> None:
        """Whoever goes by accounts of this kind is told."""
        self._broker.account_watch.changed(kind, name)

    def retained(self, message: Message) -> None:
        """Begin its timer."""
        self._broker.timers.enter(RetainedExpiry(self._broker, message), message.expires_at)

    def delayed(self, operation: DelayMessage) -> None:
        """Have it published when it is due."""
        self._broker.delayed.enter(operation)

    def claimed_from_nobody(self, client_id: str) -> None:
        """The end of the connection that was here before publishes no will: another node did, or needn't."""
        channel = self._broker.registry.get(client_id)
        if channel is not None and channel.session is not None and not channel.session.persistent:
            channel.session.will = None

    def taken_over(self, client_id: str) -> None:
        """Close the connection [MQTT-3.1.4-3]."""
        broker = self._broker
        channel = broker.registry.get(client_id)
        if channel is not None:
            broker.counters.takeovers += 1
            disconnect.close(broker, channel, codes.SESSION_TAKEN_OVER, "another connection took the session over")

    def deliver(self, message: Message, chosen: list[str] | None) -> None:
        """Deliver it here."""
        deliver_applied(self._broker.ctx, message, chosen)


def begin_timers(broker: "Broker") -> Steps:
    """Let time go on for what was read from disk, or from another node; nothing is applied before it has ended."""
    events = broker.state.events
    for session in broker.state.sessions.values():
        if session.disconnected_at:
            events.session_closed(session)
        yield 1
    for message in broker.ctx.retained.all():
        if message.expires_at:
            events.retained(message)
        yield 1
    for operation in broker.state.delayed.values():
        events.delayed(operation)
        yield 1
    for client_id in broker.state.cluster.wills:
        events.will_waits(client_id)
        yield 1
