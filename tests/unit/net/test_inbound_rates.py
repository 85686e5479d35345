"""Inbound rates: what token buckets and meters allow, over time and at once; the time is a number here."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmq.net.inbound_rates import MAX_READ, MIN_READ, Allowance, InboundLimits, Meter, RateLimit, TokenBucket

START = 1_700_000_000.0


def meter(
    messages: RateLimit | None = None,
    size: RateLimit | None = None,
    shared: Allowance | None = None,
) -> Meter:
    return Meter(Allowance(messages, size, START), shared or Allowance(None, None, START))


def test_a_bucket_begins_with_one_period_and_keeps_no_more() -> None:
    bucket = TokenBucket(RateLimit(10, 2.0), START)
    assert bucket.tokens(START) == 10
    assert bucket.tokens(START + 100) == 10
    bucket.spend(10, START + 100)
    assert bucket.wait(START + 100) == pytest.approx(0.2)
    assert bucket.wait(START + 100.2) == 0.0
    assert bucket.tokens(START + 101) == pytest.approx(5)


def test_a_debt_is_paid_before_anything_else() -> None:
    bucket = TokenBucket(RateLimit(10, 1.0), START)
    bucket.spend(30, START)
    assert bucket.tokens(START) == -20
    assert bucket.wait(START) == pytest.approx(2.1)
    assert bucket.wait(START + 2.1) == 0.0


def test_a_clock_that_stands_still_or_jumps_back_gives_nothing() -> None:
    bucket = TokenBucket(RateLimit(10, 1.0), START)
    bucket.spend(10, START)
    assert bucket.tokens(START) == bucket.tokens(START - 5) == 0


@given(
    st.integers(1, 1000),
    st.floats(0.01, 100),
    st.lists(st.tuples(st.integers(0, 5000), st.floats(0, 2)), max_size=50),
)
def test_over_any_time_no_more_is_spent_than_the_rate_one_period_and_one_debt(
    count: int, period_s: float, turns: list[tuple[int, float]]
) -> None:
    bucket = TokenBucket(RateLimit(count, period_s), START)
    now, spent, largest = START, 0, 0
    for amount, passed in turns:
        now += passed
        if bucket.wait(now) == 0.0:
            bucket.spend(amount, now)
            spent += amount
            largest = max(largest, amount)
        else:
            now += bucket.wait(now)
            assert bucket.wait(now) <= 1e-3
    assert spent <= count + (now - START) * count / period_s + largest + 0.01


def test_without_limits_a_meter_allows_the_largest_read() -> None:
    assert meter().room(START) == MAX_READ
    assert not InboundLimits().are_for_reading


@pytest.mark.parametrize("name", ["client_messages", "client_bytes", "listener_messages", "listener_bytes"])
def test_which_limits_are_for_reading(name: str) -> None:
    limits = InboundLimits()
    limits.connections = RateLimit(1, 1.0)
    assert not limits.are_for_reading
    setattr(limits, name, RateLimit(1, 1.0))
    assert limits.are_for_reading


def test_a_byte_rate_is_kept_to_the_byte() -> None:
    one = meter(size=RateLimit(1000, 1.0))
    assert one.room(START) == 1000
    one.spend(400, 0, START)
    assert one.room(START) == 600
    one.spend(600, 0, START)
    assert one.room(START) == 0
    assert one.own_wait(START) == pytest.approx(0.001)
    assert one.room(START + 0.5) == 500


def test_a_read_brings_about_as_many_messages_as_are_allowed() -> None:
    one = meter(messages=RateLimit(100, 1.0))
    first = one.room(START)
    assert first == 3200  # a guess at what small messages have
    one.spend(first, 40, START)
    assert one.room(START) == 60 * 32 + 60 * 12  # 80 bytes a message: the guess rises a quarter of the way
    one.spend(1000, 100, START)  # 10 bytes a message: it falls at once
    assert one.room(START) == 0
    assert one.own_wait(START) == pytest.approx(0.41)
    assert one.room(START + 1.4) == pytest.approx(1000, abs=11)


def test_messages_larger_than_a_read_are_read_in_growing_pieces() -> None:
    one = meter(messages=RateLimit(1, 1.0))
    reads, left = 0, 1_000_000
    while left > 0:
        size = min(one.room(START), left)
        left -= size
        reads += 1
        one.spend(size, 0 if left else 1, START)
    assert reads < 30
    assert one.room(START) == 0


def test_pieces_never_become_so_small_that_reading_is_all_there_is_to_do() -> None:
    one = meter(messages=RateLimit(1, 1.0))
    assert one.room(START) == MIN_READ


def test_the_listeners_allowance_holds_for_all_its_meters() -> None:
    shared = Allowance(RateLimit(10, 1.0), RateLimit(5000, 1.0), START)
    one, other = meter(shared=shared), meter(shared=shared)
    one.spend(100, 10, START)
    assert one.room(START) == other.room(START) == 0
    assert one.own_wait(START) == 0.0  # it is the listener's debt that it waits for
    assert shared.wait(START) == pytest.approx(0.1)


def test_how_many_connections_are_worth_waking() -> None:
    assert Allowance(RateLimit(7, 1.0), None, START).turns(START) == 7
    assert Allowance(None, RateLimit(40_960, 1.0), START).turns(START) == 10
    assert Allowance(RateLimit(7, 1.0), RateLimit(8192, 1.0), START).turns(START) == 2
    assert Allowance(None, RateLimit(1, 1.0), START).turns(START) == 1
