"""The plugin that all bridges are: what its configuration plans runs."""

import abc
from collections.abc import Sequence
from typing import TypeVar

from rmq.plugin_api import Plugin, PluginConfig, PluginHost
from rmq_plugins.bridges.running import Bridges, Planned

C = TypeVar("C", bound=PluginConfig)


class BridgePlugin(Plugin[C], abc.ABC):
    """Starts and ends entries as the configuration says; a subclass says what a configuration plans."""

    def __init__(self, config: C, host: PluginHost) -> None:
        super().__init__(config, host)
        self._bridges = Bridges(host)

    @abc.abstractmethod
    async def planned(self, config: C) -> Sequence[Planned]:
        """The connections that a configuration wants; ``PluginError`` names a file that is wrong."""

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
