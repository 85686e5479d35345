"""A session's queue while what was acknowledged isn't applied yet: nothing is lost, leaked or forgotten by a restart."""

from __future__ import annotations

import pytest

from rmq.session.limits import Limits
from tests.support import wire
from tests.support.engine import Client, Engine
from tests.support.wire_parser import Connack, Publish
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


def test_drop_oldest_with_acknowledgements_on_their_way(engine: Engine, port: Deferred) -> None:
    client = subscriber(port, 2, 1)
    publisher = engine.connect("p")
    publish(publisher, port, b"1", b"2")
    port.write()
    first = messages(client)
    assert [m.payload for m in first] == [b"1", b"2"]
    publish(publisher, port, b"3", b"4", b"5")
    client.send(*(wire.puback(m.packet_id) for m in first))  # in the batch after that one
    port.settle()
    port.check()
    got = messages(client)
    while got:
        client.send(*(wire.puback(m.packet_id) for m in got))
        port.settle()
        got = messages(client)
    port.check()
    outbound = engine.session("s").outbound
    assert outbound is not None and len(outbound) == 0 and outbound.inflight == 0
    assert engine.counters.unexpected_acks == 0


@pytest.mark.parametrize("qos", [1, 2])
@pytest.mark.parametrize("drop_newest", [False, True])
def test_a_full_queue_under_load_never_stalls(engine: Engine, port: Deferred, drop_newest: bool, qos: int) -> None:
    client = subscriber(port, 3, 4, drop_newest=drop_newest)
    publisher = engine.connect("p")
    got: list[bytes] = []
    number = 0
    for _ in range(30):
        for _ in range(5):
            number += 1
            publisher.send(wire.publish("t", b"%d" % number, qos, publisher.next_packet_id()))
        port.begin()
        came = client.read()
        got += [m.payload for m in came if isinstance(m, Publish)]
        client.acknowledge(came)  # in the batch after that one
        port.write()
        port.check()
        publisher.read()
    for _ in range(200):
        came = client.read()
        got += [m.payload for m in came if isinstance(m, Publish)]
        client.acknowledge(came)
        port.settle()
    port.check()
    outbound = engine.session("s").outbound
    assert outbound is not None and len(outbound) == 0 and outbound.inflight == 0
    assert got == sorted(got, key=int) and len(set(got)) == len(got)
    assert len(got) + engine.counters.dropped_queue_full == number
