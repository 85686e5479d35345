"""Messages for one client alone that is connected to another node, or was."""

from __future__ import annotations

from rmq.mqtt.message import AddressedMessage, Message
from rmq.session.client_info import ClientInfo
from tests.support import wire
from tests.support.wire_parser import Puback
from tests.unit.engine.cluster.conftest import Three
from tests.unit.engine.cluster.group import Group
from tests.unit.engine.cluster.member import Member


def address(member: Member) -> None:
    def handler(client: ClientInfo | None, message: Message) -> Message:
        return AddressedMessage(message, "t", message.topic)

    member.hooks.register("message_publish", handler, "test")


def test_one_that_has_just_left_is_counted_where_it_was(group: Group, three: Three) -> None:
    one, two, _ = three
    address(one)
    dev, publisher = two.connect("dev"), one.connect("p")
    with group.held_link(one, two):
        publisher.send(wire.publish("dev", b"x", 1, 1))
        dev.disconnect()
        group.settle()
        assert publisher.read() == []
    group.settle()
    assert publisher.take(Puback).code == 0
    assert two.counters.dropped_session_ended == 1


def test_one_whose_session_was_not_kept_and_is_now_gets_it_in_its_queue(group: Group, three: Three) -> None:
    one, two, _ = three
    address(one)
    dev, publisher = two.connect("dev"), one.connect("p")
    with group.held_link(one, two):
        publisher.send(wire.publish("dev", b"x", 1, 1))
        dev.disconnect()
        dev = two.connect("dev", expiry=100)
    group.settle()
    assert publisher.take(Puback).code == 0
    assert [message.payload for message in dev.receive_all()] == [b"x"]


def test_all_ways_from_one_node_to_another(group: Group, three: Three) -> None:
    one, two, _ = three
    address(one)
    passing, keeps, publisher = two.connect("passing"), two.connect("keeps", expiry=100), one.connect("p")
    for name, client in (("passing", passing), ("keeps", keeps)):
        for qos in (0, 1, 2):
            publisher.publish(name, b"%d" % qos, qos)
        assert [(m.topic, m.payload, m.qos) for m in client.receive_all()] == [("t", b"%d" % q, q) for q in (0, 1, 2)]


def test_nobody_waits_for_a_node_that_is_down(group: Group, three: Three) -> None:
    one, two, _ = three
    address(one)
    two.connect("dev")
    publisher = one.connect("p")
    with group.held_link(one, two):
        publisher.send(wire.publish("dev", b"x", 1, 1))
        group.declare_down(two)
        assert publisher.take(Puback).code == 0
    assert one.counters.forwards_unacknowledged == 1
    publisher.send(wire.publish("dev", b"x", 1, 2))
    group.settle()
    assert publisher.take(Puback).code in (0, 0x10)
