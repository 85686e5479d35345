"""Starts the plugins of a node in order, each with a nursery of its own, and stops them in reverse."""

from collections.abc import Iterator, Sequence
from typing import Final

import structlog
import trio
from pydantic import BaseModel

from rmq.plugin_api import NodeServices, Plugin, PluginError, PluginHost
from rmq.plugin_host.selection import ChosenPlugin

log = structlog.get_logger(__name__)

START_TIMEOUT_S: Final = 30.0
STOP_TIMEOUT_S: Final = 5.0


class PluginStartError(Exception):
    """A plugin didn't start, so the node doesn't either."""

    def __init__(self, plugin: str, reason: str) -> None:
        super().__init__(f"{plugin}: {reason}")
        self.plugin = plugin
        self.reason = reason


class _Entry:
    """A plugin from before its start until its tasks have ended."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.plugin: Plugin[BaseModel] | None = None
        self.started = False
        # Shielded: tasks of a plugin outlive the cancellation of the node, until the plugin itself was stopped.
        self.scope = trio.CancelScope(shield=True)
        self.ended = trio.Event()

    async def hold_nursery(self, *, task_status: trio.TaskStatus[trio.Nursery]) -> None:
        try:
            with self.scope:
                async with trio.open_nursery() as nursery:
                    task_status.started(nursery)
                    await trio.sleep_forever()
        finally:
            self.ended.set()


class PluginManager:
    """The plugins of one node. Whoever calls ``start`` must call ``stop``, also when ``start`` fails."""

    def __init__(self, services: NodeServices, chosen: Sequence[ChosenPlugin]) -> None:
        self._services = services
        self._chosen = list(chosen)
        self._entries: list[_Entry] = []

    def __iter__(self) -> Iterator[Plugin[BaseModel]]:
        """The running plugins in the order of their start."""
        for entry in self._entries:
            if entry.started and entry.plugin is not None:
                yield entry.plugin

    async def start(self, nursery: trio.Nursery) -> None:
        """Start all plugins, one after the other; raises ``PluginStartError`` for the first that fails."""
        for chosen in self._chosen:
            await self._start_one(chosen, nursery)

    async def _start_one(self, chosen: ChosenPlugin, nursery: trio.Nursery) -> None:
        name = chosen.plugin_class.name
        entry = _Entry(name)
        # On the list before anything is awaited, so that stop() ends it however far it got.
        self._entries.append(entry)
        own_nursery = await nursery.start(entry.hold_nursery)
        try:
            with trio.fail_after(START_TIMEOUT_S):
                entry.plugin = chosen.plugin_class(chosen.config, PluginHost(name, self._services, own_nursery))
                await entry.plugin.start()
        except PluginError as error:
            raise PluginStartError(name, str(error)) from error
        except trio.TooSlowError:
            raise PluginStartError(name, f"has not started after {START_TIMEOUT_S:g} s") from None
        except Exception as error:
            log.debug("plugin failed to start", plugin=name, exc_info=True)
            raise PluginStartError(name, f"{type(error).__name__}: {error}") from error
        entry.started = True
        log.debug("plugin started", plugin=name, version=chosen.plugin_class.version)

    async def stop(self) -> None:
        """Stop all plugins in reverse, whatever they do."""
        with trio.CancelScope(shield=True):
            while self._entries:
                await self._stop_one(self._entries.pop())

    async def _stop_one(self, entry: _Entry) -> None:
        if entry.started and entry.plugin is not None:
            with trio.move_on_after(STOP_TIMEOUT_S) as scope:
                try:
                    await entry.plugin.stop()
                except Exception:
                    self._services.count_error()
                    log.exception("plugin failed to stop", plugin=entry.name)
            if scope.cancelled_caught:
                log.warning("plugin didn't stop in time", plugin=entry.name, limit_s=STOP_TIMEOUT_S)
        self._services.registry.unregister_plugin(entry.name)
        entry.scope.cancel()
        if entry.plugin is not None:
            with trio.move_on_after(STOP_TIMEOUT_S) as scope:
                await entry.ended.wait()
            if scope.cancelled_caught:
                log.warning("tasks of a plugin don't end", plugin=entry.name, limit_s=STOP_TIMEOUT_S)
