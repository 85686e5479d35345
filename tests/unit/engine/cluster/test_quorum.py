"""Without a majority: what needs one is refused when the time is over, the rest goes on; and it resumes by itself."""

from __future__ import annotations

from tests.support import wire
from tests.support.packet_notation import V311
from tests.support.wire_parser import Connack, Puback, Suback
from tests.unit.engine.cluster.conftest import Three
from tests.unit.engine.cluster.group import Group


def without(group: Group, three: Three, seconds: float = 6.0) -> None:
    """Node 3 is cut off for so long."""
    group.cut_off(three[2])
    group.pass_time(seconds)


def test_a_connect_is_refused(group: Group, three: Three) -> None:
    without(group, three)
    assert three[2].connect("c", code=0x88).closed
    assert three[2].connect("d", V311, code=3).closed


def test_a_connect_waits_first(group: Group, three: Three) -> None:
    last = three[2]
    without(group, three, 1.0)
    client = last.open()
    client.send(wire.connect("c"))
    group.pass_time(3.0)
    assert client.read() == []
    group.pass_time(3.0)
    assert client.take(Connack).code == 0x88


def test_the_second_connect_of_a_client_id_is_refused_too(group: Group, three: Three) -> None:
    last = three[2]
    without(group, three, 1.0)
    clients = [last.open() for _ in range(3)]
    for client in clients:
        client.send(wire.connect("c"))
    group.pass_time(6.0)
    assert [client.take(Connack).code for client in clients] == [0x88] * 3


def test_a_subscribe_is_refused(group: Group, three: Three) -> None:
    last = three[2]
    client, kept, old = last.connect("c"), last.connect("k", expiry=100), last.connect("o", V311)
    without(group, three)
    assert client.subscribe(("a", 1), ("b", 0)) == [0x97, 0x97]
    assert kept.subscribe(("a", 1)) == [0x97]
    assert old.subscribe(("a", 1)) == [0x80]


def test_a_subscribe_that_waits_is_refused(group: Group, three: Three) -> None:
    last = three[2]
    client = last.connect("c")
    without(group, three, 1.0)
    client.send(wire.subscribe(1, [("a", 1)]))
    group.pass_time(6.0)
    assert client.take(Suback).codes == [0x97]


def test_a_publish_that_needs_it_is_refused(group: Group, three: Three) -> None:
    last = three[2]
    last.connect("k", expiry=100).subscribe(("t", 1))
    new, old = last.connect("p"), last.connect("q", V311)
    without(group, three)
    assert new.publish("t", b"m", 1) == 0x97
    old.send(wire.publish("t", b"m", 1, 1, level=V311))
    group.pass_time(6.0)
    assert old.closed and old.read() == []


def test_a_publish_that_waits_is_refused_with_a_reason(group: Group, three: Three) -> None:
    """It was never proposed."""
    last = three[2]
    last.connect("k", expiry=100).subscribe(("t", 1))
    publisher = last.connect("p")
    without(group, three, 1.0)
    publisher.send(wire.publish("t", b"m", 1, 1))
    group.pass_time(10.0)
    assert publisher.take(Puback).code == 0x97


def test_a_publish_that_was_proposed_is_never_answered_with_a_reason(group: Group, three: Three) -> None:
    one, _, last = three
    subscriber = one.connect("k", expiry=100)
    subscriber.subscribe(("t", 1))
    publisher = last.connect("p")
    last.holds_commands = True
    publisher.send(wire.publish("t", b"m", 1, 1))
    without(group, three, 7.0)
    assert publisher.closed
    assert not [p for p in publisher.read() if isinstance(p, Puback)]
    last.holds_commands = False
    group.heal(last)
    assert [m.payload for m in subscriber.receive_all()] == [b"m"]


def test_clients_of_one_node_go_on_among_themselves(group: Group, three: Three) -> None:
    last = three[2]
    subscriber, publisher = last.connect("s"), last.connect("p")
    subscriber.subscribe(("t", 2))
    without(group, three)
    for qos in (0, 1, 2):
        assert publisher.publish("t", b"%d" % qos, qos) == 0
    assert [m.payload for m in subscriber.receive_all()] == [b"0", b"1", b"2"]


def test_a_node_alone_goes_by_the_subscriptions_that_it_knows(group: Group, three: Three) -> None:
    """What is subscribed elsewhere meanwhile gets nothing of it, a kept session too: durability.md names it."""
    one, _, last = three
    publisher = last.connect("p")
    without(group, three)
    group.declare_down(last)
    kept = one.connect("k", expiry=100)
    assert kept.subscribe(("new", 1)) == [1]
    publisher.send(wire.publish("new", b"m", 1, 1))
    assert publisher.take(Puback).code == 0x10
    group.heal(last)
    group.pass_time(1.0)
    assert kept.payloads() == []
    publisher.publish("new", b"n", 1)
    assert kept.payloads() == [b"n"]


def test_afterwards_everything_goes_on_and_nobody_had_to_come_again(group: Group, three: Three) -> None:
    one, _, last = three
    client, kept = last.connect("c"), last.connect("k", expiry=100)
    client.subscribe(("t", 1))
    without(group, three, 20.0)
    group.declare_down(last)
    group.heal(last)
    group.pass_time(1.0)
    assert not client.closed and not kept.closed
    assert kept.subscribe(("u", 1)) == [1]
    publisher = one.connect("p")
    publisher.publish("t", b"1", 1)
    publisher.publish("u", b"2", 1)
    assert [m.payload for m in (*client.receive_all(), *kept.receive_all())] == [b"1", b"2"]


def test_nobody_has_waited_while_the_node_stood_still(group: Group, three: Three) -> None:
    one = three[0]
    client = one.connect("c", expiry=100)
    group.pass_time(1)
    one.holds_commands = True
    group.time += 10  # no timer runs meanwhile, and what came is read before any does
    client.send(wire.subscribe(5, [("t", 1)]))
    group.pass_time(1)
    assert client.read() == []
    one.holds_commands = False
    group.settle()
    assert client.take(Suback).codes == [1]
