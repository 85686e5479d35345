"""The ledger of a soak run notices what is lost, comes twice, out of order or from nowhere, and nothing else."""

from __future__ import annotations

import pytest

from tests.soak.ledger import Ledger, Problems


@pytest.fixture
def problems() -> Problems:
    return Problems(lambda line: None)


@pytest.fixture
def ledger(problems: Problems) -> Ledger:
    return Ledger("t", problems)


def test_what_is_acknowledged_is_owed_until_it_arrives(ledger: Ledger, problems: Problems) -> None:
    first, second = ledger.next(), ledger.next()
    ledger.acknowledge(first)
    assert ledger.owed == 1
    ledger.arrive(first, False, 1)
    ledger.arrive(second, False, 1)  # before its acknowledgement
    ledger.acknowledge(second)
    assert ledger.owed == 0
    ledger.close()
    assert not problems.counts and ledger.arrived == ledger.acknowledged == 2


def test_what_is_owed_at_the_end_is_lost(ledger: Ledger, problems: Problems) -> None:
    ledger.acknowledge(ledger.next())
    ledger.close()
    assert problems.counts == {"acknowledged but lost": 1}


@pytest.mark.parametrize("arrives", [True, False])
def test_what_was_not_answered_may_come(ledger: Ledger, problems: Problems, arrives: bool) -> None:
    number = ledger.next()
    ledger.give_up(number)
    if arrives:
        ledger.arrive(number, False, 2)
    ledger.close()
    assert not problems.counts


@pytest.mark.parametrize(("qos", "dup", "is_fault"), [(1, True, False), (1, False, True), (2, True, True)])
def test_twice(ledger: Ledger, problems: Problems, qos: int, dup: bool, is_fault: bool) -> None:
    number = ledger.next()
    ledger.acknowledge(number)
    ledger.arrive(number, False, qos)
    ledger.arrive(number, dup, qos)
    assert problems.counts == ({"delivered twice": 1} if is_fault else {})


@pytest.mark.parametrize(("qos", "is_fault"), [(1, False), (2, True)])
def test_twice_to_a_share_group(problems: Problems, qos: int, is_fault: bool) -> None:
    """4.8.2: QoS 1 may go to another member, QoS 2 must wait for the one it was sent to."""
    ledger = Ledger("t", problems, shared=True)
    first, second = ledger.next(), ledger.next()
    ledger.arrive(second, False, qos)
    ledger.arrive(first, False, qos)
    ledger.arrive(first, False, qos)
    assert problems.counts == ({"delivered twice": 1} if is_fault else {})


def test_out_of_order(ledger: Ledger, problems: Problems) -> None:
    first, second = ledger.next(), ledger.next()
    ledger.arrive(second, False, 1)
    ledger.arrive(first, False, 1)
    assert problems.counts == {"out of order": 1}


def test_from_nowhere(ledger: Ledger, problems: Problems) -> None:
    ledger.arrive(0, False, 1)
    assert problems.counts == {"never sent": 1}


def test_examples_are_bounded_and_told_at_once() -> None:
    told: list[str] = []
    problems = Problems(told.append)
    for number in range(100):
        problems.add("kind", str(number))
    assert problems.counts["kind"] == 100
    assert told == problems.examples and 0 < len(told) < 100
