"""One node: every part built, started and stopped in order."""

import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
import trio

from rmq.config import ConfigError, Problem, Settings
from rmq.engine.broker import Broker
from rmq.engine.cluster_clock import ClusterClock
from rmq.engine.connection_log import ConnectionLog
from rmq.engine.disconnect import close
from rmq.engine.gate import EngineGate
from rmq.engine.timers import TICKS_PER_SECOND
from rmq.hooks.async_runner import AsyncRunner
from rmq.hooks.chains import HookChains
from rmq.hooks.registry import HookRegistry
from rmq.log import reopen_files, write_events
from rmq.management.node.condition import SERVING, STOPPING
from rmq.metrics.counters import Counters
from rmq.metrics.keys import metrics_snapshot, stats_snapshot
from rmq.mqtt import codes
from rmq.net.listening_socket import ListenError
from rmq.net.own_clients import OwnClients
from rmq.net.reactor import Reactor
from rmq.node.alarm_watch import watch_alarms
from rmq.node.auth import admit_anonymous, make_built_in, make_users
from rmq.node.keeping import EngineKeeping
from rmq.node.listener_control import ListenersOfNode
from rmq.node.load_watch import watch_load
from rmq.node.management import make_management
from rmq.node.member import Member
from rmq.node.options import ACK_POLICIES, alarm_limits, broker_options, busy_limits, make_listener
from rmq.node.passwords import ArgonPasswords
from rmq.node.reload import Reload, ReloadError
from rmq.node.settings import ChangeableSettings
from rmq.node.standing_tasks import keep_running, run_guarded
from rmq.node.storage import Storage
from rmq.plugin_api import Message, NodeServices
from rmq.plugin_host.catalog import Catalog
from rmq.plugin_host.development import INTERVAL_S, Development
from rmq.plugin_host.manager import PluginManager
from rmq.plugin_host.running import PluginStartError
from rmq.plugin_host.selection import ConfiguredPlugins, choose_plugins
from rmq.session.channel import CONNECTED

log = structlog.get_logger(__name__)

# How long clients may take to read their DISCONNECT when the node stops.
STOP_GRACE_S: Final = 3.0
# How much of ``node.shutdown_timeout`` clients, and then clients and plugins together, may use up.
CLIENTS_SHARE: Final = 0.4
PLUGINS_SHARE: Final = 0.8
# The plugins that ship with rmq: a checkout finds them without having been installed. Others are entry points of what
# is installed. The engine knows them by dotted path and from here alone.
PLUGINS: Final[dict[str, str]] = {
    "rmq-acl": "rmq_plugins.acl:AclPlugin",
    "rmq-auth-db": "rmq_plugins.auth_db:AuthDbPlugin",
    "rmq-auth-http": "rmq_plugins.auth_http:AuthHttpPlugin",
    "rmq-auth-jwt": "rmq_plugins.auth_jwt:AuthJwtPlugin",
    "rmq-auto-subscription": "rmq_plugins.auto_subscription:AutoSubscriptionPlugin",
    "rmq-bridge-egress-kafka": "rmq_plugins.bridge_kafka:EgressPlugin",
    "rmq-bridge-egress-mqtt": "rmq_plugins.bridge_mqtt:EgressPlugin",
    "rmq-bridge-ingress-kafka": "rmq_plugins.bridge_kafka:IngressPlugin",
    "rmq-bridge-ingress-mqtt": "rmq_plugins.bridge_mqtt:IngressPlugin",
    "rmq-bridge-egress-nats": "rmq_plugins.bridge_nats:EgressPlugin",
    "rmq-bridge-ingress-nats": "rmq_plugins.bridge_nats:IngressPlugin",
    "rmq-counter": "rmq_plugins.counter:CounterPlugin",
    "rmq-http-api": "rmq_http_api.plugin:HttpApiPlugin",
    "rmq-p2p-messaging": "rmq_plugins.p2p_messaging:P2pMessagingPlugin",
    "rmq-retainer": "rmq_plugins.retainer:RetainerPlugin",
    "rmq-shared-subscription": "rmq_plugins.shared_subscription:SharedSubscriptionPlugin",
    "rmq-message-storage": "rmq_plugins.message_storage:MessageStoragePlugin",
    "rmq-session-storage": "rmq_plugins.session_storage:SessionStoragePlugin",
    "rmq-sys-topic": "rmq_plugins.sys_topic:SysTopicPlugin",
    "rmq-topic-rewrite": "rmq_plugins.topic_rewrite:TopicRewritePlugin",
    "rmq-web-hook": "rmq_plugins.web_hook:WebHookPlugin",
}
# What every node starts, before the plugins that are listed.
BUILT_IN: Final = ("rmq-counter",)


class Node:
    """One node, built but not started. ``listeners`` have their real ports once ``open`` was called.

    ``stop_grace_s``: how long its clients may take to read their DISCONNECT when it stops.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float], stop_grace_s: float = STOP_GRACE_S) -> None:
        self.settings = settings
        self._stop_grace_s = stop_grace_s
        catalog = Catalog.installed(PLUGINS)
        # First, because it may raise: nothing needs to be closed yet.
        chosen = choose_plugins(settings, catalog, [name for name in BUILT_IN if name in PLUGINS])
        chains = HookChains()
        counters = Counters()
        self.hooks = HookRegistry(
            chains,
            counters,
            settings.hooks.time_budget,
            async_time_budget_s=settings.hooks.async_time_budget,
            deny_on_error=settings.hooks.deny_on_error,
        )
        gate = EngineGate()
        runner = AsyncRunner(chains, self.hooks)
        self._clock = clock
        time_of_all = ClusterClock(clock, time.monotonic) if settings.cluster.enabled else clock
        self.broker = Broker(broker_options(settings), chains, counters, runner, time_of_all, gate)
        gate.broker = self.broker
        self.listeners = [make_listener(settings, name, listener) for name, listener in settings.listeners.items()]
        admit_anonymous(settings, self.listeners)
        self.users = make_users(settings, self.hooks, counters, clock)
        make_built_in(settings, self.broker, self.hooks, clock)
        self.reactor = Reactor(self.broker)
        self.own_clients = OwnClients(ACK_POLICIES[settings.storage.ack_policy])
        self.storage: Storage | None = None
        self.member: Member | None = None
        self.broker.connection_log = ConnectionLog(settings.log.connection_lines)
        choice = ConfiguredPlugins(catalog, settings, settings.read_again)
        self.plugins = PluginManager(self._services(), chosen, choice)
        self.management = make_management(settings, self.broker, self.hooks, self.plugins)
        choice.kept = self.management.plugin_configs.kept
        self.development: Development | None = None
        if settings.development:
            main_file, folder = settings.config_file, settings.plugins_path
            self.development = Development(self.plugins, choice, main_file, folder, INTERVAL_S)
        self.management.local.figures.certificates = self._certificates
        operations = self.management.local.operations
        operations.listeners = ListenersOfNode(self.listeners, self.reactor)
        self._tell_limits()
        operations.alarms.limits = alarm_limits(settings)
        if settings.changes_path is not None:
            operations.node_settings = ChangeableSettings(
                settings, settings.changes_path, catalog.models, self.listeners, self.plugins, self._tell_limits
            )
        self.reload = Reload()
        self.reload.parts += [
            ("log file", reopen_files),
            ("certificates", self._reload_certificates),
            ("plugins", self._reload_plugins),
        ]
        if self.users is not None:
            self.reload.parts.append(("password file", self.users.reload))

    def _tell_limits(self) -> None:
        self.management.local.operations.listener_limits = [listener.limits for listener in self.listeners]

    def _services(self) -> NodeServices:
        broker = self.broker

        def publish(message: Message) -> int:
            broker.touch_clock()
            matched = broker.publish(message)
            broker.flush()
            return matched

        def count_error() -> None:
            broker.counters.internal_errors += 1

        def drop_access_cache() -> None:
            for channel in broker.registry:
                channel.acl = None

        def drop_access_cache_of(client_id: str) -> None:
            channel = broker.registry.get(client_id)
            if channel is not None:
                channel.acl = None

        def has_subscribers(topic: str) -> bool:
            targets = broker.ctx.router.match(topic)
            return bool(targets.plain or targets.groups)

        return NodeServices(
            broker.node_id,
            str(broker.node_id),
            self.hooks,
            broker.clock,
            publish,
            has_subscribers,
            lambda: stats_snapshot(broker.refresh_stats()) | self.management.local.cluster_stats(),
            lambda: metrics_snapshot(broker.counters) | self.management.local.cluster_metrics(),
            count_error,
            drop_access_cache,
            lambda: self.management,
            ArgonPasswords(),
            self.settings.data_path if self.settings.storage.enable else None,
            drop_access_cache_of,
            self.own_clients.connect,
            broker.queue_of,
            EngineKeeping(broker),
        )

    def open(self) -> None:
        """Read the data, take all addresses; raises ``ConfigError`` naming what can't be had."""
        problems: list[Problem] = []
        if self.settings.storage.enable:
            try:
                if self.settings.cluster.enabled:
                    self.member = Member(self.settings, self.broker, self.reactor, self.management, self._clock)
                else:
                    self.storage = Storage(self.settings, self.broker, self.reactor)
            except ConfigError:
                self.close()
                raise
        for listener in self.listeners:
            try:
                listener.open()
            except ListenError as error:
                kind, name = listener.name.split(".", 1)
                origin = self.settings.origin("listener", kind, name, error.key)
                key = f"listener.{listener.name}.{error.key}"
                problems.append(Problem(origin.name if origin else "", key, str(error)))
        if problems:
            self.close()
            raise ConfigError(problems)

    async def run(self, started: Callable[[], None]) -> None:
        """Serve until cancelled; ``started`` is called when all listeners accept."""
        async with trio.open_nursery() as nursery:

            def spawn(work: Callable[[], Awaitable[None]]) -> None:
                nursery.start_soon(run_guarded, self.broker, "in work beside the turns", work)

            def keep(name: str, work: Callable[[], Awaitable[None]]) -> None:
                nursery.start_soon(keep_running, self.broker, f"in {name}", work)

            self.broker.spawn = spawn
            self.hooks.start(spawn)
            self.own_clients.start(self.reactor)
            try:
                await self._start_plugins(nursery)
                await self.broker.runner.run_before_startup()
                if self.storage is not None:
                    self.storage.go_on()
                if self.member is not None:
                    await self.member.start(nursery)
                self.broker.account_watch.look()  # who may come in, and what they may, before anybody comes
                await self.management.plugin_configs.take_all()
                keep("taking plugin configurations", self.management.plugin_configs.watch)
                for listener in self.listeners:
                    listener.start(self.reactor)
                keep("the reactor", self.reactor.run)
                keep("the timers", self._turn_timers)
                keep("measuring the load", self._watch_load)
                keep("watching for alarms", self._watch_alarms)
                keep("writing traces", self.management.local.operations.tracing.run)
                nursery.start_soon(self.reload.serve)
                if self.development is not None:
                    await self.development.begin()
                    keep("watching files", self.development.run)
                self.management.local.condition.phase = SERVING
                started()
                await trio.sleep_forever()
            finally:
                with trio.CancelScope(shield=True):
                    await self._stop()

    async def _start_plugins(self, nursery: trio.Nursery) -> None:
        try:
            await self.plugins.start(nursery)
        except PluginStartError as error:
            raise ConfigError([Problem("", f"plugins.{error.plugin}", error.reason)]) from None

    async def _reload_plugins(self) -> None:
        problems = await self.plugins.reload_all()
        if problems:
            raise ReloadError(problems)

    def _certificates(self) -> dict[str, float]:
        ends = {listener.name: listener.certificate_end for listener in self.listeners}
        return {name: end for name, end in ends.items() if end is not None}

    def _reload_certificates(self) -> None:
        problems: list[str] = []
        for listener in self.listeners:
            try:
                listener.reload_certificates()
            except ListenError as error:
                problems.append(f"listener.{listener.name}.{error.key}: {error}")
        if problems:
            raise ReloadError(problems)

    async def _watch_load(self) -> None:
        settings = self.settings
        await watch_load(self.broker, busy_limits(settings), settings.node.busy.update_interval)

    async def _watch_alarms(self) -> None:
        settings = self.settings
        await watch_alarms(self.broker, self.management.local, str(settings.data_path), settings.alarms.interval)

    async def _turn_timers(self) -> None:
        while True:
            await trio.sleep(1 / TICKS_PER_SECOND)
            self.broker.advance_timers()
            self._write_connection_lines()

    def _write_connection_lines(self) -> None:
        broker = self.broker
        write_events("rmq.connections", broker.connection_log.take(broker.ctx.now))

    async def _stop(self) -> None:
        begun = trio.current_time()
        self.own_clients.close()
        self.management.local.condition.phase = STOPPING
        timeout = self.settings.node.shutdown_timeout
        if self.member is not None:
            for listener in self.listeners:
                listener.close()
            await self.member.stop()
        with trio.move_on_after(min(self._stop_grace_s, timeout * CLIENTS_SHARE)):
            try:
                await self._say_goodbye()
            except Exception:
                self.broker.report_bug(None, "in the goodbye to clients")  # the rest is stopped all the same
        await self.plugins.stop(begun + timeout * PLUGINS_SHARE)
        # From here on nothing changes what is kept: the journal can be closed.
        self.close()
        self._write_connection_lines()

    async def _say_goodbye(self) -> None:
        for listener in self.listeners:
            listener.close()
        broker = self.broker
        broker.touch_clock()
        for channel in self.reactor.channels():
            # A CONNACK can't carry the reason code of a node that stops (MQTT 5.0, table 3-1).
            connected = channel.state == CONNECTED
            close(broker, channel, codes.SERVER_SHUTTING_DOWN if connected else codes.SERVER_UNAVAILABLE, "node stops")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._turn_timers_of_the_closing)
            await self.reactor.drain()
            nursery.cancel_scope.cancel()

    async def _turn_timers_of_the_closing(self) -> None:
        """Connections whose peers don't read are cut by their timers."""
        while True:
            await trio.sleep(1 / TICKS_PER_SECOND)
            self.broker.advance_timers()
            self.reactor.wake()  # so that it sees that there is one connection less to wait for

    def close(self) -> None:
        """Close every socket, and then the data."""
        for listener in self.listeners:
            listener.close()
        self.reactor.close()
        if self.member is not None:
            self.member.close()
            self.member = None
        if self.storage is not None:
            self.storage.close()
            self.storage = None
