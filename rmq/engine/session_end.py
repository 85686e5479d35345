"""The end of a session, and what becomes of the shared messages it can't take any more."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from rmq.flow.route import hand_to_member
from rmq.flow.send import note_dropped
from rmq.hooks import chains
from rmq.mqtt import codes
from rmq.mqtt.packets import Will
from rmq.session.delivery import DONE, QUEUED, RELEASED, RELEASING, Delivery
from rmq.session.receipts import Receipt
from rmq.session.session import Session
from rmq.session.subscription import Subscription
from rmq.storage.cluster_records import MoveDelivery
from rmq.storage.records import EndSession, EnqueueMessage, RemoveDelivery
from rmq.storage.subscriptions import unsubscribe_all

if TYPE_CHECKING:
    from rmq.engine.broker import Broker


def end_session(
    broker: "Broker",
    session: Session,
    reason_code: int = codes.SUCCESS,
    *,
    epoch: int = -1,
    then: Callable[[], None] | None = None,
) -> None:
    """Discard a session that has no connection any more: expired, replaced by a clean start, or transient.

    A persistent one only if nobody claimed it after ``epoch`` (-1: the epoch it has). ``then`` is called when it is
    done, at once where nothing has to be stored.
    """
    cancel_timers(broker, session.client_id)
    ended = _Ended(broker, session, reason_code, then)
    if not session.persistent:
        for operation in broker.routes.ended(session):
            broker.cluster.propose(operation)
        unsubscribe_all(broker.ctx.router, session)
        ended.applied()
        broker.cluster.release(session.client_id, session.epoch)
        return
    if epoch < 0:
        epoch = session.epoch
    if epoch == session.epoch:
        _hand_over(broker, session, live_only=False)  # in one batch with the end, so that nothing falls between
    if broker.cluster.propose(EndSession(session.client_id, epoch), ended):
        ended.applied()


class _Ended(Receipt):
    """A session is gone: what it still had goes to others or is dropped."""

    def __init__(self, broker: "Broker", session: Session, reason_code: int, then: Callable[[], None] | None) -> None:
        super().__init__(False)
        self._broker = broker
        self._session = session
        self._reason_code = reason_code
        self._then = then

    def applied(self) -> None:
        broker = self._broker
        session = self._session
        try:
            if broker.state.sessions.get(session.client_id) is not session and not session.ended:
                session.ended = True  # its end may have been proposed twice
                broker.counters.session_terminated += 1
                if broker.chains.session_terminated.handlers:
                    chains.session_terminated(broker.chains, session.client_id, self._reason_code)
                _dispose(broker, session)
        finally:
            if self._then is not None:
                self._then()


def _dispose(broker: "Broker", session: Session) -> None:
    outbound = session.outbound
    if outbound is None:
        return
    session.outbound = None
    for delivery in outbound.deliveries.values():
        if delivery.state in (DONE, RELEASED, RELEASING):
            continue
        if delivery.share and may_move(delivery) and _give_to_another(broker, session, delivery, False):
            continue
        broker.counters.dropped_session_ended += 1
        note_dropped(broker.ctx, session, delivery.message, "session_ended")


def waiting_will(broker: "Broker", session: Session) -> Will | None:
    """The will of a session without a connection, if its delay isn't over yet."""
    timer = broker.will_timers.get(session.client_id)
    waits = (timer is not None and timer.epoch == session.epoch) or broker.late_timers.has_will(session)
    return session.will if waits else None


def hand_over_shares(broker: "Broker", session: Session) -> None:
    """A persistent session went off line: its shared messages go to live members, while there are any."""
    _hand_over(broker, session, live_only=True)


def _hand_over(broker: "Broker", session: Session, *, live_only: bool) -> None:
    outbound = session.outbound
    if outbound is None:
        return
    if broker.cluster.replicates:
        for delivery in list(outbound.deliveries.values()):
            if delivery.share and may_move(delivery):
                member = _another_member(broker, session, delivery, live_only)
                if member is not None:
                    key, heir = delivery.share, member.session.client_id
                    broker.cluster.propose(
                        MoveDelivery(
                            session.client_id, session.epoch, delivery.packet_id, key, heir, ends=not live_only
                        )
                    )
        return
    for delivery in list(outbound.deliveries.values()):
        if delivery.share and may_move(delivery) and _give_to_another(broker, session, delivery, live_only):
            delivery.state = DONE  # not to be given away again before this is applied
            outbound.leaving += 1
            broker.cluster.propose(RemoveDelivery(session.client_id, delivery.packet_id, session.epoch))


def may_move(delivery: Delivery) -> bool:
    """QoS 1 until it is acknowledged, QoS 2 until it is sent [MQTT-4.8.2-4], [MQTT-4.8.2-5]."""
    return delivery.state == QUEUED or (delivery.qos == 1 and delivery.state != DONE)


def _another_member(broker: "Broker", session: Session, delivery: Delivery, live_only: bool) -> Subscription | None:
    for group in broker.ctx.router.match(delivery.message.topic).groups:
        if f"$share/{group.name}/{group.topic_filter}" == delivery.share:
            return group.choose(delivery.message, live_only, session)
    return None


def _give_to_another(broker: "Broker", session: Session, delivery: Delivery, live_only: bool) -> bool:
    message = delivery.message
    member = _another_member(broker, session, delivery, live_only)
    if member is None:
        return False
    if message.on_disk:
        try:
            broker.cluster.read_payload(message)
        except OSError:
            broker.counters.storage_errors += 1
            return False
    if hand_to_member(broker.ctx, member, message):
        return True
    qos = min(member.qos, message.qos)
    ids = [member.subscription_id] if member.subscription_id else None
    retain = message.retain and member.retain_as_published
    broker.cluster.propose(EnqueueMessage(member.session.client_id, message, qos, retain, ids, member.key))
    return True


def cancel_timers(broker: "Broker", client_id: str) -> None:
    """The session's own timers: expiry and will delay."""
    for timers in (broker.session_timers, broker.will_timers):
        timer = timers.pop(client_id, None)
        if timer is not None:
            broker.timers.cancel(timer)
