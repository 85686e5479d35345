"""Connections over their inbound rates: they are read later, nothing is lost, and their silence isn't their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from rmq.net.connection import Connection
from rmq.net.inbound_rates import Allowance, Meter, RateLimit
from rmq.net.read_queue import ReadQueue
from tests.support import wire
from tests.support.engine import Client, Engine
from tests.support.wire_parser import Disconnect, Pingresp, Publish


class MeteredEngine(Engine):
    """Notes who is held back; ``queue`` is the listener's, if it has one."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[Connection] = []
        self.queue: ReadQueue | None = None

    def hold_back(self, connection: Connection) -> None:
        """As a listener, but the test says when a client's own debt is paid."""
        if self.queue is not None:
            self.queue.wait(connection, self.broker.ctx.now)
        else:
            self.held.append(connection)

    def release(self) -> None:
        """The debts of all are paid."""
        held, self.held = self.held, []
        for connection in held:
            connection.read_again()
        self.turn()


@pytest.fixture
def engine() -> Iterator[MeteredEngine]:
    made = MeteredEngine()
    yield made
    assert made.counters.internal_errors == made.expected_bugs


def limit(engine: Engine, client: Client, messages: RateLimit | None, size: RateLimit | None = None) -> Meter:
    now = engine.broker.ctx.now
    meter = Meter(Allowance(messages, size, now), Allowance(None, None, now))
    client.connection.meter = meter
    return meter


def subscriber(engine: Engine) -> Client:
    client = engine.connect("s")
    client.subscribe(("#", 0))
    return client


def test_what_is_over_the_rate_comes_later_whole_and_in_order(engine: MeteredEngine) -> None:
    receiver, publisher = subscriber(engine), engine.connect("p")
    limit(engine, publisher, RateLimit(10, 1.0))
    sent = [b"%03d" % number for number in range(100)]
    publisher.send(*[wire.publish("t", payload) for payload in sent])
    received = receiver.payloads()
    assert 10 <= len(received) < 100
    rounds = 0
    while len(received) < 100:
        assert engine.held == [publisher.connection] and not publisher.connection.wants_read
        engine.advance(1.0)
        before = len(received)
        engine.release()
        received += receiver.payloads()
        assert len(received) - before <= 40  # what one read may bring beyond the rate
        rounds += 1
        assert rounds < 20
    assert received == sent
    assert rounds >= 5


def test_messages_behind_a_hook_that_waits_count_too(engine: MeteredEngine) -> None:
    publisher = engine.connect("p")
    meter = limit(engine, publisher, RateLimit(10, 1.0))
    publisher.channel.paused = True  # as while a hook has the packet before these
    publisher.send(*[wire.publish("t", b"x")] * 15)
    publisher.connection.on_readable()
    assert len(publisher.channel.backlog or []) == 15
    assert meter.own_wait(engine.time) == pytest.approx(0.6)
    assert engine.held == [publisher.connection]


def test_a_pause_for_a_hook_and_one_for_the_rate_both_have_to_end(engine: MeteredEngine) -> None:
    publisher = engine.connect("p")
    limit(engine, publisher, RateLimit(10, 1.0))
    publisher.send(*[wire.publish("t", b"x")] * 15)
    assert engine.held
    connection = publisher.connection
    connection.resume_reading()
    assert not connection.wants_read
    publisher.channel.paused = True
    engine.advance(1.0)
    engine.release()
    assert not connection.wants_read
    publisher.channel.paused = False
    connection.resume_reading()
    assert connection.wants_read


def test_bytes_are_counted_as_they_come_whatever_is_in_them(engine: MeteredEngine) -> None:
    publisher = engine.connect("p")
    limit(engine, publisher, None, RateLimit(1000, 1.0))
    publisher.send(wire.publish("t", bytes(5000)))
    assert engine.counters.packets_publish_received == 0
    for _ in range(4):
        assert engine.held == [publisher.connection]
        engine.advance(1.0)
        engine.release()
    assert engine.counters.packets_publish_received == 0
    engine.advance(1.0)
    engine.release()
    assert engine.counters.packets_publish_received == 1


def test_keep_alive_does_not_run_while_nothing_is_read(engine: MeteredEngine) -> None:
    publisher = engine.connect("p", keep_alive=10)
    limit(engine, publisher, RateLimit(1, 60.0))
    publisher.send(*[wire.publish("t", b"x")] * 3)
    assert engine.held
    publisher.send(wire.pingreq())
    for _ in range(20):
        engine.advance(10.0)
    assert publisher.read() == []
    engine.release()
    assert [type(packet) for packet in publisher.read()] == [Pingresp]
    engine.held.clear()
    engine.advance(14.9)
    assert publisher.read() == []


def test_keep_alive_runs_again_from_the_end_of_the_wait(engine: MeteredEngine) -> None:
    publisher = engine.connect("p", keep_alive=10)
    limit(engine, publisher, RateLimit(1, 60.0))
    publisher.send(wire.publish("t", b"x"))
    for _ in range(19):
        engine.advance(10.0)
    engine.release()
    engine.advance(10.0)  # the timer fires meanwhile, and the last byte came 200 s ago
    assert publisher.read() == []
    engine.advance(10.0)
    assert [packet.code for packet in publisher.read() if isinstance(packet, Disconnect)] == [0x8D]


def test_a_client_that_is_closed_while_it_waits_gets_its_reason_and_is_read_to_the_end(engine: MeteredEngine) -> None:
    publisher = engine.connect("p")
    limit(engine, publisher, RateLimit(1, 60.0))
    publisher.send(wire.publish("t", b"x"))
    assert not publisher.connection.wants_read
    engine.connect("p")  # takes over
    assert [packet.code for packet in publisher.read() if isinstance(packet, Disconnect)] == [0x8E]
    assert publisher.connection.wants_read
    engine.release()  # the timer of the wait comes too late to matter
    publisher.send(*[wire.publish("t", b"x")] * 5)
    assert engine.counters.packets_publish_received == 1


def test_a_hang_up_does_not_break_into_the_wait(engine: MeteredEngine) -> None:
    receiver, publisher = subscriber(engine), engine.connect("p")
    limit(engine, publisher, RateLimit(1, 60.0))
    publisher.send(*[wire.publish("t", b"%d" % number) for number in range(100)])
    came = receiver.payloads()
    publisher.connection.on_readable()  # what the reactor does when the peer is gone
    assert receiver.payloads() == [] and publisher.connection.fd >= 0
    while len(came) < 100:
        engine.advance(60.0)
        engine.release()
        came += receiver.payloads()
    assert came == [b"%d" % number for number in range(100)]


class TestListenersTurns:
    """The rates of a whole listener: who waits comes in turn."""

    def clients(self, engine: MeteredEngine, count: int, messages: int) -> list[Client]:
        now = engine.broker.ctx.now
        shared = Allowance(RateLimit(messages, 1.0), None, now)
        engine.queue = ReadQueue(shared, engine.broker.timers)
        clients = [engine.connect(f"c{number}") for number in range(count)]
        for client in clients:
            client.connection.meter = Meter(Allowance(None, None, now), shared)
        return clients

    def test_nobody_starves_beside_those_who_always_have_something_to_send(self, engine: MeteredEngine) -> None:
        receiver = subscriber(engine)
        clients = self.clients(engine, 20, 10)
        for number, client in enumerate(clients):
            client.send(*[wire.publish(f"c{number}", bytes(200))] * 40)
        ticks = 0
        while engine.counters.packets_publish_received < 800:
            engine.advance(0.1)
            ticks += 1
            assert ticks < 1000
        topics = [packet.topic for packet in receiver.read() if isinstance(packet, Publish)]
        half = Counter(topics[100:500])
        assert len(half) == 20
        assert max(half.values()) <= 30 and min(half.values()) >= 8, half  # 20 each, give or take a turn

    def test_who_comes_later_does_not_overtake(self, engine: MeteredEngine) -> None:
        receiver = subscriber(engine)
        clients = self.clients(engine, 10, 1)
        for number, client in enumerate(clients):
            client.send(wire.publish(f"c{number}", bytes(300)))
        for _ in range(120):
            engine.advance(0.1)
        topics = [packet.topic for packet in receiver.read() if isinstance(packet, Publish)]
        assert topics == [f"c{number}" for number in range(10)]

    def test_a_newcomer_stands_behind_those_who_wait(self, engine: MeteredEngine) -> None:
        receiver = subscriber(engine)
        early, late = self.clients(engine, 2, 1)
        early.send(*[wire.publish("early", bytes(300))] * 2)
        late.send(wire.publish("late", bytes(300)))
        for _ in range(40):
            engine.advance(0.1)
        topics = [packet.topic for packet in receiver.read() if isinstance(packet, Publish)]
        assert topics == ["early", "early", "late"]

    def test_whoever_is_gone_takes_no_turn(self, engine: MeteredEngine) -> None:
        receiver = subscriber(engine)
        clients = self.clients(engine, 50, 1)
        for number, client in enumerate(clients):
            client.send(wire.publish(f"c{number}", bytes(300)))
        for client in clients[:-1]:
            client.lose()
        receiver.read()
        for _ in range(30):
            engine.advance(0.1)
        assert [packet.topic for packet in receiver.read() if isinstance(packet, Publish)] == ["c49"]

    def test_the_rate_holds_for_all_together(self, engine: MeteredEngine) -> None:
        clients = self.clients(engine, 10, 100)
        for client in clients:
            client.send(*[wire.publish("t", bytes(100))] * 200)
        before = engine.counters.packets_publish_received
        for _ in range(50):
            engine.advance(0.1)
        came = engine.counters.packets_publish_received - before
        assert 400 <= came <= 700

    def test_whoever_is_gone_is_forgotten(self, engine: MeteredEngine) -> None:
        clients = self.clients(engine, 3, 1)
        for client in clients:
            client.send(*[wire.publish("t", b"x")] * 3)
        assert engine.queue is not None and len(engine.queue) == 3
        for client in clients:
            client.lose()
        for _ in range(300):
            engine.advance(0.1)
        assert len(engine.queue) == 0
