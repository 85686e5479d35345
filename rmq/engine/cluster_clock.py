"""The cluster's time on one node: the last committed time, and how long ago that was."""

from collections.abc import Callable


class ClusterClock:
    """Gives seconds since 1970, as the cluster counts them; never goes back, but for the first committed time.

    Until that is known it gives this node's own time, by ``wall_clock``. ``monotonic`` measures what goes by.
    """

    def __init__(self, wall_clock: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._base = wall_clock()
        self._since = monotonic()
        self._last = 0.0

    def __call__(self) -> float:
        """The time."""
        now = self._base + self._monotonic() - self._since
        if now > self._last:
            self._last = now
        return self._last

    def begin(self, at: float) -> None:
        """It is this late, whatever this node took the time to be before."""
        self._last = 0.0
        self.set(at)

    def set(self, at: float) -> None:
        """It is this late; who has gone ahead of that waits."""
        self._base = at
        self._since = self._monotonic()
