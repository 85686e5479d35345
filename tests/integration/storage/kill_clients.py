"""Clients of a node that dies: they come back with the same session and go on as MQTT demands of them."""

from __future__ import annotations

import random
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.integration.storage.ledger import Ledger, Stream
from tests.support import wire
from tests.support.client import Client, ConnectionClosed, Silence
from tests.support.wire_parser import Connack, Packet, Pingresp, Puback, Pubcomp, Publish, Pubrec, Pubrel, Suback

LIMIT_S: Final = 20.0
"""How long a client waits for what must come."""

WINDOW: Final = 16
IDENTIFIERS: Final = 40
"""Packet identifiers a publisher uses: few, so that each is soon used again."""

BACKLOG: Final = 1500
"""Publishers wait while a subscriber hasn't got so many messages."""


class DyingSocket:
    """A TCP connection whose end is an error: a dying node may close it in the middle of a packet."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.create_connection(address, LIMIT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sendall = self._socket.sendall
        self.settimeout = self._socket.settimeout
        self.setsockopt = self._socket.setsockopt
        self.close = self._socket.close

    def recv(self, size: int, /) -> bytes:
        """Read; ConnectionResetError at the end."""
        data = self._socket.recv(size)
        if not data:
            raise ConnectionResetError("the end")
        return data


class Course:
    """What all clients go by: where the node is, whether it is up, and what is to be done."""

    def __init__(self, address: tuple[str, int], ledger: Ledger) -> None:
        self.address = address
        self.ledger = ledger
        self.up = threading.Event()
        self.stopping = threading.Event()
        """No new messages; what isn't acknowledged is sent until it is."""
        self.draining = threading.Event()
        """Nothing is sent any more, and subscribers take all there is."""
        self.given_up = threading.Event()


class KilledClient(ABC, threading.Thread):
    """A client with a persistent session that reconnects whenever the node is back."""

    def __init__(self, course: Course, name: str, level: int, rng: random.Random) -> None:
        super().__init__(name=name, daemon=True)
        self.course = course
        self.level = level
        self.rng = rng
        self.ready = threading.Event()
        self.session_kept = False

    def run(self) -> None:
        """Connect and serve until there is nothing more to do."""
        course = self.course
        try:
            while not course.given_up.is_set():
                if course.up.wait(0.1) and self._one_connection(len(course.ledger.kills)):
                    return
        except BaseException as error:
            course.ledger.violation(f"{self.name}: {type(error).__name__}: {error}")

    def _one_connection(self, kills: int) -> bool:
        try:
            client = Client(self.course.address, self.name, self.level, DyingSocket(self.course.address))
            try:
                self._connect(client)
                return self.serve(client)
            finally:
                client.close()
        except (ConnectionClosed, OSError):
            # A kill is announced before it happens, and counted before the node is up again.
            if self.course.up.is_set() and len(self.course.ledger.kills) == kills:
                raise
            return False

    @abstractmethod
    def serve(self, client: Client) -> bool:
        """Work on a connection until it breaks; True when there is nothing more to do."""

    def _connect(self, client: Client) -> None:
        properties: wire.Properties = ()
        if self.level == 5:
            properties = [(wire.SESSION_EXPIRY, 3600), (wire.RECEIVE_MAXIMUM, 30)]
        client.send(wire.connect(self.name, self.level, False, 60, properties))
        connack = client.receive(LIMIT_S)
        assert isinstance(connack, Connack) and connack.code == 0, connack
        if self.session_kept and not connack.session_present:
            self.course.ledger.violation(f"{self.name}: its session is gone")
        self.session_kept = True


@dataclass(slots=True)
class Unacknowledged:
    """A message that a publisher still has to do with; ``released`` once PUBREC has come."""

    stream: Stream
    number: int
    payload: bytes
    retain: bool
    released: bool = False


class Publisher(KilledClient):
    """Sends numbered messages, as many at once as the window allows, and again what wasn't acknowledged."""

    def __init__(
        self, course: Course, name: str, level: int, rng: random.Random, streams: Sequence[Stream], largest: int
    ) -> None:
        super().__init__(course, name, level, rng)
        self.streams = streams
        self.largest = largest
        self.retain = False
        self.subscribers: Sequence[Subscriber] = ()
        self._open: dict[int, Unacknowledged] = {}
        self._identifier = 0

    def serve(self, client: Client) -> bool:
        """Send again what must be, in its order [MQTT-4.4.0-1], [MQTT-4.6.0-1], and then new messages."""
        for identifier, message in self._open.items():
            if message.released:
                client.send(wire.pubrel(identifier))
            else:
                self._send(client, identifier, message, dup=True)
        self.ready.set()
        while not self.course.given_up.is_set():
            if not self.course.stopping.is_set() and not self._must_wait():
                while len(self._open) < WINDOW:
                    self._send_new(client)
            elif self.course.stopping.is_set() and not self._open:
                client.send(wire.disconnect())
                return True
            try:
                packet = client.receive(LIMIT_S if self._open else 0.02)
            except Silence:
                if self._open:
                    raise AssertionError(f"no acknowledgement of {next(iter(self._open.items()))}") from None
                continue
            self._handle(client, packet)
        return True

    def _must_wait(self) -> bool:
        return any(self.course.ledger.backlog(each.name) > BACKLOG for each in self.subscribers)

    def _send_new(self, client: Client) -> None:
        stream = self.rng.choice(self.streams)
        number, payload = self.course.ledger.send(stream, self.rng.randrange(40, self.largest))
        self._identifier = self._identifier % IDENTIFIERS + 1
        while self._identifier in self._open:
            self._identifier = self._identifier % IDENTIFIERS + 1
        message = self._open[self._identifier] = Unacknowledged(stream, number, payload, self.retain)
        self._send(client, self._identifier, message, dup=False)

    def _send(self, client: Client, identifier: int, message: Unacknowledged, *, dup: bool) -> None:
        topic, qos = message.stream
        client.send(wire.publish(topic, message.payload, qos, identifier, message.retain, dup, (), self.level))

    def _handle(self, client: Client, packet: Packet) -> None:
        assert isinstance(packet, (Puback, Pubrec, Pubcomp)), packet
        message = self._open[packet.packet_id]
        if isinstance(packet, Pubcomp):
            assert message.released, packet
            del self._open[packet.packet_id]
            return
        assert packet.code == 0 and isinstance(packet, Puback) == (message.stream[1] == 1), packet
        assert not message.released, packet
        self.course.ledger.acknowledge(message.stream, message.number)
        if isinstance(packet, Puback):
            del self._open[packet.packet_id]
        else:
            # The order of PUBRELs is that of the PUBRECs [MQTT-4.6.0-4].
            self._open[packet.packet_id] = self._open.pop(packet.packet_id)
            message.released = True
            client.send(wire.pubrel(packet.packet_id))


class Subscriber(KilledClient):
    """Takes messages, now and then slowly, now and then not at all, and knows QoS 2 messages by their identifier."""

    def __init__(
        self, course: Course, name: str, level: int, rng: random.Random, topic_filters: Sequence[str], qos: int
    ) -> None:
        super().__init__(course, name, level, rng)
        self.topic_filters = topic_filters
        self.qos = qos
        self._received: dict[int, bytes] = {}
        """Payloads by identifier between PUBREC and PUBREL: part of the session, kept for the next connection."""

    def serve(self, client: Client) -> bool:
        """Acknowledge what comes; go off line for a while at random."""
        if not self.ready.is_set():
            client.send(wire.subscribe(1, [(each, self.qos) for each in self.topic_filters], (), self.level))
            suback = client.receive(LIMIT_S)
            assert isinstance(suback, Suback) and set(suback.codes) == {self.qos}, suback
            self.ready.set()
        for _ in range(self.rng.randrange(100, 1500)):
            # How many packets it takes before it acknowledges any; 1 is at once.
            patience = 1 if self.course.draining.is_set() else self.rng.choice((1, 1, 1, 1, 5, 25))
            if self._take(client, patience) == 0 and self.course.draining.is_set() and self._is_done(client):
                client.send(wire.disconnect())
                return True
            if self.course.given_up.is_set():
                return True
        if self.rng.random() < 0.5:
            client.send(wire.disconnect())
        client.close()
        self.course.draining.wait(self.rng.uniform(0.05, 0.8))
        return False

    def _take(self, client: Client, patience: int) -> int:
        answers: list[bytes] = []
        for _ in range(patience):
            try:
                packet = client.receive(0.02)
            except Silence:
                break
            answers.append(self._answer(packet))
        client.send(*answers)
        return len(answers)

    def _answer(self, packet: Packet) -> bytes:
        if isinstance(packet, Pubrel):
            self._received.pop(packet.packet_id, None)
            return wire.pubcomp(packet.packet_id)
        assert isinstance(packet, Publish) and packet.qos, packet
        identifier = packet.packet_id
        if packet.qos == 1:
            self._deliver(packet)
            return wire.puback(identifier)
        if identifier not in self._received:
            self._received[identifier] = packet.payload
            self._deliver(packet)
        else:
            # Sent again [MQTT-3.3.1-1]; an identifier that is in use stands for no other message [MQTT-2.2.1-4].
            assert packet.payload == self._received[identifier], f"identifier {identifier}: {packet.payload[:40]!r}"
            assert packet.dup, f"identifier {identifier} came again without DUP: {packet.payload[:40]!r}"
        return wire.pubrec(identifier)

    def _deliver(self, packet: Publish) -> None:
        how = f"(identifier {packet.packet_id}{', DUP' if packet.dup else ''})"
        self.course.ledger.deliver(self.name, packet.topic, packet.payload, packet.qos, how)

    def _is_done(self, client: Client) -> bool:
        """Whether it has everything, and nothing more comes before the answer to a PINGREQ."""
        if self.course.ledger.backlog(self.name):
            return False
        client.send(wire.pingreq())
        deadline = time.monotonic() + LIMIT_S
        quiet = True
        while not isinstance(packet := client.receive(deadline - time.monotonic()), Pingresp):
            quiet = False
            client.send(self._answer(packet))
        return quiet
