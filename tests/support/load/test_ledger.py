"""The books themselves: each broken promise is found, and nothing else is taken for one."""

from __future__ import annotations

import pytest

from tests.support.load.ledger import Ledger, payload_of

ONE = ("t", 1)
TWO = ("t", 2)


@pytest.fixture
def ledger() -> Ledger:
    """A subscriber of one topic at both QoS."""
    made = Ledger()
    made.open_account("s", [ONE, TWO], 2)
    return made


def sent(ledger: Ledger, count: int, stream: tuple[str, int] = ONE) -> None:
    for _ in range(count):
        ledger.send(stream, 50, "to node 1")


def deliver(ledger: Ledger, *numbers: int, stream: tuple[str, int] = ONE) -> None:
    for number in numbers:
        ledger.deliver("s", stream[0], payload_of(stream, number, 50), stream[1], "")


def test_unknown_messages_may_come_or_not(ledger: Ledger) -> None:
    sent(ledger, 4)
    deliver(ledger, 1, 3)
    ledger.check_complete()
    assert ledger.violations == [] and ledger.backlog("s") == 0 and ledger.owed("s") == 0


def test_acknowledged_messages_must_come(ledger: Ledger) -> None:
    sent(ledger, 3)
    ledger.acknowledge(ONE, 1, "")
    deliver(ledger, 0, 2)
    assert ledger.owed("s") == 1 and ledger.last_acknowledged(ONE) == 1
    ledger.check_complete()
    (violation,) = ledger.violations
    assert "number 1" in violation and "never came" in violation


def test_refused_messages_must_not_come(ledger: Ledger) -> None:
    sent(ledger, 2)
    ledger.refuse(ONE, 0, "")
    deliver(ledger, 0, 1)
    ledger.refuse(ONE, 1, "")
    assert ["delivered though it was refused" in each for each in ledger.violations] == [True, False]
    assert "refused when it was delivered" in ledger.violations[1]


def test_only_the_last_try_of_a_message_is_known_to_be_refused(ledger: Ledger) -> None:
    sent(ledger, 1)
    ledger.send_again(ONE, 0, "to node 2")
    ledger.refuse(ONE, 0, "")
    deliver(ledger, 0)
    assert ledger.violations == [] and ledger.refused == 0


def test_first_deliveries_come_in_order(ledger: Ledger) -> None:
    sent(ledger, 4)
    deliver(ledger, 0, 1, 2, 1, 2)
    assert ledger.violations == [] and ledger.duplicates == 2
    sent(ledger, 2)
    deliver(ledger, 5, 4)
    (violation,) = ledger.violations
    assert "after number 5" in violation


def test_qos_2_comes_once(ledger: Ledger) -> None:
    sent(ledger, 1, TWO)
    deliver(ledger, 0, 0, stream=TWO)
    (violation,) = ledger.violations
    assert "twice" in violation


@pytest.mark.parametrize(
    ("topic", "payload", "qos"),
    [
        ("t", payload_of(ONE, 0, 50)[:-1] + b"?", 1),
        ("u", payload_of(ONE, 0, 50), 1),
        ("t", payload_of(ONE, 0, 50), 0),
        ("t", b"nonsense", 1),
    ],
)
def test_messages_are_as_they_were_sent(ledger: Ledger, topic: str, payload: bytes, qos: int) -> None:
    sent(ledger, 1)
    ledger.deliver("s", topic, payload, qos, "")
    assert len(ledger.violations) == 1


def test_an_account_begins_where_it_was_opened(ledger: Ledger) -> None:
    sent(ledger, 3)
    ledger.acknowledge(ONE, 0, "")
    ledger.open_account("late", [ONE], 1)
    assert ledger.owed("late") == 0 and ledger.owed("s") == 1 and ledger.backlog("late") == 0
    sent(ledger, 1)
    assert ledger.backlog("late") == 1
