"""Clients that subscribe: to everything for all the time, or to something new again and again."""

from __future__ import annotations

from collections.abc import Callable

from tests.simulation.client import Client
from tests.simulation.ledger import Ledger
from tests.simulation.world import World
from tests.support import wire
from tests.support.wire_parser import Packet, Publish, Pubrel, Suback


class Subscriber(Client):
    """Answers what comes, ``slow`` a while later; QoS 2 reaches its application once [MQTT-4.3.3-10]."""

    def __init__(self, world: World, ledger: Ledger, name: str, qos: int, filters: list[str], *, slow: float) -> None:
        super().__init__(world, name)
        self.ledger = ledger
        self.qos = qos
        self.slow = slow
        self.wanted = list(filters)
        self.granted: set[str] = set()
        self._known: set[int] = set()
        self._asked: dict[int, str] = {}
        self._last_id = 0

    def opened(self) -> None:
        for topic_filter in self.wanted:
            if topic_filter not in self.granted:
                self.subscribe(topic_filter)

    def closed(self) -> None:
        self._asked.clear()

    def began_anew(self) -> None:
        self._known.clear()
        for topic_filter in self.granted:
            self.ledger.unsubscribe(self.name, topic_filter)
        self.granted.clear()

    def subscribe(self, topic_filter: str) -> None:
        """Ask for something."""
        assert self.line is not None
        if not self._asked:
            self.waits()
        self._last_id = self._last_id % 1000 + 1
        self._asked[self._last_id] = topic_filter
        self.line.send(wire.subscribe(self._last_id, [(topic_filter, self.qos | wire.RETAIN_NEVER)]))

    def took(self, packet: Packet) -> None:
        if isinstance(packet, Suback):
            topic_filter = self._asked.pop(packet.packet_id)
            if packet.codes[0] < 0x80:
                self.granted.add(topic_filter)
                self.ledger.subscribe(self.name, topic_filter, self.qos)
                self.subscribed(topic_filter)
            else:
                self.later(0.2, 0.5, lambda: self.subscribe(topic_filter))
        elif isinstance(packet, Publish):
            self._publish(packet)
        elif isinstance(packet, Pubrel):
            self._known.discard(packet.packet_id)
            self._answer(wire.pubcomp(packet.packet_id))
        else:
            self.world.problem(f"{self.name} got {packet}")

    def _publish(self, packet: Publish) -> None:
        got = self.ledger.got[self.name]
        if not packet.payload:
            pass  # a retained message is deleted, which the ledger has no number for
        elif not packet.dup:
            self.ledger.fresh[self.name, packet.payload] += 1
        if packet.qos < 2:
            if packet.payload:
                got.append(packet.payload)
                self.arrived(packet.payload)
            if packet.qos:
                self._answer(wire.puback(packet.packet_id))
            return
        if packet.packet_id not in self._known:
            self._known.add(packet.packet_id)
            got.append(packet.payload)
            self.arrived(packet.payload)
        self._answer(wire.pubrec(packet.packet_id))

    def _answer(self, data: bytes) -> None:
        line = self.line
        assert line is not None
        if self.slow:
            # All of them with the same delay, or they would overtake each other.
            self.later(self.slow, self.slow, lambda: line.send(data))
        else:
            line.send(data)

    def arrived(self, payload: bytes) -> None:
        """A message has reached the application."""

    def subscribed(self, topic_filter: str) -> None:
        """It is granted."""

    def expects_answers(self) -> bool:
        return bool(self._asked)


class Explorer(Subscriber):
    """Subscribes to something new every now and then, and has ``publish`` called at once when it may."""

    def __init__(self, world: World, ledger: Ledger, name: str, publish: Callable[[str], None]) -> None:
        super().__init__(world, ledger, name, 1, [], slow=0.0)
        self._publish_to = publish
        self._count = 0
        self._stopped = False

    def begin(self) -> None:
        super().begin()
        self._explore()

    def stop(self) -> None:
        """No further."""
        self._stopped = True

    def _explore(self) -> None:
        if self._stopped:
            return
        if self.is_open and not self._asked:
            self._count += 1
            topic_filter = f"w/{self.name}/{self._count}"
            self.wanted.append(topic_filter)
            self.subscribe(topic_filter)
        self.world.agenda.later(0.1, 0.5, self._explore)

    def subscribed(self, topic_filter: str) -> None:
        self._publish_to(topic_filter)
