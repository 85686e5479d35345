"""Proposed, written, applied, answered: in this order, and nobody twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmq.mqtt.message import Message
from rmq.session.receipts import Receipt
from rmq.storage.codec import decode_operation
from rmq.storage.commit_log import CommitLog
from rmq.storage.packing import packer, unpack_all
from rmq.storage.records import EndSession, Operation, RemoveWill, StoreMessage
from rmq.storage.state import State
from tests.unit.storage.strategies import meeting_operation, new_state, open_sessions
from tests.unit.storage.whole_state import whole


class Told(Receipt):
    """Writes down what it is told, and what the state was then."""

    def __init__(self, told: list[str], name: str, *, synced_only: bool = False, fails: bool = False) -> None:
        super().__init__(synced_only)
        self._told = told
        self._name = name
        self._fails = fails

    def applied(self) -> None:
        self._told.append(self._name)
        if self._fails:
            raise RuntimeError(self._name)

    def give_up(self) -> None:
        self._told.append(f"gave up {self._name}")


@pytest.fixture
def state() -> State:
    return new_state()


@pytest.fixture
def log(state: State) -> CommitLog:
    return CommitLog(state, 0, packer())


def add(log: CommitLog, name: str, receipt: Receipt | None = None) -> None:
    log.append(open_sessions(name)[0], receipt)


def test_nothing_is_applied_before_it_is_written(state: State, log: CommitLog) -> None:
    told: list[str] = []
    add(log, "a", Told(told, "a"))
    assert log.has_proposed() and not log.is_writing()
    assert log.take() and log.is_writing() and not log.has_proposed()
    add(log, "b", Told(told, "b"))
    assert not state.sessions and told == []
    log.complete()
    assert list(state.sessions) == ["a"] and told == ["a"]
    assert not log.is_writing() and log.has_proposed()
    log.take()
    log.complete()
    assert list(state.sessions) == ["a", "b"] and told == ["a", "b"]
    assert (log.batch, log.written) == (2, 2)


def test_batches_are_numbered_on_from_what_is_there(state: State) -> None:
    log = CommitLog(state, 41, packer())
    add(log, "a")
    log.take()
    assert (log.batch, log.written) == (42, 41)
    log.complete()
    assert log.written == 42


def test_a_batch_can_be_written_again_as_it_was(log: CommitLog) -> None:
    add(log, "a")
    data = log.take()
    add(log, "b")
    assert log.again() == data


@given(st.lists(st.lists(meeting_operation, min_size=1, max_size=5), max_size=6))
def test_what_is_written_leads_to_the_same_state(batches: list[list[Operation]]) -> None:
    state, replayed = new_state(), new_state()
    log = CommitLog(state, 0, packer())
    batches.insert(0, open_sessions("a", "b"))
    for operations in batches:
        for operation in operations:
            log.append(operation, None)
        assert log.pending_bytes > 0
        for fields in unpack_all(log.take()):
            replayed.apply(decode_operation(fields))
        log.complete()
        assert log.pending_bytes == 0
        assert whole(replayed) == whole(state)
    assert log.bugs == []


def test_what_is_proposed_while_applying_is_in_the_next_batch(state: State, log: CommitLog) -> None:
    class Proposes(Receipt):
        def applied(self) -> None:
            add(log, "next")

    add(log, "a", Proposes(False))
    add(log, "b")
    log.take()
    log.complete()
    assert list(state.sessions) == ["a", "b"]
    assert log.has_proposed()
    log.take()
    log.complete()
    assert list(state.sessions) == ["a", "b", "next"]


def test_a_receipt_sees_what_was_applied_up_to_it(state: State, log: CommitLog) -> None:
    seen: list[list[str]] = []

    class Sees(Receipt):
        def applied(self) -> None:
            seen.append(list(state.sessions))

    add(log, "a", Sees(False))
    add(log, "b", Sees(False))
    log.take()
    log.complete()
    assert seen == [["a"], ["a", "b"]]


def test_some_wait_for_the_sync(log: CommitLog) -> None:
    told: list[str] = []
    for number in range(1, 4):
        add(log, f"w{number}", Told(told, f"written {number}"))
        add(log, f"s{number}", Told(told, f"synced {number}", synced_only=True))
        log.take()
        log.complete()
    assert told == ["written 1", "written 2", "written 3"] and log.wants_sync()
    log.complete_sync(2)
    assert told[3:] == ["synced 1", "synced 2"] and log.wants_sync()
    log.complete_sync(3)
    assert told[5:] == ["synced 3"] and not log.wants_sync()
    assert log.synced == 3


@pytest.mark.parametrize("first", ["the disk", "other nodes"])
def test_some_wait_for_the_disk_and_for_other_nodes(log: CommitLog, first: str) -> None:
    log.replicated = True
    told: list[str] = []
    receipt = Told(told, "both", synced_only=True)
    receipt.everywhere = True
    add(log, "a", receipt)
    log.take()
    log.complete()
    happenings = [lambda: log.complete_sync(1), lambda: log.complete_everywhere(1)]
    if first == "other nodes":
        happenings.reverse()
    happenings[0]()
    assert told == []
    happenings[1]()
    assert told == ["both"] and not log.wants_sync() and not log.waits_elsewhere()


def test_one_bug_does_not_stop_the_others(state: State, log: CommitLog) -> None:
    told: list[str] = []
    add(log, "a", Told(told, "a", fails=True))
    add(log, "b", Told(told, "b", synced_only=True, fails=True))
    add(log, "c", Told(told, "c"))
    log.take()
    log.complete()
    log.complete_sync(1)
    assert told == ["a", "gave up a", "c", "b", "gave up b"]
    assert [str(bug) for bug in log.bugs] == ["a", "b"]
    assert list(state.sessions) == ["a", "b", "c"]
    assert log.pending_bytes == 0


def test_one_that_cannot_be_written_down_harms_nobody_else(state: State, log: CommitLog) -> None:
    """A plugin may give us a message that can't be encoded: the operations beside it are still written."""
    add(log, "a")
    message = Message("no character: \ud800", b"", 1, False, "p")
    with pytest.raises(ValueError, match="surrogates"):
        log.append(StoreMessage(message, None, "", 0), None)
    add(log, "b")
    assert [fields[1] for fields in unpack_all(log.take())] == ["a", "b"]
    log.complete()
    assert list(state.sessions) == ["a", "b"] and log.pending_bytes == 0


def test_giving_up_tells_all_who_wait_and_forgets_nothing(state: State, log: CommitLog) -> None:
    told: list[str] = []
    add(log, "a", Told(told, "a", synced_only=True))
    log.take()
    log.complete()
    add(log, "b", Told(told, "b"))
    log.take()
    add(log, "c", Told(told, "c"))
    log.append(EndSession("nobody", 1), None)
    log.give_up()
    assert sorted(told) == ["gave up a", "gave up b", "gave up c"]
    log.complete()
    log.take()
    log.complete()
    assert list(state.sessions) == ["a", "b", "c"]


def test_giving_up_may_propose(log: CommitLog) -> None:
    class Closes(Receipt):
        def give_up(self) -> None:
            log.append(RemoveWill("a", 1), self)

    add(log, "a", Closes(False))
    log.give_up()
    assert len(list(unpack_all(log.take()))) == 2


@pytest.mark.parametrize("synced_only", [False, True])
def test_what_a_snapshot_settles_waits_for_disks_as_the_rest_does(
    state: State, log: CommitLog, synced_only: bool
) -> None:
    """A majority has agreed on it, and written it; that doesn't say that their disks have."""
    told: list[str] = []
    add(log, "a", Told(told, "a", synced_only=synced_only))
    log.take()
    log.skip(7)
    assert not state.sessions and not log.is_writing()
    assert told == ([] if synced_only else ["a"])
    log.complete_sync(7)
    assert told == ["a"]


def test_what_a_snapshot_settles_waits_for_other_nodes_as_the_rest_does(log: CommitLog) -> None:
    told: list[str] = []
    log.replicated = True
    receipt = Told(told, "a")
    receipt.everywhere = True
    add(log, "a", receipt)
    log.take()
    log.skip(7)
    assert told == [] and log.waits_elsewhere()
    log.complete_everywhere(6)
    assert told == []
    log.complete_everywhere(7)
    assert told == ["a"]
