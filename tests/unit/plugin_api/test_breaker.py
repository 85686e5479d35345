"""The circuit breaker, by a clock of the test."""

import pytest

from rmq.plugin_api.breaker import CLOSED, HALF_OPEN, OPEN, CircuitBreaker


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def opened(clock: Clock) -> CircuitBreaker:
    breaker = CircuitBreaker(3, 10.0, clock)
    assert [breaker.failed() for _ in range(3)] == [False, False, True]
    return breaker


def test_failures_one_behind_the_other_open_it(clock: Clock) -> None:
    breaker = opened(clock)
    assert breaker.state == OPEN and not breaker.admits()


def test_a_success_in_between_starts_afresh(clock: Clock) -> None:
    breaker = CircuitBreaker(2, 10.0, clock)
    breaker.failed()
    assert not breaker.succeeded()
    assert not breaker.failed() and breaker.state == CLOSED


def test_after_the_pause_one_request_is_the_probe(clock: Clock) -> None:
    breaker = opened(clock)
    clock.now += 10
    assert breaker.state == HALF_OPEN
    assert [breaker.admits() for _ in range(3)] == [True, False, False]


def test_the_probe_closes_it_or_opens_it_again(clock: Clock) -> None:
    breaker = opened(clock)
    clock.now += 10
    assert breaker.admits() and not breaker.failed()
    assert breaker.state == OPEN and not breaker.admits()
    clock.now += 10
    assert breaker.admits() and breaker.succeeded()
    assert breaker.state == CLOSED and breaker.admits()


def test_a_probe_without_outcome_makes_room_for_another(clock: Clock) -> None:
    breaker = opened(clock)
    clock.now += 10
    assert breaker.admits()
    breaker.given_up()
    assert breaker.admits()


def test_requests_of_before_do_not_prolong_the_pause(clock: Clock) -> None:
    breaker = opened(clock)
    clock.now += 9
    breaker.failed()
    clock.now += 1
    assert breaker.admits()


def test_it_may_be_switched_off(clock: Clock) -> None:
    breaker = CircuitBreaker(0, 10.0, clock)
    assert not any(breaker.failed() for _ in range(100)) and breaker.admits()
