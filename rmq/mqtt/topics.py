"""Topic names and topic filters: what is valid, shared subscriptions, and the reference matcher."""

from rmq.mqtt.codes import TOPIC_FILTER_INVALID
from rmq.mqtt.errors import MqttError


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
