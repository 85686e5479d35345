"""Frames come out as they went in, however the bytes are cut, and never longer than allowed."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rmq_cluster.links.frames import HEADER, FrameParser, FrameTooLong

frames_strategy = st.lists(st.tuples(st.integers(1, 255), st.binary(max_size=40)), max_size=12)


def packed(frames: list[tuple[int, bytes]]) -> bytes:
    return b"".join(HEADER.pack(len(body), kind) + body for kind, body in frames)


@given(frames_strategy, st.lists(st.integers(0, 400), max_size=8))
def test_cuts_make_no_difference(frames: list[tuple[int, bytes]], cuts: list[int]) -> None:
    data = packed(frames)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    parser = FrameParser(40)
    found = [frame for begin, end in pairwise(edges) for frame in parser.feed(data[begin:end])]
    assert found == frames


def test_a_frame_comes_as_soon_as_it_is_complete() -> None:
    data = packed([(1, b"one"), (2, b"two")])
    parser = FrameParser(100)
    assert parser.feed(data[:-1]) == [(1, b"one")]
    assert parser.feed(data[-1:]) == [(2, b"two")]


def test_a_long_body_in_many_pieces() -> None:
    body = bytes(range(256)) * 4096
    data = packed([(7, body), (8, b"next")])
    parser = FrameParser(len(body))
    found = [frame for at in range(0, len(data), 1000) for frame in parser.feed(data[at : at + 1000])]
    assert found == [(7, body), (8, b"next")]


def test_the_longest_body_is_allowed_and_one_byte_more_is_not() -> None:
    assert FrameParser(10).feed(packed([(1, bytes(10))])) == [(1, bytes(10))]
    with pytest.raises(FrameTooLong, match="11 bytes, 10"):
        FrameParser(10).feed(packed([(1, bytes(11))]))


def test_a_length_is_refused_before_its_body_comes() -> None:
    parser = FrameParser(1 << 20)
    with pytest.raises(FrameTooLong):
        parser.feed(HEADER.pack((1 << 32) - 1, 1))


def test_a_length_is_refused_behind_a_cut_header() -> None:
    parser = FrameParser(10)
    header = HEADER.pack(11, 1)
    assert parser.feed(header[:3]) == []
    with pytest.raises(FrameTooLong):
        parser.feed(header[3:])


def test_keep_alives_are_passed_over() -> None:
    assert FrameParser(10).feed(packed([(0, b""), (1, b"a"), (0, b""), (2, b"b")])) == [(1, b"a"), (2, b"b")]
