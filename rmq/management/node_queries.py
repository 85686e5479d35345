"""What is asked about nodes, one or each: what they are, how they are, their figures; and how they are asked."""

from typing import TypeVar

from rmq.management.aggregate import sum_metrics, sum_stats
from rmq.management.local import LocalNode
from rmq.management.models import (
    BrokerInfo,
    FeaturesView,
    Gathered,
    HealthView,
    HistoryView,
    Metrics,
    NodeFigures,
    NodeInfo,
    Stats,
    SystemFigures,
)
from rmq.management.peers import (
    AskBroker,
    AskFeatures,
    AskFigures,
    AskHealth,
    AskHistory,
    AskMetrics,
    AskNode,
    AskStats,
    AskSystem,
    PeerQueries,
    Question,
)

T = TypeVar("T")


class NodeQueries:
    """Questions that every node answers for itself: ``local`` for this one, ``peers`` for all others."""

    def __init__(self, local: LocalNode, peers: PeerQueries) -> None:
        self.local = local
        self._peers = peers

    async def brokers(self) -> Gathered[BrokerInfo]:
        """What the nodes are."""
        return await self._ask_all(AskBroker())

    async def broker(self, node_id: int) -> BrokerInfo:
        """What one node is."""
        return await self._ask(node_id, AskBroker())

    async def nodes(self) -> Gathered[NodeInfo]:
        """How the nodes and their machines are."""
        return await self._ask_all(AskNode())

    async def node(self, node_id: int) -> NodeInfo:
        """How one node and its machine are."""
        return await self._ask(node_id, AskNode())

    async def stats(self) -> Gathered[Stats]:
        """The gauges of each node."""
        return await self._ask_all(AskStats())

    async def stats_of(self, node_id: int) -> Stats:
        """The gauges of one node."""
        return await self._ask(node_id, AskStats())

    async def stats_sum(self) -> Stats:
        """The gauges of all nodes as one."""
        return sum_stats(await self._ask_all(AskStats()))

    async def metrics(self) -> Gathered[Metrics]:
        """The counters of each node since its start."""
        return await self._ask_all(AskMetrics())

    async def metrics_of(self, node_id: int) -> Metrics:
        """The counters of one node."""
        return await self._ask(node_id, AskMetrics())

    async def metrics_sum(self) -> Metrics:
        """The counters of all nodes, added up."""
        return sum_metrics(await self._ask_all(AskMetrics()))

    async def health(self) -> Gathered[HealthView]:
        """Whether each node can serve."""
        return await self._ask_all(AskHealth())

    async def health_of(self, node_id: int) -> HealthView:
        """Whether one node can serve."""
        return await self._ask(node_id, AskHealth())

    async def features(self) -> Gathered[FeaturesView]:
        """What each node can do."""
        return await self._ask_all(AskFeatures())

    async def features_of(self, node_id: int) -> FeaturesView:
        """What one node can do."""
        return await self._ask(node_id, AskFeatures())

    async def system(self) -> Gathered[SystemFigures]:
        """What the process of each node uses."""
        return await self._ask_all(AskSystem())

    async def system_of(self, node_id: int) -> SystemFigures:
        """What the process of one node uses."""
        return await self._ask(node_id, AskSystem())

    async def figures(self) -> Gathered[NodeFigures]:
        """All figures of each node."""
        return await self._ask_all(AskFigures())

    async def figures_of(self, node_id: int) -> NodeFigures:
        """All figures of one node."""
        return await self._ask(node_id, AskFigures())

    async def history(self, question: AskHistory) -> Gathered[HistoryView]:
        """What was on each node."""
        return await self._ask_all(question)

    async def history_of(self, node_id: int, question: AskHistory) -> HistoryView:
        """What was on one node."""
        return await self._ask(node_id, question)

    # Who is asked

    async def _ask_all(self, question: Question[T]) -> Gathered[T]:
        own = await question.of(self.local)
        others = await self._peers.ask_all(question)
        return Gathered((own, *others.answers), others.missing)

    async def _ask(self, node_id: int, question: Question[T]) -> T:
        if node_id == self.local.ref.node_id:
            return await question.of(self.local)
        return await self._peers.ask(node_id, question)
