"""A client under EMQX's names, and which of them are wanted.

What has no counterpart here says so with EMQX's type: 0 for what isn't counted, "infinity" for what has no limit.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from rmq.management.models import ClientView
from rmq_http_api.emqx_v5.names import named
from rmq_http_api.emqx_v5.wording import Limit, limit_value, listener_id, rfc3339
from rmq_http_api.errors import ApiError
from rmq_http_api.shapes import TypedDict

_PROTOCOL_NAMES: Final = {3: "MQIsdp"}

# Not written as a class: some names have points. Times are RFC 3339. Only those that ``fields`` asks for are there, and
# "connected_at" and "disconnected_at" where they are known.
ClientObject = TypedDict(
    "ClientObject",
    {
        "clientid": str,
        "username": str | None,
        "node": str,
        "connected": bool,
        "connected_at": str,
        "created_at": str,
        "disconnected_at": str,
        "ip_address": str,
        "port": int,
        "listener": str,
        "proto_name": str,
        "proto_ver": int,
        "keepalive": int,
        "clean_start": bool,
        "expiry_interval": int,
        "is_bridge": bool,
        "is_expired": bool,
        "is_persistent": bool,
        "durable": bool,
        "enable_authn": bool,
        "is_superuser": bool,
        "mountpoint": str | None,
        "client_attrs": dict[str, str],
        "subscriptions_cnt": int,
        "subscriptions_max": Limit,
        "inflight_cnt": int,
        "inflight_max": Limit,
        "mqueue_len": int,
        "mqueue_max": Limit,
        "mqueue_dropped": int,
        "total_payload_bytes": int,
        "awaiting_rel_cnt": int,
        "awaiting_rel_max": Limit,
        "heap_size": int,
        "mailbox_len": int,
        "reductions": int,
        "recv_cnt": int,
        "recv_msg": int,
        "recv_msg.dropped": int,
        "recv_msg.dropped.await_pubrel_timeout": int,
        "recv_msg.qos0": int,
        "recv_msg.qos1": int,
        "recv_msg.qos2": int,
        "recv_oct": int,
        "recv_pkt": int,
        "send_cnt": int,
        "send_msg": int,
        "send_msg.dropped": int,
        "send_msg.dropped.expired": int,
        "send_msg.dropped.queue_full": int,
        "send_msg.dropped.too_large": int,
        "send_msg.qos0": int,
        "send_msg.qos1": int,
        "send_msg.qos2": int,
        "send_oct": int,
        "send_pkt": int,
    },
    total=False,
)
# What only a process of Erlang has, and a limit in time that there isn't here.
_NOT_COUNTED: Final[Mapping[str, Any]] = dict.fromkeys(
    ("heap_size", "mailbox_len", "reductions", "recv_msg.dropped", "recv_msg.dropped.await_pubrel_timeout"), 0
)
FIELDS: Final = frozenset(ClientObject.__annotations__)


def client_object(client: ClientView, names: Mapping[int, str], now: float) -> dict[str, Any]:
    """All of a client."""
    ends_at = client.expires_at
    traffic = client.traffic
    found: dict[str, Any] = {
        **_NOT_COUNTED,
        "clientid": client.client_id,
        "username": client.username,
        "node": named(names, client.node_id),
        "connected": client.connected,
        "created_at": rfc3339(client.created_at),
        "ip_address": client.ip_address,
        "port": client.port,
        "listener": listener_id(client.listener),
        "proto_name": _PROTOCOL_NAMES.get(client.protocol_level, "MQTT"),
        "proto_ver": client.protocol_level,
        "keepalive": client.keepalive,
        "clean_start": client.clean_start,
        "expiry_interval": client.expiry_interval,
        "is_bridge": False,
        "is_expired": ends_at is not None and ends_at <= now,
        "is_persistent": client.persistent,
        "durable": client.persistent,
        "enable_authn": True,
        "is_superuser": client.superuser,
        "mountpoint": None,
        "client_attrs": {},
        "subscriptions_cnt": client.subscriptions,
        "subscriptions_max": limit_value(client.max_subscriptions),
        "inflight_cnt": client.inflight,
        "inflight_max": limit_value(client.max_inflight),
        "mqueue_len": client.queue_length,
        "mqueue_max": limit_value(client.max_queue),
        "total_payload_bytes": client.payload_bytes,
        "awaiting_rel_cnt": client.awaiting_release,
        "awaiting_rel_max": limit_value(client.max_inflight),
        "mqueue_dropped": traffic.dropped_queue_full,
        "recv_cnt": traffic.reads,
        "recv_pkt": traffic.packets_received,
        "recv_msg": client.messages_received,
        "recv_msg.qos0": traffic.qos0_received,
        "recv_msg.qos1": traffic.qos1_received,
        "recv_msg.qos2": traffic.qos2_received,
        "recv_oct": client.bytes_received,
        "send_cnt": traffic.writes,
        "send_pkt": traffic.packets_sent,
        "send_msg": client.messages_sent,
        "send_msg.qos0": traffic.qos0_sent,
        "send_msg.qos1": traffic.qos1_sent,
        "send_msg.qos2": traffic.qos2_sent,
        "send_msg.dropped": traffic.dropped,
        "send_msg.dropped.expired": traffic.dropped_expired,
        "send_msg.dropped.queue_full": traffic.dropped_queue_full,
        "send_msg.dropped.too_large": traffic.dropped_too_large,
        "send_oct": client.bytes_sent,
    }
    if client.connected_at is not None:
        found["connected_at"] = rfc3339(client.connected_at)
    if client.disconnected_at is not None:
        found["disconnected_at"] = rfc3339(client.disconnected_at)
    return found


def presenter(names: Mapping[int, str], now: float, fields: str) -> Callable[[ClientView], object]:
    """What makes the rows of a page; ``fields`` are "all" or names with commas, ``ApiError`` 400 for one unknown."""
    if fields == "all":
        return lambda client: client_object(client, names, now)
    wanted = [name.strip() for name in fields.split(",")]
    for name in wanted:
        if name not in FIELDS:
            raise ApiError(400, "BAD_REQUEST", f"fields: a client has no {name[:64]!r}")

    def some(client: ClientView) -> object:
        whole = client_object(client, names, now)
        return {name: whole[name] for name in wanted if name in whole}

    return some
