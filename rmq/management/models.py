"""What the service answers: frozen views of clients, sessions, subscriptions, messages, plugins and nodes.

Times are seconds since 1970, None where there is none; intervals are in seconds, sizes in bytes. How a dialect writes
them is its own business.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from rmq.management.node.hook_figures import HookFigures
from rmq.management.traffic import NO_TRAFFIC, TrafficView

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NodeRef:
    """A node by id and name."""

    node_id: int
    name: str
    running: bool = True


@dataclass(frozen=True, slots=True)
class MissingNode:
    """A node that should have answered and didn't. ``is_out``: the cluster has it as down or stopped, so none of the
    clients are there.
    """

    node_id: int
    reason: str
    name: str = ""
    is_out: bool = False


@dataclass(frozen=True, slots=True)
class Gathered(Generic[T]):
    """The answers of several nodes, and which nodes gave none."""

    answers: tuple[T, ...]
    missing: tuple[MissingNode, ...] = ()


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of the rows that a query finds.

    ``total`` counts all of them, None unless it was asked for. ``has_more``: there are rows behind these. ``cursor``
    goes on behind the last row, None at the end and for pages that were asked for by offset.
    """

    items: tuple[T, ...]
    has_more: bool = False
    total: int | None = None
    cursor: str | None = None
    missing: tuple[MissingNode, ...] = ()


@dataclass(frozen=True, slots=True)
class BrokerInfo:
    """What a node is; ``uptime_s`` since ``started_at``, ``now`` its time of day."""

    node: NodeRef
    version: str
    description: str
    started_at: float
    uptime_s: float
    now: float


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """How a node and its machine are. Figures of the machine are 0 where it doesn't tell."""

    node: NodeRef
    version: str
    uptime_s: float
    boot_time: float
    connections: int
    load1: float
    load5: float
    load15: float
    memory_total: int
    memory_used: int
    memory_free: int
    disk_total: int
    disk_free: int
    max_open_files: int


@dataclass(frozen=True, slots=True)
class PropertiesView:
    """The properties of an application message; ``payload_format`` is 0, 1 or None."""

    payload_format: int | None = None
    content_type: str | None = None
    response_topic: str | None = None
    correlation_data: bytes | None = None
    user_properties: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class WillView:
    """A client's will message; ``message_expiry_interval`` None: never."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    delay_interval: int
    message_expiry_interval: int | None
    properties: PropertiesView


@dataclass(frozen=True, slots=True)
class ClientView:
    """A client with its session.

    Of a session without a connection the facts of the last one are shown; what was before the node was started isn't
    known: "", 0, False and None then. ``max_subscriptions`` 0 means no limit. ``queue_length`` counts what waits to be
    sent, ``inflight`` what was sent and isn't acknowledged; off line everything waits. ``awaiting_release`` counts QoS
    2 messages received and not yet released. Messages and bytes are those of the connection, without what TLS or
    WebSocket add. ``payload_bytes`` of what waits or isn't acknowledged; they are counted for persistent sessions.
    """

    node_id: int
    client_id: str
    username: str | None
    superuser: bool
    protocol_level: int
    ip_address: str
    port: int
    listener: str
    connected: bool
    connected_at: float | None
    disconnected_at: float | None
    disconnected_reason: str
    keepalive: int
    clean_start: bool
    session_present: bool
    persistent: bool
    expiry_interval: int
    expires_at: float | None
    created_at: float
    subscriptions: int
    max_subscriptions: int
    will: WillView | None
    inflight: int
    max_inflight: int
    queue_length: int
    max_queue: int
    awaiting_release: int
    messages_received: int
    messages_sent: int
    bytes_received: int
    bytes_sent: int
    payload_bytes: int = 0
    traffic: TrafficView = NO_TRAFFIC

    @property
    def address(self) -> str:
        """``host:port`` of the last connection, "" if it isn't known."""
        return join_address(self.ip_address, self.port)


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session; ``awaiting_release`` counts QoS 2 messages received and not yet released."""

    node_id: int
    client_id: str
    connected: bool
    clean_start: bool
    persistent: bool
    created_at: float
    disconnected_at: float | None
    expiry_interval: int
    expires_at: float | None
    subscriptions: int
    inflight: int
    max_inflight: int
    queue_length: int
    max_queue: int
    awaiting_release: int


@dataclass(frozen=True, slots=True)
class SubscriptionView:
    """A subscription; ``topic_filter`` is without its share name or limit.

    ``share_group`` is None unless it is shared, ``limit`` None unless it is limited: how many sessions may have one.
    ``persistent``: its session outlives connections.
    """

    node_id: int
    client_id: str
    client_address: str
    protocol_level: int
    topic_filter: str
    share_group: str | None
    qos: int
    no_local: bool
    retain_as_published: bool
    retain_handling: int
    subscription_id: int | None
    limit: int | None = None
    persistent: bool = False


@dataclass(frozen=True, slots=True)
class RouteView:
    """A topic filter and the node that has subscribers for it."""

    topic: str
    node_id: int


@dataclass(frozen=True, slots=True)
class RetainedView:
    """A retained message; ``publisher`` is a client id or "", ``origin`` a word of ``mqtt.message.ORIGIN_NAMES``."""

    topic: str
    payload: bytes
    qos: int
    publisher: str
    origin: str
    created_at: float
    expires_at: float | None
    properties: PropertiesView


@dataclass(frozen=True, slots=True)
class PluginView:
    """A plugin.

    ``version``, ``description`` and ``attrs``, which can be written as JSON, are None while its code isn't loaded.
    ``failure`` says why it isn't active although it should be, else it is "".
    """

    name: str
    version: str | None
    description: str | None
    active: bool
    inited: bool
    immutable: bool
    attrs: Mapping[str, object] | None = None
    failure: str = ""


@dataclass(frozen=True, slots=True)
class NodePlugins:
    """The plugins of one node."""

    node: NodeRef
    plugins: tuple[PluginView, ...]


@dataclass(frozen=True, slots=True)
class Stats:
    """The gauges of one node, or of all: by the names of ``metrics.keys``."""

    nodes: tuple[NodeRef, ...]
    values: Mapping[str, int]
    missing: tuple[MissingNode, ...] = ()


@dataclass(frozen=True, slots=True)
class Metrics:
    """The counters of one node, or of all: by the names of ``metrics.keys``."""

    nodes: tuple[NodeRef, ...]
    values: Mapping[str, int]
    missing: tuple[MissingNode, ...] = ()


@dataclass(frozen=True, slots=True)
class HealthView:
    """Whether a node can serve, and why not. ``leader`` of its cluster, None while none is known or without one."""

    node: NodeRef
    serving: bool
    reason: str = ""
    leader: int | None = None


@dataclass(frozen=True, slots=True)
class FeaturesView:
    """What a node can do, by RMQTT's names."""

    node: NodeRef
    features: Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class SystemFigures:
    """What the process of a node uses, by name; ``memory.resident`` in bytes, ``cpu.ms`` since its start."""

    node: NodeRef
    values: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class HistogramView:
    """A histogram: ``counts`` by bucket, each without those below, one more than ``bounds_us`` has upper bounds."""

    bounds_us: tuple[int, ...]
    counts: tuple[int, ...]
    sum_us: int


@dataclass(frozen=True, slots=True)
class NodeFigures:
    """All figures of a node; ``metrics`` and ``stats`` are by the names of ``metrics.keys``, sizes in bytes.

    ``latencies``: "deliver", "ack", "loop_lag", see ``metrics.histogram``. ``limits``: "storage.memory_budget",
    "storage.disk_budget"; 0 is no limit.
    ``certificates`` says by listener when its certificate ends, in seconds since 1970.
    """

    node: NodeRef
    version: str
    started_at: float
    serving: bool
    metrics: Mapping[str, int]
    stats: Mapping[str, int]
    latencies: Mapping[str, HistogramView]
    cpu_ms: int
    memory_resident: int
    open_files: int
    max_open_files: int
    threads: int
    disk_total: int
    disk_free: int
    limits: Mapping[str, int]
    certificates: Mapping[str, float]
    hooks: tuple[HookFigures, ...] = ()


@dataclass(frozen=True, slots=True)
class HistoryPoint:
    """What was at ``at_ms``, milliseconds since 1970: a value for each of ``HistoryView.names``."""

    at_ms: int
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class HistoryView:
    """What was on a node, newest first."""

    node: NodeRef
    names: tuple[str, ...]
    points: tuple[HistoryPoint, ...]


@dataclass(frozen=True, slots=True)
class Published:
    """What became of one published message.

    ``topic`` is the one asked for, whatever a plugin made of the message; ``dropped`` by a plugin, ``denied`` by access
    rules. ``matched`` is how many sessions it was for, None where storage was asked first.
    """

    topic: str
    matched: int | None
    dropped: bool = False
    denied: bool = False


@dataclass(frozen=True, slots=True)
class FilterOutcome:
    """What became of one topic filter: an MQTT 5 reason code, 0x80 and above an error, and its name."""

    topic_filter: str
    reason_code: int
    reason: str

    @property
    def refused(self) -> bool:
        """Whether the reason code is an error."""
        return self.reason_code >= 0x80


def join_address(host: str, port: int) -> str:
    """``host:port`` as it is written, IPv6 in brackets; "" without a host."""
    shown = f"[{host}]" if ":" in host else host
    return f"{shown}:{port}" if host else ""
