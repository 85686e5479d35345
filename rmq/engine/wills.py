"""Publishing a will message."""

from typing import TYPE_CHECKING

from rmq.flow.publish import note_dropped_by_hook
from rmq.hooks import chains
from rmq.mqtt.message import FROM_WILL, Message
from rmq.mqtt.packets import Will
from rmq.session.session import Session

if TYPE_CHECKING:
    from rmq.engine.broker import Broker


def publish_will(broker: "Broker", session: Session, will: Will) -> None:
    """Publish a client's will message [MQTT-3.1.2-8]; its access was checked when the client connected."""
    now = broker.ctx.now
    message = Message(
        will.topic,
        will.payload,
        will.qos,
        will.retain,
        session.client_id,
        will.properties,
        now + will.message_expiry if will.message_expiry >= 0 else 0.0,
        now,
        FROM_WILL,
    )
    if broker.chains.message_publish.handlers:
        if broker.chains.message_publish.waits:
            _publish_later(broker, message)
            return
        filtered = chains.message_publish(broker.chains, None, message)
        if filtered is None:
            note_dropped_by_hook(broker.ctx, None, message)
            return
        message = filtered
    broker.publish(message)


def _publish_later(broker: "Broker", message: Message) -> None:
    async def work() -> None:
        filtered = await broker.runner.run_filter("message_publish", None, message)
        broker.touch_clock()
        if filtered is None:
            note_dropped_by_hook(broker.ctx, None, message)
        else:
            broker.publish(filtered)
        broker.flush()

    broker.spawn(work)
