"""The exchange between a session on this node and a producer: a task takes messages, one hears what became of them."""

import math
from collections.abc import Callable
from typing import Final, Protocol

import trio

from rmq.plugin_api import PUBREL, Ack, Disconnect, MqttConnection, MqttFailedError, Outgoing, Publish, ended_by
from rmq_plugins.bridge_kafka.outcomes import DELIVERED, NO_TOPIC, REFUSED
from rmq_plugins.bridge_kafka.records import Record
from rmq_plugins.bridge_kafka.rewriting import Outward
from rmq_plugins.bridge_kafka.window import Window
from rmq_plugins.bridges.figures import Figures
from rmq_plugins.bridges.link import BridgeFailedError

# How many of QoS 0, which nobody keeps, may be under way.
MAX_UNKEPT: Final = 10_000


class Sending(Protocol):
    """A producer, as ``library.Sender`` is one."""

    is_up: bool

    def send(self, record: Record, number: int) -> bool:
        """Have a record sent; False while there is no room for it."""

    def reports(self) -> list[tuple[int, int, str]]:
        """What has become of records since the last time: number, outcome, and in words what is wrong."""


class Outflow:
    """``queue_timeout_s`` is how long the producer may have no room, 0: as long as it takes."""

    def __init__(
        self,
        sender: Sending,
        local: MqttConnection,
        rewrite: Outward,
        figures: Figures,
        now: Callable[[], float],
        queue_timeout_s: float,
    ) -> None:
        self._sender = sender
        self._local = local
        self._rewrite = rewrite
        self._figures = figures
        self._now = now
        self._queue_timeout_s = queue_timeout_s
        self._window = Window()
        self._room = trio.Event()
        self._changed = trio.Event()

    async def emptied(self) -> None:
        """Wait until everything that came has been settled and acknowledged."""
        while self._window.kept or self._window.unkept:
            self._changed = trio.Event()
            await self._changed.wait()

    async def take(self) -> None:
        """Take what the session sends, for ever.

        Raises ``MqttFailedError`` when it ends, ``BridgeFailedError`` when the producer has no room.
        """
        while True:
            for packet in await self._local.receive():
                if isinstance(packet, Publish):
                    await self._message(packet)
                elif isinstance(packet, Ack) and packet.packet_type == PUBREL:
                    await self._local.send([self._window.released(packet)])
                elif isinstance(packet, Disconnect):
                    raise MqttFailedError(ended_by(packet), packet.reason_code)
            await self._acknowledge()

    async def _message(self, packet: Publish) -> None:
        self._figures.received += 1
        outcome = self._rewrite(packet, self._now())
        if not packet.qos and not isinstance(outcome, str):
            if not self._sender.is_up:
                outcome = "not_connected"
            elif self._window.unkept >= MAX_UNKEPT:
                outcome = "busy"
        number = self._window.take(packet)
        if isinstance(outcome, str):
            self._figures.drop(outcome)
            self._window.settle(number)
            return
        if self._sender.send(outcome, number):
            return
        if not packet.qos:
            self._figures.drop("busy")
            self._window.settle(number)
            return
        with trio.move_on_after(self._queue_timeout_s or math.inf):
            while True:
                self._room = trio.Event()
                await self._room.wait()
                if self._sender.send(outcome, number):
                    return
        raise BridgeFailedError("Kafka's client has no room for more")

    async def report(self) -> None:
        """Note what has become of records, and acknowledge; ``BridgeFailedError`` where one is to be sent again."""
        reports = self._sender.reports()
        for number, outcome, problem in reports:
            if outcome == DELIVERED:
                self._figures.sent += 1
            elif outcome == REFUSED or (outcome == NO_TOPIC and not self._rewrite.is_one_topic):
                self._figures.drop("refused")
            else:
                raise BridgeFailedError(f"a message wasn't taken: {problem}")
            self._window.settle(number)
        if reports:
            self._room.set()
            await self._acknowledge()
            self._changed.set()

    async def _acknowledge(self) -> None:
        acks: list[Outgoing] = [*self._window.acks()]
        if acks:
            await self._local.send(acks)
