"""One entry of the way in: from Kafka to this node."""

from collections.abc import Callable
from functools import partial

import trio

from rmq.plugin_api import Disconnect, PluginHost
from rmq_plugins.bridge_kafka.inflow import Inflow
from rmq_plugins.bridge_kafka.library import Receiver, Wake
from rmq_plugins.bridge_kafka.link import KafkaLink
from rmq_plugins.bridge_kafka.rewriting import Inward
from rmq_plugins.bridges.own import OwnClient
from rmq_plugins.bridges.place import Place


class InLink(KafkaLink):
    """``make`` makes the consumer, in a thread: it raises ``BridgeFailedError``."""

    def __init__(
        self,
        host: PluginHost,
        place: Place,
        client_id: str,
        servers: str,
        pause_s: float,
        *,
        own: OwnClient,
        make: Callable[[Wake], Receiver],
        rewrite: Inward,
    ) -> None:
        super().__init__(host, place, client_id, servers, pause_s)
        self._own = own
        self._make = make
        self._rewrite = rewrite

    async def relay(self) -> None:
        """See ``Link.relay``."""
        # Here first: a node that can't connect to itself, for want of a quorum, takes nothing away from the others.
        local, _ = await self._own.connect(clean=True)
        try:
            wake = partial(trio.lowlevel.current_trio_token().run_sync_soon, self._wake, idempotent=True)
            receiver = await trio.to_thread.run_sync(partial(self._make, wake), limiter=self._threads)
            flow = Inflow(receiver, local, self._rewrite, self.figures)
            await self._serve(receiver, partial(self._fetch, receiver, flow))
        finally:
            await local.close(Disconnect())

    async def _fetch(self, receiver: Receiver, flow: Inflow) -> None:
        async def publish() -> None:
            while True:
                self._look_at(receiver)
                await flow.publish()
                await self._until_woken()

        async def emptied() -> None:
            receiver.pause()
            await flow.publish()
            await flow.emptied()

        await self._exchange(publish, flow.hear, emptied)
