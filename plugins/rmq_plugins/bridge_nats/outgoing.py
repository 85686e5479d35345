"""Messages published, and when the server has them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import trio

from rmq.plugin_api import PluginHost, Properties, Publish
from rmq_plugins.bridge_nats.client import GOODBYE_S, NatsConnection, NatsOptions, Outgoing
from rmq_plugins.bridge_nats.headers import headers_of
from rmq_plugins.bridge_nats.subjects import SubjectMap, is_subject
from rmq_plugins.bridge_nats.worker import Worker
from rmq_plugins.bridges.outward import Outlet, OutwardLink
from rmq_plugins.bridges.place import Place


class NatsTarget:
    """A connection that publishes; with ``jetstream`` a stream has to take each message."""

    def __init__(self, worker: Worker, connection: NatsConnection, *, jetstream: bool) -> None:
        self._worker = worker
        self._connection = connection
        self._jetstream = jetstream

    async def deliver(self, messages: Sequence[Outgoing]) -> Sequence[str]:
        """Publish; for each message "" or why it is never taken."""
        return await self._worker.call(partial(self._connection.publish, messages, jetstream=self._jetstream))

    async def broken(self) -> None:
        """Wait until the connection has gone, and raise why."""
        await self._worker.call(self._connection.broken)


class NatsOutwardLink(OutwardLink[Outgoing]):
    """One entry that publishes; ``as_published`` sends along what the PUBLISH said."""

    def __init__(
        self,
        host: PluginHost,
        place: Place,
        client_id: str,
        worker: Worker,
        options: NatsOptions,
        outlet: Outlet,
        subjects: SubjectMap,
        pause_s: float,
        *,
        retries_at_first: bool,
        jetstream: bool,
        as_published: bool,
    ) -> None:
        super().__init__(host, place, client_id, outlet, pause_s)
        self.retries_at_first = retries_at_first
        self._worker = worker
        self._options = options
        self._subjects = subjects
        self._jetstream = jetstream
        self._as_published = as_published

    @asynccontextmanager
    async def open(self) -> AsyncIterator[NatsTarget]:
        """A connection, closed in the end."""
        async with connection_of(self._worker, self._options) as connection:
            yield NatsTarget(self._worker, connection, jetstream=self._jetstream)

    def converted(self, packet: Publish, properties: Properties) -> Outgoing | str:
        """The message under its subject, with its headers."""
        subject = self._subjects.name(packet.topic)
        if subject is None or not is_subject(subject):
            return "topic"
        return subject, packet.payload, headers_of(packet, properties, publish=self._as_published)


@asynccontextmanager
async def connection_of(worker: Worker, options: NatsOptions) -> AsyncIterator[NatsConnection]:
    """A connection, closed in the end; ``BridgeFailedError`` where there is none."""
    connection = NatsConnection(options)
    try:
        await worker.call(connection.open)
        yield connection
    finally:
        with trio.move_on_after(GOODBYE_S * 2, shield=True):
            await worker.call(connection.close)
