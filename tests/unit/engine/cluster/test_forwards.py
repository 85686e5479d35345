"""Messages for connected clients of other nodes: through links that break, once, and no longer than the deadline."""

from __future__ import annotations

from rmq.engine.forwards import FORWARD, FORWARD_ACK
from tests.support import wire
from tests.support.wire_parser import Puback, Publish
from tests.unit.engine.cluster.conftest import Three
from tests.unit.engine.cluster.group import Group
from tests.unit.engine.cluster.member import Member


def break_link(group: Group, one: Member, two: Member, *, lose: tuple[int, ...]) -> None:
    """Frames of these kinds that are under way are lost, and both ends find out."""
    for link in ((one.node_id, two.node_id), (two.node_id, one.node_id)):
        frames = group._frames.get(link)
        if frames is not None:
            kept = [frame for frame in frames if frame[1] not in lose]
            frames.clear()
            frames.extend(kept)
    one.port.peer_lost(two.node_id)
    two.port.peer_lost(one.node_id)


def test_a_frame_that_was_lost_with_its_link_is_sent_again(group: Group, three: Three) -> None:
    one, two, _ = three
    subscriber = two.connect("s")
    subscriber.subscribe(("t", 2))
    publisher = one.connect("p")
    with group.held_link(one, two):
        publisher.send(wire.publish("t", b"m", 1, 1))
        group.settle()
        break_link(group, one, two, lose=(FORWARD,))
        assert publisher.read() == []
    assert publisher.take(Puback).code == 0
    assert [m.payload for m in subscriber.receive_all()] == [b"m"]
    assert one.counters.forwards_unacknowledged == 0


def test_a_frame_whose_acknowledgement_was_lost_is_delivered_once(group: Group, three: Three) -> None:
    one, two, _ = three
    subscriber = two.connect("s")
    subscriber.subscribe(("t", 2))
    publisher = one.connect("p")
    with group.held_link(two, one):
        publisher.send(wire.publish("t", b"m", 2, 1))
        group.settle()
        break_link(group, one, two, lose=(FORWARD_ACK,))
    assert len(publisher.read()) == 1  # PUBREC
    assert len([packet for packet in subscriber.read() if isinstance(packet, Publish)]) == 1


def test_what_waits_for_a_link_is_sent_when_there_is_one(group: Group, three: Three) -> None:
    one, two, _ = three
    subscriber = two.connect("s")
    subscriber.subscribe(("t", 1))
    publisher = one.connect("p")
    two.is_cut_off = True
    publisher.send(wire.publish("t", b"0", 0), wire.publish("t", b"1", 1, 1))
    group.settle()
    assert publisher.read() == []
    two.is_cut_off = False
    group.settle()
    assert publisher.take(Puback).code == 0
    assert [m.payload for m in subscriber.receive_all()] == [b"0", b"1"]


def test_nobody_waits_for_a_node_that_is_down(group: Group, three: Three) -> None:
    one, two, _ = three
    two.connect("s").subscribe(("t", 1))
    publisher = one.connect("p")
    with group.held_link(one, two):
        publisher.send(wire.publish("t", b"m", 1, 1))
        group.declare_down(two)
        assert publisher.take(Puback).code == 0
    assert one.counters.forwards_unacknowledged == 1


def test_a_node_that_was_declared_down_and_lives_gets_what_is_sent_afterwards(group: Group, three: Three) -> None:
    one, two, _ = three
    subscriber = two.connect("s")
    subscriber.subscribe(("t", 1))
    publisher = one.connect("p")
    for payload in (b"1", b"2"):
        publisher.publish("t", payload, 1)
    group.declare_down(two)
    publisher.publish("t", b"3", 1)
    assert [m.payload for m in subscriber.receive_all()] == [b"1", b"2", b"3"]
