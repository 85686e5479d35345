"""What works across nodes when nothing goes wrong; and that the group itself does what it says."""

from __future__ import annotations

import pytest

from tests.support import wire
from tests.support.wire_parser import Disconnect, Puback
from tests.unit.engine.cluster.conftest import Three
from tests.unit.engine.cluster.group import Group
from tests.unit.storage.disk_engine import resumed


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_message_reaches_a_transient_session_elsewhere(three: Three, qos: int) -> None:
    one, two, _ = three
    subscriber = two.connect("s")
    assert subscriber.subscribe(("t/+", qos)) == [qos]
    assert one.connect("p").publish("t/1", b"m", qos) == 0
    assert [m.payload for m in subscriber.receive_all()] == [b"m"]


def test_a_persistent_session_is_resumed_on_another_node(group: Group, three: Three) -> None:
    one, two, three_ = three
    one.connect("s", expiry=100).subscribe(("t", 1))
    publisher = two.connect("p")
    one.kill()
    group.declare_down(1)
    for i in range(3):
        assert publisher.publish("t", b"%d" % i, 1) == 0
    assert [m.payload for m in resumed(three_).receive_all()] == [b"0", b"1", b"2"]


def test_a_connection_elsewhere_takes_the_client_id(three: Three) -> None:
    one, two, _ = three
    old = one.connect("c")
    two.connect("c")
    assert old.take(Disconnect).code == 0x8E
    assert old.closed


def test_a_suback_waits_for_every_node(group: Group, three: Three) -> None:
    one, two, slow = three
    slow.holds_applying = True
    subscriber = one.connect("s")
    subscriber.send(wire.subscribe(1, [("t", 1)]))
    assert subscriber.read() == []
    two.connect("other")  # other work goes on
    slow.holds_applying = False
    group.settle()
    assert len(subscriber.read()) == 1


def test_a_suback_doesnt_wait_for_a_node_that_is_down(group: Group, three: Three) -> None:
    one, _, slow = three
    slow.holds_applying = True
    subscriber = one.connect("s")
    subscriber.send(wire.subscribe(1, [("t", 1)]))
    group.declare_down(slow)
    assert len(subscriber.read()) == 1
    slow.holds_applying = False
    group.settle()


def test_a_puback_waits_for_the_other_node(group: Group, three: Three) -> None:
    one, two, _ = three
    subscriber = two.connect("s")
    subscriber.subscribe(("t", 1))
    publisher = one.connect("p")
    with group.held_link(one, two):
        publisher.send(wire.publish("t", b"m", 1, 1))
        assert publisher.read() == []
    assert publisher.take(Puback).code == 0


def test_a_puback_waits_no_longer_than_the_deadline(group: Group, three: Three) -> None:
    one, two, _ = three
    two.connect("s").subscribe(("t", 1))
    publisher = one.connect("p")
    with group.held_link(one, two):
        publisher.send(wire.publish("t", b"m", 1, 1))
        group.pass_time(1.5)
        assert publisher.read() == []
        group.pass_time(1.0)
        assert publisher.take(Puback).code == 0
    assert one.counters.forwards_unacknowledged == 1


def test_a_node_with_its_snapshot_comes_back(group: Group, three: Three) -> None:
    one, two, last = three
    one.connect("s", expiry=100).subscribe(("t", 1))
    group.take_snapshot(last)
    publisher = one.connect("p")
    publisher.publish("t", b"before", 1)
    publisher.publish("r", b"kept", 1, retain=True)
    last.kill()
    group.declare_down(3)
    publisher.publish("t", b"after", 1)
    again = group.start(3)
    assert again.broker.ctx.retained.count == 1
    assert not two.broker.registry.get("s")


def test_a_snapshot_of_another_node_is_taken_over(group: Group, three: Three) -> None:
    one, _, last = three
    client = last.connect("s", expiry=100)
    client.subscribe(("t", 1))
    last.holds_applying = True
    one.connect("p").publish("t", b"m", 1)
    group.take_snapshot(one)
    group.install(one, last)
    last.holds_applying = False
    group.settle()
    assert [m.payload for m in client.receive_all()] == [b"m"]


@pytest.mark.parametrize("qos", [1, 2])
def test_a_command_that_is_committed_twice_is_applied_once(group: Group, three: Three, qos: int) -> None:
    """Nobody could tell its node what became of it, so that it was proposed again."""
    one, two, _ = three
    subscriber = two.connect("s", expiry=100)
    subscriber.subscribe(("t", qos))
    publisher = one.connect("p")
    one.hears_nothing = one.holds_applying = True
    publisher.send(wire.publish("t", b"m", qos, 1))
    before = len(group.log)
    group.pass_time(0.3)
    assert len(group.log) > before
    one.hears_nothing = one.holds_applying = False
    group.pass_time(0.3)
    assert len(publisher.read()) == 1
    assert [m.payload for m in subscriber.receive_all()] == [b"m"]


def test_a_command_of_a_life_that_is_over_is_not_applied_behind_its_end(group: Group, three: Three) -> None:
    _, two, last = three
    subscriber = two.connect("s", expiry=100)
    subscriber.subscribe(("t", 2))
    publisher = last.connect("p")
    last.holds_commands = True
    publisher.send(wire.publish("t", b"m", 2, 1))
    group.cut_off(last)
    group.declare_down(last)
    last.holds_commands = False
    group.heal(last)  # the old command is committed now, and proposed again by the new life
    group.pass_time(1.0)
    assert [m.payload for m in subscriber.receive_all()] == [b"m"]
