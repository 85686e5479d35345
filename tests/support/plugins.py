"""What tests of plugins stand on: the real hooks, and a host whose messages are kept instead of sent."""

import trio

from rmq.hooks.chains import HookChains
from rmq.hooks.registry import HookRegistry
from rmq.metrics.counters import Counters
from rmq.node.passwords import ArgonPasswords
from rmq.plugin_api import Message, NodeServices, PluginHost


class PluginBench:
    """``now`` is the node's time, ``published`` what plugins published, ``subscribed`` the topics with subscribers."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.nursery = nursery
        self.chains = HookChains()
        self.counters = Counters()
        self.registry = HookRegistry(self.chains, self.counters, 60.0)
        self.now = 1000.0
        self.published: list[Message] = []
        self.subscribed: set[str] = set()
        self.services = NodeServices(
            7,
            "7@here",
            self.registry,
            lambda: self.now,
            self._publish,
            self.subscribed.__contains__,
            lambda: {"connections.count": 3},
            lambda: {"messages.publish": 4},
            self._count_error,
            passwords=ArgonPasswords(),
        )

    def host(self, plugin: str) -> PluginHost:
        """The node as this plugin sees it."""
        return PluginHost(plugin, self.services, self.nursery)

    def _publish(self, message: Message) -> int:
        self.published.append(message)
        return len(self.published)

    def _count_error(self) -> None:
        self.counters.hook_errors += 1
