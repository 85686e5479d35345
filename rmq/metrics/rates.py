"""Per-second rates of counters, from samples whose time is an argument."""

from collections import deque


class Rate:
    """How fast one counter grows: the average over the last ``window_s`` seconds (less while there are fewer)."""

    __slots__ = ("_interval_s", "_samples", "_window_s")

    def __init__(self, window_s: float = 5.0, interval_s: float = 1.0) -> None:
        self._window_s = window_s
        self._interval_s = interval_s
        self._samples: deque[tuple[float, int]] = deque()

    def sample(self, now: float, total: int) -> bool:
        """Note what the counter shows; False when the last sample is too young for another to be of use."""
        samples = self._samples
        if samples and now - samples[-1][0] < self._interval_s:
            return False
        samples.append((now, total))
        # The newest sample that is as old as the window stays: the rate is measured from there.
        while len(samples) > 2 and samples[1][0] <= now - self._window_s:
            samples.popleft()
        return True

    def per_second(self) -> float:
        """The rate between the oldest and the newest sample, 0.0 before there are two."""
        samples = self._samples
        if len(samples) < 2:
            return 0.0
        first_at, first = samples[0]
        last_at, last = samples[-1]
        return (last - first) / (last_at - first_at)
