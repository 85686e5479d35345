"""Shared subscriptions across nodes: one member gets a message, and one that is gone passes on what it can't take."""

from __future__ import annotations

import pytest

from rmq.storage.cluster_records import MoveDelivery
from tests.support import wire
from tests.support.wire_parser import Puback
from tests.unit.engine.cluster.conftest import Three
from tests.unit.engine.cluster.group import Group
from tests.unit.storage.disk_engine import resumed

GROUP = "$share/g/t"


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_members_on_all_nodes_take_turns(three: Three, qos: int) -> None:
    members = [node.connect(f"m{node.node_id}") for node in three]
    for member in members:
        member.subscribe((GROUP, 2))
    publisher = three[0].connect("p")
    for i in range(6):
        publisher.publish("t", b"%d" % i, qos)
    assert [len(member.receive_all()) for member in members] == [2, 2, 2]


def test_a_member_of_a_dead_node_is_chosen_no_more(group: Group, three: Three) -> None:
    one, two, last = three
    member = one.connect("m1")
    member.subscribe((GROUP, 1))
    last.connect("m3").subscribe((GROUP, 1))
    last.kill()
    group.declare_down(3)
    publisher = two.connect("p")
    for i in range(4):
        publisher.publish("t", b"%d" % i, 1)
    assert len(member.receive_all()) == 4


def test_what_was_on_its_way_to_a_member_of_a_dead_node_goes_to_another(group: Group, three: Three) -> None:
    """At QoS 1; nobody knows whether a message of QoS 2 was delivered [MQTT-4.8.2-4]."""
    one, two, last = three
    here, there, dead = one.connect("m1"), two.connect("m2"), last.connect("m3")
    for member in (here, there, dead):
        member.subscribe((GROUP, 2))
    publisher = one.connect("p")
    with group.held_link(one, last):
        publisher.send(*[wire.publish("t", b"%d of 1" % i, 1, i) for i in range(1, 10)])
        publisher.send(*[wire.publish("t", b"%d of 2" % i, 2, i) for i in range(11, 14)])
        group.settle()
        group.declare_down(last)
        group.settle()
    got = [message.payload for member in (here, there) for message in member.receive_all()]
    assert sorted(payload for payload in got if payload.endswith(b"1")) == [b"%d of 1" % i for i in range(1, 10)]
    assert len([payload for payload in got if payload.endswith(b"2")]) == 2
    answers = publisher.read()
    assert len([answer for answer in answers if isinstance(answer, Puback)]) == 9
    counters = one.counters
    assert (counters.forwards_unacknowledged, counters.forwards_dropped) == (1, 0)


def test_with_no_other_member_it_is_counted(group: Group, three: Three) -> None:
    one, _, last = three
    last.connect("m3").subscribe((GROUP, 1))
    publisher = one.connect("p")
    with group.held_link(one, last):
        publisher.send(wire.publish("t", b"x", 1, 1))
        group.declare_down(last)
        assert publisher.take(Puback).code == 0
    assert one.counters.dropped_no_share_member == 1
    assert one.counters.forwards_unacknowledged == 0


@pytest.mark.parametrize("qos", [1, 2])
def test_what_a_member_hands_over_isnt_doubled_when_it_comes_back_elsewhere(
    group: Group, three: Three, qos: int
) -> None:
    """Its node proposes to give its messages to others; before that is committed, it has resumed its session."""
    one, two, last = three
    first = one.connect("m1", expiry=100, properties=[(wire.RECEIVE_MAXIMUM, 1)])
    first.subscribe((GROUP, qos))
    publisher = last.connect("p")
    for i in range(3):
        publisher.publish("t", b"%d" % i, qos)  # one is sent, the others wait
    assert len(first.read()) == 1
    other = last.connect("m2", expiry=100)
    other.subscribe((GROUP, qos))
    one.holds_commands = True
    first.lose()
    second = resumed(two, "m1")
    one.holds_commands = False
    group.settle()
    payloads = [m.payload for m in (*second.receive_all(), *other.receive_all())]
    assert sorted(payloads) == [b"0", b"1", b"2"]


def test_a_node_and_the_leader_hand_over_once(group: Group, three: Three) -> None:
    """A member's connection breaks on a node that is cut off; the leader gives away what that node gives away too."""
    one, two, last = three
    first = last.connect("m1", expiry=100, properties=[(wire.RECEIVE_MAXIMUM, 1)])
    first.subscribe((GROUP, 2))
    publisher = one.connect("p")
    for i in range(3):
        publisher.publish("t", b"%d" % i, 2)
    other = two.connect("m2", expiry=100)
    other.subscribe((GROUP, 2))
    group.cut_off(last)
    first.lose()
    group.declare_down(last)
    group.heal(last)
    payloads = [m.payload for m in other.receive_all()]
    assert sorted(payloads) == [b"1", b"2"]


@pytest.mark.parametrize("ends", [False, True])
def test_nothing_is_handed_over_of_a_member_whose_node_is_back_with_it(group: Group, three: Three, ends: bool) -> None:
    """The leader had proposed it when the node was declared down; what the node may have sent since isn't given away.

    Unless the session ends.
    """
    one, two, last = three
    first = last.connect("m1", expiry=100, properties=[(wire.RECEIVE_MAXIMUM, 1)])
    first.subscribe((GROUP, 2))
    publisher = one.connect("p")
    for i in range(2):
        publisher.publish("t", b"%d" % i, 2)
    other = two.connect("m2", expiry=100)
    other.subscribe((GROUP, 2))
    session = one.broker.state.sessions["m1"]
    assert session.outbound is not None
    waits = [
        delivery.packet_id for delivery in session.outbound.deliveries.values() if delivery.message.payload == b"1"
    ]
    one.port.propose(MoveDelivery("m1", session.epoch, waits[0], GROUP, "m2", ends))
    group.settle()
    payloads = [m.payload for m in other.receive_all()]
    assert payloads == ([b"1"] if ends else [])
    assert [m.payload for m in first.receive_all()] == ([b"0"] if ends else [b"0", b"1"])


def test_a_message_for_a_member_that_has_just_left_goes_to_another_node(group: Group, three: Three) -> None:
    one, two, last = three
    leaver = two.connect("m2")
    leaver.subscribe((GROUP, 1))
    publisher = one.connect("p")
    with group.held_link(one, two):
        publisher.send(wire.publish("t", b"m", 1, 1))
        stays = last.connect("m3")
        stays.subscribe((GROUP, 1))
        leaver.disconnect()
    assert [m.payload for m in stays.receive_all()] == [b"m"]


def test_a_will_goes_to_one_member(group: Group, three: Three) -> None:
    one, two, last = three
    members = [node.connect(f"m{node.node_id}") for node in (one, two)]
    for member in members:
        member.subscribe(("$share/g/will", 1))
    last.connect("c", expiry=50, will=wire.Will("will", qos=1))
    last.kill()
    group.declare_down(3)
    group.pass_time(3)
    got = [p.payload for member in members for p in member.receive_all()]
    assert got == [b"gone"]


def test_what_is_handed_over_to_somebody_who_leaves_goes_on(group: Group, three: Three) -> None:
    """The heir is transient, and has left when the hand-over is committed."""
    one, two, last = three
    first = one.connect("m1", expiry=100, properties=[(wire.RECEIVE_MAXIMUM, 1)])
    first.subscribe((GROUP, 1))
    publisher = last.connect("p")
    for i in range(3):
        publisher.publish("t", b"%d" % i, 1)
    heir = two.connect("m2")
    heir.subscribe((GROUP, 1))
    one.holds_commands = two.holds_commands = True
    first.lose()
    heir.disconnect()
    one.holds_commands = False
    group.settle()
    two.holds_commands = False
    group.settle()
    assert [m.payload for m in resumed(last, "m1").receive_all()] == [b"0", b"1", b"2"]
