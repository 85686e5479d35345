"""The timer wheel: what is due fires once, after its time and within a tick, whatever other timers do meanwhile."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmq.engine.timers import HORIZON_TICKS, TICKS_PER_SECOND, Timer, TimerWheel

START = 1000.0
TICK_S = 1 / TICKS_PER_SECOND
HORIZON_S = HORIZON_TICKS * TICK_S


class Probe(Timer):
    """Remembers when it fired; ``then`` is what it does, which may give a time to fire again."""

    def __init__(self, then: Callable[[float], float] | None = None) -> None:
        super().__init__()
        self.fired: list[float] = []
        self._then = then

    def fire(self, now: float) -> float:
        self.fired.append(now)
        return 0.0 if self._then is None else self._then(now)


def no_bug() -> None:
    """No timer of these tests raises."""
    raise AssertionError("a timer raised")


@pytest.fixture
def wheel() -> TimerWheel:
    return TimerWheel(START, no_bug)


def run_until(wheel: TimerWheel, end: float, step: float = TICK_S) -> None:
    """Advance in steps as the node does."""
    now = START
    while now < end:
        now += step
        wheel.advance(now)


@given(st.floats(0.0, 20.0), st.floats(0.01, 0.35))
def test_fires_once_after_its_time_and_within_a_tick_and_a_step(delay: float, step: float) -> None:
    wheel, probe = TimerWheel(START, no_bug), Probe()
    wheel.enter(probe, START + delay)
    run_until(wheel, START + 22, step)
    (fired,) = probe.fired
    assert START + delay < fired <= START + delay + TICK_S + step + 1e-6
    assert len(wheel) == 0


def test_what_is_overdue_already_fires_at_the_next_tick(wheel: TimerWheel) -> None:
    probe = Probe()
    wheel.enter(probe, START - 50)
    wheel.advance(START + TICK_S)
    assert probe.fired == [START + TICK_S]


def test_in_the_order_of_their_ticks_however_late_the_node_comes(wheel: TimerWheel) -> None:
    order: list[str] = []

    def say(name: str) -> Probe:
        def then(now: float) -> float:
            order.append(name)
            return 0.0

        return Probe(then)

    for name, delay in (("third", 3.0), ("first", 1.0), ("second", 2.0)):
        wheel.enter(say(name), START + delay)
    wheel.advance(START + 100)
    assert order == ["first", "second", "third"]


def test_a_cancelled_timer_stays_silent_and_cancelling_twice_is_nothing(wheel: TimerWheel) -> None:
    probe, other = Probe(), Probe()
    wheel.enter(probe, START + 1)
    wheel.enter(other, START + 1)
    wheel.cancel(probe)
    wheel.cancel(probe)
    assert len(wheel) == 1
    run_until(wheel, START + 2)
    assert not probe.fired and len(other.fired) == 1


def test_a_timer_that_was_never_entered_can_be_cancelled(wheel: TimerWheel) -> None:
    wheel.cancel(Probe())
    assert len(wheel) == 0


@pytest.mark.parametrize("second", [0.5, 1.0, 3.0])
def test_entering_again_moves(wheel: TimerWheel, second: float) -> None:
    probe = Probe()
    wheel.enter(probe, START + 1)
    wheel.enter(probe, START + second)
    assert len(wheel) == 1
    run_until(wheel, START + 5)
    assert len(probe.fired) == 1 and probe.fired[0] > START + second


def test_a_timer_that_gives_a_time_comes_again_then(wheel: TimerWheel) -> None:
    probe = Probe(lambda now: now + 1 if now < START + 3 else 0.0)
    wheel.enter(probe, START + 1)
    run_until(wheel, START + 10)
    assert [round(now - START) for now in probe.fired] == [1, 2, 3]
    assert len(wheel) == 0


def test_a_timer_that_comes_again_at_once_does_not_hold_the_wheel(wheel: TimerWheel) -> None:
    probe = Probe(lambda now: now)
    wheel.enter(probe, START)
    run_until(wheel, START + 1)
    assert len(probe.fired) == pytest.approx(10, abs=1)


def test_beyond_the_horizon_a_timer_is_asked_early_and_may_come_again(wheel: TimerWheel) -> None:
    deadline = START + 2.5 * HORIZON_S
    probe = Probe(lambda now: deadline if now < deadline else 0.0)
    wheel.enter(probe, deadline)
    run_until(wheel, deadline + 1, 0.5)
    assert len(probe.fired) == 3
    assert probe.fired[-1] > deadline
    assert all(now < deadline for now in probe.fired[:-1])


def test_a_leap_over_the_horizon_fires_everything_once(wheel: TimerWheel) -> None:
    probes = [Probe() for _ in range(50)]
    for number, probe in enumerate(probes):
        wheel.enter(probe, START + number)
    wheel.advance(START + 10 * HORIZON_S)
    assert all(len(probe.fired) == 1 for probe in probes)
    assert len(wheel) == 0


def test_a_clock_that_stands_still_fires_nothing_twice(wheel: TimerWheel) -> None:
    probe = Probe()
    wheel.enter(probe, START + 1)
    for _ in range(5):
        wheel.advance(START + 2)
    assert len(probe.fired) == 1


@pytest.mark.parametrize("victim_delay", [1.0, 1.05, 1.3, 2.0])
def test_one_that_fires_may_cancel_another_that_is_due_too(wheel: TimerWheel, victim_delay: float) -> None:
    # 1.3 and 2.0: the only timer of its tick, whose bucket is gone when the wheel comes to it in the same advance.
    # 1.0: the same bucket, in which either of the two may come first.
    victim = Probe()

    def cancel(now: float) -> float:
        wheel.cancel(victim)
        return 0.0

    killer = Probe(cancel)
    wheel.enter(killer, START + 0.9)
    wheel.enter(victim, START + victim_delay)
    wheel.advance(START + 5)
    assert len(killer.fired) == 1 and not victim.fired
    assert len(wheel) == 0


def test_one_that_fires_may_move_another_that_is_due_too(wheel: TimerWheel) -> None:
    moved = Probe()

    def move(now: float) -> float:
        wheel.enter(moved, START + 10)
        return 0.0

    wheel.enter(Probe(move), START + 1)
    wheel.enter(moved, START + 2)
    wheel.advance(START + 3)
    assert not moved.fired
    wheel.advance(START + 11)
    assert len(moved.fired) == 1


def test_one_of_two_in_a_tick_may_cancel_the_other(wheel: TimerWheel) -> None:
    pair: list[Probe] = []

    def cancel_both(now: float) -> float:
        for probe in pair:
            wheel.cancel(probe)
        return 0.0

    pair += [Probe(cancel_both), Probe(cancel_both)]
    for probe in pair:
        wheel.enter(probe, START + 1)
    wheel.advance(START + 2)
    assert sum(len(probe.fired) for probe in pair) == 1


def test_one_that_fires_may_enter_another_which_waits_for_the_next_advance(wheel: TimerWheel) -> None:
    late = Probe()

    def enter(now: float) -> float:
        wheel.enter(late, START)
        return 0.0

    wheel.enter(Probe(enter), START + 1)
    wheel.advance(START + 2)
    assert not late.fired
    wheel.advance(START + 2 + TICK_S)
    assert len(late.fired) == 1


def test_one_that_raises_is_reported_and_the_others_still_fire() -> None:
    reported: list[BaseException | None] = []

    def report() -> None:
        reported.append(sys.exc_info()[1])

    wheel = TimerWheel(START, report)

    def fail(now: float) -> float:
        raise ZeroDivisionError

    others = [Probe(), Probe()]
    wheel.enter(others[0], START + 1)
    wheel.enter(Probe(fail), START + 1)
    wheel.enter(others[1], START + 1.2)
    wheel.advance(START + 2)
    assert [type(error) for error in reported] == [ZeroDivisionError]
    assert all(len(probe.fired) == 1 for probe in others)


def test_one_that_has_to_go_on_fires_again_after_a_bug() -> None:
    bugs: list[str] = []
    wheel = TimerWheel(START, lambda: bugs.append("bug"))

    def fail(now: float) -> float:
        raise KeyError("bug")

    class Standing(Probe):
        again_after_bug_s = 2.0

    once, standing = Probe(fail), Standing(fail)
    wheel.enter(once, START + 1)
    wheel.enter(standing, START + 1)
    for seconds in range(1, 9):
        wheel.advance(START + seconds + TICK_S)
    assert len(once.fired) == 1
    assert standing.fired == [START + seconds + TICK_S for seconds in (1, 4, 7)]
    assert len(bugs) == 4
