"""What every plugin is: a class with a name, a version, a configuration model, and a start and a stop."""

from typing import ClassVar, Generic, TypeVar

from pydantic import BaseModel

from rmq.config.section import Section
from rmq.plugin_api.host import PluginHost

ConfigT = TypeVar("ConfigT", bound=BaseModel)


class PluginConfig(Section):
    """The base of a plugin's configuration: frozen, strictly typed, and no key it doesn't know."""


class PluginError(Exception):
    """A plugin can't start or take a configuration, and its text tells the operator why in one line."""


class Plugin(Generic[ConfigT]):
    """One plugin of one node.

    ``immutable``: it can't be stopped, started or reloaded while the node runs.
    """

    name: ClassVar[str]
    version: ClassVar[str] = "1.0.0"
    descr: ClassVar[str] = ""
    immutable: ClassVar[bool] = False
    Config: ClassVar[type[BaseModel]] = PluginConfig

    def __init__(self, config: ConfigT, host: PluginHost) -> None:
        self.config = config
        self.host = host

    async def start(self) -> None:
        """Register hooks, open what is needed. Raise ``PluginError`` when the node can't do without it."""

    async def stop(self) -> None:
        """Close what ``start`` opened. Hooks are unregistered and spawned tasks cancelled right afterwards.

        Asynchronous handlers of notify points were told everything before, and aren't any more.
        """

    async def reload(self, config: ConfigT) -> None:
        """Go over to a new configuration, already checked, at once or not at all; set ``self.config`` yourself.

        Raise ``PluginError`` to refuse it and stay as you are. A plugin that doesn't override this is restarted with
        the new configuration instead, and hears no events meanwhile.
        """
        raise NotImplementedError

    async def preview(self, config: ConfigT) -> dict[str, object]:
        """What a reload with this configuration would change beyond its keys, as JSON, bounded; nothing is changed."""
        return {}

    def attrs(self) -> dict[str, object]:
        """What an operator may want to know about it just now; anything that can be written as JSON."""
        return {}
