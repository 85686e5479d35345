"""The figures that many tools read: mosquitto's topics below $SYS/broker/, each with one number as text."""

from collections.abc import Mapping
from typing import Final

# Topics below $SYS/broker/ by the gauge or counter that they show.
GAUGES: Final = {
    "clients/connected": "connections.count",
    "clients/active": "connections.count",
    "clients/maximum": "connections.max",
    "clients/total": "sessions.count",
    "subscriptions/count": "subscriptions.count",
    "shared_subscriptions/count": "subscriptions_shared.count",
    "retained messages/count": "retained.count",
    "store/messages/count": "message_queues.count",
    "messages/inflight": "out_inflights.count",
}
COUNTERS: Final = {
    "bytes/received": "bytes.received",
    "bytes/sent": "bytes.sent",
    "publish/messages/received": "packets.publish.received",
    "publish/messages/sent": "packets.publish.sent",
    "publish/messages/dropped": "messages.dropped",
}


def scalars(version: str, uptime_s: float, stats: Mapping[str, int], metrics: Mapping[str, int]) -> dict[str, str]:
    """Topics below ``$SYS/broker/`` and what is published there.

    ``messages/received`` and ``sent`` count all packets, as mosquitto's do; a client without a connection that keeps a
    session is ``disconnected`` and ``inactive``, in mosquitto's two words.
    """
    found = {"version": f"rmq version {version}", "uptime": f"{int(uptime_s)} seconds"}
    found |= {topic: str(stats.get(key, 0)) for topic, key in GAUGES.items()}
    found |= {topic: str(metrics.get(key, 0)) for topic, key in COUNTERS.items()}
    away = str(max(stats.get("sessions.count", 0) - stats.get("connections.count", 0), 0))
    found |= {"clients/disconnected": away, "clients/inactive": away}
    for direction in ("received", "sent"):
        packets = (
            count for key, count in metrics.items() if key.startswith("packets.") and key.endswith(f".{direction}")
        )
        found[f"messages/{direction}"] = str(sum(packets))
    return found
