"""One plugin from before its start until its tasks have ended, in a nursery of its own."""

from collections.abc import Callable, Sequence
from typing import Final

import structlog
import trio
from pydantic import BaseModel

from rmq.hooks.registry import Handle
from rmq.plugin_api import NodeServices, Plugin, PluginError, PluginHost
from rmq.plugin_host.selection import ChosenPlugin

log = structlog.get_logger(__name__)

START_TIMEOUT_S: Final = 30.0
STOP_TIMEOUT_S: Final = 5.0
# How long the asynchronous handlers of a plugin that stops may take to hear what happened before.
DRAIN_TIMEOUT_S: Final = 2.0


class PluginStartError(Exception):
    """A plugin didn't start."""

    def __init__(self, plugin: str, reason: str) -> None:
        super().__init__(f"{plugin}: {reason}")
        self.plugin = plugin
        self.reason = reason


class RunningPlugin:
    """A plugin object and what belongs to it; ``plugin`` is None until it is built, ``started`` says the rest."""

    def __init__(
        self, chosen: ChosenPlugin, services: NodeServices, failed: Callable[["RunningPlugin", BaseException], None]
    ) -> None:
        self.chosen = chosen
        self.name = chosen.plugin_class.name
        self.plugin: Plugin[BaseModel] | None = None
        self.started = False
        self.failure = ""
        self._services = services
        self._failed = failed
        # Handlers of this name that are there already belong to the one that this one replaces.
        self._others = set(services.registry.handles_of(self.name))
        self._kept: list[Handle] | None = None
        # Shielded: tasks of a plugin outlive the cancellation of the node, until the plugin itself was stopped.
        self._scope = trio.CancelScope(shield=True)
        self._ended = trio.Event()
        self._spawned = False

    async def start(self, nursery: trio.Nursery) -> None:
        """Build and start it; raises ``PluginStartError``. Whoever calls this calls ``stop``, also when it failed."""
        self._spawned = True
        with trio.CancelScope(shield=True):  # cancelled, it would wait for a task that is shielded, for ever
            own_nursery = await nursery.start(self._hold_nursery)
        name = self.name
        try:
            with trio.fail_after(START_TIMEOUT_S):
                host = PluginHost(name, self._services, own_nursery, lambda error: self._failed(self, error))
                self.plugin = self.chosen.plugin_class(self.chosen.config, host)
                await self.plugin.start()
        except PluginError as error:
            raise PluginStartError(name, str(error)) from error
        except trio.TooSlowError:
            raise PluginStartError(name, f"has not started after {START_TIMEOUT_S:g} s") from None
        except Exception as error:
            log.debug("plugin failed to start", plugin=name, exc_info=True)
            raise PluginStartError(name, f"{type(error).__name__}: {error}") from error
        self.started = True
        log.debug("plugin started", plugin=name, version=self.chosen.plugin_class.version)

    async def _hold_nursery(self, *, task_status: trio.TaskStatus[trio.Nursery]) -> None:
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    task_status.started(nursery)
                    await trio.sleep_forever()
        finally:
            self._ended.set()

    @property
    def can_reload(self) -> bool:
        """Whether it takes a new configuration without being restarted."""
        return self.chosen.plugin_class.reload is not Plugin.reload

    async def reload(self, chosen: ChosenPlugin) -> None:
        """Hand it a new configuration; raises ``PluginStartError`` when it doesn't want it."""
        plugin = self.plugin
        if plugin is None:
            raise PluginStartError(self.name, "isn't running")
        try:
            with trio.fail_after(START_TIMEOUT_S):
                await plugin.reload(chosen.config)
        except PluginError as error:
            raise PluginStartError(self.name, str(error)) from error
        except trio.TooSlowError:
            raise PluginStartError(self.name, f"has not reloaded after {START_TIMEOUT_S:g} s") from None
        except Exception as error:
            self._services.count_error()
            log.exception("plugin failed to reload", plugin=self.name)
            raise PluginStartError(self.name, f"{type(error).__name__}: {error}") from error
        self.chosen = chosen

    def handles(self) -> Sequence[Handle]:
        """What it registered."""
        if self._kept is not None:
            return self._kept
        return [handle for handle in self._services.registry.handles_of(self.name) if handle not in self._others]

    async def stop(self) -> None:
        """Tell it what it wasn't told yet, stop it, take its handlers out and end its tasks; whatever it does."""
        try:
            await self._close()
        finally:
            self.unregister()
            self.cut()
        await self._wait_for_tasks()

    async def stop_keeping_handlers(self) -> None:
        """``stop``, but synchronous handlers and those that decide stay: without them a door could stand open."""
        try:
            await self._close()
        finally:
            self._kept = list(self.handles())  # what comes under this name from now on is another's
            self.cut()
        await self._wait_for_tasks()

    def unregister(self) -> None:
        """Take out what handlers it still has."""
        for handle in self.handles():
            self._services.registry.unregister(handle)

    def cut(self) -> None:
        """Cancel its tasks."""
        self._scope.cancel()

    async def _close(self) -> None:
        if not self.started or self.plugin is None:
            return
        self.started = False
        await self._services.registry.drain(self.handles(), DRAIN_TIMEOUT_S)
        with trio.move_on_after(STOP_TIMEOUT_S) as scope:
            try:
                await self.plugin.stop()
            except (Exception, SystemExit):  # a border: plugin code may raise anything
                self._services.count_error()
                log.exception("plugin failed to stop", plugin=self.name)
        if scope.cancelled_caught:
            log.warning("plugin didn't stop in time", plugin=self.name, limit_s=STOP_TIMEOUT_S)

    async def _wait_for_tasks(self) -> None:
        if not self._spawned:
            return
        with trio.move_on_after(STOP_TIMEOUT_S) as scope:
            await self._ended.wait()
        if scope.cancelled_caught:
            log.warning("tasks of a plugin don't end", plugin=self.name, limit_s=STOP_TIMEOUT_S)
