"""Messages subscribed to, or pulled from a stream."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from rmq.plugin_api import PluginHost, Properties, Publish
from rmq_plugins.bridge_nats.client import Incoming, NatsConnection, NatsOptions
from rmq_plugins.bridge_nats.headers import read_headers, read_qos, read_retain
from rmq_plugins.bridge_nats.outgoing import connection_of
from rmq_plugins.bridge_nats.subjects import topic_of
from rmq_plugins.bridge_nats.worker import Worker
from rmq_plugins.bridges.figures import Figures
from rmq_plugins.bridges.inward import InwardLink
from rmq_plugins.bridges.place import Place
from rmq_plugins.bridges.topics import TopicMap


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is subscribed to: by a ``durable`` consumer of a stream ("": the one that has the subject), or without."""

    subject: str
    group: str
    durable: str
    stream: str
    ack_wait_s: float
    capacity: int


@dataclass(frozen=True, slots=True)
class Kept:
    """How messages are published here; ``qos`` and ``retain`` None: as their headers say, ``default_qos`` without."""

    names: TopicMap
    qos: int | None
    default_qos: int
    retain: bool | None
    empty: bool


class NatsSource:
    """A connection with one subscription, or one consumer."""

    def __init__(self, worker: Worker, connection: NatsConnection, wanted: Wanted, figures: Figures) -> None:
        self._worker = worker
        self._connection = connection
        self._wanted = wanted
        self._figures = figures
        self._lost = 0  # of what the library threw away, how much was counted

    async def start(self) -> None:
        """Subscribe."""
        wanted, connection = self._wanted, self._connection
        if wanted.durable:
            work = partial(
                connection.pull_from,
                wanted.subject,
                wanted.stream,
                wanted.durable,
                wanted.ack_wait_s,
                wanted.capacity,
            )
        else:
            work = partial(connection.subscribe, wanted.subject, wanted.group, wanted.capacity)
        await self._worker.call(work)

    async def fetch(self) -> Sequence[Incoming]:
        """The next messages, at least one."""
        get = self._connection.pull if self._wanted.durable else self._connection.fetch
        found = await self._worker.call(partial(get, self._wanted.capacity))
        while self._lost < self._connection.overflown:
            self._lost += 1
            self._figures.drop("overflow")
        return found

    async def taken(self, messages: Sequence[Incoming]) -> None:
        """Acknowledge them, where somebody wants to know."""
        if self._wanted.durable:
            await self._worker.call(partial(self._connection.ack, messages))


class NatsInwardLink(InwardLink[Incoming]):
    """One entry whose messages come in."""

    def __init__(
        self,
        host: PluginHost,
        place: Place,
        client_id: str,
        worker: Worker,
        options: NatsOptions,
        bridge: str,
        server: str,
        wanted: Wanted,
        kept: Kept,
        pause_s: float,
        *,
        retries_at_first: bool,
    ) -> None:
        super().__init__(host, place, client_id, bridge, server, pause_s)
        self.retries_at_first = retries_at_first
        self._worker = worker
        self._options = options
        self._wanted = wanted
        self._kept = kept

    @asynccontextmanager
    async def open(self) -> AsyncIterator[NatsSource]:
        """A connection that is subscribed, closed in the end."""
        async with connection_of(self._worker, self._options) as connection:
            source = NatsSource(self._worker, connection, self._wanted, self.figures)
            await source.start()
            yield source

    def converted(self, message: Incoming, properties: Properties) -> Publish | str:
        """The message as it is published here."""
        kept = self._kept
        if not message.payload and not kept.empty:
            return "empty"
        name = kept.names.name(topic_of(message.subject))
        if name is None:
            return "topic"
        expiry = read_headers(message.headers, properties)
        qos = kept.qos
        if qos is None:
            qos = read_qos(message.headers, kept.default_qos)
        retain = read_retain(message.headers) if kept.retain is None else kept.retain
        return Publish(name, message.payload, qos, retain, False, 0, message_expiry=expiry)
