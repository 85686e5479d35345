"""The plugins that can be named in a configuration: names to classes, found as entry points or by dotted path."""

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from typing import Final

from pydantic import BaseModel

from rmq.config import ConfigError, Problem
from rmq.plugin_api import Plugin
from rmq.plugin_host.own_code import Reimport, files_of, in_one_line, package_of

AnyPlugin = type[Plugin[BaseModel]]

# Where other distributions tell of their plugins: [project.entry-points."rmq.plugins"] name = "package.module:Class".
ENTRY_POINT_GROUP: Final = "rmq.plugins"

_OTHER_PREFIX = "rmqtt-"
_PREFIX = "rmq-"


class CatalogError(Exception):
    """A plugin that is in the catalog can't be loaded."""


class Catalog:
    """Plugins by name; ``paths`` maps a name to ``"package.module:Class"``. No code is imported before it is needed.

    Configurations written for RMQTT call a plugin rmqtt-x; they mean our rmq-x.
    """

    def __init__(self, paths: Mapping[str, str]) -> None:
        self._paths = dict(paths)
        self._classes: dict[str, AnyPlugin] = {}

    @classmethod
    def installed(cls, shipped: Mapping[str, str]) -> "Catalog":
        """The ``shipped`` plugins and every entry point of what is installed; nobody takes a shipped name away."""
        found = {point.name: point.value.replace(" ", "") for point in entry_points(group=ENTRY_POINT_GROUP)}
        return cls(found | dict(shipped))

    def names(self) -> list[str]:
        """All plugins, sorted."""
        return sorted(self._paths)

    def canonical(self, name: str) -> str:
        """Our name of a plugin; unknown names come back as they are."""
        if name not in self._paths and name.startswith(_OTHER_PREFIX):
            ours = _PREFIX + name.removeprefix(_OTHER_PREFIX)
            if ours in self._paths:
                return ours
        return name

    def load(self, name: str) -> AnyPlugin:
        """The class of a plugin, by either name."""
        name = self.canonical(name)
        if name not in self._classes:
            self._classes[name] = self._import(name)
        return self._classes[name]

    def loaded(self, name: str) -> AnyPlugin | None:
        """The class of a plugin if it was needed before."""
        return self._classes.get(self.canonical(name))

    def package(self, name: str) -> str | None:
        """The package that a plugin's code is, None for one whose code wasn't needed so far."""
        name = self.canonical(name)
        return package_of(self._module(name)) if name in self._classes else None

    def load_again(self, names: Sequence[str]) -> Callable[[], None]:
        """Import the code of loaded plugins anew, which is one package; what is returned undoes it.

        ``CatalogError`` says in one line what is wrong, with file and line; then everything is as it was.
        """
        before = {name: self._classes.pop(name) for name in names}
        files = files_of(package_of(self._module(names[0])))
        reimport = Reimport(package_of(self._module(names[0])))

        def undo() -> None:
            reimport.undo()
            self._classes.update(before)

        try:
            for name in names:
                self.load(name)
        except CatalogError as error:
            undo()
            cause = error.__cause__
            raise CatalogError(str(error) if cause is None else in_one_line(cause, files)) from cause
        except BaseException:
            undo()
            raise
        return undo

    def models(self) -> Mapping[str, type[BaseModel]]:
        """The configuration model of every plugin, by all names that are understood.

        Code is loaded when a model is asked for: a plugin that is installed, broken and not used troubles nobody.
        """
        return _Models(self)

    def _module(self, name: str) -> str:
        return self._paths[name].partition(":")[0]

    def _import(self, name: str) -> AnyPlugin:
        path = self._paths.get(name)
        if path is None:
            raise CatalogError(f"no plugin is called {name}")
        module_name, _, class_name = path.partition(":")
        try:
            module = importlib.import_module(module_name)
        except Exception as error:  # a border: importing runs the plugin's code
            reason = str(error) if isinstance(error, ImportError) else f"{type(error).__name__}: {error}"
            raise CatalogError(f"plugin {name} can't be loaded: {reason}") from error
        found: object = getattr(module, class_name, None)
        if not (isinstance(found, type) and issubclass(found, Plugin)):
            raise CatalogError(f"plugin {name} can't be loaded: {path} isn't a plugin class")
        if found.name != name:
            raise CatalogError(f"plugin {name} can't be loaded: {path} calls itself {found.name}")
        return found


class _Models(Mapping[str, type[BaseModel]]):
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def __getitem__(self, name: str) -> type[BaseModel]:
        if name not in self:
            raise KeyError(name)
        try:
            return self._catalog.load(name).Config
        except CatalogError as error:
            raise ConfigError([Problem("", "plugins", str(error))]) from error

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._catalog.canonical(name) in self._catalog.names()

    def __iter__(self) -> Iterator[str]:
        for name in self._catalog.names():
            yield name
            other = _OTHER_PREFIX + name.removeprefix(_PREFIX)
            if name.startswith(_PREFIX) and self._catalog.canonical(other) == name:
                yield other

    def __len__(self) -> int:
        return sum(1 for _ in self)
