"""The start: snapshot and journal lead to the state as it was; damage is told; what is superfluous is swept away."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rmq.mqtt.message import Message
from rmq.storage.commit_log import CommitLog
from rmq.storage.journal import journal_numbers, journal_path
from rmq.storage.packing import pack, packer
from rmq.storage.record_file import CorruptFile
from rmq.storage.records import Operation, StoreMessage
from rmq.storage.recovery import DataInUse, DataLock, Recovery, recover
from rmq.storage.segments import segment_numbers, segment_path
from rmq.storage.snapshot import snapshot_numbers, snapshot_path
from rmq.storage.state import State
from tests.unit.storage.strategies import meeting_operation, new_state, open_sessions
from tests.unit.storage.whole_state import SnapshotRun, held_in_memory, whole

SNAPSHOT: Final = "snapshot"
CRASH: Final = "crash"
HALF_SNAPSHOT: Final = "half a snapshot"

batches = st.lists(meeting_operation, min_size=1, max_size=6)
events = st.lists(batches | st.sampled_from([SNAPSHOT, CRASH, HALF_SNAPSHOT]), max_size=12)


class Store:
    """What a node does with its data, in one thread: batches, snapshots in between, and the end at any time."""

    def __init__(self, folder: Path, budget: int = 0, *, repair: bool = False) -> None:
        self.folder = folder
        self.state = new_state(budget)
        self.recovery: Recovery = recover(folder, self.state, memory_budget=budget, repair=repair)
        self.log = CommitLog(self.state, self.recovery.batch, packer())
        self.number = self.recovery.snapshot

    def write(self, operations: list[Operation]) -> None:
        for operation in operations:
            self.log.append(operation, None)
        data = self.log.take()
        self.recovery.journal.append(self.log.batch, data)
        self.log.complete()
        self.state.ctx.to_disk.clear()

    def snapshot(self, steps: int = -1) -> None:
        """A whole snapshot, or so many steps of one; nothing is swept away."""
        self.number += 1
        journal = self.recovery.journal
        journal.rotate(trusted=True)
        run = SnapshotRun(
            self.folder, self.state, self.recovery.segments, self.number, self.log.written, journal.number
        )
        if steps < 0:
            run.finish()
            return
        for _ in range(steps):
            run.step()
        run.writer.detach()

    def crash(self) -> None:
        self.recovery.journal.close()


def filled(folder: Path, *, snapshot: bool = False) -> Store:
    """Three batches; a snapshot between the second and the third if that is wanted."""
    store = Store(folder)
    store.write(open_sessions("a", "b"))
    store.write(open_sessions("c"))
    if snapshot:
        store.snapshot()
    store.write(open_sessions("d"))
    store.crash()
    return store


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(events, st.sampled_from([0, 1, 60]))
def test_a_restart_finds_the_state_as_it_was(story: list[object], budget: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = Store(folder, budget)
        store.write(open_sessions("a", "b"))
        for event in [*story, CRASH]:
            if event == SNAPSHOT:
                store.snapshot()
            elif event == HALF_SNAPSHOT:
                store.snapshot(steps=1)
            elif event == CRASH:
                before = whole(store.state, folder)
                written = store.log.written
                store.crash()
                store = Store(folder, budget)
                assert whole(store.state, folder) == before
                assert store.recovery.batch == written and store.recovery.cut_off == 0
                assert store.state.ctx.queued_bytes == held_in_memory(store.state)
                assert len(snapshot_numbers(folder)) <= 1 and not list(folder.glob("*.tmp"))
            else:
                assert isinstance(event, list)
                store.write(event)
        store.crash()


def test_a_new_folder_is_empty(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert not store.state.sessions
    assert (store.recovery.batch, store.recovery.snapshot, store.recovery.operations) == (0, 0, 0)
    assert journal_numbers(tmp_path) == [1]
    store.crash()


def test_it_says_what_it_found(tmp_path: Path) -> None:
    store = filled(tmp_path, snapshot=True)
    expected = whole(store.state)
    again = Store(tmp_path)
    recovery = again.recovery
    assert whole(again.state) == expected
    assert (recovery.batch, recovery.snapshot, recovery.operations, recovery.damaged) == (3, 1, 2, [])
    assert recovery.snapshot_bytes == snapshot_path(tmp_path, 1).stat().st_size
    assert recovery.journal.size == journal_path(tmp_path, 2).stat().st_size
    assert recovery.journal.number == 2
    again.crash()


def test_what_is_superfluous_is_swept_away(tmp_path: Path) -> None:
    filled(tmp_path, snapshot=True)
    for path in (
        snapshot_path(tmp_path, 2).with_suffix(".tmp"),
        segment_path(tmp_path, 9),
    ):
        path.write_bytes(b"left by one that was killed")
    assert journal_numbers(tmp_path) == [1, 2]
    store = Store(tmp_path)
    assert journal_numbers(tmp_path) == [2]
    assert snapshot_numbers(tmp_path) == [1]
    assert segment_numbers(tmp_path) == []
    assert not list(tmp_path.glob("*.tmp"))
    store.crash()


def test_a_torn_tail_is_cut_off_and_told(tmp_path: Path) -> None:
    filled(tmp_path)
    path = journal_path(tmp_path, 1)
    os.truncate(path, path.stat().st_size - 3)
    store = Store(tmp_path)
    assert set(store.state.sessions) == {"a", "b", "c"}
    assert store.recovery.cut_off > 0 and store.recovery.batch == 2
    store.write(open_sessions("e"))
    store.crash()
    again = Store(tmp_path)
    assert set(again.state.sessions) == {"a", "b", "c", "e"} and again.recovery.cut_off == 0
    again.crash()


def flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def test_damage_in_the_middle_stops_the_start_until_it_is_repaired(tmp_path: Path) -> None:
    filled(tmp_path)
    path = journal_path(tmp_path, 1)
    flip(path, 60)
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    with pytest.raises(CorruptFile) as caught:
        Store(tmp_path)
    assert caught.value.path == path
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == before
    store = Store(tmp_path, repair=True)
    assert [str(error) for error in store.recovery.damaged] == [str(caught.value)]
    assert path.with_suffix(".damaged").read_bytes() == before[path.name]
    store.write(open_sessions("new"))
    store.crash()
    again = Store(tmp_path)
    assert "new" in again.state.sessions and again.recovery.damaged == []
    again.crash()


@pytest.mark.parametrize("operation", [pack([99, "from", "the future"]), pack([2, "a"]), pack([]), pack(7)])
def test_an_operation_that_cannot_be_read_stops_the_start(tmp_path: Path, operation: bytes) -> None:
    """Skipping it would give another state. Its checksum is right: it is no damage, but a newer version or a bug."""
    store = filled(tmp_path)
    journal = recover(tmp_path, new_state(), memory_budget=0, repair=False).journal
    at = journal.size
    journal.append(4, operation)
    journal.close()
    with pytest.raises(CorruptFile) as caught:
        Store(tmp_path)
    assert (caught.value.path, caught.value.offset) == (journal_path(tmp_path, 1), at)
    repaired = Store(tmp_path, repair=True)
    assert whole(repaired.state) == whole(store.state), "what is before it is kept"
    repaired.crash()


def test_a_damaged_snapshot_stops_the_start(tmp_path: Path) -> None:
    filled(tmp_path, snapshot=True)
    flip(snapshot_path(tmp_path, 1), 50)
    names = {each.name for each in tmp_path.iterdir()}
    with pytest.raises(CorruptFile) as caught:
        Store(tmp_path)
    assert caught.value.path == snapshot_path(tmp_path, 1)
    assert {each.name for each in tmp_path.iterdir()} == names


def test_repair_of_a_damaged_snapshot_sets_everything_aside_and_removes_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(open_sessions("a"))
    store.write([StoreMessage(Message("t", b"precious", 1, False, "p"), None, "", 0)])
    store.snapshot()
    store.crash()
    journal_path(tmp_path, 1).unlink()  # as the node does after a snapshot
    flip(snapshot_path(tmp_path, 1), 50)
    content = sorted(each.read_bytes() for each in tmp_path.iterdir() if each.stat().st_size > 16)
    repaired = Store(tmp_path, repair=True)
    assert not repaired.state.sessions
    assert repaired.state.ctx.queued_bytes == 0
    assert len(repaired.recovery.damaged) >= 1
    repaired.write(open_sessions("new"))
    repaired.crash()
    left = [each.read_bytes() for each in tmp_path.iterdir()]
    assert all(each in left for each in content), "who wants to rescue something finds it"
    again = Store(tmp_path)
    assert list(again.state.sessions) == ["new"]
    again.crash()


def test_a_missing_journal_after_a_snapshot_is_told(tmp_path: Path) -> None:
    """The snapshot says in which file the journal goes on: that file was there when it began."""
    filled(tmp_path, snapshot=True)
    journal_path(tmp_path, 2).unlink()
    with pytest.raises(CorruptFile, match="missing") as caught:
        Store(tmp_path)
    assert caught.value.path == journal_path(tmp_path, 2)


def test_two_nodes_never_have_the_same_data(tmp_path: Path) -> None:
    first = DataLock(tmp_path)
    with pytest.raises(DataInUse, match=str(tmp_path)):
        DataLock(tmp_path)
    first.release()
    second = DataLock(tmp_path)
    first.release()  # again: it must not let go of another's
    with pytest.raises(DataInUse):
        DataLock(tmp_path)
    second.release()


def test_a_state_that_was_begun_is_cleared(tmp_path: Path) -> None:
    state: State = new_state()
    for operation in open_sessions("a"):
        state.apply(operation)
    state.clear()
    assert whole(state) == whole(new_state())
