"""The plugin: subscribes clients that connect, many at a time and never more than it can keep up with."""

from typing import Final

import trio

from rmq.plugin_api import ClientInfo, Handle, Plugin, PluginHost, SubscriptionRequest
from rmq_plugins.auto_subscription.config import AutoSubscriptionConfig
from rmq_plugins.auto_subscription.filters import filled

# Clients that wait for their subscriptions; one that comes when there are so many gets none, which is counted.
MAX_WAITING: Final = 10_000
# Clients that are subscribed at once: in a cluster each of them waits until all nodes know.
AT_ONCE: Final = 64
# What is granted; reason codes of refusals are above it.
_MAX_QOS: Final = 2


class AutoSubscriptionPlugin(Plugin[AutoSubscriptionConfig]):
    """The rules of listeners hold for what it subscribes, access rules aren't asked: the administrator says it."""

    name = "rmq-auto-subscription"
    descr = "Subscribes clients that connect"
    Config = AutoSubscriptionConfig

    def __init__(self, config: AutoSubscriptionConfig, host: PluginHost) -> None:
        super().__init__(config, host)
        self._counted = {"subscribed": 0, "refused": 0, "unfit": 0, "lost": 0}
        self._waiting, self._next = trio.open_memory_channel[ClientInfo](MAX_WAITING)
        self._handle: Handle | None = None

    async def start(self) -> None:
        """Hear of clients that connect, if there is anything to subscribe them to."""
        for _ in range(AT_ONCE):
            self.host.spawn(self._work)
        self._take_part()

    async def reload(self, config: AutoSubscriptionConfig) -> None:
        """For clients that connect from now on; the subscriptions of others stay."""
        self.config = config
        self._take_part()

    def _take_part(self) -> None:
        if self._handle is None and self.config.subscribes:
            self._handle = self.host.on("client_connected", self._connected)
        elif self._handle is not None and not self.config.subscribes:
            self.host.off(self._handle)
            self._handle = None

    def attrs(self) -> dict[str, object]:
        """Subscriptions that were made, were refused, or don't fit a client; clients that wait, or were too many."""
        waiting = self._waiting.statistics().current_buffer_used
        return {"subscribes": len(self.config.subscribes), "waiting": waiting, **self._counted}

    def _connected(self, client: ClientInfo) -> None:
        try:
            self._waiting.send_nowait(client)
        except trio.WouldBlock:
            self._counted["lost"] += 1

    async def _work(self) -> None:
        async for client in self._next:
            await self._subscribe(client)

    async def _subscribe(self, client: ClientInfo) -> None:
        requests: list[SubscriptionRequest] = []
        for one in self.config.subscribes:
            topic_filter = filled(one.topic_filter, client)
            if topic_filter is None:
                self._counted["unfit"] += 1
                continue
            requests.append(
                SubscriptionRequest(topic_filter, one.qos, one.no_local, one.retain_as_published, one.retain_handling)
            )
        if not requests:
            return
        for code in await self.host.subscribe(client.client_id, requests):
            self._counted["subscribed" if code <= _MAX_QOS else "refused"] += 1
