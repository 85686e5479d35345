"""When something was wrong: what was sent far enough from that must have arrived, even where nothing is kept."""

from __future__ import annotations

from bisect import bisect_left

# How far from a message nothing may be wrong, before it was sent and after it was acknowledged, in seconds.
BEFORE_S = 0.5
AFTER_S = 0.3


class Unrest:
    """Moments, in order of time."""

    def __init__(self) -> None:
        self._times: list[float] = []

    def note(self, now: float) -> None:
        """Something is wrong now."""
        if not self._times or now > self._times[-1]:
            self._times.append(now)

    def is_calm(self, start: float, end: float) -> bool:
        """Whether nothing was wrong near a time."""
        at = bisect_left(self._times, start - BEFORE_S)
        return at == len(self._times) or self._times[at] > end + AFTER_S
