"""Reads the packets of a server, strictly: whatever the specification forbids a server to send is an error.

So every test that receives anything also checks the form of it: header flags, minimal lengths, properties that belong
into the packet, UTF-8, no byte too many.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tests.support import wire
from tests.support.packet_notation import V5, varint
from tests.support.wire import Property, PropertyValue


class BadServerPacket(AssertionError):
    """The server sent what the specification does not allow it to send."""


@dataclass(frozen=True, slots=True)
class Packet:
    """What all packets have: the properties, empty before version 5."""

    properties: list[Property] = field(default_factory=list, kw_only=True)

    def get(self, number: int) -> PropertyValue | None:
        """The value of a property, None where it is missing."""
        return next((value for found, value in self.properties if found == number), None)

    def all(self, number: int) -> list[PropertyValue]:
        """All values of a property that may be repeated, in order."""
        return [value for found, value in self.properties if found == number]


@dataclass(frozen=True, slots=True)
class Connack(Packet):
    """CONNACK; ``code`` is a return code before version 5."""

    session_present: bool
    code: int


@dataclass(frozen=True, slots=True)
class Publish(Packet):
    """PUBLISH; ``packet_id`` is 0 at QoS 0."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    dup: bool
    packet_id: int


@dataclass(frozen=True, slots=True)
class Ack(Packet):
    """What PUBACK, PUBREC, PUBREL and PUBCOMP have in common."""

    packet_id: int
    code: int = 0


@dataclass(frozen=True, slots=True)
class Puback(Ack):
    """PUBACK."""


@dataclass(frozen=True, slots=True)
class Pubrec(Ack):
    """PUBREC."""


@dataclass(frozen=True, slots=True)
class Pubrel(Ack):
    """PUBREL."""


@dataclass(frozen=True, slots=True)
class Pubcomp(Ack):
    """PUBCOMP."""


@dataclass(frozen=True, slots=True)
class Suback(Packet):
    """SUBACK."""

    packet_id: int
    codes: list[int]


@dataclass(frozen=True, slots=True)
class Unsuback(Packet):
    """UNSUBACK; without codes before version 5."""

    packet_id: int
    codes: list[int]


@dataclass(frozen=True, slots=True)
class Pingresp(Packet):
    """PINGRESP."""


@dataclass(frozen=True, slots=True)
class Disconnect(Packet):
    """DISCONNECT."""

    code: int


@dataclass(frozen=True, slots=True)
class Auth(Packet):
    """AUTH."""

    code: int


# Table 2-4, the server's side; 2.2.2.2.
_MAY_CARRY: Final[dict[int, frozenset[int]]] = {
    2: frozenset(
        {
            0x11,
            0x12,
            0x13,
            0x15,
            0x16,
            0x1A,
            0x1C,
            0x1F,
            0x21,
            0x22,
            0x24,
            0x25,
            0x26,
            0x27,
            0x28,
            0x29,
            0x2A,
        }
    ),
    3: frozenset({0x01, 0x02, 0x03, 0x08, 0x09, 0x0B, 0x23, 0x26}),
    **{packet_type: frozenset({0x1F, 0x26}) for packet_type in (4, 5, 6, 7, 9, 11)},
    14: frozenset({0x1C, 0x1F, 0x26}),  # [MQTT-3.14.2-2]: no Session Expiry Interval from a server
    15: frozenset({0x15, 0x16, 0x1F, 0x26}),
}

# The reason codes a server may use in each packet; 2.4.
_CODES: Final[dict[int, frozenset[int]]] = {
    2: frozenset(
        {
            0x00,
            0x80,
            0x81,
            0x82,
            0x83,
            0x84,
            0x85,
            0x86,
            0x87,
            0x88,
            0x89,
            0x8A,
            0x8C,
            0x90,
            0x95,
            0x97,
            0x99,
            0x9A,
            0x9B,
            0x9C,
            0x9D,
            0x9F,
        }
    ),
    4: frozenset({0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99}),
    5: frozenset({0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99}),
    6: frozenset({0x00, 0x92}),
    7: frozenset({0x00, 0x92}),
    9: frozenset({0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2}),
    11: frozenset({0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91}),
    14: frozenset(
        {
            0x00,
            0x80,
            0x81,
            0x82,
            0x83,
            0x87,
            0x89,
            0x8B,
            0x8D,
            0x8E,
            0x8F,
            0x90,
            0x93,
            0x94,
            0x95,
            0x96,
            0x97,
            0x98,
            0x99,
            0x9A,
            0x9B,
            0x9C,
            0x9D,
            0x9E,
            0x9F,
            0xA0,
            0xA1,
            0xA2,
        }
    ),
    15: frozenset({0x00, 0x18, 0x19}),
}


class _Body:
    """A cursor over the bytes behind the fixed header."""

    def __init__(self, data: bytes, packet_type: int) -> None:
        self.data = data
        self.at = 0
        self.packet_type = packet_type

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.data):
            raise BadServerPacket(f"packet type {self.packet_type} is cut: {self.data.hex(' ')}")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def varint(self) -> int:
        value = shift = 0
        start = self.at
        while True:
            byte = self.number(1)
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                break
            if shift > 21:
                raise BadServerPacket("variable byte integer of more than 4 bytes")
        if self.data[start : self.at] != varint(value):
            raise BadServerPacket("[MQTT-1.5.5-1] variable byte integer is not minimal")
        return value

    def binary(self) -> bytes:
        return self.take(self.number(2))

    def string(self) -> str:
        try:
            text = self.binary().decode("utf-8", "strict")
        except UnicodeDecodeError as error:
            raise BadServerPacket(f"[MQTT-1.5.4-1] not UTF-8: {error}") from error
        if "\0" in text:
            raise BadServerPacket("[MQTT-1.5.4-2] U+0000 in a string")
        return text

    def properties(self) -> list[Property]:
        end = self.varint() + self.at
        found: list[Property] = []
        while self.at < end:
            found.append(self._property())
        if self.at != end:
            raise BadServerPacket("property length does not end at a property")
        numbers = [number for number, _ in found if number not in (wire.USER_PROPERTY, wire.SUBSCRIPTION_ID)]
        if len(set(numbers)) != len(numbers):
            raise BadServerPacket(f"a property twice: {found}")
        return found

    def _property(self) -> Property:
        number = self.number(1)
        if number not in _MAY_CARRY[self.packet_type]:
            raise BadServerPacket(f"property {number:#04x} in packet type {self.packet_type}")
        if number == wire.USER_PROPERTY:
            return number, (self.string(), self.string())
        if number == wire.SUBSCRIPTION_ID:
            return number, self.varint()
        if number in wire.STRING_PROPERTIES:
            return number, self.string()
        if number in wire.BINARY_PROPERTIES:
            return number, self.binary()
        size = 1 if number in wire.BYTE_PROPERTIES else 2 if number in wire.TWO_BYTE_PROPERTIES else 4
        return number, self.number(size)

    def code(self, level: int) -> int:
        code = self.number(1)
        if level == V5 and code not in _CODES[self.packet_type]:
            raise BadServerPacket(f"reason code {code:#04x} does not belong into packet type {self.packet_type}")
        return code

    def rest(self) -> bytes:
        return self.take(len(self.data) - self.at)

    @property
    def left(self) -> int:
        return len(self.data) - self.at


def parse(first_byte: int, data: bytes, level: int) -> Packet:
    """The packet of a server at protocol ``level``; ``data`` is what follows the fixed header."""
    packet_type, flags = first_byte >> 4, first_byte & 0x0F
    body = _Body(data, packet_type)
    if packet_type == 3:
        return _parse_publish(body, flags, level)
    if flags != (2 if packet_type == 6 else 0):
        raise BadServerPacket(f"[MQTT-2.1.3-1] flags {flags:#x} in packet type {packet_type}")
    packet = _parse_answer(body, packet_type, level)
    if body.left:
        raise BadServerPacket(f"{body.left} bytes too many in {packet}: {data.hex(' ')}")
    return packet


def _parse_publish(body: _Body, flags: int, level: int) -> Publish:
    qos, dup = flags >> 1 & 3, bool(flags & 8)
    if qos == 3 or (dup and not qos):
        raise BadServerPacket(f"[MQTT-3.3.1-2, -4] PUBLISH flags {flags:#x}")
    topic = body.string()
    packet_id = body.number(2) if qos else 0
    if qos and not packet_id:
        raise BadServerPacket("[MQTT-2.2.1-3] packet identifier 0")
    properties = body.properties() if level == V5 else []
    if "+" in topic or "#" in topic or (not topic and not any(number == wire.TOPIC_ALIAS for number, _ in properties)):
        raise BadServerPacket(f"[MQTT-3.3.2-2, 4.7.3-1] topic name {topic!r}")
    return Publish(topic, body.rest(), qos, bool(flags & 1), dup, packet_id, properties=properties)


def _parse_answer(body: _Body, packet_type: int, level: int) -> Packet:
    if packet_type == 2:
        present = body.number(1)
        code = body.code(level)
        if present > 1 or (present and code):
            raise BadServerPacket(f"[MQTT-3.2.2-1, -6] CONNACK flags {present:#x} with code {code:#x}")
        return Connack(bool(present), code, properties=body.properties() if level == V5 else [])
    if packet_type in (4, 5, 6, 7):
        kind = {4: Puback, 5: Pubrec, 6: Pubrel, 7: Pubcomp}[packet_type]
        packet_id = body.number(2)
        code = body.code(level) if level == V5 and body.left else 0
        return kind(packet_id, code, properties=body.properties() if level == V5 and body.left else [])
    if packet_type == 9:
        packet_id = body.number(2)
        properties = body.properties() if level == V5 else []
        codes = [body.code(level) for _ in range(body.left)]
        if level != V5 and not set(codes) <= {0, 1, 2, 0x80}:
            raise BadServerPacket(f"[MQTT-3.9.3-2] SUBACK return codes {codes}")
        return Suback(packet_id, codes, properties=properties)
    if packet_type == 11:
        packet_id = body.number(2)
        properties = body.properties() if level == V5 else []
        return Unsuback(
            packet_id, [body.code(level) for _ in range(body.left)] if level == V5 else [], properties=properties
        )
    if packet_type == 13:
        return Pingresp()
    if packet_type in (14, 15) and level == V5:
        code = body.code(level) if body.left else 0
        properties = body.properties() if body.left else []
        return Disconnect(code, properties=properties) if packet_type == 14 else Auth(code, properties=properties)
    raise BadServerPacket(f"a server does not send packet type {packet_type} at level {level}")
