"""The plugin: there for whoever looks for RMQTT's; the engine counts, and takes no handlers for it."""

from rmq.plugin_api import Plugin, PluginConfig


class CounterPlugin(Plugin[PluginConfig]):
    """Every node has it, and it can't be stopped: nor can the counting."""

    name = "rmq-counter"
    descr = "Counts what happens (built in)"
    immutable = True
    Config = PluginConfig

    def attrs(self) -> dict[str, object]:
        """How many counters and gauges there are; their values are what the API shows as metrics and stats."""
        return {"metrics": len(self.host.metrics()), "stats": len(self.host.stats())}
