"""Floods a live broker with broken packets over many short connections, and checks every answer.

A round opens a batch of connections, sends each its stream piece by piece and closes the sending side; a round later
the answers are read to the end. Behind every mutated packet goes a PINGREQ: the PINGRESPs that come back tell how many
packets the broker really dealt with, because it must look at none behind a bad one.
"""

from __future__ import annotations

import itertools
import socket
import struct
from collections import Counter
from dataclasses import dataclass, field

from tests.support import wire
from tests.support.wire_parser import Connack, Disconnect, Packet, Pingresp, parse

from .corpus import AUTH, Frame, Session, sessions
from .mutators import Mutator

BATCH = 64
FRAMES_PER_CONNECTION = 4
ANSWER_TIMEOUT_S = 20.0
LINGER_OFF_CLOSE = struct.pack("ii", 1, 0)
# One address has 28,000 ports, each busy for a minute after its connection: spread over many addresses.
SOURCE_ADDRESSES = tuple(f"127.0.0.{n}" for n in range(1, 251))


class BadAnswer(AssertionError):
    """The broker answered something no client could accept, or did not close."""


@dataclass(slots=True)
class Tally:
    """What a flood has done so far."""

    connections: int = 0
    sent: int = 0
    reached: int = 0
    refused: int = 0
    answers: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        return (
            f"{self.connections} connections, {self.sent} mutated packets sent, {self.reached} dealt with by the "
            f"broker, {self.refused} of them refused; answers: {dict(self.answers.most_common())}"
        )


@dataclass(slots=True)
class Plan:
    """One connection: what to send, in which pieces, and how to end."""

    level: int
    chunks: list[bytes]
    mutated: int
    connect_is_valid: bool
    reset: bool


class Flood:
    """Repeatable: everything random comes from the mutator's seed."""

    def __init__(self, address: tuple[str, int], seed: int) -> None:
        self.tally = Tally()
        self._address = address
        self._corpus = sessions("fuzz-")
        self._mutator = Mutator(seed, [*{frame for session in self._corpus for frame in session.frames}, AUTH])
        self._sources = itertools.cycle(SOURCE_ADDRESSES)
        self._unread: list[tuple[Plan, socket.socket]] = []

    def round(self) -> None:
        """Send a batch of connections all it gets, then read what the batch before was answered.

        So the broker has work while answers are checked here, and the reader never waits for it.
        """
        batch = [(self._plan(), self._open()) for _ in range(BATCH)]
        try:
            self._send(batch)
            self.read_answers()
        finally:
            self._unread = batch

    def read_answers(self) -> None:
        """Read and check what is still unread, to the end of each connection."""
        try:
            for plan, connection in self._unread:
                if plan.reset:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_OFF_CLOSE)
                else:
                    self._read(plan, connection)
        finally:
            self.close()

    def close(self) -> None:
        """Close the connections that are still open."""
        for _, connection in self._unread:
            connection.close()
        self._unread = []

    def _open(self) -> socket.socket:
        connection = socket.create_connection(self._address, ANSWER_TIMEOUT_S, (next(self._sources), 0))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _plan(self) -> Plan:
        choose = self._mutator.random
        session = choose.choice(self._corpus)
        connect_is_valid = choose.random() > 0.1
        parts = [session.connect.encode() if connect_is_valid else self._mutator.mutate(session.connect)]
        mutated = 0 if connect_is_valid else 1
        parts.append(wire.pingreq())
        for frame in self._frames(session):
            if choose.random() < 0.3 and frame.first_byte != 0xE0:
                parts.append(frame.encode())
                continue
            parts.append(self._mutator.mutate(frame))
            parts.append(wire.pingreq())
            mutated += 1
        if choose.random() < 0.2:
            parts.append(wire.disconnect())
        chunks = self._mutator.chunks(b"".join(parts))
        return Plan(session.level, chunks, mutated, connect_is_valid, choose.random() < 0.05)

    def _frames(self, session: Session) -> list[Frame]:
        """Some packets of the session, mostly in their order, sometimes an AUTH among them."""
        choose = self._mutator.random
        chosen = choose.sample(range(len(session.frames)), FRAMES_PER_CONNECTION)
        frames = [session.frames[index] for index in (sorted(chosen) if choose.random() < 0.8 else chosen)]
        if choose.random() < 0.05:
            frames.insert(0, AUTH)
        return frames

    def _send(self, batch: list[tuple[Plan, socket.socket]]) -> None:
        """Piece by piece over all connections, so that the broker really sees packets in pieces."""
        unsent = batch
        turn = 0
        while unsent:
            still: list[tuple[Plan, socket.socket]] = []
            for plan, connection in unsent:
                try:
                    connection.sendall(plan.chunks[turn])
                    if turn + 1 < len(plan.chunks):
                        still.append((plan, connection))
                    elif not plan.reset:
                        connection.shutdown(socket.SHUT_WR)
                except OSError:
                    # Closed by the broker at an earlier bad packet; what it said before is still to be read.
                    continue
            unsent = still
            turn += 1
        self.tally.connections += len(batch)
        self.tally.sent += sum(plan.mutated for plan, _ in batch)

    def _read(self, plan: Plan, connection: socket.socket) -> None:
        data = bytearray()
        try:
            while part := connection.recv(65536):
                data += part
        except TimeoutError:
            raise BadAnswer(f"not closed {ANSWER_TIMEOUT_S} s after the client's end: {_shown(plan)}") from None
        except OSError:
            self.tally.answers["reset"] += 1
        if plan.connect_is_valid:
            self._check(plan, _packets(plan, bytes(data)))
        elif data:
            self.tally.answers["answer to a mutated CONNECT"] += 1
            self.tally.reached += 1

    def _check(self, plan: Plan, packets: list[Packet]) -> None:
        if not packets:
            # Another connection took the client id over before this one was answered.
            self.tally.answers["nothing"] += 1
            return
        first = packets[0]
        if not isinstance(first, Connack) or any(isinstance(packet, Connack) for packet in packets[1:]):
            raise BadAnswer(f"CONNACK must come first and once: {packets[:3]}: {_shown(plan)}")
        for packet in packets:
            name = type(packet).__name__
            self.tally.answers[f"{name} {packet.code:#04x}" if isinstance(packet, Disconnect) else name] += 1
        if any(isinstance(packet, Disconnect) for packet in packets[:-1]):
            raise BadAnswer(f"something behind DISCONNECT: {packets}: {_shown(plan)}")
        # The first PINGREQ follows the CONNECT, which is valid.
        survived = max(0, sum(isinstance(packet, Pingresp) for packet in packets) - 1)
        refused = survived < plan.mutated
        self.tally.reached += survived + refused
        self.tally.refused += refused


def _packets(plan: Plan, data: bytes) -> list[Packet]:
    """All whole packets of an answer; the last one may have been cut by the close."""
    packets: list[Packet] = []
    at = 0
    while at + 1 < len(data):
        body, length, shift = at + 1, 0, 0
        while body < len(data):
            length |= (data[body] & 0x7F) << shift
            shift += 7
            body += 1
            if data[body - 1] < 0x80:
                break
        if body + length > len(data):
            break
        try:
            packets.append(parse(data[at], data[body : body + length], plan.level))
        except AssertionError as error:
            error.add_note(_shown(plan))
            raise
        at = body + length
    return packets


def _shown(plan: Plan) -> str:
    stream = b"".join(plan.chunks)
    return f"level {plan.level}, {[len(chunk) for chunk in plan.chunks]} bytes: {stream.hex(' ')[:6000]}"
