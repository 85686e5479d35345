"""The management service: the only door for HTTP APIs, command lines and dashboards."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from rmq.management.accounts.access_rules import AccessRules
from rmq.management.accounts.api_keys import ApiKeys
from rmq.management.accounts.bans import Bans
from rmq.management.accounts.mqtt_users import MqttUsers
from rmq.management.accounts.users import PasswordHashes, Users
from rmq.management.aggregate import merge_pages
from rmq.management.cluster import ClusterControl, NoCluster
from rmq.management.data.transfer import Data
from rmq.management.errors import ClientNotFound, NodeUnreachable
from rmq.management.local import SEPARATOR, LocalNode, route_key
from rmq.management.models import (
    ClientView,
    FilterOutcome,
    Gathered,
    NodePlugins,
    Page,
    PluginView,
    Published,
    RetainedView,
    RouteView,
    SessionView,
    SubscriptionView,
)
from rmq.management.node.plugin_configs import PluginConfigs
from rmq.management.node_queries import NodeQueries
from rmq.management.of_node import OfNode
from rmq.management.operations import Operations
from rmq.management.peers import (
    AskClient,
    AskClients,
    AskPlugin,
    AskPluginConfig,
    AskPlugins,
    AskRoutes,
    AskRoutesOf,
    AskSessions,
    AskSubscriptions,
    DiscardOffline,
    DrainNode,
    Kick,
    LoadPlugin,
    MayPublish,
    NoPeers,
    PeerQueries,
    Question,
    ReloadPlugin,
    SetKeepAlive,
    SubscribeClient,
    UndrainNode,
    UnloadPlugin,
    UnsubscribeClient,
)
from rmq.management.queries import MAX_LIMIT, ClientQuery, Paging, SubscriptionQuery
from rmq.management.requests import FilterRequest, PublishRequest
from rmq.metrics.cluster_keys import ClusterFigures

T = TypeVar("T")

EVERY_CLIENT = ClientQuery()
EVERY_SUBSCRIPTION = SubscriptionQuery()
FIRST_PAGE = Paging()


class ManagementService(NodeQueries):
    """Everything that an administrator can ask and do, for this node and, through ``peers``, for all others.

    All of it raises ``errors.ManagementError``. Calls that change something return when that is applied. Answers of
    several nodes name those that gave none; a call for one node raises ``NodeNotFound`` or ``NodeUnreachable``.
    ``local`` answers the questions of other nodes. ``cluster`` is how the cluster is asked and changed.
    ``api_keys``, ``users`` and ``bans`` are those of all nodes; ``hashes`` are for passwords. ``of_node`` has the lists
    of one. ``mqtt_users`` and ``access_rules`` are for clients of MQTT. ``data`` are exported and imported,
    ``plugin_configs`` is what APIs set for all of them.
    """

    def __init__(
        self,
        local: LocalNode,
        hashes: PasswordHashes,
        peers: PeerQueries | None = None,
        cluster: ClusterControl | None = None,
    ) -> None:
        super().__init__(local, NoPeers() if peers is None else peers)
        self.api_keys = ApiKeys(local.accounts, lambda: local.broker.clock())
        self.users = Users(local.accounts, lambda: local.broker.clock(), hashes)
        self.mqtt_users = MqttUsers(local.accounts, hashes)
        self.access_rules = AccessRules(local.accounts)
        self.bans = Bans(local.accounts, lambda: local.broker.clock())
        self.of_node = OfNode(self._ask)
        self.operations = Operations(local, self._ask, self._ask_all, self._ask_owner)
        self.plugin_configs = PluginConfigs(local)
        self.data = Data(local, self._ask, self._ask_all, self.publish)
        self.cluster: ClusterControl = NoCluster() if cluster is None else cluster
        local.condition.cluster = self.cluster

    def enter_cluster(self, peers: PeerQueries, cluster: ClusterControl, figures: ClusterFigures | None = None) -> None:
        """From now on there are other nodes; ``figures`` are those of the cluster, for stats and metrics."""
        self._peers = peers
        self.cluster = cluster
        self.local.condition.cluster = cluster
        self.local.cluster_figures = figures

    # Clients and sessions

    async def clients(self, query: ClientQuery = EVERY_CLIENT, paging: Paging = FIRST_PAGE) -> Page[ClientView]:
        """Clients, connected or with a session only."""
        if self._peers.is_alone:
            return await self.local.clients(query, paging)
        pages = await self._ask_all(AskClients(query, paging.from_start()))
        return await merge_pages(pages, paging, lambda client: client.client_id, self.local.turns)

    async def client(self, client_id: str) -> ClientView:
        """One client; where several nodes know it, as the one with its connection does."""
        found = self.local.client(client_id)
        if self._peers.is_alone or (found is not None and found.connected):
            if found is None:
                raise ClientNotFound(client_id)
            return found
        gathered = await self._peers.ask_all(AskClient(client_id))
        for answer in gathered.answers:
            if answer is not None and (found is None or answer.connected):
                found = answer
        if found is None:
            for node in gathered.missing:
                if not node.is_out:  # it may be there
                    raise NodeUnreachable(node.node_id, node.reason)
            raise ClientNotFound(client_id)
        return found

    async def is_online(self, client_id: str) -> bool:
        """Whether the client is connected; False for one that isn't known."""
        try:
            return (await self.client(client_id)).connected
        except ClientNotFound:
            return False

    async def kick(self, client_id: str) -> ClientView:
        """Close a client's connection, if it has one, and discard its session; answers what it was."""
        return await self._ask_owner(client_id, Kick(client_id))

    async def set_keep_alive(self, client_id: str, keep_alive: int) -> ClientView:
        """Have another keep alive in force for a connected client, in seconds, 0 for none; answers what it is then."""
        return await self._ask_owner(client_id, SetKeepAlive(client_id, keep_alive))

    async def discard_offline(self, query: ClientQuery = EVERY_CLIENT) -> Gathered[int]:
        """Discard the sessions without a connection that satisfy a query; answers how many on each node."""
        return await self._ask_all(DiscardOffline(query))

    async def sessions(self, query: ClientQuery = EVERY_CLIENT, paging: Paging = FIRST_PAGE) -> Page[SessionView]:
        """Sessions, with and without a connection."""
        if self._peers.is_alone:
            return await self.local.sessions(query, paging)
        pages = await self._ask_all(AskSessions(query, paging.from_start()))
        return await merge_pages(pages, paging, lambda session: session.client_id, self.local.turns)

    async def session(self, client_id: str) -> SessionView:
        """One session."""
        page = await self._ask_owner(client_id, AskSessions(ClientQuery(client_id=client_id), Paging(1)))
        for session in page.items:
            return session
        raise ClientNotFound(client_id)

    # Subscriptions and routes

    async def subscriptions(
        self, query: SubscriptionQuery = EVERY_SUBSCRIPTION, paging: Paging = FIRST_PAGE
    ) -> Page[SubscriptionView]:
        """Subscriptions of all clients."""
        if self._peers.is_alone:
            return await self.local.subscriptions(query, paging)
        pages = await self._ask_all(AskSubscriptions(query, paging.from_start()))
        return await merge_pages(pages, paging, subscription_key, self.local.turns)

    async def client_subscriptions(self, client_id: str) -> tuple[SubscriptionView, ...]:
        """All subscriptions of one client."""
        question = AskSubscriptions(SubscriptionQuery(client_id=client_id), Paging(MAX_LIMIT))
        return (await self._ask_owner(client_id, question)).items

    async def subscribe(self, client_id: str, requests: tuple[FilterRequest, ...]) -> tuple[FilterOutcome, ...]:
        """Subscribe a connected client under the rules of its listener; no access rule is asked."""
        return await self._ask_owner(client_id, SubscribeClient(client_id, requests))

    async def unsubscribe(self, client_id: str, topic_filters: tuple[str, ...]) -> tuple[FilterOutcome, ...]:
        """Remove subscriptions of a client, connected or not; filters as they were written, share names and all."""
        return await self._ask_owner(client_id, UnsubscribeClient(client_id, topic_filters))

    async def routes(self, paging: Paging = FIRST_PAGE) -> Page[RouteView]:
        """The topic filters that somebody is subscribed to, once for each node with such clients."""
        if self._peers.is_alone:
            return await self.local.routes(paging)
        pages = await self._ask_all(AskRoutes(paging.from_start()))
        return await merge_pages(pages, paging, route_key, self.local.turns)

    async def routes_of(self, topic: str) -> Page[RouteView]:
        """The topic filters that a topic name matches, as many as there are."""
        gathered = await self._ask_all(AskRoutesOf(topic))
        return Page(tuple(route for routes in gathered.answers for route in routes), missing=gathered.missing)

    # Messages

    async def publish(self, request: PublishRequest) -> tuple[Published, ...]:
        """Publish a message to each topic name; no access rule is asked."""
        return await self.local.changes.publish(request)

    async def publish_each(self, requests: tuple[PublishRequest, ...]) -> tuple[Published, ...]:
        """Publish several messages, in their order; as ``publish``."""
        return await self.local.changes.publish_each(requests)

    async def publish_as_client(self, request: PublishRequest, address: str) -> tuple[Published, ...]:
        """The same, where access rules allow it to the client in whose name it is published.

        Rules are asked about the client as it is connected, on whichever node; one that isn't comes from ``address``.
        """
        may = MayPublish(request.publisher, address, request.topics, request.qos, request.retain)
        allowed = await self._ask(self.local.owner(request.publisher), may)
        topics = tuple(topic for topic, is_allowed in zip(request.topics, allowed, strict=True) if is_allowed)
        published = iter(await self.publish(replace(request, topics=topics)) if topics else ())
        return tuple(
            next(published) if is_allowed else Published(topic, None, denied=True)
            for topic, is_allowed in zip(request.topics, allowed, strict=True)
        )

    async def retained(self, topic_filter: str = "#", paging: Paging = FIRST_PAGE) -> Page[RetainedView]:
        """The retained messages whose topic names match a filter."""
        return await self.local.retained(topic_filter, paging)

    async def retained_message(self, topic: str) -> RetainedView:
        """The retained message of a topic name."""
        return self.local.retained_message(topic)

    async def delete_retained(self, topic: str) -> None:
        """Delete the retained message of a topic name."""
        await self.local.changes.delete_retained(topic)

    # Plugins

    async def plugins(self) -> Gathered[NodePlugins]:
        """The plugins of each node."""
        return await self._ask_all(AskPlugins())

    async def plugins_of(self, node_id: int) -> NodePlugins:
        """The plugins of one node."""
        return await self._ask(node_id, AskPlugins())

    async def plugin(self, node_id: int, name: str) -> PluginView:
        """One plugin of one node."""
        return await self._ask(node_id, AskPlugin(name))

    async def plugin_config(self, node_id: int, name: str) -> Mapping[str, object]:
        """The configuration of a plugin as JSON, secrets masked."""
        return await self._ask(node_id, AskPluginConfig(name))

    async def load_plugin(self, node_id: int, name: str) -> bool:
        """Start a plugin; False when it ran already."""
        return await self._ask(node_id, LoadPlugin(name))

    async def unload_plugin(self, node_id: int, name: str) -> bool:
        """Stop a plugin; False when it didn't run."""
        return await self._ask(node_id, UnloadPlugin(name))

    async def reload_plugin(self, node_id: int, name: str) -> None:
        """Have a running plugin take its configuration as it is now."""
        await self._ask(node_id, ReloadPlugin(name))

    # Nodes of a cluster; everything else about it is asked of ``cluster``

    async def drain(self, node_id: int, rate: float) -> None:
        """Begin to move the clients of one node away, ``rate`` a second; as ``ClusterControl.drain``."""
        await self._ask(node_id, DrainNode(rate))

    async def undrain(self, node_id: int) -> None:
        """Have one node take clients again."""
        await self._ask(node_id, UndrainNode())

    # Who is asked

    async def _ask_owner(self, client_id: str, question: Question[T]) -> T:
        client = await self.client(client_id)
        try:
            return await self._ask(client.node_id, question)
        except ClientNotFound:
            moved = await self.client(client_id)  # it may have gone to another node between the two
            if moved.node_id == client.node_id:
                raise
            return await self._ask(moved.node_id, question)


def subscription_key(subscription: SubscriptionView) -> str:
    """What tells subscriptions apart, and orders them by client id first."""
    group = subscription.share_group
    key = subscription.topic_filter if group is None else f"$share/{group}/{subscription.topic_filter}"
    return f"{subscription.client_id}{SEPARATOR}{key}"
