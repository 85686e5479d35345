"""The index of rules: of ten thousand rules it names the few that may be about a client and a topic.

It may name too many and never too few: each of them is looked at then. Rules are named by their places in the order.
"""

from typing import Final

from rmq.plugin_api import ClientInfo
from rmq_plugins.acl.filters import has_placeholder

# Levels of filters that are looked at: what is alike so far stays together.
DEPTH: Final = 16


class Places:
    """Places of rules, apart by the user name or client id that a rule is about."""

    __slots__ = ("_of_client", "_of_user", "_rest")

    def __init__(self) -> None:
        self._rest: list[int] = []
        self._of_user: dict[str, list[int]] = {}
        self._of_client: dict[str, list[int]] = {}

    def add(self, place: int, user: str | None, client_id: str | None) -> None:
        """Enter a rule."""
        if client_id is not None:
            self._of_client.setdefault(client_id, []).append(place)
        elif user is not None:
            self._of_user.setdefault(user, []).append(place)
        else:
            self._rest.append(place)

    def collect(self, client: ClientInfo, found: set[int]) -> None:
        """Add those that may be about this client."""
        found.update(self._rest)
        if self._of_user and client.username is not None:
            found.update(self._of_user.get(client.username, ()))
        if self._of_client:
            found.update(self._of_client.get(client.client_id, ()))


class _Level:
    """Filters that are alike so far: ``ends`` end here, ``hashes`` go on with "#", ``any`` with any level."""

    __slots__ = ("any", "ends", "hashes", "next")

    def __init__(self) -> None:
        self.next: dict[str, _Level] = {}
        self.any: _Level | None = None
        self.ends: Places | None = None
        self.hashes: Places | None = None


class RuleIndex:
    """Rules by their topic filters; those without are about all topics."""

    def __init__(self) -> None:
        self._topicless = Places()
        self._root = _Level()

    def add(self, place: int, user: str | None, client_id: str | None, filters: list[str]) -> None:
        """Enter a rule with its filters, placeholders as they are written."""
        if not filters:
            self._topicless.add(place, user, client_id)
        for topic_filter in filters:
            level = self._root
            levels = topic_filter.split("/")
            for name in levels[:DEPTH]:
                if name == "#":
                    break
                # No value of a placeholder has a "/" in it, so one level stays one.
                if name == "+" or has_placeholder(name):
                    level.any = level.any or _Level()
                    level = level.any
                else:
                    level = level.next.setdefault(name, _Level())
            else:
                if len(levels) <= DEPTH:
                    level.ends = level.ends or Places()
                    level.ends.add(place, user, client_id)
                    continue
            level.hashes = level.hashes or Places()
            level.hashes.add(place, user, client_id)

    def places(self, client: ClientInfo, asked: str) -> list[int]:
        """The places of all rules that may be about this client and this topic name or filter, in order."""
        found: set[int] = set()
        self._topicless.collect(client, found)
        reached = [self._root]
        levels = asked.split("/")[: DEPTH + 1]
        for name in levels:
            further: list[_Level] = []
            for level in reached:
                if level.hashes is not None:
                    level.hashes.collect(client, found)
                if name == "#":
                    _collect_all(level, client, found)
                    continue
                if level.any is not None:
                    further.append(level.any)
                if name == "+":
                    further.extend(level.next.values())
                elif (below := level.next.get(name)) is not None:
                    further.append(below)
            reached = further
        for level in reached:
            if level.ends is not None:
                level.ends.collect(client, found)
            if level.hashes is not None:  # "a/#" is about "a" too
                level.hashes.collect(client, found)
        return sorted(found)


def _collect_all(top: _Level, client: ClientInfo, found: set[int]) -> None:
    waiting = [top]
    while waiting:
        level = waiting.pop()
        for places in (level.ends, level.hashes):
            if places is not None:
                places.collect(client, found)
        waiting.extend(level.next.values())
        if level.any is not None:
            waiting.append(level.any)
