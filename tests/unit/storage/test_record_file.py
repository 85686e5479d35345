"""Damage in a file of records: a torn tail is cut off, anything else is told with the place where it begins."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rmq.storage.record_file import FILE_HEADER, MARK, RECORD_HEADER, CorruptFile, RecordReader, file_header, record

MAGIC: Final = b"RMQ-TEST"
CONTENTS: Final = (b"first", b"", b"the third one, longer", bytes(40), b"last")


def write(path: Path, contents: tuple[bytes, ...], tail: bytes = b"") -> list[int]:
    """A file of these records; the offsets at which they begin, and the one at which the last ends."""
    data = file_header(MAGIC)
    offsets = []
    for content in contents:
        offsets.append(len(data))
        data += record(content)
    offsets.append(len(data))
    path.write_bytes(data + tail)
    return offsets


def read(path: Path) -> tuple[list[bytes], RecordReader]:
    reader = RecordReader(path, MAGIC)
    return [bytes(content) for _, content in reader], reader


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


def test_records_come_back_in_order_with_their_offsets(path: Path) -> None:
    offsets = write(path, CONTENTS)
    reader = RecordReader(path, MAGIC)
    assert [(offset, bytes(content)) for offset, content in reader] == list(zip(offsets, CONTENTS, strict=False))
    assert (reader.end, reader.torn) == (offsets[-1], 0)


def test_a_file_with_a_header_alone_is_empty(path: Path) -> None:
    write(path, ())
    found, reader = read(path)
    assert found == [] and (reader.end, reader.torn) == (FILE_HEADER.size, 0)


@pytest.mark.parametrize("size", range(FILE_HEADER.size))
def test_a_file_that_died_in_its_header_is_torn(path: Path, size: int) -> None:
    path.write_bytes(file_header(MAGIC)[:size])
    found, reader = read(path)
    assert found == [] and (reader.end, reader.torn) == (0, size)


@pytest.mark.parametrize("missing", range(1, len(record(CONTENTS[-1])) + 1))
def test_the_last_record_torn_anywhere_is_cut_off(path: Path, missing: int) -> None:
    offsets = write(path, CONTENTS)
    path.write_bytes(path.read_bytes()[:-missing])
    found, reader = read(path)
    assert found == list(CONTENTS[:-1])
    assert reader.end == offsets[-2]
    assert reader.torn == offsets[-1] - missing - offsets[-2]


@pytest.mark.parametrize("position", range(len(record(CONTENTS[-1]))))
@pytest.mark.parametrize("bit", [0, 7])
def test_a_flipped_bit_in_the_last_record_is_a_torn_tail(path: Path, position: int, bit: int) -> None:
    """A machine that loses its power may have written any part of it."""
    offsets = write(path, CONTENTS)
    data = bytearray(path.read_bytes())
    data[offsets[-2] + position] ^= 1 << bit
    path.write_bytes(data)
    found, reader = read(path)
    assert found == list(CONTENTS[:-1])
    assert (reader.end, reader.torn) == (offsets[-2], offsets[-1] - offsets[-2])


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_flipped_bit_anywhere_before_is_told_with_its_record(path: Path, data: st.DataObject) -> None:
    offsets = write(path, CONTENTS)
    content = bytearray(path.read_bytes())
    position = data.draw(st.integers(offsets[0], offsets[-2] - 1))
    content[position] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    with pytest.raises(CorruptFile) as caught:
        read(path)
    assert caught.value.offset == max(offset for offset in offsets if offset <= position)
    assert caught.value.path == path
    assert f"{path}: corrupt at byte {caught.value.offset}" in str(caught.value)


def test_what_is_before_the_damage_is_handed_out_first(path: Path) -> None:
    offsets = write(path, CONTENTS)
    data = bytearray(path.read_bytes())
    data[offsets[2] + RECORD_HEADER.size] ^= 1
    path.write_bytes(data)
    reader = RecordReader(path, MAGIC)
    found: list[bytes] = []
    with pytest.raises(CorruptFile):
        found.extend(bytes(content) for _, content in reader)
    assert found == list(CONTENTS[:2])
    assert reader.end == offsets[2]


@pytest.mark.parametrize("size", [1, 11, 12, 13, 4096])
def test_a_tail_of_zeros_is_cut_off(path: Path, size: int) -> None:
    """A file whose length reached the disk, and whose content didn't."""
    offsets = write(path, CONTENTS, bytes(size))
    found, reader = read(path)
    assert found == list(CONTENTS)
    assert (reader.end, reader.torn) == (offsets[-1], size)


def test_zeros_with_a_record_behind_them_are_corrupt(path: Path) -> None:
    offsets = write(path, CONTENTS, bytes(512) + record(b"later"))
    with pytest.raises(CorruptFile) as caught:
        read(path)
    assert caught.value.offset == offsets[-1]


@pytest.mark.parametrize(
    ("header", "offset"),
    [
        (file_header(b"RMQ-OTHR"), 0),
        (b"\0" * FILE_HEADER.size, 0),
        (FILE_HEADER.pack(MAGIC, 2, 0, MARK), 8),
        (FILE_HEADER.pack(MAGIC, 0, 0, MARK), 8),
    ],
)
def test_a_wrong_header_is_told(path: Path, header: bytes, offset: int) -> None:
    path.write_bytes(header + record(b"content"))
    with pytest.raises(CorruptFile) as caught:
        read(path)
    assert caught.value.offset == offset


@pytest.mark.parametrize("bit", range(8 * FILE_HEADER.size))
def test_a_flipped_bit_in_the_header_is_told(path: Path, bit: int) -> None:
    """Above all one in the mark: without it the whole file would look like a torn tail."""
    write(path, CONTENTS)
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)
    with pytest.raises(CorruptFile) as caught:
        read(path)
    assert caught.value.offset < FILE_HEADER.size


def test_a_length_beyond_all_measure_is_damage(path: Path) -> None:
    write(path, CONTENTS, RECORD_HEADER.pack(MARK, 0xFFFF_FFFF, 0) + bytes(100))
    found, reader = read(path)
    assert found == list(CONTENTS) and reader.torn == RECORD_HEADER.size + 100
