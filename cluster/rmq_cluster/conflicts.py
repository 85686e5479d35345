"""Nodes that can't be linked with because somebody has to decide: kept for a while as sentences, for the alarms."""

from collections.abc import Callable
from typing import Final

# Who is refused dials again within a second; what nobody has tried for so long is over.
KEPT_S: Final = 10.0
MAX_KEPT: Final = 64

TWICE: Final = "twice"
REFUSED: Final = "refused"
REFUSED_BY: Final = "refused by"


class Conflicts:
    """One sentence for each kind of conflict with each node. ``clock`` is in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seen: dict[tuple[int, str], tuple[float, str]] = {}

    def doubled(self, node_id: int, reason: str) -> None:
        """Two processes have the id of a node."""
        self._note(node_id, TWICE, f"Two processes have the node id {node_id}, one is refused: {reason}.")

    def refused(self, node_id: int, reason: str) -> None:
        """A node of another history than this one's wants to be linked."""
        self._note(node_id, REFUSED, f"Node {node_id} is refused: {reason}.")

    def refused_by(self, node_id: int, reason: str) -> None:
        """A node refuses this one."""
        self._note(node_id, REFUSED_BY, f"Node {node_id} refuses this node: {reason}.")

    def linked(self, node_id: int) -> None:
        """There is a link: what was in its way isn't any more."""
        self._seen.pop((node_id, REFUSED), None)
        self._seen.pop((node_id, REFUSED_BY), None)

    def _note(self, node_id: int, kind: str, sentence: str) -> None:
        key = (node_id, kind)
        if key in self._seen or len(self._seen) < MAX_KEPT:
            self._seen[key] = (self._clock(), sentence)

    def sentences(self) -> tuple[str, ...]:
        """Those that hold, by node."""
        now = self._clock()
        self._seen = {key: seen for key, seen in self._seen.items() if now - seen[0] < KEPT_S}
        return tuple(sentence for _, (_, sentence) in sorted(self._seen.items()))
