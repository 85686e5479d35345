"""Topic names and topic filters: what is valid, shared and limited subscriptions, and the reference matcher."""

from typing import Final

from rmq.mqtt.codes import TOPIC_FILTER_INVALID
from rmq.mqtt.errors import MqttError

# The largest n of `$limit/n/filter` has so many digits.
_LIMIT_DIGITS: Final = 9


def is_valid_topic_name(topic: str) -> bool:
    """Whether a message may be published to ``topic`` [MQTT-3.3.2-2], [MQTT-4.7.3-1], [MQTT-4.7.3-2]."""
    return topic != "" and "+" not in topic and "#" not in topic and _is_mqtt_string(topic)


def is_valid_topic_filter(topic_filter: str) -> bool:
    """Whether ``topic_filter`` may stand in a SUBSCRIBE; a ``$share/`` one is judged as a whole."""
    if topic_filter == "" or not _is_mqtt_string(topic_filter):
        return False
    if topic_filter.startswith("$share/"):
        try:
            topic_filter = split_shared(topic_filter)[1]
        except MqttError:
            return False
    if "+" not in topic_filter and "#" not in topic_filter:
        return True
    levels = topic_filter.split("/")
    last = len(levels) - 1
    for index, level in enumerate(levels):
        # '#' stands alone and last [MQTT-4.7.1-1], '+' stands alone [MQTT-4.7.1-2].
        if "#" in level and (level != "#" or index != last):
            return False
        if "+" in level and level != "+":
            return False
    return True


def split_shared(topic_filter: str) -> tuple[str, str]:
    """``(group, filter)`` of ``$share/group/filter``, ``("", filter)`` of a plain one.

    A share name is at least one character, without '/', '+' and '#' [MQTT-4.8.2-1], and '/' and a topic filter
    follow it [MQTT-4.8.2-2]; anything else raises MqttError(TOPIC_FILTER_INVALID).
    """
    if not topic_filter.startswith("$share/"):
        return "", topic_filter
    slash = topic_filter.find("/", 7)
    if slash < 0 or slash + 1 == len(topic_filter):
        raise MqttError(TOPIC_FILTER_INVALID, "no topic filter after the share name [MQTT-4.8.2-2]")
    group = topic_filter[7:slash]
    if group == "" or "+" in group or "#" in group:
        raise MqttError(TOPIC_FILTER_INVALID, "not a share name [MQTT-4.8.2-1]")
    return group, topic_filter[slash + 1 :]


def split_limited(topic_filter: str) -> tuple[int, str]:
    """``(1, filter)`` of ``$exclusive/filter``, ``(n, filter)`` of ``$limit/n/filter``, ``(0, filter)`` of a plain one.

    n is a decimal number from 1 on. Anything else after such a prefix raises MqttError(TOPIC_FILTER_INVALID), and so
    does a filter with another prefix behind it: a subscription is limited or shared, never both.
    """
    if topic_filter.startswith("$exclusive/"):
        limit, rest = 1, topic_filter[11:]
    elif topic_filter.startswith("$limit/"):
        slash = topic_filter.find("/", 7)
        digits = topic_filter[7:slash] if slash > 0 else ""
        limit = int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= _LIMIT_DIGITS else 0
        if limit == 0:
            raise MqttError(TOPIC_FILTER_INVALID, "no number of subscribers after $limit/")
        rest = topic_filter[slash + 1 :]
    else:
        return 0, topic_filter
    if rest == "":
        raise MqttError(TOPIC_FILTER_INVALID, "no topic filter after the limit")
    if rest.startswith("$share/") or is_limited(rest):
        raise MqttError(TOPIC_FILTER_INVALID, "a limited subscription has no second prefix")
    return limit, rest


def is_limited(topic_filter: str) -> bool:
    """Whether it has the prefix of a limited subscription."""
    return topic_filter.startswith("$exclusive/") or topic_filter.startswith("$limit/")  # noqa: PIE810 -- a tuple costs more


def split_filter(topic_filter: str) -> tuple[str, int, str]:
    """``(share group, limit, filter)`` of any topic filter as written; "" and 0 where it isn't shared or limited.

    Raises MqttError(TOPIC_FILTER_INVALID) as ``split_shared`` and ``split_limited`` do.
    """
    group, rest = split_shared(topic_filter)
    if group:
        if is_limited(rest):
            raise MqttError(TOPIC_FILTER_INVALID, "a shared subscription has no second prefix")
        return group, 0, rest
    limit, rest = split_limited(rest)
    return "", limit, rest


def is_system_topic(topic: str) -> bool:
    """Whether a topic name is the broker's own: ``$SYS`` and all below it."""
    return topic.startswith("$SYS/") or topic == "$SYS"


def matches(topic_filter: str, topic: str) -> bool:
    """Whether a plain ``topic_filter`` matches ``topic``: the reference that the tries are tested against."""
    names = topic.split("/")
    levels = topic_filter.split("/")
    if topic.startswith("$") and (levels[0] == "+" or levels[0] == "#"):
        return False  # [MQTT-4.7.2-1]
    for index, level in enumerate(levels):
        if level == "#":
            return True  # '#' includes its parent level: "a/#" matches "a" [MQTT 5.0, 4.7.1.2]
        if index >= len(names) or (level != "+" and level != names[index]):
            return False
        if index + 2 == len(levels) and levels[index + 1] == "#" and index + 1 == len(names):
            return True
    return len(levels) == len(names)


def level_count(topic: str) -> int:
    """How many levels a topic name or filter has."""
    return topic.count("/") + 1


def has_wildcard(topic_filter: str) -> bool:
    """Whether ``topic_filter`` holds a wildcard (of a valid filter: whether it can match more than one topic)."""
    return "+" in topic_filter or "#" in topic_filter


def _is_mqtt_string(text: str) -> bool:
    if "\0" in text:
        return False
    if text.isascii():
        return len(text) <= 65_535
    try:
        return len(text.encode("utf-8")) <= 65_535
    except UnicodeEncodeError:
        return False
