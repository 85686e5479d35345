"""What other rules change: rules that come and go, and subscriptions that are allowed no more."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from rmq.plugin_api import ClientInfo
from rmq_plugins.acl.config import RuleConfig
from rmq_plugins.acl.rules import RuleBook

# So many rules, and subscriptions, are told by name; all of them are counted.
MOST: Final = 100
MASK: Final = "********"

Passwords = Callable[[ClientInfo], int]


class AllowedNoMore:
    """Says which subscriptions the rules of before allowed and those of now don't.

    What was never allowed stays: administrators and plugins may subscribe clients past the rules. ``passwords`` is what
    clients had shown before, as the old book says it; ``now`` is the book that counts, and what they have shown by it.
    """

    def __init__(
        self,
        before: RuleBook,
        passwords: Mapping[ClientInfo, int],
        now: Callable[[], RuleBook],
        passwords_now: Passwords,
    ) -> None:
        self._before = before
        self._passwords = passwords
        self._now = now
        self._passwords_now = passwords_now

    def __call__(self, client: ClientInfo, topic_filter: str, qos: int) -> bool:
        now = self._now()
        shown = self._passwords_now(client)
        if now.may_subscribe(client, topic_filter, shown):
            return False
        shown_before = self._passwords.get(client)
        if shown_before is None:
            shown_before = self._before.carried_over(now, shown)
        return self._before.may_subscribe(client, topic_filter, shown_before)


def rule_changes(before: Sequence[RuleConfig], now: Sequence[RuleConfig]) -> dict[str, object]:
    """The rules that come and go, by their places, and whether those that stay come in another order."""
    old, new = [written(rule) for rule in before], [written(rule) for rule in now]
    removed, added = _beyond(old, Counter(new)), _beyond(new, Counter(old))
    gone, come = set(removed), set(added)
    stay_old = [text for place, text in enumerate(old) if place not in gone]
    stay_new = [text for place, text in enumerate(new) if place not in come]
    return {
        "rules_before": len(old),
        "rules_after": len(new),
        "rules_added": len(added),
        "rules_removed": len(removed),
        "rules_reordered": stay_old != stay_new,
        "added": [shown(place, now[place]) for place in added[:MOST]],
        "removed": [shown(place, before[place]) for place in removed[:MOST]],
    }


def shown(place: int, rule: RuleConfig) -> dict[str, object]:
    """A rule as it is told of: its place in the order, from 0, and how it is written, but for its password."""
    listed: Any = rule.model_dump(mode="json")  # a list, by the serializer of rules
    who = listed[1]
    if isinstance(who, dict) and "password" in who:
        listed[1] = who | {"password": MASK}
    return {"index": place, "rule": listed}


def written(rule: RuleConfig) -> str:
    """A rule as a text that is the same for the same rule."""
    return json.dumps(rule.model_dump(mode="json"), sort_keys=True)


def _beyond(texts: Sequence[str], others: Counter[str]) -> list[int]:
    """The places of those that the others don't have."""
    places: list[int] = []
    for place, text in enumerate(texts):
        if others[text]:
            others[text] -= 1
        else:
            places.append(place)
    return places
