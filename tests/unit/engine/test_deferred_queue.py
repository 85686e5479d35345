"""A session's queue while acknowledgements aren't applied yet: nothing is lost, leaked or forgotten by a restart."""

from __future__ import annotations

import pytest

from rmq.session.limits import Limits
from tests.support import wire
from tests.support.engine import Client, Engine
from tests.support.wire_parser import Connack, Publish, Pubrec, Pubrel
from tests.unit.engine.deferred import Deferred
from tests.unit.engine.deferred import port as port


def subscriber(port: Deferred, window: int, queue: int, *, drop_newest: bool = False, client_id: str = "s") -> Client:
    limits = Limits("tcp.narrow")
    limits.max_inflight, limits.max_mqueue_len, limits.drop_newest = window, queue, drop_newest
    client = port.engine.open(limits=limits)
    client.send(wire.connect(client_id, clean=False, properties=[(wire.SESSION_EXPIRY, 1000)]))
    port.settle()
    client.take(Connack)
    client.send(wire.subscribe(1, [("t", 2)]))
    port.settle()
    client.read()
    return client


def publish(publisher: Client, port: Deferred, *payloads: bytes, qos: int = 1) -> None:
    """All in one batch, which is on its way then."""
    for payload in payloads:
        publisher.send(wire.publish("t", payload, qos, publisher.next_packet_id()))
    port.begin()


def messages(client: Client) -> list[Publish]:
    return [packet for packet in client.read() if isinstance(packet, Publish)]


def drain(client: Client, port: Deferred) -> list[bytes]:
    """Take everything."""
    got: list[bytes] = []
    quiet = 0
    while quiet < 3:
        came = client.read()
        got += [m.payload for m in came if isinstance(m, Publish)]
        client.acknowledge(came)
        quiet = quiet + 1 if not came and not port.log.has_proposed() else 0
        port.write()
    return got


def load(engine: Engine, port: Deferred, client: Client, qos: int) -> tuple[list[bytes], int]:
    """Batches of five messages; what is acknowledged meanwhile is in the batch after. What came, of how many."""
    publisher = engine.connect("p")
    got: list[bytes] = []
    number = 0
    for _ in range(40):
        for _ in range(5):
            number += 1
            publisher.send(wire.publish("t", b"%d" % number, qos, publisher.next_packet_id()))
        port.begin()
        came = client.read()
        got += [m.payload for m in came if isinstance(m, Publish)]
        client.acknowledge(came)
        port.write()
        port.check()
        outbound = engine.session("s").outbound
        assert outbound is not None and outbound.inflight <= outbound.window
        answers = publisher.read()
        if qos == 2:
            publisher.send(*(wire.pubrel(a.packet_id) for a in answers if isinstance(a, Pubrec)))
    return got + drain(client, port), number


def is_empty(engine: Engine) -> bool:
    outbound = engine.session("s").outbound
    return outbound is not None and len(outbound) == outbound.inflight == outbound.leaving == outbound.queued == 0


@pytest.mark.parametrize("qos", [1, 2])
@pytest.mark.parametrize("drop_newest", [False, True])
def test_a_full_queue_under_load(engine: Engine, port: Deferred, drop_newest: bool, qos: int) -> None:
    client = subscriber(port, 3, 20, drop_newest=drop_newest)
    got, number = load(engine, port, client, qos)
    port.check()
    assert is_empty(engine)
    assert got == sorted(set(got), key=int)
    assert 0 < engine.counters.dropped_queue_full == number - len(got)
    assert engine.counters.unexpected_acks == 0


@pytest.mark.parametrize("qos", [1, 2])
@pytest.mark.parametrize(("window", "queue"), [(1, 0), (1, 1), (2, 1), (3, 4), (8, 2)])
def test_batches_as_large_as_the_queue(engine: Engine, port: Deferred, window: int, queue: int, qos: int) -> None:
    """What is in flight may be dropped then, but it never stalls, and a restart knows the same."""
    client = subscriber(port, window, queue)
    got, number = load(engine, port, client, qos)
    port.check()
    assert is_empty(engine)
    assert got == sorted(set(got), key=int)
    assert len(got) + engine.counters.dropped_queue_full >= number
    assert queue == 0 or got[-1] == b"%d" % number


def test_all_that_is_in_flight_dropped_by_one_batch(engine: Engine, port: Deferred) -> None:
    client = subscriber(port, 1, 2)
    publisher = engine.connect("p")
    publish(publisher, port, b"1")
    port.write()
    client.send(*(wire.puback(m.packet_id) for m in messages(client)))
    publish(publisher, port, b"2")
    publish(publisher, port, b"3", b"4", b"5", b"6")
    port.settle()
    assert drain(client, port)[-1] == b"6"
    assert is_empty(engine)


def test_an_expired_queue_is_emptied(engine: Engine, port: Deferred) -> None:
    client = subscriber(port, 1, 100)
    client.lose()
    publisher = engine.connect("p")
    for number in range(50):
        block = [(wire.MESSAGE_EXPIRY, 1)]
        publisher.send(wire.publish("t", b"%d" % number, 1, publisher.next_packet_id(), properties=block))
    publisher.send(wire.publish("t", b"last", 1, publisher.next_packet_id()))
    port.settle()
    engine.advance(2)
    again = engine.open()
    again.send(wire.connect("s", clean=False, properties=[(wire.SESSION_EXPIRY, 1000)]))
    assert drain(again, port) == [b"last"]
    assert is_empty(engine) and engine.counters.dropped_expired == 50


def test_acknowledged_before_and_after_a_crash(engine: Engine, port: Deferred) -> None:
    client = subscriber(port, 4, 100)
    publisher = engine.connect("p")
    publish(publisher, port, *(b"%d" % number for number in range(10)), qos=2)
    port.settle()
    first = messages(client)
    client.send(*(wire.pubrec(m.packet_id) for m in first[:2]))
    port.settle()
    client.send(wire.pubcomp(first[0].packet_id))
    port.settle()
    client.send(wire.pubcomp(first[1].packet_id), wire.pubrec(first[2].packet_id))  # never written
    after = port.crash()
    again = after.engine.open()
    again.send(wire.connect("s", clean=False, properties=[(wire.SESSION_EXPIRY, 1000)]))
    after.settle()
    connack, *rest = again.read()
    assert isinstance(connack, Connack) and connack.session_present
    assert [p.packet_id for p in rest if isinstance(p, Pubrel)] == [first[1].packet_id]
    sent = [p for p in rest if isinstance(p, Publish)]
    assert [(p.payload, p.packet_id, p.dup) for p in sent[:2]] == [
        (b"2", first[2].packet_id, True),
        (b"3", first[3].packet_id, True),
    ]
    assert [p.payload for p in sent] == [b"%d" % number for number in range(2, 10)]
