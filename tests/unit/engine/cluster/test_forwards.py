"""Messages for connected clients of other nodes: through links that break, once, and no longer than the deadline."""

from __future__ import annotations

from rmq.engine.forwards import FORWARD, FORWARD_ACK, GATHERED_BYTES
from rmq.session.limits import Limits
from tests.support import wire
from tests.support.packet_notation import V5, V311
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


def test_a_run_reaches_every_kind_of_subscriber(group: Group, three: Three) -> None:
    one, two, _ = three
    old, new, careful, twice = two.connect("s3", V311), two.connect("s5"), two.connect("s1", V311), two.connect("s2")
    for subscriber, qos in ((old, 0), (new, 0), (careful, 1), (twice, 2)):
        subscriber.subscribe(("t", qos))
    publisher = one.connect("p", V311)
    for qos in (0, 1):
        publisher.send(*[wire.publish("t", b"%d" % i, qos, i if qos else 0, level=V311) for i in range(1, 4)])
        for subscriber, most in ((old, 0), (new, 0), (careful, 1), (twice, 2)):
            got = [(m.topic, m.payload, m.qos, m.retain) for m in subscriber.receive_all()]
            assert got == [("t", b"%d" % i, min(qos, most), False) for i in range(1, 4)]
    counters = two.counters
    assert counters.forwards_received == 6
    assert counters.packets_publish_sent == counters.messages_delivered == counters.messages_delivered_custom == 24
    assert (counters.messages_qos0_sent, counters.messages_qos1_sent) == (18, 6)
    assert old.channel.messages_sent == 6


def test_a_run_is_dropped_message_by_message_where_the_out_buffer_is_full(group: Group, three: Three) -> None:
    one, two, _ = three
    limits = Limits("tcp.external")
    limits.out_buffer_limit = 2000
    slow = two.connect("s", V311, limits=limits)
    slow.subscribe(("t", 0))
    slow.take_nothing()
    publisher = one.connect("p", V311)
    publisher.send(*[wire.publish("t", bytes(500), 0, level=V311)] * 10)
    slow.take_bytes()
    got = len(slow.read())
    assert 2000 / 500 <= got < 10
    assert two.counters.dropped_out_buffer_full == two.counters.messages_dropped == 10 - got


def test_hooks_are_told_of_each_message_of_a_run(group: Group, three: Three) -> None:
    one, two, _ = three
    told: list[bytes] = []
    two.hooks.register("message_delivered", lambda client, message: told.append(message.payload), "test")
    subscriber = two.connect("s", V311)
    subscriber.subscribe(("t", 0))
    one.connect("p", V311).send(*[wire.publish("t", b"%d" % i, 0, level=V311) for i in range(3)])
    assert told == subscriber.payloads() == [b"0", b"1", b"2"]


def test_who_wants_nothing_of_its_own_gets_what_another_node_brings(group: Group, three: Three) -> None:
    one, two, _ = three
    subscriber = two.connect("s", V5)
    subscriber.send(wire.subscribe(1, [("t", wire.NO_LOCAL)]))
    subscriber.read()
    one.connect("p", V311).send(*[wire.publish("t", b"%d" % i, 0, level=V311) for i in range(3)])
    assert subscriber.payloads() == [b"0", b"1", b"2"]


def test_a_later_frame_does_not_acknowledge_what_is_still_to_be_kept(group: Group, three: Three) -> None:
    """The member of the share group that was chosen has left, and whoever gets the message keeps it."""
    one, two, last = three
    leaver = two.connect("m2")
    leaver.subscribe(("$share/g/t", 1))
    plain = two.connect("s")
    plain.subscribe(("u", 1))
    publisher, another = one.connect("p1"), one.connect("p2")
    with group.held_link(one, two):
        publisher.send(wire.publish("t", b"kept", 1, 1))
        keeper = last.connect("m3", expiry=100)
        keeper.subscribe(("$share/g/t", 1))
        leaver.disconnect()
        two.holds_commands = True
    another.send(wire.publish("u", b"direct", 1, 1))
    assert another.take(Puback).code == 0
    assert [m.payload for m in plain.receive_all()] == [b"direct"]
    assert publisher.read() == []
    two.holds_commands = False
    group.settle()
    assert publisher.take(Puback).code == 0
    assert [m.payload for m in keeper.receive_all()] == [b"kept"]


def test_frames_are_gathered_while_turns_follow_one_another(group: Group, three: Three) -> None:
    one, two, _ = three
    subscriber = two.connect("s", V311)
    subscriber.subscribe(("t", 0))
    publisher = one.connect("p", V311)
    one.broker.ctx.lanes.gathers = True
    publisher.send(wire.publish("t", b"0", 0, level=V311))
    publisher.send(wire.publish("t", b"1", 0, level=V311))
    assert subscriber.read() == []
    publisher.send(wire.publish("t", bytes(GATHERED_BYTES), 0, level=V311))
    assert [len(payload) for payload in subscriber.payloads()] == [1, 1, GATHERED_BYTES]
    one.broker.ctx.lanes.gathers = False
