"""A broker's time in tests: it runs as trio's clock does, and can be made to jump."""

from collections.abc import Callable
from typing import Final

from rmq.engine.timers import TICKS_PER_SECOND
from rmq.node import Clock, Node
from rmq.session.channel import CONNECTED
from rmq.testing.settle import settle

# A timer fires within a tick after its time: a jump goes that much further, so that what is due then has happened.
TICK_S: Final = 1 / TICKS_PER_SECOND
# Turns that are taken to handle what clients have sent; a client that sends all the time mustn't hold the jump up.
MAX_TURNS: Final = 1000


class VirtualClock:
    """Seconds since 1970 that never go back: the clock of a node, and what tests have added to it. Made inside trio."""

    def __init__(self) -> None:
        self._clock = Clock()
        self._added = 0.0

    def __call__(self) -> float:
        return self._clock() + self._added

    def jump_to(self, time: float) -> None:
        """Go forward to ``time``; a time that has passed is left alone."""
        self._added += max(0.0, time - self())


def advance(node: Node, clock: VirtualClock, seconds: float, before_each: Callable[[], None]) -> None:
    """Let time pass from one timer that is due to the next, so that what follows from one has its own time too."""
    if not seconds >= 0:
        raise ValueError(f"time can't go back: {seconds} seconds")
    for _ in range(MAX_TURNS):  # what clients have sent already came before the jump
        if not node.reactor.turn():
            break
    settle(node)
    broker = node.broker
    target = clock() + seconds + TICK_S
    while 0.0 < broker.timers.next_at <= target:
        clock.jump_to(broker.timers.next_at)
        before_each()
        broker.advance_timers()
        settle(node)  # it may be what the next timer depends on
    clock.jump_to(target)
    before_each()
    broker.advance_timers()
    settle(node)


def count_as_heard(node: Node) -> None:
    """As if every connected client had sent something just now."""
    now = node.broker.touch_clock()
    for channel in node.broker.registry:
        if channel.state == CONNECTED:
            channel.last_read_at = now


class BrokerClock:
    """The clock of a broker, for tests. Apart from the jumps it runs as real time does (or trio's MockClock)."""

    def __init__(self, now: Callable[[], float], jump: Callable[[float, bool], None]) -> None:
        self._now = now
        self._jump = jump

    def now(self) -> float:
        """Seconds since 1970."""
        return self._now()

    def advance(self, seconds: float) -> None:
        """Let this much time pass at once, in which the broker receives nothing; then all that was due has happened.

        Keep alives, session and message expiries and will delays see it. Clients whose keep alive has passed are
        disconnected, since they could send nothing: ``advance_with_pings`` is for those who should stay. What runs by
        trio's clock doesn't see it: the intervals of plugins such as rmq-sys-topic.
        """
        self._jump(seconds, False)

    def advance_with_pings(self, seconds: float) -> None:
        """As ``advance``, but as if every connected client had kept its keep alive meanwhile."""
        self._jump(seconds, True)
