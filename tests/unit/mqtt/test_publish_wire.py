"""The broker's outbound PUBLISH against the plain encoder and the decoder."""

from hypothesis import given
from hypothesis import strategies as st

from rmq.mqtt import codes
from rmq.mqtt.decode_server_packets import ServerPacketDecoder
from rmq.mqtt.encode import encode_publish
from rmq.mqtt.message import Message
from rmq.mqtt.packets import Publish
from rmq.mqtt.publish_wire import encode_v5, head_v3, head_v5, with_dup
from rmq.mqtt.topic_cache import TopicCache
from tests.unit.mqtt import strategies


@st.composite
def messages(draw: st.DrawFn) -> Message:
    size = draw(st.sampled_from([0, 1, 100, 127, 128, 16_370, 16_384, 70_000]))
    payload = draw(st.binary(max_size=20)) + bytes(size)
    return Message(draw(strategies.topic_names), payload, 0, False, "publisher", draw(strategies.blocks()))


def plain(message: Message, qos: int, retain: bool, dup: bool, packet_id: int, version: int) -> bytes:
    publish = Publish(message.topic, message.payload, qos, retain, dup, packet_id)
    publish.properties = message.properties
    return encode_publish(publish, version)


@given(messages(), st.integers(0, 2), st.booleans(), strategies.packet_ids)
def test_head_v3(message: Message, qos: int, retain: bool, packet_id: int) -> None:
    for _ in range(2):  # the second time from the message's memory
        head = head_v3(message, qos, retain)
        if qos == 0:
            assert head == plain(message, 0, retain, False, 0, codes.V311)
        else:
            tail = packet_id.to_bytes(2, "big") + message.payload
            assert head + tail == plain(message, qos, retain, False, packet_id, codes.V311)
            assert with_dup(head) + tail == plain(message, qos, retain, True, packet_id, codes.V311)


@given(messages(), st.integers(0, 2), st.booleans(), strategies.packet_ids)
def test_head_v5(message: Message, qos: int, retain: bool, packet_id: int) -> None:
    for _ in range(2):
        head = head_v5(message, qos, retain)
        if qos == 0:
            assert head == plain(message, 0, retain, False, 0, codes.V5)
        else:
            tail = packet_id.to_bytes(2, "big") + message.wire_v5_tail
            assert head + tail == plain(message, qos, retain, False, packet_id, codes.V5)
            assert with_dup(head) + tail == plain(message, qos, retain, True, packet_id, codes.V5)


def test_forms_do_not_mix() -> None:
    """Receivers of different QoS, RETAIN and version take turns with one message."""
    message = Message("a/b", b"payload", 2, False, "publisher", b"\x01\x01")
    for _ in range(2):
        for qos in (0, 1, 2):
            for retain in (False, True):
                head = head_v3(message, qos, retain)
                tail = b"\x00\x07" + message.payload if qos else b""
                assert head + tail == plain(message, qos, retain, False, 7, codes.V311)
                head = head_v5(message, qos, retain)
                tail = b"\x00\x07" + message.wire_v5_tail if qos else b""
                assert head + tail == plain(message, qos, retain, False, 7, codes.V5)


@given(messages(), strategies.publishes(codes.V5, True), st.booleans())
def test_encode_v5(message: Message, like: Publish, send_topic: bool) -> None:
    alias = like.topic_alias or 1
    data = encode_v5(
        message, like.qos, like.retain, like.dup, like.packet_id, like.message_expiry, like.subscription_ids, alias,
        send_topic,
    )  # fmt: skip
    decoder = ServerPacketDecoder(codes.MAX_PACKET_SIZE, TopicCache(), codes.V5)
    (publish,) = decoder.feed(data)
    assert decoder.buffered_bytes == 0
    assert isinstance(publish, Publish)
    assert (publish.topic, publish.topic_alias) == (message.topic if send_topic else "", alias)
    assert (publish.payload, publish.properties) == (message.payload, message.properties)
    assert (publish.qos, publish.retain, publish.dup) == (like.qos, like.retain, like.dup)
    assert (publish.packet_id, publish.message_expiry) == (like.packet_id, like.message_expiry)
    assert publish.subscription_ids == like.subscription_ids
