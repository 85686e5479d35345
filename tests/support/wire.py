"""Builds the packets of a client, byte by byte and on purpose without the broker's own encoder.

Every builder takes ``level`` (3, 4 or 5) where the versions differ, and never checks anything: tests also build
packets that are wrong. ``raw`` builds what no builder can.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from tests.support.packet_notation import V5, V31, varint

PAYLOAD_FORMAT: Final = 0x01
MESSAGE_EXPIRY: Final = 0x02
CONTENT_TYPE: Final = 0x03
RESPONSE_TOPIC: Final = 0x08
CORRELATION_DATA: Final = 0x09
SUBSCRIPTION_ID: Final = 0x0B
SESSION_EXPIRY: Final = 0x11
ASSIGNED_CLIENT_ID: Final = 0x12
SERVER_KEEP_ALIVE: Final = 0x13
AUTH_METHOD: Final = 0x15
AUTH_DATA: Final = 0x16
REQUEST_PROBLEM_INFO: Final = 0x17
WILL_DELAY: Final = 0x18
REQUEST_RESPONSE_INFO: Final = 0x19
RESPONSE_INFO: Final = 0x1A
SERVER_REFERENCE: Final = 0x1C
REASON_STRING: Final = 0x1F
RECEIVE_MAXIMUM: Final = 0x21
TOPIC_ALIAS_MAXIMUM: Final = 0x22
TOPIC_ALIAS: Final = 0x23
MAXIMUM_QOS: Final = 0x24
RETAIN_AVAILABLE: Final = 0x25
USER_PROPERTY: Final = 0x26
MAXIMUM_PACKET_SIZE: Final = 0x27
WILDCARD_AVAILABLE: Final = 0x28
SUBSCRIPTION_ID_AVAILABLE: Final = 0x29
SHARED_AVAILABLE: Final = 0x2A

BYTE_PROPERTIES: Final = frozenset({0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A})
TWO_BYTE_PROPERTIES: Final = frozenset({0x13, 0x21, 0x22, 0x23})
FOUR_BYTE_PROPERTIES: Final = frozenset({0x02, 0x11, 0x18, 0x27})
STRING_PROPERTIES: Final = frozenset({0x03, 0x08, 0x12, 0x15, 0x1A, 0x1C, 0x1F})
BINARY_PROPERTIES: Final = frozenset({0x09, 0x16})

NO_LOCAL: Final = 0x04
RETAIN_AS_PUBLISHED: Final = 0x08
RETAIN_ONLY_IF_NEW: Final = 0x10
RETAIN_NEVER: Final = 0x20

PropertyValue = int | str | bytes | tuple[str, str]
Property = tuple[int, PropertyValue]
Properties = Sequence[Property]


@dataclass(frozen=True, slots=True)
class Will:
    """The will of a CONNECT."""

    topic: str
    payload: bytes = b"gone"
    qos: int = 0
    retain: bool = False
    properties: Properties = ()


def string(text: str | bytes) -> bytes:
    """Two bytes of length and the text; bytes go in as they are."""
    raw = text.encode() if isinstance(text, str) else text
    return len(raw).to_bytes(2, "big") + raw


def properties_block(properties: Iterable[Property]) -> bytes:
    """Property length and properties, in the order given."""
    out = bytearray()
    for number, value in properties:
        out.append(number)
        if number == USER_PROPERTY:
            assert isinstance(value, tuple)
            out += string(value[0]) + string(value[1])
        elif isinstance(value, (str, bytes)):
            out += string(value)
        else:
            assert isinstance(value, int)
            if number == SUBSCRIPTION_ID:
                out += varint(value)
            else:
                size = 1 if number in BYTE_PROPERTIES else 2 if number in TWO_BYTE_PROPERTIES else 4
                out += value.to_bytes(size, "big")
    return varint(len(out)) + bytes(out)


def raw(first_byte: int, body: bytes = b"") -> bytes:
    """A fixed header before ``body``."""
    return bytes([first_byte]) + varint(len(body)) + body


def connect(
    client_id: str | bytes,
    level: int = V5,
    clean: bool = True,
    keep_alive: int = 60,
    properties: Properties = (),
    will: Will | None = None,
    username: str | None = None,
    password: bytes | None = None,
) -> bytes:
    """CONNECT."""
    flags = 0x02 if clean else 0
    if will is not None:
        flags |= 0x04 | will.qos << 3 | (0x20 if will.retain else 0)
    flags |= (0x80 if username is not None else 0) | (0x40 if password is not None else 0)
    body = string("MQIsdp" if level == V31 else "MQTT") + bytes([level, flags]) + keep_alive.to_bytes(2, "big")
    if level == V5:
        body += properties_block(properties)
    body += string(client_id)
    if will is not None:
        body += properties_block(will.properties) if level == V5 else b""
        body += string(will.topic) + string(will.payload)
    if username is not None:
        body += string(username)
    if password is not None:
        body += string(password)
    return raw(0x10, body)


def publish(
    topic: str | bytes,
    payload: bytes = b"",
    qos: int = 0,
    packet_id: int = 0,
    retain: bool = False,
    dup: bool = False,
    properties: Properties = (),
    level: int = V5,
) -> bytes:
    """PUBLISH."""
    body = string(topic) + (packet_id.to_bytes(2, "big") if qos else b"")
    if level == V5:
        body += properties_block(properties)
    return raw(0x30 | (8 if dup else 0) | qos << 1 | (1 if retain else 0), body + payload)


def _ack(first_byte: int, packet_id: int, reason: int | None, properties: Properties) -> bytes:
    body = packet_id.to_bytes(2, "big")
    if reason is not None:
        body += bytes([reason]) + (properties_block(properties) if properties else b"")
    return raw(first_byte, body)


def puback(packet_id: int, reason: int | None = None, properties: Properties = ()) -> bytes:
    """PUBACK; without a reason in the short form every version knows."""
    return _ack(0x40, packet_id, reason, properties)


def pubrec(packet_id: int, reason: int | None = None, properties: Properties = ()) -> bytes:
    """PUBREC; without a reason in the short form every version knows."""
    return _ack(0x50, packet_id, reason, properties)


def pubrel(packet_id: int, reason: int | None = None, properties: Properties = ()) -> bytes:
    """PUBREL; without a reason in the short form every version knows."""
    return _ack(0x62, packet_id, reason, properties)


def pubcomp(packet_id: int, reason: int | None = None, properties: Properties = ()) -> bytes:
    """PUBCOMP; without a reason in the short form every version knows."""
    return _ack(0x70, packet_id, reason, properties)


def subscribe(
    packet_id: int, filters: Sequence[tuple[str | bytes, int]], properties: Properties = (), level: int = V5
) -> bytes:
    """SUBSCRIBE of (topic filter, options byte)."""
    body = packet_id.to_bytes(2, "big") + (properties_block(properties) if level == V5 else b"")
    for topic_filter, options in filters:
        body += string(topic_filter) + bytes([options])
    return raw(0x82, body)


def unsubscribe(packet_id: int, filters: Sequence[str | bytes], properties: Properties = (), level: int = V5) -> bytes:
    """UNSUBSCRIBE."""
    body = packet_id.to_bytes(2, "big") + (properties_block(properties) if level == V5 else b"")
    return raw(0xA2, body + b"".join(string(topic_filter) for topic_filter in filters))


def pingreq() -> bytes:
    """PINGREQ."""
    return b"\xc0\x00"


def disconnect(reason: int | None = None, properties: Properties = ()) -> bytes:
    """DISCONNECT; without a reason in the empty form every version knows."""
    if reason is None and not properties:
        return b"\xe0\x00"
    return raw(0xE0, bytes([reason or 0]) + (properties_block(properties) if properties else b""))


def auth(reason: int, properties: Properties = ()) -> bytes:
    """AUTH."""
    return raw(0xF0, bytes([reason]) + properties_block(properties))
