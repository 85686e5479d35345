"""The plugins that can be named in a configuration: names to classes, loaded by dotted path."""

import importlib
from collections.abc import Mapping

from pydantic import BaseModel

from rmq.plugin_api import Plugin

AnyPlugin = type[Plugin[BaseModel]]

_OTHER_PREFIX = "rmqtt-"
_PREFIX = "rmq-"


class CatalogError(Exception):
    """A plugin that is in the catalog can't be loaded."""


class Catalog:
    """Plugins by name; ``paths`` maps a name to ``"package.module:Class"``.

    Configurations written for RMQTT call a plugin rmqtt-x; they mean our rmq-x.
    """

    def __init__(self, paths: Mapping[str, str]) -> None:
        self._paths = dict(paths)
        self._classes: dict[str, AnyPlugin] = {}

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

    def models(self) -> dict[str, type[BaseModel]]:
        """The configuration model of every plugin, by all names that are understood."""
        models: dict[str, type[BaseModel]] = {}
        for name in self._paths:
            models[name] = self.load(name).Config
            if name.startswith(_PREFIX):
                models.setdefault(_OTHER_PREFIX + name.removeprefix(_PREFIX), models[name])
        return models

    def _import(self, name: str) -> AnyPlugin:
        path = self._paths.get(name)
        if path is None:
            raise CatalogError(f"no plugin is called {name}")
        module_name, _, class_name = path.partition(":")
        try:
            module = importlib.import_module(module_name)
        except ImportError as error:
            raise CatalogError(f"plugin {name} can't be loaded: {error}") from error
        found: object = getattr(module, class_name, None)
        if not (isinstance(found, type) and issubclass(found, Plugin)):
            raise CatalogError(f"plugin {name} can't be loaded: {path} isn't a plugin class")
        if found.name != name:
            raise CatalogError(f"plugin {name} can't be loaded: {path} calls itself {found.name}")
        return found
