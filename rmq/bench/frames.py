"""The packets a load client sends, built once as bytes."""

from __future__ import annotations

import struct

V31 = 3
V311 = 4
V5 = 5

STAMP_MAGIC = b"rmqb"
"""First bytes of a stamped payload: magic, publisher index (u32), CLOCK_MONOTONIC nanoseconds (u64), padding."""
STAMP_SIZE = 16

PINGREQ = b"\xc0\x00"
DISCONNECT = b"\xe0\x00"


def remaining_length(value: int) -> bytes:
    """Encode a variable byte integer (section 1.5.5 of MQTT 5, 2.2.3 of MQTT 3.1.1)."""
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        if not value:
            out.append(low)
            return bytes(out)
        out.append(low | 0x80)


def text(value: str) -> bytes:
    """Encode a UTF-8 string with its two length bytes."""
    raw = value.encode()
    return struct.pack("!H", len(raw)) + raw


def connect(
    version: int, client_id: str, username: str | None, password: str | None, keep_alive_s: int, expiry_s: int = 0
) -> bytes:
    """A CONNECT; no Topic Alias Maximum, so that a broker's deliveries keep their topic.

    With ``expiry_s`` the session outlives the connection: for so long in MQTT 5, which still begins clean, and without
    an end in MQTT 3, where clean session 0 takes up the session that may be there [MQTT-3.1.2-4].
    """
    flags = 0x00 if expiry_s and version != V5 else 0x02
    tail = text(client_id)
    if username is not None:
        flags |= 0x80
        tail += text(username)
    if password is not None:
        flags |= 0x40
        tail += text(password)
    name = text("MQIsdp") if version == V31 else text("MQTT")
    body = name + bytes((version, flags)) + struct.pack("!H", keep_alive_s)
    if version == V5:
        body += struct.pack("!BBI", 5, 0x11, expiry_s) if expiry_s else b"\x00"
    body += tail
    return b"\x10" + remaining_length(len(body)) + body


def subscribe(version: int, packet_id: int, topic_filter: str, qos: int) -> bytes:
    """A SUBSCRIBE for one filter."""
    body = struct.pack("!H", packet_id)
    if version == V5:
        body += b"\x00"
    body += text(topic_filter) + bytes((qos,))
    return b"\x82" + remaining_length(len(body)) + body


def publish_head(version: int, topic: str, qos: int, payload_size: int, *, retain: bool = False) -> bytes:
    """Everything of a PUBLISH before its packet id (QoS 1, 2) or before its properties and payload (QoS 0)."""
    topic_bytes = text(topic)
    size = len(topic_bytes) + (2 if qos else 0) + (1 if version == V5 else 0) + payload_size
    return bytes((0x30 | qos << 1 | retain,)) + remaining_length(size) + topic_bytes


def forget_retained(version: int, topic: str) -> bytes:
    """A PUBLISH that removes the retained message of a topic: QoS 0, no payload [MQTT-3.3.1-6]."""
    return publish_head(version, topic, 0, 0, retain=True) + (b"\x00" if version == V5 else b"")


def payload_tail(payload_size: int) -> bytes:
    """What follows the stamp in a payload; printable, so that a person can look at it with any client."""
    return b"." * max(0, payload_size - STAMP_SIZE)
