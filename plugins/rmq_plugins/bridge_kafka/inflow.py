"""The exchange between a consumer and this node: what was fetched is published, and done when the node has taken it."""

from typing import Final, Protocol

import trio

from rmq.plugin_api import (
    PUBACK,
    PUBCOMP,
    PUBREC,
    PUBREL,
    REASON_NAMES,
    Ack,
    Disconnect,
    MqttConnection,
    MqttFailedError,
    Outgoing,
    ended_by,
)
from rmq_plugins.bridge_kafka.records import Fetched
from rmq_plugins.bridge_kafka.rewriting import Inward
from rmq_plugins.bridges.figures import Figures
from rmq_plugins.bridges.own import FAILURE, LATER

MAX_PACKET_ID: Final = 65_535


class Fetching(Protocol):
    """A consumer, as ``library.Receiver`` is one."""

    def fetched(self) -> list[Fetched]:
        """What has come since the last time, in the order of each partition."""

    def done(self, partition: int, offset: int) -> None:
        """The node has taken a record."""


class Inflow:
    """Whoever made the consumer bounds what it hands over before that is done, to less than ``MAX_PACKET_ID``."""

    def __init__(self, receiver: Fetching, local: MqttConnection, rewrite: Inward, figures: Figures) -> None:
        self._receiver = receiver
        self._local = local
        self._rewrite = rewrite
        self._figures = figures
        self._under_way: dict[int, Fetched] = {}
        self._last_id = 0
        self._changed = trio.Event()

    async def emptied(self) -> None:
        """Wait until the node has taken everything."""
        while self._under_way:
            self._changed = trio.Event()
            await self._changed.wait()

    async def publish(self) -> None:
        """Publish what was fetched since the last time."""
        packets: list[Outgoing] = []
        at_once: list[Fetched] = []
        for fetched in self._receiver.fetched():
            self._figures.received += 1
            outcome = self._rewrite(fetched)
            if isinstance(outcome, str):
                self._figures.drop(outcome)
                self._receiver.done(fetched.partition, fetched.offset)
                continue
            if outcome.qos:
                outcome.packet_id = self._free_id()
                self._under_way[outcome.packet_id] = fetched
            else:
                at_once.append(fetched)
            packets.append(outcome)
        if packets:
            await self._local.send(packets)
        for fetched in at_once:
            self._taken(fetched)

    def _free_id(self) -> int:
        while True:
            self._last_id = self._last_id % MAX_PACKET_ID + 1
            if self._last_id not in self._under_way:
                return self._last_id

    async def hear(self) -> None:
        """Note what the node acknowledges, for ever; ``MqttFailedError`` when it ends, or takes a message later."""
        while True:
            releases: list[Outgoing] = []
            for packet in await self._local.receive():
                if isinstance(packet, Disconnect):
                    raise MqttFailedError(ended_by(packet), packet.reason_code)
                if isinstance(packet, Ack) and packet.packet_type in (PUBACK, PUBREC, PUBCOMP):
                    self._acknowledged(packet, releases)
            if releases:
                await self._local.send(releases)
            self._changed.set()

    def _acknowledged(self, packet: Ack, releases: list[Outgoing]) -> None:
        if packet.reason_code in LATER:
            name = REASON_NAMES.get(packet.reason_code, str(packet.reason_code))
            raise MqttFailedError(f"this node didn't take a message: {name}", packet.reason_code)
        if packet.reason_code >= FAILURE and packet.packet_type != PUBCOMP:
            refused = self._under_way.pop(packet.packet_id, None)
            if refused is not None:
                self._figures.drop("refused")
                self._receiver.done(refused.partition, refused.offset)
        elif packet.packet_type == PUBREC:
            releases.append(Ack(PUBREL, packet.packet_id))
        else:
            taken = self._under_way.pop(packet.packet_id, None)
            if taken is not None:
                self._taken(taken)

    def _taken(self, fetched: Fetched) -> None:
        self._figures.sent += 1
        self._receiver.done(fetched.partition, fetched.offset)
