"""Messages between nodes: each comes out as it went in, and nonsense is told from messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmq.flow.forward_wire import (
    TO_ALL,
    TO_ANOTHER_MEMBER,
    TO_MEMBER,
    Forwarded,
    is_plain,
    pack_alone,
    unpack_forwards,
)
from rmq.flow.lanes import RUN_BYTES, Lane
from rmq.flow.ports import Pick
from rmq.mqtt.message import Message

NOW = 1000.0
texts = st.text(max_size=30)
plain = st.builds(
    Message,
    texts,
    st.binary(max_size=50),
    st.integers(0, 2),
    st.booleans(),
    texts,
    st.just(b""),
    st.just(0.0),
    st.just(NOW),
)
any_message = plain | st.builds(
    Message,
    texts,
    st.binary(max_size=50),
    st.integers(0, 2),
    st.booleans(),
    texts,
    st.binary(max_size=20),
    st.floats(0, 1e11),
    st.floats(0, 1e11),
    st.integers(0, 4),
)
picks = st.builds(Pick, st.just(2), texts, texts)
entries = st.tuples(any_message, st.none()) | st.tuples(any_message, picks)


def seen(message: Message) -> tuple[object, ...]:
    # When one without properties and expiry was made matters to nobody.
    times = (message.expires_at, message.created_at) if message.expires_at else ()
    return (
        message.topic,
        message.payload,
        message.qos,
        message.retain,
        message.publisher,
        message.properties,
        message.origin,
        *times,
    )


def packed(sent: list[tuple[Message, Pick | None]], kind: int = TO_MEMBER) -> bytes:
    lane = Lane()
    for message, pick in sent:
        if pick is None and is_plain(message):
            lane.enter(message, None)
        else:
            lane.enter_alone(pack_alone(message, TO_ALL if pick is None else kind, pick), None)
    lane.close()
    body = b"".join(lane.parts)
    assert len(body) == lane.size and sum(lane.counts) == len(sent)
    return body


def unpacked(body: bytes, start: int = 0) -> list[Forwarded]:
    return unpack_forwards(body, start, {})


def messages_of(runs: list[Forwarded]) -> list[Message]:
    return [message for run in runs for message in run.messages(NOW)]


@given(st.lists(entries, max_size=5), st.sampled_from([TO_MEMBER, TO_ANOTHER_MEMBER]))
def test_what_goes_in_comes_out(sent: list[tuple[Message, Pick | None]], kind: int) -> None:
    runs = unpacked(b"12345678" + packed(sent, kind), 8)
    assert [seen(message) for message in messages_of(runs)] == [seen(message) for message, _ in sent]
    whom = [(run.kind, run.key, run.client_id) for run in runs for _ in range(run.count)]
    assert whom == [(TO_ALL, "", "") if pick is None else (kind, pick.key, pick.client_id) for _, pick in sent]


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=20), st.integers(0, 2), st.booleans())
def test_messages_of_one_publisher_and_topic_are_one_run(payloads: list[bytes], qos: int, retain: bool) -> None:
    topic, publisher = "a/b", "c"
    sent = [Message(topic, payload, qos, retain, publisher, b"", 0.0, NOW) for payload in payloads]
    (run,) = unpacked(packed([(message, None) for message in sent]))
    assert run.count == len(payloads)
    assert [seen(message) for message in run.messages(NOW)] == [seen(message) for message in sent]


def test_a_run_of_qos_0_holds_the_packets_that_clients_get() -> None:
    (run,) = unpacked(packed([(message, None) for message in _plain(b"1", b"22")]))
    assert run.packets == bytes.fromhex("3006 0003612f62 31 3007 0003612f62 3232")


def test_another_topic_publisher_or_qos_begins_another_run() -> None:
    first, second, third, fourth, fifth = _plain(b"1", b"2", b"3", b"4", b"5")
    second.topic = "a/c"
    third.publisher = "d"
    fourth.qos = 1
    runs = unpacked(packed([(message, None) for message in (first, second, third, fourth, fifth)]))
    assert [run.count for run in runs] == [1] * 5
    assert [message.payload for message in messages_of(runs)] == [b"1", b"2", b"3", b"4", b"5"]


def test_a_long_run_is_followed_by_another_one() -> None:
    sent = _plain(*[bytes([i]) * (RUN_BYTES // 2) for i in range(5)])
    runs = unpacked(packed([(message, None) for message in sent]))
    assert [run.count for run in runs] == [2, 2, 1]


@given(entries, st.data())
def test_what_is_cut_off_is_an_error(entry: tuple[Message, Pick | None], data: st.DataObject) -> None:
    body = packed([entry])
    with pytest.raises(ValueError):
        unpacked(body[: data.draw(st.integers(1, len(body) - 1))])


@given(st.lists(entries, min_size=1, max_size=3), st.data())
def test_nonsense_is_an_error_or_other_messages(sent: list[tuple[Message, Pick | None]], data: st.DataObject) -> None:
    body = bytearray(packed(sent))
    for _ in range(3):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = unpacked(bytes(body))
    except ValueError:
        return
    for run in found:
        assert run.qos in (0, 1, 2) and run.kind <= TO_ANOTHER_MEMBER
        assert len(run.messages(NOW)) == run.count


@pytest.mark.parametrize(
    "packets",
    [
        "3206 0003612f62 31",  # not QoS 0
        "3006 0003612f62",  # cut off
        "3002 0003",  # its topic name is cut off
        "308080808000",  # a remaining length of more than four bytes
        "3006 0003612f62 31 00",  # something behind it
        "",
    ],
)
def test_clients_never_get_what_is_no_packet(packets: str) -> None:
    (run,) = unpacked(packed([(message, None) for message in _plain(b"1")]))
    good = packed([(message, None) for message in _plain(b"1")])
    head = good[: run.start]
    data = bytes.fromhex(packets)
    body = (run.start - 4 + len(data)).to_bytes(4, "big") + head[4:] + data
    with pytest.raises(ValueError):
        unpacked(body)


def test_equal_names_are_one_text() -> None:
    first, second = messages_of(unpacked(packed([(message, None) for message in _plain(b"1", b"2")])))
    assert first.topic is second.topic and first.publisher is second.publisher


def _plain(*payloads: bytes) -> list[Message]:
    topic, publisher = "a/b", "c"
    return [Message(topic, payload, 0, False, publisher, b"", 0.0, NOW) for payload in payloads]
