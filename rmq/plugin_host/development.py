"""`rmq-node --dev`: a plugin is reloaded when its configuration or its code changes on disk."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import structlog
import trio

from rmq.plugin_host.manager import PluginManager
from rmq.plugin_host.operations import PluginOperationError
from rmq.plugin_host.own_code import files_of
from rmq.plugin_host.selection import PluginChoice

log = structlog.get_logger(__name__)

# How often files are looked at. Not by inotify: it tells nothing of many file systems that containers and virtual
# machines mount, and this is a few hundred stat() calls at most.
INTERVAL_S: Final = 0.5

# When it was written, its size, and which file it is: an editor may put a new one in the place of the old.
Stamp = tuple[int, int, int]
Stamps = Mapping[Path, Stamp]


class Development:
    """Looks at the files of the running plugins, and has those reloaded whose files have changed.

    ``main_file`` is the configuration that the node was started with (None: it has none), ``folder`` has the plugins'
    own. What is wrong with a change is one line in the log; the plugin goes on as it was.
    """

    def __init__(
        self, manager: PluginManager, choice: PluginChoice, main_file: Path | None, folder: Path, interval_s: float
    ) -> None:
        self._manager = manager
        self._choice = choice
        self._main_file = main_file
        self._folder = folder
        self._interval_s = interval_s
        self._config: Stamps = {}
        self._code: dict[str, Stamps] = {}

    async def run(self) -> None:
        """Look again and again after ``begin``, until it is cancelled."""
        while True:
            await trio.sleep(self._interval_s)
            await self.look()

    async def begin(self) -> None:
        """Remember the files as they are."""
        self._config = await _stamps(self._config_files)
        self._code = await self._look_at_code()

    async def look(self) -> None:
        """Reload what has changed since the last look."""
        code_before, self._code = self._code, await self._look_at_code()
        for package, stamps in self._code.items():
            # A plugin that was loaded meanwhile has its code as it is.
            if package in code_before and _changed(code_before[package], stamps):
                await self._take_code(package)
        # After the code: new keys mean nothing to the old one.
        before, self._config = self._config, await _stamps(self._config_files)
        for path in _changed(before, self._config):
            await self._take_config(path)

    def _config_files(self) -> list[Path]:
        files = [] if self._main_file is None else [self._main_file]
        return files + sorted(self._folder.glob("*.toml"))

    async def _look_at_code(self) -> dict[str, Stamps]:
        return {package: await _stamps(partial(files_of, package)) for package in self._packages()}

    def _packages(self) -> Mapping[str, Sequence[str]]:
        """The packages of the plugins that run, and which plugins each has."""
        found: dict[str, list[str]] = {}
        for name in self._manager.running_names():
            package = self._choice.package(name)
            if package is not None:
                found.setdefault(package, []).append(name)
        return found

    async def _take_config(self, path: Path) -> None:
        try:
            if path == self._main_file:
                for problem in await self._manager.reload_all():
                    _tell(problem, file=str(path))
                return
            name = self._choice.canonical(path.stem)
            if name in self._manager.running_names():
                await self._manager.reload_config(name)
        except PluginOperationError as error:
            _tell(str(error), file=str(path))

    async def _take_code(self, package: str) -> None:
        try:
            await self._manager.reload_code(self._packages().get(package, ()))
        except PluginOperationError as error:
            _tell(str(error), package=package)


def _tell(problem: str, **where: str) -> None:
    log.error("not reloaded, the old one stays", problem=problem, **where)


def _changed(before: Stamps, now: Stamps) -> list[Path]:
    """What is new, gone or another one."""
    return sorted(path for path in {*before, *now} if before.get(path) != now.get(path))


async def _stamps(files: Callable[[], Iterable[Path]]) -> Stamps:
    return await trio.to_thread.run_sync(lambda: _read_stamps(files()))


def _read_stamps(files: Iterable[Path]) -> Stamps:
    found: dict[Path, Stamp] = {}
    for file in files:
        try:
            stat = file.stat()
        except OSError:
            continue  # it went away just now, which is a change too
        found[file] = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
    return found
