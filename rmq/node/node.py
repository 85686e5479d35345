"""One node: every part built, started and stopped in order."""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog
import trio

from rmq.config import ConfigError, Problem, Settings
from rmq.engine.broker import Broker
from rmq.engine.disconnect import close
from rmq.engine.gate import EngineGate
from rmq.engine.timers import TICKS_PER_SECOND
from rmq.hooks.async_runner import AsyncRunner
from rmq.hooks.chains import HookChains
from rmq.hooks.registry import HookRegistry
from rmq.metrics.counters import Counters
from rmq.metrics.keys import metrics_snapshot, stats_snapshot
from rmq.mqtt import codes
from rmq.net.reactor import Reactor
from rmq.node.options import broker_options, make_listener
from rmq.plugin_api import Message, NodeServices
from rmq.plugin_host.catalog import Catalog
from rmq.plugin_host.manager import PluginManager, PluginStartError
from rmq.plugin_host.selection import choose_plugins

log = structlog.get_logger(__name__)

# How long clients may take to read their DISCONNECT when the node stops.
STOP_GRACE_S: Final = 1.0
# The plugins that a configuration can name. The engine knows them by dotted path and from here alone.
PLUGINS: Final[dict[str, str]] = {
    "rmq-acl": "rmq_plugins.acl:AclPlugin",
    "rmq-sys-topic": "rmq_plugins.sys_topic:SysTopicPlugin",
}


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
