"""Which plugins a node starts, in what order, with which configuration."""

from pydantic import BaseModel

from rmq.config import ConfigError, Problem, Settings
from rmq.plugin_host.catalog import AnyPlugin, Catalog, CatalogError


class ChosenPlugin:
    """A plugin's class and its checked configuration."""

    def __init__(self, plugin_class: AnyPlugin, config: BaseModel) -> None:
        self.plugin_class = plugin_class
        self.config = config


def choose_plugins(settings: Settings, catalog: Catalog) -> list[ChosenPlugin]:
    """The plugins of ``plugins.default_startups`` in their order; ``ConfigError`` names everything that is wrong."""
    chosen: list[ChosenPlugin] = []
    listed_as: dict[str, str] = {}
    problems: list[Problem] = []
    origin = settings.origin("plugins", "default_startups")
    for listed in settings.plugins.default_startups:
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
