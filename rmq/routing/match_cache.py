"""The match cache: Targets by topic name, bounded, and exact about what a change of a filter makes stale."""

from typing import Final

from rmq.routing.targets import Targets
from rmq.routing.topic_index import TopicIndex
from rmq.routing.topic_trie import has_wildcard

# Longer names aren't cached: 8,192 names of 64 KB would be half a gigabyte.
_LONGEST_TOPIC: Final = 512
# A filter that has to look at more cached names than this to find the stale ones empties the cache instead.
_SEARCH_STEPS: Final = 256


class MatchCache:
    """Two generations of at most half of ``size`` topics each: a full young one becomes the old one, and what is
    used in the old one moves back. So keeping what is in use costs nothing on a hit, and dropping the rest nothing
    per entry. A topic gets in the second time it is missed, so a stream of names seen once can't push others out.

    Each generation indexes its names: a wildcard filter drops just the names it matches, which keeps the cache
    useful while thousands of clients a second subscribe to filters of their own.
    """

    __slots__ = ("_half", "_missed", "_old", "_old_index", "_young_count", "_young_index", "size", "young")

    def __init__(self, size: int) -> None:
        self.size = size
        self._half: int = size // 2
        # Names missed once lately.
        self._missed: set[str] = set()
        # Read directly by the router: the hit path.
        self.young: dict[str, Targets] = {}
        self._old: dict[str, Targets] = {}
        self._young_index: TopicIndex = TopicIndex()
        self._old_index: TopicIndex = TopicIndex()
        # Distinct names put in since the generation began, also those dropped again: bounds the index too.
        self._young_count: int = 0

    def __len__(self) -> int:
        return len(self.young) + len(self._old)

    def get_old(self, topic: str) -> Targets | None:
        """Looks where a name missed in ``young`` may still be."""
        targets = self._old.pop(topic, None)
        if targets is not None:
            self._put(topic, targets)
        return targets

    def offer(self, topic: str, targets: Targets) -> None:
        """Takes the targets just matched for a name, if it is worth keeping them."""
        if len(topic) > _LONGEST_TOPIC or self._half == 0:
            return
        missed = self._missed
        if topic in missed:
            self._put(topic, targets)
            return
        if len(missed) >= self._half:
            missed.clear()
        missed.add(topic)

    def filter_changed(self, topic_filter: str) -> None:
        """Forgets every name this filter matches."""
        if not has_wildcard(topic_filter):
            if self.young.pop(topic_filter, None) is None:
                self._old.pop(topic_filter, None)
            return
        if self.young and not _drop_matching(self.young, self._young_index, topic_filter):
            self.clear()
        elif self._old and not _drop_matching(self._old, self._old_index, topic_filter):
            self._old = {}
            self._old_index = TopicIndex()

    def clear(self) -> None:
        self.young = {}
        self._old = {}
        self._young_index = TopicIndex()
        self._old_index = TopicIndex()
        self._young_count = 0

    def _put(self, topic: str, targets: Targets) -> None:
        if self._young_count >= self._half:
            self._old = self.young
            self._old_index = self._young_index
            self.young = {}
            self._young_index = TopicIndex()
            self._young_count = 0
        self.young[topic] = targets
        if self._young_index.add(topic):
            self._young_count += 1


def _drop_matching(cached: dict[str, Targets], index: TopicIndex, topic_filter: str) -> bool:
    """False if finding the matching names would take too long."""
    search = index.search(topic_filter)
    for topic in search.step(_SEARCH_STEPS):
        cached.pop(topic, None)
    return search.done
