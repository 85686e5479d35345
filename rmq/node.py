"""The composition root: builds every part of a node, starts and stops them in order, minds signals."""

import gc
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import structlog
import trio

from rmq import __version__
from rmq.build_info import build_description
from rmq.config import ConfigError, ListenerSettings, Problem, Settings
from rmq.engine.broker import Broker, BrokerOptions
from rmq.engine.disconnect import close
from rmq.engine.gate import EngineGate
from rmq.engine.timers import TICKS_PER_SECOND
from rmq.hooks.async_runner import AsyncRunner
from rmq.hooks.chains import HookChains
from rmq.hooks.registry import HookRegistry
from rmq.log import setup_logging
from rmq.metrics.counters import Counters
from rmq.metrics.keys import metrics_snapshot, stats_snapshot
from rmq.mqtt import codes
from rmq.net.listener import Listener, ListenerOptions
from rmq.net.reactor import Reactor
from rmq.plugin_api import Message, NodeServices
from rmq.plugin_host.catalog import Catalog
from rmq.plugin_host.manager import PluginManager, PluginStartError
from rmq.plugin_host.selection import choose_plugins
from rmq.session.limits import Limits

log = structlog.get_logger(__name__)

# Tuned for many objects that live long: a full collection of a million sessions must be rare.
GC_THRESHOLDS: Final = (100_000, 50, 1000)
# How long clients may take to read their DISCONNECT when the node stops.
STOP_GRACE_S: Final = 1.0
# The plugins that a configuration can name. The engine knows them by dotted path and from here alone.
PLUGINS: Final[dict[str, str]] = {
    "rmq-acl": "rmq_plugins.acl:AclPlugin",
    "rmq-sys-topic": "rmq_plugins.sys_topic:SysTopicPlugin",
}


class Clock:
    """Seconds since 1970 that never go back: trio's clock from the time of day at the start."""

    def __init__(self) -> None:
        self._offset = time.time() - trio.current_time()

    def __call__(self) -> float:
        return self._offset + trio.current_time()


def broker_options(settings: Settings) -> BrokerOptions:
    """What the settings say about the engine."""
    options = BrokerOptions()
    options.node_id = settings.node.id
    options.max_sessions = settings.mqtt.max_sessions
    options.allow_multiple_matches = settings.mqtt.allow_multiple_matches
    options.shared_subscription_strategy = settings.mqtt.shared_subscription_strategy
    options.max_retained = settings.retain.max_retained_messages
    options.max_retained_payload = settings.retain.max_payload_size
    options.retained_ttl_s = settings.retain.retained_message_ttl
    return options


def listener_limits(name: str, settings: ListenerSettings) -> Limits:
    """What the settings of a listener say about its clients."""
    limits = Limits(name)
    limits.allow_anonymous = settings.allow_anonymous
    limits.allow_zero_keepalive = settings.allow_zero_keepalive
    limits.check_payload_format = settings.check_payload_format
    limits.drop_newest = settings.mqueue_drop_policy == "newest"
    limits.handshake_timeout_s = settings.handshake_timeout
    limits.keepalive_backoff = settings.keepalive_backoff
    limits.max_clientid_len = settings.max_clientid_len
    limits.max_inflight = settings.max_inflight
    limits.max_keepalive = settings.max_keepalive
    limits.max_mqueue_len = settings.max_mqueue_len
    limits.max_outbound_topic_aliases = settings.max_outbound_topic_aliases
    limits.max_packet_size = settings.packet_size_limit
    limits.max_qos_allowed = settings.max_qos_allowed
    limits.max_session_expiry_interval = settings.max_session_expiry_interval
    limits.max_subscriptions = settings.max_subscriptions
    limits.max_topic_aliases = settings.max_topic_aliases
    limits.max_topic_levels = settings.max_topic_levels
    limits.message_expiry_interval = settings.message_expiry_interval
    limits.min_keepalive = settings.min_keepalive
    limits.mqueue_rate = settings.mqueue_rate_limit.count
    limits.mqueue_rate_interval_s = settings.mqueue_rate_limit.period_s
    limits.out_buffer_limit = settings.out_buffer_limit
    limits.receive_maximum = settings.receive_maximum
    limits.retain_available = settings.retain_available
    limits.session_expiry_interval = settings.session_expiry_interval
    limits.shared_subscription_available = settings.shared_subscription_available
    limits.subscription_identifiers_available = settings.subscription_identifiers_available
    limits.wildcard_subscription_available = settings.wildcard_subscription_available
    return limits


def make_listener(name: str, settings: ListenerSettings) -> Listener:
    """A listener that isn't open yet."""
    options = ListenerOptions(settings.addr.host, settings.addr.port, is_ipv6=settings.addr.is_ipv6)
    options.backlog = settings.backlog
    options.max_connections = settings.max_connections
    options.max_handshakes = settings.max_handshaking_limit
    options.nodelay = settings.nodelay
    options.reuseaddr = settings.reuseaddr
    options.reuseport = settings.reuseport
    options.tcp_keepalive = settings.tcp_keepalive
    return Listener(options, listener_limits(name, settings))


class Node:
    """One node, built but not started. ``listeners`` have their real ports once ``open`` was called."""

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        self.settings = settings
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
        self.broker = Broker(broker_options(settings), chains, counters, runner, clock, gate)
        gate.broker = self.broker
        self.listeners = [make_listener(name, listener) for name, listener in settings.listeners.items()]
        self.reactor = Reactor(self.broker)
        self.plugins = PluginManager(self._services(), choose_plugins(settings, Catalog(PLUGINS)))

    def _services(self) -> NodeServices:
        broker = self.broker

        def publish(message: Message) -> int:
            broker.touch_clock()
            matched = broker.publish(message)
            broker.flush()
            return matched

        def count_error() -> None:
            broker.counters.internal_errors += 1

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
            lambda: stats_snapshot(broker.refresh_stats()),
            lambda: metrics_snapshot(broker.counters),
            count_error,
        )

    def open(self) -> None:
        """Take all addresses; raises ``ConfigError`` naming the ones that can't be had."""
        problems: list[Problem] = []
        for listener in self.listeners:
            try:
                listener.open()
            except OSError as error:
                kind, name = listener.name.split(".", 1)
                origin = self.settings.origin("listener", kind, name, "addr")
                address = f"{listener.host}:{listener.port}"
                key = f"listener.{listener.name}.addr"
                problems.append(Problem(origin.name if origin else "", key, f"{address}: {error.strerror}"))
        if problems:
            self.close()
            raise ConfigError(problems)

    async def run(self, started: Callable[[], None]) -> None:
        """Serve until cancelled; ``started`` is called when all listeners accept."""
        async with trio.open_nursery() as nursery:

            def spawn(work: Callable[[], Awaitable[None]]) -> None:
                nursery.start_soon(work)

            self.broker.spawn = spawn
            self.hooks.start(spawn)
            try:
                await self._start_plugins(nursery)
                await self.broker.runner.run_before_startup()
                for listener in self.listeners:
                    listener.start(self.reactor)
                nursery.start_soon(self.reactor.run)
                nursery.start_soon(self._turn_timers)
                started()
                await trio.sleep_forever()
            finally:
                with trio.move_on_after(STOP_GRACE_S, shield=True):
                    await self._say_goodbye()
                await self.plugins.stop()
                self.close()

    async def _start_plugins(self, nursery: trio.Nursery) -> None:
        try:
            await self.plugins.start(nursery)
        except PluginStartError as error:
            raise ConfigError([Problem("", f"plugins.{error.plugin}", error.reason)]) from None

    async def _turn_timers(self) -> None:
        while True:
            await trio.sleep(1 / TICKS_PER_SECOND)
            self.broker.advance_timers()

    async def _say_goodbye(self) -> None:
        for listener in self.listeners:
            listener.close()
        broker = self.broker
        broker.touch_clock()
        for channel in self.reactor.channels():
            close(broker, channel, codes.SERVER_SHUTTING_DOWN, "node stops")
        await self.reactor.drain()

    def close(self) -> None:
        """Close every socket."""
        for listener in self.listeners:
            listener.close()
        self.reactor.close()


def run(settings: Settings) -> int:
    """Run a node until SIGINT or SIGTERM; returns the exit code. Raises ``ConfigError`` when it can't start."""
    _prepare_data(settings)
    try:
        setup_logging(settings.log.to, settings.log.level, settings.log.format, settings.log_path)
    except OSError as error:
        raise ConfigError([Problem("", "log.file", f"{settings.log_path}: {error.strerror}")]) from None
    try:
        trio.run(_serve, settings)
    except BaseExceptionGroup as group:
        wrong = group.subgroup(ConfigError)
        if wrong is None:
            raise
        raise ConfigError(_problems(wrong)) from None
    return 0


def _problems(group: BaseExceptionGroup[ConfigError]) -> list[Problem]:
    problems: list[Problem] = []
    for error in group.exceptions:
        problems.extend(error.problems if isinstance(error, ConfigError) else _problems(error))
    return problems


def _prepare_data(settings: Settings) -> None:
    path: Path = settings.data_path
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        origin = settings.origin("node", "data_dir")
        raise ConfigError(
            [Problem(origin.name if origin else "", "node.data_dir", f"{path}: {error.strerror}")]
        ) from None


async def _serve(settings: Settings) -> None:
    with _quiet_collector(), trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        node = Node(settings, Clock())
        node.open()
        running = trio.CancelScope()
        async with trio.open_nursery() as nursery:

            async def serve() -> None:
                with running:
                    await node.run(lambda: _announce(node))
                nursery.cancel_scope.cancel()

            nursery.start_soon(serve)
            async for number in signals:  # to the end: told twice is told once
                log.info("stopping", signal=signal.Signals(number).name)
                running.cancel()


@contextmanager
def _quiet_collector() -> Iterator[None]:
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _announce(node: Node) -> None:
    settings = node.settings
    lines = [f"rmq-node {__version__} ({build_description()}), node {settings.node.id}"]
    lines += [
        f"  listens  {listener.host}:{listener.port} (MQTT 3.1, 3.1.1, 5.0; {listener.name})"
        for listener in node.listeners
    ]
    lines.append(f"  data     {settings.data_path.resolve()}")
    lines.append(f"  config   {settings.config_file.resolve() if settings.config_file else 'built-in defaults'}")
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
