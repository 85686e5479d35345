"""The cluster's time on one node: the last committed time, and how long ago that was."""

from collections.abc import Callable
from typing import Final

# By which part a clock goes slower that is ahead: what is measured by it is never far off.
SLOWER: Final = 0.1


class ClusterClock:
    """Gives seconds since 1970, as the cluster counts them; never goes back, but for the first committed time.

    Until that is known it gives this node's own time, by ``wall_clock``. ``monotonic`` measures what goes by.
    """

    def __init__(self, wall_clock: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._base = wall_clock()
        self._since = monotonic()
        self._ahead = 0.0
        self._last = 0.0
        self.is_known = False
        """Whether a committed time is what it goes by."""

    def __call__(self) -> float:
        """The time."""
        elapsed = self._monotonic() - self._since
        now = self._base + elapsed
        if self._ahead:
            now -= min(self._ahead, elapsed * SLOWER)
        if now > self._last:
            self._last = now
        return self._last

    def begin(self, at: float) -> None:
        """It is this late, whatever this node took the time to be before."""
        self.is_known = True
        self._last = 0.0
        self._ahead = 0.0
        self._base = at
        self._since = self._monotonic()

    def set(self, at: float) -> float:
        """It was this late when that was agreed on, maybe a while ago; who is ahead of that goes slower.

        Returns by how many seconds it went forward.
        """
        now = self()
        self._ahead = max(now - at, 0.0)
        self._base = max(now, at)
        self._since = self._monotonic()
        return max(at - now, 0.0)
