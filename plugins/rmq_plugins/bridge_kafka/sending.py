"""One entry of the way out: from a kept session on this node to Kafka."""

from collections.abc import Mapping
from functools import partial

import trio

from rmq.plugin_api import Disconnect, MqttConnection, PluginHost, Subscribe
from rmq_plugins.bridge_kafka.library import Sender
from rmq_plugins.bridge_kafka.link import KafkaLink
from rmq_plugins.bridge_kafka.outflow import Outflow
from rmq_plugins.bridge_kafka.rewriting import Outward
from rmq_plugins.bridges.own import OwnClient
from rmq_plugins.bridges.place import Place


class OutLink(KafkaLink):
    """``queue_timeout_s`` is how long the library may have no room, 0: as long as it takes."""

    def __init__(
        self,
        host: PluginHost,
        place: Place,
        client_id: str,
        servers: str,
        pause_s: float,
        *,
        own: OwnClient,
        subscribe: Subscribe,
        properties: Mapping[str, str],
        rewrite: Outward,
        queue_timeout_s: float,
    ) -> None:
        super().__init__(host, place, client_id, servers, pause_s)
        self._own = own
        self._subscribe = subscribe
        self._properties = properties
        self._rewrite = rewrite
        self._queue_timeout_s = queue_timeout_s

    async def relay(self) -> None:
        """See ``Link.relay``."""
        if not self._subscribed:
            # Before all else: from now on messages wait, whether Kafka is there or not.
            local = await self._connect()
            await local.close(Disconnect())
        wake = partial(trio.lowlevel.current_trio_token().run_sync_soon, self._wake, idempotent=True)
        sender = await trio.to_thread.run_sync(partial(Sender, self._properties, wake), limiter=self._threads)
        await self._serve(sender, partial(self._send, sender))

    async def _connect(self) -> MqttConnection:
        local, _ = await self._own.connect(clean=False, subscribe=self._subscribe, even_if_kept=not self._subscribed)
        self._subscribed = True
        return local

    async def _send(self, sender: Sender) -> None:
        while not sender.is_up:
            self._look_at(sender)
            await self._until_woken()
        local = await self._connect()
        flow = Outflow(sender, local, self._rewrite, self.figures, self._host.now, self._queue_timeout_s)

        async def hear() -> None:
            while True:
                self._look_at(sender)
                await flow.report()
                await self._until_woken()

        try:
            await self._exchange(flow.take, hear, flow.emptied)
        finally:
            await local.close(Disconnect())
