"""The timer wheel: keep alive, session expiry, will delay, retained expiry and rate waits in one place."""

from collections.abc import Callable
from typing import ClassVar, Final

TICKS_PER_SECOND: Final = 10
# Nothing is entered further ahead: a timer that is due later comes round again and enters itself anew.
HORIZON_TICKS: Final = 300 * TICKS_PER_SECOND


class Timer:
    """One thing to do later. Subclasses say what in ``fire``.

    One that has to go on whatever happens has ``again_after_bug_s``: so long after an exception it fires again.
    """

    __slots__ = ("tick",)
    again_after_bug_s: ClassVar[float] = 0.0

    def __init__(self) -> None:
        self.tick = -1

    def fire(self, now: float) -> float:
        """Do it, or return the time (seconds since 1970) at which to fire again; 0.0 means done."""
        raise NotImplementedError


class StandingTimer(Timer):
    """One that has to go on whatever happens."""

    __slots__ = ()
    again_after_bug_s = 1.0


class TimerWheel:
    """Timers by the tick they are due in; entering and cancelling take constant time.

    A timer fires within a tick (100 ms) after its time, never before it. ``report_bug`` is called while an exception
    that came out of a timer is being handled; the other timers go on.
    """

    def __init__(self, now: float, report_bug: Callable[[], None]) -> None:
        self._report_bug = report_bug
        self._buckets: dict[int, set[Timer]] = {}
        self._tick = int(now * TICKS_PER_SECOND)

    def __len__(self) -> int:
        return sum(len(bucket) for bucket in self._buckets.values())

    @property
    def next_at(self) -> float:
        """The earliest time at which ``advance`` would fire something; 0.0 when nothing is entered.

        It looks through all ticks that hold timers: for clocks that jump, not for every turn.
        """
        return (min(self._buckets) + 0.5) / TICKS_PER_SECOND if self._buckets else 0.0

    def enter(self, timer: Timer, deadline: float) -> None:
        """Have ``timer`` fire at ``deadline``; a timer that is entered already is moved."""
        if timer.tick >= 0:
            self.cancel(timer)
        tick = min(max(int(deadline * TICKS_PER_SECOND) + 1, self._tick + 1), self._tick + HORIZON_TICKS)
        timer.tick = tick
        bucket = self._buckets.get(tick)
        if bucket is None:
            self._buckets[tick] = {timer}
        else:
            bucket.add(timer)

    def cancel(self, timer: Timer) -> None:
        """Take a timer out; one that isn't entered is left alone."""
        bucket = self._buckets.get(timer.tick)
        if bucket is not None:
            bucket.discard(timer)
            if not bucket:
                del self._buckets[timer.tick]
        timer.tick = -1

    def restart(self, now: float) -> None:
        """Go on from another time, whatever it was before; what is entered keeps its distance."""
        moved = int(now * TICKS_PER_SECOND) - self._tick
        self._tick += moved
        buckets, self._buckets = self._buckets, {}
        for tick, bucket in buckets.items():
            self._buckets[tick + moved] = bucket
            for timer in bucket:
                timer.tick = tick + moved

    def advance(self, now: float) -> None:
        """Fire everything that is due."""
        target = int(now * TICKS_PER_SECOND)
        if target - self._tick > HORIZON_TICKS:
            due = sorted(tick for tick in self._buckets if tick <= target)
        else:
            due = [tick for tick in range(self._tick + 1, target + 1) if tick in self._buckets]
        self._tick = max(self._tick, target)
        for tick in due:
            for timer in self._buckets.pop(tick, ()):  # gone when one that fired before it emptied it
                if timer.tick != tick:
                    continue  # cancelled or moved by one that fired before it
                timer.tick = -1
                try:
                    again = timer.fire(now)
                except Exception:
                    self._report_bug()
                    again = now + timer.again_after_bug_s if timer.again_after_bug_s else 0.0
                if again:
                    self.enter(timer, again)
