"""Messages between nodes: each comes out as it went in, and nonsense is told from messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmq.flow.forward_wire import TO_ALL, TO_ANOTHER_MEMBER, TO_MEMBER, pack_forward, unpack_forwards
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


def packed(entry: tuple[Message, Pick | None], kind: int = TO_MEMBER) -> bytes:
    message, pick = entry
    return pack_forward(message, TO_ALL if pick is None else kind, pick)


@given(st.lists(entries, max_size=5), st.sampled_from([TO_MEMBER, TO_ANOTHER_MEMBER]))
def test_what_goes_in_comes_out(sent: list[tuple[Message, Pick | None]], kind: int) -> None:
    body = b"12345678" + b"".join(packed(entry, kind) for entry in sent)
    found = unpack_forwards(body, 8, NOW, {})
    assert [seen(forwarded.message) for forwarded in found] == [seen(message) for message, _ in sent]
    for forwarded, (_, pick) in zip(found, sent, strict=True):
        expected = (TO_ALL, "", "") if pick is None else (kind, pick.key, pick.client_id)
        assert (forwarded.kind, forwarded.key, forwarded.client_id) == expected


@given(entries, st.data())
def test_what_is_cut_off_is_an_error(entry: tuple[Message, Pick | None], data: st.DataObject) -> None:
    body = packed(entry)
    with pytest.raises(ValueError):
        unpack_forwards(body[: data.draw(st.integers(1, len(body) - 1))], 0, NOW, {})


@given(st.lists(entries, min_size=1, max_size=3), st.data())
def test_nonsense_is_an_error_or_other_messages(sent: list[tuple[Message, Pick | None]], data: st.DataObject) -> None:
    body = bytearray(b"".join(packed(entry) for entry in sent))
    for _ in range(3):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = unpack_forwards(bytes(body), 0, NOW, {})
    except ValueError:
        return
    assert all(forwarded.message.qos in (0, 1, 2) and forwarded.kind <= TO_ANOTHER_MEMBER for forwarded in found)


def test_equal_names_are_one_text() -> None:
    body = pack_forward(Message("a/b", b"1", 0, False, "c"), TO_ALL, None) * 2
    first, second = unpack_forwards(body, 0, NOW, {})
    assert first.message.topic is second.message.topic and first.message.publisher is second.message.publisher
