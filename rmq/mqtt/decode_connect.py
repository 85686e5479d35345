"""Decodes CONNECT of MQTT 3.1, 3.1.1 and 5."""

from rmq.mqtt import codes
from rmq.mqtt.errors import MalformedPacketError, MqttError, ProtocolError, UnsupportedProtocolError
from rmq.mqtt.message_properties import read_message_properties
from rmq.mqtt.packets import Connect, Will
from rmq.mqtt.primitives import Reader
from rmq.mqtt.properties import read_properties
from rmq.mqtt.topic_cache import check_topic_name


def read_protocol_level(reader: Reader) -> int:
    """Protocol name and level [MQTT-3.1.2-1], [MQTT-3.1.2-2]; V31, V311 or V5, or an UnsupportedProtocolError."""
    name = reader.binary()
    level = reader.byte()
    if name == b"MQTT":
        if level == codes.V311 or level == codes.V5:
            return level
    elif name == b"MQIsdp" and level == codes.V31:
        return level
    raise UnsupportedProtocolError(f"protocol {name[:16]!r} level {level} isn't served [MQTT-3.1.2-2]")


def decode_connect(reader: Reader, level: int) -> Connect:
    """The rest of a CONNECT, behind the protocol level."""
    flags = reader.byte()
    if flags & 0x01 and level != codes.V31:  # MQTT 3.1 doesn't say what the bit must be
        raise MalformedPacketError("the reserved flag of CONNECT is set [MQTT-3.1.2-3]")
    keepalive = reader.uint16()
    connect = Connect(level, "", flags & 0x02 != 0, keepalive)
    if level == codes.V5:
        _read_connect_properties(reader, connect)
    connect.client_id = reader.string()
    if flags & 0x04:
        connect.will = _read_will(reader, flags, level)
    elif flags & 0x38:
        raise MalformedPacketError("will QoS or will retain without a will [MQTT-3.1.2-11], [MQTT-3.1.2-13]")
    if flags & 0x80:
        # MQTT 3.1 lets the remaining length win over the flags: user name and password may be missing.
        if level != codes.V31 or reader.pos < reader.end:
            connect.username = reader.string()
    elif flags & 0x40 and level != codes.V5:
        raise MalformedPacketError("a password without a user name [MQTT-3.1.2-22] of MQTT 3.1.1")
    if flags & 0x40 and (level != codes.V31 or reader.pos < reader.end):
        connect.password = reader.binary()
    reader.expect_end()
    return connect


def _read_connect_properties(reader: Reader, connect: Connect) -> None:
    values = read_properties(reader, codes.CONNECT)
    connect.session_expiry_interval = values.integer(codes.SESSION_EXPIRY_INTERVAL, -1)
    connect.receive_maximum = values.integer(codes.RECEIVE_MAXIMUM, 65_535)
    connect.maximum_packet_size = values.integer(codes.MAXIMUM_PACKET_SIZE, 0)
    connect.topic_alias_maximum = values.integer(codes.TOPIC_ALIAS_MAXIMUM, 0)
    connect.request_response_information = values.integer(codes.REQUEST_RESPONSE_INFORMATION, 0) == 1
    connect.request_problem_information = values.integer(codes.REQUEST_PROBLEM_INFORMATION, 1) == 1
    connect.user_properties = values.user_properties
    connect.auth_method = values.string(codes.AUTHENTICATION_METHOD)
    connect.auth_data = values.binary(codes.AUTHENTICATION_DATA)
    if connect.auth_data is not None and connect.auth_method is None:
        raise ProtocolError("authentication data without a method [MQTT 5.0, 3.1.2.11.10]")


def _read_will(reader: Reader, flags: int, level: int) -> Will:
    qos = (flags >> 3) & 3
    if qos == 3:
        raise MalformedPacketError("will QoS 3 [MQTT-3.1.2-12]")
    will = Will("", b"", qos, flags & 0x20 != 0)
    if level == codes.V5:
        found = read_message_properties(reader.data, reader.pos, reader.end, True)
        reader.pos = found.end
        will.delay_interval = found.delay_interval
        will.message_expiry = found.message_expiry
        will.properties = found.forwarded
    topic = reader.string()
    if topic == "":
        raise MqttError(codes.TOPIC_NAME_INVALID, "an empty will topic [MQTT-4.7.3-1]")
    will.topic = check_topic_name(topic)
    will.payload = reader.binary()
    return will
