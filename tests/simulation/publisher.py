"""A client that publishes: what isn't acknowledged it sends again on its next connection, as its session says."""

from __future__ import annotations

from typing import Final

from tests.simulation.client import Client
from tests.simulation.ledger import Ledger, Sent
from tests.simulation.world import World
from tests.support import wire
from tests.support.wire_parser import Packet, Puback, Pubcomp, Pubrec

# Few, so that each is soon used again: a node that hasn't learnt of its release takes the next message for a duplicate.
PACKET_IDS: Final = 6
REFUSED: Final = 0x80


class Publisher(Client):
    """Publishes on ``topics`` in turn, every ``pause`` seconds or so; ``extra`` topics come first."""

    def __init__(self, world: World, ledger: Ledger, name: str, qos: int, topics: list[str], *, retain: bool) -> None:
        super().__init__(world, name)
        self.ledger = ledger
        self.qos = qos
        self.topics = topics
        self.retain = retain
        self.pause = (0.02, 0.15)
        self.extra: list[str] = []
        self.pending: dict[int, Sent] = {}
        self.released: list[int] = []
        self.number = 0
        self._last_id = 0
        self._stopped = False

    def begin(self) -> None:
        super().begin()
        self._publish_now_and_then()

    def stop(self) -> None:
        """Publish nothing new."""
        self._stopped = True

    def _publish_now_and_then(self) -> None:
        if not self._stopped:
            self.publish()
            self.world.agenda.later(*self.pause, self._publish_now_and_then)

    def publish(self) -> None:
        """Publish one message, if there is a packet identifier for it."""
        if not self.is_open or len(self.pending) == PACKET_IDS or not (self.topics or self.extra):
            return
        packet_id = self._free_id()
        self.number += 1
        topic = self.extra.pop(0) if self.extra else self.topics[self.number % len(self.topics)]
        # Every so often a retained message is deleted; what ends with "-" stands for that.
        ends = "-" if self.retain and self.number % 7 == 0 else ""
        payload = f"{self.name}.{self.number}{ends}".encode()
        message = Sent(self.name, self.number, topic, payload, self.qos, self.retain)
        self.ledger.send(message)
        if not self.expects_answers():
            self.waits()
        self.pending[packet_id] = message
        self._send(packet_id, message)

    def _free_id(self) -> int:
        while True:
            self._last_id = self._last_id % PACKET_IDS + 1
            if self._last_id not in self.pending:
                return self._last_id

    def _send(self, packet_id: int, message: Sent) -> None:
        assert self.line is not None
        # A session of its own begins with each connection of one that isn't kept: nothing is a repetition there.
        dup = message.tries > 0 and self.persistent
        if not message.tries:
            message.sent_at = self.world.agenda.now
        message.tries += 1
        message.last_sent_at = self.world.agenda.now
        payload = b"" if message.is_deletion else message.payload
        self.line.send(wire.publish(message.topic, payload, message.qos, packet_id, message.retain, dup))

    def opened(self) -> None:
        line = self.line
        assert line is not None
        for packet_id in list(self.pending):
            if packet_id not in self.released:
                self._send(packet_id, self.pending[packet_id])
        for packet_id in self.released:
            line.send(wire.pubrel(packet_id))

    def last_words(self) -> None:
        if not self._stopped:
            self.publish()
        # Once more what waits: on a connection of its own it would be as late.
        line = self.line
        assert line is not None
        for packet_id in self.released[:1]:
            line.send(wire.pubrel(packet_id))

    def took(self, packet: Packet) -> None:
        line = self.line
        assert line is not None
        if isinstance(packet, Puback):
            self._answered(packet.packet_id, packet.code)
            del self.pending[packet.packet_id]
        elif isinstance(packet, Pubrec):
            if packet.packet_id not in self.pending:
                self.world.problem(f"{self.name} got {packet} and has {sorted(self.pending)}")
                return
            self._answered(packet.packet_id, packet.code)
            if packet.code >= REFUSED:
                del self.pending[packet.packet_id]
            elif packet.packet_id not in self.released:
                self.released.append(packet.packet_id)
                line.send(wire.pubrel(packet.packet_id))
        elif isinstance(packet, Pubcomp):
            if packet.packet_id in self.released:
                self.released.remove(packet.packet_id)
                del self.pending[packet.packet_id]
        else:
            self.world.problem(f"{self.name} got {packet}")

    def _answered(self, packet_id: int, code: int) -> None:
        message = self.pending.get(packet_id)
        if message is None:
            self.world.problem(f"{self.name}: {packet_id} is acknowledged, and only {sorted(self.pending)} are sent")
            return
        if code < REFUSED:
            message.acknowledged = True
            message.acknowledged_at = self.world.agenda.now
            self.world.counts["acknowledged"] += 1
        else:
            self.world.counts["refused"] += 1
            message.refused_at_once = message.tries == 1

    def expects_answers(self) -> bool:
        return bool(self.pending)


class Loner(Publisher):
    """Publishes only what it is told, and keeps no session."""

    persistent = False

    def __init__(self, world: World, ledger: Ledger, name: str) -> None:
        super().__init__(world, ledger, name, 1, [], retain=False)

    def _publish_now_and_then(self) -> None:
        """Never."""
