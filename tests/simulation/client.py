"""A client's connection: it comes back, elsewhere, whatever happens to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from rmq.net.connection import Connection
from tests.simulation.engine import DELAY_S, Socket
from tests.simulation.node import Node
from tests.simulation.world import World
from tests.support import wire
from tests.support.engine import whole_packet
from tests.support.packet_notation import V5
from tests.support.wire import Will
from tests.support.wire_parser import Connack, Disconnect, Packet, parse

EXPIRY_S: Final = 1_000_000
# A client that waits longer for an answer tries elsewhere.
PATIENCE_S: Final = 7.0


class Line:
    """One connection as its client has it. ``is_current``: the client hasn't turned to another one."""

    def __init__(self, client: Client, node: Node) -> None:
        self.client = client
        self.node = node
        self.is_current = True
        self.extra_delay = 0.0
        self._buffer = bytearray()
        self._last = 0.0
        agenda = client.world.agenda
        self._agenda = agenda
        self._connection: Connection = node.engine.accept(Socket(agenda, self._receive))

    def send(self, data: bytes) -> None:
        """Send bytes; b"" closes the connection."""
        agenda = self._agenda
        delay = agenda.random.uniform(*DELAY_S) + self.extra_delay
        self._last = max(self._last, agenda.now + delay)
        node, connection = self.node, self._connection
        agenda.at(self._last, lambda: node.engine.receive(connection, data), node.node_id)

    def _receive(self, data: bytes) -> None:
        if not self.is_current:
            return
        if not data:
            self.client.lost()
            return
        self._buffer += data
        for packet in self._packets():
            if self.is_current:
                self.client.take(packet)

    def _packets(self) -> list[Packet]:
        buffer = self._buffer
        packets: list[Packet] = []
        while (size := whole_packet(buffer)) > 0:
            body = bytes(buffer[:size])
            del buffer[:size]
            start = 1
            while body[start] & 0x80:
                start += 1
            packets.append(parse(body[0], body[start + 1 :], V5))
        return packets


class Client:
    """``is_open``: it has had CONNACK. It connects to ``home`` if that runs, and never to nodes in ``avoid``.

    ``persistent`` False: its session ends with each connection.
    """

    persistent = True

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.line: Line | None = None
        self.is_open = False
        self.is_finished = False
        self.had_session = False
        self.connects = 0
        self.avoid: set[int] = set()
        self.home = 0
        self._asked_at = 0.0

    def begin(self) -> None:
        """Connect, and go on until finished."""
        self._connect()
        self._watch()

    # The connection

    def _choose(self) -> Node | None:
        if self.home in self.world.nodes:
            return self.world.nodes[self.home]
        nodes = [node for node_id, node in sorted(self.world.nodes.items()) if node_id not in self.avoid]
        return self.world.agenda.random.choice(nodes) if nodes else None

    def _connect(self) -> None:
        if self.line is not None or self.is_finished:
            return
        node = self._choose()
        if node is None or node.engine.is_dead:
            self._again()
            return
        self.connects += 1
        self.line = Line(self, node)
        self.waits()
        properties = [(wire.SESSION_EXPIRY, EXPIRY_S if self.persistent else 0), (wire.RECEIVE_MAXIMUM, 10)]
        clean, will = not self.persistent, self.will()
        self.line.send(wire.connect(self.name, clean=clean, keep_alive=0, properties=properties, will=will))

    def _again(self) -> None:
        self.world.agenda.later(0.05, 0.6, self._connect)

    def lost(self) -> None:
        """The connection is over: go on elsewhere."""
        if self.line is not None:
            self.line.is_current = False
            self.line = None
        self.is_open = False
        self.closed()
        self._again()

    def drop(self) -> None:
        """Close the connection without a word."""
        if self.line is not None:
            self.line.send(b"")
            self.lost()

    def jump(self, extra_delay: float) -> None:
        """Connect elsewhere while the old connection still stands, with bytes on their way."""
        if self.line is None or not self.is_open:
            return
        self.line.extra_delay = extra_delay
        self.last_words()
        self.lost()

    def finish(self) -> None:
        """DISCONNECT, and come back no more."""
        self.is_finished = True
        if self.line is not None:
            self.line.send(wire.disconnect())
            self.line.is_current = False
            self.line = None
        self.is_open = False

    def waits(self) -> None:
        """From now on an answer is waited for."""
        self._asked_at = self.world.agenda.now

    def _watch(self) -> None:
        if self.is_finished:
            return
        now = self.world.agenda.now
        if self.line is not None and (not self.is_open or self.expects_answers()) and now - self._asked_at > PATIENCE_S:
            self.world.counts["given up"] += 1
            self.drop()
        self.world.agenda.after(1.0, self._watch)

    def later(self, low: float, high: float, call: Callable[[], None]) -> None:
        """Call it later, unless the connection is another one by then."""
        line = self.line
        assert line is not None

        def due() -> None:
            if self.line is line:
                call()

        self.world.agenda.later(low, high, due)

    # What comes

    def take(self, packet: Packet) -> None:
        """A packet of the node."""
        self.waits()
        if isinstance(packet, Connack):
            self._connack(packet)
        elif isinstance(packet, Disconnect):
            self.world.note(f"{self.name} is disconnected with {packet.code:#04x}")
        else:
            self.took(packet)

    def _connack(self, packet: Connack) -> None:
        assert self.line is not None
        node = self.line.node.node_id
        self.world.note(f"{self.name} at {node}: CONNACK {packet.code} {packet.session_present}")
        if packet.code:
            self.lost()
            return
        self.is_open = True
        if self.persistent and self.had_session and not packet.session_present:
            self.world.problem(f"{self.name} finds no session at node {node}")
        self.had_session = True
        if not packet.session_present:
            self.began_anew()
        self.opened()

    # What a kind of client does

    def will(self) -> Will | None:
        """The will of the connection that is about to be made."""
        return None

    def began_anew(self) -> None:
        """It is connected, and its session is a new one."""

    def opened(self) -> None:
        """It is connected."""

    def closed(self) -> None:
        """It isn't any more."""

    def last_words(self) -> None:
        """It is about to turn to another connection; what it sends now comes late."""

    def took(self, packet: Packet) -> None:
        """A packet of the node."""
        raise NotImplementedError

    def expects_answers(self) -> bool:
        """Whether something was asked and isn't answered."""
        raise NotImplementedError
