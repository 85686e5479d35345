"""Decodes what a server sends: the client's side of the codec, for bridges, the bench and tests."""

from rmq.mqtt import codes
from rmq.mqtt.decode import check_flags, decode_ack, decode_auth, decode_disconnect
from rmq.mqtt.errors import MalformedPacketError, ProtocolError
from rmq.mqtt.framing import Decoder
from rmq.mqtt.packets import Connack, Packet, Pingresp, Suback, Unsuback
from rmq.mqtt.primitives import Reader
from rmq.mqtt.properties import read_properties
from rmq.mqtt.topic_cache import TopicCache


class ServerPacketDecoder(Decoder):
    """A ``Decoder`` of what a server sends to a client of protocol ``version``."""

    __slots__ = ()

    def __init__(self, max_packet_size: int, topics: TopicCache, version: int) -> None:
        super().__init__(max_packet_size, topics)
        self.version = version
        self._from_server = True

    def _decode_other(self, first: int, data: bytes, pos: int, end: int, version: int) -> Packet:
        packet_type = first >> 4
        reader = Reader(data, pos, end)
        if packet_type == codes.PINGRESP:
            check_flags(first, 0, version)
            reader.expect_end()
            return Pingresp()
        if codes.PUBACK <= packet_type <= codes.PUBCOMP:
            return decode_ack(first, reader, version)
        if packet_type == codes.SUBACK:
            return decode_suback(first, reader, version)
        if packet_type == codes.UNSUBACK:
            return decode_unsuback(first, reader, version)
        if packet_type == codes.CONNACK:
            return decode_connack(first, reader, version)
        if packet_type == codes.DISCONNECT and version == codes.V5:
            return decode_disconnect(first, reader, version, True)
        if packet_type == codes.AUTH:
            return decode_auth(first, reader, version)
        if packet_type == 0:
            raise MalformedPacketError("packet type 0 is reserved [MQTT 5.0, 2.1.2]")
        raise ProtocolError(f"a server sent {codes.PACKET_NAMES[packet_type]} [MQTT 5.0, 2.1.2]")


def decode_connack(first: int, reader: Reader, version: int) -> Connack:
    """CONNACK."""
    check_flags(first, 0, version)
    flags = reader.byte()
    if flags > 1:
        raise MalformedPacketError("reserved acknowledge flags [MQTT-3.2.2-1]")
    connack = Connack(reader.byte(), flags == 1)
    if version == codes.V5:
        values = read_properties(reader, codes.CONNACK)
        connack.session_expiry_interval = values.integer(codes.SESSION_EXPIRY_INTERVAL, -1)
        connack.receive_maximum = values.integer(codes.RECEIVE_MAXIMUM, -1)
        connack.maximum_qos = values.integer(codes.MAXIMUM_QOS, -1)
        connack.maximum_packet_size = values.integer(codes.MAXIMUM_PACKET_SIZE, -1)
        connack.topic_alias_maximum = values.integer(codes.TOPIC_ALIAS_MAXIMUM, -1)
        connack.server_keepalive = values.integer(codes.SERVER_KEEP_ALIVE, -1)
        connack.retain_available = values.integer(codes.RETAIN_AVAILABLE, -1)
        connack.wildcard_subscription_available = values.integer(codes.WILDCARD_SUBSCRIPTION_AVAILABLE, -1)
        connack.subscription_identifier_available = values.integer(codes.SUBSCRIPTION_IDENTIFIER_AVAILABLE, -1)
        connack.shared_subscription_available = values.integer(codes.SHARED_SUBSCRIPTION_AVAILABLE, -1)
        connack.assigned_client_id = values.string(codes.ASSIGNED_CLIENT_IDENTIFIER)
        connack.reason_string = values.string(codes.REASON_STRING)
        connack.response_information = values.string(codes.RESPONSE_INFORMATION)
        connack.server_reference = values.string(codes.SERVER_REFERENCE)
        connack.auth_method = values.string(codes.AUTHENTICATION_METHOD)
        connack.auth_data = values.binary(codes.AUTHENTICATION_DATA)
        connack.user_properties = values.user_properties
    reader.expect_end()
    return connack


def decode_suback(first: int, reader: Reader, version: int) -> Suback:
    """SUBACK."""
    check_flags(first, 0, version)
    suback = Suback(reader.packet_id(), [])
    if version == codes.V5:
        values = read_properties(reader, codes.SUBACK)
        suback.reason_string = values.string(codes.REASON_STRING)
        suback.user_properties = values.user_properties
    while reader.pos < reader.end:
        suback.reason_codes.append(reader.byte())
    return suback


def decode_unsuback(first: int, reader: Reader, version: int) -> Unsuback:
    """UNSUBACK."""
    check_flags(first, 0, version)
    unsuback = Unsuback(reader.packet_id(), [])
    if version == codes.V5:
        values = read_properties(reader, codes.UNSUBACK)
        unsuback.reason_string = values.string(codes.REASON_STRING)
        unsuback.user_properties = values.user_properties
        while reader.pos < reader.end:
            unsuback.reason_codes.append(reader.byte())
    reader.expect_end()
    return unsuback
