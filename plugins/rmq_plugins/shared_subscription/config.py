"""The keys of rmq-shared-subscription, with RMQTT's names."""

from typing import Annotated

from pydantic import Field

from rmq.plugin_api import PluginConfig, SharedStrategy


class SharedSubscriptionConfig(PluginConfig):
    """All keys of etc/plugins/rmq-shared-subscription.toml."""

    strategy: SharedStrategy = "round_robin"
    sticky_cache_size: Annotated[int, Field(ge=2, le=10_000_000)] = 100_000
