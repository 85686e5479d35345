"""Clients that know all nodes there are: when one fails them they go to another, and now and then without need."""

from __future__ import annotations

import random
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.support import wire
from tests.support.client import Client, ConnectionClosed, Silence
from tests.support.cluster_processes import COME_LATER, Member
from tests.support.load.course import LIMIT_S, Course
from tests.support.load.ledger import Stream
from tests.support.wire_parser import (
    Connack,
    Disconnect,
    Packet,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
)

PATIENCE_S: Final = 8.0
"""How long a client waits for an answer before it goes to another node: longer than nodes wait for a quorum."""

CONNECT_S: Final = 7.0
WINDOW: Final = 16
IDENTIFIERS: Final = 40
"""Packet identifiers a publisher uses: few, so that each is soon used again."""

BACKLOG: Final = 800
"""Publishers wait while a subscriber hasn't got so many messages."""

UNAVAILABLE: Final = 3
QUOTA_EXCEEDED: Final = 0x97


class RoamingClient(ABC, threading.Thread):
    """A client with a persistent session that connects to whichever node takes it."""

    def __init__(self, course: Course, name: str, level: int, rng: random.Random) -> None:
        super().__init__(name=name, daemon=True)
        self.course = course
        self.level = level
        self.rng = rng
        self.ready = threading.Event()
        self.session_kept = False
        self.node = 0
        """The number of the node that it is connected to."""
        self.moves = True
        """Whether it goes to another node without a reason."""

    def run(self) -> None:
        """Connect and serve until there is nothing more to do."""
        course = self.course
        refused_since = 0.0
        try:
            while not course.given_up.is_set():
                client = self._connect()
                if client is None:
                    refused_since = refused_since or time.monotonic()
                    if course.calm.is_set() and time.monotonic() - refused_since > LIMIT_S:
                        raise AssertionError(f"no node has let it in for {LIMIT_S} s")
                    # The nodes are asked again soon, as an impatient client would.
                    course.given_up.wait(self.rng.uniform(0.02, 0.2))
                    continue
                refused_since = 0.0
                if self._one_connection(client):
                    return
        except BaseException as error:
            course.ledger.violation(f"{self.name} at node {self.node}: {type(error).__name__}: {error}")

    def _one_connection(self, client: Client) -> bool:
        calm = self.course.is_calm_at(self.node)
        try:
            done = self.serve(client)
        except (ConnectionClosed, OSError):
            client.close()
            if calm and self.course.is_calm_at(self.node):
                raise
            return False
        except Silence:
            # To its node nothing is wrong with this connection, if it lives: another one takes over.
            self.course.leave(client, self.node)
            if calm and self.course.is_calm_at(self.node):
                raise
            return False
        except BaseException:
            client.close()
            raise
        if done:
            client.close()
        else:
            self._go_elsewhere(client)
        return done

    def _go_elsewhere(self, client: Client) -> None:
        """Half of the time without closing the connection, which is then for the next node to see to."""
        chance = self.rng.random()
        if chance < 0.5:
            self.course.leave(client, self.node)
            self.course.ledger.took_over()
            return
        try:
            if chance < 0.75:
                client.send(wire.disconnect())
        except OSError:
            pass  # its node has just died
        client.close()
        self.course.draining.wait(self.away_s())

    def away_s(self) -> float:
        """How long it stays off line before it comes back, in seconds."""
        return 0.0

    @abstractmethod
    def serve(self, client: Client) -> bool:
        """Work on a connection; True when there is nothing more to do, False to go to another node."""

    def _connect(self) -> Client | None:
        member: Member = self.rng.choice(list(self.course.cluster))
        self.node = member.number
        properties: wire.Properties = [(wire.RECEIVE_MAXIMUM, 30)]
        try:
            client, connack = member.try_to_connect(
                self.name, self.level, expiry=3600, properties=properties, timeout_s=CONNECT_S
            )
        except (ConnectionClosed, OSError, Silence):
            return None
        if connack.code:
            client.close()
            assert connack.code in COME_LATER or (self.level < 5 and connack.code == UNAVAILABLE), connack
            return None
        self._check_session(connack)
        return client

    def _check_session(self, connack: Connack) -> None:
        if self.session_kept and not connack.session_present:
            self.course.ledger.violation(f"{self.name}: its session is gone at node {self.node}")
        self.session_kept = True


@dataclass(slots=True)
class Unanswered:
    """A message that a publisher still has to do with; ``released`` once PUBREC has come."""

    stream: Stream
    number: int
    payload: bytes
    retain: bool
    released: bool = False


class Publisher(RoamingClient):
    """Sends numbered messages, as many at once as the window allows, and again what wasn't answered."""

    def __init__(
        self, course: Course, name: str, level: int, rng: random.Random, streams: Sequence[Stream], largest: int
    ) -> None:
        super().__init__(course, name, level, rng)
        self.streams = streams
        self.largest = largest
        self.retain = False
        self.subscribers: Sequence[Subscriber] = ()
        self._open: dict[int, Unanswered] = {}
        self._identifier = 0

    @property
    def where(self) -> str:
        """The node it talks to, for people."""
        return f"at node {self.node}"

    def serve(self, client: Client) -> bool:
        """Send again what must be, in its order [MQTT-4.4.0-1], [MQTT-4.6.0-1], and then new messages."""
        for identifier, message in self._open.items():
            if message.released:
                client.send(wire.pubrel(identifier))
            else:
                self.course.ledger.send_again(message.stream, message.number, self.where)
                self._send(client, identifier, message, dup=True)
        self.ready.set()
        # Now and then it goes on elsewhere with all its window open.
        answers_left = self.rng.randrange(50, 1000) if self.moves else -1
        while not self.course.given_up.is_set():
            if self.course.stopping.is_set():
                if not self._open:
                    client.send(wire.disconnect())
                    return True
            elif answers_left == 0:
                return False
            elif not self._must_wait():
                while len(self._open) < WINDOW:
                    self._send_new(client)
            try:
                packet = client.receive(PATIENCE_S if self._open else 0.02)
            except Silence:
                if self._open:
                    raise Silence(f"no answer to {next(iter(self._open.values()))}") from None
                continue
            self._handle(client, packet)
            answers_left -= 1
        return True

    def _must_wait(self) -> bool:
        return any(self.course.ledger.backlog(each.name) > BACKLOG for each in self.subscribers)

    def _send_new(self, client: Client) -> None:
        stream = self.rng.choice(self.streams)
        number, payload = self.course.ledger.send(stream, self.rng.randrange(40, self.largest), self.where)
        self._identifier = self._identifier % IDENTIFIERS + 1
        while self._identifier in self._open:
            self._identifier = self._identifier % IDENTIFIERS + 1
        message = self._open[self._identifier] = Unanswered(stream, number, payload, self.retain)
        self._send(client, self._identifier, message, dup=False)

    def _send(self, client: Client, identifier: int, message: Unanswered, *, dup: bool) -> None:
        topic, qos = message.stream
        client.send(wire.publish(topic, message.payload, qos, identifier, message.retain, dup, (), self.level))

    def _handle(self, client: Client, packet: Packet) -> None:
        if isinstance(packet, Disconnect):
            raise ConnectionClosed(str(packet))
        assert isinstance(packet, (Puback, Pubrec, Pubcomp)), packet
        message = self._open[packet.packet_id]
        if isinstance(packet, Pubcomp):
            assert message.released, packet
            del self._open[packet.packet_id]
            return
        assert isinstance(packet, Puback) == (message.stream[1] == 1), packet
        assert not message.released, packet
        if packet.code >= 0x80:
            # [MQTT-4.3.2-2], [MQTT-4.3.3-2]: with a reason code the exchange is over.
            assert packet.code == QUOTA_EXCEEDED and not self.course.calm.is_set(), packet
            self.course.ledger.refuse(message.stream, message.number, self.where)
            del self._open[packet.packet_id]
            return
        self.course.ledger.acknowledge(message.stream, message.number, self.where)
        if isinstance(packet, Puback):
            del self._open[packet.packet_id]
        else:
            # The order of PUBRELs is that of the PUBRECs [MQTT-4.6.0-4].
            self._open[packet.packet_id] = self._open.pop(packet.packet_id)
            message.released = True
            client.send(wire.pubrel(packet.packet_id))


class Subscriber(RoamingClient):
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
        """Acknowledge what comes; be off line for a while at random."""
        if not self.ready.is_set():
            client.send(wire.subscribe(1, [(each, self.qos) for each in self.topic_filters], (), self.level))
            suback = client.receive(LIMIT_S)
            assert isinstance(suback, Suback) and set(suback.codes) == {self.qos}, suback
            self.ready.set()
        turns = self.rng.randrange(100, 1500)
        while turns or not self.moves:
            turns -= 1
            draining = self.course.draining.is_set()
            # How many packets it takes before it acknowledges any; 1 is at once.
            patience = 1 if draining else self.rng.choice((1, 1, 1, 1, 5, 25))
            taken = self._take(client, patience)
            if self.course.given_up.is_set():
                return True
            if draining and not taken and self._is_done(client):
                client.send(wire.disconnect())
                return True
        return False

    def away_s(self) -> float:
        """Long enough for a queue to grow."""
        return self.rng.uniform(0.05, 0.8)

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
        if isinstance(packet, Disconnect):
            raise ConnectionClosed(str(packet))
        assert isinstance(packet, Publish), packet
        identifier = packet.packet_id
        if packet.qos < 2:
            self._deliver(packet)
            return wire.puback(identifier) if packet.qos else b""
        if identifier not in self._received:
            self._received[identifier] = packet.payload
            self._deliver(packet)
        else:
            # Sent again [MQTT-3.3.1-1]; an identifier that is in use stands for no other message [MQTT-2.2.1-4].
            assert packet.payload == self._received[identifier], f"identifier {identifier}: {packet.payload[:40]!r}"
            assert packet.dup, f"identifier {identifier} came again without DUP: {packet.payload[:40]!r}"
        return wire.pubrec(identifier)

    def _deliver(self, packet: Publish) -> None:
        how = f"at node {self.node} (identifier {packet.packet_id}{', DUP' if packet.dup else ''})"
        self.course.ledger.deliver(self.name, packet.topic, packet.payload, packet.qos, how)

    def _is_done(self, client: Client) -> bool:
        """Whether it has everything, and nothing more comes before the answer to a PINGREQ."""
        if self.course.ledger.owed(self.name):
            return False
        client.send(wire.pingreq())
        deadline = time.monotonic() + LIMIT_S
        quiet = True
        while not isinstance(packet := client.receive(max(deadline - time.monotonic(), 0.01)), Pingresp):
            quiet = False
            client.send(self._answer(packet))
        return quiet


def join(course: Course, clients: Sequence[RoamingClient]) -> None:
    """Wait until the clients have done all they had to do; it is a violation if nothing moves any more."""
    ledger = course.ledger
    for client in clients:
        while client.is_alive() and not ledger.violations:
            before = ledger.summary()
            client.join(LIMIT_S)
            if client.is_alive() and ledger.summary() == before:
                ledger.check_complete()  # says what it waits for, if that is a message
                ledger.violation(f"{client.name} doesn't end")
