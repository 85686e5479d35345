"""The plugin that all bridges are: what its configuration plans runs."""

import abc
from collections.abc import Sequence
from typing import ClassVar, TypeVar

from rmq.plugin_api import Plugin, PluginConfig, PluginHost
from rmq_plugins.bridges.config import BridgeBaseConfig
from rmq_plugins.bridges.entries import EntryBaseConfig
from rmq_plugins.bridges.running import Bridges, Direction, Make, Planned

C = TypeVar("C", bound=PluginConfig)


class BridgePlugin(Plugin[C], abc.ABC):
    """Starts and ends entries as the configuration says; a subclass says what a configuration plans.

    ``kind`` keeps apart the client ids of plugins for different far sides.
    """

    kind: ClassVar[str]
    direction: ClassVar[Direction]

    def __init__(self, config: C, host: PluginHost) -> None:
        super().__init__(config, host)
        self._bridges = Bridges(host)

    @abc.abstractmethod
    async def planned(self, config: C) -> Sequence[Planned]:
        """The connections that a configuration wants; ``PluginError`` names a file that is wrong."""

    def plan(
        self, bridge: BridgeBaseConfig, entry: EntryBaseConfig, make: Make, number: int = 0, besides: object = ""
    ) -> Planned:
        """A connection of an entry, the one of this number; ``besides``: what else of the configuration it goes by."""
        others = bridge.model_copy(update={"entries": ()})  # it goes on when other entries come and go
        sign = f"{besides} {others!r} {entry!r}"
        return Planned(self.kind, self.direction, bridge.name, entry.key, number, entry.label, sign, make)

    async def start(self) -> None:
        """Begin with all entries."""
        await self.reload(self.config)

    async def reload(self, config: C) -> None:
        """End the entries that have changed, and begin with the new ones; what waits for those that stay stays."""
        await self._bridges.follow(await self.planned(config))
        self.config = config

    async def stop(self) -> None:
        """End all connections; the sessions stay."""
        await self._bridges.follow([])

    def attrs(self) -> dict[str, object]:
        """Each entry, and all of them."""
        return self._bridges.attrs()
