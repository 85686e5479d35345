"""Moving clients to other nodes, so many a second; new ones are sent elsewhere meanwhile."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from rmq.engine import disconnect
from rmq.engine.timers import StandingTimer
from rmq.mqtt import codes

if TYPE_CHECKING:
    from rmq.engine.broker import Broker

INTERVAL_S: Final = 0.1


class Draining(StandingTimer):
    """``rate`` is how many clients are closed in a second, 0.0: this node takes clients.

    ``begun_with`` is how many there were when that began.

    ``other_listeners`` gives, by the name of a listener, where its clients are sent to (Server Reference).
    """

    __slots__ = ("_broker", "_drained", "_owed", "begun_with", "other_listeners", "rate")

    def __init__(self, broker: "Broker") -> None:
        super().__init__()
        self._broker = broker
        self._owed = 0.0
        self._drained: Callable[[], None] | None = None
        self.rate = 0.0
        self.begun_with = 0
        self.other_listeners: Callable[[], dict[str, str]] = dict

    def set_rate(self, rate: float) -> None:
        """Begin, go on at another rate, or end."""
        broker = self._broker
        if not self.rate:
            self.begun_with = len(broker.registry)
        self.rate = rate
        self._owed = 0.0
        if rate:
            broker.timers.enter(self, broker.touch_clock())
        else:
            broker.timers.cancel(self)

    def when_drained(self, then: Callable[[], None]) -> None:
        """Have ``then`` called, once, when no client is connected while this goes on."""
        self._drained = then

    def reference(self, listener: str) -> str | None:
        """Where the clients of a listener find another server, None if nobody says."""
        return self.other_listeners().get(listener)

    def fire(self, now: float) -> float:
        """Close those whose turn it is."""
        broker = self._broker
        self._owed += self.rate * INTERVAL_S
        for channel in list(broker.registry)[: int(self._owed)]:
            self._owed -= 1
            disconnect.close(broker, channel, codes.USE_ANOTHER_SERVER, "this node is being drained")
        self._owed = min(self._owed, 1.0)
        then = self._drained
        if then is not None and not len(broker.registry):
            self._drained = None
            then()
        return now + INTERVAL_S
