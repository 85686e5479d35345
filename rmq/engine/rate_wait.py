"""A channel whose delivery rate was used up goes on a tick later."""

from typing import TYPE_CHECKING

from rmq.engine.timers import Timer
from rmq.flow.deliver import pump
from rmq.session.channel import CONNECTED, Channel

if TYPE_CHECKING:
    from rmq.engine.broker import Broker


class RateWait(Timer):
    """Pumps one channel once."""

    __slots__ = ("_broker", "_channel")

    def __init__(self, broker: "Broker", channel: Channel) -> None:
        super().__init__()
        self._broker = broker
        self._channel = channel

    def fire(self, now: float) -> float:
        """Send what the allowance lets through by now."""
        self._broker.rate_waits.discard(self._channel)
        if self._channel.state == CONNECTED and self._channel.blocked:
            pump(self._broker.ctx, self._channel)
        return 0.0
