"""Every packet of every version: encoded, cut at random, decoded, the same again."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from rmq.mqtt import codes, encode, encode_client_packets
from rmq.mqtt.decode_server_packets import ServerPacketDecoder
from rmq.mqtt.framing import Decoder
from rmq.mqtt.packets import (
    Ack,
    Auth,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Publish,
    Suback,
    Subscribe,
    SubscriptionRequest,
    Unsuback,
    Unsubscribe,
    Will,
)
from rmq.mqtt.topic_cache import TopicCache
from tests.unit.mqtt import strategies as packets

LIMIT = 1 << 20


def fields(thing: object) -> object:
    """Everything a packet holds, comparable, whether its class is compiled or not."""
    if isinstance(thing, list):
        return [fields(item) for item in thing]
    if isinstance(thing, Packet | Will | SubscriptionRequest):
        names = [name for name in dir(type(thing)) if not name.startswith("_")]
        return type(thing).__name__, {name: fields(getattr(thing, name)) for name in names}
    return thing


def encode_as_client(packet: Packet, version: int) -> bytes:
    if isinstance(packet, Connect):
        return encode_client_packets.encode_connect(packet)
    if isinstance(packet, Subscribe):
        return encode_client_packets.encode_subscribe(packet, version)
    if isinstance(packet, Unsubscribe):
        return encode_client_packets.encode_unsubscribe(packet, version)
    if isinstance(packet, Pingreq):
        return encode_client_packets.PINGREQ
    return encode_alike(packet, version)


def encode_as_server(packet: Packet, version: int) -> bytes:
    if isinstance(packet, Connack):
        return encode.encode_connack(packet, version)
    if isinstance(packet, Suback):
        return encode.encode_suback(packet, version)
    if isinstance(packet, Unsuback):
        return encode.encode_unsuback(packet, version)
    if isinstance(packet, Pingresp):
        return encode.PINGRESP
    return encode_alike(packet, version)


def encode_alike(packet: Packet, version: int) -> bytes:
    if isinstance(packet, Publish):
        return encode.encode_publish(packet, version)
    if isinstance(packet, Ack):
        return encode.encode_ack(packet.packet_type, packet.packet_id, packet.reason_code, version)
    if isinstance(packet, Disconnect):
        return encode.encode_disconnect(packet, version)
    assert isinstance(packet, Auth)
    return encode.encode_auth(packet)


def feed_in_pieces(decoder: Decoder, data: bytes, cuts: list[int]) -> list[Packet]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    decoded: list[Packet] = []
    for start, end in itertools.pairwise(edges):
        decoded += decoder.feed(data[start:end])
    return decoded


@st.composite
def client_lives(draw: st.DrawFn) -> tuple[int, list[Packet]]:
    """A CONNECT and what may follow it."""
    connect = draw(packets.connects())
    version = connect.protocol_level
    kinds: list[st.SearchStrategy[Packet]] = [
        packets.publishes(version),
        packets.acks(version),
        packets.subscribes(version),
        packets.unsubscribes(version),
        packets.disconnects(version),
        st.builds(Pingreq),
    ]
    if version == codes.V5:
        kinds.append(packets.auths())
    return version, [connect, *draw(st.lists(st.one_of(kinds), max_size=6))]


@st.composite
def server_lives(draw: st.DrawFn) -> tuple[int, list[Packet]]:
    version = draw(packets.versions)
    kinds: list[st.SearchStrategy[Packet]] = [
        packets.connacks(version),
        packets.publishes(version, True),
        packets.acks(version),
        packets.subacks(version),
        packets.unsubacks(version),
        st.builds(Pingresp),
    ]
    if version == codes.V5:
        kinds.extend([packets.disconnects(version, True), packets.auths()])
    return version, draw(st.lists(st.one_of(kinds), min_size=1, max_size=6))


@given(client_lives(), st.lists(st.integers(0, 10_000), max_size=8))
def test_client_to_server(life: tuple[int, list[Packet]], cuts: list[int]) -> None:
    version, sent = life
    data = b"".join([encode_as_client(packet, version) for packet in sent])
    decoder = Decoder(LIMIT, TopicCache())
    received = feed_in_pieces(decoder, data, cuts)
    assert decoder.error is None
    assert fields(received) == fields(sent)


@given(server_lives(), st.lists(st.integers(0, 10_000), max_size=8))
def test_server_to_client(life: tuple[int, list[Packet]], cuts: list[int]) -> None:
    version, sent = life
    data = b"".join([encode_as_server(packet, version) for packet in sent])
    decoder = ServerPacketDecoder(LIMIT, TopicCache(), version)
    received = feed_in_pieces(decoder, data, cuts)
    assert decoder.error is None
    assert fields(received) == fields(sent)


@given(client_lives(), st.data())
def test_mutated_bytes_never_raise(life: tuple[int, list[Packet]], data: st.DataObject) -> None:
    version, sent = life
    wire = bytearray(b"".join([encode_as_client(packet, version) for packet in sent]))
    for _ in range(data.draw(st.integers(1, 4))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    decoder = Decoder(LIMIT, TopicCache())
    received = decoder.feed(bytes(wire))
    assert decoder.error is None or decoder.feed(b"\xc0\x00") == []
    assert len(received) <= len(wire) // 2
