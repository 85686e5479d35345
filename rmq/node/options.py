"""From settings to the plain values that the parts of a node are made with."""

from rmq.config import ListenerSettings, Settings
from rmq.engine.broker import BrokerOptions
from rmq.net.listener import Listener, ListenerOptions
from rmq.session.limits import Limits


def broker_options(settings: Settings) -> BrokerOptions:
    """What the settings say about the engine."""
    options = BrokerOptions()
    options.node_id = settings.node.id
    options.max_sessions = settings.mqtt.max_sessions
    options.allow_multiple_matches = settings.mqtt.allow_multiple_matches
    options.shared_subscription_strategy = settings.mqtt.shared_subscription_strategy
    options.max_retained = settings.retain.max_retained_messages
    options.max_retained_payload = settings.retain.max_payload_size
    options.retained_ttl_s = settings.retain.retained_message_ttl
    return options


def listener_limits(name: str, settings: ListenerSettings) -> Limits:
    """What the settings of a listener say about its clients."""
    limits = Limits(name)
    limits.allow_anonymous = settings.allow_anonymous
    limits.allow_zero_keepalive = settings.allow_zero_keepalive
    limits.check_payload_format = settings.check_payload_format
    limits.drop_newest = settings.mqueue_drop_policy == "newest"
    limits.handshake_timeout_s = settings.handshake_timeout
    limits.keepalive_backoff = settings.keepalive_backoff
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


def make_listener(name: str, settings: ListenerSettings) -> Listener:
    """A listener that isn't open yet."""
    options = ListenerOptions(settings.addr.host, settings.addr.port, is_ipv6=settings.addr.is_ipv6)
    options.backlog = settings.backlog
    options.max_connections = settings.max_connections
    options.max_handshakes = settings.max_handshaking_limit
    options.nodelay = settings.nodelay
    options.reuseaddr = settings.reuseaddr
    options.reuseport = settings.reuseport
    options.tcp_keepalive = settings.tcp_keepalive
    return Listener(options, listener_limits(name, settings))
