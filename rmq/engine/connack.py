"""The CONNACK of a client that is accepted: what the server grants and how it differs from what was asked."""

from typing import Final

from rmq.mqtt import codes
from rmq.mqtt.encode import encode_connack
from rmq.mqtt.packets import Connack, Connect
from rmq.session.channel import Channel
from rmq.session.client_info import ClientInfo

RESPONSE_TOPIC_PREFIX: Final = "response/"


def encode_success(channel: Channel, packet: Connect, info: ClientInfo, expiry: int, session_present: bool) -> bytes:
    """The whole packet; ``expiry`` is the session expiry interval in force."""
    connack = _connack(channel, packet, info, expiry, session_present)
    data = encode_connack(connack, channel.version)
    if channel.max_packet_size and len(data) > channel.max_packet_size and connack.response_information is not None:
        connack.response_information = None  # the one property that need not be sent
        data = encode_connack(connack, channel.version)
    return data


def _connack(channel: Channel, packet: Connect, info: ClientInfo, expiry: int, session_present: bool) -> Connack:
    connack = Connack(codes.SUCCESS, session_present)
    if channel.version == codes.V31:
        connack.session_present = False  # MQTT 3.1 has no such flag
    if channel.version != codes.V5:
        return connack
    limits = channel.limits
    if expiry != max(packet.session_expiry_interval, 0):
        connack.session_expiry_interval = expiry
    if limits.receive_maximum != 65_535:
        connack.receive_maximum = limits.receive_maximum
    if limits.max_qos_allowed < 2:
        connack.maximum_qos = limits.max_qos_allowed
    if limits.max_packet_size:
        connack.maximum_packet_size = limits.max_packet_size
    if limits.max_topic_aliases:
        connack.topic_alias_maximum = limits.max_topic_aliases
    if info.keepalive != packet.keepalive:
        connack.server_keepalive = info.keepalive
    if not packet.client_id:
        connack.assigned_client_id = info.client_id
    if not limits.retain_available:
        connack.retain_available = 0
    if not limits.wildcard_subscription_available:
        connack.wildcard_subscription_available = 0
    if not limits.subscription_identifiers_available:
        connack.subscription_identifier_available = 0
    if not limits.shared_subscription_available:
        connack.shared_subscription_available = 0
    if packet.request_response_information:
        response_topic = RESPONSE_TOPIC_PREFIX + info.client_id
        # The server need not answer [MQTT 5.0, 3.1.2.11.6]; behind the longest client ids there is no room to.
        if len(response_topic.encode()) <= 65_535:
            connack.response_information = response_topic
    if channel.auth_method is not None:
        connack.auth_method = channel.auth_method
        connack.auth_data = packet.auth_data
    return connack
