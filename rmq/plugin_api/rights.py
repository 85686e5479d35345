"""Rules that a login gives its client: the first one that fits decides; without one they have no opinion.

``topic`` is a topic filter; behind ``eq `` it is compared as text. ${clientid} and ${username} stand for the client's,
literally: where the value is empty, holds + # or /, or would begin a filter with $, the rule fits nothing. A
subscription is allowed by a filter that covers it whole, and denied by one that touches it.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from rmq.hooks.verdicts import ALLOW, DENY, UNDECIDED
from rmq.mqtt.topics import is_valid_topic_filter
from rmq.mqtt.topics import matches as topic_matches
from rmq.plugin_api.filters import filter_covers, filters_overlap, unshared
from rmq.session.client_info import ClientInfo

MAX_RULES: Final = 1000
_UNSAFE: Final = frozenset("+#/\0")
_ACTIONS: Final = {"publish": (True, False), "subscribe": (False, True), "all": (True, True), "pubsub": (True, True)}


class AccessRule:
    """One rule; ``qos`` and ``retain`` are None where it is about any."""

    __slots__ = ("allows", "literal", "publish", "qos", "retain", "subscribe", "topic")

    def __init__(
        self,
        allows: bool,
        action: str,
        topic: str,
        literal: bool,
        qos: frozenset[int] | None = None,
        retain: bool | None = None,
    ) -> None:
        self.allows = allows
        self.publish, self.subscribe = _ACTIONS[action]
        self.topic = topic
        self.literal = literal
        self.qos = qos
        self.retain = retain


def read_rules(listed: object, client: ClientInfo) -> tuple[AccessRule, ...]:
    """The rules of a list for this client. ``ValueError`` says what is wrong with the first that is none."""
    if not isinstance(listed, list):
        raise ValueError("acl isn't a list")
    if len(listed) > MAX_RULES:
        raise ValueError(f"more than {MAX_RULES} rules")
    rules = (_read(item, client) for item in listed)
    return tuple(rule for rule in rules if rule is not None)


def judge_publish(rules: Sequence[AccessRule], topic: str, qos: int, retain: bool) -> int:
    """What the rules say about a PUBLISH."""
    for rule in rules:
        if not rule.publish or (rule.qos is not None and qos not in rule.qos):
            continue
        if rule.retain is not None and rule.retain != retain:
            continue
        if rule.topic == topic if rule.literal else topic_matches(rule.topic, topic):
            return ALLOW if rule.allows else DENY
    return UNDECIDED


def judge_subscribe(rules: Sequence[AccessRule], topic_filter: str, qos: int) -> int:
    """What the rules say about one topic filter of a SUBSCRIBE."""
    asked = unshared(topic_filter)
    for rule in rules:
        if not rule.subscribe or (rule.qos is not None and qos not in rule.qos):
            continue
        if rule.literal:
            fits = rule.topic == asked
        else:
            fits = filter_covers(rule.topic, asked) if rule.allows else filters_overlap(rule.topic, asked)
        if fits:
            return ALLOW if rule.allows else DENY
    return UNDECIDED


def _read(item: object, client: ClientInfo) -> AccessRule | None:
    """None for a rule that fits nothing of this client."""
    if not isinstance(item, Mapping):
        raise ValueError("a rule isn't an object")
    permission = item.get("permission")
    action = item.get("action", "all")
    topic = item.get("topic")
    if permission not in ("allow", "deny"):
        raise ValueError('permission must be "allow" or "deny"')
    if not isinstance(action, str) or action not in _ACTIONS:
        raise ValueError('action must be "publish", "subscribe", "pubsub" or "all"')
    if not isinstance(topic, str):
        raise ValueError("a rule needs a topic")
    literal = topic.startswith("eq ")
    text = _for_client(topic.removeprefix("eq "), client)
    if text is None:
        return None
    if not is_valid_topic_filter(text):
        raise ValueError("the topic of a rule isn't a topic filter")
    return AccessRule(permission == "allow", action, text, literal, _qos(item.get("qos")), _retain(item.get("retain")))


def _for_client(text: str, client: ClientInfo) -> str | None:
    parts: list[str] = []
    rest = text
    while rest:
        before, found, after = rest.partition("${")
        parts.append(before)
        if not found:
            break
        name, closed, rest = after.partition("}")
        if not closed or name not in ("clientid", "username"):
            raise ValueError("placeholders in a topic are ${clientid} and ${username}")
        value = client.client_id if name == "clientid" else client.username
        if not value or not _UNSAFE.isdisjoint(value) or (value.startswith("$") and not any(parts)):
            return None
        parts.append(value)
    return "".join(parts)


def _qos(value: object) -> frozenset[int] | None:
    if value is None:
        return None
    listed = value if isinstance(value, list) else [value]
    if not listed or not all(type(qos) is int and qos in (0, 1, 2) for qos in listed):
        raise ValueError("qos must be 0, 1, 2 or a list of them")
    return frozenset(listed)


def _retain(value: object) -> bool | None:
    if value is None or value == "all":
        return None
    if isinstance(value, bool):
        return value
    raise ValueError('retain must be true, false or "all"')
