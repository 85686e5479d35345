"""From settings to the plain values that the parts of a node are made with."""

from typing import Final

from rmq.config import (
    AnyListenerSettings,
    ListenerSettings,
    Rate,
    Settings,
    TcpListenerSettings,
    TlsKeys,
    UnixListenerSettings,
    WsListenerSettings,
)
from rmq.engine.broker import BrokerOptions
from rmq.engine.busy import BusyLimits
from rmq.management.node.alarms import AlarmLimits
from rmq.net.inbound_rates import RateLimit
from rmq.net.layer_stack import TlsOptions
from rmq.net.listener import Listener, ListenerOptions
from rmq.session.limits import ACK_MEMORY, ACK_QUORUM, ACK_QUORUM_FSYNC, Limits

ACK_POLICIES: Final = {"memory": ACK_MEMORY, "quorum": ACK_QUORUM, "quorum_fsync": ACK_QUORUM_FSYNC}


def broker_options(settings: Settings) -> BrokerOptions:
    """What the settings say about the engine."""
    options = BrokerOptions()
    options.node_id = settings.node.id
    options.max_sessions = settings.mqtt.max_sessions
    options.allow_multiple_matches = settings.mqtt.allow_multiple_matches
    options.shared_subscription_strategy = settings.mqtt.shared_subscription_strategy
    options.delayed_count = settings.mqtt.delayed_publish_max
    options.delayed_bytes = settings.mqtt.delayed_publish_max_bytes
    options.delayed_immediate = settings.mqtt.delayed_publish_immediate
    options.max_retained = settings.retain.max_retained_messages
    options.max_retained_payload = settings.retain.max_payload_size
    options.retained_ttl_s = settings.retain.retained_message_ttl
    options.storage_timeout_s = settings.storage.timeout
    if settings.cluster.enabled:
        options.storage_timeout_s = settings.cluster.quorum_timeout
    options.ack_policy = ACK_POLICIES[settings.storage.ack_policy]
    options.memory_budget = settings.storage.memory_budget if settings.storage.enable else 0
    options.session_memory_budget = settings.storage.session_memory_budget if settings.storage.enable else 0
    return options


def alarm_limits(settings: Settings) -> AlarmLimits:
    """From where on something is an alarm."""
    alarms = settings.alarms
    return AlarmLimits(alarms.disk_used, alarms.memory_used, alarms.loop_lag, alarms.certificate_left)


def listener_limits(name: str, settings: ListenerSettings) -> Limits:
    """What the settings of a listener say about its clients."""
    limits = Limits(name)
    limits.allow_zero_keepalive = settings.allow_zero_keepalive
    limits.check_payload_format = settings.check_payload_format
    limits.delayed_publish = settings.delayed_publish
    limits.drop_newest = settings.mqueue_drop_policy == "newest"
    limits.handshake_timeout_s = settings.handshake_timeout
    limits.keepalive_backoff = settings.keepalive_backoff
    limits.limit_subscription = settings.limit_subscription
    limits.max_clientid_len = settings.max_clientid_len
    limits.max_inflight = settings.max_inflight
    limits.max_keepalive = settings.max_keepalive
    limits.max_mqueue_len = settings.max_mqueue_len
    limits.max_outbound_topic_aliases = settings.max_outbound_topic_aliases
    limits.max_packet_size = settings.packet_size_limit
    limits.max_qos_allowed = settings.max_qos_allowed
    limits.max_session_expiry_interval = settings.max_session_expiry_interval
    limits.max_subscriptions = settings.max_subscriptions
    limits.max_topic_aliases = settings.max_topic_aliases
    limits.max_topic_levels = settings.max_topic_levels
    limits.message_expiry_interval = settings.message_expiry_interval
    limits.min_keepalive = settings.min_keepalive
    limits.mqueue_rate = settings.mqueue_rate_limit.count
    limits.mqueue_rate_interval_s = settings.mqueue_rate_limit.period_s
    limits.out_buffer_limit = settings.out_buffer_limit
    limits.receive_maximum = settings.receive_maximum
    limits.retain_available = settings.retain_available
    limits.session_expiry_interval = settings.session_expiry_interval
    limits.shared_subscription_available = settings.shared_subscription_available
    limits.subscription_identifiers_available = settings.subscription_identifiers_available
    limits.wildcard_subscription_available = settings.wildcard_subscription_available
    return limits


def client_limits(node: Settings, name: str, settings: ListenerSettings) -> Limits:
    """The same, with what the node says where the listener leaves it to the node."""
    limits = listener_limits(name, settings)
    policy = settings.ack_policy
    limits.ack_policy = ACK_POLICIES[node.storage.ack_policy if policy == "node" else policy]
    return limits


def make_listener(node: Settings, name: str, settings: AnyListenerSettings) -> Listener:
    """A listener that isn't open yet."""
    if isinstance(settings, UnixListenerSettings):
        options = ListenerOptions("", 0)
        options.path = settings.path
        options.mode = int(settings.mode, 8)
    else:
        options = _tcp_options(settings)
    options.backlog = settings.backlog
    options.max_connections = settings.max_connections
    options.max_handshakes = settings.max_handshaking_limit
    inbound = options.inbound
    inbound.client_messages = _rate(settings.max_messages_rate)
    inbound.client_bytes = _rate(settings.max_bytes_rate)
    inbound.listener_messages = _rate(settings.max_listener_messages_rate)
    inbound.listener_bytes = _rate(settings.max_listener_bytes_rate)
    inbound.connections = _rate(settings.max_connections_rate)
    return Listener(options, client_limits(node, name, settings))


def _tcp_options(settings: TcpListenerSettings) -> ListenerOptions:
    options = ListenerOptions(settings.addr.host, settings.addr.port, is_ipv6=settings.addr.is_ipv6)
    options.nodelay = settings.nodelay
    options.reuseaddr = settings.reuseaddr
    options.reuseport = settings.reuseport
    options.tcp_keepalive = settings.tcp_keepalive
    options.proxy_protocol = settings.proxy_protocol
    options.proxy_header_s = settings.proxy_protocol_timeout
    if isinstance(settings, WsListenerSettings):
        options.websocket_path = settings.path
    if isinstance(settings, TlsKeys):
        options.tls = _tls_options(settings)
    return options


def _tls_options(settings: TlsKeys) -> TlsOptions:
    tls = TlsOptions(settings.cert, settings.key)
    tls.client_ca = settings.client_ca_certs
    if settings.cross_certificate:
        tls.verify = "optional" if settings.cross_certificate == "optional" else "required"
    if settings.cert_cn_as_username:
        tls.user_name = "cn"
    elif settings.cert_subject_dn_as_username:
        tls.user_name = "subject"
    return tls


def _rate(rate: Rate) -> RateLimit | None:
    return None if rate.is_unlimited else RateLimit(rate.count, rate.period_s)


def busy_limits(settings: Settings) -> BusyLimits:
    """What the settings say about when the node is busy."""
    busy = settings.node.busy
    limits = BusyLimits()
    if not busy.check_enable:
        return limits
    limits.loop_lag_s = busy.loop_lag
    limits.memory = busy.memory
    limits.loadavg = busy.loadavg
    limits.cpu_percent = busy.cpuloadavg
    limits.handshakes = busy.handshaking
    return limits
