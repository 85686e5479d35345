"""A retained message with a Message Expiry Interval is removed when it is over [MQTT-3.3.2-5]."""

from typing import TYPE_CHECKING, Final

from rmq.engine.timers import Timer
from rmq.mqtt.message import Message
from rmq.storage.records import DeleteRetained

if TYPE_CHECKING:
    from rmq.engine.broker import Broker

# When to look again whether another node, which decides, has removed it; or whether what was proposed is applied.
LOOK_AGAIN_S: Final = 1.0


def limit_retained(message: Message, ttl_s: int) -> None:
    """A message that is to be retained is kept for no longer than ``ttl_s``, 0 for as long as it says itself."""
    if message.retain and ttl_s and (message.expires_at == 0.0 or message.expires_at > message.created_at + ttl_s):
        message.expires_at = message.created_at + ttl_s


class RetainedExpiry(Timer):
    """Removes one retained message, unless it was replaced meanwhile."""

    __slots__ = ("_broker", "_created_at", "_topic")

    def __init__(self, broker: "Broker", message: Message) -> None:
        super().__init__()
        self._broker = broker
        self._topic = message.topic
        self._created_at = message.created_at

    def fire(self, now: float) -> float:
        """Propose the removal, or come again when the time was only capped."""
        current = self._broker.ctx.retained.get(self._topic)
        if current is None or current.created_at != self._created_at or not current.expires_at:
            return 0.0
        if now < current.expires_at:
            return current.expires_at
        cluster = self._broker.cluster
        if cluster.decides:
            self._broker.counters.retained_expired += 1
            cluster.propose(DeleteRetained(self._topic, self._created_at))
        return now + LOOK_AGAIN_S if cluster.replicates else 0.0
