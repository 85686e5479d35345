"""Reads the properties of a PUBLISH or a will: takes out what is for the broker, keeps as it came what it passes on.

The other packets' properties are read by ``properties.read_properties``. This is a reader of its own because a message
is the one packet whose properties are worth the trouble: nothing is built but what somebody will look at.
"""

from mypy_extensions import mypyc_attr

from rmq.mqtt import codes
from rmq.mqtt.errors import MalformedPacketError, MqttError, ProtocolError
from rmq.mqtt.primitives import Reader, decode_utf8
from rmq.mqtt.properties import PROPERTIES


@mypyc_attr(acyclic=True)
class MessageProperties:
    """What stood before a payload: ``end`` is where the properties ended, ``forwarded`` the forwarded block."""

    __slots__ = ("delay_interval", "end", "forwarded", "message_expiry", "subscription_ids", "topic_alias")

    def __init__(self, end: int) -> None:
        self.end = end
        self.topic_alias: int = 0
        self.message_expiry: int = -1
        self.delay_interval: int = 0
        self.subscription_ids: list[int] | None = None
        self.forwarded: bytes = b""


def read_message_properties(data: bytes, pos: int, end: int, is_will: bool) -> MessageProperties:
    """Reads and checks property length and properties from ``data[pos:end]``."""
    if pos < end and data[pos] < 128:
        size = data[pos]
        pos += 1
    else:
        reader = Reader(data, pos, end)
        size = reader.varint()
        pos = reader.pos
    stop = pos + size
    if stop > end:
        raise MalformedPacketError("the property length is larger than the packet")
    found = MessageProperties(stop)
    seen = 0
    run = pos  # where the current run of forwarded properties began
    while pos < stop:
        identifier = data[pos]
        if identifier == codes.USER_PROPERTY:
            pos = _text_end(data, _text_end(data, pos + 1, stop), stop)
            continue
        if identifier > codes.SHARED_SUBSCRIPTION_AVAILABLE:  # the highest one: so the bit below is a small number
            raise MalformedPacketError(f"no property has the identifier 0x{identifier:02X} [MQTT 5.0, 2.2.2.2]")
        start = pos
        pos += 1
        bit = 1 << identifier
        if seen & bit and identifier != codes.SUBSCRIPTION_IDENTIFIER:
            raise ProtocolError(f"property {_name(identifier)} stands twice")
        seen |= bit
        if identifier == codes.CORRELATION_DATA:
            pos = _binary_end(data, pos, stop)
            continue
        if identifier == codes.CONTENT_TYPE:
            pos = _text_end(data, pos, stop)
            continue
        if identifier == codes.RESPONSE_TOPIC:
            text_end = _text_end(data, pos, stop)
            name = data[pos + 2 : text_end]
            if name == b"" or b"+" in name or b"#" in name:
                raise ProtocolError("the response topic isn't a topic name [MQTT-3.3.2-14]")
            pos = text_end
            continue
        if identifier == codes.PAYLOAD_FORMAT_INDICATOR:
            if pos == stop:
                raise MalformedPacketError("a property ends inside its value")
            if data[pos] > 1:
                raise ProtocolError("the payload format indicator is neither 0 nor 1 [MQTT 5.0, 3.3.2.3.2]")
            pos += 1
            continue
        # What isn't forwarded: it ends the run.
        if run < start:
            found.forwarded += data[run:start]
        pos = _take(found, identifier, data, pos, stop, is_will)
        run = pos
    if run < stop:
        block = data[run:stop]
        found.forwarded = found.forwarded + block if found.forwarded else block
    return found


def _take(found: MessageProperties, identifier: int, data: bytes, pos: int, stop: int, is_will: bool) -> int:
    """Reads the value of a property that the broker keeps; where it ends."""
    reader = Reader(data, pos, stop)
    if identifier == codes.MESSAGE_EXPIRY_INTERVAL:
        found.message_expiry = reader.uint32()
    elif identifier == codes.TOPIC_ALIAS and not is_will:
        found.topic_alias = reader.uint16()
        if found.topic_alias == 0:
            raise MqttError(codes.TOPIC_ALIAS_INVALID, "topic alias 0 [MQTT-3.3.2-8]")
    elif identifier == codes.WILL_DELAY_INTERVAL and is_will:
        found.delay_interval = reader.uint32()
    elif identifier == codes.SUBSCRIPTION_IDENTIFIER and not is_will:
        subscription_id = reader.varint()
        if subscription_id == 0:
            raise ProtocolError("subscription identifier 0 [MQTT 5.0, 3.3.2.3.8]")
        if found.subscription_ids is None:
            found.subscription_ids = []
        found.subscription_ids.append(subscription_id)
    else:
        # "an Identifier which is not valid for its packet type ... is a Malformed Packet" [MQTT 5.0, 2.2.2.2]
        raise MalformedPacketError(f"property {_name(identifier)} isn't allowed in a message")
    return reader.pos


def _binary_end(data: bytes, pos: int, stop: int) -> int:
    """Where the binary data that begins at ``pos`` ends."""
    at = pos + 2
    if at > stop:
        raise MalformedPacketError("a property ends inside its value")
    end = at + ((data[pos] << 8) | data[pos + 1])
    if end > stop:
        raise MalformedPacketError("a property ends inside its value")
    return end


def _text_end(data: bytes, pos: int, stop: int) -> int:
    """Where the UTF-8 string that begins at ``pos`` ends; it is checked, not kept."""
    end = _binary_end(data, pos, stop)
    decode_utf8(data[pos + 2 : end])
    return end


def _name(identifier: int) -> str:
    row = PROPERTIES.get(identifier)
    return f"0x{identifier:02X}" if row is None else row.name
