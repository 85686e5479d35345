"""The framing: how reads may be cut, what is kept, and what ends decoding."""

import random
from collections.abc import Iterator

import pytest

from rmq.mqtt import codes
from rmq.mqtt.encode import encode_ack, encode_disconnect, encode_publish
from rmq.mqtt.encode_client_packets import PINGREQ, encode_connect, encode_subscribe
from rmq.mqtt.errors import MalformedPacketError, PacketTooLargeError, ProtocolError, UnsupportedProtocolError
from rmq.mqtt.framing import Decoder
from rmq.mqtt.packets import (
    Ack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Publish,
    Subscribe,
    SubscriptionRequest,
)
from rmq.mqtt.topic_cache import TopicCache
from tests.support.packet_cases import assemble

VERSIONS = [codes.V31, codes.V311, codes.V5]


def connect(version: int) -> bytes:
    return encode_connect(Connect(version, "client", True, 60))


def connected(version: int, max_packet_size: int = 1 << 20) -> Decoder:
    decoder = Decoder(max_packet_size, TopicCache())
    assert len(decoder.feed(connect(version))) == 1
    return decoder


def stream(version: int) -> bytes:
    """A connection's life: every kind of packet, small and large."""
    return b"".join(
        [
            connect(version),
            encode_subscribe(Subscribe(1, [SubscriptionRequest("a/#", 1), SubscriptionRequest("b", 0)]), version),
            encode_publish(Publish("a/b", b"x" * 5, 0, False, False, 0), version),
            encode_publish(Publish("a/b", b"y" * 300, 1, True, True, 7), version),
            encode_publish(Publish("a/c", b"z" * 20_000, 2, False, False, 8), version),
            encode_ack(codes.PUBACK, 3, 0, version),
            encode_ack(codes.PUBREL, 8, 0, version),
            PINGREQ,
            encode_publish(Publish("a/b", b"", 0, False, False, 0), version),
            encode_disconnect(Disconnect(), version),
        ]
    )


def shape(packets: list[Packet]) -> list[object]:
    """What tells one decoding from another, comparable."""
    shapes: list[object] = []
    for packet in packets:
        if isinstance(packet, Publish):
            shapes.append((packet.topic, packet.payload, packet.qos, packet.retain, packet.dup, packet.packet_id))
        elif isinstance(packet, Ack):
            shapes.append((packet.packet_type, packet.packet_id, packet.reason_code))
        elif isinstance(packet, Subscribe):
            shapes.append((packet.packet_id, [(request.topic_filter, request.qos) for request in packet.requests]))
        else:
            shapes.append(type(packet).__name__)
    return shapes


def pieces(data: bytes, sizes: Iterator[int]) -> Iterator[bytes]:
    pos = 0
    while pos < len(data):
        size = next(sizes)
        yield data[pos : pos + size]
        pos += size


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64, 1000, 4096])
def test_reads_of_any_size_give_the_same_packets(version: int, size: int) -> None:
    data = stream(version)
    whole = shape(Decoder(1 << 20, TopicCache()).feed(data))
    assert len(whole) == 10
    decoder = Decoder(1 << 20, TopicCache())
    packets: list[Packet] = []
    for piece in pieces(data, iter(lambda: size, 0)):
        packets += decoder.feed(piece)
    assert decoder.error is None
    assert decoder.buffered_bytes == 0
    assert shape(packets) == whole


@pytest.mark.parametrize("seed", range(50))
def test_random_cuts_give_the_same_packets(seed: int) -> None:
    cuts = random.Random(seed)
    data = stream(codes.V5)
    whole = shape(Decoder(1 << 20, TopicCache()).feed(data))
    decoder = Decoder(1 << 20, TopicCache())
    packets: list[Packet] = []
    for piece in pieces(data, iter(lambda: cuts.choice((0, 1, 2, 9, 100, 5000)), -1)):
        packets += decoder.feed(piece)
    assert shape(packets) == whole


def test_packet_comes_out_with_its_last_byte() -> None:
    decoder = connected(codes.V311)
    data = encode_publish(Publish("a", b"payload", 0, False, False, 0), codes.V311)
    for byte in data[:-1]:
        assert decoder.feed(bytes([byte])) == []
    assert decoder.buffered_bytes == len(data) - 1
    (publish,) = decoder.feed(data[-1:])
    assert isinstance(publish, Publish) and publish.payload == b"payload"
    assert decoder.buffered_bytes == 0


def test_packets_pipelined_behind_connect_are_decoded_as_its_version() -> None:
    for version in VERSIONS:
        decoder = Decoder(1 << 20, TopicCache())
        assert decoder.version == 0
        packets = decoder.feed(
            connect(version) + encode_publish(Publish("t", b"\x00\x01", 0, False, False, 0), version) + PINGREQ
        )
        assert decoder.version == version
        assert isinstance(packets[1], Publish) and packets[1].payload == b"\x00\x01"
        assert isinstance(packets[2], Pingreq)


def test_packets_before_a_bad_one_are_handed_out_and_nothing_after_it() -> None:
    decoder = connected(codes.V5)
    packets = decoder.feed(PINGREQ + PINGREQ + b"\x00\x00" + PINGREQ)
    assert len(packets) == 2
    assert isinstance(decoder.error, MalformedPacketError)
    assert decoder.feed(PINGREQ) == []
    assert decoder.buffered_bytes == 0


def test_second_connect_is_a_protocol_error() -> None:
    for version in VERSIONS:
        decoder = connected(version)
        assert decoder.feed(connect(version)) == []
        assert isinstance(decoder.error, ProtocolError)  # [MQTT-3.1.0-2]
        assert decoder.version == version


@pytest.mark.parametrize("first", ["c000", "30 [ 'x' ]", "40 [ 0001 ]", "e000", "82 [ 0001 ]", "f000", "20 [ 0000 ]"])
def test_first_packet_must_be_connect(first: str) -> None:
    decoder = Decoder(1 << 20, TopicCache())
    assert decoder.feed(assemble(first)) == []
    assert isinstance(decoder.error, ProtocolError)  # [MQTT-3.1.0-1]
    assert decoder.version == 0


def test_other_protocols_are_refused_at_their_first_byte() -> None:
    for greeting in (b"G", b"GET / HTTP/1.1\r\n", b"\x16\x03\x01\x02\x00"):
        decoder = Decoder(1 << 20, TopicCache())
        assert decoder.feed(greeting) == []
        assert decoder.error is not None


def test_too_large_packet_is_refused_by_its_header_alone() -> None:
    decoder = connected(codes.V5, 100)
    assert decoder.feed(b"\x30\x63") == []
    assert isinstance(decoder.error, PacketTooLargeError)
    assert decoder.error.reason_code == codes.PACKET_TOO_LARGE
    assert decoder.buffered_bytes == 0


def test_limit_counts_the_whole_packet() -> None:
    fits = encode_publish(Publish("a", b"x" * 94, 0, False, False, 0), codes.V311)
    above = encode_publish(Publish("a", b"x" * 95, 0, False, False, 0), codes.V311)
    assert (len(fits), len(above)) == (99, 100)
    decoder = connected(codes.V311, 99)
    assert len(decoder.feed(fits)) == 1
    assert decoder.feed(above) == []
    assert isinstance(decoder.error, PacketTooLargeError)


def test_limit_may_change_between_packets() -> None:
    decoder = connected(codes.V311)
    decoder.max_packet_size = 10
    decoder.feed(encode_publish(Publish("a", b"x" * 20, 0, False, False, 0), codes.V311))
    assert isinstance(decoder.error, PacketTooLargeError)


def test_header_cut_before_its_length_ends() -> None:
    decoder = connected(codes.V311)
    data = encode_publish(Publish("a", b"x" * 20_000, 0, False, False, 0), codes.V311)
    assert decoder.feed(data[:2]) == []
    assert decoder.buffered_bytes == 2
    assert decoder.feed(data[2:3]) == []
    assert len(decoder.feed(data[3:])) == 1


def test_fifth_length_byte_is_malformed_even_when_cut() -> None:
    for cut in (1, 3, 4, 5):
        decoder = connected(codes.V311, codes.MAX_PACKET_SIZE)
        data = b"\x30\x80\x80\x80\x80\x01"
        decoder.feed(data[:cut])
        decoder.feed(data[cut:])
        assert isinstance(decoder.error, MalformedPacketError)


def test_needless_length_digits_are_malformed_in_version_5_only() -> None:
    body = connect(codes.V5)[2:]
    decoder = Decoder(1 << 20, TopicCache())
    assert decoder.feed(bytes([0x10, len(body) | 0x80, 0]) + body) == []
    assert isinstance(decoder.error, MalformedPacketError)  # [MQTT-1.5.5-1]
    assert decoder.version == codes.V5
    for version in (codes.V31, codes.V311):
        body = connect(version)[2:]
        decoder = Decoder(1 << 20, TopicCache())
        packets = decoder.feed(bytes([0x10, len(body) | 0x80, 0]) + body + b"\xc0\x80\x00")
        assert decoder.error is None
        assert len(packets) == 2


def test_version_is_known_after_a_bad_connect() -> None:
    for data, version in (
        ('10 [ "MQTT" 05 03 003c [ ] "c" ]', codes.V5),
        ('10 [ "MQTT" 04 03 003c "c" ]', codes.V311),
        ('10 [ "MQIsdp" 03 06 003c "c" ]', codes.V31),
        ('10 [ "MQTT" 06 02 003c [ ] "c" ]', codes.V5),
        ('10 [ "MQTT" 84 02 003c "c" ]', codes.V5),
        ('10 [ "MQTT" 03 02 003c "c" ]', codes.V311),
        ('10 [ "MQIsdp" ]', 0),
    ):
        decoder = Decoder(1 << 20, TopicCache())
        assert decoder.feed(assemble(data)) == []
        assert decoder.error is not None
        assert decoder.version == version, data


def test_bridge_bit_in_the_level_is_not_served() -> None:
    decoder = Decoder(1 << 20, TopicCache())
    decoder.feed(assemble('10 [ "MQIsdp" 83 02 003c "c" ]'))
    assert isinstance(decoder.error, UnsupportedProtocolError)


def test_large_packet_in_small_reads_is_copied_a_bounded_number_of_times() -> None:
    """A quadratic decoder would need minutes for this: 2 GiB of copies."""
    payload = bytes(1 << 20)
    data = encode_publish(Publish("big", payload, 0, False, False, 0), codes.V311)
    decoder = connected(codes.V311, 1 << 21)
    packets: list[Packet] = []
    for pos in range(0, len(data), 64):
        packets += decoder.feed(data[pos : pos + 64])
    (publish,) = packets
    assert isinstance(publish, Publish) and publish.payload == payload
