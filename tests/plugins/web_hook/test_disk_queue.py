"""The queue on disk: order, restarts, torn and damaged files, full disks."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rmq_plugins.web_hook.disk_queue import DiskQueue, QueueInUseError

SEGMENT = 200


def opened(folder: Path, segment: int = SEGMENT) -> DiskQueue:
    queue = DiskQueue(folder, segment_size=segment)
    queue.open()
    return queue


def put(queue: DiskQueue, *names: str) -> None:
    for name in names:
        queue.append([(1.5, name.encode())])


def waiting(queue: DiskQueue) -> list[str]:
    return [record.content.decode() for record in queue.read(10_000, 1 << 30)]


def numbered(first: int, last: int) -> list[str]:
    return [f"event-{number:04d}" for number in range(first, last)]


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.events"))


def test_what_was_written_is_read_in_order_until_it_is_acknowledged(tmp_path: Path) -> None:
    queue = opened(tmp_path)
    put(queue, *numbered(0, 50))
    assert waiting(queue) == waiting(queue) == numbered(0, 50)
    assert queue.length == 50 and len(segments(tmp_path)) > 5
    read = queue.read(20, 1 << 30)
    assert [record.at for record in read] == [1.5] * 20
    queue.acknowledge(read[9].number)
    assert waiting(queue) == numbered(10, 50)
    queue.close()


def test_a_batch_is_bounded_by_bytes_but_never_empty(tmp_path: Path) -> None:
    queue = opened(tmp_path)
    put(queue, "x" * 100, "y" * 10, "z" * 10)
    assert [len(record.content) for record in queue.read(10, 5)] == [100]
    assert [len(record.content) for record in queue.read(10, 112)] == [100, 10]
    queue.close()


def test_a_restart_goes_on_where_it_was(tmp_path: Path) -> None:
    queue = opened(tmp_path)
    put(queue, *numbered(0, 30))
    queue.acknowledge(queue.read(100, 1 << 30)[16].number)
    queue.close()
    again = opened(tmp_path)
    assert (again.length, waiting(again)) == (13, numbered(17, 30))
    put(again, "event-0030")
    assert waiting(again) == numbered(17, 31)
    again.close()


def test_segments_that_were_sent_are_removed(tmp_path: Path) -> None:
    queue = opened(tmp_path)
    for first in range(0, 300, 10):
        put(queue, *numbered(first, first + 10))
        queue.acknowledge(queue.read(10, 1 << 30)[-1].number)
    assert queue.length == 0 and len(segments(tmp_path)) == 1
    assert sum(path.stat().st_size for path in segments(tmp_path)) <= SEGMENT + 50
    queue.close()
    again = opened(tmp_path)
    assert (again.length, again.size) == (0, 0)
    again.close()


@settings(max_examples=60)
@given(torn=st.integers(min_value=0, max_value=120), junk=st.binary(max_size=40))
def test_a_torn_end_costs_the_last_events_only(
    tmp_path_factory: pytest.TempPathFactory, torn: int, junk: bytes
) -> None:
    folder = tmp_path_factory.mktemp("queue")
    queue = opened(folder)
    put(queue, *numbered(0, 12))
    queue.close()
    last = segments(folder)[-1]
    size = max(last.stat().st_size - torn, 0)
    os.truncate(last, size)
    with last.open("ab") as file:
        file.write(junk)
    again = opened(folder)
    kept = waiting(again)
    assert kept == numbered(0, len(kept)) and again.length == len(kept)
    put(again, "more")
    assert waiting(again) == [*kept, "more"]
    again.close()


def test_an_end_that_was_sent_and_torn_off_is_not_sent_again(tmp_path: Path) -> None:
    queue = opened(tmp_path, segment=10_000)
    put(queue, *numbered(0, 10))
    queue.acknowledge(queue.read(100, 1 << 30)[7].number)
    queue.close()
    os.truncate(segments(tmp_path)[-1], 60)
    again = opened(tmp_path)
    assert waiting(again) == []
    put(again, "next")
    assert waiting(again) == ["next"]
    again.close()


def test_damage_in_the_middle_costs_its_segment_and_is_counted(tmp_path: Path) -> None:
    queue = opened(tmp_path)
    put(queue, *numbered(0, 30))
    queue.close()
    second = segments(tmp_path)[1]
    data = bytearray(second.read_bytes())
    data[len(data) // 2] ^= 0xFF
    second.write_bytes(data)
    again = opened(tmp_path)
    seen: list[str] = []
    while records := again.read(100, 1 << 30):
        seen += [record.content.decode() for record in records]
        again.acknowledge(records[-1].number)
    assert seen == sorted(seen) and set(seen) < set(numbered(0, 30))
    assert len(seen) + again.damaged == 30 and 0 < again.damaged < 10
    again.close()


@pytest.mark.parametrize("position", [b"", b"junk", b"\xff" * 28])
def test_a_lost_position_sends_again_rather_than_not(tmp_path: Path, position: bytes) -> None:
    queue = opened(tmp_path)
    put(queue, *numbered(0, 20))
    queue.acknowledge(queue.read(100, 1 << 30)[14].number)
    queue.close()
    (tmp_path / "position").write_bytes(position)
    again = opened(tmp_path)
    left = waiting(again)
    assert left[-5:] == numbered(15, 20) and left == sorted(left)
    again.close()


def test_a_write_that_fails_leaves_the_queue_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = opened(tmp_path)
    put(queue, "a", "b")
    real = os.pwrite

    def short(fd: int, data: bytes, offset: int) -> int:
        if len(data) <= 8:
            raise OSError(28, "No space left on device")
        return real(fd, bytes(data)[:8], offset)

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", short)
        with pytest.raises(OSError, match="No space"):
            queue.append([(1.0, b"c" * 100)])
    assert waiting(queue) == ["a", "b"]
    put(queue, "c")
    assert waiting(queue) == ["a", "b", "c"]
    queue.close()
    again = opened(tmp_path)
    assert waiting(again) == ["a", "b", "c"]
    again.close()


def test_one_at_a_time_has_it(tmp_path: Path) -> None:
    queue = opened(tmp_path)
    with pytest.raises(QueueInUseError):
        opened(tmp_path)
    queue.close()
    opened(tmp_path).close()
