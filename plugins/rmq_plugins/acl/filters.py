"""Topic filters of rules against what clients ask for: what covers what, what overlaps what, and placeholders.

All of it judges sets of topic names. A filter that begins with a wildcard matches no topic that begins with ``$``
[MQTT-4.7.2-1], and ``a/#`` matches ``a`` too [MQTT 5.0, 4.7.1.2].
"""

import re
from typing import Final

from rmq.plugin_api import ClientInfo, MqttError, split_shared

_PLACEHOLDER: Final = re.compile("%[cu]")
# A value that holds one of these would stand for more, or for other levels, than itself.
_UNSAFE: Final = frozenset("+#/\0")


def unshared(topic_filter: str) -> str:
    """The filter that ``$share/group/filter`` matches with; a plain filter, or a broken one, as it is."""
    try:
        return split_shared(topic_filter)[1]
    except MqttError:
        return topic_filter  # the engine refuses it, whatever the rules say


def has_placeholder(text: str) -> bool:
    """Whether ``text`` depends on the client."""
    return _PLACEHOLDER.search(text) is not None


def substituted(text: str, client: ClientInfo) -> str | None:
    """``text`` with %c and %u replaced for this client; None where that can't stand for exactly this client.

    The replacement is done in one pass: a user name of ``%c`` stays what it is. A value that begins with ``$`` must not
    begin a filter, or a client that calls itself ``$SYS`` would get the broker's own topics.
    """
    values: dict[str, str] = {}
    for placeholder in _PLACEHOLDER.findall(text):
        value = client.client_id if placeholder == "%c" else client.username
        if not value or not _UNSAFE.isdisjoint(value) or (value.startswith("$") and text.startswith(placeholder)):
            return None
        values[placeholder] = value
    return _PLACEHOLDER.sub(lambda found: values[found[0]], text)


def covers(rule_filter: str, asked: str) -> bool:
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


def overlaps(rule_filter: str, asked: str) -> bool:
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
