"""TopicIndex: a set of topic names, and those of them that match a topic filter, in bounded steps.

A trie of topic levels expanded only as far as names differ: a leaf is the whole name (a str). Names starting with
``$`` are under a root of their own, where no leading wildcard looks [MQTT-4.7.2-1]. Nothing recurses; adding,
removing and one step of a search are linear in what they are given.
"""

from rmq.routing.dict_memory import shrunk


class TopicBranch:
    """A prefix of several names, or of one that ends here (``topic``) and others that go on (``children``)."""

    __slots__ = ("children", "topic")

    def __init__(self) -> None:
        self.children: dict[str, TopicBranch | str] | None = None
        self.topic: str | None = None


class TopicIndex:
    __slots__ = ("_dollar_root", "_root")

    def __init__(self) -> None:
        self._root: TopicBranch = TopicBranch()
        self._dollar_root: TopicBranch = TopicBranch()

    def add(self, topic: str) -> bool:
        """True if it wasn't there."""
        levels = topic.split("/")
        count = len(levels)
        branch = self._dollar_root if topic.startswith("$") else self._root
        split_leaf = ""
        leaf_levels: list[str] = []
        depth = 0
        while True:
            if depth == count:
                new = branch.topic is None
                branch.topic = topic
                return new
            children = branch.children
            if children is None:
                children = {}
                branch.children = children
            level = levels[depth]
            child = children.get(level)
            if child is None:
                children[level] = topic
                return True
            depth += 1
            if isinstance(child, TopicBranch):
                branch = child
                continue
            if child == topic:
                return False
            # Two names meet in one leaf: a branch takes its place and the old one moves one level down. It is
            # split once for all the levels they share, and no further than the new name goes.
            if split_leaf != child:
                leaf_levels = child.split("/", count + 1)
                split_leaf = child
            branch = TopicBranch()
            children[level] = branch
            if len(leaf_levels) == depth:
                branch.topic = child
            else:
                branch.children = {leaf_levels[depth]: child}

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
                children = branch.children
                child = children.get(levels[depth]) if children is not None else None
                if isinstance(child, TopicBranch):
                    branches.append(child)
                    continue
                if children is None or child is None or child != topic:
                    return False
                del children[levels[depth]]
                branch.children = shrunk(children) if children else None
            for above in range(depth - 1, -1, -1):
                below = branches[above + 1]
                if below.children is not None or below.topic is not None:
                    break
                parent = branches[above].children
                if parent is not None:
                    del parent[levels[above]]
                    branches[above].children = shrunk(parent) if parent else None
            return True
        return False

    def search(self, topic_filter: str) -> "TopicSearch":
        return TopicSearch(self._dollar_root if topic_filter.startswith("$") else self._root, topic_filter)


class _Frame:
    """Children of one branch still to be looked at, ``depth`` levels down."""

    __slots__ = ("depth", "items", "position")

    def __init__(self, items: list[TopicBranch | str], depth: int) -> None:
        self.items = items
        self.position: int = 0
        self.depth = depth


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
            if position == len(items):
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
        children = branch.children
        child = children.get(level) if children is not None else None
        if child is None:
            return False
        self._frames.append(_Frame([child], depth + 1))
        return True

    def _push_all(self, branch: TopicBranch, depth: int) -> bool:
        children = branch.children
        if children is None:
            return False
        self._frames.append(_Frame(list(children.values()), depth))
        return True

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
