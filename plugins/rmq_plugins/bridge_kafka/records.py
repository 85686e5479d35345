"""What an MQTT message is as a record of Kafka, and the other way round.

Headers carry what a record has no place for: names as RMQTT's, properties of MQTT 5 under their own, user properties
as they are. Ours stand last, and of headers with one name the last counts: so a user property can't pass for one.
"""

import re
from collections.abc import Sequence
from typing import Final

from rmq.plugin_api import Properties, Publish, decode_block, encode_block

# [org.apache.kafka.common.internals.Topic]: what a topic may be called there.
_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")
# The longest a string may be, and the largest number of seconds [MQTT 5.0, 1.5].
MAX_STRING: Final = 65_535
MAX_SECONDS: Final = 0xFFFF_FFFF
# The user property that has the key of a record, as RMQTT's.
KEY: Final = "_message_key"

Header = tuple[str, str | bytes | None]


class Record:
    """One record for Kafka; ``partition`` -1 has the library choose by the key."""

    __slots__ = ("headers", "key", "partition", "topic", "value")

    def __init__(
        self, topic: str, key: bytes | None, value: bytes, headers: Sequence[Header], partition: int = -1
    ) -> None:
        self.topic = topic
        self.key = key
        self.value = value
        self.headers = headers
        self.partition = partition


class Fetched:
    """One record of Kafka's, and its place there."""

    __slots__ = ("headers", "key", "offset", "partition", "topic", "value")

    def __init__(
        self, topic: str, partition: int, offset: int, key: bytes | None, value: bytes, headers: Sequence[Header]
    ) -> None:
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.key = key
        self.value = value
        self.headers = headers


def is_topic(name: str) -> bool:
    """Whether a topic of Kafka may be called so."""
    return _TOPIC.fullmatch(name) is not None and name not in (".", "..")


def headers_of(packet: Publish, properties: Properties, node_id: int, now: float) -> list[Header]:
    """The headers of a message; ``now`` in seconds since 1970."""
    found: list[Header] = list(properties.user_properties)
    if properties.content_type is not None:
        found.append(("content_type", properties.content_type))
    if properties.response_topic is not None:
        found.append(("response_topic", properties.response_topic))
    if properties.correlation_data is not None:
        found.append(("correlation_data", properties.correlation_data))
    if properties.payload_format >= 0:
        found.append(("payload_format_indicator", str(properties.payload_format)))
    if packet.message_expiry >= 0:
        found.append(("message_expiry_interval", str(packet.message_expiry)))
    found += [
        ("from_node", str(node_id)),
        ("dup", "true" if packet.dup else "false"),
        ("retain", "true" if packet.retain else "false"),
        ("qos", str(packet.qos)),
        ("time", str(int(now * 1000))),
        ("topic", packet.topic),
    ]
    return found


class Meant:
    """What the headers of a record say of the message that it is to become; None where they say nothing."""

    __slots__ = ("expiry", "properties", "qos", "retain")

    def __init__(self, fetched: Fetched) -> None:
        last = {name: value for name, value in fetched.headers if value is not None}
        self.qos = _number(last.get("qos"), 2)
        self.retain = {b"true": True, b"false": False}.get(_raw(last.get("retain")))
        self.expiry = _number(last.get("message_expiry_interval"), MAX_SECONDS)
        properties = Properties()
        content_type, response_topic = last.get("content_type"), last.get("response_topic")
        properties.content_type = None if content_type is None else _text(content_type)
        properties.response_topic = None if response_topic is None else _text(response_topic)
        if properties.response_topic is not None and not _is_name(properties.response_topic):
            properties.response_topic = None
        correlation = last.get("correlation_data")
        properties.correlation_data = None if correlation is None else _raw(correlation)[:MAX_STRING]
        indicator = _number(last.get("payload_format_indicator"), 1)
        properties.payload_format = -1 if indicator is None else indicator
        spoken_for = set(_OURS)
        kept: list[tuple[str, str]] = []
        for name, value in reversed(fetched.headers):
            if name in spoken_for:
                spoken_for.discard(name)
            elif value is not None:
                kept.append((_text(name), _text(value)))
        kept.reverse()
        if fetched.key is not None:
            kept = [pair for pair in kept if pair[0] != KEY]
            kept.append((KEY, _text(fetched.key)))
        properties.user_properties = kept
        self.properties = properties


# What isn't told as a user property: it is something else of the message, or about the one that it was elsewhere.
_OURS: Final = frozenset(
    {
        "content_type",
        "response_topic",
        "correlation_data",
        "payload_format_indicator",
        "message_expiry_interval",
        "from_node",
        "dup",
        "retain",
        "qos",
        "time",
        "topic",
    }
)


def _is_name(topic: str) -> bool:
    return bool(topic) and "+" not in topic and "#" not in topic


def _raw(value: str | bytes | None) -> bytes:
    if value is None:
        return b""
    return value.encode() if isinstance(value, str) else value


def _text(value: str | bytes) -> str:
    """As a string of MQTT [MQTT-1.5.4-1, 1.5.4-2]: what is no UTF-8, or a null character, is U+FFFD."""
    text = value.decode(errors="replace") if isinstance(value, bytes) else value
    text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    while len(text.encode()) > MAX_STRING:
        text = text[: MAX_STRING // 4] if len(text) > MAX_STRING // 4 else text[:-1]
    return text


def _number(value: str | bytes | None, most: int) -> int | None:
    raw = _raw(value)
    if not raw.isdigit() or len(raw) > len(str(most)):
        return None
    number = int(raw)
    return number if number <= most else None


__all__ = ["Fetched", "Header", "Meant", "Record", "decode_block", "encode_block", "headers_of", "is_topic"]
