"""What both plugins are: a bridge whose connections share one thread."""

import abc
from typing import TypeVar

from rmq.plugin_api import PluginConfig, PluginHost
from rmq_plugins.bridge_nats.worker import Worker
from rmq_plugins.bridges.plugin import BridgePlugin

C = TypeVar("C", bound=PluginConfig)


class NatsPlugin(BridgePlugin[C], abc.ABC):
    """The thread is there for all connections of a plugin."""

    kind = "bridge-nats"

    def __init__(self, config: C, host: PluginHost) -> None:
        super().__init__(config, host)
        self._worker = Worker(self.name)

    async def stop(self) -> None:
        """End all connections and their thread; sessions here and consumers of streams there stay."""
        await super().stop()
        await self._worker.stop()
