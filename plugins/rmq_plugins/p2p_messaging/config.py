"""The keys of rmq-p2p-messaging, with RMQTT's names."""

from typing import Literal

from rmq.plugin_api import PluginConfig

Mode = Literal["prefix", "suffix", "both"]


class P2pMessagingConfig(PluginConfig):
    """All keys of etc/plugins/rmq-p2p-messaging.toml."""

    mode: Mode = "prefix"
