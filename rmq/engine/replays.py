"""Messages that somebody kept, for one subscription of one client: sent as its window and its out-buffer allow."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rmq.flow.deliver import pump
from rmq.mqtt.message import Message
from rmq.session.channel import CONNECTED, Channel, RetainedReplay
from rmq.session.receipts import Receipt

if TYPE_CHECKING:
    from rmq.engine.broker import Broker


class _Handed(Receipt):
    """All messages of one replay were sent, or are in the session's queue."""

    def __init__(self, then: Callable[[], None]) -> None:
        super().__init__(False)
        self._then = then

    def applied(self) -> None:
        self._then()


def begin_replay(
    broker: "Broker", client_id: str, key: str, messages: Sequence[Message], then: Callable[[], None]
) -> Callable[[], None] | None:
    """Send messages to a client that is connected here, as if its subscription with this ``key`` had matched them now.

    The lower QoS of message and subscription, its identifier and its options hold [MQTT-3.8.4-8]; the access of the
    client isn't checked. ``then`` is called once, when all were sent or are in the session's queue; never when
    connection or subscription end before. Answers what ends it earlier; None when there is no such subscription.
    """
    channel = broker.registry.get(client_id)
    session = None if channel is None else channel.session
    if channel is None or session is None or channel.state != CONNECTED:
        return None
    subscription = session.find_subscription(key)
    if subscription is None:
        return None
    ids = [subscription.subscription_id] if subscription.subscription_id else None
    replay = RetainedReplay(subscription.topic_filter, subscription.qos, ids, [])
    own = client_id if subscription.no_local else None  # [MQTT-3.8.3-3]
    replay.waiting = [message for message in reversed(messages) if own is None or message.publisher != own]
    replay.retain_as_published = subscription.retain_as_published
    replay.receipt = _Handed(then)
    replay.done = True
    broker.touch_clock()
    if channel.retained is None:
        channel.retained = [replay]
    else:
        channel.retained.append(replay)
    pump(broker.ctx, channel)
    broker.flush()
    return lambda: _end(channel, replay)


def _end(channel: Channel, replay: RetainedReplay) -> None:
    if channel.retained is not None:
        channel.retained = [other for other in channel.retained if other is not replay] or None


def waiting_messages(broker: "Broker", client_id: str) -> list[Message]:
    """The messages of QoS 1 and 2 that a session on this node hasn't acknowledged, in the order they came."""
    channel = broker.registry.get(client_id)
    session = broker.state.sessions.get(client_id) if channel is None else channel.session
    if session is None or session.outbound is None:
        return []
    return [delivery.message for delivery in session.outbound.deliveries.values()]
