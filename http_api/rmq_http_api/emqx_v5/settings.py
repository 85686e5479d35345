"""EMQX's configuration keys that have a counterpart here: the one table, read both ways.

What EMQX says of a zone goes for all listeners here: the first one that is switched on is told, all are changed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import JsonValue

Values = Mapping[str, Any]
Changes = dict[str, object]

INFINITY: Final = "infinity"


class Wrong(Exception):
    """A value that can't be; the text says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A key of EMQX: ``read`` tells its value by our settings, ``write`` what of ours changes for another one."""

    read: Callable[[Values], JsonValue]
    write: Callable[[JsonValue, Values], Changes]


def at(values: Values, key: str, default: Any = None) -> Any:
    """One of our settings by its key."""
    found: Any = values
    for part in key.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return default
        found = found[part]
    return found


def _listeners(values: Values) -> list[str]:
    """The keys of all listeners, those that are switched on first."""
    found = [
        (not table.get("enable", True), f"listener.{kind}.{name}")
        for kind, tables in at(values, "listener", {}).items()
        for name, table in tables.items()
    ]
    return [key for _, key in sorted(found)]


def _number(value: JsonValue) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise Wrong("must be a whole number")
    return int(value)


def _flag(value: JsonValue) -> bool:
    if not isinstance(value, bool):
        raise Wrong("must be true or false")
    return value


def _text(value: JsonValue) -> str:
    if not isinstance(value, str):
        raise Wrong("must be a text")
    return value


def _size(value: JsonValue) -> object:
    return _number(value) if isinstance(value, int | float) else _text(value)


def _limit(value: JsonValue) -> int:
    return 0 if value == INFINITY else _number(value)


def _span(value: JsonValue) -> str:
    """A duration; "infinity" is none."""
    return "0" if value in (INFINITY, "disabled") else _text(value)


def _half(value: JsonValue) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Wrong("must be a number")
    return value / 2


def _percent(value: JsonValue) -> float:
    try:
        return float(_text(value).removesuffix("%"))
    except ValueError:
        raise Wrong("must be a percentage such as 70%") from None


def _zone(
    ours: str, ours_of: Callable[[JsonValue], object], told: Callable[[Any], JsonValue] = lambda value: value
) -> Entry:
    """A key of every listener."""

    def read(values: Values) -> JsonValue:
        listeners = _listeners(values)
        found = at(values, f"{listeners[0]}.{ours}") if listeners else None
        return None if found is None else told(found)

    def write(value: JsonValue, values: Values) -> Changes:
        return {f"{key}.{ours}": ours_of(value) for key in _listeners(values)}

    return Entry(read, write)


def _one(
    ours: str, ours_of: Callable[[JsonValue], object], told: Callable[[Any], JsonValue] = lambda value: value
) -> Entry:
    """A key that is there once."""

    def read(values: Values) -> JsonValue:
        found = at(values, ours)
        return None if found is None else told(found)

    return Entry(read, lambda value, values: {ours: ours_of(value)})


def _told_limit(value: Any) -> JsonValue:
    return value or INFINITY


def _told_span(value: Any) -> JsonValue:
    return INFINITY if value in (0, "0", "0s") else str(value)


# By EMQX's root, and the keys below it.
TABLE: Final[Mapping[str, Mapping[str, Entry]]] = {
    "mqtt": {
        "exclusive_subscription": _zone("limit_subscription", _flag),
        "idle_timeout": _zone("handshake_timeout", _text),
        "keepalive_multiplier": _zone("keepalive_backoff", _half, lambda value: value * 2),
        "max_clientid_len": _zone("max_clientid_len", _number),
        "max_inflight": _zone("max_inflight", _number),
        "max_mqueue_len": _zone("max_mqueue_len", _number),
        "max_packet_size": _zone("max_packet_size", _size),
        "max_qos_allowed": _zone("max_qos_allowed", _number),
        "max_subscriptions": _zone("max_subscriptions", _limit, _told_limit),
        "max_topic_alias": _zone("max_topic_aliases", _number),
        "max_topic_levels": _zone("max_topic_levels", _number),
        "message_expiry_interval": _zone("message_expiry_interval", _span, _told_span),
        "retain_available": _zone("retain_available", _flag),
        "session_expiry_interval": _zone("session_expiry_interval", _text),
        "shared_subscription": _zone("shared_subscription_available", _flag),
        "shared_subscription_strategy": _one("mqtt.shared_subscription_strategy", _text),
        "wildcard_subscription": _zone("wildcard_subscription_available", _flag),
    },
    "log": {"console.level": _one("log.level", _text), "file.level": _one("log.level", _text)},
    "sys_topics": {"sys_msg_interval": _one("plugins.rmq-sys-topic.publish_interval", _text)},
    "sysmon": {
        "os.sysmem_high_watermark": _one("alarms.memory_used", _percent, lambda value: f"{value:g}%"),
    },
}
# What of it is told as the zone that all listeners are in.
ZONE: Final = ("mqtt",)
