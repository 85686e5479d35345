"""TopicTrie: every topic filter with its subscribers, and which filters match a topic name.

Filters without a wildcard are keys of one dict: matching them is one look-up of the topic name. Filters with a
wildcard are in a trie of topic levels that is expanded only as far as filters differ: a leaf stands for a whole
filter, however many levels it has left, and is compared level by level when a topic gets there. So a filter that
shares no prefix costs one dict entry, and matching visits each branch at most once: never more than the filters
that have a prefix matching the topic, whatever the wildcards.

Nothing here recurses (a topic may have 65,536 levels) and everything is linear in the length of its input.
Topics starting with ``$`` live under a root of their own, so that no leading wildcard sees them [MQTT-4.7.2-1].
"""

from rmq.routing.dict_memory import shrunk
from rmq.routing.share_groups import ShareStrategy
from rmq.routing.subscribers import Subscribers
from rmq.session.subscription import Subscription


class Branch:
    """A prefix that several filters share, or that a filter ends at; each attribute is a leaf, a branch or None.

    ``here`` is the filter that ends with this prefix, ``multi`` the one that goes on with ``#``, ``plus`` what goes
    on with ``+``. A leaf is a Subscription (the only one of its filter) or Subscribers.
    """

    __slots__ = ("children", "here", "multi", "plus")

    def __init__(self) -> None:
        self.children: dict[str, Branch | Subscription | Subscribers] | None = None
        self.plus: Branch | Subscription | Subscribers | None = None
        self.here: Subscription | Subscribers | None = None
        self.multi: Subscription | Subscribers | None = None


class TopicTrie:
    """All subscriptions known here, by topic filter."""

    __slots__ = ("_deepest", "_dollar_root", "_exact", "_pending", "_root", "_strategy", "_wildcard_count")

    def __init__(self, strategy: ShareStrategy) -> None:
        self._strategy = strategy
        self._exact: dict[str, Subscription | Subscribers] = {}
        self._root: Branch = Branch()
        self._dollar_root: Branch = Branch()
        # While it is taken apart: the branches that are left.
        self._pending: list[Branch] | None = None
        self._wildcard_count: int = 0
        # No filter in the trie has more levels than this; levels of a topic beyond it needn't be told apart.
        self._deepest: int = 0

    @property
    def filter_count(self) -> int:
        return len(self._exact) + self._wildcard_count

    def add(self, subscription: Subscription) -> Subscription | None:
        """Puts a subscription in; returns the one it replaced (same filter, share name and client id), if any."""
        topic_filter = subscription.topic_filter
        if not has_wildcard(topic_filter):
            found = self._exact.get(topic_filter)
            if isinstance(found, Subscribers):
                return found.add(subscription, self._strategy)
            self._exact[topic_filter] = self._first_or_second(found, subscription)
            return self._replaced_alone(found, subscription)
        return self._add_wildcard(subscription)

    def remove(self, topic_filter: str, share_group: str, client_id: str) -> Subscription | None:
        """Takes a subscription out and frees what only it needed; returns it, None if there was none."""
        if not has_wildcard(topic_filter):
            found = self._exact.get(topic_filter)
            if found is None:
                return None
            gone, left = self._without(found, share_group, client_id)
            if left is None:
                del self._exact[topic_filter]
                self._exact = shrunk(self._exact)
            elif left is not found:
                self._exact[topic_filter] = left
            return gone
        return self._remove_wildcard(topic_filter, share_group, client_id)

    def take_apart(self, count: int) -> bool:
        """Let go of so many filters or branches, when nobody uses the trie any more; False when nothing is left.

        What is left is no trie: all at once it would take long to free.
        """
        exact = self._exact
        while count and exact:
            exact.popitem()
            count -= 1
        pending = self._pending
        if pending is None:
            pending = [self._root, self._dollar_root]
            self._pending = pending
        while count and pending:
            branch = pending[len(pending) - 1]
            children = branch.children
            item: Branch | Subscription | Subscribers | None = None
            if children:
                item = children.popitem()[1]
            else:
                pending.pop()
                item = branch.plus
            if isinstance(item, Branch):
                pending.append(item)
            count -= 1
        return bool(exact) or bool(pending)

    def find(self, topic_filter: str, share_group: str, client_id: str) -> Subscription | None:
        """The subscription with exactly this filter, share name and client id."""
        leaf: Subscription | Subscribers | None = None
        if not has_wildcard(topic_filter):
            leaf = self._exact.get(topic_filter)
        else:
            leaf = self._find_wildcard(topic_filter)
        if isinstance(leaf, Subscription):
            return leaf if not share_group and leaf.session.client_id == client_id else None
        return leaf.find(share_group, client_id) if leaf is not None else None

    def match(self, topic: str) -> list[Subscription | Subscribers]:
        """What each filter matching this topic name has, one element per filter."""
        matched: list[Subscription | Subscribers] = []
        exact = self._exact.get(topic)
        if exact is not None:
            matched.append(exact)
        if self._wildcard_count != 0:
            self._match_wildcards(topic, matched)
        return matched

    def filters(self, limit: int = 0) -> list[str]:
        """The distinct topic filters (share names left off), at most ``limit`` of them unless it is 0."""
        names: list[str] = []
        for topic_filter in self._exact:
            if limit != 0 and len(names) >= limit:
                return names
            names.append(topic_filter)
        pending: list[Branch | Subscription | Subscribers] = [self._root, self._dollar_root]
        while pending and (limit == 0 or len(names) < limit):
            item = pending.pop()
            if isinstance(item, Branch):
                if item.here is not None:
                    pending.append(item.here)
                if item.multi is not None:
                    pending.append(item.multi)
                if item.plus is not None:
                    pending.append(item.plus)
                if item.children is not None:
                    pending.extend(item.children.values())
            else:
                names.append(item.topic_filter)
        return names

    def _match_wildcards(self, topic: str, matched: list[Subscription | Subscribers]) -> None:
        levels = topic.split("/", self._deepest)
        count = len(levels)
        branches: list[Branch] = [self._dollar_root if topic.startswith("$") else self._root]
        for depth in range(count):
            level = levels[depth]
            deeper: list[Branch] = []
            for branch in branches:
                multi = branch.multi
                if multi is not None:
                    matched.append(multi)
                children = branch.children
                if children is not None:
                    child = children.get(level)
                    if child is not None:
                        if isinstance(child, Branch):
                            deeper.append(child)
                        elif _rest_matches(child, levels, depth + 1):
                            matched.append(child)
                plus = branch.plus
                if plus is not None:
                    if isinstance(plus, Branch):
                        deeper.append(plus)
                    elif _rest_matches(plus, levels, depth + 1):
                        matched.append(plus)
            if not deeper:
                return
            branches = deeper
        for branch in branches:
            here = branch.here
            if here is not None:
                matched.append(here)
            # "a/#" matches "a" too [MQTT-4.7.1-2]
            multi = branch.multi
            if multi is not None:
                matched.append(multi)

    def _add_wildcard(self, subscription: Subscription) -> Subscription | None:
        topic_filter = subscription.topic_filter
        levels = topic_filter.split("/")
        count = len(levels)
        branch = self._dollar_root if topic_filter.startswith("$") else self._root
        leaf_levels: list[str] = []
        depth = 0
        while True:
            level = "" if depth == count else levels[depth]
            found = _slot(branch, level, depth == count)
            if isinstance(found, Branch):
                branch = found
                depth += 1
                continue
            if found is None:
                _set_slot(branch, level, depth == count, self._first_or_second(None, subscription))
                self._wildcard_count += 1
                if count > self._deepest:
                    self._deepest = count
                return None
            leaf = found
            leaf_filter = leaf.topic_filter
            if leaf_filter == topic_filter:
                if isinstance(leaf, Subscribers):
                    return leaf.add(subscription, self._strategy)
                _set_slot(branch, level, depth == count, self._first_or_second(leaf, subscription))
                return self._replaced_alone(leaf, subscription)
            # Two filters meet in one leaf: a branch takes its place, the old one moves one level down. Split once
            # for all levels they share, and no further than the new filter goes (linear, however long they are).
            if not leaf_levels:
                leaf_levels = leaf_filter.split("/", count + 1)
            depth += 1
            branch_between = Branch()
            at_end = len(leaf_levels) == depth
            _set_slot(branch_between, "" if at_end else leaf_levels[depth], at_end, leaf)
            _set_slot(branch, level, False, branch_between)
            branch = branch_between

    def _find_wildcard(self, topic_filter: str) -> Subscription | Subscribers | None:
        levels = topic_filter.split("/", self._deepest)
        count = len(levels)
        branch = self._dollar_root if topic_filter.startswith("$") else self._root
        for depth in range(count + 1):
            found = _slot(branch, "" if depth == count else levels[depth], depth == count)
            if isinstance(found, Branch):
                branch = found
            elif found is not None and found.topic_filter == topic_filter:
                return found
            else:
                return None
        return None

    def _remove_wildcard(self, topic_filter: str, share_group: str, client_id: str) -> Subscription | None:
        levels = topic_filter.split("/", self._deepest)
        count = len(levels)
        branches: list[Branch] = [self._dollar_root if topic_filter.startswith("$") else self._root]
        for depth in range(count + 1):
            branch = branches[depth]
            level = "" if depth == count else levels[depth]
            found = _slot(branch, level, depth == count)
            if isinstance(found, Branch):
                branches.append(found)
                continue
            if found is None or found.topic_filter != topic_filter:
                return None
            gone, left = self._without(found, share_group, client_id)
            if left is None:
                self._wildcard_count -= 1
                if self._wildcard_count == 0:
                    self._deepest = 0
                _clear_slot(branch, level, depth == count)
                for above in range(depth - 1, -1, -1):
                    if not _is_empty(branches[above + 1]):
                        break
                    _clear_slot(branches[above], levels[above], False)
            elif left is not found:
                _set_slot(branch, level, depth == count, left)
            return gone
        return None

    def _first_or_second(
        self, leaf: Subscription | Subscribers | None, subscription: Subscription
    ) -> Subscription | Subscribers:
        """The leaf of a filter that had nothing or one plain subscription, with one more."""
        if not subscription.share_group and (leaf is None or self._replaced_alone(leaf, subscription) is not None):
            return subscription
        both = Subscribers(subscription.topic_filter)
        if isinstance(leaf, Subscription):
            both.add(leaf, self._strategy)
        both.add(subscription, self._strategy)
        return both

    def _replaced_alone(
        self, leaf: Subscription | Subscribers | None, subscription: Subscription
    ) -> Subscription | None:
        if not isinstance(leaf, Subscription) or subscription.share_group:
            return None
        return leaf if leaf.session.client_id == subscription.session.client_id else None

    def _without(
        self, leaf: Subscription | Subscribers, share_group: str, client_id: str
    ) -> tuple[Subscription | None, Subscription | Subscribers | None]:
        """What a leaf lost, and what is left of it."""
        if isinstance(leaf, Subscription):
            if share_group or leaf.session.client_id != client_id:
                return None, leaf
            return leaf, None
        gone = leaf.remove(share_group, client_id)
        if gone is None:
            return None, leaf
        if leaf.plain is None and leaf.groups is None:
            return gone, None
        only = leaf.only_plain()
        return gone, leaf if only is None else only


def has_wildcard(topic_filter: str) -> bool:
    return "#" in topic_filter or "+" in topic_filter


def _rest_matches(leaf: Subscription | Subscribers, levels: list[str], depth: int) -> bool:
    """Whether a leaf reached after ``depth`` levels of a topic matches the rest of it too."""
    count = len(levels)
    # One more than the topic has plus "#" is all that can match: a long filter isn't taken apart for a short topic.
    filter_levels = leaf.topic_filter.split("/", count + 1)
    filter_count = len(filter_levels)
    if filter_levels[filter_count - 1] == "#":
        filter_count -= 1
        if filter_count > count:
            return False
    elif filter_count != count:
        return False
    for i in range(depth, filter_count):
        filter_level = filter_levels[i]
        if filter_level != "+" and filter_level != levels[i]:
            return False
    return True


def _slot(branch: Branch, level: str, ends: bool) -> Branch | Subscription | Subscribers | None:
    """What a branch has for the next level of a filter, or for its end."""
    if ends:
        return branch.here
    if level == "+":
        return branch.plus
    if level == "#":
        return branch.multi
    children = branch.children
    return children.get(level) if children is not None else None


def _set_slot(branch: Branch, level: str, ends: bool, item: Branch | Subscription | Subscribers) -> None:
    if level == "+" and not ends:
        branch.plus = item
    elif not isinstance(item, Branch) and (ends or level == "#"):
        # A filter has nothing after its end or "#": there is never a branch in these two.
        if ends:
            branch.here = item
        else:
            branch.multi = item
    else:
        children = branch.children
        if children is None:
            children = {}
            branch.children = children
        children[level] = item


def _clear_slot(branch: Branch, level: str, ends: bool) -> None:
    if ends:
        branch.here = None
    elif level == "+":
        branch.plus = None
    elif level == "#":
        branch.multi = None
    else:
        children = branch.children
        if children is not None:
            del children[level]
            branch.children = shrunk(children) if children else None


def _is_empty(branch: Branch) -> bool:
    return branch.children is None and branch.plus is None and branch.here is None and branch.multi is None
