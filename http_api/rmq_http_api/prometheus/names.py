"""What each figure is called in Prometheus: proper names in base units, with labels where several are parts of one.

Most names follow from those of ``rmq.metrics.keys`` by rule; what is here are the rules and the exceptions.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from rmq.metrics.cluster_keys import CLUSTER_METRICS, CLUSTER_STATS
from rmq.metrics.keys import METRICS, STATS, Metric, Stat

PREFIX: Final = "rmq_"


@dataclass(frozen=True, slots=True)
class Place:
    """A family without "_total", one label of the figure in it ("": none), and what the family means."""

    family: str
    help_text: str
    label: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class _Group:
    """Counters that are parts of one: the pattern's group is the label's value."""

    pattern: re.Pattern[str]
    family: str
    label: str
    help_text: str


_ORIGINS: Final = "(custom|admin|lastwill|system|bridge)"
_FROM: Final = "by where they come from: clients (custom), the API (admin), wills, the broker itself, bridges"


def _origins(name: str, family: str, help_text: str) -> _Group:
    return _Group(re.compile(rf"messages\.{name}\.{_ORIGINS}"), family, "origin", f"{help_text}, {_FROM}")


_GROUPS: Final = (
    _Group(
        re.compile(r"messages\.dropped\.(\w+)"),
        "messages_dropped",
        "reason",
        "Messages dropped, for all or for one receiver, by reason",
    ),
    _Group(
        re.compile(r"messages\.qos([012])\.received"), "messages_received", "qos", "PUBLISH packets received, by QoS"
    ),
    _Group(re.compile(r"messages\.qos([012])\.sent"), "messages_sent", "qos", "PUBLISH packets sent, by QoS"),
    _Group(re.compile(r"packets\.(\w+)\.received"), "packets_received", "type", "MQTT packets received, by type"),
    _Group(re.compile(r"packets\.(\w+)\.sent"), "packets_sent", "type", "MQTT packets sent, by type"),
    _origins("publish", "messages_published", "Messages published"),
    _origins("delivered", "messages_delivered", "Messages put into a receiver's out-buffer"),
    _origins("acked", "messages_acked", "Messages acknowledged by a receiver"),
    _origins("nonsubscribed", "messages_nonsubscribed", "Messages without a subscriber"),
)
# What the parts above add up to: it isn't told twice.
SUMS: Final = frozenset(
    {"messages.dropped", "messages.publish", "messages.delivered", "messages.acked", "messages.nonsubscribed"}
)
_COUNTERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "bytes.received": "received_bytes",
        "bytes.sent": "sent_bytes",
        "messages.acked.retain": "messages_acked_retained",
        "messages.delivered.retain": "messages_delivered_retained",
        "packets.acks.unexpected": "unexpected_acks",
    }
)
_GAUGES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "delayed_publishs": "delayed_messages",
        "forwards": "forwarding_messages",
        "handshakings": "handshakes",
        "handshakings_active": "handshakes_waiting",
        "handshakings_rate": "handshakes_per_second",
        "in_inflights": "inflight_received_messages",
        "message_queues": "queued_messages",
        "message_storages": "stored_messages",
        "out_inflights": "inflight_sent_messages",
        "retained": "retained_messages",
    }
)
# Gauges that are 0 or 1: their highest value says nothing.
FLAGS: Final = frozenset({"busy", "storage.failed", "storage.held"})


def counter_place(metric: Metric) -> Place | None:
    """Where a counter goes; None for one that is the sum of others."""
    if metric.name in SUMS:
        return None
    for group in _GROUPS:
        found = group.pattern.fullmatch(metric.name)
        if found is not None:
            return Place(PREFIX + group.family, group.help_text, group.label, found[1])
    name = _COUNTERS.get(metric.name) or metric.name.replace(".", "_")
    return Place(PREFIX + name, metric.help_text)


def gauge_place(stat: Stat) -> Place:
    """Where the count of a gauge goes."""
    return Place(PREFIX + (_GAUGES.get(stat.name) or stat.name.replace(".", "_")), stat.help_text)


def highest_place(stat: Stat) -> Place | None:
    """Where the highest count of a gauge goes; None for one that is 0 or 1."""
    if stat.name in FLAGS:
        return None
    place = gauge_place(stat)
    stem = place.family.removesuffix("_bytes")
    name = f"{stem}_max" + ("_bytes" if stem != place.family else "")
    return Place(name, f"{place.help_text}: the most since the start")


_CLUSTER_GROUPS: Final = (
    *(
        _Group(
            re.compile(rf"cluster\.links\.(control|data)\.{what}\.{way}"),
            f"cluster_{way}_bytes" if what == "bytes" else f"cluster_frames_{way}",
            "channel",
            f"{what.capitalize()} {way} on the links between the nodes, by channel",
        )
        for what in ("frames", "bytes")
        for way in ("sent", "received")
    ),
    _Group(
        re.compile(r"cluster\.links\.dropped\.(\w+)"),
        "cluster_link_drops",
        "reason",
        "Frames for other nodes that weren't sent, by reason",
    ),
    _Group(
        re.compile(r"cluster\.links\.refused\.(\w+)"),
        "cluster_link_refusals",
        "reason",
        "Handshakes between nodes in vain, by reason",
    ),
    _Group(
        re.compile(r"cluster\.links\.closed\.(\w+)"),
        "cluster_link_closes",
        "reason",
        "Links to other nodes that went down, by reason",
    ),
)
_CLUSTER_GAUGES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "cluster.cold": "cluster_is_cold",
        "cluster.leader": "cluster_is_leader",
        "cluster.log.applied": "cluster_applied_index",
        "cluster.log.committed": "cluster_commit_index",
        "cluster.log.synced": "cluster_synced_index",
        "cluster.quorum": "cluster_has_quorum",
    }
)
# A gauge in milliseconds, which Prometheus has in seconds.
SILENCE: Final = "cluster.silence.count"
SILENCE_PLACE: Final = Place(
    f"{PREFIX}cluster_silence_seconds", "Time since the leader was heard, or by the leader a majority"
)


def _cluster_counter(name: str, help_text: str) -> Place:
    for group in _CLUSTER_GROUPS:
        found = group.pattern.fullmatch(name)
        if found is not None:
            return Place(PREFIX + group.family, group.help_text, group.label, found[1])
    return Place(PREFIX + name.replace(".", "_"), help_text)


def _cluster_gauge(name: str, help_text: str) -> Place:
    return Place(PREFIX + (_CLUSTER_GAUGES.get(name) or name.replace(".", "_")), help_text)


COUNTER_PLACES: Final = (
    *((metric.name, place) for metric in METRICS if (place := counter_place(metric))),
    *((name, _cluster_counter(name, help_text)) for name, help_text in CLUSTER_METRICS.items()),
)
GAUGE_PLACES: Final = (
    *((f"{stat.name}.count", gauge_place(stat)) for stat in STATS),
    *((f"{stat.name}.max", place) for stat in STATS if (place := highest_place(stat))),
    *(
        (f"{name}.count", _cluster_gauge(name, help_text))
        for name, (_rule, help_text) in CLUSTER_STATS.items()
        if f"{name}.count" != SILENCE
    ),
)
