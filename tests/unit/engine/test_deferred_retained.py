"""Retained messages between routing and being kept: each subscriber gets the newest one, once."""

from __future__ import annotations

import pytest

from tests.support import wire
from tests.support.engine import Client, Engine
from tests.support.wire_parser import Connack, Publish
from tests.unit.engine.deferred import Deferred
from tests.unit.engine.deferred import port as port


def connected(port: Deferred, client_id: str, *, persistent: bool) -> Client:
    client = port.engine.open()
    client.send(wire.connect(client_id, properties=[(wire.SESSION_EXPIRY, 1000)] if persistent else []))
    port.settle()
    client.take(Connack)
    return client


def messages(client: Client) -> list[tuple[bytes, bool]]:
    return [(p.payload, p.retain) for p in client.receive_all()]


@pytest.mark.parametrize("persistent", [False, True], ids=["transient", "persistent"])
@pytest.mark.parametrize("sub_qos", [0, 1, 2])
@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("order", ["published first", "same batch", "batch on its way", "subscribed first"])
def test_one_message_around_a_subscribe(
    engine: Engine, port: Deferred, persistent: bool, sub_qos: int, qos: int, order: str
) -> None:
    publisher = engine.connect("p")
    publisher.publish("t", b"old", retain=True)
    port.settle()
    client = connected(port, "s", persistent=persistent)
    new = wire.publish("t", b"new", qos, 1 if qos else 0, True)
    request = wire.subscribe(1, [("t", sub_qos)])
    if order == "published first":
        publisher.send(new)
        client.send(request)
    elif order == "same batch":
        client.send(request)
        publisher.send(new)
    elif order == "batch on its way":
        client.send(request)
        port.begin()
        publisher.send(new)
    else:
        client.send(request)
        port.settle()
        assert [p.payload for p in client.read() if isinstance(p, Publish)] == [b"old"]
        client.send(wire.puback(1) if sub_qos else wire.pingreq())
        client.read()
        publisher.send(new)
    port.settle()
    got = [p for p in client.read() if isinstance(p, Publish)]
    for _ in range(3):
        client.acknowledge(got)
        port.settle()
        got += [p for p in client.read() if isinstance(p, Publish) and p not in got]
    # A transient session is subscribed at once, and gets the old one first where that is still the newest.
    at_once = not persistent and order in ("same batch", "batch on its way")
    assert [p.payload for p in got] == ([b"old", b"new"] if at_once else [b"new"])
    assert engine.broker.ctx.retaining == {}


def test_a_message_that_was_stored_before_is_not_in_the_way_for_ever(engine: Engine, port: Deferred) -> None:
    """In a cluster the same QoS 2 PUBLISH can be proposed twice; nothing of the second one is left over."""
    publisher = connected(port, "p", persistent=True)
    publisher.send(wire.publish("t", b"1", 2, 7, True))
    port.begin()
    publisher.channel.replies = None  # as if it had come by another connection
    publisher.send(wire.publish("t", b"2", 2, 7, True))
    port.settle()
    assert engine.broker.ctx.retaining == {}
    client = engine.connect("s")
    client.subscribe(("t", 0))
    assert client.payloads() == [b"1"]


def test_a_retained_message_expires_though_its_time_came_before_it_was_kept(engine: Engine, port: Deferred) -> None:
    publisher = engine.connect("p")
    publisher.publish("t", b"x", retain=True, properties=[(wire.MESSAGE_EXPIRY, 2)])
    engine.advance(5)
    port.settle()
    for _ in range(3):
        engine.advance(1)
        port.settle()
    assert engine.broker.ctx.retained.count == 0
