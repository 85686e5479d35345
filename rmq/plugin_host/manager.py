"""The plugins of one node: started in order, stopped in reverse, and loaded, unloaded and reloaded while it runs."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import structlog
import trio
from pydantic import BaseModel

from rmq.config import ConfigError
from rmq.config.secrets import masked
from rmq.hooks.usage import HookUse
from rmq.plugin_api import NodeServices, Plugin, PluginError, PluginState
from rmq.plugin_host.operations import Operations, PluginOperationError, UnknownPluginError
from rmq.plugin_host.own_code import files_of, in_one_line
from rmq.plugin_host.running import PluginStartError, RunningPlugin
from rmq.plugin_host.selection import ChosenPlugin, PluginChoice

log = structlog.get_logger(__name__)


class PluginManager:
    """The plugins of one node. Whoever calls ``start`` must call ``stop``, also when ``start`` fails.

    ``choice`` has the plugins that may be loaded later, and their configurations; without it these are the chosen ones.
    The operations take either name of a plugin and raise ``PluginOperationError``, ``UnknownPluginError`` among them.
    """

    def __init__(
        self, services: NodeServices, chosen: Sequence[ChosenPlugin], choice: PluginChoice | None = None
    ) -> None:
        self._services = services
        self._chosen = list(chosen)
        self._choice = PluginChoice(chosen) if choice is None else choice
        self._running: list[RunningPlugin] = []
        self._inited: set[str] = set()
        self._failures: dict[str, str] = {}
        self._nursery: trio.Nursery | None = None
        self._operations: Operations | None = None

    def __iter__(self) -> Iterator[Plugin[BaseModel]]:
        """The running plugins in the order of their start."""
        for running in self._running:
            if running.started and running.plugin is not None:
                yield running.plugin

    async def start(self, nursery: trio.Nursery) -> None:
        """Start all plugins, one after the other; raises ``PluginStartError`` for the first that fails."""
        self._nursery = nursery
        for chosen in self._chosen:
            await self._start_one(chosen)
        self._operations = Operations(nursery)

    async def stop(self, deadline: float = float("inf")) -> None:
        """Stop all plugins in reverse, whatever they do, until ``deadline`` (trio's clock)."""
        operations = self._operations
        self._operations = None
        with trio.CancelScope(shield=True, deadline=deadline) as scope:
            if operations is not None:
                await operations.cancel()
            while self._running:
                await self._running[-1].stop()
                self._running.pop()
        if scope.cancelled_caught:
            log.warning("no time left to stop plugins", plugins=[running.name for running in self._running])
        for running in self._running:
            running.unregister()
            running.cut()
        self._running.clear()

    # Operations while the node runs

    async def load(self, name: str) -> bool:
        """Start a plugin with its configuration as it is now, or anew when it failed; False when it was running."""
        return await self._ready().run(lambda: self._load(name))

    async def unload(self, name: str) -> bool:
        """Stop a plugin; False when it wasn't running."""
        return await self._ready().run(lambda: self._unload(name))

    async def reload_config(self, name: str) -> None:
        """Have a running plugin take its configuration as it is now.

        When something is wrong with the new one, or the plugin doesn't want it, the old one stays in force.
        """
        await self._ready().run(lambda: self._reload(name))

    async def reload_code(self, names: Sequence[str]) -> None:
        """Restart running plugins with their code, which is one package, imported anew; for those who write it.

        When the new code can't be imported, doesn't take the configuration or doesn't start, the old one goes on.
        """
        await self._ready().run(lambda: self._reload_code(names))

    async def preview(self, name: str) -> dict[str, object]:
        """What ``reload_config`` would change: the keys (``changed``), and what the plugin says of it."""
        return await self._ready().run(lambda: self._preview(name))

    async def reload_all(self) -> list[str]:
        """Have every running plugin take its configuration as it is now; returns what went wrong, a line a plugin.

        One that would have to be restarted is left alone when its configuration is the same as before.
        """
        return await self._ready().run(self._reload_all)

    def config(self, name: str) -> dict[str, object]:
        """A plugin's configuration, the one in force if it runs; secrets are masked."""
        name = self._known(name)
        running = self._find(name)
        try:
            config = self._choice.choose(name).config if running is None else running.chosen.config
        except ConfigError as error:
            raise PluginOperationError("; ".join(str(problem) for problem in error.problems)) from None
        return {key: masked(key, value) for key, value in config.model_dump(mode="json").items()}

    def written_config(self, name: str, over: Mapping[str, object]) -> dict[str, object]:
        """What files, environment and flags say of a plugin now, with these keys put over it: unchecked, unmasked."""
        name = self._known(name)
        try:
            self._choice.read_again()
            return self._choice.written(name, over)
        except ConfigError as error:
            raise PluginOperationError("; ".join(str(problem) for problem in error.problems)) from None

    def check_config(self, name: str, values: Mapping[str, object]) -> None:
        """Raise what is wrong with a plugin's configuration once these keys are put over it."""
        try:
            self._choice.choose(self._known(name), values)
        except ConfigError as error:
            raise PluginOperationError("; ".join(str(problem) for problem in error.problems)) from None

    def runs(self, name: str) -> bool:
        """Whether a plugin is running, by either name; False for one that nobody knows."""
        running = self._find(self._choice.canonical(name))
        return running is not None and running.started and not running.failure

    def running_names(self) -> list[str]:
        """The plugins that were started, in this order, and not stopped: also those that have failed since."""
        return [running.name for running in self._running]

    def describe(self) -> list[PluginState]:
        """Every plugin that could run here, by name."""
        names = dict.fromkeys([*self._choice.names(), *(running.name for running in self._running)])
        return [self._state(name) for name in names]

    def state(self, name: str) -> PluginState:
        """One plugin."""
        return self._state(self._known(name))

    def _state(self, name: str) -> PluginState:
        running = self._find(name)
        plugin = None if running is None else running.plugin
        loaded = self._choice.loaded(name) if running is None else running.chosen.plugin_class
        return PluginState(
            name,
            None if loaded is None else loaded.version,
            None if loaded is None else loaded.descr,
            running is not None and running.started and not running.failure,
            name in self._inited,
            loaded is not None and loaded.immutable,
            None if plugin is None else self._attrs(plugin),
            running.failure if running is not None and running.failure else self._failures.get(name, ""),
        )

    def _attrs(self, plugin: Plugin[BaseModel]) -> dict[str, object]:
        try:
            attrs = plugin.attrs()
        except Exception as error:  # a border: plugin code may raise anything
            self._services.count_error()
            log.exception("plugin can't describe itself", plugin=plugin.name)
            attrs = {"error": f"{type(error).__name__}: {error}"}
        return {**attrs, "hooks": _hooks(self._services.registry.uses.of_plugin(plugin.name))}

    # The work behind the operations

    def _ready(self) -> Operations:
        if self._operations is None:
            raise PluginOperationError("the node isn't running")
        return self._operations

    def _find(self, name: str) -> RunningPlugin | None:
        return next((running for running in self._running if running.name == name), None)

    def _known(self, name: str) -> str:
        name = self._choice.canonical(name)
        if name not in self._choice.names() and self._find(name) is None:
            raise UnknownPluginError(f"no plugin is called {name}")
        return name

    def _changeable(self, name: str) -> tuple[str, RunningPlugin | None]:
        name = self._known(name)
        loaded = self._choice.loaded(name)
        if loaded is not None and loaded.immutable:
            raise PluginOperationError(f"{name} can't be started, stopped or reloaded while the node runs")
        return name, self._find(name)

    async def _start_one(self, chosen: ChosenPlugin) -> None:
        if self._nursery is None:
            raise RuntimeError("plugins are started with their node")
        running = RunningPlugin(chosen, self._services, self._note_failure)
        # On the list before anything is awaited, so that stop() ends it however far it got.
        self._running.append(running)
        try:
            await running.start(self._nursery)
        finally:
            if running.plugin is not None:
                self._inited.add(running.name)
        self._failures.pop(running.name, None)

    def _note_failure(self, running: RunningPlugin, error: BaseException) -> None:
        running.failure = f"{type(error).__name__}: {error}"

    async def _load(self, name: str) -> bool:
        name, running = self._changeable(name)
        if running is not None and running.started and not running.failure:
            return False
        self._choice.read_again()
        chosen = self._choice.choose(name)
        if chosen.plugin_class.immutable:
            raise PluginOperationError(f"{name} can't be started, stopped or reloaded while the node runs")
        if running is not None:
            await self._restart(running, chosen)
        else:
            await self._start_alone(chosen)
        self._services.drop_access_cache()
        log.info("plugin loaded", plugin=name, version=chosen.plugin_class.version)
        return True

    async def _start_alone(self, chosen: ChosenPlugin) -> None:
        try:
            await self._start_one(chosen)
        except PluginStartError as error:
            failed = self._running[-1]
            await failed.stop()
            self._running.remove(failed)
            self._failures[error.plugin] = error.reason
            raise PluginOperationError(f"plugins.{error}") from error

    async def _unload(self, name: str) -> bool:
        name, running = self._changeable(name)
        if running is None:
            return False
        await running.stop()
        self._running.remove(running)
        self._services.drop_access_cache()
        log.info("plugin unloaded", plugin=name)
        return True

    async def _reload(self, name: str) -> None:
        name, running = self._changeable(name)
        if running is None:
            raise PluginOperationError(f"{name} isn't running")
        self._choice.read_again()
        await self._reload_one(running, self._choice.choose(name))

    async def _reload_code(self, names: Sequence[str]) -> None:
        olds = [running for _, running in map(self._changeable, names) if running is not None]
        if not olds:
            return  # unloaded a moment ago
        files = files_of(self._choice.package(olds[0].name) or "")
        undo = self._choice.load_again([old.name for old in olds])
        replaced: list[ChosenPlugin] = []
        try:
            self._choice.read_again()
            for old, chosen in [(old, self._choice.choose(old.name)) for old in olds]:
                await self._restart(old, chosen)
                replaced.append(old.chosen)
                log.info("plugin reloaded with new code", plugin=old.name)
        except (PluginOperationError, ConfigError) as error:
            undo()
            for before in replaced:  # plugins of one package run with one code
                running = self._find(before.plugin_class.name)
                if running is not None:
                    await self._restart(running, before)
            raise _with_place(error, files) from error
        finally:
            self._services.drop_access_cache()

    async def _preview(self, name: str) -> dict[str, object]:
        name, running = self._changeable(name)
        if running is None or running.plugin is None:
            raise PluginOperationError(f"{name} isn't running")
        self._choice.read_again()
        config = self._choice.choose(name).config
        before = running.chosen.config
        changed = [key for key in type(config).model_fields if getattr(config, key) != getattr(before, key, None)]
        try:
            told = await running.plugin.preview(config)
        except PluginError as error:
            raise PluginOperationError(f"plugins.{name}: {error}") from error
        return {"changed": changed, **told}

    async def _reload_all(self) -> list[str]:
        self._choice.read_again()
        wrong: list[str] = []
        for running in list(self._running):
            if running.chosen.plugin_class.immutable:
                continue
            try:
                chosen = self._choice.choose(running.name)
                if running.can_reload or chosen.config != running.chosen.config:
                    await self._reload_one(running, chosen)
            except ConfigError as error:
                wrong.append("; ".join(str(problem) for problem in error.problems))
            except PluginOperationError as error:
                wrong.append(str(error))
        return wrong

    async def _reload_one(self, running: RunningPlugin, chosen: ChosenPlugin) -> None:
        if running.can_reload and running.started and not running.failure:
            try:
                await running.reload(chosen)
            except PluginStartError as error:
                raise PluginOperationError(f"plugins.{error} (the old configuration stays)") from error
            finally:
                self._services.drop_access_cache()  # whatever a reload that failed left behind is asked anew
        else:
            await self._restart(running, chosen)
            self._services.drop_access_cache()
        log.info("plugin reloaded", plugin=running.name)

    async def _restart(self, old: RunningPlugin, chosen: ChosenPlugin) -> None:
        """Put a new object in place of ``old``, whose handlers stay until the new one's are there."""
        await old.stop_keeping_handlers()
        try:
            await self._start_one(chosen)
        except PluginStartError as error:
            await self._give_up(self._running[-1])
            try:
                await self._start_one(old.chosen)
            except PluginStartError as again:
                await self._give_up(self._running[-1])
                old.failure = f"stopped for a reload, and doesn't start any more: {again.reason}"
                raise PluginOperationError(f"plugins.{error}; the old configuration doesn't start either") from error
            self._replace(old)
            raise PluginOperationError(f"plugins.{error} (the old configuration stays)") from error
        self._replace(old)

    async def _give_up(self, failed: RunningPlugin) -> None:
        await failed.stop()
        self._running.remove(failed)

    def _replace(self, old: RunningPlugin) -> None:
        """The plugin started last takes the place of ``old`` in the order of the start."""
        old.unregister()
        position = self._running.index(old)
        self._running[position] = self._running.pop()


def _hooks(uses: Sequence[HookUse]) -> dict[str, object]:
    """What an operator is told of a plugin's handlers, by hook point."""
    return {
        use.point: {
            "calls": use.calls,
            "seconds": round(use.seconds, 6),
            "errors": use.errors,
            "overruns": use.overruns,
        }
        for use in uses
    }


def _with_place(error: PluginOperationError | ConfigError, files: list[Path]) -> PluginOperationError | ConfigError:
    """The same with file and line, where it comes from the code of a plugin that didn't start."""
    start = error.__cause__
    cause = start.__cause__ if isinstance(start, PluginStartError) else None
    if cause is None or isinstance(cause, PluginError):
        return error
    return PluginOperationError(f"{in_one_line(cause, files)} (the old code goes on)")
