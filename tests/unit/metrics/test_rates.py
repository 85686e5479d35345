"""Rates from samples: nothing, steady growth, bursts that leave the window, and samples that come too often."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmq.metrics.rates import Rate


def test_without_two_samples_there_is_no_rate() -> None:
    rate = Rate()
    assert rate.per_second() == 0.0
    rate.sample(100.0, 50)
    assert rate.per_second() == 0.0


def test_a_steady_counter_has_its_own_rate_from_the_second_sample_on() -> None:
    rate = Rate(window_s=5.0)
    for second in range(20):
        rate.sample(100.0 + second, second * 7)
        assert rate.per_second() == (7.0 if second else 0.0)


def test_a_burst_fades_and_is_gone_with_the_window() -> None:
    rate = Rate(window_s=4.0)
    seen: list[float] = []
    for second, total in enumerate([0, 0, 100, 100, 100, 100, 100, 100]):
        rate.sample(float(second), total)
        seen.append(rate.per_second())
    assert seen == [0.0, 0.0, 50.0, pytest.approx(100 / 3), 25.0, 25.0, 0.0, 0.0]


def test_samples_within_the_interval_change_nothing() -> None:
    rate = Rate(interval_s=1.0)
    assert rate.sample(0.0, 0)
    assert not rate.sample(0.9, 1_000_000)
    assert rate.per_second() == 0.0
    assert rate.sample(1.0, 10)
    assert rate.per_second() == 10.0


def test_a_long_silence_between_samples_is_averaged_over() -> None:
    rate = Rate(window_s=5.0)
    rate.sample(0.0, 0)
    rate.sample(60.0, 120)
    assert rate.per_second() == 2.0


@given(st.lists(st.tuples(st.floats(1.0, 100.0), st.integers(0, 1000)), min_size=2, max_size=50))
def test_a_rate_lies_between_the_slowest_and_the_fastest_step(steps: list[tuple[float, int]]) -> None:
    rate = Rate()
    now, total = 0.0, 0
    rate.sample(now, total)
    paces: list[float] = []
    for wait, growth in steps:
        before = now
        now += wait
        total += growth
        if rate.sample(now, total):
            paces.append(growth / (now - before))
    assert min(paces) - 1e-6 <= rate.per_second() <= max(paces) + 1e-6
