"""Timers of a listener: accept again, read again, and the first bytes of a connection that comes by a proxy."""

from typing import TYPE_CHECKING

from rmq.engine.connection_timers import HandshakeTimeout
from rmq.engine.timers import Timer
from rmq.net import layer_stack
from rmq.net.connection import Connection
from rmq.session.channel import Channel

if TYPE_CHECKING:
    from rmq.engine.broker import Broker
    from rmq.net.listener import Listener


class AcceptAgain(Timer):
    """Ends a pause in accepting."""

    __slots__ = ("_listener",)

    def __init__(self, listener: "Listener") -> None:
        super().__init__()
        self._listener = listener

    def fire(self, now: float) -> float:
        """Accept."""
        self._listener.go_on()
        return 0.0


class ReadAgain(Timer):
    """Wakes a connection whose own rate was used up; ``entered`` is where its listener keeps the timer."""

    __slots__ = ("_connection", "_entered")

    def __init__(self, connection: Connection, entered: "dict[Connection, ReadAgain]") -> None:
        super().__init__()
        self._connection = connection
        self._entered = entered

    def fire(self, now: float) -> float:
        """Read."""
        self._entered.pop(self._connection, None)
        self._connection.read_again()
        return 0.0


class ProxiedHandshake(HandshakeTimeout):
    """First for the PROXY protocol header, which is due sooner, then for the whole handshake."""

    __slots__ = ("_connection", "_counters")

    def __init__(self, broker: "Broker", channel: Channel, connection: Connection) -> None:
        super().__init__(broker, channel)
        self._connection = connection
        self._counters = broker.counters

    def fire(self, now: float) -> float:
        """Cut the connection if not even the header is there: the proxy isn't one, and nothing can be said to it."""
        if layer_stack.awaits_proxy(self._connection.layers):
            self._counters.client_handshaking_timeout += 1
            self._connection.lose("no PROXY protocol header in time")
            return 0.0
        return super().fire(now)
