"""A snapshot shows one moment, whatever changes while it is written; one that isn't whole doesn't count."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rmq.mqtt.message import Message
from rmq.session.delivery import DONE, RELEASING, SENT
from rmq.storage.codec import decode_operation, encode_operation
from rmq.storage.record_file import CorruptFile
from rmq.storage.records import (
    EndSession,
    Operation,
    ReleaseDelivery,
    RemoveDelivery,
    RemoveSubscription,
    StoreMessage,
)
from rmq.storage.segments import Segments, segment_path
from rmq.storage.snapshot import SnapshotFile, SnapshotWriter, snapshot_numbers, snapshot_path
from rmq.storage.state import State
from tests.unit.storage.strategies import meeting_operation, new_state, open_sessions
from tests.unit.storage.whole_state import SnapshotRun, held_in_memory, read_snapshot, take_snapshot, whole

lists = st.lists(meeting_operation, max_size=25)
between_steps = st.lists(st.lists(meeting_operation, max_size=4), max_size=8)


def stored(payload: bytes, topic: str = "t", qos: int = 1, *, retain: bool = False) -> StoreMessage:
    return StoreMessage(Message(topic, payload, qos, retain, "p", b"", 0.0, 100.0), None, "", 0)


def filled(*client_ids: str, messages: int = 3) -> State:
    state = new_state()
    for operation in open_sessions(*client_ids):
        state.apply(operation)
    for number in range(messages):
        state.apply(stored(b"%d" % number, retain=number == 1, qos=2))
    return state


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(before=lists, between=between_steps, budget=st.sampled_from([0, 1]))
def test_it_shows_the_moment_at_which_it_began(
    before: list[Operation], between: list[list[Operation]], budget: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        state = new_state()
        for operation in [*open_sessions("a", "b"), *before]:
            state.apply(operation)
        at_the_beginning = whole(state)
        journal = [encode_operation(operation) for operations in between for operation in operations]
        run = SnapshotRun(folder, state, Segments(folder, 1), batch=7)
        for operations in between:
            for operation in operations:
                state.apply(operation)
            run.step()
        run.finish()
        found, reader = read_snapshot(folder, memory_budget=budget)
        assert whole(found, folder) == at_the_beginning
        assert (reader.journal, reader.batch, found.snapshot) == (2, 7, 1)
        assert found.ctx.queued_bytes == held_in_memory(found)
        for fields in journal:
            found.apply(decode_operation(fields))
        assert whole(found, folder) == whole(state, folder), "the operations since then lead to the state as it is"
        for each in (state, found):
            assert each.ctx.queued_bytes == held_in_memory(each)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(lists, st.integers(0, 4)), min_size=2, max_size=4))
def test_one_after_the_other_and_after_ones_that_were_given_up(rounds: list[tuple[list[Operation], int]]) -> None:
    """Each with its own number, some left after a few steps; messages stay in the segments of earlier ones."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        state = new_state()
        segments = Segments(folder, 1)
        for operation in open_sessions("a", "b"):
            state.apply(operation)
        for number, (operations, steps) in enumerate(rounds, 1):
            for operation in operations:
                state.apply(operation)
            run = SnapshotRun(folder, state, segments, number)
            if steps and number < len(rounds):
                for _ in range(steps):
                    run.step()
                run.writer.detach()
                run.file.discard()
                continue
            now = whole(state, folder)
            run.finish()
            assert whole(read_snapshot(folder, number)[0]) == now


def test_a_message_of_many_sessions_is_one_message_again(tmp_path: Path) -> None:
    state = filled("a", "b", "c")
    run = take_snapshot(tmp_path, state)
    assert segment_path(tmp_path, 1).stat().st_size == sum(run.segments.sizes.values())
    found, _ = read_snapshot(tmp_path)
    sessions = list(found.sessions.values())
    tables = [list(s.outbound.deliveries.values()) for s in sessions if s.outbound is not None]
    for deliveries in zip(*tables, strict=True):
        assert len({id(delivery.message) for delivery in deliveries}) == 1
        assert deliveries[0].message.references == 3
    retained = found.retained.get("t")
    assert retained is tables[0][1].message


def test_budgets_decide_what_stays_on_disk(tmp_path: Path) -> None:
    state = filled("a", messages=0)
    for number in range(10):
        state.apply(stored(bytes([number]) * 100, "w" if number == 9 else "t", retain=number == 9))
    take_snapshot(tmp_path, state)
    found, _ = read_snapshot(tmp_path, memory_budget=450)
    outbound = found.sessions["a"].outbound
    assert outbound is not None
    on_disk = [d.message.on_disk for d in outbound.deliveries.values()]
    assert on_disk == [False] * 4 + [True] * 5 + [False], "what is retained is in memory all the same"
    assert found.ctx.queued_bytes == 500
    assert outbound.payload_bytes == 1000


def test_what_is_acknowledged_and_not_applied_is_written_as_it_was_applied(tmp_path: Path) -> None:
    """The client has completed it, the operation that says so is in a later batch, which may never be written."""
    state = filled("a")
    state.apply(ReleaseDelivery("a", 1))
    before = whole(state)
    outbound = state.sessions["a"].outbound
    assert outbound is not None
    outbound.deliveries[1].state = DONE  # PUBCOMP came
    outbound.deliveries[2].state = RELEASING  # PUBREC came
    outbound.deliveries[3].state = SENT
    take_snapshot(tmp_path, state)
    found, _ = read_snapshot(tmp_path)
    assert whole(found) == before, "else the message is delivered a second time after a crash"


def test_a_session_that_ends_before_its_turn_is_in_it(tmp_path: Path) -> None:
    state = filled("a", "b")
    before = whole(state)
    run = SnapshotRun(tmp_path, state, Segments(tmp_path, 1))
    state.apply(EndSession("a", 1))
    state.apply(RemoveSubscription("b", "#"))
    state.apply(RemoveDelivery("b", 1))
    run.finish()
    assert whole(read_snapshot(tmp_path)[0]) == before


def test_nobody_is_told_any_more_once_it_is_finished_or_left(tmp_path: Path) -> None:
    state = filled("a")
    take_snapshot(tmp_path, state)
    assert state.watcher is None
    run = SnapshotRun(tmp_path, state, Segments(tmp_path, 2), 2)
    assert state.watcher is run.writer
    run.writer.detach()
    records = run.writer.records
    state.apply(RemoveDelivery("a", 1))
    assert state.watcher is None and run.writer.records == records


# Files that aren't whole


@pytest.mark.parametrize("size", [0, 10, 16, 40, -1])
def test_a_file_that_is_not_whole_is_corrupt(tmp_path: Path, size: int) -> None:
    take_snapshot(tmp_path, filled("a"))
    path = snapshot_path(tmp_path, 1)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(CorruptFile) as caught:
        read_snapshot(tmp_path)
    assert caught.value.path == path


@pytest.mark.parametrize("part", [0.2, 0.5, 0.9, 1.0])
def test_a_flipped_byte_in_it_is_corrupt(tmp_path: Path, part: float) -> None:
    take_snapshot(tmp_path, filled("a", "b", "c"))
    path = snapshot_path(tmp_path, 1)
    data = bytearray(path.read_bytes())
    data[int((len(data) - 1) * part)] ^= 1
    path.write_bytes(data)
    with pytest.raises(CorruptFile) as caught:
        read_snapshot(tmp_path)
    assert caught.value.path == path


def test_one_that_lacks_a_record_is_corrupt(tmp_path: Path) -> None:
    run = SnapshotRun(tmp_path, filled("a", "b"), Segments(tmp_path, 1))
    run.step()
    run.writer.take()
    run.writer.step()
    run.writer.take()  # lost on the way
    run.finish()
    with pytest.raises(CorruptFile, match="complete"):
        read_snapshot(tmp_path)


def test_a_missing_segment_is_told(tmp_path: Path) -> None:
    take_snapshot(tmp_path, filled("a"))
    path = segment_path(tmp_path, 1)
    path.unlink()
    with pytest.raises(CorruptFile, match="missing") as caught:
        read_snapshot(tmp_path)
    assert caught.value.path == path


@pytest.mark.parametrize("cut", [1, 30, 80])
def test_a_segment_that_lost_its_end_is_told(tmp_path: Path, cut: int) -> None:
    take_snapshot(tmp_path, filled("a"))
    path = segment_path(tmp_path, 1)
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(CorruptFile) as caught:
        read_snapshot(tmp_path)
    assert caught.value.path == path


def test_what_stands_behind_the_wanted_part_of_a_segment_may_be_torn(tmp_path: Path) -> None:
    """Messages that were placed since then, and that the journal has too."""
    state = filled("a")
    before = whole(state)
    take_snapshot(tmp_path, state)
    with segment_path(tmp_path, 1).open("ab") as file:
        file.write(b"\xa7RMQ half a record")
    assert whole(read_snapshot(tmp_path)[0]) == before


def test_it_counts_only_when_it_is_finished(tmp_path: Path) -> None:
    state = filled("a")
    run = SnapshotRun(tmp_path, state, Segments(tmp_path, 1))
    while run.step():
        pass
    assert snapshot_numbers(tmp_path) == []
    run.file.discard()
    assert not list(tmp_path.glob("*.tmp"))


def test_writing_can_be_repeated(tmp_path: Path) -> None:
    state = filled("a")
    writer = SnapshotWriter(state, Segments(tmp_path, 1), 1, 2, 0, lambda at: b"")
    file = SnapshotFile(tmp_path, 1)
    head = writer.take()
    assert file.append(head) == len(head)
    (tmp_path / "snapshot-0000000001.tmp").write_bytes(head + b"half of what failed")
    while writer.step():
        pass
    writer.finish()
    rest = writer.take()
    assert file.append(rest) == len(head) + len(rest)
    assert (tmp_path / "snapshot-0000000001.tmp").read_bytes() == head + rest
