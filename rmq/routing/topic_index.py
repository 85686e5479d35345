"""TopicIndex: a set of topic names, and those of them that match a topic filter, in bounded steps.

A trie of topic levels expanded only as far as names differ: a leaf is the whole name (a str). Names starting with
``$`` are under a root of their own, where no leading wildcard looks [MQTT-4.7.2-1]. Nothing recurses; adding,
removing and one step of a search are linear in what they are given.
"""

from typing import Final

from rmq.routing.dict_memory import shrunk

# A branch with more children than this keeps them in buckets, so that no single step copies or resizes more than
# a bucket's worth: with a million topics on one level a search would begin with a pause of 15 ms otherwise.
_WIDE: Final = 16384
_BUCKETS: Final = 256


class TopicBranch:
    """A prefix of several names, or of one that ends here (``topic``) and others that go on (its children)."""

    __slots__ = ("buckets", "children", "topic", "wide_count")

    def __init__(self) -> None:
        self.topic: str | None = None
        self.children: dict[str, TopicBranch | str] | None = None
        self.buckets: list[dict[str, TopicBranch | str]] | None = None
        self.wide_count: int = 0

    def child(self, level: str) -> "TopicBranch | str | None":
        children = self.children
        if children is not None:
            return children.get(level)
        buckets = self.buckets
        if buckets is not None:
            return buckets[hash(level) & (_BUCKETS - 1)].get(level)
        return None

    def add_child(self, level: str, item: "TopicBranch | str") -> None:
        """``level`` must not be there."""
        buckets = self.buckets
        if buckets is not None:
            buckets[hash(level) & (_BUCKETS - 1)][level] = item
            self.wide_count += 1
            return
        children = self.children
        if children is None:
            self.children = {level: item}
            return
        children[level] = item
        if len(children) > _WIDE:
            buckets = [{} for _ in range(_BUCKETS)]
            for key, value in children.items():
                buckets[hash(key) & (_BUCKETS - 1)][key] = value
            self.buckets = buckets
            self.wide_count = len(children)
            self.children = None

    def replace_child(self, level: str, item: "TopicBranch | str") -> None:
        """``level`` must be there."""
        children = self.children
        if children is not None:
            children[level] = item
        elif self.buckets is not None:
            self.buckets[hash(level) & (_BUCKETS - 1)][level] = item

    def drop_child(self, level: str) -> None:
        """``level`` must be there. Buckets stay until the last child goes: searches may be on their way in them."""
        children = self.children
        if children is not None:
            del children[level]
            self.children = shrunk(children) if children else None
            return
        buckets = self.buckets
        if buckets is not None:
            bucket = hash(level) & (_BUCKETS - 1)
            del buckets[bucket][level]
            buckets[bucket] = shrunk(buckets[bucket])
            self.wide_count -= 1
            if self.wide_count == 0:
                self.buckets = None

    def is_empty(self) -> bool:
        return self.topic is None and self.children is None and self.buckets is None


class TopicIndex:
    __slots__ = ("_dollar_root", "_pending", "_root")

    def __init__(self) -> None:
        self._root: TopicBranch = TopicBranch()
        self._dollar_root: TopicBranch = TopicBranch()
        # While it is taken apart: the branches that are left.
        self._pending: list[TopicBranch] | None = None

    @property
    def is_empty(self) -> bool:
        return self._root.is_empty() and self._dollar_root.is_empty()

    def add(self, topic: str) -> bool:
        """True if it wasn't there."""
        levels = topic.split("/")
        count = len(levels)
        branch = self._dollar_root if topic.startswith("$") else self._root
        leaf_levels: list[str] = []
        depth = 0
        while True:
            if depth == count:
                new = branch.topic is None
                branch.topic = topic
                return new
            level = levels[depth]
            child = branch.child(level)
            if child is None:
                branch.add_child(level, topic)
                return True
            depth += 1
            if isinstance(child, TopicBranch):
                branch = child
                continue
            if child == topic:
                return False
            # Two names meet in one leaf: a branch takes its place and the old one moves one level down. It is
            # split once for all the levels they share, and no further than the new name goes.
            if not leaf_levels:
                leaf_levels = child.split("/", count + 1)
            between = TopicBranch()
            if len(leaf_levels) == depth:
                between.topic = child
            else:
                between.add_child(leaf_levels[depth], child)
            branch.replace_child(level, between)
            branch = between

    def remove(self, topic: str) -> bool:
        """True if it was there. Branches that nothing needs any more go with it."""
        levels = topic.split("/")
        count = len(levels)
        branches: list[TopicBranch] = [self._dollar_root if topic.startswith("$") else self._root]
        for depth in range(count + 1):
            branch = branches[depth]
            if depth == count:
                if branch.topic is None:
                    return False
                branch.topic = None
            else:
                child = branch.child(levels[depth])
                if isinstance(child, TopicBranch):
                    branches.append(child)
                    continue
                if child is None or child != topic:
                    return False
                branch.drop_child(levels[depth])
            for above in range(depth - 1, -1, -1):
                if not branches[above + 1].is_empty():
                    break
                branches[above].drop_child(levels[above])
            return True
        return False

    def take_apart(self, count: int) -> bool:
        """Let go of so many names or branches, when nobody uses the index any more; False when nothing is left."""
        pending = self._pending
        if pending is None:
            pending = [self._root, self._dollar_root]
            self._pending = pending
        while count and pending:
            count -= 1
            branch = pending[len(pending) - 1]
            children = branch.children
            if not children:
                buckets = branch.buckets
                if buckets:
                    branch.children = buckets.pop()
                else:
                    pending.pop()
                continue
            item = children.popitem()[1]
            if isinstance(item, TopicBranch):
                pending.append(item)
        return bool(pending)

    def search(self, topic_filter: str) -> "TopicSearch":
        return TopicSearch(self._dollar_root if topic_filter.startswith("$") else self._root, topic_filter)


class _Frame:
    """Children of one branch still to be looked at, ``depth`` levels down; of a wide branch bucket by bucket."""

    __slots__ = ("buckets", "depth", "items", "next_bucket", "position")

    def __init__(self, items: list[TopicBranch | str], depth: int) -> None:
        self.items = items
        self.position: int = 0
        self.depth = depth
        self.buckets: list[dict[str, TopicBranch | str]] | None = None
        self.next_bucket: int = 0

    def refill(self) -> bool:
        """The next bucket's children; False if there is none."""
        buckets = self.buckets
        if buckets is None or self.next_bucket == len(buckets):
            return False
        self.items = list(buckets[self.next_bucket].values())
        self.position = 0
        self.next_bucket += 1
        return True


class TopicSearch:
    """A search for the names matching one filter that can be taken up again after any change to the index.

    Every name that was there from before the search until it is reached is found exactly once; one added
    meanwhile may or may not be found, one removed meanwhile may still be reported.
    """

    __slots__ = ("_frames", "_levels", "_multi_depth")

    def __init__(self, root: TopicBranch, topic_filter: str) -> None:
        self._levels: list[str] = topic_filter.split("/")
        last = len(self._levels) - 1
        # The depth from which everything matches; "a/#" matches "a" too [MQTT-4.7.1-2].
        self._multi_depth: int = last if self._levels[last] == "#" else -1
        self._frames: list[_Frame] = [_Frame([root], 0)]

    @property
    def done(self) -> bool:
        return not self._frames

    def step(self, limit: int) -> list[str]:
        """Further matching names; looks at no more than ``limit`` branches and names (so it may find none)."""
        found: list[str] = []
        frames = self._frames
        seen = 0
        while frames:
            frame = frames[len(frames) - 1]
            items = frame.items
            position = frame.position
            end = min(len(items), position + limit - seen)
            seen += end - position
            deeper = False
            while position < end and not deeper:
                item = items[position]
                position += 1
                if isinstance(item, str):
                    if self._leaf_matches(item, frame.depth):
                        found.append(item)
                else:
                    deeper = self._descend(item, frame.depth, found)
            seen -= end - position
            frame.position = position
            if position == len(items) and not frame.refill():
                # Its own frame goes before the ones below it, if it was the last item that led down.
                if deeper:
                    frames[len(frames) - 2] = frames[len(frames) - 1]
                frames.pop()
            if seen >= limit:
                break
        return found

    def _descend(self, branch: TopicBranch, depth: int, found: list[str]) -> bool:
        """Takes what ends at a branch and pushes what it has below; True if anything was pushed."""
        levels = self._levels
        multi = self._multi_depth
        if multi >= 0 and depth >= multi:
            if branch.topic is not None:
                found.append(branch.topic)
            return self._push_all(branch, multi)
        if depth == len(levels):
            if branch.topic is not None:
                found.append(branch.topic)
            return False
        level = levels[depth]
        if level == "+":
            return self._push_all(branch, depth + 1)
        child = branch.child(level)
        if child is None:
            return False
        self._frames.append(_Frame([child], depth + 1))
        return True

    def _push_all(self, branch: TopicBranch, depth: int) -> bool:
        children = branch.children
        if children is not None:
            self._frames.append(_Frame(list(children.values()), depth))
            return True
        if branch.buckets is not None:
            frame = _Frame([], depth)
            frame.buckets = branch.buckets
            self._frames.append(frame)
            return True
        return False

    def _leaf_matches(self, topic: str, depth: int) -> bool:
        levels = self._levels
        count = len(levels)
        multi = self._multi_depth
        if multi >= 0:
            if depth >= multi:
                return True
            topic_levels = topic.split("/", count)
            if len(topic_levels) < multi:
                return False
            count = multi
        else:
            topic_levels = topic.split("/", count)
            if len(topic_levels) != count:
                return False
        for i in range(depth, count):
            level = levels[i]
            if level != "+" and level != topic_levels[i]:
                return False
        return True
