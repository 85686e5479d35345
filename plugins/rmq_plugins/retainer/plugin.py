"""The plugin: has its rules for retained messages in force while it runs, and those of [retain] again afterwards."""

from rmq.plugin_api import Plugin, PluginError
from rmq_plugins.retainer.config import RetainerConfig


class RetainerPlugin(Plugin[RetainerConfig]):
    """The engine keeps the messages and holds them to the rules, in the same order on every node of a cluster."""

    name = "rmq-retainer"
    descr = "Limits of retained messages"
    Config = RetainerConfig

    async def start(self) -> None:
        """From the next message on."""
        await self._take(self.config)

    async def reload(self, config: RetainerConfig) -> None:
        """The same; messages that are there already stay, whatever they are."""
        await self._take(config)
        self.config = config

    async def stop(self) -> None:
        """The rules of ``rmq.toml`` are the ones in force."""
        if not await self.host.retain_as_configured():
            self.host.logger.warning("too few nodes are in contact: the limits of retained messages stay as they are")

    async def _take(self, config: RetainerConfig) -> None:
        if not await self.host.retain_by(config.rules()):
            raise PluginError("too few nodes are in contact to change the limits of retained messages")
        keys = config.without_effect()
        if keys:
            self.host.logger.warning(
                "keys without effect: messages are kept as [storage] of the node says, in a cluster by all nodes",
                keys=keys,
            )

    def attrs(self) -> dict[str, object]:
        """How many there are; how many were too many or too large, and how many over, on this node since its start."""
        stats, metrics = self.host.stats(), self.host.metrics()
        return {
            "retained": stats.get("retained.count", 0),
            "refused": metrics.get("messages.retained.refused", 0),
            "expired": metrics.get("messages.retained.expired", 0),
            "storage": "engine",
        }
