"""EMQX's names of gauges and counters, and which of ours each is made of: added up; of none: it isn't counted here."""

from collections.abc import Mapping
from typing import Final

Parts = tuple[str, ...]

# Each with ".count" and ".max" behind it. EMQX counts sessions without a connection among its connections.
STATS: Final[Mapping[str, Parts]] = {
    "connections": ("sessions",),
    "live_connections": ("connections",),
    "sessions": ("sessions",),
    "channels": ("sessions",),
    "topics": ("topics",),
    "subscribers": ("subscriptions",),
    "subscriptions": ("subscriptions",),
    "subscriptions.shared": ("subscriptions_shared",),
    "suboptions": ("subscriptions",),
    "retained": ("retained",),
    "delayed": ("delayed_publishs",),
}
_RECEIVED: Final = (
    *("connect", "publish", "puback", "pubrec", "pubrel", "pubcomp"),
    *("subscribe", "unsubscribe", "pingreq", "disconnect", "auth"),
)
_SENT: Final = (
    *("connack", "publish", "puback", "pubrec", "pubrel", "pubcomp"),
    *("suback", "unsuback", "pingresp", "disconnect", "auth"),
)
_QOS: Final = (0, 1, 2)
_PACKETS: Final[Mapping[str, Parts]] = {
    "packets.received": tuple(f"packets.{kind}.received" for kind in _RECEIVED),
    "packets.sent": tuple(f"packets.{kind}.sent" for kind in _SENT),
    **{f"packets.{kind}.received": (f"packets.{kind}.received",) for kind in _RECEIVED},
    **{f"packets.{kind}.sent": (f"packets.{kind}.sent",) for kind in _SENT},
    "packets.connack.error": ("client.connack.error",),
    "packets.connack.auth_error": ("client.connack.auth.error",),
    "packets.publish.inuse": ("client.publish.duplicate",),
    "packets.publish.error": ("client.publish.error",),
    "packets.publish.auth_error": ("client.publish.auth.error",),
    "packets.publish.dropped": (),
    "packets.puback.inuse": (),
    "packets.puback.missed": (),
    "packets.pubrec.inuse": (),
    "packets.pubrec.missed": (),
    "packets.pubrel.missed": (),
    "packets.pubcomp.inuse": (),
    "packets.pubcomp.missed": (),
    "packets.subscribe.error": ("client.subscribe.error",),
    "packets.subscribe.auth_error": ("client.subscribe.auth.error",),
    "packets.unsubscribe.error": (),
}
# What is dropped before anybody in particular is to have it.
_DROPPED: Final[Parts] = (
    "messages.nonsubscribed",
    "messages.dropped.hook",
    "messages.dropped.publish_denied",
    "messages.dropped.publish_invalid",
    "messages.dropped.storage_failed",
    "messages.dropped.delayed_full",
)
_QOS0_DROPPED: Final[Parts] = (
    "messages.dropped.out_buffer_full",
    "messages.dropped.rate",
    "messages.dropped.offline_qos0",
)
_MESSAGES: Final[Mapping[str, Parts]] = {
    "messages.received": tuple(f"messages.qos{qos}.received" for qos in _QOS),
    "messages.sent": tuple(f"messages.qos{qos}.sent" for qos in _QOS),
    **{f"messages.qos{qos}.{way}": (f"messages.qos{qos}.{way}",) for qos in _QOS for way in ("received", "sent")},
    "messages.publish": ("messages.publish",),
    "messages.delivered": ("messages.delivered",),
    "messages.acked": ("messages.acked",),
    "messages.forward": ("messages.forwarded",),
    "messages.delayed": (),
    "messages.retained": ("messages.retained",),
    "messages.persisted": ("messages.queued",),
    "messages.dropped": _DROPPED,
    "messages.dropped.expired": (),
    "messages.dropped.await_pubrel_timeout": (),
    "messages.dropped.no_subscribers": ("messages.nonsubscribed",),
    "messages.dropped.quota_exceeded": (),
    "messages.dropped.receive_maximum": (),
    "delivery.dropped": (
        "messages.dropped.queue_full",
        "messages.dropped.expired",
        "messages.dropped.too_large",
        "messages.dropped.no_share_member",
        "messages.dropped.rejected",
        "messages.dropped.session_ended",
        *_QOS0_DROPPED,
    ),
    "delivery.dropped.no_local": (),
    "delivery.dropped.too_large": ("messages.dropped.too_large",),
    "delivery.dropped.qos0_msg": _QOS0_DROPPED,
    "delivery.dropped.queue_full": ("messages.dropped.queue_full",),
    "delivery.dropped.expired": ("messages.dropped.expired",),
}
METRICS: Final[Mapping[str, Parts]] = {
    "bytes.received": ("bytes.received",),
    "bytes.sent": ("bytes.sent",),
    **_PACKETS,
    **_MESSAGES,
    "client.connect": ("client.connect",),
    "client.connack": ("client.connack",),
    "client.connected": ("client.connected",),
    "client.authenticate": ("client.authenticate",),
    "client.auth.anonymous": ("client.auth.anonymous",),
    "client.authorize": ("client.subscribe.check.acl", "client.publish.check.acl"),
    "client.subscribe": ("client.subscribe",),
    "client.unsubscribe": ("client.unsubscribe",),
    "client.disconnected": ("client.disconnected",),
    "session.created": ("session.created",),
    "session.resumed": ("session.resumed",),
    "session.takenover": ("session.takeovers",),
    "session.discarded": (),
    "session.terminated": ("session.terminated",),
    "authentication.success": ("client.connected",),
    "authentication.success.anonymous": ("client.auth.anonymous",),
    "authentication.failure": ("client.connack.auth.error",),
    "authorization.allow": (),
    "authorization.deny": ("client.subscribe.auth.error", "client.publish.auth.error"),
    "authorization.cache_hit": (),
    "authorization.cache_miss": ("client.publish.check.acl",),
    "authorization.superuser": (),
    "authorization.nomatch": (),
    "overload_protection.delay.ok": (),
    "overload_protection.delay.timeout": (),
    "overload_protection.hibernation": (),
    "overload_protection.gc": (),
    "overload_protection.new_conn": ("connections.refused.busy",),
}


def stats_values(values: Mapping[str, int], cluster_sessions: int, cluster_most: int) -> dict[str, int]:
    """The gauges of a node, or of all, under EMQX's names; those of the whole cluster's sessions beside them."""
    found = {"cluster_sessions.count": cluster_sessions, "cluster_sessions.max": cluster_most}
    for name, parts in STATS.items():
        for end in ("count", "max"):
            found[f"{name}.{end}"] = sum(values.get(f"{part}.{end}", 0) for part in parts)
    found["durable_subscriptions.count"] = values.get("subscriptions_persistent.count", 0)
    return found


def metrics_values(values: Mapping[str, int]) -> dict[str, int]:
    """The counters of a node, or of all, under EMQX's names."""
    return {name: sum(values.get(part, 0) for part in parts) for name, parts in METRICS.items()}
