"""What the rules of a listener say about a CONNECT, and what it says about its client."""

import secrets
from typing import TYPE_CHECKING, Final

from rmq.flow.delayed import DELAYED
from rmq.hooks import chains
from rmq.mqtt import codes
from rmq.mqtt.packets import Connect, Will
from rmq.mqtt.topics import is_system_topic, is_valid_topic_name
from rmq.session.channel import Channel
from rmq.session.client_info import ClientInfo

if TYPE_CHECKING:
    from rmq.engine.broker import Broker

# What the client ids of the node's own clients begin with (``Limits.trusted``), and no others do.
OWN_CLIENTS: Final = "$rmq/"


def check(channel: Channel, packet: Connect) -> tuple[int, str] | None:
    """The reason code and text that the listener's rules refuse a CONNECT with, None if they don't."""
    limits = channel.limits
    if not packet.client_id:
        if packet.protocol_level == codes.V31 or (packet.protocol_level == codes.V311 and not packet.clean_start):
            # [MQTT-3.1.3-8]
            return codes.CLIENT_IDENTIFIER_NOT_VALID, "an empty client id needs a clean session"
    elif packet.client_id.startswith(OWN_CLIENTS) and not limits.trusted:
        # Else anybody could take over what is kept for them.
        return codes.CLIENT_IDENTIFIER_NOT_VALID, f"{OWN_CLIENTS} begins the client ids of the broker's own clients"
    elif len(packet.client_id) > limits.max_clientid_len:
        return codes.CLIENT_IDENTIFIER_NOT_VALID, f"client id longer than {limits.max_clientid_len}"
    if packet.protocol_level != codes.V5 and not _keepalive_fits(channel, packet.keepalive):
        return codes.CLIENT_IDENTIFIER_NOT_VALID, "keep alive not allowed here"
    will = packet.will
    if will is not None:
        refusal = _check_will_topic(will.topic)
        if refusal is not None:
            return refusal
        if will.qos > limits.max_qos_allowed:
            return codes.QOS_NOT_SUPPORTED, "QoS of the will not supported"  # [MQTT-3.2.2-12]
        if will.retain and not limits.retain_available:
            return codes.RETAIN_NOT_SUPPORTED, "retain not supported"  # [MQTT-3.2.2-13]
    return None


def name_will(broker: "Broker", info: ClientInfo, will: Will) -> tuple[int, str] | None:
    """Have handlers say which topic name a will is for; what it is refused with, None if it isn't."""
    topic = chains.client_publish(broker.chains, info, will.topic)
    if topic is None:
        return codes.NOT_AUTHORIZED, "not authorized to publish the will"
    if not is_valid_topic_name(topic):
        return codes.TOPIC_NAME_INVALID, "topic name of the will invalid"
    will.topic = topic
    return _check_will_topic(topic)


def _check_will_topic(topic: str) -> tuple[int, str] | None:
    if is_system_topic(topic):
        return codes.NOT_AUTHORIZED, "a will can't be published to $SYS"
    if topic.startswith(DELAYED):
        return codes.TOPIC_NAME_INVALID, "a will has its Will Delay Interval, not $delayed/"
    return None


def take_certificate_name(channel: Channel, packet: Connect) -> tuple[int, str] | None:
    """Where the listener takes user names from certificates, the one in CONNECT doesn't count."""
    name = channel.transport.certificate_name()
    if name is None:
        return None
    if not name:
        # Else whoever has such a certificate could choose any name.
        return codes.NOT_AUTHORIZED, "the certificate has no name to be the user name"
    packet.username = name
    return None


def _keepalive_fits(channel: Channel, keepalive: int) -> bool:
    limits = channel.limits
    if keepalive == 0:
        return limits.allow_zero_keepalive
    return limits.min_keepalive <= keepalive <= limits.max_keepalive


def client_info(broker: "Broker", channel: Channel, packet: Connect) -> ClientInfo:
    """Who connects, as far as CONNECT says; an empty client id gets one [MQTT-3.1.3-6]."""
    host, port, local_port = channel.transport.addresses()
    client_id = packet.client_id or f"rmq-{secrets.token_hex(12)}"
    info = ClientInfo(
        broker.node_id,
        client_id,
        packet.username,
        packet.protocol_level,
        host,
        port,
        channel.limits.listener,
        local_port,
    )
    info.clean_start = packet.clean_start
    info.keepalive = _keepalive_in_force(channel, packet)
    info.user_properties = packet.user_properties
    return info


def _keepalive_in_force(channel: Channel, packet: Connect) -> int:
    keepalive = packet.keepalive
    if packet.protocol_level != codes.V5 or _keepalive_fits(channel, keepalive):
        return keepalive
    limits = channel.limits
    if keepalive == 0:
        return limits.max_keepalive
    return min(max(keepalive, limits.min_keepalive), limits.max_keepalive)
