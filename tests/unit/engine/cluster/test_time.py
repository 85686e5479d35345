"""The cluster's time on one node."""

from __future__ import annotations

from typing import Final

import pytest

from rmq.engine.cluster_clock import ClusterClock
from tests.support import wire
from tests.support.wire_parser import Suback
from tests.unit.engine.cluster.conftest import Three
from tests.unit.engine.cluster.group import Group

HOUR_S: Final = 3600.0


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


@pytest.mark.parametrize("skew", [HOUR_S, -HOUR_S])
def test_the_first_time_is_that_of_the_majority_not_that_of_the_leader(group: Group, skew: float) -> None:
    """Clocks that nobody has agreed on yet count for nothing, the leader's own one neither."""
    leader, other = group.start(1, skew=skew), group.start(2)
    leader.port.tick(group.time)
    group.settle()
    assert leader.broker.touch_clock() == other.broker.touch_clock() == group.time
    leader.port.tick(group.time - 1)  # it goes on by the time that was agreed on
    group.settle()
    assert other.broker.state.cluster.time == group.time


def test_when_time_leaps_nobody_was_silent_or_waited_for_so_long(group: Group, three: Three) -> None:
    """Somebody has set the clocks of most machines right: clients stay, and what is under way goes on."""
    one, two, last = three
    group.tick()
    client, watcher = two.connect("c", keep_alive=60), one.connect("w", keep_alive=60)
    watcher.subscribe(("t", 1))
    late = last.connect("late", expiry=100)
    last.holds_commands = True
    late.send(wire.subscribe(1, [("s", 1)]))
    group.leader.port.tick(group.time + HOUR_S)
    group.pass_time(1)
    assert two.broker.ctx.now - group.time > HOUR_S - 2
    client.publish("t", b"after", 1)
    assert watcher.payloads() == [b"after"]
    last.holds_commands = False
    group.settle()
    assert late.take(Suback).codes == [1]
    assert not (client.closed or watcher.closed)
