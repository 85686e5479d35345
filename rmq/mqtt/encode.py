"""Encodes what a server sends; an outbound PUBLISH of the broker is built by ``publish_wire``."""

from typing import Final

from rmq.mqtt import codes
from rmq.mqtt.packets import Auth, Connack, Disconnect, Publish, Suback, Unsuback, UserProperties
from rmq.mqtt.primitives import packet, write_string, write_uint16, write_varint
from rmq.mqtt.properties import (
    write_binary_property,
    write_byte_property,
    write_string_property,
    write_uint16_property,
    write_uint32_property,
    write_user_properties,
    write_varint_property,
)

PINGRESP: Final[bytes] = b"\xd0\x00"

_BYTES: Final[list[bytes]] = [bytes([i]) for i in range(256)]


def _ack_heads(first: int) -> list[bytes]:
    return [bytes([first, 2, high]) for high in range(256)]


# Everything of a short acknowledgement but the low byte of its packet identifier, by its high byte.
_PUBACK_HEADS: Final[list[bytes]] = _ack_heads(0x40)
_PUBREC_HEADS: Final[list[bytes]] = _ack_heads(0x50)
_PUBREL_HEADS: Final[list[bytes]] = _ack_heads(0x62)  # [MQTT-3.6.1-1]
_PUBCOMP_HEADS: Final[list[bytes]] = _ack_heads(0x70)


def encode_ack(packet_type: int, packet_id: int, reason_code: int, version: int) -> bytes:
    """PUBACK, PUBREC, PUBREL or PUBCOMP; MQTT 3 has no reason code, and 0x00 isn't sent [MQTT 5.0, 3.4.2.1]."""
    if reason_code != 0 and version == codes.V5:
        first = 0x62 if packet_type == codes.PUBREL else packet_type << 4
        return bytes([first, 3, packet_id >> 8, packet_id & 255, reason_code])
    if packet_type == codes.PUBACK:
        return _PUBACK_HEADS[packet_id >> 8] + _BYTES[packet_id & 255]
    if packet_type == codes.PUBREC:
        return _PUBREC_HEADS[packet_id >> 8] + _BYTES[packet_id & 255]
    if packet_type == codes.PUBREL:
        return _PUBREL_HEADS[packet_id >> 8] + _BYTES[packet_id & 255]
    return _PUBCOMP_HEADS[packet_id >> 8] + _BYTES[packet_id & 255]


def encode_connack(connack: Connack, version: int, limit: int = 0) -> bytes:
    """CONNACK; ``limit`` is the client's Maximum Packet Size, 0 none: see ``_within``."""
    present = 1 if connack.session_present and connack.reason_code == 0 else 0  # [MQTT-3.2.2-6]
    body = bytearray([present, connack.reason_code])
    if version != codes.V5:
        return packet(0x20, body)
    block = bytearray()
    write_uint32_property(block, codes.SESSION_EXPIRY_INTERVAL, connack.session_expiry_interval)
    write_uint16_property(block, codes.RECEIVE_MAXIMUM, connack.receive_maximum)
    write_byte_property(block, codes.MAXIMUM_QOS, connack.maximum_qos)
    write_byte_property(block, codes.RETAIN_AVAILABLE, connack.retain_available)
    write_uint32_property(block, codes.MAXIMUM_PACKET_SIZE, connack.maximum_packet_size)
    write_string_property(block, codes.ASSIGNED_CLIENT_IDENTIFIER, connack.assigned_client_id)
    write_uint16_property(block, codes.TOPIC_ALIAS_MAXIMUM, connack.topic_alias_maximum)
    write_byte_property(block, codes.WILDCARD_SUBSCRIPTION_AVAILABLE, connack.wildcard_subscription_available)
    write_byte_property(block, codes.SUBSCRIPTION_IDENTIFIER_AVAILABLE, connack.subscription_identifier_available)
    write_byte_property(block, codes.SHARED_SUBSCRIPTION_AVAILABLE, connack.shared_subscription_available)
    write_uint16_property(block, codes.SERVER_KEEP_ALIVE, connack.server_keepalive)
    write_string_property(block, codes.RESPONSE_INFORMATION, connack.response_information)
    write_string_property(block, codes.SERVER_REFERENCE, connack.server_reference)
    write_string_property(block, codes.AUTHENTICATION_METHOD, connack.auth_method)
    write_binary_property(block, codes.AUTHENTICATION_DATA, connack.auth_data)
    return _within(limit, 0x20, body, block, connack.reason_string, connack.user_properties, b"")


def encode_suback(suback: Suback, version: int, limit: int = 0) -> bytes:
    """SUBACK: one code a topic filter, in the order of the SUBSCRIBE [MQTT-3.9.3-1]."""
    body = bytearray()
    write_uint16(body, suback.packet_id)
    reasons = bytes(suback.reason_codes)
    if version != codes.V5:
        body += reasons
        return packet(0x90, body)
    return _within(limit, 0x90, body, bytearray(), suback.reason_string, suback.user_properties, reasons)


def encode_unsuback(unsuback: Unsuback, version: int, limit: int = 0) -> bytes:
    """UNSUBACK: the reason codes are only in MQTT 5 [MQTT-3.11.3-1]."""
    body = bytearray()
    write_uint16(body, unsuback.packet_id)
    if version != codes.V5:
        return packet(0xB0, body)
    reasons = bytes(unsuback.reason_codes)
    return _within(limit, 0xB0, body, bytearray(), unsuback.reason_string, unsuback.user_properties, reasons)


def encode_disconnect(disconnect: Disconnect, version: int, limit: int = 0) -> bytes:
    """DISCONNECT; MQTT 3 has neither reason nor properties, and there only a client sends one."""
    if version != codes.V5:
        return b"\xe0\x00"
    block = bytearray()
    write_uint32_property(block, codes.SESSION_EXPIRY_INTERVAL, disconnect.session_expiry_interval)
    write_string_property(block, codes.SERVER_REFERENCE, disconnect.server_reference)
    reason_code = disconnect.reason_code
    if not block and disconnect.reason_string is None and not disconnect.user_properties:
        return b"\xe0\x00" if reason_code == 0 else bytes([0xE0, 1, reason_code])
    body = bytearray([reason_code])
    return _within(limit, 0xE0, body, block, disconnect.reason_string, disconnect.user_properties, b"")


def encode_auth(auth: Auth, limit: int = 0) -> bytes:
    """AUTH, of either side."""
    block = bytearray()
    write_string_property(block, codes.AUTHENTICATION_METHOD, auth.auth_method)
    write_binary_property(block, codes.AUTHENTICATION_DATA, auth.auth_data)
    if auth.reason_code == 0 and not block and auth.reason_string is None and not auth.user_properties:
        return b"\xf0\x00"  # [MQTT 5.0, 3.15.2.1]
    return _within(limit, 0xF0, bytearray([auth.reason_code]), block, auth.reason_string, auth.user_properties, b"")


def encode_publish(publish: Publish, version: int) -> bytes:
    """PUBLISH of either side, plainly: for clients, bridges and tests."""
    body = bytearray()
    write_string(body, publish.topic)
    if publish.qos > 0:
        write_uint16(body, publish.packet_id)
    if version == codes.V5:
        block = bytearray()
        write_uint32_property(block, codes.MESSAGE_EXPIRY_INTERVAL, publish.message_expiry)
        if publish.topic_alias > 0:
            write_uint16_property(block, codes.TOPIC_ALIAS, publish.topic_alias)
        if publish.subscription_ids is not None:
            for subscription_id in publish.subscription_ids:
                write_varint_property(block, codes.SUBSCRIPTION_IDENTIFIER, subscription_id)
        block += publish.properties
        write_varint(body, len(block))
        body += block
    body += publish.payload
    first = 0x30 | (publish.qos << 1)
    if publish.retain:
        first |= 0x01
    if publish.dup:
        first |= 0x08
    return packet(first, body)


def _within(
    limit: int,
    first: int,
    head: bytearray,
    block: bytearray,
    reason_string: str | None,
    user_properties: UserProperties | None,
    payload: bytes,
) -> bytes:
    """A packet of ``head``, property length and properties, ``payload``.

    Reason string and user properties are left out where they would make it larger than the receiver's Maximum
    Packet Size [MQTT-3.2.2-19], [MQTT-3.2.2-20] and the same for the other packets: first the user properties.
    """
    said = bytearray(block)
    write_string_property(said, codes.REASON_STRING, reason_string)
    full = bytearray(said)
    write_user_properties(full, user_properties)
    whole = _with_properties(first, head, full, payload)
    if limit > 0 and len(whole) > limit and len(full) > len(said):
        whole = _with_properties(first, head, said, payload)
    if limit > 0 and len(whole) > limit and len(said) > len(block):
        whole = _with_properties(first, head, block, payload)
    return whole


def _with_properties(first: int, head: bytearray, block: bytearray, payload: bytes) -> bytes:
    body = bytearray(head)
    write_varint(body, len(block))
    body += block
    body += payload
    return packet(first, body)
