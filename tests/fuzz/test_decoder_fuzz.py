"""The decoder against broken streams: no exception but its own, the same answer however the stream is cut."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmq.mqtt.errors import MqttError
from rmq.mqtt.framing import Decoder
from rmq.mqtt.packets import Packet, Publish
from rmq.mqtt.topic_cache import TopicCache

from .corpus import AUTH, Session, sessions
from .mutators import Mutator
from .settings import from_environment

MAX_PACKET_SIZE = 64 * 1024
MUTATED_PER_STREAM = 4


def _decode(chunks: list[bytes]) -> tuple[list[Packet], MqttError | None]:
    decoder = Decoder(MAX_PACKET_SIZE, TopicCache(64))
    packets: list[Packet] = []
    for chunk in chunks:
        packets += decoder.feed(chunk)
        assert decoder.buffered_bytes <= MAX_PACKET_SIZE
    if decoder.error is not None:
        assert decoder.feed(b"\xc0\x00") == [], "decoded something behind a bad packet"
        assert decoder.buffered_bytes == 0, "keeps bytes nobody will decode"
    return packets, decoder.error


def _described(value: object) -> object:
    """A packet as plain values, and so the objects inside it: will, subscription requests."""
    if isinstance(value, (list, tuple)):
        return [_described(item) for item in value]
    if not type(value).__module__.startswith("rmq."):
        return value
    # Compiled classes have no __slots__, but the same attributes.
    names = [name for name in dir(value) if not name.startswith("_")]
    return [type(value).__name__, *((name, _described(getattr(value, name))) for name in names)]


def _check(stream: bytes, chunks: list[bytes]) -> tuple[int, bool]:
    """Decode `stream` at once and in `chunks`; how many packets it had and whether it ended with a bad one."""
    packets, error = _decode([stream])
    again, error_again = _decode(chunks)
    assert _described(packets) == _described(again)
    assert (error is None) == (error_again is None), (error, error_again)
    if error is not None and error_again is not None:
        # Before a CONNECT nobody is told the reason, and a first byte alone may already be enough to refuse.
        if packets:
            assert (type(error), error.reason_code) == (type(error_again), error_again.reason_code)
        # What is told to a client must be a reason code of an error.
        assert 0x80 <= error.reason_code <= 0xFF
    for packet in packets:
        if isinstance(packet, Publish):
            # Raises if a surrogate got through, which is no UTF-8 ([MQTT-1.5.4-1]).
            packet.topic.encode()
            assert not set("+#\0") & set(packet.topic)
    return len(packets), error is not None


@pytest.mark.fuzz
def test_mutated_sessions(report: Callable[[str], None]) -> None:
    settings = from_environment()
    report(f"RMQ_FUZZ_SEED={settings.seed}")
    corpus = sessions("client")
    mutator = Mutator(settings.seed, [*{frame for session in corpus for frame in session.frames}, AUTH])
    choose = mutator.random
    deadline = time.monotonic() + settings.seconds
    reached = errors = streams = 0
    while reached < settings.packets and time.monotonic() < deadline:
        session = choose.choice(corpus)
        spare_the_connect = choose.random() > 0.1
        parts = [session.connect.encode() if spare_the_connect else mutator.mutate(session.connect)]
        parts += [mutator.mutate(frame) for frame in choose.sample(session.frames, MUTATED_PER_STREAM)]
        stream = b"".join(parts)
        chunks = mutator.chunks(stream)
        try:
            decoded, refused = _check(stream, chunks)
        except BaseException as error:
            error.add_note(f"RMQ_FUZZ_SEED={settings.seed}, stream {streams}: {stream.hex(' ')}")
            error.add_note(f"chunks {[len(chunk) for chunk in chunks]}")
            raise
        # Only what the decoder looked at counts: nothing behind a bad packet is.
        reached += decoded - spare_the_connect + refused
        errors += refused
        streams += 1
    report(f"{reached} mutated packets decoded in {streams} streams, {errors} of them refused")
    assert reached >= settings.packets, f"only {reached} packets in {settings.seconds} s"
    # A mutator that only makes valid packets, or only rubbish, tests nothing.
    assert 0.2 < errors / streams < 1.0
    assert reached / streams > 1.2


@pytest.mark.parametrize("session", sessions("client"), ids=lambda s: f"level{s.level}-{s.connect.before[7]:#x}")
def test_the_corpus_itself_is_valid(session: Session) -> None:
    stream = b"".join(frame.encode() for frame in (session.connect, *session.frames))
    packets, error = _decode([stream[i : i + 7] for i in range(0, len(stream), 7)])
    assert error is None, error
    assert len(packets) == 1 + len(session.frames)


@given(st.binary(max_size=300), st.integers(0, 2**32 - 1))
def test_any_bytes(stream: bytes, seed: int) -> None:
    _check(stream, Mutator(seed, [AUTH]).chunks(stream))


@given(st.sampled_from(sessions("client")), st.binary(max_size=300), st.integers(0, 2**32 - 1))
def test_any_bytes_after_connect(session: Session, noise: bytes, seed: int) -> None:
    stream = session.connect.encode() + noise
    _check(stream, Mutator(seed, [AUTH]).chunks(stream))
