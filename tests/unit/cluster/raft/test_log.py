"""The log on disk: what was written comes back, a torn tail doesn't, and damage is named."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from rmq_cluster.raft import log_files
from rmq_cluster.raft.entries import command_entry, members_entry
from rmq_cluster.raft.log import LOST_ALL, LOST_TAIL, WARM, RaftLog
from rmq_cluster.raft.members import Members

from rmq.storage.record_file import CorruptFile

MEMBERS = Members((1, 2, 3))


def new_log(folder: Path, entries: int = 0, file_bytes: int = 1000) -> RaftLog:
    log = RaftLog(folder, "boot", file_bytes)
    log.reset(0, 0, MEMBERS)
    fill(log, entries)
    return log


def fill(log: RaftLog, entries: int, term: int = 1, size: int = 50) -> None:
    for _ in range(entries):
        log.append(command_entry(b"%d" % (log.last_index + 1) + b"x" * size), log.last_index + 1, term)
    log.flush()


def again(log: RaftLog, *, clean: bool = False, boot: str = "boot") -> RaftLog:
    log.close(clean=clean)
    return RaftLog(log._folder, boot, 1000)


def test_a_new_log_is_fresh_and_has_forgotten_everything(tmp_path: Path) -> None:
    log = RaftLog(tmp_path, "boot")
    assert (log.is_fresh, log.cold, log.last_index, log.members) == (True, LOST_ALL, 0, Members())
    found = again(log)
    assert (found.is_fresh, found.cold) == (False, LOST_ALL)


def test_entries_members_term_and_vote_come_back(tmp_path: Path) -> None:
    log = new_log(tmp_path, 40)
    log.append(members_entry(Members((1, 2), (7,))), 41, 2)
    log.flush()
    log.set_term(5, 3)
    found = again(log)
    assert found.entries == log.entries
    assert (found.term, found.voted_for, found.last_index, found.last_term) == (5, 3, 41, 2)
    assert (found.members, found.members_at(40)) == (Members((1, 2), (7,)), MEMBERS)
    assert len(list(tmp_path.glob("raft-*.log"))) > 2


def test_what_isnt_flushed_isnt_written(tmp_path: Path) -> None:
    log = new_log(tmp_path, 3)
    log.append(command_entry(b"x"), 4, 1)
    assert log.written == 3
    assert again(log).last_index == 3


@pytest.mark.parametrize("index", [2, 20, 39, 40])
def test_a_truncated_tail_is_replaced(tmp_path: Path, index: int) -> None:
    log = new_log(tmp_path, 40)
    log.truncate(index)
    fill(log, 5, term=2)
    found = again(log)
    assert found.entries == log.entries
    assert (found.last_index, found.term_at(index), found.term_at(index - 1)) == (index + 4, 2, 1 if index > 1 else 0)


def test_compaction_keeps_what_follows_and_deletes_files(tmp_path: Path) -> None:
    log = new_log(tmp_path, 100)
    size = log.size
    log.compact(90)
    assert (log.base_index, log.last_index, log.term_at(90), log.term_at(89)) == (90, 100, 1, None)
    assert log.size < size / 4
    found = again(log)
    assert found.base_index <= 90 and found.entries[-10:] == log.entries[-10:]
    assert found.members == MEMBERS
    with pytest.raises(ValueError):
        log.compact(101)


def test_a_reset_leaves_the_base_only(tmp_path: Path) -> None:
    log = new_log(tmp_path, 30)
    log.reset(500, 7, Members((4, 5)))
    fill(log, 2, term=8)
    found = again(log)
    assert (found.base_index, found.base_term, found.last_index, found.members) == (500, 7, 502, Members((4, 5)))


@pytest.mark.parametrize("cut", [1, 7, 30])
def test_a_torn_tail_is_cut_off_and_makes_the_node_cold(tmp_path: Path, cut: int) -> None:
    log = new_log(tmp_path, 5)
    log.set_cold(WARM)
    log.close(clean=False)
    path = max(tmp_path.glob("raft-*.log"))
    os.truncate(path, path.stat().st_size - cut)
    found = RaftLog(tmp_path, "boot")
    assert (found.last_index, found.cold, found.cut_off > 0) == (4, LOST_TAIL, True)
    fill(found, 1)
    assert again(found).last_index == 5


def test_damage_in_the_middle_names_file_and_offset(tmp_path: Path) -> None:
    log = new_log(tmp_path, 5)
    log.close(clean=False)
    path = max(tmp_path.glob("raft-*.log"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(CorruptFile, match=r"raft-0000000\d+\.log: corrupt at byte \d+"):
        RaftLog(tmp_path, "boot")


@pytest.mark.parametrize("damage", ["flip", "empty", "missing"])
def test_a_damaged_term_file_is_not_taken_for_none(tmp_path: Path, damage: str) -> None:
    log = new_log(tmp_path, 5)
    log.close(clean=False)
    path = tmp_path / "raft.meta"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes({"flip": bytes(data), "empty": b"", "missing": b""}[damage])
    if damage == "missing":
        path.unlink()
    with pytest.raises(CorruptFile, match=r"raft\.meta"):
        RaftLog(tmp_path, "boot")


@pytest.mark.parametrize(
    ("clean", "boot", "cold"),
    [(False, "boot", WARM), (True, "other", WARM), (False, "other", LOST_TAIL), (True, "boot", WARM)],
)
def test_only_an_unclean_end_before_a_reboot_makes_cold(tmp_path: Path, clean: bool, boot: str, cold: int) -> None:
    log = new_log(tmp_path, 5)
    log.set_cold(WARM)
    found = again(log, clean=clean, boot=boot)
    assert (found.cold, found.was_clean) == (cold, clean)


@pytest.mark.parametrize(("boot", "commit"), [("boot", 8), ("other", 0)])
def test_what_is_committed_isnt_known_after_a_loss_of_power(tmp_path: Path, boot: str, commit: int) -> None:
    """Entries that were replaced, and not synced as such, are back in the place of the committed ones."""
    log = new_log(tmp_path, 8)
    log.set_cold(WARM)
    log.sync()
    sizes = log._files.sizes()
    log.truncate(3)
    fill(log, 8, term=2)
    log.commit = 8
    log.set_term(2, 1)  # this is synced, and the log isn't
    log.close(clean=False)
    if boot == "other":
        for path in tmp_path.glob("raft-*.log"):
            with path.open("r+b") as file:
                file.truncate(sizes.get(path.name, 0))
            if path.name not in sizes:
                path.unlink()
    found = RaftLog(tmp_path, boot, 1000)
    assert found.term_at(5) == (2 if boot == "boot" else 1)
    assert found.commit == commit


def test_files_are_deleted_by_a_sync_and_not_before(tmp_path: Path) -> None:
    """Deleting a long one takes its time, which is a disk thread's; until then a restart may find them."""
    log = new_log(tmp_path, 200)
    before = set(tmp_path.glob("raft-*.log"))
    assert len(before) > 2
    log.compact(150)
    assert before <= set(tmp_path.glob("raft-*.log"))
    found = RaftLog(tmp_path, "boot", 1000)
    assert (found.last_index, found.term_at(200)) == (200, log.term_at(200))
    log.sync()
    left = set(tmp_path.glob("raft-*.log"))
    assert len(left - before) <= 1 and len(left) < len(before)
    log.close(clean=False)
    found = again(log)
    assert found.base_index <= 150 and found.last_index == 200


def test_synced_follows_written_and_falls_with_a_truncation(tmp_path: Path) -> None:
    log = new_log(tmp_path, 40)
    assert (log.written, log.synced) == (40, 0)
    log.sync()
    assert log.synced == 40
    log.truncate(30)
    assert log.synced == 29
    fill(log, 3, term=2)
    log.sync()
    assert log.synced == 32


def test_a_truncation_during_a_sync_isnt_counted_as_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = new_log(tmp_path, 40)
    sync = log._files.sync

    def slow_sync() -> None:
        sync()
        log.truncate(10)
        fill(log, 30, term=2)

    monkeypatch.setattr(log._files, "sync", slow_sync)
    log.sync()
    assert log.synced <= 9


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = new_log(tmp_path, 5)

    def half(fd: int, data: memoryview, offset: int) -> int:
        if len(data) < 40:
            raise OSError(errno.ENOSPC, "no space")
        return original(fd, data[: len(data) // 2], offset)

    original = os.pwrite
    monkeypatch.setattr(os, "pwrite", half)
    log.append(command_entry(b"y" * 60), 6, 1)
    with pytest.raises(OSError, match="no space"):
        log.flush()
    monkeypatch.undo()
    found = again(log)
    assert (found.last_index, found.cut_off) == (5, 0)


class NoDescriptors:
    """Opening and duplicating fail for so many calls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, calls: int) -> None:
        self.left = calls
        self._dup, self._open = os.dup, os.open
        monkeypatch.setattr(os, "dup", self.dup)
        monkeypatch.setattr(os, "open", self.open)

    def dup(self, fd: int) -> int:
        self._meet()
        return self._dup(fd)

    def open(self, path: str | Path, flags: int, mode: int = 0o777) -> int:
        self._meet()
        return self._open(path, flags, mode)

    def _meet(self) -> None:
        if self.left:
            self.left -= 1
            raise OSError(errno.EMFILE, "Too many open files")


@pytest.mark.parametrize("calls", [1, 3])
def test_a_sync_waits_for_descriptors_and_syncs_all_that_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    log = new_log(tmp_path, 40)  # several files: the name of the last one is to be synced, too
    monkeypatch.setattr(log_files, "DESCRIPTORS_PAUSE_S", 0.0)
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    wanted = [*log._files._unsynced_fds]
    none = NoDescriptors(monkeypatch, calls)
    log.sync()
    assert none.left == 0
    assert synced[:-1] == wanted and len(wanted) > 1
    assert log.synced == 40


@pytest.mark.parametrize("index", [90, 98])
def test_without_descriptors_the_log_goes_on_in_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: int
) -> None:
    log = new_log(tmp_path, 95)
    none = NoDescriptors(monkeypatch, 3)
    fill(log, 5)
    log.compact(index)
    fill(log, 40)
    assert none.left == 0
    log.compact(index + 1)
    fill(log, 5)
    found = again(log)
    assert (found.last_index, found.cut_off) == (145, 0)
    assert found.entries[-40:] == log.entries[-40:]


def test_a_new_file_takes_one_descriptor_so_that_none_is_begun_in_vain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = new_log(tmp_path, 10)
    opened: list[str] = []
    open_ = os.open

    def note(path: str, flags: int, mode: int = 0o777) -> int:
        opened.append(str(path))
        return open_(path, flags, mode)

    monkeypatch.setattr(os, "open", note)
    fill(log, 40)
    assert len(opened) == len(set(opened)) > 1
