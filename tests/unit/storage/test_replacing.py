"""A state is filled beside the one in use in small steps, takes its place at once, and the old one goes in steps."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rmq.mqtt.message import Message
from rmq.session.session import Session
from rmq.session.subscription import Subscription
from rmq.storage.digest import digest_of
from rmq.storage.record_file import CorruptFile
from rmq.storage.records import Operation, StoreMessage
from rmq.storage.replacing import carry_over, empty_beside, exchange, take_apart
from rmq.storage.segments import segment_path
from rmq.storage.snapshot_reader import SnapshotReader, Steps, Wanted, finish
from rmq.storage.state import State
from tests.unit.storage.strategies import meeting_operation, new_state, open_sessions
from tests.unit.storage.whole_state import held_in_memory, take_snapshot, whole

lists = st.lists(meeting_operation, max_size=25)


def filled(operations: list[Operation]) -> State:
    state = new_state()
    for operation in [*open_sessions("a", "b"), *operations]:
        state.apply(operation)
    return state


def read_beside(folder: Path, state: State) -> State:
    beside = empty_beside(state)
    finish(SnapshotReader(folder, 1, beside.ctx.memory_budget).steps(beside))
    return beside


def passing(client_id: str, *filters: str) -> Session:
    """A connection's session that nobody keeps."""
    session = Session(client_id, False)
    for topic_filter in filters:
        session.put_subscription(Subscription(session, topic_filter, topic_filter, "", 1, False, False, 0, 0))
    return session


def subscribe(state: State, session: Session) -> None:
    for subscription in (session.subscriptions or {}).values():
        state.router.add(subscription)


def receivers(state: State, topic: str) -> list[str]:
    return sorted(t.session.client_id for t in state.router.match(topic).plain if not t.session.persistent)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(lists, lists, lists, st.sampled_from([0, 1, 60]))
def test_the_state_in_use_goes_on_until_the_other_takes_its_place(
    snapshot: list[Operation], own: list[Operation], meanwhile: list[Operation], budget: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        other = filled(snapshot)
        take_snapshot(folder, other)
        state, alike = filled(own), filled(own)
        state.ctx.memory_budget = budget
        beside = empty_beside(state)
        steps = SnapshotReader(folder, 1, beside.ctx.memory_budget).steps(beside)
        waiting = list(meanwhile)
        data: bytes | None = None
        while True:
            try:
                step = steps.send(data)
            except StopIteration:
                break
            data = step.read() if isinstance(step, Wanted) else None
            if waiting:
                operation = waiting.pop()
                state.apply(operation)
                alike.apply(operation)
        assert whole(state) == whole(alike)
        exchange(state, beside)
        assert whole(state, folder) == whole(other)
        assert digest_of(state) == digest_of(other)
        assert state.ctx.queued_bytes == held_in_memory(state)
        assert whole(beside) == whole(alike)
        finish(take_apart(beside))
        assert whole(state, folder) == whole(other), "what is let go belongs to nobody else"
        for operation in snapshot:  # it goes on as the other does
            state.apply(operation)
            other.apply(operation)
        assert whole(state, folder) == whole(other)


def test_no_step_is_long(tmp_path: Path) -> None:
    """Each tells how much work it was; only a single session, or file, makes it more."""
    other = new_state()
    for operation in open_sessions(*(f"client {number}" for number in range(300))):
        other.apply(operation)
    for number in range(300):
        other.apply(StoreMessage(Message(f"r/{number}", b"m", 0, True, "p"), None, "", 0))
    take_snapshot(tmp_path, other)
    state = new_state()
    beside = empty_beside(state)

    def works(steps: Steps) -> list[int]:
        done: list[int] = []
        data: bytes | None = None
        while True:
            try:
                step = steps.send(data)
            except StopIteration:
                return done
            data = step.read() if isinstance(step, Wanted) else None
            if isinstance(step, int):
                done.append(step)

    reading = works(SnapshotReader(tmp_path, 1, 0).steps(beside))
    assert len(reading) > 600 and max(reading) <= 256 and min(reading) > 0
    exchange(state, beside)
    letting_go = works(take_apart(state))
    assert len(letting_go) > 300 and max(letting_go) <= 100
    assert not state.sessions and state.retained.count == 0


@pytest.mark.parametrize("damage", ["cut off", "gone"])
def test_what_is_damaged_is_told_and_changes_nothing(tmp_path: Path, damage: str) -> None:
    take_snapshot(tmp_path, filled([StoreMessage(Message("t", b"m", 1, True, "p"), None, "", 0)]))
    path = segment_path(tmp_path, 1)
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-3])
    state = filled([])
    before = whole(state)
    with pytest.raises((CorruptFile, FileNotFoundError)):
        read_beside(tmp_path, state)
    assert whole(state) == before


def test_connections_that_come_and_go_meanwhile_are_routed_to_afterwards(tmp_path: Path) -> None:
    take_snapshot(tmp_path, filled([]))
    state = new_state()
    stays, leaves, left = passing("stays", "x", "y/#"), passing("leaves", "x"), passing("left", "x")
    for session in (stays, leaves, left):
        subscribe(state, session)
    beside = read_beside(tmp_path, state)
    steps = carry_over([left, stays, leaves], state, beside)
    for subscription in (left.subscriptions or {}).values():
        state.router.remove(subscription)
    left.subscriptions = None
    next(steps)
    late = passing("late", "x", "$share/g/x")
    subscribe(state, late)
    for subscription in (leaves.subscriptions or {}).values():
        state.router.remove(subscription)
    leaves.subscriptions = None
    finish(steps)
    exchange(state, beside)
    assert receivers(state, "x") == ["late", "stays"]
    assert receivers(state, "y/z") == ["stays"]
    assert state.router.successor is None
    finish(take_apart(beside))
    for session in (stays, late):
        for subscription in (session.subscriptions or {}).values():
            assert state.router.remove(subscription)


def test_a_kept_session_goes_before_a_connection_of_the_same_client(tmp_path: Path) -> None:
    """The client has come to another node, and this one doesn't know yet."""
    other = filled([])
    session = other.sessions["a"]
    kept = [subscription.topic_filter for subscription in (session.subscriptions or {}).values()]
    assert kept
    take_snapshot(tmp_path, other)
    state = new_state()
    before = passing("a", *kept)
    subscribe(state, before)
    beside = read_beside(tmp_path, state)
    finish(carry_over([before], state, beside))
    exchange(state, beside)
    for subscription in (before.subscriptions or {}).values():
        assert not state.router.remove(subscription)
    assert whole(state) == whole(other)


def test_payloads_of_both_are_within_the_budget(tmp_path: Path) -> None:
    take_snapshot(tmp_path, filled([StoreMessage(Message("t", bytes(400), 1, False, "p"), None, "", 0)]))
    state = filled([StoreMessage(Message("t", bytes(400), 1, False, "p"), None, "", 0)])
    assert state.ctx.queued_bytes == 400
    state.ctx.memory_budget = 700
    beside = read_beside(tmp_path, state)
    assert state.ctx.queued_bytes + beside.ctx.queued_bytes <= 700
    exchange(state, beside)
    assert state.ctx.queued_bytes == 0 == held_in_memory(state)
