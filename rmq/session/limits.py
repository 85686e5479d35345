"""What one listener allows its clients: plain values, shared by all channels of the listener."""

from typing import Final

from rmq.mqtt.message import FROM_CLIENT

DEFAULT_OUT_BUFFER_LIMIT: Final = 1_048_576

# When a publisher is answered: at once; when a majority has written its message (a node alone: when its journal has);
# when it is on their disks (survives a loss of power everywhere).
ACK_MEMORY: Final = 0
ACK_QUORUM: Final = 1
ACK_QUORUM_FSYNC: Final = 2


class Limits:
    """Options of a listener as the engine uses them; sizes in bytes, intervals in seconds, 0 means no limit.

    ``origin`` is where its clients' messages come from. ``trusted``: they are parts of this node, and nobody is asked
    who they are and what they may.
    """

    __slots__ = (
        "ack_policy",
        "allow_anonymous",
        "allow_zero_keepalive",
        "check_payload_format",
        "delayed_publish",
        "drop_newest",
        "handshake_timeout_s",
        "keepalive_backoff",
        "limit_subscription",
        "listener",
        "max_clientid_len",
        "max_inflight",
        "max_keepalive",
        "max_mqueue_len",
        "max_outbound_topic_aliases",
        "max_packet_size",
        "max_qos_allowed",
        "max_session_expiry_interval",
        "max_subscriptions",
        "max_topic_aliases",
        "max_topic_levels",
        "message_expiry_interval",
        "min_keepalive",
        "mqueue_rate",
        "mqueue_rate_interval_s",
        "origin",
        "out_buffer_limit",
        "receive_maximum",
        "retain_available",
        "session_expiry_interval",
        "shared_subscription_available",
        "subscription_identifiers_available",
        "trusted",
        "wildcard_subscription_available",
    )

    def __init__(self, listener: str) -> None:
        self.listener = listener
        self.ack_policy = ACK_QUORUM
        self.allow_anonymous = True
        self.allow_zero_keepalive = True
        self.check_payload_format = False
        self.delayed_publish = False
        self.drop_newest = False
        self.handshake_timeout_s = 30.0
        self.keepalive_backoff = 0.75
        self.limit_subscription = False
        self.max_clientid_len = 65_535
        self.max_inflight = 128
        self.max_keepalive = 65_535
        self.max_mqueue_len = 1000
        self.max_outbound_topic_aliases = 32
        self.max_packet_size = 1_048_576
        self.max_qos_allowed = 2
        self.max_session_expiry_interval = 0
        self.max_subscriptions = 0
        self.max_topic_aliases = 32
        self.max_topic_levels = 0
        self.message_expiry_interval = 0
        self.min_keepalive = 0
        self.mqueue_rate = 0
        self.mqueue_rate_interval_s = 1.0
        self.origin = FROM_CLIENT
        self.out_buffer_limit = DEFAULT_OUT_BUFFER_LIMIT
        self.receive_maximum = 1024
        self.retain_available = True
        self.session_expiry_interval = 7200
        self.shared_subscription_available = True
        self.subscription_identifiers_available = True
        self.trusted = False
        self.wildcard_subscription_available = True
