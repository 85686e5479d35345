"""Clients whose sessions end with their connections, so that each connection is a stay of its own."""

from __future__ import annotations

from rmq.mqtt.topics import matches
from tests.simulation.client import Client
from tests.simulation.ledger import Ledger, Stay
from tests.simulation.world import World
from tests.support import wire
from tests.support.wire_parser import Packet, Publish, Pubrel, Suback


class Transient(Client):
    """Subscribes anew on each connection, and answers what comes."""

    persistent = False

    def __init__(self, world: World, ledger: Ledger, name: str, qos: int, topic_filters: list[str]) -> None:
        super().__init__(world, name)
        self.ledger = ledger
        self.qos = qos
        self.topic_filters = topic_filters
        self._stay = Stay(name, topic_filters, qos)
        self._known: set[int] = set()

    @property
    def is_subscribed(self) -> bool:
        """Whether its SUBACK has come."""
        return self._stay.order > 0

    def reads(self, topic: str) -> bool:
        """Whether it gets all of that."""
        return any(matches(topic_filter, topic) for topic_filter in self.topic_filters)

    def opened(self) -> None:
        assert self.line is not None
        self._stay = Stay(self.name, self.topic_filters, self.qos, self.line.node.node_id, self.world.agenda.now)
        self._known.clear()
        self._subscribe()

    def _subscribe(self) -> None:
        assert self.line is not None
        self.waits()
        self.line.send(wire.subscribe(1, [(topic_filter, self.qos) for topic_filter in self.topic_filters]))

    def closed(self) -> None:
        if self._stay.order:
            self._stay.ended_at = self.world.agenda.now
            self._stay = Stay(self.name, self.topic_filters, self.qos)

    def took(self, packet: Packet) -> None:
        line = self.line
        assert line is not None
        if isinstance(packet, Suback):
            if max(packet.codes) >= 0x80:
                self.later(0.2, 0.5, self._subscribe)
                return
            self._stay.began_at = self.world.agenda.now
            self.ledger.stays(self._stay)
        elif isinstance(packet, Publish):
            if packet.qos < 2 or packet.packet_id not in self._known:
                self._stay.got.append(packet.payload)
            if packet.qos == 1:
                line.send(wire.puback(packet.packet_id))
            elif packet.qos:
                self._known.add(packet.packet_id)
                line.send(wire.pubrec(packet.packet_id))
        elif isinstance(packet, Pubrel):
            self._known.discard(packet.packet_id)
            line.send(wire.pubcomp(packet.packet_id))
        else:
            self.world.problem(f"{self.name} got {packet}")

    def expects_answers(self) -> bool:
        return self.is_open and not self._stay.order
