"""Cutting reads of the load tool: runs of equal frames, acknowledgements built by stride, odd splits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmq.bench import batch, frames


def delivery(packet_id: int, payload: bytes, qos: int = 1, version: int = frames.V311) -> bytes:
    """A PUBLISH as a broker would send it."""
    head = frames.publish_head(version, "bench/00001", qos, len(payload))
    properties = b"\x00" if version == frames.V5 else b""
    return head + (packet_id.to_bytes(2, "big") if qos else b"") + properties + payload


def learned(frame: bytes, version: int = frames.V311) -> batch.Layout:
    """The layout of this frame."""
    layout = batch.Layout()
    assert batch.learn(layout, frame, version)
    return layout


@pytest.mark.parametrize("size", [16, 100, 127, 128, 300, 20_000])
@pytest.mark.parametrize("version", [frames.V311, frames.V5])
@pytest.mark.parametrize("qos", [0, 1])
def test_layout_finds_packet_id_and_payload(size: int, version: int, qos: int) -> None:
    payload = b"rmqb" + b"x" * (size - 4)
    frame = delivery(0x1234, payload, qos, version=version)
    layout = learned(frame, version)
    assert layout.frame_len == len(frame)
    assert frame[layout.payload_at :] == payload
    if qos:
        assert frame[layout.id_at : layout.id_at + 2] == b"\x12\x34"


def test_payload_behind_properties_longer_than_one_length_byte() -> None:
    properties = b"\x26\x00\x01k\x00\xc8" + b"v" * 200  # a user property of 206 bytes: its length takes two bytes
    body = frames.text("t") + b"\x00\x07" + frames.remaining_length(len(properties)) + properties + b"PAYLOAD"
    frame = b"\x32" + frames.remaining_length(len(body)) + body
    assert frame[learned(frame, frames.V5).payload_at :] == b"PAYLOAD"


def test_incomplete_or_other_packets_teach_nothing() -> None:
    frame = delivery(1, b"x" * 64)
    for part in (b"", frame[:1], frame[:2], frame[:-1], b"\x40\x02\x00\x01"):
        assert not batch.learn(batch.Layout(), part, frames.V311)


def test_run_of_frames_with_a_partial_one_at_the_end() -> None:
    one = delivery(1, b"x" * 64)
    layout = learned(one)
    data = b"".join(delivery(i, b"x" * 64) for i in range(1, 6))
    for extra in range(len(one)):
        assert batch.publish_run(layout, data + one[:extra]) == 5


@pytest.mark.parametrize(
    "stranger",
    [
        b"\xd0\x00",  # PINGRESP
        b"\x62\x02\x00\x01",  # PUBREL
        delivery(9, b"x" * 10),  # a shorter PUBLISH
        delivery(9, b"x" * 64, qos=0),
    ],
)
def test_a_run_with_another_packet_anywhere_is_no_run(stranger: bytes) -> None:
    one = delivery(1, b"x" * 64)
    layout = learned(one)
    assert batch.publish_run(layout, one * 3 + stranger) == 0
    assert batch.publish_run(layout, one + stranger + one * 2) == 0
    assert batch.publish_run(layout, stranger + one * 3) == 0


def test_duplicates_and_retained_messages_are_no_part_of_a_run() -> None:
    one = delivery(1, b"x" * 64)
    layout = learned(one)
    for flag in (0x08, 0x01):
        assert batch.publish_run(layout, one + bytes((one[0] | flag,)) + one[1:]) == 0


@given(st.lists(st.integers(1, 65535), min_size=1, max_size=40), st.sampled_from([0x40, 0x50]))
def test_acknowledgements_of_a_run_name_its_packet_ids(ids: list[int], first: int) -> None:
    data = b"".join(delivery(i, b"x" * 64) for i in ids)
    layout = learned(data)
    count = batch.publish_run(layout, data + data[:7])
    assert count == len(ids)
    wanted = b"".join(bytes((first, 2)) + i.to_bytes(2, "big") for i in ids)
    assert batch.acks_for_publishes(first, layout, data + data[:7], count) == wanted


@given(st.lists(st.integers(1, 65535), min_size=1, max_size=40))
def test_runs_of_acknowledgements(ids: list[int]) -> None:
    data = b"".join(b"\x50\x02" + i.to_bytes(2, "big") for i in ids)
    assert batch.ack_run(data, 0x50) == len(ids)
    assert batch.ack_run(data, 0x40) == 0
    assert batch.ack_run(data + b"\x50", 0x50) == 0
    assert batch.ack_run(data + b"\x40\x02\x00\x01", 0x50) == 0
    assert batch.ack_run(data + b"\x50\x03\x00\x01", 0x50) == 0
    wanted = b"".join(b"\x62\x02" + i.to_bytes(2, "big") for i in ids)
    assert batch.acks_for_acks(0x62, data, len(ids)) == wanted


@given(st.integers(0, 268_435_455))
def test_remaining_length_both_ways(value: int) -> None:
    packet = b"\x30" + frames.remaining_length(value)
    end = batch.header_end(packet, 0)
    assert end == len(packet)
    assert batch.body_size(packet, 0, end) == value


def test_remaining_length_that_is_not_complete_or_too_long() -> None:
    assert batch.header_end(b"\x30", 0) == batch.INCOMPLETE
    assert batch.header_end(b"\x30\x80\x80\x80", 0) == batch.INCOMPLETE
    assert batch.header_end(b"\x30\x80\x80\x80\x80", 0) == batch.MALFORMED
    assert batch.header_end(b"\x30\x80\x80\x80\x80\x01", 0) == batch.MALFORMED
