"""What was: the port through which the history of a node's stats and metrics is read, and who has none."""

from typing import Literal, Protocol

from rmq.management.models import HistoryView, NodeRef

HistoryKind = Literal["stats", "metrics"]


class History(Protocol):
    """Whoever keeps it; times in milliseconds since 1970."""

    async def read(self, kind: HistoryKind, start_ms: int, end_ms: int, limit: int, window_s: int) -> HistoryView:
        """The newest ``limit`` points of a time, newest first.

        ``window_s`` above 0: of each window of so many seconds only the newest point, with the window's beginning as
        its time. A negative one can't be asked for.
        """


class NoHistory:
    """A node that keeps none."""

    def __init__(self, node: NodeRef) -> None:
        self._node = node

    async def read(self, kind: HistoryKind, start_ms: int, end_ms: int, limit: int, window_s: int) -> HistoryView:
        """Nothing."""
        return HistoryView(self._node, (), ())
