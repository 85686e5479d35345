"""What single packets hold after decoding, and what only some versions allow."""

import pytest

from rmq.mqtt import codes
from rmq.mqtt.codes import MAX_VARINT
from rmq.mqtt.decode_server_packets import ServerPacketDecoder
from rmq.mqtt.errors import MalformedPacketError, MqttError, ProtocolError
from rmq.mqtt.framing import Decoder
from rmq.mqtt.packets import Ack, Auth, Connect, Disconnect, Packet, Publish, Subscribe
from rmq.mqtt.primitives import Reader, encode_varint, is_utf8, varint_size
from rmq.mqtt.topic_cache import TopicCache
from tests.support.packet_cases import CONNECT_OF_LEVEL, assemble


def decode(level: int, wire: str) -> Packet:
    decoder = Decoder(1 << 20, TopicCache())
    decoder.feed(assemble(CONNECT_OF_LEVEL[level]))
    packets = decoder.feed(assemble(wire))
    assert decoder.error is None
    (packet,) = packets
    return packet


def refuse(level: int, wire: str) -> MqttError:
    decoder = Decoder(1 << 20, TopicCache())
    assert decoder.feed(assemble(CONNECT_OF_LEVEL[level]) + assemble(wire))[1:] == []
    assert decoder.error is not None
    return decoder.error


def connect(wire: str) -> Connect:
    (packet,) = Decoder(1 << 20, TopicCache()).feed(assemble(wire))
    assert isinstance(packet, Connect)
    return packet


def test_connect_defaults_of_version_5() -> None:
    packet = connect('10 [ "MQTT" 05 02 003c [ ] "c" ]')
    assert (packet.protocol_level, packet.client_id, packet.clean_start, packet.keepalive) == (5, "c", True, 60)
    assert (packet.session_expiry_interval, packet.receive_maximum, packet.maximum_packet_size) == (-1, 65_535, 0)
    assert (packet.topic_alias_maximum, packet.request_response_information) == (0, False)
    assert packet.request_problem_information is True
    assert (packet.will, packet.username, packet.password, packet.auth_method) == (None, None, None, None)


def test_connect_of_version_31_may_lack_what_its_flags_promise() -> None:
    packet = connect('10 [ "MQIsdp" 03 c2 003c "c" ]')  # "the Remaining Length takes precedence" [MQTT 3.1, 3.1]
    assert (packet.username, packet.password) == (None, None)
    packet = connect('10 [ "MQIsdp" 03 c2 003c "c" "u" ]')
    assert (packet.username, packet.password) == ("u", None)


def test_connect_of_version_31_ignores_the_last_flag() -> None:
    assert connect('10 [ "MQIsdp" 03 03 003c "c" ]').clean_start


def test_will_topic_must_be_a_topic_name() -> None:
    for topic in ('""', '"a/#"', '"+"'):
        decoder = Decoder(1 << 20, TopicCache())
        decoder.feed(assemble(f'10 [ "MQTT" 05 06 003c [ ] "c" [ ] {topic} "m" ]'))
        assert decoder.error is not None and decoder.error.reason_code == codes.TOPIC_NAME_INVALID


def test_publish_fields() -> None:
    packet = decode(4, "3b [ \"a/b\" 0102 'xyz' ]")
    assert isinstance(packet, Publish)
    assert (packet.topic, packet.payload, packet.packet_id) == ("a/b", b"xyz", 0x0102)
    assert (packet.qos, packet.retain, packet.dup) == (1, True, True)
    assert (packet.topic_alias, packet.message_expiry, packet.properties) == (0, -1, b"")


def test_publish_topic_is_checked_in_every_version() -> None:
    for level, properties in ((3, ""), (4, ""), (5, "[ ]")):
        assert refuse(level, f'30 [ "a/+" {properties} ]').reason_code == codes.TOPIC_NAME_INVALID
        assert isinstance(refuse(level, f'30 [ "" {properties} ]'), ProtocolError)
        assert isinstance(refuse(level, f"30 [ ( c080 ) {properties} ]"), MalformedPacketError)


def test_subscribe_options() -> None:
    packet = decode(5, '82 [ 000a [ 0b 07 26 "k" "v" ] "a" 2e "b" 11 ]')
    assert isinstance(packet, Subscribe)
    assert (packet.packet_id, packet.subscription_id, packet.user_properties) == (10, 7, [("k", "v")])
    first, second = packet.requests
    assert (first.topic_filter, first.qos, first.retain_handling) == ("a", 2, 2)
    assert first.no_local and first.retain_as_published
    assert (second.topic_filter, second.qos, second.retain_handling) == ("b", 1, 1)
    assert not second.no_local and not second.retain_as_published


def test_invalid_topic_filter_is_left_to_suback() -> None:
    for topic_filter in ('""', '"a#"', '"$share/g"'):
        assert isinstance(decode(5, f"82 [ 000a [ ] {topic_filter} 00 ]"), Subscribe)
        assert isinstance(decode(4, f"82 [ 000a {topic_filter} 00 ]"), Subscribe)


def test_no_local_on_a_shared_subscription() -> None:
    assert isinstance(refuse(5, '82 [ 000a [ ] "$share/g/a" 04 ]'), ProtocolError)  # [MQTT-3.8.3-4]


def test_ack_reasons() -> None:
    packet = decode(5, "40 [ 0001 97 ]")
    assert isinstance(packet, Ack)
    assert (packet.packet_type, packet.packet_id, packet.reason_code) == (codes.PUBACK, 1, 0x97)
    assert isinstance(refuse(5, "40 [ 0001 92 ]"), ProtocolError)
    assert isinstance(refuse(5, "62 [ 0001 10 ]"), ProtocolError)
    packet = decode(5, '70 [ 0001 92 [ 1f "gone" ] ]')
    assert isinstance(packet, Ack) and packet.reason_code == 0x92


def test_dup_flag_of_version_31() -> None:
    assert isinstance(decode(3, "6a [ 0001 ]"), Ack)
    assert isinstance(refuse(4, "6a [ 0001 ]"), MalformedPacketError)
    assert isinstance(refuse(3, "48 [ 0001 ]"), MalformedPacketError)


def test_disconnect_fields() -> None:
    packet = decode(5, 'e0 [ 04 [ 11 0000000a 1f "bye" ] ]')
    assert isinstance(packet, Disconnect)
    assert (packet.reason_code, packet.session_expiry_interval, packet.reason_string) == (4, 10, "bye")
    packet = decode(5, "e000")
    assert isinstance(packet, Disconnect) and (packet.reason_code, packet.session_expiry_interval) == (0, -1)
    assert isinstance(refuse(5, 'e0 [ 00 [ 1c "other" ] ]'), ProtocolError)


def test_auth_needs_its_method() -> None:
    packet = decode(5, 'f0 [ 19 [ 15 "m" 16 ( 01 ) ] ]')
    assert isinstance(packet, Auth)
    assert (packet.reason_code, packet.auth_method, packet.auth_data) == (codes.REAUTHENTICATE, "m", b"\x01")
    assert isinstance(refuse(5, "f0 [ 18 [ ] ]"), ProtocolError)


@pytest.mark.parametrize(
    ("level", "wire"),
    [
        (4, "20 [ 02 00 ]"),
        (4, "c000"),
        (4, "e000"),
        (4, "f000"),
        (4, "0000"),
        (4, "d0 [ 00 ]"),
        (5, "21 [ 00 00 00 ]"),
        (5, "e0 [ 00 [ 11 00000001 ] ]"),
        (4, "b0 [ 0001 00 ]"),
        (4, '10 [ "MQTT" 04 02 0000 "c" ]'),
        (5, "90 [ 0000 ]"),
    ],
)
def test_client_refuses_bad_server_packets(level: int, wire: str) -> None:
    decoder = ServerPacketDecoder(1 << 20, TopicCache(), level)
    assert decoder.feed(assemble(wire)) == []
    assert decoder.error is not None


def test_varints() -> None:
    for value, wire in (
        (0, "00"), (127, "7f"), (128, "8001"), (16_383, "ff7f"), (16_384, "808001"), (2_097_151, "ffff7f"),
        (2_097_152, "80808001"), (MAX_VARINT, "ffffff7f"),
    ):  # fmt: skip
        raw = bytes.fromhex(wire)
        assert encode_varint(value) == raw
        assert varint_size(value) == len(raw)
        assert Reader(raw, 0, len(raw)).varint() == value
    for wire in ("80", "ff80", "8000", "808000", "ffffffff01", "ffffff80"):
        raw = bytes.fromhex(wire)
        with pytest.raises(MalformedPacketError):
            Reader(raw, 0, len(raw)).varint()
    for value in (-1, MAX_VARINT + 1):
        with pytest.raises(ValueError):
            encode_varint(value)


def test_is_utf8() -> None:
    assert is_utf8(b"") and is_utf8(b"abc\0") and is_utf8("ä☃😀".encode())
    assert not is_utf8(b"\xff") and not is_utf8(b"\xed\xa0\x80") and not is_utf8(b"a\xc3")
