"""The cluster's time on one node."""

from __future__ import annotations

from rmq.engine.cluster_clock import ClusterClock


class Monotonic:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_time_goes_on_while_old_ticks_are_applied_late() -> None:
    """A node that applies eight seconds late hears what time it was: it doesn't stand still for eight seconds."""
    monotonic = Monotonic()
    clock = ClusterClock(lambda: 5.0, monotonic)
    clock.begin(100.0)
    monotonic.now += 8.0
    before = clock()
    for late in (100.25, 100.5, 100.75):
        clock.set(late)
    monotonic.now += 1.0
    assert clock() > before
