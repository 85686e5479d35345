"""Asking the other nodes of a cluster: the questions, the port that carries them, and its stand-in for a node alone.

A question knows which call of ``local.LocalNode`` answers it, so the receiving side is ``question.of(local)``.
Questions are plain values: the cluster writes down which one it is and its fields.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Generic, Protocol, TypeVar

from rmq.management.access.publishing import may_publish
from rmq.management.errors import NodeNotFound
from rmq.management.models import (
    BrokerInfo,
    ClientView,
    FeaturesView,
    FilterOutcome,
    Gathered,
    HealthView,
    HistoryView,
    Metrics,
    NodeFigures,
    NodeInfo,
    NodePlugins,
    Page,
    PluginView,
    RouteView,
    SessionView,
    Stats,
    SubscriptionView,
    SystemFigures,
)
from rmq.management.node.history import HistoryKind
from rmq.management.queries import ClientQuery, Paging, SubscriptionQuery
from rmq.management.requests import FilterRequest

if TYPE_CHECKING:
    from rmq.management.local import LocalNode

T = TypeVar("T")


class Question(Generic[T]):
    """Something that one node can answer with a T. ``changes``: being answered changes something."""

    __slots__ = ()
    changes: ClassVar[bool] = False

    async def of(self, node: "LocalNode") -> T:
        """The answer of this node."""
        raise NotImplementedError


class PeerQueries(Protocol):
    """The way to the other nodes."""

    @property
    def is_alone(self) -> bool:
        """Whether there are no other nodes."""

    async def ask_all(self, question: Question[T]) -> Gathered[T]:
        """Ask all other nodes at once; whoever doesn't answer in time, or is known to be down, is named."""

    async def ask(self, node_id: int, question: Question[T]) -> T:
        """Ask one other node; ``NodeNotFound``, ``NodeUnreachable``, or what the question raises there.

        ``OutcomeUnknown`` for one that changes something, if the node was asked and its answer doesn't come.
        """


class NoPeers:
    """A node alone."""

    is_alone = True

    async def ask_all(self, question: Question[T]) -> Gathered[T]:
        """There is nobody else."""
        return Gathered(())

    async def ask(self, node_id: int, question: Question[T]) -> T:
        """There is nobody else."""
        raise NodeNotFound(node_id)


@dataclass(frozen=True, slots=True)
class AskBroker(Question[BrokerInfo]):
    """What are you?"""

    async def of(self, node: "LocalNode") -> BrokerInfo:
        return node.broker_info()


@dataclass(frozen=True, slots=True)
class AskNode(Question[NodeInfo]):
    """How are you and your machine?"""

    async def of(self, node: "LocalNode") -> NodeInfo:
        return await node.node_info()


@dataclass(frozen=True, slots=True)
class AskStats(Question[Stats]):
    """What do your gauges show?"""

    async def of(self, node: "LocalNode") -> Stats:
        return await node.stats()


@dataclass(frozen=True, slots=True)
class AskMetrics(Question[Metrics]):
    """What do your counters show?"""

    async def of(self, node: "LocalNode") -> Metrics:
        return node.metrics()


@dataclass(frozen=True, slots=True)
class AskHealth(Question[HealthView]):
    """Can you serve?"""

    async def of(self, node: "LocalNode") -> HealthView:
        return await node.condition.health()


@dataclass(frozen=True, slots=True)
class AskFeatures(Question[FeaturesView]):
    """What can you do?"""

    async def of(self, node: "LocalNode") -> FeaturesView:
        return node.condition.features()


@dataclass(frozen=True, slots=True)
class AskSystem(Question[SystemFigures]):
    """What does your process use?"""

    async def of(self, node: "LocalNode") -> SystemFigures:
        return await node.condition.system()


@dataclass(frozen=True, slots=True)
class AskFigures(Question[NodeFigures]):
    """What do all your figures show?"""

    async def of(self, node: "LocalNode") -> NodeFigures:
        return await node.figures.read()


@dataclass(frozen=True, slots=True)
class AskHistory(Question[HistoryView]):
    """What was?"""

    kind: HistoryKind
    start_ms: int
    end_ms: int
    limit: int
    window_s: int

    async def of(self, node: "LocalNode") -> HistoryView:
        return await node.history.read(self.kind, self.start_ms, self.end_ms, self.limit, self.window_s)


@dataclass(frozen=True, slots=True)
class MayPublish(Question[tuple[bool, ...]]):
    """May your client publish to each of these topic names?"""

    client_id: str
    address: str
    topics: tuple[str, ...]
    qos: int
    retain: bool

    async def of(self, node: "LocalNode") -> tuple[bool, ...]:
        return await may_publish(node, self.client_id, self.address, self.topics, self.qos, self.retain)


@dataclass(frozen=True, slots=True)
class AskClients(Question[Page[ClientView]]):
    """Which of your clients satisfy this?"""

    query: ClientQuery
    paging: Paging

    async def of(self, node: "LocalNode") -> Page[ClientView]:
        return await node.clients(self.query, self.paging)


@dataclass(frozen=True, slots=True)
class AskClient(Question[ClientView | None]):
    """Do you have this client?"""

    client_id: str

    async def of(self, node: "LocalNode") -> ClientView | None:
        return node.client(self.client_id)


@dataclass(frozen=True, slots=True)
class AskSessions(Question[Page[SessionView]]):
    """Which of your sessions satisfy this?"""

    query: ClientQuery
    paging: Paging

    async def of(self, node: "LocalNode") -> Page[SessionView]:
        return await node.sessions(self.query, self.paging)


@dataclass(frozen=True, slots=True)
class AskSubscriptions(Question[Page[SubscriptionView]]):
    """Which of your clients' subscriptions satisfy this?"""

    query: SubscriptionQuery
    paging: Paging

    async def of(self, node: "LocalNode") -> Page[SubscriptionView]:
        return await node.subscriptions(self.query, self.paging)


@dataclass(frozen=True, slots=True)
class AskRoutes(Question[Page[RouteView]]):
    """What topic filters are your clients subscribed to?"""

    paging: Paging

    async def of(self, node: "LocalNode") -> Page[RouteView]:
        return await node.routes(self.paging)


@dataclass(frozen=True, slots=True)
class AskRoutesOf(Question[tuple[RouteView, ...]]):
    """Which of them does this topic name match?"""

    topic: str

    async def of(self, node: "LocalNode") -> tuple[RouteView, ...]:
        return node.routes_of(self.topic)


@dataclass(frozen=True, slots=True)
class Kick(Question[ClientView]):
    """Close this client's connection and discard its session."""

    changes: ClassVar[bool] = True
    client_id: str

    async def of(self, node: "LocalNode") -> ClientView:
        return await node.changes.kick(self.client_id)


@dataclass(frozen=True, slots=True)
class SetKeepAlive(Question[ClientView]):
    """Have this keep alive in force for your client."""

    changes: ClassVar[bool] = True
    client_id: str
    keep_alive: int

    async def of(self, node: "LocalNode") -> ClientView:
        return node.changes.set_keep_alive(self.client_id, self.keep_alive)


@dataclass(frozen=True, slots=True)
class DiscardOffline(Question[int]):
    """Discard the sessions without a connection that satisfy this; how many were there?"""

    changes: ClassVar[bool] = True
    query: ClientQuery

    async def of(self, node: "LocalNode") -> int:
        return await node.changes.discard_offline(self.query)


@dataclass(frozen=True, slots=True)
class SubscribeClient(Question[tuple[FilterOutcome, ...]]):
    """Subscribe this client."""

    changes: ClassVar[bool] = True
    client_id: str
    requests: tuple[FilterRequest, ...]

    async def of(self, node: "LocalNode") -> tuple[FilterOutcome, ...]:
        return await node.changes.subscribe(self.client_id, self.requests)


@dataclass(frozen=True, slots=True)
class UnsubscribeClient(Question[tuple[FilterOutcome, ...]]):
    """Unsubscribe this client."""

    changes: ClassVar[bool] = True
    client_id: str
    topic_filters: tuple[str, ...]

    async def of(self, node: "LocalNode") -> tuple[FilterOutcome, ...]:
        return await node.changes.unsubscribe(self.client_id, self.topic_filters)


@dataclass(frozen=True, slots=True)
class DrainNode(Question[None]):
    """Begin to move your clients away, so many a second."""

    changes: ClassVar[bool] = True
    rate: float

    async def of(self, node: "LocalNode") -> None:
        await node.condition.cluster.drain(self.rate)


@dataclass(frozen=True, slots=True)
class UndrainNode(Question[None]):
    """Take clients again."""

    changes: ClassVar[bool] = True

    async def of(self, node: "LocalNode") -> None:
        await node.condition.cluster.undrain()


@dataclass(frozen=True, slots=True)
class AskPlugins(Question[NodePlugins]):
    """What plugins do you have?"""

    async def of(self, node: "LocalNode") -> NodePlugins:
        return node.plugins()


@dataclass(frozen=True, slots=True)
class AskPlugin(Question[PluginView]):
    """How is this plugin?"""

    plugin: str

    async def of(self, node: "LocalNode") -> PluginView:
        return node.plugin(self.plugin)


@dataclass(frozen=True, slots=True)
class AskPluginConfig(Question[Mapping[str, object]]):
    """How is this plugin configured?"""

    plugin: str

    async def of(self, node: "LocalNode") -> Mapping[str, object]:
        return node.plugin_config(self.plugin)


@dataclass(frozen=True, slots=True)
class LoadPlugin(Question[bool]):
    """Start this plugin; False when it ran already."""

    changes: ClassVar[bool] = True
    plugin: str

    async def of(self, node: "LocalNode") -> bool:
        return await node.plugin_control.load(self.plugin)


@dataclass(frozen=True, slots=True)
class UnloadPlugin(Question[bool]):
    """Stop this plugin; False when it didn't run."""

    changes: ClassVar[bool] = True
    plugin: str

    async def of(self, node: "LocalNode") -> bool:
        return await node.plugin_control.unload(self.plugin)


@dataclass(frozen=True, slots=True)
class ReloadPlugin(Question[None]):
    """Have this plugin take its configuration as it is now."""

    changes: ClassVar[bool] = True
    plugin: str

    async def of(self, node: "LocalNode") -> None:
        await node.plugin_control.reload_config(self.plugin)
