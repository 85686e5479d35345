"""Random lives of publishers and subscribers on a node that writes, crashes and begins again: nothing lost, no order
changed, QoS 2 exactly once, and what is read after a restart is what was there.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from rmq.storage.codec import decode_operation
from rmq.storage.packing import unpack_all
from rmq.storage.segments import Segments
from tests.support import wire
from tests.support.engine import Client, Engine
from tests.support.wire_parser import Connack, Puback, Pubcomp, Publish, Pubrec, Pubrel, Suback
from tests.unit.engine.deferred import Deferred
from tests.unit.storage.replica import facts
from tests.unit.storage.whole_state import SnapshotRun, read_snapshot


class Node:
    """The node that is alive just now."""

    def __init__(self) -> None:
        self.port = Deferred(Engine())

    @property
    def engine(self) -> Engine:
        return self.port.engine


class Peer:
    """A client with a session that is kept; it connects again when it wants."""

    def __init__(self, node: Node, client_id: str) -> None:
        self.node = node
        self.client_id = client_id
        self.client: Client | None = None
        self.is_open = False
        self.had_session = False

    def connect(self) -> None:
        self.client = self.node.engine.open()
        self.is_open = False
        properties = [(wire.SESSION_EXPIRY, 100_000), (wire.RECEIVE_MAXIMUM, 5)]
        self.client.send(wire.connect(self.client_id, clean=False, properties=properties))

    def lose(self) -> None:
        if self.client is not None and not self.client.closed:
            self.client.lose()
        self.client = None
        self.is_open = False

    def forget(self) -> None:
        """The node died."""
        self.client = None
        self.is_open = False

    def read(self) -> None:
        client = self.client
        if client is None:
            return
        for packet in client.read():
            if isinstance(packet, Connack):
                assert packet.code == 0
                assert packet.session_present or not self.had_session
                self.had_session = self.is_open = True
                self.opened(client)
            else:
                self.take(client, packet)
        assert not client.closed

    def opened(self, client: Client) -> None:
        raise NotImplementedError

    def take(self, client: Client, packet: object) -> None:
        raise NotImplementedError


class Subscriber(Peer):
    """``answers`` are those it hasn't sent yet; ``got`` are the payloads that reached its application."""

    def __init__(self, node: Node, client_id: str, qos: int) -> None:
        super().__init__(node, client_id)
        self.qos = qos
        self.subscribed = False
        self.answers: list[bytes] = []
        self.known: set[int] = set()
        self.got: list[bytes] = []

    def opened(self, client: Client) -> None:
        self.answers.clear()
        if not self.subscribed:
            client.send(wire.subscribe(1, [("t", self.qos)]))

    def take(self, client: Client, packet: object) -> None:
        if isinstance(packet, Suback):
            self.subscribed = True
        elif isinstance(packet, Pubrel):
            self.known.discard(packet.packet_id)
            self.answers.append(wire.pubcomp(packet.packet_id))
        else:
            assert isinstance(packet, Publish), packet
            if packet.qos == 1:
                self.answers.append(wire.puback(packet.packet_id))
                self.got.append(packet.payload)
            else:
                if packet.packet_id not in self.known:
                    self.got.append(packet.payload)
                self.known.add(packet.packet_id)
                self.answers.append(wire.pubrec(packet.packet_id))

    def answer(self, count: int) -> None:
        if self.client is not None and self.is_open and self.answers:
            some, self.answers = self.answers[:count], self.answers[count:]
            self.client.send(*some)


class Publisher(Peer):
    """Sends what isn't acknowledged again on each connection, as its session says."""

    def __init__(self, node: Node, client_id: str, qos: int) -> None:
        super().__init__(node, client_id)
        self.qos = qos
        self.number = 0
        self.packet_id = 0
        self.pending: dict[int, bytes] = {}
        self.released: list[int] = []
        self.done = 0

    def opened(self, client: Client) -> None:
        for packet_id, payload in self.pending.items():
            if packet_id not in self.released:
                client.send(wire.publish("t", payload, self.qos, packet_id, dup=True))
        for packet_id in self.released:
            client.send(wire.pubrel(packet_id))

    def publish(self) -> None:
        if self.client is None or not self.is_open or len(self.pending) >= 20:
            return
        self.number += 1
        self.packet_id = self.packet_id % 60_000 + 1
        payload = b"%s %d" % (self.client_id.encode(), self.number)
        self.pending[self.packet_id] = payload
        self.client.send(wire.publish("t", payload, self.qos, self.packet_id))

    def take(self, client: Client, packet: object) -> None:
        if isinstance(packet, Puback | Pubcomp):
            assert packet.code in (0, 0x10, 0x92)
            if isinstance(packet, Puback) and self.pending:
                assert packet.packet_id == next(iter(self.pending))  # in the order of the PUBLISHes [MQTT-4.6.0-2]
            self.pending.pop(packet.packet_id)
            self.released = [known for known in self.released if known != packet.packet_id]
            self.done += 1
        else:
            assert isinstance(packet, Pubrec) and packet.code in (0, 0x10), packet
            if packet.packet_id not in self.released:
                self.released.append(packet.packet_id)
                client.send(wire.pubrel(packet.packet_id))


class Snapshot:
    """Snapshots, each step at any moment, and what a restart would read of them and of the batches behind."""

    def __init__(self, folder: Path, port: Deferred) -> None:
        folder.mkdir()
        self._folder = folder
        self._port = port
        self._segments = Segments(folder, 1)
        self._run: SnapshotRun | None = None
        self._number = 0
        self._batch = 0

    def step(self) -> None:
        port = self._port
        if self._run is not None:
            if not self._run.step():
                self._run.finish()
                self._run = None
                self._check()
        elif not port.log.is_writing():
            self._number += 1
            self._batch = len(port.batches)
            state = port.engine.broker.state
            self._run = SnapshotRun(self._folder, state, self._segments, self._number, self._batch)

    def _check(self) -> None:
        state, _ = read_snapshot(self._folder, self._number)
        for data in self._port.batches[self._batch : len(self._port.batches) - self._port.log.is_writing()]:
            for fields in unpack_all(data):
                state.apply(decode_operation(fields))
        assert facts(state) == facts(self._port.engine.broker.state)


@pytest.mark.parametrize("seed", range(25))
def test_random_lives(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    node = Node()
    subscribers = [Subscriber(node, "s1", 1), Subscriber(node, "s2", 2)]
    publishers = [Publisher(node, "p1", 1), Publisher(node, "p2", 2)]
    peers: list[Peer] = [*subscribers, *publishers]
    for peer in peers:
        peer.connect()
    while not all(subscriber.subscribed for subscriber in subscribers):
        node.port.settle()
        for peer in peers:
            peer.read()
    snapshot = Snapshot(tmp_path / "0", node.port)
    for turn in range(1, 400):
        if rng.random() < 0.3:
            snapshot.step()
        action = rng.random()
        if action < 0.35:
            rng.choice(publishers).publish()
        elif action < 0.55:
            rng.choice(subscribers).answer(rng.randrange(1, 5))
        elif action < 0.7:
            node.port.begin()
        elif action < 0.88:
            node.port.write(sync=rng.random() < 0.7)
            node.port.check()
        elif action < 0.93:
            rng.choice(peers).lose()
        elif action < 0.99:
            peer = rng.choice(peers)
            if peer.client is None or rng.random() < 0.3:
                peer.connect()  # a takeover, if the old connection is still there
        else:
            if node.port.log.is_writing():
                node.port.batches.pop()  # it didn't get there
            node.port = node.port.crash()
            snapshot = Snapshot(tmp_path / str(turn), node.port)
            for peer in peers:
                peer.forget()
        for peer in peers:
            peer.read()
    for _ in range(300):
        for peer in peers:
            if peer.client is None:
                peer.connect()
            peer.read()
        for subscriber in subscribers:
            subscriber.answer(10)
        node.port.write()
    node.port.check()
    for publisher in publishers:
        assert not publisher.pending
        sent = [b"%s %d" % (publisher.client_id.encode(), number + 1) for number in range(publisher.number)]
        for subscriber in subscribers:
            got = [payload for payload in subscriber.got if payload.split()[0] == publisher.client_id.encode()]
            assert list(dict.fromkeys(got)) == sent  # each of them, and first in this order
            if publisher.qos == subscriber.qos == 2:
                assert got == sent
    for subscriber in subscribers:
        session = node.engine.session(subscriber.client_id)
        outbound = session.outbound
        assert outbound is not None and len(outbound) == outbound.inflight == outbound.leaving == 0
    assert node.engine.session("p2").inbound_qos2 is None
    assert len(node.engine.broker.claims) == 0
