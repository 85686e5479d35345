"""Which plugins a node starts, in what order, with which configuration; and the configuration read again."""

from collections.abc import Callable, Mapping, Sequence

from pydantic import BaseModel

from rmq.config import ConfigError, Problem, Settings
from rmq.plugin_host.catalog import AnyPlugin, Catalog, CatalogError
from rmq.plugin_host.operations import PluginOperationError


class ChosenPlugin:
    """A plugin's class and its checked configuration."""

    def __init__(self, plugin_class: AnyPlugin, config: BaseModel) -> None:
        self.plugin_class = plugin_class
        self.config = config


class PluginChoice:
    """What may be started while a node runs. This base knows the plugins it is given, and no file to read again."""

    def __init__(self, chosen: Sequence[ChosenPlugin]) -> None:
        self._chosen = {choice.plugin_class.name: choice for choice in chosen}

    def names(self) -> list[str]:
        """Every plugin that can be named."""
        return list(self._chosen)

    def canonical(self, name: str) -> str:
        """Our name of a plugin; unknown names come back as they are."""
        return name

    def loaded(self, name: str) -> AnyPlugin | None:
        """The class of a plugin, None when its code wasn't needed so far."""
        choice = self._chosen.get(name)
        return None if choice is None else choice.plugin_class

    def package(self, name: str) -> str | None:
        """The package that the code of a plugin is; None where it isn't known, or wasn't needed so far."""
        return None

    def load_again(self, names: Sequence[str]) -> Callable[[], None]:
        """Import the code of these plugins anew, which is one package; what is returned undoes it.

        ``PluginOperationError`` says what is wrong, with file and line, and everything is as it was.
        """
        raise PluginOperationError("there is no code to import anew")

    def read_again(self) -> None:
        """Have ``choose`` look at the sources as they are now; ``ConfigError`` when they can't be read."""

    def choose(self, name: str, over: Mapping[str, object] | None = None) -> ChosenPlugin:
        """A plugin with its configuration, checked; ``ConfigError`` says what is wrong with either.

        ``over`` is put over what is configured, in place of what is kept for that.
        """
        return self._chosen[name]

    def written(self, name: str, over: Mapping[str, object]) -> dict[str, object]:
        """What is written for a plugin with ``over`` put over it, unchecked; ``ConfigError`` where that isn't clear."""
        return {**self._chosen[name].config.model_dump(mode="json", exclude_unset=True), **over}


class ConfiguredPlugins(PluginChoice):
    """The plugins of a catalog; ``load_settings`` reads files, environment and flags of the node again.

    ``kept`` says what is put over the configuration of a plugin, wherever that comes from.
    """

    def __init__(self, catalog: Catalog, settings: Settings, load_settings: Callable[[], Settings]) -> None:
        super().__init__([])
        self._catalog = catalog
        self._settings = settings
        self._load_settings = load_settings
        self.kept: Callable[[str], Mapping[str, object]] = _nothing_kept

    def names(self) -> list[str]:
        """Every plugin of the catalog."""
        return self._catalog.names()

    def canonical(self, name: str) -> str:
        """Our name of a plugin; RMQTT's are understood."""
        return self._catalog.canonical(name)

    def loaded(self, name: str) -> AnyPlugin | None:
        """The class of a plugin, None when its code wasn't needed so far."""
        return self._catalog.loaded(name)

    def package(self, name: str) -> str | None:
        """The package that the code of a plugin is."""
        return self._catalog.package(name)

    def load_again(self, names: Sequence[str]) -> Callable[[], None]:
        """Import their code anew."""
        try:
            return self._catalog.load_again(names)
        except CatalogError as error:
            raise PluginOperationError(str(error)) from error

    def read_again(self) -> None:
        """Read all sources; the settings of before stay when something is wrong with them."""
        self._settings = self._load_settings()

    def choose(self, name: str, over: Mapping[str, object] | None = None) -> ChosenPlugin:
        """A plugin with its configuration as it was read last."""
        try:
            plugin_class = self._catalog.load(name)
        except CatalogError as error:
            raise ConfigError([Problem("", f"plugins.{name}", str(error))]) from None
        configured_as = _configured_as(self._settings, self._catalog, name)
        over = self.kept(name) if over is None else over
        return ChosenPlugin(plugin_class, self._settings.plugin_settings(configured_as, plugin_class.Config, over))

    def written(self, name: str, over: Mapping[str, object]) -> dict[str, object]:
        """As it was read last."""
        return {**self._settings.plugin_config(_configured_as(self._settings, self._catalog, name)), **over}


def _nothing_kept(name: str) -> Mapping[str, object]:
    return {}


def choose_plugins(settings: Settings, catalog: Catalog, built_in: Sequence[str] = ()) -> list[ChosenPlugin]:
    """The plugins of ``plugins.default_startups`` in their order, behind those that every node starts.

    ``ConfigError`` names everything that is wrong.
    """
    chosen: list[ChosenPlugin] = []
    listed_as: dict[str, str] = {}
    problems: list[Problem] = []
    origin = settings.origin("plugins", "default_startups")
    startups = settings.plugins.default_startups
    asked_for = {catalog.canonical(listed) for listed in startups}
    for listed in (*(name for name in built_in if name not in asked_for), *startups):
        name = catalog.canonical(listed)
        if name in listed_as:
            text = f"{listed_as[name]} and {listed} are one plugin"
            problems.append(Problem(origin.name if origin else "", "plugins.default_startups", text))
            continue
        listed_as[name] = listed
        try:
            plugin_class = catalog.load(name)
            configured_as = _configured_as(settings, catalog, name)
            config = settings.plugin_settings(configured_as, plugin_class.Config)
        except CatalogError as error:
            problems.append(Problem(origin.name if origin else "", "plugins.default_startups", str(error)))
        except ConfigError as error:
            problems.extend(error.problems)
        else:
            chosen.append(ChosenPlugin(plugin_class, config))
    if problems:
        raise ConfigError(problems)
    return chosen


def _configured_as(settings: Settings, catalog: Catalog, name: str) -> str:
    """The name that the plugin's configuration stands under."""
    names = [configured for configured in settings.configured_plugins if catalog.canonical(configured) == name]
    if len(names) > 1:
        origin = settings.origin_near(("plugins", names[1]))
        text = f"is the same plugin as {names[0]}, which is configured too"
        raise ConfigError([Problem(origin.name if origin else "", f"plugins.{names[1]}", text)])
    return names[0] if names else name
