"""How fast bytes, messages and connections may come in: token buckets, for one client and for a whole listener.

Nothing is refused or dropped here: what was read is spent, a bucket may go into debt, and whoever reads waits until
the debt is paid. So over time no more comes in than the rate, and no message is lost.
"""

import math
from typing import Final

# No read is larger, and where messages are counted none is smaller unless bytes are short.
MAX_READ: Final = 65_536
MIN_READ: Final = 256
# What a PUBLISH is taken to have while nothing is known about a client's: how much to read for one message.
FIRST_GUESS: Final = 32.0
# A listener's connections that read in the same turn: each is taken to want so many bytes.
BYTES_PER_TURN: Final = 4096
MAX_TURNS: Final = 10_000
# Rounding: a bucket with this little missing has a whole token.
NEARLY: Final = 1e-6


class RateLimit:
    """At most ``count`` in every ``period_s`` seconds."""

    __slots__ = ("count", "period_s")

    def __init__(self, count: int, period_s: float) -> None:
        self.count = count
        self.period_s = period_s


class TokenBucket:
    """``count`` tokens come back in every ``period_s``, and no more than these are kept. It begins full."""

    __slots__ = ("_at", "_per_second", "_size", "_tokens")

    def __init__(self, limit: RateLimit, now: float) -> None:
        self._size = float(limit.count)
        self._per_second = limit.count / limit.period_s
        self._tokens = self._size
        self._at = now

    def tokens(self, now: float) -> float:
        """How many there are; negative in debt."""
        if now > self._at:
            self._tokens = min(self._size, self._tokens + (now - self._at) * self._per_second)
            self._at = now
        return self._tokens

    def spend(self, amount: int, now: float) -> None:
        """Take so many, whether they are there or not."""
        self._tokens = self.tokens(now) - amount

    def wait(self, now: float) -> float:
        """Seconds until there is a whole token, 0.0 when there is one."""
        missing = 1.0 - self.tokens(now)
        return 0.0 if missing <= NEARLY else missing / self._per_second


class InboundLimits:
    """What a listener has configured; None is no limit."""

    __slots__ = ("client_bytes", "client_messages", "connections", "listener_bytes", "listener_messages")

    def __init__(self) -> None:
        self.client_messages: RateLimit | None = None
        self.client_bytes: RateLimit | None = None
        self.listener_messages: RateLimit | None = None
        self.listener_bytes: RateLimit | None = None
        self.connections: RateLimit | None = None

    @property
    def are_for_reading(self) -> bool:
        """Whether anything but accepting is limited."""
        limits = (self.client_messages, self.client_bytes, self.listener_messages, self.listener_bytes)
        return any(limit is not None for limit in limits)


class Allowance:
    """Bytes and messages of one client, or of all clients of a listener."""

    __slots__ = ("_bytes", "_messages")

    def __init__(self, messages: RateLimit | None, size: RateLimit | None, now: float) -> None:
        self._messages = None if messages is None else TokenBucket(messages, now)
        self._bytes = None if size is None else TokenBucket(size, now)

    def wait(self, now: float) -> float:
        """Seconds until something may be read, 0.0 for now."""
        messages, size = self._messages, self._bytes
        wait = 0.0 if messages is None else messages.wait(now)
        return wait if size is None else max(wait, size.wait(now))

    def spend(self, size: int, messages: int, now: float) -> None:
        """So much was read."""
        if self._messages is not None:
            self._messages.spend(messages, now)
        if self._bytes is not None:
            self._bytes.spend(size, now)

    def messages(self, now: float) -> float:
        """How many messages may come."""
        return math.inf if self._messages is None else self._messages.tokens(now)

    def bytes(self, now: float) -> float:
        """How many bytes may come."""
        return math.inf if self._bytes is None else self._bytes.tokens(now)

    def turns(self, now: float) -> int:
        """How many connections it is worth waking up, at least one."""
        return max(1, int(min(self.messages(now), self.bytes(now) / BYTES_PER_TURN, MAX_TURNS)))


class Meter:
    """What one connection reads, held against its own allowance and that of its listener.

    ``served`` is False from the moment it is woken until it has read: only then it has had its turn.
    """

    __slots__ = ("_own", "_per_message", "_since_message", "served", "shared")

    def __init__(self, own: Allowance, shared: Allowance) -> None:
        self._own = own
        self.shared = shared
        self._per_message = FIRST_GUESS
        self._since_message = 0
        self.served = True

    def own_wait(self, now: float) -> float:
        """Seconds until the connection's own debt is paid."""
        return self._own.wait(now)

    def room(self, now: float) -> int:
        """How many bytes to read, 0 when it has to wait. A read shouldn't bring many more messages than are allowed."""
        if self._own.wait(now) > 0.0 or self.shared.wait(now) > 0.0:
            return 0
        expected = min(self._own.messages(now), self.shared.messages(now)) * self._per_message
        # What lies behind the last message is part of a larger one: read as much again, or it would take many reads.
        size = max(MIN_READ, expected, self._since_message)
        return max(1, int(min(size, self._own.bytes(now), self.shared.bytes(now), MAX_READ)))

    def spend(self, size: int, messages: int, now: float) -> None:
        """A read brought so many bytes and PUBLISH packets."""
        self.served = True
        self._own.spend(size, messages, now)
        self.shared.spend(size, messages, now)
        self._since_message += size
        if messages:
            mean = self._since_message / messages
            # Down at once, up slowly: guessing too large a message means reading too many of them.
            self._per_message = mean if mean < self._per_message else self._per_message * 0.75 + mean * 0.25
            self._since_message = 0
