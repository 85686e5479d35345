"""Shared subscriptions whose members leave between choice and delivery: a message goes to one of them, once."""

from __future__ import annotations

import pytest

from rmq.engine import admin
from tests.support import wire
from tests.support.engine import Client, Engine
from tests.support.wire_parser import Connack, Publish
from tests.unit.engine.deferred import Deferred
from tests.unit.engine.deferred import port as port

SHARE = "$share/g/t"


def member(port: Deferred, client_id: str, expiry: int = 1000, *, clean: bool = False) -> Client:
    client = port.engine.open()
    properties = [(wire.SESSION_EXPIRY, expiry)] if expiry else []
    client.send(wire.connect(client_id, clean=clean, properties=properties))
    port.settle()
    client.take(Connack)
    client.send(wire.subscribe(1, [(SHARE, 1)]))
    port.settle()
    client.read()
    return client


def waiting(port: Deferred) -> dict[str, list[bytes]]:
    """The payloads in the queues, by client id."""
    return {
        name: [d.message.payload for d in session.outbound.deliveries.values()]
        for name, session in port.engine.broker.state.sessions.items()
        if session.outbound is not None and len(session.outbound)
    }


def publish(port: Deferred, *payloads: bytes) -> None:
    publisher = port.engine.connect("p")
    for payload in payloads:
        publisher.send(wire.publish("t", payload, 1, publisher.next_packet_id()))


@pytest.mark.parametrize("left", ["a", "b"])
def test_the_chosen_member_leaves_the_group(engine: Engine, port: Deferred, left: str) -> None:
    clients = {name: member(port, name) for name in "ab"}
    clients[left].send(wire.unsubscribe(2, [SHARE]))
    publish(port, b"1", b"2")  # one for each
    port.settle()
    port.check()
    other = "b" if left == "a" else "a"
    assert waiting(port) == {other: [b"1", b"2"]}


def test_the_last_member_leaves_the_group(engine: Engine, port: Deferred) -> None:
    member(port, "a").send(wire.unsubscribe(2, [SHARE]))
    publish(port, b"1")
    port.settle()
    assert waiting(port) == {}
    assert engine.counters.dropped_no_share_member == engine.counters.messages_dropped == 1


def test_two_members_end_at_once(engine: Engine, port: Deferred) -> None:
    for name in ("a", "b"):
        member(port, name, 5).lose()
    member(port, "c").lose()
    publish(port, *(b"%d" % number for number in range(6)))
    port.settle()
    assert sum(len(queue) for queue in waiting(port).values()) == 6
    engine.advance(6)
    port.settle()
    port.check()
    assert sorted(waiting(port)["c"]) == [b"%d" % number for number in range(6)]
    assert engine.counters.messages_dropped == 0


def test_a_new_session_of_the_chosen_client_gets_nothing(engine: Engine, port: Deferred) -> None:
    member(port, "a").lose()
    port.settle()
    publish(port, b"1")
    port.settle()
    member(port, "b").lose()
    port.settle()
    new = engine.open()
    new.send(wire.connect("b", clean=True, properties=[(wire.SESSION_EXPIRY, 1000)]))
    session = engine.session("a")
    end = admin.Change(engine.broker, lambda: None)
    admin.discard(engine.broker, session, end)  # hands over to b, whose session is about to end
    end.seal()
    port.settle()
    port.check()
    new.take(Connack)
    assert waiting(port) == {}
    assert engine.counters.messages_dropped == 1


def test_a_kicked_member_gives_each_message_away_once(engine: Engine, port: Deferred) -> None:
    kicked = member(port, "a")
    heir = member(port, "b")
    publish(port, *(b"%d" % number for number in range(6)))
    port.settle()
    held = [p.payload for p in kicked.read() if isinstance(p, Publish)]
    got = [p.payload for p in heir.read() if isinstance(p, Publish)]
    assert len(held) == len(got) == 3
    change = admin.Change(engine.broker, lambda: None)
    admin.kick(engine.broker, kicked.channel, change)
    change.seal()
    port.settle()
    port.check()
    assert [p.payload for p in heir.read() if isinstance(p, Publish)] == held
    assert not engine.has_session("a") and engine.counters.session_terminated == 1


def test_an_ended_session_that_is_ended_again_gives_each_message_away_once(engine: Engine, port: Deferred) -> None:
    leaving = member(port, "a")
    publish(port, b"1", b"2")
    port.settle()
    heir = member(port, "b")
    leaving.disconnect(0, [(wire.SESSION_EXPIRY, 0)])
    again = engine.open()
    again.send(wire.connect("a", clean=True, properties=[(wire.SESSION_EXPIRY, 10)]))
    port.settle()
    port.check()
    assert again.take(Connack).session_present is False
    assert [p.payload for p in heir.read() if isinstance(p, Publish)] == [b"1", b"2"]
