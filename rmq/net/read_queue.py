"""Connections of one listener that wait for its rates, woken in turn so that none of them starves."""

from typing import TYPE_CHECKING

from rmq.engine.timers import Timer, TimerWheel

if TYPE_CHECKING:
    from rmq.net.connection import Connection
    from rmq.net.inbound_rates import Allowance


class ReadQueue(Timer):
    """Wakes as many as the listener's allowance may serve; those who were woken for nothing keep their place."""

    __slots__ = ("_first", "_shared", "_timers", "_waiting")

    def __init__(self, shared: "Allowance", timers: TimerWheel) -> None:
        super().__init__()
        self._shared = shared
        self._timers = timers
        self._waiting: list[Connection] = []
        self._first: list[Connection] = []

    def __len__(self) -> int:
        return len(self._first) + len(self._waiting)

    def wait(self, connection: "Connection", now: float) -> None:
        """The connection doesn't read until it is woken."""
        meter = connection.meter
        if meter is None or meter.served:
            self._waiting.append(connection)
        else:
            self._first.append(connection)
        if self.tick < 0:
            self._timers.enter(self, now + self._shared.wait(now))

    def fire(self, now: float) -> float:
        """Wake the first ones."""
        wait = self._shared.wait(now)
        if wait > 0.0:
            return now + wait
        waiting = [connection for connection in self._first + self._waiting if connection.fd >= 0]
        turns = self._shared.turns(now)
        self._waiting = waiting[turns:]
        self._first = []
        for connection in waiting[:turns]:
            connection.read_again()
        return now if self._waiting else 0.0
