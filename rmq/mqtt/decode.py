"""Decodes the bodies of what a client sends after CONNECT, and what both sides send alike."""

from typing import Final

from rmq.mqtt import codes
from rmq.mqtt.errors import MalformedPacketError, ProtocolError
from rmq.mqtt.message_properties import read_message_properties
from rmq.mqtt.packets import Ack, Auth, Disconnect, Publish, Subscribe, SubscriptionRequest, Unsubscribe
from rmq.mqtt.primitives import Reader
from rmq.mqtt.properties import read_properties

# Reason codes by packet [MQTT 5.0, 2.4]; who sends which is looked at only where it changes what the broker does.
_PUBACK_REASONS: Final[frozenset[int]] = frozenset({0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99})
_PUBREL_REASONS: Final[frozenset[int]] = frozenset({codes.SUCCESS, codes.PACKET_IDENTIFIER_NOT_FOUND})
_AUTH_REASONS: Final[frozenset[int]] = frozenset({codes.SUCCESS, codes.CONTINUE_AUTHENTICATION, codes.REAUTHENTICATE})
_DISCONNECT_REASONS: Final[frozenset[int]] = frozenset(
    {0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x8F, 0x90}
    | {0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2}
)


def read_publish_properties(data: bytes, pos: int, end: int, publish: Publish, from_server: bool) -> int:
    """Reads the properties of a PUBLISH into ``publish``; where its payload begins."""
    found = read_message_properties(data, pos, end, False)
    if found.subscription_ids is not None and not from_server:
        raise ProtocolError("a client sent a subscription identifier in PUBLISH [MQTT-3.3.4-6]")
    publish.topic_alias = found.topic_alias
    publish.message_expiry = found.message_expiry
    publish.subscription_ids = found.subscription_ids
    publish.properties = found.forwarded
    return found.end


def decode_ack(first: int, reader: Reader, version: int) -> Ack:
    """PUBACK, PUBREC, PUBREL or PUBCOMP; ``first`` is byte 0."""
    packet_type = first >> 4
    check_flags(first, 2 if packet_type == codes.PUBREL else 0, version)  # [MQTT-3.6.1-1]
    ack = Ack(packet_type, reader.packet_id())
    if version == codes.V5 and reader.pos < reader.end:  # without a reason code it is 0x00 [MQTT 5.0, 3.4.2.1]
        reason_code = reader.byte()
        if packet_type == codes.PUBACK or packet_type == codes.PUBREC:
            known = reason_code in _PUBACK_REASONS
        else:
            known = reason_code in _PUBREL_REASONS
        if not known:
            raise ProtocolError(f"reason code 0x{reason_code:02X} in {codes.PACKET_NAMES[packet_type]}")
        ack.reason_code = reason_code
        if reader.pos < reader.end:
            read_properties(reader, packet_type)
    reader.expect_end()
    return ack


def decode_subscribe(first: int, reader: Reader, version: int) -> Subscribe:
    """SUBSCRIBE. A filter that is no valid topic filter isn't refused here: SUBACK tells the client which one."""
    check_flags(first, 2, version)  # [MQTT-3.8.1-1]
    subscribe = Subscribe(reader.packet_id(), [])
    if version == codes.V5:
        values = read_properties(reader, codes.SUBSCRIBE)
        subscribe.subscription_id = values.integer(codes.SUBSCRIPTION_IDENTIFIER, 0)
        subscribe.user_properties = values.user_properties
    if reader.pos == reader.end:
        raise ProtocolError("SUBSCRIBE without a topic filter [MQTT-3.8.3-2]")
    requests = subscribe.requests
    while reader.pos < reader.end:
        topic_filter = reader.string()
        requests.append(_subscription_request(topic_filter, reader.byte(), version))
    return subscribe


def _subscription_request(topic_filter: str, options: int, version: int) -> SubscriptionRequest:
    qos = options & 3
    if version != codes.V5:
        if options > 2:
            raise MalformedPacketError("reserved bits or QoS 3 in SUBSCRIBE [MQTT-3.8.3-4] of MQTT 3.1.1")
        return SubscriptionRequest(topic_filter, qos)
    if options & 0xC0:
        raise MalformedPacketError("reserved subscription options [MQTT-3.8.3-5]")
    if qos == 3:
        raise ProtocolError("subscription with QoS 3 [MQTT 5.0, 3.8.3.1]")
    retain_handling = options >> 4
    if retain_handling == 3:
        raise ProtocolError("retain handling 3 [MQTT 5.0, 3.8.3.1]")
    no_local = options & 0x04 != 0
    if no_local and topic_filter.startswith("$share/"):
        raise ProtocolError("no local on a shared subscription [MQTT-3.8.3-4]")
    return SubscriptionRequest(topic_filter, qos, no_local, options & 0x08 != 0, retain_handling)


def decode_unsubscribe(first: int, reader: Reader, version: int) -> Unsubscribe:
    """UNSUBSCRIBE."""
    check_flags(first, 2, version)  # [MQTT-3.10.1-1]
    unsubscribe = Unsubscribe(reader.packet_id(), [])
    if version == codes.V5:
        unsubscribe.user_properties = read_properties(reader, codes.UNSUBSCRIBE).user_properties
    if reader.pos == reader.end:
        raise ProtocolError("UNSUBSCRIBE without a topic filter [MQTT-3.10.3-2]")
    while reader.pos < reader.end:
        unsubscribe.topic_filters.append(reader.string())
    return unsubscribe


def decode_disconnect(first: int, reader: Reader, version: int, from_server: bool) -> Disconnect:
    """DISCONNECT of either side."""
    check_flags(first, 0, version)  # [MQTT-3.14.1-1]
    disconnect = Disconnect()
    if version == codes.V5 and reader.pos < reader.end:  # an empty one is 0x00 [MQTT 5.0, 3.14.2.1]
        disconnect.reason_code = reader.byte()
        if disconnect.reason_code not in _DISCONNECT_REASONS:
            raise ProtocolError(f"reason code 0x{disconnect.reason_code:02X} in DISCONNECT [MQTT-3.14.2-1]")
        if reader.pos < reader.end:
            values = read_properties(reader, codes.DISCONNECT)
            disconnect.session_expiry_interval = values.integer(codes.SESSION_EXPIRY_INTERVAL, -1)
            disconnect.reason_string = values.string(codes.REASON_STRING)
            disconnect.server_reference = values.string(codes.SERVER_REFERENCE)
            disconnect.user_properties = values.user_properties
            if from_server:
                if disconnect.session_expiry_interval >= 0:
                    raise ProtocolError("a server sent a session expiry interval in DISCONNECT [MQTT-3.14.2-2]")
            elif disconnect.server_reference is not None:
                raise ProtocolError("a client sent a server reference [MQTT 5.0, 3.14.2.2.5]")
    reader.expect_end()
    return disconnect


def decode_auth(first: int, reader: Reader, version: int) -> Auth:
    """AUTH. One without a body says success [MQTT 5.0, 3.15.2.1]; whether that may be now, the exchange knows."""
    if version != codes.V5:
        raise MalformedPacketError("packet type 15 before MQTT 5 [MQTT 3.1.1, 2.2.1]")
    check_flags(first, 0, version)  # [MQTT-3.15.1-1]
    auth = Auth()
    if reader.pos < reader.end:
        auth.reason_code = reader.byte()
        if auth.reason_code not in _AUTH_REASONS:
            raise ProtocolError(f"reason code 0x{auth.reason_code:02X} in AUTH [MQTT-3.15.2-1]")
        values = read_properties(reader, codes.AUTH)
        auth.auth_method = values.string(codes.AUTHENTICATION_METHOD)
        auth.auth_data = values.binary(codes.AUTHENTICATION_DATA)
        auth.reason_string = values.string(codes.REASON_STRING)
        auth.user_properties = values.user_properties
        if auth.auth_method is None:
            raise ProtocolError("AUTH without an authentication method [MQTT 5.0, 3.15.2.2.2]")
    reader.expect_end()
    return auth


def check_flags(first: int, flags: int, version: int) -> None:
    """The flags in byte 0 are fixed for all packets but PUBLISH [MQTT-2.1.3-1]; MQTT 3.1 knows a DUP flag there."""
    given = first & 15
    if given != flags and not (version == codes.V31 and given & 7 == flags and flags == 2):
        raise MalformedPacketError(f"flags {given} in {codes.PACKET_NAMES[first >> 4]} [MQTT-2.1.3-1]")
