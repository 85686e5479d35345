"""Which messages there are of each topic: a tree of topic levels, with the ids of the messages at its leaves."""

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from typing import Final

_PLUS: Final = "+"
_HASH: Final = "#"


class TopicNode:
    """One topic level; ``ids`` are in order. ``gone``: it isn't in the tree any more."""

    __slots__ = ("children", "gone", "ids", "level", "parent")

    def __init__(self, parent: "TopicNode | None", level: str) -> None:
        self.parent = parent
        self.level = level
        self.children: dict[str, TopicNode] = {}
        self.ids = array("Q")
        self.gone = False

    def after(self, id_: int, last: int) -> "array[int]":
        """The ids behind one, up to another."""
        ids = self.ids
        return ids[bisect_right(ids, id_) : bisect_right(ids, last)]

    def forget_until(self, id_: int) -> None:
        """Forget ids up to one, and this topic if nothing is left of it."""
        del self.ids[: bisect_right(self.ids, id_)]
        self._leave()

    def forget(self, gone: set[int]) -> None:
        """Forget these ids, wherever they stand."""
        self.ids = array("Q", [id_ for id_ in self.ids if id_ not in gone])
        self._leave()

    def _leave(self) -> None:
        node = self
        while not node.ids and not node.children and node.parent is not None:
            node.parent.children.pop(node.level, None)
            node.gone = True
            node = node.parent


class TopicTree:
    """All topics with messages."""

    def __init__(self) -> None:
        self._root = TopicNode(None, "")

    def node(self, topic: str) -> TopicNode:
        """The place of a topic; made if need be."""
        node = self._root
        for level in topic.split("/"):
            child = node.children.get(level)
            if child is None:
                child = node.children[level] = TopicNode(node, level)
            node = child
        return node

    def find(self, topic_filter: str) -> Iterator[TopicNode | None]:
        """The topics with messages that a filter matches; None now and then, where somebody else may have a turn."""
        levels = topic_filter.split("/")
        waiting: list[tuple[TopicNode, int]] = [(self._root, 0)]
        steps = 0
        while waiting:
            steps += 1
            if steps % 256 == 0:
                yield None
            node, depth = waiting.pop()
            if depth == len(levels):
                if node.ids:
                    yield node
                continue
            level = levels[depth]
            # Wildcards at the beginning match no topic that begins with $ [MQTT-4.7.2-1].
            if level == _HASH:
                if node.ids:
                    yield node
                waiting += [(child, depth) for child in _visible(node, depth)]
            elif level == _PLUS:
                waiting += [(child, depth + 1) for child in _visible(node, depth)]
            else:
                found = node.children.get(level)
                if found is not None:
                    waiting.append((found, depth + 1))


def _visible(node: TopicNode, depth: int) -> list[TopicNode]:
    if depth or node.parent is not None:
        return list(node.children.values())
    return [child for level, child in node.children.items() if not level.startswith("$")]
