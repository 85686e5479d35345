"""What this node knows: every question about clients, sessions, messages, plugins and figures, answered from here."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from typing import Final

import trio

from rmq import __version__
from rmq.engine.broker import Broker
from rmq.engine.queue_census import SESSIONS_PER_TICK
from rmq.hooks.registry import HookRegistry
from rmq.management.accounts.store import AccountStore
from rmq.management.changes import LocalChanges
from rmq.management.clients import (
    ClientFacts,
    find_client,
    view_client,
    view_properties,
    view_session,
    view_subscription,
    walk_clients,
)
from rmq.management.errors import BadQuery, RetainedNotFound
from rmq.management.last_connections import LastConnections
from rmq.management.local_operations import LocalOperations
from rmq.management.models import (
    BrokerInfo,
    ClientView,
    Metrics,
    NodeInfo,
    NodePlugins,
    NodeRef,
    Page,
    PluginView,
    RetainedView,
    RouteView,
    SessionView,
    Stats,
    SubscriptionView,
)
from rmq.management.node.condition import Condition
from rmq.management.node.figures import Figures
from rmq.management.node.history import History, NoHistory
from rmq.management.node.host import look_at_host
from rmq.management.node.plugins import PluginControl, view_plugin
from rmq.management.queries import MAX_LIMIT, ClientQuery, Paging, SubscriptionQuery
from rmq.management.turns import Turns
from rmq.management.walk import take_page
from rmq.metrics.cluster_keys import ClusterFigures, ClusterGauges
from rmq.metrics.keys import metrics_snapshot, stats_snapshot
from rmq.mqtt.message import ORIGIN_NAMES, Message
from rmq.mqtt.topics import is_valid_topic_filter, is_valid_topic_name
from rmq.routing.retained_trie import RetainedTrie
from rmq.session.session import Session
from rmq.session.subscription import Subscription

DESCRIPTION: Final = "rmq MQTT broker"
# One step of a search through retained messages looks at so many.
RETAINED_STEP: Final = 256
# Of more topic filters no list is made at once: that of these takes 5 ms.
LISTED_FILTERS: Final = 40_000
# What joins client id and topic filter in a cursor: it can stand in neither [MQTT-1.5.4-2].
SEPARATOR: Final = "\0"


class LocalNode:
    """This node's own answers; ``changes`` are what can be changed here,
    ``accounts`` are those of all nodes.

    ``data_path`` is on the disk whose space is told; ``max_subscriptions`` has the limit of each listener by its name.
    Every node of a cluster holds all persistent sessions: ``is_at_home`` tells those that this one answers for. One
    node does so for each session at any time, and the sessions of a node that is down have a home too. ``features``
    by RMQTT's names. Whoever keeps a history sets ``history``. ``turns`` are for all long work that can wait.
    """

    def __init__(
        self,
        broker: Broker,
        hooks: HookRegistry,
        plugin_control: PluginControl,
        name: str,
        data_path: str,
        max_subscriptions: Mapping[str, int],
        is_at_home: Callable[[Session], bool] | None = None,
        features: Mapping[str, bool] | None = None,
    ) -> None:
        self.broker = broker
        self.ref = NodeRef(broker.node_id, name)
        self.plugin_control = plugin_control
        self.turns = Turns()
        # One search through all clients at a time: more would take as long, and the names that each holds are looked
        # through by the garbage collector, all at once.
        self._walking = trio.Lock()
        self.last = LastConnections(broker, hooks)
        self.changes = LocalChanges(self)
        self.accounts = AccountStore(self)
        self.operations = LocalOperations(self, hooks, Path(data_path))
        self.condition = Condition(self, features or {})
        self._data_path = data_path
        self._max_subscriptions = max_subscriptions
        self._is_at_home = is_at_home
        self._started_at = broker.clock()
        self.cluster_figures: ClusterFigures | None = None
        self._cluster_gauges = ClusterGauges()
        self.figures = Figures(self, hooks, data_path, self._started_at)
        self.history: History = NoHistory(self.ref)

    def broker_info(self) -> BrokerInfo:
        """What this node is."""
        now = self.broker.clock()
        return BrokerInfo(self.ref, __version__, DESCRIPTION, self._started_at, now - self._started_at, now)

    async def node_info(self) -> NodeInfo:
        """How this node and its machine are."""
        host = await look_at_host(self._data_path)
        return NodeInfo(
            node=self.ref,
            version=__version__,
            uptime_s=self.broker.clock() - self._started_at,
            boot_time=host.boot_time,
            connections=len(self.broker.registry),
            load1=host.load1,
            load5=host.load5,
            load15=host.load15,
            memory_total=host.memory_total,
            memory_used=host.memory_used,
            memory_free=host.memory_free,
            disk_total=host.disk_total,
            disk_free=host.disk_free,
            max_open_files=host.max_open_files,
        )

    async def stats(self) -> Stats:
        """The gauges, all of them counted now: through a whole round of the census."""
        broker = self.broker
        census = broker.census
        complete = census.rounds + (2 if census.is_under_way else 1)
        while census.rounds < complete:
            census.count(SESSIONS_PER_TICK)
            await self.turns.wait()
        broker.sample_gauges()
        return Stats((self.ref,), stats_snapshot(broker.stats) | self.cluster_stats())

    def metrics(self) -> Metrics:
        """The counters."""
        return Metrics((self.ref,), metrics_snapshot(self.broker.counters) | self.cluster_metrics())

    def cluster_metrics(self) -> dict[str, int]:
        """What the cluster has counted here; nothing on a node alone."""
        return {} if self.cluster_figures is None else self.cluster_figures.counters()

    def cluster_stats(self) -> dict[str, int]:
        """The gauges of the cluster; none on a node alone."""
        return {} if self.cluster_figures is None else self._cluster_gauges.sampled(self.cluster_figures.gauges())

    # Clients, sessions, subscriptions

    async def clients(self, query: ClientQuery, paging: Paging) -> Page[ClientView]:
        """Clients, connected or with a session only."""
        own = paging.of_node(self.ref.node_id)
        if own is None:
            return Page(())
        async with self._room(query):
            return await take_page(self._candidates(query), query.test(), _client_id, self.view, own, self.turns)

    def client(self, client_id: str) -> ClientView | None:
        """One client, None if it isn't here."""
        client = self.find(client_id)
        return None if client is None else self.view(client)

    def find(self, client_id: str) -> ClientFacts | None:
        """One client that this node answers for."""
        client = find_client(self.broker, self.last, client_id)
        return client if client is not None and self.answers_for(client.session) else None

    def owner(self, client_id: str) -> int:
        """The node that has the connection of a client id as far as this one knows; its own id if none has."""
        owner = self.broker.state.cluster.owners.get(client_id)
        return self.ref.node_id if owner is None else owner.node

    def walk(self) -> Iterator[ClientFacts]:
        """All clients that this node answers for."""
        clients = walk_clients(self.broker, self.last)
        return clients if self._is_at_home is None else (c for c in clients if self.answers_for(c.session))

    def walk_all(self) -> Iterator[ClientFacts]:
        """All clients and sessions that this node has, also those that another one answers for."""
        return walk_clients(self.broker, self.last)

    def answers_for(self, session: Session) -> bool:
        """Whether this node lists a session and changes it; one that ends with its connection is at home there."""
        if self._is_at_home is None:
            return True
        return self._is_at_home(session) if session.persistent else not session.remote

    def view(self, client: ClientFacts) -> ClientView:
        """A client as it is shown."""
        return view_client(client, self.ref.node_id, self._max_subscriptions)

    async def sessions(self, query: ClientQuery, paging: Paging) -> Page[SessionView]:
        """Sessions, by the same filters as clients."""
        own = paging.of_node(self.ref.node_id)
        if own is None:
            return Page(())

        def view(client: ClientFacts) -> SessionView:
            return view_session(client, self.ref.node_id)

        async with self._room(query):
            return await take_page(self._candidates(query), query.test(), _client_id, view, own, self.turns)

    async def subscriptions(self, query: SubscriptionQuery, paging: Paging) -> Page[SubscriptionView]:
        """Subscriptions of all clients."""
        own = paging.of_node(self.ref.node_id)
        if own is None:
            return Page(())
        test = query.test()

        def view(row: tuple[ClientFacts, Subscription]) -> SubscriptionView:
            return view_subscription(row[0], row[1], self.ref.node_id)

        topic = query.matched_name()
        rows: Iterator[tuple[ClientFacts, Subscription] | None]
        if topic is None or query.client_id is not None:
            rows = self._subscriptions(self._candidates(ClientQuery(client_id=query.client_id)))
        else:
            rows = self._matching(topic)
        async with self._room(query):
            return await take_page(rows, lambda row: test(row[1]), _subscription_key, view, own, self.turns)

    def _room(self, query: ClientQuery | SubscriptionQuery) -> AbstractAsyncContextManager[object]:
        """Whoever goes through all clients waits for others that do; whoever asks for one doesn't."""
        return self._walking if query.client_id is None else nullcontext()

    def _candidates(self, query: ClientQuery) -> Iterator[ClientFacts]:
        if query.client_id is None:
            return self.walk()
        client = self.find(query.client_id)
        return iter(() if client is None else (client,))

    @staticmethod
    def _subscriptions(clients: Iterator[ClientFacts]) -> Iterator[tuple[ClientFacts, Subscription] | None]:
        for client in clients:
            subscriptions = client.session.subscriptions
            if subscriptions is None:
                yield None
                continue
            for subscription in list(subscriptions.values()):
                yield client, subscription

    def _matching(self, topic: str) -> Iterator[tuple[ClientFacts, Subscription]]:
        """The subscriptions that a topic name matches: found as for a message, without a walk over all of them."""
        for subscription in self.broker.ctx.router.matching_subscriptions(topic):
            session = subscription.session
            if self.answers_for(session):
                yield ClientFacts(session, session.channel, self.last), subscription

    # Routes and retained messages

    async def routes(self, paging: Paging) -> Page[RouteView]:
        """The topic filters that somebody here is subscribed to."""
        own = paging.of_node(self.ref.node_id)
        if own is None:
            return Page(())
        paging = own
        if paging.offset > MAX_LIMIT:
            raise BadQuery("offset", f"no more than {MAX_LIMIT} for routes, not {paging.offset}")
        suffix = route_key(self._route(""))
        async with self._walking:
            return await take_page(
                self._filters(paging), _is_any, lambda name: name + suffix, self._route, paging, self.turns
            )

    def routes_of(self, topic: str) -> tuple[RouteView, ...]:
        """The topic filters that a topic name matches and somebody here is subscribed to."""
        if not is_valid_topic_name(topic):
            raise BadQuery("topic", f"{topic!r} isn't a topic name")
        router = self.broker.ctx.router
        if self._is_at_home is None:
            return tuple(self._route(found) for found in router.matching_filters(topic))
        found = router.matching_subscriptions(topic)
        return tuple(
            self._route(topic_filter)
            for topic_filter in dict.fromkeys(s.topic_filter for s in found if self.answers_for(s.session))
        )

    def _filters(self, paging: Paging) -> Iterable[str | None]:
        router = self.broker.ctx.router
        if self._is_at_home is not None or router.topics > LISTED_FILTERS:
            return _distinct_filters(self._subscriptions(self.walk()))
        complete = paging.after is not None or paging.with_total
        return router.filters(0 if complete else paging.offset + paging.limit + 1)

    def _route(self, topic_filter: str) -> RouteView:
        return RouteView(topic_filter, self.ref.node_id)

    async def retained(self, topic_filter: str, paging: Paging) -> Page[RetainedView]:
        """The retained messages whose topic names match a filter; as for subscribers, "#" leaves out $SYS."""
        if not is_valid_topic_filter(topic_filter) or topic_filter.startswith("$share/"):
            raise BadQuery("topic_filter", f"{topic_filter!r} isn't a topic filter")
        now = self.broker.clock()
        rows = _walk_retained(self.broker.ctx.retained, topic_filter)
        return await take_page(
            rows, lambda message: not _is_over(message, now), _topic, view_retained, paging, self.turns
        )

    def retained_message(self, topic: str) -> RetainedView:
        """The retained message of a topic name."""
        if not is_valid_topic_name(topic):
            raise BadQuery("topic", f"{topic!r} isn't a topic name")
        message = self.broker.ctx.retained.get(topic)
        if message is None or _is_over(message, self.broker.clock()):
            raise RetainedNotFound(topic)
        return view_retained(message)

    # Plugins

    def plugins(self) -> NodePlugins:
        """All plugins that the node knows."""
        return NodePlugins(self.ref, tuple(view_plugin(plugin) for plugin in self.plugin_control.describe()))

    def plugin(self, name: str) -> PluginView:
        """One plugin."""
        return view_plugin(self.plugin_control.state(name))

    def plugin_config(self, name: str) -> Mapping[str, object]:
        """The configuration of a plugin, secrets masked."""
        return self.plugin_control.config(name)


def route_key(route: RouteView) -> str:
    """What tells routes apart, and orders them by topic filter first."""
    return f"{route.topic}{SEPARATOR}{route.node_id:010}"


def view_retained(message: Message) -> RetainedView:
    """A retained message as it is shown."""
    return RetainedView(
        topic=message.topic,
        payload=message.payload,
        qos=message.qos,
        publisher=message.publisher,
        origin=ORIGIN_NAMES[message.origin],
        created_at=message.created_at,
        expires_at=message.expires_at or None,
        properties=view_properties(message.properties),
    )


def _distinct_filters(rows: Iterable[tuple[ClientFacts, Subscription] | None]) -> Iterator[str | None]:
    seen: set[str] = set()
    for row in rows:
        topic_filter = None if row is None else row[1].topic_filter
        if topic_filter in seen:
            yield None
        else:
            if topic_filter is not None:
                seen.add(topic_filter)
            yield topic_filter


def _walk_retained(retained: RetainedTrie, topic_filter: str) -> Iterator[Message | None]:
    cursor: object = None
    while True:
        found, cursor = retained.match_chunk(topic_filter, cursor, RETAINED_STEP)
        yield from found
        if cursor is None:
            return
        yield None


def _is_over(message: Message, now: float) -> bool:
    return message.expires_at != 0.0 and message.expires_at <= now


def _is_any(row: object) -> bool:
    return True


def _client_id(client: ClientFacts) -> str:
    return client.client_id


def _topic(message: Message) -> str:
    return message.topic


def _subscription_key(row: tuple[ClientFacts, Subscription]) -> str:
    # As the service sorts what several nodes answer: a limit is no part of it.
    subscription = row[1]
    group = subscription.share_group
    key = f"$share/{group}/{subscription.topic_filter}" if group else subscription.topic_filter
    return f"{row[0].client_id}{SEPARATOR}{key}"
