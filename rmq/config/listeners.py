"""The keys that every `[listener.<kind>.<name>]` table has: handshake, protocol limits, rates, sessions and queues."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from rmq.config.section import Section
from rmq.config.units import (
    HOUR,
    KIB,
    MIB,
    UNLIMITED,
    AutoBool,
    ByteRate,
    ByteSize,
    Duration,
    MessageRate,
    WholeSeconds,
)

# Fixed header (1 + 4 bytes) and the largest remaining length [MQTT5-1.5.5].
PROTOCOL_MAX_PACKET_SIZE = 5 + 268_435_455
# A session's packet identifiers are given when a message is queued, so queue and window share 65,535 of them.
PACKET_IDS = 65_535
MAX_MQUEUE_LEN = 60_000

UInt16 = Annotated[int, Field(ge=0, le=65_535)]
PositiveUInt16 = Annotated[int, Field(ge=1, le=65_535)]
Count = Annotated[int, Field(ge=0)]
AckPolicy = Literal["memory", "quorum", "quorum_fsync"]
ListenerAckPolicy = Literal["node", "memory", "quorum", "quorum_fsync"]
DropPolicy = Literal["oldest", "newest"]


def above_zero(value: float) -> float:
    if value <= 0:
        raise ValueError("must be more than 0")
    return value


def _within_protocol(size: int) -> int:
    if size > PROTOCOL_MAX_PACKET_SIZE:
        raise ValueError(
            f"must be at most {PROTOCOL_MAX_PACKET_SIZE} bytes, the largest MQTT packet (0 means that too)"
        )
    return size


class ListenerSettings(Section):
    """What holds for every connection that comes in through one listener."""

    enable: bool = True
    backlog: Annotated[int, Field(ge=1)] = 1024

    # connections and handshakes
    max_connections: Annotated[int, Field(ge=1)] = 1_024_000
    max_handshaking_limit: Annotated[int, Field(ge=1)] = 500
    handshake_timeout: Annotated[Duration, AfterValidator(above_zero)] = 30.0
    allow_anonymous: AutoBool = None
    # Every server must take client identifiers of 1 to 23 bytes [MQTT-3.1.3-5].
    max_clientid_len: Annotated[int, Field(ge=23, le=65_535)] = 65_535

    # how fast bytes, messages and connections may come in
    max_messages_rate: MessageRate = UNLIMITED
    max_bytes_rate: ByteRate = UNLIMITED
    max_listener_messages_rate: MessageRate = UNLIMITED
    max_listener_bytes_rate: ByteRate = UNLIMITED
    max_connections_rate: MessageRate = UNLIMITED

    # keep alive
    min_keepalive: UInt16 = 0
    max_keepalive: UInt16 = 65_535
    allow_zero_keepalive: bool = True
    # Below 0.5 a client would be cut off before its own keep alive has passed.
    keepalive_backoff: Annotated[float, Field(ge=0.5, le=10.0)] = 0.75

    # what the broker offers and accepts
    max_packet_size: Annotated[ByteSize, AfterValidator(_within_protocol)] = 1 * MIB
    max_qos_allowed: Annotated[int, Field(ge=0, le=2)] = 2
    max_topic_levels: Count = 0
    max_topic_aliases: UInt16 = 32
    max_outbound_topic_aliases: UInt16 = 32
    receive_maximum: PositiveUInt16 = 1024
    retain_available: bool = True
    wildcard_subscription_available: bool = True
    shared_subscription_available: bool = True
    subscription_identifiers_available: bool = True
    limit_subscription: bool = False
    delayed_publish: bool = False
    check_payload_format: bool = False

    # sessions
    session_expiry_interval: WholeSeconds = 2 * HOUR
    max_session_expiry_interval: WholeSeconds = 0
    max_subscriptions: Count = 0

    # messages to the client
    max_inflight: PositiveUInt16 = 128
    max_mqueue_len: Annotated[int, Field(ge=1, le=MAX_MQUEUE_LEN)] = 1000
    mqueue_drop_policy: DropPolicy = "oldest"
    mqueue_rate_limit: MessageRate = UNLIMITED
    # None by default: a PUBACK is a promise, and dropping the message minutes later by default would break it.
    message_expiry_interval: WholeSeconds = 0
    ack_policy: ListenerAckPolicy = "node"
    out_buffer_limit: ByteSize = 1 * MIB

    @property
    def packet_size_limit(self) -> int:
        """`max_packet_size` in bytes with 0 resolved to what the protocol can carry."""
        return self.max_packet_size or PROTOCOL_MAX_PACKET_SIZE

    @field_validator("max_keepalive")
    @classmethod
    def _not_below_min_keepalive(cls, value: int, info: ValidationInfo) -> int:
        minimum = info.data.get("min_keepalive", 0)
        if value < minimum:
            raise ValueError(f"must not be below min_keepalive ({minimum})")
        return value

    @field_validator("max_mqueue_len")
    @classmethod
    def _leaves_room_for_inflight(cls, value: int, info: ValidationInfo) -> int:
        inflight = info.data.get("max_inflight", 0)
        if value + inflight > PACKET_IDS:
            raise ValueError(
                f"max_mqueue_len ({value}) and max_inflight ({inflight}) together must not be above {PACKET_IDS}, "
                "the packet identifiers a session has"
            )
        return value

    @field_validator("out_buffer_limit")
    @classmethod
    def _holds_a_read(cls, value: int) -> int:
        if value < 16 * KIB:
            raise ValueError("must be at least 16KB")
        return value
