"""Timers of a connection: keep alive, handshake time-out, the end of a login, and the time its last bytes may take."""

from typing import TYPE_CHECKING

from rmq.engine import disconnect
from rmq.engine.timers import Timer
from rmq.mqtt import codes
from rmq.session.channel import CLOSING, CONNECTED, Channel

if TYPE_CHECKING:
    from rmq.engine.broker import Broker


class KeepAlive(Timer):
    """Closes a connection on which nothing came for one and a half keep alive times [MQTT-3.1.2-22]."""

    __slots__ = ("_broker", "_channel")

    def __init__(self, broker: "Broker", channel: Channel) -> None:
        super().__init__()
        self._broker = broker
        self._channel = channel

    def fire(self, now: float) -> float:
        """Look when something last came."""
        channel = self._channel
        if channel.state != CONNECTED:
            return 0.0
        if channel.paused or channel.transport.is_held_back():
            return now + channel.keepalive_timeout_s  # nothing is read: not the client's silence
        deadline = channel.last_read_at + channel.keepalive_timeout_s
        if now < deadline:
            return deadline
        self._broker.counters.keepalive_timeouts += 1
        disconnect.close(self._broker, channel, codes.KEEP_ALIVE_TIMEOUT, "nothing received within the keep alive")
        return 0.0


def begin_keep_alive(broker: "Broker", channel: Channel, keep_alive: int) -> None:
    """From now on something must come within this keep alive, in seconds above 0."""
    channel.keepalive_timeout_s = keep_alive * channel.limits.keepalive_backoff * 2
    timer = broker.keepalive_timers.get(channel)
    if timer is None:
        timer = broker.keepalive_timers[channel] = KeepAlive(broker, channel)
    broker.timers.enter(timer, broker.ctx.now + channel.keepalive_timeout_s)


class HandshakeTimeout(Timer):
    """Closes a connection whose CONNECT didn't come, or wasn't decided, in time."""

    __slots__ = ("_broker", "_channel", "_deadline", "began")

    def __init__(self, broker: "Broker", channel: Channel) -> None:
        super().__init__()
        self._broker = broker
        self._channel = channel
        self.began = broker.ctx.now
        self._deadline = self.began + channel.limits.handshake_timeout_s

    def fire(self, now: float) -> float:
        """Close it if it is still waiting."""
        channel = self._channel
        if now < self._deadline:
            return self._deadline
        if channel.state < CONNECTED:
            self._broker.counters.client_handshaking_timeout += 1
            disconnect.close(self._broker, channel, codes.SERVER_BUSY, "handshake took too long")
        return 0.0


class LoginEnd(Timer):
    """Closes a connection when what its client has proved ends (``AuthResult.expires_at``)."""

    __slots__ = ("_broker", "_channel", "_deadline")

    def __init__(self, broker: "Broker", channel: Channel, deadline: float) -> None:
        super().__init__()
        self._broker = broker
        self._channel = channel
        self._deadline = deadline

    def fire(self, now: float) -> float:
        """Close it, whether it is connected already or still connecting."""
        if now < self._deadline:
            return self._deadline
        if self._channel.state < CLOSING:
            self._broker.counters.logins_ended += 1
            # A CONNACK can't say 0xA0 (MQTT 5.0, table 3-1).
            connected = self._channel.state == CONNECTED
            reason = codes.MAXIMUM_CONNECT_TIME if connected else codes.NOT_AUTHORIZED
            disconnect.close(self._broker, self._channel, reason, "the login has ended")
        return 0.0


def note_login_end(broker: "Broker", channel: Channel, expires_at: float) -> None:
    """The connection ends at ``expires_at`` (seconds since 1970; 0.0: never by this). The last call counts."""
    timer = broker.login_timers.pop(channel, None)
    if timer is not None:
        broker.timers.cancel(timer)
    if expires_at:
        timer = broker.login_timers[channel] = LoginEnd(broker, channel, expires_at)
        broker.timers.enter(timer, expires_at)


class CloseTimeout(Timer):
    """Aborts a closing connection whose peer doesn't take the last bytes."""

    __slots__ = ("_channel",)

    def __init__(self, channel: Channel) -> None:
        super().__init__()
        self._channel = channel

    def fire(self, now: float) -> float:
        """Abort it if it is still there."""
        if self._channel.state == CLOSING:
            self._channel.transport.abort()
        return 0.0
