"""The plugin: has its strategy in force while it runs, and the node's own one again afterwards."""

from rmq.plugin_api import Plugin
from rmq_plugins.shared_subscription.config import SharedSubscriptionConfig


class SharedSubscriptionPlugin(Plugin[SharedSubscriptionConfig]):
    """The engine chooses: this says how, and has nothing to do with single messages."""

    name = "rmq-shared-subscription"
    descr = "The strategy of shared subscriptions"
    Config = SharedSubscriptionConfig

    async def start(self) -> None:
        """From the next message on."""
        self.host.share_by(self.config.strategy, self.config.sticky_cache_size)

    async def reload(self, config: SharedSubscriptionConfig) -> None:
        """The same, between two messages."""
        self.config = config
        await self.start()

    async def stop(self) -> None:
        """The strategy of ``rmq.toml`` is the one in force."""
        self.host.share_as_configured()

    def attrs(self) -> dict[str, object]:
        """The strategy, and how many shared subscriptions there are."""
        shared = self.host.stats().get("subscriptions_shared.count", 0)
        return {"strategy": self.config.strategy, "subscriptions": shared}
