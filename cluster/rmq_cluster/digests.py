"""Digests of the state, compared between nodes: a difference means that replicas have come apart."""

from collections import OrderedDict
from typing import Final

import structlog

log = structlog.get_logger(__name__)

# Nodes are at different points: so many digests are kept for those behind.
KEPT: Final = 16


class Digests:
    """``different`` has the nodes whose state was found to be another one, with the index where that was seen."""

    def __init__(self) -> None:
        self._own: OrderedDict[int, bytes] = OrderedDict()
        self._others: dict[int, tuple[int, bytes]] = {}
        self.different: dict[int, int] = {}
        self.compared = 0

    def note(self, index: int, digest: bytes) -> None:
        """This node's own digest at an index."""
        if index in self._own:
            return
        self._own[index] = digest
        if len(self._own) > KEPT:
            self._own.popitem(last=False)
        for node_id, (their_index, theirs) in list(self._others.items()):
            if their_index == index:
                self._judge(node_id, index, theirs)

    def compare(self, node_id: int, index: int, digest: bytes) -> None:
        """That of another node."""
        if self._others.get(node_id) == (index, digest):
            return
        self._others[node_id] = (index, digest)
        self._judge(node_id, index, digest)

    def _judge(self, node_id: int, index: int, theirs: bytes) -> None:
        own = self._own.get(index)
        if own is None:
            return
        self.compared += 1
        if own != theirs and node_id not in self.different:
            self.different[node_id] = index
            log.error("ALARM: the states of two nodes differ: rebuild one of them", node=node_id, index=index)
