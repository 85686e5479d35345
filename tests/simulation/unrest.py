"""When something was wrong: what was sent far enough from that must have arrived, even where nothing is kept."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

# How far from something nothing may be wrong, before and after it, in seconds.
BEFORE_S: Final = 0.5
AFTER_S: Final = 0.3


class Unrest:
    """Moments, in order of time."""

    def __init__(self) -> None:
        self._times: list[float] = []

    def note(self, now: float) -> None:
        """Something is wrong now."""
        if not self._times or now > self._times[-1]:
            self._times.append(now)

    def is_calm(self, start: float, end: float) -> bool:
        """Whether nothing was wrong from a while before ``start`` to ``end``."""
        at = bisect_left(self._times, start - BEFORE_S)
        return at == len(self._times) or self._times[at] > end
