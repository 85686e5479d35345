"""Plugins to be found by dotted path, and things there that aren't plugins."""

from rmq.plugin_api import Plugin, PluginConfig, PluginError


class SampleConfig(PluginConfig):
    """The configuration of ``Sample``."""

    size: int = 1


class Sample(Plugin[SampleConfig]):
    """A plugin without a fault."""

    name = "rmq-sample"
    descr = "Does nothing"
    Config = SampleConfig


class Broken(Plugin[PluginConfig]):
    """A plugin that can't start."""

    name = "rmq-broken"

    async def start(self) -> None:
        """Say why not."""
        raise PluginError("no licence")


class NotAPlugin:
    """Has a name only."""

    name = "rmq-not-a-plugin"
