"""Properties of MQTT 5: the one table of them, reading a property list, and the forwarded block as plain values."""

from typing import Final

from rmq.mqtt import codes
from rmq.mqtt.errors import MalformedPacketError, ProtocolError
from rmq.mqtt.packets import UserProperties
from rmq.mqtt.primitives import (
    Reader,
    write_binary,
    write_string,
    write_uint16,
    write_uint32,
    write_varint,
)

# Data types of a property [MQTT 5.0, 2.2.2.2].
BYTE: Final = 0
UINT16: Final = 1
UINT32: Final = 2
VARINT: Final = 3
STRING: Final = 4
BINARY: Final = 5
STRING_PAIR: Final = 6

WILL: Final = 0
"""Stands for the will of a CONNECT where a packet type is meant: its properties are a list of their own."""


class PropertyType:
    """One row of the table: ``packets`` has bit ``1 << packet_type`` set for every packet that may carry it."""

    __slots__ = ("kind", "maximum", "minimum", "name", "packets")

    def __init__(self, name: str, kind: int, packets: list[int], minimum: int = 0, maximum: int = 0xFFFF_FFFF) -> None:
        self.name = name
        self.kind = kind
        self.minimum = minimum
        self.maximum = maximum
        self.packets = 0
        for packet_type in packets:
            self.packets |= 1 << packet_type


_ACKS: Final[list[int]] = [codes.PUBACK, codes.PUBREC, codes.PUBREL, codes.PUBCOMP, codes.SUBACK, codes.UNSUBACK]
_MESSAGES: Final[list[int]] = [codes.PUBLISH, WILL]

# [MQTT 5.0, table 2-4], with the smallest and largest value that isn't a Protocol Error.
PROPERTIES: Final[dict[int, PropertyType]] = {
    codes.PAYLOAD_FORMAT_INDICATOR: PropertyType("payload_format_indicator", BYTE, _MESSAGES, 0, 1),
    codes.MESSAGE_EXPIRY_INTERVAL: PropertyType("message_expiry_interval", UINT32, _MESSAGES),
    codes.CONTENT_TYPE: PropertyType("content_type", STRING, _MESSAGES),
    codes.RESPONSE_TOPIC: PropertyType("response_topic", STRING, _MESSAGES),
    codes.CORRELATION_DATA: PropertyType("correlation_data", BINARY, _MESSAGES),
    codes.SUBSCRIPTION_IDENTIFIER: PropertyType(
        "subscription_identifier", VARINT, [codes.PUBLISH, codes.SUBSCRIBE], 1, codes.MAX_VARINT
    ),
    codes.SESSION_EXPIRY_INTERVAL: PropertyType(
        "session_expiry_interval", UINT32, [codes.CONNECT, codes.CONNACK, codes.DISCONNECT]
    ),
    codes.ASSIGNED_CLIENT_IDENTIFIER: PropertyType("assigned_client_identifier", STRING, [codes.CONNACK]),
    codes.SERVER_KEEP_ALIVE: PropertyType("server_keep_alive", UINT16, [codes.CONNACK]),
    codes.AUTHENTICATION_METHOD: PropertyType(
        "authentication_method", STRING, [codes.CONNECT, codes.CONNACK, codes.AUTH]
    ),
    codes.AUTHENTICATION_DATA: PropertyType("authentication_data", BINARY, [codes.CONNECT, codes.CONNACK, codes.AUTH]),
    codes.REQUEST_PROBLEM_INFORMATION: PropertyType("request_problem_information", BYTE, [codes.CONNECT], 0, 1),
    codes.WILL_DELAY_INTERVAL: PropertyType("will_delay_interval", UINT32, [WILL]),
    codes.REQUEST_RESPONSE_INFORMATION: PropertyType("request_response_information", BYTE, [codes.CONNECT], 0, 1),
    codes.RESPONSE_INFORMATION: PropertyType("response_information", STRING, [codes.CONNACK]),
    codes.SERVER_REFERENCE: PropertyType("server_reference", STRING, [codes.CONNACK, codes.DISCONNECT]),
    codes.REASON_STRING: PropertyType("reason_string", STRING, [codes.CONNACK, codes.DISCONNECT, codes.AUTH, *_ACKS]),
    codes.RECEIVE_MAXIMUM: PropertyType("receive_maximum", UINT16, [codes.CONNECT, codes.CONNACK], 1),
    codes.TOPIC_ALIAS_MAXIMUM: PropertyType("topic_alias_maximum", UINT16, [codes.CONNECT, codes.CONNACK]),
    codes.TOPIC_ALIAS: PropertyType("topic_alias", UINT16, [codes.PUBLISH], 1),
    codes.MAXIMUM_QOS: PropertyType("maximum_qos", BYTE, [codes.CONNACK], 0, 1),
    codes.RETAIN_AVAILABLE: PropertyType("retain_available", BYTE, [codes.CONNACK], 0, 1),
    codes.USER_PROPERTY: PropertyType(
        "user_property",
        STRING_PAIR,
        [
            codes.CONNECT,
            codes.CONNACK,
            codes.SUBSCRIBE,
            codes.UNSUBSCRIBE,
            codes.DISCONNECT,
            codes.AUTH,
            *_ACKS,
            *_MESSAGES,
        ],
    ),
    codes.MAXIMUM_PACKET_SIZE: PropertyType("maximum_packet_size", UINT32, [codes.CONNECT, codes.CONNACK], 1),
    codes.WILDCARD_SUBSCRIPTION_AVAILABLE: PropertyType("wildcard_subscription_available", BYTE, [codes.CONNACK], 0, 1),
    codes.SUBSCRIPTION_IDENTIFIER_AVAILABLE: PropertyType(
        "subscription_identifier_available", BYTE, [codes.CONNACK], 0, 1
    ),
    codes.SHARED_SUBSCRIPTION_AVAILABLE: PropertyType("shared_subscription_available", BYTE, [codes.CONNACK], 0, 1),
}


class PropertyValues:
    """What ``read_properties`` found, by property identifier."""

    __slots__ = ("binaries", "integers", "strings", "user_properties")

    def __init__(self) -> None:
        self.integers: dict[int, int] = {}
        self.strings: dict[int, str] = {}
        self.binaries: dict[int, bytes] = {}
        self.user_properties: UserProperties | None = None

    def integer(self, identifier: int, absent: int) -> int:
        return self.integers.get(identifier, absent)

    def string(self, identifier: int) -> str | None:
        return self.strings.get(identifier)

    def binary(self, identifier: int) -> bytes | None:
        return self.binaries.get(identifier)


def read_properties(reader: Reader, packet_type: int) -> PropertyValues:
    """Reads and checks property length and properties of any packet but PUBLISH and of anything but a will."""
    values = PropertyValues()
    size = reader.varint()
    if size == 0:
        return values
    packet_end = reader.end
    end = reader.pos + size
    if end > packet_end:
        raise MalformedPacketError("the property length is larger than the packet")
    reader.end = end
    packet_bit = 1 << packet_type
    seen = 0
    while reader.pos < end:
        identifier = reader.byte()
        row = PROPERTIES.get(identifier)
        if row is None or row.packets & packet_bit == 0:
            # "an Identifier which is not valid for its packet type ... is a Malformed Packet" [MQTT 5.0, 2.2.2.2]
            raise MalformedPacketError(f"property 0x{identifier:02X} isn't allowed in this packet")
        if identifier == codes.USER_PROPERTY:
            name = reader.string()
            if values.user_properties is None:
                values.user_properties = []
            values.user_properties.append((name, reader.string()))
            continue
        bit = 1 << identifier
        if seen & bit:
            raise ProtocolError(f"property {row.name} stands twice")
        seen |= bit
        kind = row.kind
        if kind == STRING:
            values.strings[identifier] = reader.string()
        elif kind == BINARY:
            values.binaries[identifier] = reader.binary()
        else:
            number = _read_number(reader, kind)
            if number < row.minimum or number > row.maximum:
                raise ProtocolError(f"property {row.name} can't be {number}")
            values.integers[identifier] = number
    reader.end = packet_end
    return values


def _read_number(reader: Reader, kind: int) -> int:
    if kind == BYTE:
        return reader.byte()
    if kind == UINT16:
        return reader.uint16()
    if kind == UINT32:
        return reader.uint32()
    return reader.varint()


class Properties:
    """The properties of a message as plain values, for hooks and APIs; ``payload_format`` -1: absent."""

    __slots__ = ("content_type", "correlation_data", "payload_format", "response_topic", "user_properties")

    def __init__(
        self,
        payload_format: int = -1,
        content_type: str | None = None,
        response_topic: str | None = None,
        correlation_data: bytes | None = None,
        user_properties: UserProperties | None = None,
    ) -> None:
        self.payload_format = payload_format
        self.content_type = content_type
        self.response_topic = response_topic
        self.correlation_data = correlation_data
        self.user_properties: UserProperties = [] if user_properties is None else user_properties


def decode_block(block: bytes) -> Properties:
    """A forwarded block as plain values."""
    properties = Properties()
    reader = Reader(block, 0, len(block))
    while reader.pos < reader.end:
        identifier = reader.byte()
        if identifier == codes.USER_PROPERTY:
            name = reader.string()
            properties.user_properties.append((name, reader.string()))
        elif identifier == codes.PAYLOAD_FORMAT_INDICATOR:
            properties.payload_format = reader.byte()
        elif identifier == codes.CONTENT_TYPE:
            properties.content_type = reader.string()
        elif identifier == codes.RESPONSE_TOPIC:
            properties.response_topic = reader.string()
        elif identifier == codes.CORRELATION_DATA:
            properties.correlation_data = reader.binary()
        else:
            raise MalformedPacketError(f"property 0x{identifier:02X} in a forwarded block")
    return properties


def encode_block(properties: Properties) -> bytes:
    """The forwarded block of plain values; a value that can't be sent is a ValueError."""
    out = bytearray()
    if properties.payload_format >= 0:
        if properties.payload_format > 1:
            raise ValueError("the payload format indicator is 0 or 1 [MQTT 5.0, 3.3.2.3.2]")
        write_byte_property(out, codes.PAYLOAD_FORMAT_INDICATOR, properties.payload_format)
    write_string_property(out, codes.CONTENT_TYPE, properties.content_type)
    response_topic = properties.response_topic
    if response_topic is not None and (response_topic == "" or "+" in response_topic or "#" in response_topic):
        raise ValueError("the response topic isn't a topic name [MQTT-3.3.2-14]")
    write_string_property(out, codes.RESPONSE_TOPIC, response_topic)
    write_binary_property(out, codes.CORRELATION_DATA, properties.correlation_data)
    write_user_properties(out, properties.user_properties)
    return bytes(out)


def payload_format(block: bytes) -> int:
    """The Payload Format Indicator of a forwarded block; 0, unspecified bytes, when there is none."""
    pos = 0
    size = len(block)
    while pos < size:
        identifier = block[pos]
        if identifier == codes.PAYLOAD_FORMAT_INDICATOR:
            return block[pos + 1]
        pos += 3 + (block[pos + 1] << 8) + block[pos + 2]
        if identifier == codes.USER_PROPERTY:
            pos += 2 + (block[pos] << 8) + block[pos + 1]
    return 0


def write_byte_property(out: bytearray, identifier: int, value: int) -> None:
    """Writes a property; -1 means absent, here and below."""
    if value >= 0:
        out.append(identifier)
        out.append(value)


def write_uint16_property(out: bytearray, identifier: int, value: int) -> None:
    if value >= 0:
        out.append(identifier)
        write_uint16(out, value)


def write_uint32_property(out: bytearray, identifier: int, value: int) -> None:
    if value >= 0:
        out.append(identifier)
        write_uint32(out, value)


def write_varint_property(out: bytearray, identifier: int, value: int) -> None:
    if value >= 0:
        out.append(identifier)
        write_varint(out, value)


def write_string_property(out: bytearray, identifier: int, text: str | None) -> None:
    if text is not None:
        out.append(identifier)
        write_string(out, text)


def write_binary_property(out: bytearray, identifier: int, raw: bytes | None) -> None:
    if raw is not None:
        out.append(identifier)
        write_binary(out, raw)


def write_user_properties(out: bytearray, user_properties: UserProperties | None) -> None:
    """User properties in order, repeated names and all [MQTT-3.1.3-10], [MQTT-3.3.2-18]."""
    if user_properties is not None:
        for name, text in user_properties:
            out.append(codes.USER_PROPERTY)
            write_string(out, name)
            write_string(out, text)
