"""The journal: batches come back in order, what is missing or damaged is told, what failed half-way doesn't count."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from rmq.storage.codec import encode_operation
from rmq.storage.journal import Journal, JournalReader, SyncFailed, journal_numbers, journal_path
from rmq.storage.packing import pack
from rmq.storage.record_file import FILE_HEADER, RECORD_HEADER, CorruptFile
from rmq.storage.records import EndSession
from tests.unit.storage.faulty_disk import FaultyDisk


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> FaultyDisk:
    return FaultyDisk(monkeypatch, "rmq.storage.journal", "rmq.storage.record_file")


def operations(batch: int) -> bytes:
    """Two operations that say which batch they are of."""
    return b"".join(pack(encode_operation(EndSession(name, batch))) for name in "ab")


def expected(*batches: int) -> list[tuple[int, str]]:
    return [(batch, name) for batch in batches for name in "ab"]


def begin(folder: Path, number: int = 1) -> Journal:
    journal = Journal(folder, number)
    journal.open()
    return journal


def write(folder: Path, *files: int) -> list[int]:
    """A journal with so many batches in each file; the last offset of each file."""
    journal = begin(folder)
    batch = 0
    ends: list[int] = []
    for position, count in enumerate(files):
        if position:
            journal.rotate(trusted=True)
        for _ in range(count):
            batch += 1
            journal.append(batch, operations(batch))
        ends.append(journal.size)
    journal.close()
    return ends


def read(
    folder: Path, first: int = 1, written: int = 0, *, repair: bool = False
) -> tuple[list[tuple[int, str]], JournalReader]:
    reader = JournalReader(folder, first, written, repair=repair)
    found: list[tuple[int, str]] = []
    read_into(found, reader)
    return found, reader


def test_batches_come_back_in_order(tmp_path: Path) -> None:
    write(tmp_path, 3)
    found, reader = read(tmp_path)
    assert found == expected(1, 2, 3)
    assert (reader.written, reader.last, reader.cut_off, reader.damaged) == (3, 1, 0, [])
    assert reader.size == journal_path(tmp_path, 1).stat().st_size


def test_files_follow_one_another(tmp_path: Path) -> None:
    write(tmp_path, 2, 0, 3)
    found, reader = read(tmp_path)
    assert found == expected(1, 2, 3, 4, 5)
    assert reader.last == 3
    assert reader.size == sum(path.stat().st_size for path in tmp_path.iterdir())


def test_it_is_read_from_a_file_and_a_batch_on(tmp_path: Path) -> None:
    write(tmp_path, 2, 3)
    journal_path(tmp_path, 1).unlink()  # a snapshot has made it superfluous
    assert read(tmp_path, 2, 2)[0] == expected(3, 4, 5)
    assert read(tmp_path, 2, 4)[0] == expected(5)


def test_nothing_is_there(tmp_path: Path) -> None:
    found, reader = read(tmp_path)
    assert found == [] and (reader.written, reader.last) == (0, 0)


def test_it_goes_on_where_it_ended(tmp_path: Path) -> None:
    write(tmp_path, 2)
    journal = begin(tmp_path)
    assert journal.size == journal_path(tmp_path, 1).stat().st_size
    assert journal.append(3, operations(3)) == journal.size
    journal.close()
    assert read(tmp_path)[0] == expected(1, 2, 3)


@pytest.mark.parametrize("files", [(3,), (2, 1)])
def test_a_torn_tail_is_cut_off_at_every_byte(tmp_path: Path, files: tuple[int, ...]) -> None:
    write(tmp_path, *files)
    path = journal_path(tmp_path, len(files))
    whole = path.read_bytes()
    size = RECORD_HEADER.size + 8 + len(operations(3))
    for missing in range(1, size + 1):
        path.write_bytes(whole[:-missing])
        found, reader = read(tmp_path)
        assert found == expected(1, 2), missing
        assert reader.cut_off == size - missing
        assert path.stat().st_size == len(whole) - size
        journal = begin(tmp_path, len(files))
        journal.append(3, operations(3))
        journal.close()
        assert path.read_bytes() == whole


@pytest.mark.parametrize("size", range(FILE_HEADER.size))
def test_it_died_while_it_began_a_file(tmp_path: Path, size: int) -> None:
    write(tmp_path, 2)
    path = journal_path(tmp_path, 2)
    path.write_bytes(journal_path(tmp_path, 1).read_bytes()[:size])
    found, reader = read(tmp_path)
    assert found == expected(1, 2)
    assert (reader.last, reader.cut_off) == (2, size)
    journal = begin(tmp_path, 2)
    journal.append(3, operations(3))
    journal.close()
    assert read(tmp_path)[0] == expected(1, 2, 3)


def test_a_flipped_byte_stops_it_at_the_record(tmp_path: Path) -> None:
    write(tmp_path, 3)
    path = journal_path(tmp_path, 1)
    data = bytearray(path.read_bytes())
    record = RECORD_HEADER.size + 8 + len(operations(1))
    data[FILE_HEADER.size + record + RECORD_HEADER.size + 3] ^= 4
    path.write_bytes(data)
    reader = JournalReader(tmp_path, 1, 0, repair=False)
    found: list[tuple[int, str]] = []
    with pytest.raises(CorruptFile) as caught:
        read_into(found, reader)
    assert found == expected(1)
    assert (caught.value.path, caught.value.offset) == (path, FILE_HEADER.size + record)
    assert path.read_bytes() == data, "a start that is refused changes nothing"


def read_into(found: list[tuple[int, str]], reader: JournalReader) -> None:
    """Keep what comes before an error."""
    for operation in reader:
        assert isinstance(operation, EndSession)
        found.append((operation.epoch, operation.client_id))


def test_a_torn_tail_before_another_file_is_corrupt(tmp_path: Path) -> None:
    ends = write(tmp_path, 2, 1)
    path = journal_path(tmp_path, 1)
    os.truncate(path, ends[0] - 1)
    with pytest.raises(CorruptFile) as caught:
        read(tmp_path)
    assert caught.value.path == path
    assert path.stat().st_size == ends[0] - 1


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    write(tmp_path, 1, 1, 1)
    journal_path(tmp_path, 2).unlink()
    with pytest.raises(CorruptFile) as caught:
        read(tmp_path)
    assert caught.value.path == journal_path(tmp_path, 2)


def test_a_missing_first_file_is_told(tmp_path: Path) -> None:
    write(tmp_path, 1, 1)
    journal_path(tmp_path, 1).unlink()
    with pytest.raises(CorruptFile) as caught:
        read(tmp_path)
    assert caught.value.path == journal_path(tmp_path, 1)


def test_a_missing_batch_is_told(tmp_path: Path) -> None:
    journal = begin(tmp_path)
    journal.append(1, operations(1))
    at = journal.size
    journal.append(3, operations(3))
    journal.close()
    with pytest.raises(CorruptFile, match="batch 2 is missing") as caught:
        read(tmp_path)
    assert caught.value.offset == at


# What fails and is tried again


def full_disk() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("room", [0, 1, 12, 20, 25])
def test_a_batch_that_did_not_fit_does_not_count_and_can_be_repeated(
    tmp_path: Path, faults: FaultyDisk, room: int
) -> None:
    journal = begin(tmp_path)
    journal.append(1, operations(1))
    before = journal.size
    for _ in range(3):
        faults.room = room
        with pytest.raises(OSError, match="No space"):
            journal.append(2, operations(2))
        assert journal.size == before
    assert read(tmp_path)[0] == expected(1)  # cuts off, as the start after a crash does
    faults.room = None
    journal.append(2, operations(2))
    journal.append(3, operations(3))
    journal.close()
    assert read(tmp_path)[0] == expected(1, 2, 3)


def test_a_long_batch_that_failed_leaves_nothing_behind_a_short_one(tmp_path: Path, faults: FaultyDisk) -> None:
    journal = begin(tmp_path)
    faults.room = 500
    with pytest.raises(OSError, match="No space"):
        journal.append(1, operations(1) * 1000)
    faults.room = None
    journal.append(1, operations(1))
    journal.close()
    assert read(tmp_path)[0] == expected(1)
    assert read(tmp_path)[1].cut_off == 0


def test_short_writes_are_completed(tmp_path: Path, faults: FaultyDisk) -> None:
    journal = begin(tmp_path)
    faults.at_most = 3
    for batch in (1, 2):
        journal.append(batch, operations(batch))
    journal.close()
    assert read(tmp_path)[0] == expected(1, 2)


def test_a_truncation_that_fails_is_repeated_too(tmp_path: Path, faults: FaultyDisk) -> None:
    journal = begin(tmp_path)
    faults.room = 30
    with pytest.raises(OSError, match="No space"):
        journal.append(1, operations(1) * 10)
    faults.room = None
    faults.fail("ftruncate", errno.EIO)
    with pytest.raises(OSError, match="Input/output"):
        journal.append(1, operations(1))
    faults.mend("ftruncate")
    journal.append(1, operations(1))
    journal.close()
    assert read(tmp_path)[0] == expected(1)


@pytest.mark.parametrize("room", [0, 5])
def test_a_rotation_that_failed_leaves_the_old_file_in_use(tmp_path: Path, faults: FaultyDisk, room: int) -> None:
    journal = begin(tmp_path)
    journal.append(1, operations(1))
    faults.room = room
    with pytest.raises(OSError, match="space"):
        journal.rotate(trusted=True)
    faults.room = None
    assert journal.number == 1
    journal.append(2, operations(2))
    journal.rotate(trusted=True)
    assert journal.number == 2
    journal.append(3, operations(3))
    journal.close()
    assert read(tmp_path)[0] == expected(1, 2, 3)


@pytest.mark.parametrize("room", [0, 5])
def test_a_crash_after_a_rotation_that_failed(tmp_path: Path, faults: FaultyDisk, room: int) -> None:
    """On a full disk: no room for a new file, then none for the next batch, then kill -9."""
    journal = begin(tmp_path)
    journal.append(1, operations(1))
    faults.room = room
    with pytest.raises(OSError, match="space"):
        journal.rotate(trusted=True)
    faults.room = 20
    with pytest.raises(OSError, match="No space"):
        journal.append(2, operations(2))
    faults.room = None
    found, reader = read(tmp_path)
    assert found == expected(1)
    begin(tmp_path, max(reader.last, 1)).append(2, operations(2))
    assert read(tmp_path)[0] == expected(1, 2)


def test_a_sync_that_fails_in_a_rotation_is_told_as_such(tmp_path: Path, faults: FaultyDisk) -> None:
    """The kernel tells it once: whoever waits for a sync must not be answered by a later one."""
    journal = begin(tmp_path)
    journal.append(1, operations(1))
    faults.fail("fdatasync", errno.EIO)
    with pytest.raises(SyncFailed):
        journal.rotate(trusted=True)
    journal.rotate(trusted=False)
    faults.mend()
    journal.append(2, operations(2))
    journal.close()
    assert read(tmp_path)[0] == expected(1, 2)


@pytest.mark.parametrize("call", ["fdatasync", "fsync", "ftruncate"])
def test_other_failures_of_a_rotation(tmp_path: Path, faults: FaultyDisk, call: str) -> None:
    journal = begin(tmp_path)
    journal.append(1, operations(1))
    faults.room = 10
    with pytest.raises(OSError, match="No space"):
        journal.append(2, operations(2))
    faults.room = None
    faults.fail(call, errno.EIO)
    with pytest.raises(OSError, match="Input/output"):
        journal.rotate(trusted=True)
    faults.mend(call)
    journal.append(2, operations(2))
    journal.rotate(trusted=True)
    journal.append(3, operations(3))
    journal.close()
    assert read(tmp_path)[0] == expected(1, 2, 3)


def test_a_sync_that_fails_is_told(tmp_path: Path, faults: FaultyDisk) -> None:
    journal = begin(tmp_path)
    faults.fail("fdatasync", errno.EIO)
    with pytest.raises(OSError, match="Input/output"):
        journal.sync()
    faults.mend("fdatasync")
    journal.sync()
    journal.close()


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    journal = begin(tmp_path)
    for batch in range(1, 5):
        journal.append(batch, operations(batch))
        journal.rotate(trusted=True)
    journal.close()
    journal.close()
    assert len(os.listdir("/proc/self/fd")) == before


# Repair

Harm = Callable[[Path], None]


def flip(number: int, offset: int) -> Harm:
    def harm(folder: Path) -> None:
        path = journal_path(folder, number)
        data = bytearray(path.read_bytes())
        data[offset] ^= 0x10
        path.write_bytes(data)

    return harm


RECORD = RECORD_HEADER.size + 8 + len(operations(1))
REPAIRS: list[tuple[Harm, tuple[int, ...], set[int], int]] = [
    # what happened, the batches that are left, the files that were set aside, where it goes on
    (flip(2, FILE_HEADER.size + RECORD + 20), (1, 2, 3), {2, 3}, 2),
    (flip(2, 0), (1, 2), {2, 3}, 1),
    (flip(1, FILE_HEADER.size + 14), (), {1, 2, 3}, 1),
    (flip(1, 2), (), {1, 2, 3}, 1),
    (lambda folder: journal_path(folder, 2).unlink(), (1, 2), {3}, 1),
    (lambda folder: os.truncate(journal_path(folder, 1), FILE_HEADER.size + RECORD + 3), (1,), {1, 2, 3}, 1),
]


@pytest.mark.parametrize(("harm", "left", "aside", "number"), REPAIRS)
def test_repair_keeps_what_is_before_the_damage(
    tmp_path: Path, harm: Harm, left: tuple[int, ...], aside: set[int], number: int
) -> None:
    write(tmp_path, 2, 3, 2)
    before = {path.stem: path.read_bytes() for path in tmp_path.iterdir()}
    harm(tmp_path)
    harmed = {path.stem: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(CorruptFile):
        read(tmp_path)
    assert {path.stem: path.read_bytes() for path in tmp_path.iterdir()} == harmed

    found, reader = read(tmp_path, repair=True)
    assert found == expected(*left)
    assert len(reader.damaged) == 1 and reader.written == len(left)
    set_aside = {path.stem: path.read_bytes() for path in tmp_path.glob("*.damaged")}
    assert set_aside == {name: harmed[name] for name in before if int(name[-10:]) in aside}

    assert max(reader.last, 1) == number
    journal = begin(tmp_path, number)
    journal.append(len(left) + 1, operations(len(left) + 1))
    journal.rotate(trusted=True)
    journal.append(len(left) + 2, operations(len(left) + 2))
    journal.close()
    found, reader = read(tmp_path)  # and the next start finds nothing wrong
    assert found == expected(*left, len(left) + 1, len(left) + 2)
    assert reader.damaged == [] and reader.cut_off == 0


def test_what_was_set_aside_is_no_journal(tmp_path: Path) -> None:
    write(tmp_path, 1, 1)
    journal_path(tmp_path, 1).unlink()
    read(tmp_path, repair=True)
    assert journal_numbers(tmp_path) == []
