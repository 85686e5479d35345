"""Publishing a will message."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from rmq.engine.retained_expiry import limit_retained
from rmq.flow.forwarded import choose_members
from rmq.flow.origin_counts import count_published
from rmq.flow.publish import note_dropped_by_hook
from rmq.hooks import chains
from rmq.mqtt.message import FROM_WILL, Message
from rmq.mqtt.packets import Will
from rmq.session.session import Session
from rmq.storage.cluster_records import PublishWill
from rmq.storage.records import RemoveWill

if TYPE_CHECKING:
    from rmq.engine.broker import Broker


def publish_will(broker: "Broker", session: Session, will: Will) -> None:
    """Publish a client's will message [MQTT-3.1.2-8]; its access was checked when the client connected."""
    message = _message(session.client_id, will, broker.ctx.now)
    _filter(broker, message, lambda filtered: _publish(broker, filtered))


def publish_waiting_will(broker: "Broker", session: Session, will: Will, claim: int = 0) -> None:
    """Publish the will of a session that is kept and has no connection; in a cluster whoever comes first does.

    ``claim`` is the epoch of a connection that ends the session, 0 if the will is due.
    """
    if broker.cluster.replicates:
        propose_will(broker, session.client_id, session.epoch, will, claim=claim)
        return
    broker.cluster.propose(RemoveWill(session.client_id, session.epoch))
    publish_will(broker, session, will)


def propose_will(
    broker: "Broker",
    client_id: str,
    epoch: int,
    will: Will,
    *,
    own_end: bool = False,
    claim: int = 0,
    then: Callable[[], None] | None = None,
) -> None:
    """Have every node deliver a will, once; see ``PublishWill``. ``then`` proposes what is to come behind it."""
    message = _message(client_id, will, broker.ctx.now)

    def propose(filtered: Message | None) -> None:
        chosen = None
        if filtered is not None:
            limit_retained(filtered, broker.options.retained_ttl_s)
            count_published(broker.ctx, filtered)
            chosen = choose_members(broker.ctx, filtered)
        broker.cluster.propose(PublishWill(client_id, epoch, filtered, chosen, own_end, claim))
        if then is not None:
            then()

    _filter(broker, message, propose)


def _message(client_id: str, will: Will, now: float) -> Message:
    return Message(
        will.topic,
        will.payload,
        will.qos,
        will.retain,
        client_id,
        will.properties,
        now + will.message_expiry if will.message_expiry >= 0 else 0.0,
        now,
        FROM_WILL,
    )


def _publish(broker: "Broker", message: Message | None) -> None:
    if message is not None:
        broker.publish(message)


def _filter(broker: "Broker", message: Message, then: Callable[[Message | None], None]) -> None:
    """Take a will through the ``message_publish`` handlers; None: one of them dropped it, which is counted here."""
    if not broker.chains.message_publish.handlers:
        then(message)
        return
    if not broker.chains.message_publish.waits:
        filtered = chains.message_publish(broker.chains, None, message)
        if filtered is None:
            note_dropped_by_hook(broker.ctx, None, message)
        then(filtered)
        return

    async def work() -> None:
        late = await broker.runner.run_filter("message_publish", None, message)
        broker.touch_clock()
        if late is None:
            note_dropped_by_hook(broker.ctx, None, message)
        then(late)
        broker.flush()

    broker.spawn(work)
