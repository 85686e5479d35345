"""Publishers that wait because nothing can be stored just now: they go on when there is room, or are closed."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from rmq.engine import disconnect
from rmq.engine.timers import Timer
from rmq.flow import publish
from rmq.flow.context import STORAGE_FAILED, STORAGE_HELD
from rmq.mqtt import codes
from rmq.mqtt.message import Message
from rmq.mqtt.packets import Publish
from rmq.session.channel import CLOSING, Channel

if TYPE_CHECKING:
    from rmq.engine.broker import Broker


class StorageWaits:
    """The paused publishers, each with the PUBLISH it paused at.

    One that waits for a disk that fails is closed after ``timeout_s``: its client then knows that the message isn't
    kept. One that waits for room below a budget waits as long as it takes: it is only slowed down.
    """

    def __init__(self, broker: "Broker", timeout_s: float) -> None:
        self._broker = broker
        self._timeout_s = timeout_s
        self._waiting: dict[Channel, _Wait] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def enter(self, channel: Channel, packet: Publish, message: Message | None) -> None:
        """Pause a channel at a PUBLISH that can't be stored."""
        broker = self._broker
        channel.paused = True
        broker.counters.publish_held += 1
        wait = _Wait(self, channel, packet, message)
        self._waiting[channel] = wait
        broker.timers.enter(wait, broker.ctx.now + self._timeout_s)

    def go_on(self) -> None:
        """There is room again: every publisher goes on where it paused, as long as there is."""
        broker = self._broker
        ctx = broker.ctx
        for channel in list(self._waiting):
            if ctx.storage == STORAGE_HELD or (ctx.now > ctx.routes_until and ctx.storage != STORAGE_FAILED):
                return
            wait = self._waiting.pop(channel, None)
            if wait is not None:
                broker.timers.cancel(wait)
                broker.go_on(channel, self._accept(wait))

    def _accept(self, wait: "_Wait") -> Callable[[], None]:
        return lambda: publish.accept_filtered(self._broker.ctx, wait.channel, wait.packet, wait.message)

    def fire(self, channel: Channel) -> float:
        """The time is over; returns when to look again, 0.0 for never."""
        broker = self._broker
        if channel.state >= CLOSING:
            del self._waiting[channel]
            return 0.0
        if broker.ctx.storage != STORAGE_FAILED:
            return broker.ctx.now + self._timeout_s
        del self._waiting[channel]
        disconnect.close(broker, channel, codes.SERVER_UNAVAILABLE, "messages can't be stored")
        return 0.0


class _Wait(Timer):
    """A publisher that waits, and its time."""

    __slots__ = ("_waits", "channel", "message", "packet")

    def __init__(self, waits: StorageWaits, channel: Channel, packet: Publish, message: Message | None) -> None:
        super().__init__()
        self._waits = waits
        self.channel = channel
        self.packet = packet
        self.message = message

    def fire(self, now: float) -> float:
        return self._waits.fire(self.channel)
