"""Properties: the table against the specification, the forwarded block, and its plain values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmq.mqtt import codes
from rmq.mqtt.errors import MalformedPacketError, MqttError, ProtocolError
from rmq.mqtt.framing import Decoder
from rmq.mqtt.message_properties import read_message_properties
from rmq.mqtt.packets import Connect, Publish
from rmq.mqtt.primitives import Reader
from rmq.mqtt.properties import (
    PROPERTIES,
    WILL,
    Properties,
    decode_block,
    encode_block,
    payload_format,
    read_properties,
)
from rmq.mqtt.topic_cache import TopicCache
from tests.support.packet_cases import CONNECT_OF_LEVEL, assemble
from tests.unit.mqtt import strategies


def publish(wire: str) -> Publish:
    decoder = Decoder(1 << 20, TopicCache())
    (_, packet) = decoder.feed(assemble(CONNECT_OF_LEVEL[5]) + assemble(wire))
    assert isinstance(packet, Publish)
    return packet


def read(reader: Reader, packet_type: int) -> None:
    """Reads the properties of a packet with the reader that is for them."""
    if packet_type == codes.PUBLISH or packet_type == WILL:
        reader.pos = read_message_properties(reader.data, reader.pos, reader.end, packet_type == WILL).end
    else:
        read_properties(reader, packet_type)


def test_table_has_every_property_of_the_specification() -> None:
    # Identifiers of [MQTT 5.0, table 2-4].
    assert sorted(PROPERTIES) == [1, 2, 3, 8, 9, 11, 17, 18, 19, *range(21, 27), 28, 31, *range(33, 43)]
    assert len({row.name for row in PROPERTIES.values()}) == len(PROPERTIES)


def test_block_of_forwarded_properties_is_kept_as_it_came() -> None:
    block = assemble('26 "k" "v" 01 01 09 ( 00 ff ) 26 "k" "v" 03 "text/plain" 08 "reply" 26 "" ""')
    packet = publish(f"32 [ \"t\" 0001 {len(block):02x} {block.hex()} 'x' ]")
    assert packet.properties == block
    assert packet.payload == b"x"
    assert (packet.topic_alias, packet.message_expiry, packet.subscription_ids) == (0, -1, None)


def test_block_leaves_out_what_is_for_the_broker() -> None:
    packet = publish('30 [ "t" [ 02 00000005 26 "a" "1" 01 01 23 0007 03 "c" 26 "b" "2" ] \'x\' ]')
    assert packet.properties == assemble('26 "a" "1" 01 01 03 "c" 26 "b" "2"')
    assert packet.topic_alias == 7
    assert packet.message_expiry == 5
    assert publish('30 [ "t" [ 26 "a" "1" 23 0001 ] ]').properties == assemble('26 "a" "1"')
    assert publish('30 [ "t" [ 23 0001 02 00000000 ] ]').properties == b""


def test_alias_alone_needs_no_topic() -> None:
    packet = publish('30 [ "" [ 23 0007 ] ]')
    assert (packet.topic, packet.topic_alias) == ("", 7)


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ("23 0000", codes.TOPIC_ALIAS_INVALID),
        ("0b 01", codes.PROTOCOL_ERROR),
        ('08 ""', codes.PROTOCOL_ERROR),
        ('08 "a/+"', codes.PROTOCOL_ERROR),
        ("01 02", codes.PROTOCOL_ERROR),
        ("2b 00", codes.MALFORMED_PACKET),
        ("01 01 41 01", codes.MALFORMED_PACKET),
        ("8100 01", codes.MALFORMED_PACKET),
        ('1f "r"', codes.MALFORMED_PACKET),
    ],
)
def test_publish_properties_are_checked(properties: str, code: int) -> None:
    decoder = Decoder(1 << 20, TopicCache())
    decoder.feed(assemble(CONNECT_OF_LEVEL[5]) + assemble(f'30 [ "t" [ {properties} ] ]'))
    assert decoder.error is not None
    assert decoder.error.reason_code == code


def test_property_may_not_run_over_the_property_length() -> None:
    raw = assemble("03 03 0001") + b"x" * 20
    with pytest.raises(MalformedPacketError):
        read(Reader(raw, 0, len(raw)), codes.PUBLISH)


def test_every_allowed_property_is_read_and_every_other_refused() -> None:
    values = {0: "01", 1: "0001", 2: "00000001", 3: "01", 4: '"s"', 5: "( 01 )", 6: '"k" "v"'}
    for identifier, row in PROPERTIES.items():
        raw = assemble(f"[ {identifier:02x} {values[row.kind]} ]")
        for packet_type in range(WILL, codes.AUTH + 1):
            reader = Reader(raw, 0, len(raw))
            if row.packets & (1 << packet_type):
                read(reader, packet_type)
                assert (reader.pos, reader.end) == (len(raw), len(raw))
            else:
                with pytest.raises(MalformedPacketError):
                    read(reader, packet_type)


def test_every_property_but_two_stands_once() -> None:
    values = {0: "01", 1: "0001", 2: "00000001", 3: "01", 4: '"s"', 5: "( 01 )", 6: '"k" "v"'}
    for identifier, row in PROPERTIES.items():
        one = f"{identifier:02x} {values[row.kind]}"
        raw = assemble(f"[ {one} {one} ]")
        for packet_type in range(WILL, codes.AUTH + 1):
            if not row.packets & (1 << packet_type):
                continue
            reader = Reader(raw, 0, len(raw))
            if identifier == codes.USER_PROPERTY or (identifier, packet_type) == (0x0B, codes.PUBLISH):
                read(reader, packet_type)
            else:
                with pytest.raises(ProtocolError):
                    read(reader, packet_type)


@given(strategies.blocks())
def test_block_and_plain_values_are_the_same(block: bytes) -> None:
    properties = decode_block(block)
    assert encode_block(properties) == block
    assert payload_format(block) == max(properties.payload_format, 0)


def test_plain_values() -> None:
    properties = decode_block(assemble('26 "k" "1" 01 01 03 "c" 08 "r" 09 ( 00 ) 26 "k" "2"'))
    assert properties.payload_format == 1
    assert properties.content_type == "c"
    assert properties.response_topic == "r"
    assert properties.correlation_data == b"\0"
    assert properties.user_properties == [("k", "1"), ("k", "2")]
    empty = decode_block(b"")
    assert (empty.payload_format, empty.content_type, empty.user_properties) == (-1, None, [])


@pytest.mark.parametrize("block", ["02 00000001", "23 0001", "01", "03 0009 61", '26 "k"'])
def test_foreign_or_cut_block_is_refused(block: str) -> None:
    with pytest.raises(MqttError):
        decode_block(assemble(block))


@pytest.mark.parametrize("place", ["01 01", '26 "k" "v" 01 01', '09 ( 01 01 ) 03 "" 01 01 26 "a" "b"'])
def test_payload_format_is_found_anywhere(place: str) -> None:
    assert payload_format(assemble(place)) == 1


@pytest.mark.parametrize("block", ["", '26 "k" "v"', "01 00", "09 ( 01 01 )"])
def test_no_payload_format(block: str) -> None:
    assert payload_format(assemble(block)) == 0


@pytest.mark.parametrize(
    "properties",
    [
        Properties(2),
        Properties(content_type="a\0b"),
        Properties(content_type="\ud800"),
        Properties(response_topic="a/#"),
        Properties(response_topic=""),
        Properties(correlation_data=bytes(65_536)),
        Properties(user_properties=[("k", "x" * 65_536)]),
    ],
)
def test_values_that_cannot_be_sent_are_refused(properties: Properties) -> None:
    with pytest.raises(ValueError):
        encode_block(properties)


def test_will_properties() -> None:
    decoder = Decoder(1 << 20, TopicCache())
    wire = '10 [ "MQTT" 05 2e 003c [ ] "c" [ 01 01 18 0000000a 26 "k" "v" 02 00000014 03 "t" ] "w" "m" ]'
    (connect,) = decoder.feed(assemble(wire))
    assert isinstance(connect, Connect) and connect.will is not None
    will = connect.will
    assert (will.topic, will.payload, will.qos, will.retain) == ("w", b"m", 1, True)
    assert (will.delay_interval, will.message_expiry) == (10, 20)
    assert will.properties == assemble('01 01 26 "k" "v" 03 "t"')


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    for packet_type in (WILL, codes.CONNECT, codes.PUBLISH, codes.SUBSCRIBE):
        reader = Reader(raw, 0, len(raw))
        try:
            read(reader, packet_type)
        except MqttError:
            continue
        assert reader.pos <= len(raw)
