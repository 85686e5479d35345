"""Rules as they are asked: the last one that fits says what a topic becomes; it is rewritten once.

A rule fits a topic name that its filter matches, and a topic filter that its filter covers: all topics that the one
matches, the other does. If it has a regular expression, that must be found in what the client wrote, too.
``$share/group/``, ``$exclusive/``, ``$limit/n/`` and ``$delayed/n/`` are no part of it, and stay in front.
"""

from collections.abc import Sequence
from typing import Final

from rmq.plugin_api import ClientInfo, filter_covers
from rmq_plugins.topic_rewrite.config import RuleConfig
from rmq_plugins.topic_rewrite.patterns import Pattern
from rmq_plugins.topic_rewrite.template import Template

# Topics of which it is remembered what became of them; then the memory starts afresh.
REMEMBERED: Final = 4096
# A prefix with how many levels it has.
_PREFIXES: Final = (("$share/", 2), ("$limit/", 2), ("$delayed/", 2), ("$exclusive/", 1))


class Rule:
    """A rule, ready to be asked."""

    __slots__ = ("_filter", "_pattern", "template")

    def __init__(self, config: RuleConfig) -> None:
        self._filter = config.source_topic_filter
        self._pattern = None if config.regex is None else Pattern(config.regex)
        self.template = Template(config.dest_topic)

    def captures(self, topic: str) -> tuple[str, ...] | None:
        """What it captures of a topic that it fits; None for any other."""
        if not filter_covers(self._filter, topic):
            return None
        return () if self._pattern is None else self._pattern.captures(topic)


class Rewriter:
    """The rules of one action."""

    def __init__(self, rules: Sequence[RuleConfig]) -> None:
        self._rules = [Rule(rule) for rule in reversed(rules)]
        self._of_client = any(rule.template.of_client for rule in self._rules)
        self._known: dict[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self._rules)

    def rewritten(self, client: ClientInfo, topic: str) -> str:
        """What a topic name or filter of this client becomes; itself where no rule fits."""
        if self._of_client:
            return self._find(client, topic)
        found = self._known.get(topic)
        if found is None:
            found = self._find(client, topic)
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[topic] = found
        return found

    def _find(self, client: ClientInfo, topic: str) -> str:
        prefix, rest = _split(topic)
        for rule in self._rules:
            captures = rule.captures(rest)
            if captures is not None:
                filled = rule.template.filled(captures, client)
                if filled is not None:
                    return prefix + filled
        return topic


def _split(topic: str) -> tuple[str, str]:
    if topic.startswith("$"):
        for prefix, levels in _PREFIXES:
            if topic.startswith(prefix):
                parts = topic.split("/", levels)
                if len(parts) > levels:
                    rest = parts[levels]
                    return topic[: len(topic) - len(rest)], rest
    return "", topic
