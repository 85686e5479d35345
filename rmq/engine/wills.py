"""Publishing a will message."""

from typing import TYPE_CHECKING

from rmq.hooks import chains
from rmq.mqtt.message import FROM_WILL, Message
from rmq.mqtt.packets import Will
from rmq.session.session import Session

if TYPE_CHECKING:
    from rmq.engine.broker import Broker


def publish_will(broker: "Broker", session: Session, will: Will) -> None:
    """Publish a client's will message [MQTT-3.1.2-8]; its access was checked when the client connected."""
    now = broker.ctx.now
    message: Message | None = Message(
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
    if message is not None and broker.chains.message_publish.handlers:
        if broker.chains.message_publish.waits:
            _publish_later(broker, message)
            return
        message = chains.message_publish(broker.chains, None, message)
        if message is None:
            broker.counters.dropped_hook += 1
            broker.counters.messages_dropped += 1
            return
    if message is not None:
        broker.publish(message)


def _publish_later(broker: "Broker", message: Message) -> None:
    async def work() -> None:
        filtered = await broker.runner.run_filter("message_publish", None, message)
        broker.touch_clock()
        if filtered is None:
            broker.counters.dropped_hook += 1
            broker.counters.messages_dropped += 1
        else:
            broker.publish(filtered)
        broker.flush()

    broker.spawn(work)
