"""Segments: a message is found at its place, whatever is written when; sparse and unwanted ones are told."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from rmq.mqtt.message import Message
from rmq.storage import segments as module
from rmq.storage.record_file import CorruptFile, record
from rmq.storage.segments import (
    Segments,
    read_payload,
    segment_numbers,
    segment_of,
    segment_path,
    sync_segments,
    write_chunks,
)
from tests.unit.storage.faulty_disk import FaultyDisk
from tests.unit.storage.whole_state import read_messages


def message(payload: bytes, topic: str = "t") -> Message:
    return Message(topic, payload, 1, True, "p", b"\x01\x02", 7.0, 5.0, 2)


def test_a_message_is_found_at_its_place(tmp_path: Path) -> None:
    segments = Segments(tmp_path, 3)
    messages = [message(b"%d" % number * number) for number in range(10)]
    places = [segments.place(each) for each in messages]
    assert [each.location for each in messages] == places and len(set(places)) == 10
    write_chunks(tmp_path, segments.take())
    assert [read_payload(tmp_path, place) for place in places] == [each.payload for each in messages]
    found, size = read_messages(tmp_path, 3)
    assert size == segment_path(tmp_path, 3).stat().st_size == segments.size
    assert list(found) == places
    first = found[places[1]]
    assert (first.topic, first.payload, first.qos, first.retain, first.publisher) == ("t", b"1", 1, True, "p")
    assert (first.properties, first.expires_at, first.created_at, first.origin) == (b"\x01\x02", 7.0, 5.0, 2)
    assert first.location == places[1]


def test_nothing_is_taken_twice_and_nothing_is_left(tmp_path: Path) -> None:
    segments = Segments(tmp_path, 1)
    places = []
    for number in range(5):
        places.append(segments.place(message(b"%d" % number)))
        write_chunks(tmp_path, segments.take())
        assert segments.take() == []
    assert [read_payload(tmp_path, place) for place in places] == [b"0", b"1", b"2", b"3", b"4"]


def test_chunks_may_be_written_again(tmp_path: Path) -> None:
    segments = Segments(tmp_path, 1)
    place = segments.place(message(b"x"))
    chunks = segments.take()
    for _ in range(3):
        write_chunks(tmp_path, chunks)
    assert read_payload(tmp_path, place) == b"x"


def test_a_failed_write_is_repeated(tmp_path: Path, faults: FaultyDisk) -> None:
    segments = Segments(tmp_path, 1)
    places = [segments.place(message(bytes(100)))]
    chunks = segments.take()
    places.append(segments.place(message(b"second")))
    chunks += segments.take()
    faults.room = 50
    with pytest.raises(OSError, match="No space"):
        write_chunks(tmp_path, chunks)
    faults.room = None
    faults.at_most = 7
    write_chunks(tmp_path, chunks)
    assert [read_payload(tmp_path, place) for place in places] == [bytes(100), b"second"]


def test_a_full_segment_is_followed_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SEGMENT_BYTES", 500)
    segments = Segments(tmp_path, 1)
    messages = [message(bytes([number]) * 100) for number in range(20)]
    places = [segments.place(each) for each in messages]
    assert segment_of(places[-1]) == segments.current > 3
    write_chunks(tmp_path, segments.take())
    assert segment_numbers(tmp_path) == list(range(1, segments.current + 1))
    assert [read_payload(tmp_path, place) for place in places] == [each.payload for each in messages]
    for number in segment_numbers(tmp_path):
        assert segments.sizes[number] == segment_path(tmp_path, number).stat().st_size
    sync_segments(tmp_path, [*segment_numbers(tmp_path), 99])
    assert segments.size == sum(segments.sizes.values())
    segments.forget(1)
    assert 1 not in segments.sizes


@pytest.mark.parametrize("offset", [5, 9, 12, 30])
def test_a_damaged_message_is_never_handed_out(tmp_path: Path, offset: int) -> None:
    segments = Segments(tmp_path, 1)
    places = [segments.place(message(b"%d" % number * 50)) for number in range(3)]
    write_chunks(tmp_path, segments.take())
    path = segment_path(tmp_path, 1)
    data = bytearray(path.read_bytes())
    data[(places[1] & module.OFFSET_MASK) + offset] ^= 8
    path.write_bytes(data)
    with pytest.raises(OSError, match="damaged") as caught:
        read_payload(tmp_path, places[1])
    assert caught.value.errno == errno.EIO and caught.value.filename == str(path)
    assert read_payload(tmp_path, places[2]) == b"2" * 50
    with pytest.raises(CorruptFile) as corrupt:
        read_messages(tmp_path, 1)
    assert corrupt.value.offset == places[1] & module.OFFSET_MASK


def test_a_place_behind_the_end_or_in_no_file_is_an_error(tmp_path: Path) -> None:
    segments = Segments(tmp_path, 1)
    place = segments.place(message(b"x"))
    with pytest.raises(FileNotFoundError):
        read_payload(tmp_path, place)
    write_chunks(tmp_path, segments.take())
    with pytest.raises(OSError, match="damaged"):
        read_payload(tmp_path, place + 1000)


def test_a_torn_end_is_left_out(tmp_path: Path) -> None:
    """Killed while it was written: the journal has these messages."""
    segments = Segments(tmp_path, 1)
    places = [segments.place(message(b"%d" % number * 50)) for number in range(3)]
    write_chunks(tmp_path, segments.take())
    path = segment_path(tmp_path, 1)
    path.write_bytes(path.read_bytes()[:-5])
    assert list(read_messages(tmp_path, 1)[0]) == places[:2]


def test_a_torn_end_with_the_likeness_of_a_record_in_it_is_no_damage(tmp_path: Path) -> None:
    """What a client puts into a message must not decide whether the node starts."""
    segments = Segments(tmp_path, 1)
    places = [segments.place(message(b"first"))]
    segments.place(message(record(b"x") + bytes(100)))
    write_chunks(tmp_path, segments.take())
    path = segment_path(tmp_path, 1)
    path.write_bytes(path.read_bytes()[:-50])
    assert list(read_messages(tmp_path, 1)[0]) == places


def test_what_is_less_than_half_wanted_is_sparse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SEGMENT_BYTES", 1000)
    segments = Segments(tmp_path, 1)
    for _ in range(40):
        segments.place(message(bytes(100)))
    assert segments.sparse() == set(), "nobody knows yet"
    segments.wanted = {1: segments.sizes[1], 2: 100, 3: segments.sizes[3] // 2 + 1, segments.current: 1}
    assert 2 in segments.sparse()
    assert not segments.sparse() & {1, 3}
