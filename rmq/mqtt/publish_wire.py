"""The bytes of an outbound PUBLISH: built once per message and form, shared by every receiver of that form.

A PUBLISH is sent as ``head`` (for QoS 0 the whole packet), the two bytes of the packet identifier, and a tail
(MQTT 3: the payload itself; MQTT 5: properties and payload).
"""

from typing import Final

from rmq.mqtt.message import Message

PACKET_ID_BYTES: Final[list[bytes]] = [bytes([i >> 8, i & 255]) for i in range(65_536)]
DUP: Final = 0x08
# Byte 0 of a PUBLISH by QoS * 2 + RETAIN.
FIRST_BYTES: Final[list[bytes]] = [bytes([0x30 | i]) for i in range(8)]
DUP_FIRST_BYTES: Final[list[bytes]] = [bytes([0x38 | i]) for i in range(8)]
SMALL: Final[list[bytes]] = [bytes([i]) for i in range(128)]
NO_PROPERTIES: Final = b"\x00"


def varint(value: int) -> bytes:
    """A Variable Byte Integer (MQTT 5.0, 1.5.5)."""
    if value < 128:
        return SMALL[value]
    if value < 16_384:
        return bytes([value & 127 | 128, value >> 7])
    if value < 2_097_152:
        return bytes([value & 127 | 128, value >> 7 & 127 | 128, value >> 14])
    return bytes([value & 127 | 128, value >> 7 & 127 | 128, value >> 14 & 127 | 128, value >> 21])


def head_v3(message: Message, qos: int, retain: bool) -> bytes:
    """The head for MQTT 3.1 and 3.1.1 receivers."""
    key = qos * 2 + 1 if retain else qos * 2
    if message.wire_v3_key == key:
        return message.wire_v3_head
    topic = message.topic.encode()
    payload = message.payload
    if qos == 0:
        remaining = 2 + len(topic) + len(payload)
        head = b"".join([FIRST_BYTES[key], varint(remaining), PACKET_ID_BYTES[len(topic)], topic, payload])
    else:
        remaining = 4 + len(topic) + len(payload)
        head = b"".join([FIRST_BYTES[key], varint(remaining), PACKET_ID_BYTES[len(topic)], topic])
    message.wire_v3_key = key
    message.wire_v3_head = head
    return head


def before_payload_v3(topic: str, size: int) -> bytes:
    """What a PUBLISH of MQTT 3 has before a payload of ``size`` bytes, of QoS 0 and without RETAIN."""
    name = topic.encode()
    return b"".join([FIRST_BYTES[0], varint(2 + len(name) + size), PACKET_ID_BYTES[len(name)], name])


def share_heads(messages: list[Message]) -> None:
    """Make the head for MQTT 3 once for messages of one topic and QoS, neighbours with payloads of one length.

    Of QoS 0 the head has the payload in it: there is nothing to share.
    """
    head = b""
    length = -1
    for message in messages:
        if message.qos == 0:
            return
        size = len(message.payload)
        if size != length:
            head = head_v3(message, message.qos, False)
            length = size
        message.wire_v3_key = message.qos * 2
        message.wire_v3_head = head


def head_v5(message: Message, qos: int, retain: bool) -> bytes:
    """The head for MQTT 5 receivers that need no property of their own; ``message.wire_v5_tail`` is the tail.

    Not for messages with an expiry: their Message Expiry Interval counts down [MQTT-3.3.2-6].
    """
    key = qos * 2 + 1 if retain else qos * 2
    if message.wire_v5_key == key:
        return message.wire_v5_head
    topic = message.topic.encode()
    properties = message.properties
    block = varint(len(properties)) + properties if properties else NO_PROPERTIES
    tail_size = len(block) + len(message.payload)
    if qos == 0:
        remaining = 2 + len(topic) + tail_size
        head = b"".join(
            [FIRST_BYTES[key], varint(remaining), PACKET_ID_BYTES[len(topic)], topic, block, message.payload]
        )
        tail = b""
    else:
        remaining = 4 + len(topic) + tail_size
        head = b"".join([FIRST_BYTES[key], varint(remaining), PACKET_ID_BYTES[len(topic)], topic])
        tail = block + message.payload
    message.wire_v5_key = key
    message.wire_v5_head = head
    message.wire_v5_tail = tail
    return head


def with_dup(head: bytes) -> bytes:
    """The same head with the DUP flag set [MQTT-3.3.1-1]."""
    return DUP_FIRST_BYTES[head[0] & 7] + head[1:]


def encode_v5(
    message: Message,
    qos: int,
    retain: bool,
    dup: bool,
    packet_id: int,
    expiry: int,
    subscription_ids: list[int] | None,
    alias: int,
    send_topic: bool,
) -> bytes:
    """A whole PUBLISH for one MQTT 5 receiver; ``expiry`` is the remaining seconds or -1, ``alias`` 0 for none."""
    block: list[bytes] = []
    if expiry >= 0:
        block.append(b"\x02" + expiry.to_bytes(4, "big"))
    if alias:
        block.append(b"\x23" + PACKET_ID_BYTES[alias])
    if subscription_ids is not None:
        block.extend([b"\x0b" + varint(identifier) for identifier in subscription_ids])
    block.append(message.properties)
    properties = b"".join(block)
    topic = message.topic.encode() if send_topic else b""
    properties_size = varint(len(properties))
    payload = message.payload
    remaining = 2 + len(topic) + len(properties_size) + len(properties) + len(payload) + (2 if qos else 0)
    key = qos * 2 + 1 if retain else qos * 2
    return b"".join(
        [
            DUP_FIRST_BYTES[key] if dup else FIRST_BYTES[key],
            varint(remaining),
            PACKET_ID_BYTES[len(topic)],
            topic,
            PACKET_ID_BYTES[packet_id] if qos else b"",
            properties_size,
            properties,
            payload,
        ]
    )
