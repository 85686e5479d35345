"""Topic filters of access rules against what clients ask for: what covers what, and what overlaps what.

All of it judges sets of topic names. A filter that begins with a wildcard matches no topic that begins with ``$``
[MQTT-4.7.2-1], and ``a/#`` matches ``a`` too [MQTT 5.0, 4.7.1.2].
"""

from rmq.mqtt.errors import MqttError
from rmq.mqtt.topics import split_shared


def unshared(topic_filter: str) -> str:
    """The filter that ``$share/group/filter`` matches with; a plain filter, or a broken one, as it is."""
    try:
        return split_shared(topic_filter)[1]
    except MqttError:
        return topic_filter  # the engine refuses it, whatever the rules say


def filter_covers(rule_filter: str, asked: str) -> bool:
    """Whether ``rule_filter`` matches every topic that ``asked`` matches."""
    rule, wanted = rule_filter.split("/"), asked.split("/")
    if rule[0] in ("+", "#") and asked.startswith("$"):
        return False
    for index, level in enumerate(rule):
        if level == "#":
            return True
        if index == len(wanted):
            return False
        if wanted[index] == "#":
            # "#" is every topic, and so is "+/#"; deeper down "a/#" matches "a", which "a/+/#" doesn't.
            return index == 0 and rule == ["+", "#"]
        if level not in ("+", wanted[index]):
            return False
    return len(rule) == len(wanted)


def filters_overlap(rule_filter: str, asked: str) -> bool:
    """Whether there is a topic that both filters match."""
    rule, wanted = rule_filter.split("/"), asked.split("/")
    if rule_filter.startswith("$") and wanted[0] in ("+", "#"):
        return False
    if asked.startswith("$") and rule[0] in ("+", "#"):
        return False
    for ours, theirs in zip(rule, wanted, strict=False):
        if ours == "#" or theirs == "#":
            return True
        if ours != theirs and "+" not in (ours, theirs):
            return False
    shorter = min(len(rule), len(wanted))
    return rule[shorter:] in ([], ["#"]) and wanted[shorter:] in ([], ["#"])
