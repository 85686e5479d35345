"""The node as a plugin sees it: hooks, publishing, figures and tasks."""

import socket
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

import structlog
import trio

from rmq.hooks.registry import Handle, HookRegistry
from rmq.management import ManagementService
from rmq.management.access.explanation import Explain
from rmq.management.access.review import Found, Suspect
from rmq.management.cluster import NoCluster
from rmq.management.errors import (
    ClientNotFound,
    ClientOffline,
    ManagementError,
    NotInACluster,
    OutcomeUnknown,
    StorageUnavailable,
)
from rmq.management.messages.retaining import RetainRules
from rmq.management.requests import FilterRequest
from rmq.mqtt.codes import QUOTA_EXCEEDED, V5
from rmq.mqtt.message import FROM_BRIDGE, FROM_CLIENT, FROM_SYSTEM, Message
from rmq.mqtt.packets import SubscriptionRequest
from rmq.mqtt.topics import is_valid_topic_name
from rmq.plugin_api.client import MqttConnection, MqttFailedError
from rmq.plugin_api.keeping import Keeping, KeepingServices

# The signature depends on the point; ``rmq.hooks.points`` and ``docs/plugins.md`` have them.
HookHandler = Callable[..., object]

# What a plugin may give as the origin of a message; the node's metrics count by it.
ORIGINS: Final = (FROM_SYSTEM, FROM_BRIDGE, FROM_CLIENT)
# After a bug: when a task that is kept begins again.
BEGIN_AGAIN_AFTER_S: Final = 1.0


class Passwords(Protocol):
    """Hashes of passwords (argon2id). Checking takes some 20 ms of processor time by intent: it belongs in a thread."""

    def verified(self, written: str, password: bytes) -> bool:
        """Whether the password is the one of this hash."""

    def check(self, written: str) -> None:
        """``ValueError`` says what is wrong with a hash."""

    def unmatched(self) -> str:
        """A hash that no password has: what unknown users are checked against, so that it takes as long."""


class NodeServices:
    """What a node offers to all its plugins, as plain values and callables."""

    def __init__(
        self,
        node_id: int,
        node_name: str,
        registry: HookRegistry,
        now: Callable[[], float],
        publish: Callable[[Message], int],
        has_subscribers: Callable[[str], bool],
        stats: Callable[[], dict[str, int]],
        metrics: Callable[[], dict[str, int]],
        count_error: Callable[[], None],
        drop_access_cache: Callable[[], None] | None = None,
        management: Callable[[], ManagementService] | None = None,
        passwords: Passwords | None = None,
        data_path: Path | None = None,
        drop_access_cache_of: Callable[[str], None] | None = None,
        connect_own: Callable[[int], socket.socket] | None = None,
        queue_of: Callable[[str], tuple[int, int, float]] | None = None,
        keeping: KeepingServices | None = None,
    ) -> None:
        self.node_id = node_id
        self.node_name = node_name
        self.registry = registry
        self.now = now
        self.publish = publish
        self.has_subscribers = has_subscribers
        self.stats = stats
        self.metrics = metrics
        self.count_error = count_error
        self.drop_access_cache = drop_access_cache or _no_cache
        self.drop_access_cache_of = drop_access_cache_of or _no_cache_of
        self.management = management
        self.passwords = passwords
        self.data_path = data_path
        self.connect_own = connect_own
        self.queue_of = queue_of or _no_queue_of
        self.keeping = keeping


class PluginHost:
    """The node for one plugin. All calls belong to the node's one trio thread.

    ``failed`` is called when one of the plugin's tasks ends with an exception, which was logged and counted before.
    """

    def __init__(
        self,
        plugin: str,
        services: NodeServices,
        nursery: trio.Nursery,
        failed: Callable[[BaseException], None] | None = None,
    ) -> None:
        self._plugin = plugin
        self._services = services
        self._nursery = nursery
        self._failed = failed
        self.node_id = services.node_id
        self.node_name = services.node_name
        self.logger: structlog.stdlib.BoundLogger = structlog.get_logger(plugin).bind(plugin=plugin)

    def now(self) -> float:
        """Seconds since 1970 on a clock that never goes back."""
        return self._services.now()

    def on(self, point: str, handler: HookHandler, priority: int = 0, deny_on_error: bool = True) -> Handle:
        """Register a handler at a hook point (``rmq.hooks.points`` has them all); higher priorities are asked first.

        Handlers are taken out when the plugin stops; what is returned is for taking one out earlier.
        """
        spawn = self._nursery.start_soon  # what is told later is told in the plugin's own nursery, which ends after it
        return self._services.registry.register(point, handler, self._plugin, priority, deny_on_error, spawn)

    def off(self, handle: Handle) -> None:
        """Take a handler out again; one that is out already is left alone."""
        self._services.registry.unregister(handle)

    def publish(
        self,
        topic: str,
        payload: bytes,
        qos: int = 0,
        retain: bool = False,
        expiry_s: float = 0,
        origin: int = FROM_SYSTEM,
    ) -> int:
        """Publish a message; returns how many sessions matched, -1 when it is delivered later.

        No access is checked and no ``message_publish`` handler called: one that publishes doesn't call itself.
        """
        if not is_valid_topic_name(topic):
            raise ValueError(f"{topic!r} isn't a topic name")
        if qos not in (0, 1, 2):
            raise ValueError(f"QoS must be 0, 1 or 2, not {qos}")
        if origin not in ORIGINS:
            raise ValueError(f"a plugin's messages come from the system, a bridge or a client, not {origin}")
        now = self.now()
        expires_at = now + expiry_s if expiry_s else 0.0
        # Without a client id as the publisher: No Local is about the client's own messages, and no client sent this.
        message = Message(topic, payload, qos, retain, "", b"", expires_at, now, origin)
        return self._services.publish(message)

    async def subscribe(self, client_id: str, requests: Sequence[SubscriptionRequest]) -> Sequence[int]:
        """Subscribe a client that is connected to this node; no access is checked, and it gets no SUBACK.

        For each filter the QoS that was granted or the reason code of its refusal; none when the client isn't connected
        any more. ``ValueError`` for what can't stand in a SUBSCRIBE.
        """
        wanted = tuple(
            FilterRequest(r.topic_filter, r.qos, r.no_local, r.retain_as_published, r.retain_handling) for r in requests
        )
        try:
            return [one.reason_code for one in await self.management.local.changes.subscribe(client_id, wanted)]
        except (ClientNotFound, ClientOffline):
            return ()
        except (StorageUnavailable, OutcomeUnknown):
            return (QUOTA_EXCEEDED,) * len(wanted)

    async def end_subscriptions(self, suspect: Suspect, because: str) -> int:
        """End the subscriptions of this node's sessions that are allowed no more; answers how many there were.

        ``suspect`` is asked of each: client, topic filter (with its $share/… prefix), QoS. Where it says yes, and all
        handlers of ``client_subscribe_check_acl`` together say no, the subscription ends: it is logged with ``because``
        and counted (``subscriptions.revoked``). The client isn't told, MQTT has no packet for it. Sessions off line
        whose clients aren't known here, or that are on another node, are looked at when they come back.
        """
        if self._services.management is None:
            return 0
        return await self.management.local.operations.review.end(suspect, because)

    async def find_subscriptions(self, suspect: Suspect, most: int) -> Found:
        """What ``end_subscriptions`` would end if this plugin denied what is suspect; ``most`` of them by name."""
        return await self.management.local.operations.review.find(suspect, most, self._plugin)

    async def retain_by(self, rules: RetainRules) -> bool:
        """Have these rules for retained messages in force, from the next one on; False when that can't be decided now.

        In a cluster the limits are those of all nodes, and it takes a quorum to change them; False leaves them as they
        are. A node that starts brings its rules, those of ``[retain]`` or what a plugin has said in its ``start``.
        """
        return await self._retain_by(rules)

    async def retain_as_configured(self) -> bool:
        """Have the rules of ``[retain]`` in force again; False as above."""
        return await self._retain_by(None)

    async def _retain_by(self, rules: RetainRules | None) -> bool:
        if self._services.management is None:
            return True
        try:
            await self.management.local.operations.retaining.put(rules)
        except (StorageUnavailable, OutcomeUnknown):
            return False
        return True

    def share_by(self, strategy: str, sticky_cache_size: int) -> None:
        """Have shared subscriptions go by another strategy, for what is published at this node from now on.

        ``sticky_cache_size`` is for how many publishers and groups ``sticky`` remembers the member. ``ValueError`` for
        a strategy that isn't known.
        """
        if self._services.management is not None:
            self.management.local.operations.sharing.put(strategy, sticky_cache_size)

    def share_as_configured(self) -> None:
        """Have them go by ``mqtt.shared_subscription_strategy`` again."""
        if self._services.management is not None:
            self.management.local.operations.sharing.reset()

    def explain_access(self, explain: Explain) -> None:
        """Have administrators who test the access of a client told which rule decides.

        ``explain`` is asked instead of the plugin's handlers: client, "publish" or "subscribe", topic, QoS, RETAIN. It
        answers the verdict and what there is to say of the rule, as JSON.
        """
        if self._services.management is not None:
            self.management.local.operations.access.explain[self._plugin] = explain

    def has_subscribers(self, topic: str) -> bool:
        """Whether a message on this topic would reach anybody: a message that wouldn't needn't be made."""
        return self._services.has_subscribers(topic)

    def stats(self) -> dict[str, int]:
        """The gauges of this node: ``<name>.count`` now, ``<name>.max`` the highest since the start."""
        return self._services.stats()

    def metrics(self) -> dict[str, int]:
        """The counters of this node since its start."""
        return self._services.metrics()

    def drop_access_cache(self, client_id: str | None = None) -> None:
        """Forget the verdicts on publishing that connections remember: what they were based on has changed.

        Of all connections, or of one client's on this node. Loading, unloading and reloading a plugin does this by
        itself for all of them, which takes time in proportion to the connections.
        """
        if client_id is None:
            self._services.drop_access_cache()
        else:
            self._services.drop_access_cache_of(client_id)

    @property
    def async_time_budget_s(self) -> float:
        """How long an asynchronous handler may take; one that takes longer counts as one that failed."""
        return self._services.registry.async_time_budget_s

    def count_error(self) -> None:
        """Count a bug that the plugin has caught and logged itself (``internal.errors``)."""
        self._services.count_error()

    @property
    def management(self) -> ManagementService:
        """Everything that can be asked of nodes and done to them; for plugins that serve administrators."""
        if self._services.management is None:
            raise RuntimeError("this node offers no management")
        return self._services.management()

    @property
    def passwords(self) -> Passwords:
        """Checking passwords against their hashes."""
        if self._services.passwords is None:
            raise RuntimeError("this node offers no hashing of passwords")
        return self._services.passwords

    async def connect(self, max_queue: int) -> MqttConnection:
        """A connection to this node as one of its own clients; CONNECT is the caller's, of MQTT 5.

        Its client ids begin with ``$rmq/``, which no others may; it is asked neither who it is nor what it may, and its
        messages count as a bridge's. ``max_queue`` is how many messages wait for its session at most; when they are
        too many the newest is dropped. Raises ``MqttFailedError`` while the node takes no clients.
        """
        if self._services.connect_own is None:
            raise MqttFailedError("this node takes no clients of its own")
        try:
            sock = self._services.connect_own(max_queue)
        except OSError as error:
            raise MqttFailedError(str(error)) from None
        return MqttConnection(trio.SocketStream(trio.socket.from_stdlib_socket(sock)), V5)

    def queue_of(self, client_id: str) -> tuple[int, int, float]:
        """Of a kept session: how many messages of QoS 1 and 2 aren't acknowledged, their bytes, the age of the oldest.

        In seconds; nothing of a session that isn't there.
        """
        return self._services.queue_of(client_id)

    async def members(self) -> tuple[int, ...]:
        """The nodes of the cluster that are up, by number, as this node sees it; itself alone without a cluster.

        Empty where this node has no quorum: it can't know.
        """
        try:
            status = await self.management.cluster.status()
        except NotInACluster:
            return (self.node_id,)
        if not status.has_quorum:
            return ()
        return tuple(sorted(member.node_id for member in status.members if member.state == "up"))

    @property
    def keeping(self) -> Keeping:
        """For plugins that keep messages for clients that come later."""
        if self._services.keeping is None:
            raise RuntimeError("this node offers nothing to keep messages with")
        return Keeping(self._services.keeping)

    @property
    def is_clustered(self) -> bool:
        """Whether this node is a member of a cluster, whoever else is up."""
        return not isinstance(self.management.cluster, NoCluster)

    def answer_nodes(self, answer: Callable[[bytes], Awaitable[bytes]]) -> None:
        """Have ``answer`` called with what this plugin asks on other nodes (``ask_node``); two seconds at most."""
        self.management.local.operations.plugin_answers[self._plugin] = answer

    async def ask_node(self, node_id: int, body: bytes) -> bytes | None:
        """What this plugin answers on a node of the cluster, this one included; None when no answer comes."""
        try:
            return await self.management.operations.ask_same_plugin(node_id, self._plugin, body)
        except ManagementError:
            return None

    def data_folder(self) -> Path | None:
        """A folder of the plugin's own among the node's data, which may not be there yet; None if nothing is kept."""
        path = self._services.data_path
        return None if path is None else path / "plugins" / self._plugin

    def spawn(self, work: Callable[[], Awaitable[object]]) -> None:
        """Run an async function in a task that ends with the plugin.

        What it raises is logged and counted, and the plugin is shown as inactive from then on: with one of its tasks
        gone it doesn't do all it should. Its handlers stay, so that no door opens.
        """
        self._nursery.start_soon(self._run, work)

    def keep(self, work: Callable[[], Awaitable[object]]) -> None:
        """Run in a task, as ``spawn`` does, what never ends by itself and can be begun again.

        After an exception, logged and counted, it begins again in a second.
        """
        self._nursery.start_soon(self._run_again, work)

    def report_bug(self, what: str, error: Exception) -> None:
        """Log and count an exception after which the plugin goes on, with what it was doing."""
        self._services.count_error()
        self.logger.error("bug in a plugin", what=what, exc_info=error)

    async def _run_again(self, work: Callable[[], Awaitable[object]]) -> None:
        while True:
            try:
                await work()
            except (Exception, SystemExit):  # as in ``_run``
                self._services.count_error()
                self.logger.exception("task of a plugin failed and begins again")
                await trio.sleep(BEGIN_AGAIN_AFTER_S)
            else:
                return

    async def _run(self, work: Callable[[], Awaitable[object]]) -> None:
        try:
            await work()
        except (Exception, SystemExit) as error:  # a border: a plugin may raise anything, and ends no node
            self._services.count_error()
            self.logger.exception("task of a plugin failed")
            if self._failed is not None:
                self._failed(error)


def _no_cache() -> None:
    """Nothing is remembered anywhere."""


def _no_queue_of(client_id: str) -> tuple[int, int, float]:
    """Nobody has a session."""
    return 0, 0, 0.0


def _no_cache_of(client_id: str) -> None:
    """Nothing is remembered of this client."""
