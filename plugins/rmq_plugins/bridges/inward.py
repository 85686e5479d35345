"""From a far side into this node, acknowledged by it: for far sides that have no MQTT session.

A batch is acknowledged to the far side when this node has acknowledged all of it, by its own ack policy; until then the
far side has to keep it if it is to arrive at least once.
"""

import abc
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, Generic, Protocol, TypeVar

import trio

from rmq.plugin_api import (
    PUBREC,
    PUBREL,
    REASON_NAMES,
    Ack,
    Disconnect,
    MqttConnection,
    MqttFailedError,
    Outgoing,
    Packet,
    PluginHost,
    Properties,
    Publish,
    encode_block,
    ended_by,
)
from rmq_plugins.bridges import marks
from rmq_plugins.bridges.link import BridgeFailedError, Link
from rmq_plugins.bridges.own import FAILURE, LATER, OwnClient
from rmq_plugins.bridges.place import Place

# How many messages are published before the first is acknowledged; fewer where the node's Receive Maximum says so.
WINDOW: Final = 500

T = TypeVar("T")


class Source(Protocol[T]):
    """A connection to the far side. What it raises is ``BridgeFailedError``."""

    async def fetch(self) -> Sequence[T]:
        """The next messages, at least one, in order."""

    async def taken(self, messages: Sequence[T]) -> None:
        """This node has all that ``fetch`` gave last: it is to be given none of it again."""


class InwardLink(Link, abc.ABC, Generic[T]):
    """One entry of messages that come in, through ``bridge`` and from ``server``, which stand in their marks."""

    def __init__(
        self, host: PluginHost, place: Place, client_id: str, bridge: str, server: str, pause_s: float
    ) -> None:
        super().__init__(host, place, client_id, server, pause_s)
        self._bridge = bridge
        self._own = OwnClient(host, client_id, 0)

    @abc.abstractmethod
    def open(self) -> AbstractAsyncContextManager[Source[T]]:
        """A connection to the far side; entering raises ``BridgeFailedError``."""

    @abc.abstractmethod
    def converted(self, message: T, properties: Properties) -> Publish | str:
        """A message as it is published here, or why it isn't; its properties go into the empty ``properties``.

        They are made into a block afterwards.
        """

    async def relay(self) -> None:
        """Connect here, then there, and publish what comes."""
        # Clean: the far side sends again what isn't acknowledged to it, and knows nothing of our packet identifiers.
        local, connack = await self._own.connect(clean=True)
        try:
            intake = Intake(local, connack.receive_maximum)
            async with self.open() as source:
                self.connected()
                await self._both(intake, source)
        finally:
            await local.close(Disconnect())

    async def _both(self, intake: "Intake", source: Source[T]) -> None:
        problem: list[Exception] = []

        async def read() -> None:
            problem.append(await intake.read())
            nursery.cancel_scope.cancel()

        async def pump() -> None:
            try:
                while True:
                    batch = await source.fetch()
                    await self._publish(batch, intake)
                    await source.taken(batch)
            except (BridgeFailedError, MqttFailedError) as error:
                problem.append(error)
            nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            nursery.start_soon(pump)
        if problem:
            raise problem[0]

    async def _publish(self, batch: Sequence[T], intake: "Intake") -> None:
        packets: list[Publish] = []
        for message in batch:
            self.figures.received += 1
            properties = Properties()
            outcome = self.converted(message, properties)
            if isinstance(outcome, Publish) and marks.has_crossed(properties, self._bridge):
                outcome = "loop"
            if isinstance(outcome, str):
                self.figures.drop(outcome)
                continue
            marks.mark(properties, self._bridge, self.server)
            outcome.properties = encode_block(properties)
            packets.append(outcome)
        for code in await intake.publish(packets):
            if code in LATER:
                raise BridgeFailedError(f"this node didn't take a message: {REASON_NAMES.get(code, str(code))}")
            if code >= FAILURE:
                self.figures.drop("refused")
            else:
                self.figures.sent += 1


class Intake:
    """Publishes to this node, ``receive_maximum`` of its CONNACK at a time (0 or less: it has none)."""

    def __init__(self, connection: MqttConnection, receive_maximum: int) -> None:
        self._connection = connection
        self._window = min(receive_maximum, WINDOW) if receive_maximum > 0 else WINDOW
        self._open: set[int] = set()  # packet identifiers that aren't acknowledged
        self._codes: dict[int, int] = {}
        self._changed = trio.Event()

    async def read(self) -> MqttFailedError:
        """Take in what the node answers; returns why the connection ended."""
        try:
            while True:
                packets = await self._connection.receive()
                answers = self._heard(packets)
                if answers:
                    await self._connection.send(answers)
                if not self._open:
                    self._changed.set()
                for packet in packets:
                    if isinstance(packet, Disconnect):
                        raise MqttFailedError(ended_by(packet), packet.reason_code)
        except MqttFailedError as error:
            return error

    def _heard(self, packets: Sequence[Packet]) -> list[Outgoing]:
        answers: list[Outgoing] = []
        for packet in packets:
            if not isinstance(packet, Ack) or packet.packet_id not in self._open:
                continue
            if packet.packet_type == PUBREC and packet.reason_code < FAILURE:
                answers.append(Ack(PUBREL, packet.packet_id))
            else:
                self._open.discard(packet.packet_id)
                self._codes[packet.packet_id] = packet.reason_code
        return answers

    async def publish(self, packets: Sequence[Publish]) -> list[int]:
        """Publish in order; returns the reason codes of what was acknowledged, 0 for QoS 0, when all was.

        Their packet identifiers are given here. Waits for ever if the connection has ended: ``read`` tells.
        """
        found: list[int] = []
        for start in range(0, len(packets), self._window):
            part = packets[start : start + self._window]
            for number, packet in enumerate(part, 1):
                packet.packet_id = number if packet.qos else 0
            self._codes = {}
            self._open = {packet.packet_id for packet in part if packet.qos}
            self._changed = trio.Event()
            if not self._open:
                self._changed.set()
            await self._connection.send(part)
            await self._changed.wait()
            found += [self._codes.get(packet.packet_id, 0) for packet in part]
        return found
