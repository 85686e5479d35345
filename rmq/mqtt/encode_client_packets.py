"""Encodes what a client sends: for bridges, the bench and tests."""

from typing import Final

from rmq.mqtt import codes
from rmq.mqtt.packets import Connect, Subscribe, Unsubscribe, Will
from rmq.mqtt.primitives import packet, write_binary, write_string, write_uint16, write_varint
from rmq.mqtt.properties import (
    write_binary_property,
    write_byte_property,
    write_string_property,
    write_uint16_property,
    write_uint32_property,
    write_user_properties,
    write_varint_property,
)

PINGREQ: Final[bytes] = b"\xc0\x00"


def encode_connect(connect: Connect) -> bytes:
    """CONNECT of ``connect.protocol_level``; a property at its default isn't sent."""
    level = connect.protocol_level
    body = bytearray()
    write_string(body, "MQIsdp" if level == codes.V31 else "MQTT")
    body.append(level)
    will = connect.will
    flags = 0x02 if connect.clean_start else 0
    if will is not None:
        flags |= 0x04 | (will.qos << 3)
        if will.retain:
            flags |= 0x20
    if connect.password is not None:
        flags |= 0x40
    if connect.username is not None:
        flags |= 0x80
    body.append(flags)
    write_uint16(body, connect.keepalive)
    if level == codes.V5:
        _write_connect_properties(body, connect)
    write_string(body, connect.client_id)
    if will is not None:
        if level == codes.V5:
            _write_will_properties(body, will)
        write_string(body, will.topic)
        write_binary(body, will.payload)
    if connect.username is not None:
        write_string(body, connect.username)
    if connect.password is not None:
        write_binary(body, connect.password)
    return packet(0x10, body)


def _write_connect_properties(body: bytearray, connect: Connect) -> None:
    block = bytearray()
    write_uint32_property(block, codes.SESSION_EXPIRY_INTERVAL, connect.session_expiry_interval)
    if connect.receive_maximum != 65_535:
        write_uint16_property(block, codes.RECEIVE_MAXIMUM, connect.receive_maximum)
    if connect.maximum_packet_size > 0:
        write_uint32_property(block, codes.MAXIMUM_PACKET_SIZE, connect.maximum_packet_size)
    if connect.topic_alias_maximum > 0:
        write_uint16_property(block, codes.TOPIC_ALIAS_MAXIMUM, connect.topic_alias_maximum)
    if connect.request_response_information:
        write_byte_property(block, codes.REQUEST_RESPONSE_INFORMATION, 1)
    if not connect.request_problem_information:
        write_byte_property(block, codes.REQUEST_PROBLEM_INFORMATION, 0)
    write_user_properties(block, connect.user_properties)
    write_string_property(block, codes.AUTHENTICATION_METHOD, connect.auth_method)
    write_binary_property(block, codes.AUTHENTICATION_DATA, connect.auth_data)
    write_varint(body, len(block))
    body += block


def _write_will_properties(body: bytearray, will: Will) -> None:
    block = bytearray()
    if will.delay_interval > 0:
        write_uint32_property(block, codes.WILL_DELAY_INTERVAL, will.delay_interval)
    write_uint32_property(block, codes.MESSAGE_EXPIRY_INTERVAL, will.message_expiry)
    block += will.properties
    write_varint(body, len(block))
    body += block


def encode_subscribe(subscribe: Subscribe, version: int) -> bytes:
    """SUBSCRIBE."""
    body = bytearray()
    write_uint16(body, subscribe.packet_id)
    if version == codes.V5:
        block = bytearray()
        if subscribe.subscription_id > 0:
            write_varint_property(block, codes.SUBSCRIPTION_IDENTIFIER, subscribe.subscription_id)
        write_user_properties(block, subscribe.user_properties)
        write_varint(body, len(block))
        body += block
    for request in subscribe.requests:
        write_string(body, request.topic_filter)
        options = request.qos
        if version == codes.V5:
            options |= request.retain_handling << 4
            if request.no_local:
                options |= 0x04
            if request.retain_as_published:
                options |= 0x08
        body.append(options)
    return packet(0x82, body)


def encode_unsubscribe(unsubscribe: Unsubscribe, version: int) -> bytes:
    """UNSUBSCRIBE."""
    body = bytearray()
    write_uint16(body, unsubscribe.packet_id)
    if version == codes.V5:
        block = bytearray()
        write_user_properties(block, unsubscribe.user_properties)
        write_varint(body, len(block))
        body += block
    for topic_filter in unsubscribe.topic_filters:
        write_string(body, topic_filter)
    return packet(0xA2, body)
