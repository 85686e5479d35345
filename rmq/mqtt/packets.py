"""One plain class a control packet: what was decoded, or what is to be encoded.

Absent optional integers are -1 (0 where the protocol has no 0), absent strings and bytes are None.
``properties`` of an application message or a will is the *forwarded block*: the encoded properties that the
broker passes on unaltered and in order (Payload Format Indicator, Content Type, Response Topic, Correlation
Data, User Property [MQTT-3.3.2-4, -15, -16, -17, -18, -20]), already checked, without their length.
"""

from mypy_extensions import mypyc_attr

UserProperties = list[tuple[str, str]]


class Will:
    """The Will of a CONNECT; intervals in seconds."""

    __slots__ = ("delay_interval", "message_expiry", "payload", "properties", "qos", "retain", "topic")

    def __init__(
        self,
        topic: str,
        payload: bytes,
        qos: int,
        retain: bool,
        delay_interval: int = 0,
        message_expiry: int = -1,
        properties: bytes = b"",
    ) -> None:
        self.topic = topic
        self.payload = payload
        self.qos = qos
        self.retain = retain
        self.delay_interval = delay_interval
        self.message_expiry = message_expiry
        self.properties = properties


class Connect:
    """CONNECT. ``clean_start`` is Clean Session for MQTT 3."""

    __slots__ = (
        "auth_data",
        "auth_method",
        "clean_start",
        "client_id",
        "keepalive",
        "maximum_packet_size",
        "password",
        "protocol_level",
        "receive_maximum",
        "request_problem_information",
        "request_response_information",
        "session_expiry_interval",
        "topic_alias_maximum",
        "user_properties",
        "username",
        "will",
    )

    def __init__(self, protocol_level: int, client_id: str, clean_start: bool, keepalive: int) -> None:
        self.protocol_level = protocol_level
        self.client_id = client_id
        self.clean_start = clean_start
        self.keepalive = keepalive
        self.will: Will | None = None
        self.username: str | None = None
        self.password: bytes | None = None
        self.session_expiry_interval: int = -1
        self.receive_maximum: int = 65_535
        self.maximum_packet_size: int = 0
        self.topic_alias_maximum: int = 0
        self.request_response_information: bool = False
        self.request_problem_information: bool = True
        self.user_properties: UserProperties | None = None
        self.auth_method: str | None = None
        self.auth_data: bytes | None = None


class Connack:
    """CONNACK. ``reason_code`` is the return code for MQTT 3; a property is sent when it isn't -1, None or False."""

    __slots__ = (
        "assigned_client_id",
        "auth_data",
        "auth_method",
        "maximum_packet_size",
        "maximum_qos",
        "reason_code",
        "reason_string",
        "receive_maximum",
        "response_information",
        "retain_available",
        "server_keepalive",
        "server_reference",
        "session_expiry_interval",
        "session_present",
        "shared_subscription_available",
        "subscription_identifier_available",
        "topic_alias_maximum",
        "user_properties",
        "wildcard_subscription_available",
    )

    def __init__(self, reason_code: int, session_present: bool = False) -> None:
        self.reason_code = reason_code
        self.session_present = session_present
        self.session_expiry_interval: int = -1
        self.receive_maximum: int = -1
        self.maximum_qos: int = -1
        self.maximum_packet_size: int = -1
        self.topic_alias_maximum: int = -1
        self.server_keepalive: int = -1
        self.retain_available: int = -1
        self.wildcard_subscription_available: int = -1
        self.subscription_identifier_available: int = -1
        self.shared_subscription_available: int = -1
        self.assigned_client_id: str | None = None
        self.reason_string: str | None = None
        self.response_information: str | None = None
        self.server_reference: str | None = None
        self.auth_method: str | None = None
        self.auth_data: bytes | None = None
        self.user_properties: UserProperties | None = None


# acyclic: not tracked by the cyclic garbage collector, which would otherwise run once every few hundred packets.
@mypyc_attr(acyclic=True)
class Publish:
    """PUBLISH. Absent: ``topic`` "" (only an alias was sent), ``topic_alias`` 0, ``message_expiry`` -1.

    ``delay`` is set by the broker: the seconds that stood before the topic name in ``$delayed/seconds/topic``, else -1.
    So is a ``topic_alias`` of -1: handlers have said which topic name is meant, and aren't asked again.
    """

    __slots__ = (
        "delay",
        "dup",
        "message_expiry",
        "packet_id",
        "payload",
        "properties",
        "qos",
        "retain",
        "subscription_ids",
        "topic",
        "topic_alias",
    )

    def __init__(
        self,
        topic: str,
        payload: bytes,
        qos: int,
        retain: bool,
        dup: bool,
        packet_id: int,
        topic_alias: int = 0,
        message_expiry: int = -1,
        properties: bytes = b"",
        subscription_ids: list[int] | None = None,
    ) -> None:
        self.topic = topic
        self.payload = payload
        self.qos = qos
        self.retain = retain
        self.dup = dup
        self.packet_id = packet_id
        self.topic_alias = topic_alias
        self.message_expiry = message_expiry
        self.properties = properties
        self.subscription_ids = subscription_ids
        self.delay = -1


@mypyc_attr(acyclic=True)
class Ack:
    """PUBACK, PUBREC, PUBREL or PUBCOMP: ``packet_type`` says which."""

    __slots__ = ("packet_id", "packet_type", "reason_code")

    def __init__(self, packet_type: int, packet_id: int, reason_code: int = 0) -> None:
        self.packet_type = packet_type
        self.packet_id = packet_id
        self.reason_code = reason_code


class SubscriptionRequest:
    """One topic filter of a SUBSCRIBE with its subscription options."""

    __slots__ = ("no_local", "qos", "retain_as_published", "retain_handling", "topic_filter")

    def __init__(
        self,
        topic_filter: str,
        qos: int,
        no_local: bool = False,
        retain_as_published: bool = False,
        retain_handling: int = 0,
    ) -> None:
        self.topic_filter = topic_filter
        self.qos = qos
        self.no_local = no_local
        self.retain_as_published = retain_as_published
        self.retain_handling = retain_handling


class Subscribe:
    """SUBSCRIBE. ``subscription_id`` is 0 when absent."""

    __slots__ = ("packet_id", "requests", "subscription_id", "user_properties")

    def __init__(self, packet_id: int, requests: list[SubscriptionRequest], subscription_id: int = 0) -> None:
        self.packet_id = packet_id
        self.requests = requests
        self.subscription_id = subscription_id
        self.user_properties: UserProperties | None = None


class Suback:
    """SUBACK: one reason code (MQTT 3: return code) a topic filter."""

    __slots__ = ("packet_id", "reason_codes", "reason_string", "user_properties")

    def __init__(self, packet_id: int, reason_codes: list[int]) -> None:
        self.packet_id = packet_id
        self.reason_codes = reason_codes
        self.reason_string: str | None = None
        self.user_properties: UserProperties | None = None


class Unsubscribe:
    """UNSUBSCRIBE."""

    __slots__ = ("packet_id", "topic_filters", "user_properties")

    def __init__(self, packet_id: int, topic_filters: list[str]) -> None:
        self.packet_id = packet_id
        self.topic_filters = topic_filters
        self.user_properties: UserProperties | None = None


class Unsuback:
    """UNSUBACK: one reason code a topic filter (MQTT 3: none)."""

    __slots__ = ("packet_id", "reason_codes", "reason_string", "user_properties")

    def __init__(self, packet_id: int, reason_codes: list[int]) -> None:
        self.packet_id = packet_id
        self.reason_codes = reason_codes
        self.reason_string: str | None = None
        self.user_properties: UserProperties | None = None


class Pingreq:
    """PINGREQ."""

    __slots__ = ()


class Pingresp:
    """PINGRESP."""

    __slots__ = ()


class Disconnect:
    """DISCONNECT, from either side; MQTT 3 has neither reason code nor properties."""

    __slots__ = ("reason_code", "reason_string", "server_reference", "session_expiry_interval", "user_properties")

    def __init__(self, reason_code: int = 0) -> None:
        self.reason_code = reason_code
        self.session_expiry_interval: int = -1
        self.reason_string: str | None = None
        self.server_reference: str | None = None
        self.user_properties: UserProperties | None = None


class Auth:
    """AUTH (MQTT 5)."""

    __slots__ = ("auth_data", "auth_method", "reason_code", "reason_string", "user_properties")

    def __init__(self, reason_code: int = 0) -> None:
        self.reason_code = reason_code
        self.auth_method: str | None = None
        self.auth_data: bytes | None = None
        self.reason_string: str | None = None
        self.user_properties: UserProperties | None = None


Packet = (
    Connect
    | Connack
    | Publish
    | Ack
    | Subscribe
    | Suback
    | Unsubscribe
    | Unsuback
    | Pingreq
    | Pingresp
    | Disconnect
    | Auth
)
