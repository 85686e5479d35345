"""A node that was declared down while it lived: it has its clients again, where nobody else came."""

from __future__ import annotations

import pytest

from tests.support import wire
from tests.support.wire_parser import Publish
from tests.unit.engine.cluster.conftest import Three
from tests.unit.engine.cluster.group import Group


def down_and_up(group: Group, three: Three, seconds: float = 0.0) -> None:
    """Node 3 is cut off, declared down, and comes back after so many seconds."""
    last = three[2]
    group.cut_off(last)
    group.declare_down(last)
    if seconds:
        group.pass_time(seconds)
    group.heal(last)


def test_its_clients_stay_connected_and_get_messages(group: Group, three: Three) -> None:
    one, _, last = three
    transient, kept = last.connect("t"), last.connect("k", expiry=100)
    transient.subscribe(("a", 1))
    kept.subscribe(("b", 1))
    down_and_up(group, three)
    publisher = one.connect("p")
    publisher.publish("a", b"1", 1)
    publisher.publish("b", b"2", 1)
    assert [m.payload for m in transient.receive_all()] == [b"1"]
    assert [m.payload for m in kept.receive_all()] == [b"2"]


def test_a_client_taken_elsewhere_is_closed(group: Group, three: Three) -> None:
    one, _, last = three
    client = last.connect("c")
    group.cut_off(last)
    group.declare_down(last)
    one.connect("c")
    group.heal(last)
    assert client.closed


@pytest.mark.parametrize("expiry", [None, 100])
def test_the_will_is_still_there(group: Group, three: Three, expiry: int | None) -> None:
    one, _, last = three
    watcher = one.connect("w")
    watcher.subscribe(("will", 0))
    client = last.connect("c", expiry=expiry, will=wire.Will("will", properties=[(wire.WILL_DELAY, 20)]))
    down_and_up(group, three)
    client.lose()
    group.pass_time(30)
    assert watcher.payloads() == [b"gone"]


@pytest.mark.parametrize("expiry", [None, 100])
def test_a_will_that_was_published_isnt_published_again(group: Group, three: Three, expiry: int | None) -> None:
    one, _, last = three
    watcher = one.connect("w")
    watcher.subscribe(("will", 0))
    client = last.connect("c", expiry=expiry, will=wire.Will("will"))
    down_and_up(group, three, seconds=3.0)
    assert watcher.payloads() == [b"gone"]
    client.lose()
    group.pass_time(5)
    assert watcher.read() == []


@pytest.mark.parametrize("at", [0, 2])
def test_nor_when_its_client_comes_anew_before_the_node_has_claimed_it_again(
    group: Group, three: Three, at: int
) -> None:
    """Its node closes the old connection then, which ends a session with a will."""
    one, _, last = three
    watcher = one.connect("w")
    watcher.subscribe(("will", 0))
    client = last.connect("c", will=wire.Will("will"))
    group.cut_off(last)
    group.declare_down(last)
    group.pass_time(3.0)
    assert watcher.payloads() == [b"gone"]
    second = three[at].open()
    second.send(wire.connect("c"))
    group.heal(last)
    group.pass_time(1.0)
    assert client.closed and not second.closed
    assert watcher.read() == []


@pytest.mark.parametrize("expiry", [None, 100])
def test_a_client_that_ends_on_the_minority_side_has_its_will_published_once(
    group: Group, three: Three, expiry: int | None
) -> None:
    one, _, last = three
    watcher = one.connect("w", expiry=100)
    watcher.subscribe(("will", 1))
    client = last.connect("c", expiry=expiry, will=wire.Will("will", qos=1))
    group.cut_off(last)
    client.lose()
    group.declare_down(last)
    group.pass_time(3.0)
    group.heal(last)
    group.pass_time(5.0)
    assert [m.payload for m in watcher.receive_all()] == [b"gone"]


def test_a_session_that_expired_meanwhile_has_no_connection_left(group: Group, three: Three) -> None:
    one, _, last = three
    client = last.connect("c", expiry=2)
    client.subscribe(("t", 1))
    down_and_up(group, three, seconds=5.0)
    assert not one.has_session("c")
    assert client.closed


def test_what_was_under_way_isnt_applied_twice(group: Group, three: Three) -> None:
    one, _, last = three
    subscriber = one.connect("s", expiry=100)
    subscriber.subscribe(("t", 2))
    publisher = last.connect("p")
    last.holds_applying = True  # its command is committed; it doesn't know that
    publisher.send(wire.publish("t", b"m", 2, 1))
    group.cut_off(last)
    group.declare_down(last)
    last.holds_applying = False
    group.heal(last)
    assert [m.payload for m in subscriber.receive_all()] == [b"m"]
    assert not [p for p in publisher.read() if isinstance(p, Publish)]


def test_operations_behind_its_leaving_change_nothing(group: Group, three: Three) -> None:
    one, _, last = three
    last.holds_commands = True
    client = last.open()
    last.port.leave(lambda: None)
    client.send(wire.connect("c", keep_alive=0))
    last.holds_commands = False
    group.settle()
    cluster = one.broker.state.cluster
    assert not cluster.nodes[3].up
    assert cluster.owners == {} and not cluster.routes.get(3)


@pytest.mark.parametrize("expiry", [None, 100])
def test_a_will_that_is_due_as_its_client_is_claimed_again_isnt_published(
    group: Group, three: Three, expiry: int | None
) -> None:
    """The leader has proposed it; before that is committed, the client's node is back."""
    one, _, last = three
    watcher = one.connect("w")
    watcher.subscribe(("will", 0))
    client = last.connect("c", expiry=expiry, will=wire.Will("will", properties=[(wire.WILL_DELAY, 1)]))
    group.cut_off(last)
    group.declare_down(last)
    one.holds_commands = True
    group.pass_time(3.0)
    group.heal(last)
    one.holds_commands = False
    group.settle()
    assert not client.closed
    assert watcher.read() == []
    client.lose()
    group.pass_time(3.0)
    assert watcher.payloads() == [b"gone"]


def test_a_node_that_leaves_sends_nothing_that_the_others_take_for_unsent(group: Group, three: Three) -> None:
    """[MQTT-3.3.1-1]: its successor would send the same identifier with DUP 0."""
    one, two, last = three
    client = last.connect("k", expiry=100)
    client.subscribe(("t", 1))
    publisher = one.connect("p")
    last.port.leave(lambda: None)
    group.settle()
    publisher.publish("t", b"m", 1)
    sent = [packet for packet in client.read() if isinstance(packet, Publish)]
    assert sent == [] and client.closed
    again = two.open()
    again.send(wire.connect("k", clean=False, properties=[(wire.SESSION_EXPIRY, 100)]))
    assert [(m.payload, m.dup) for m in again.read() if isinstance(m, Publish)] == [(b"m", False)]


def test_a_node_that_is_declared_down_sends_nothing_before_its_clients_are_its_own_again(
    group: Group, three: Three
) -> None:
    one, _, last = three
    client = last.connect("k", expiry=100)
    client.subscribe(("t", 1))
    group.cut_off(last)
    group.declare_down(last)
    one.connect("p").publish("t", b"m", 1)
    one.open().send(wire.connect("k", clean=False, properties=[(wire.SESSION_EXPIRY, 100)]))
    group.heal(last)
    assert [packet for packet in client.read() if isinstance(packet, Publish)] == []
    assert client.closed
