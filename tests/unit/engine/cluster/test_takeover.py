"""A client that is on two nodes at once, or was: one connection owns the client id, what is late changes nothing."""

from __future__ import annotations

import pytest

from tests.support import wire
from tests.support.engine import Client
from tests.support.wire_parser import Connack, Disconnect, Pubcomp, Publish, Pubrec
from tests.unit.engine.cluster.conftest import Three
from tests.unit.engine.cluster.group import Group
from tests.unit.engine.cluster.member import Member
from tests.unit.storage.disk_engine import resumed

EXPIRY = [(wire.SESSION_EXPIRY, 100)]


def live(members: tuple[Member, ...], client_id: str) -> list[int]:
    """The nodes on which a client id has a connection."""
    return [member.node_id for member in members if member.broker.registry.get(client_id) is not None]


def begin(member: Member, client_id: str, *, clean: bool = False, kept: bool = True) -> Client:
    """CONNECT is sent; nothing was read."""
    client = member.open()
    client.send(wire.connect(client_id, clean=clean, keep_alive=0, properties=EXPIRY if kept else ()))
    return client


def applied_by_step(group: Group, members: tuple[Member, ...]) -> None:
    """Each member applies one command at a time, and proposes what follows from it before the next one."""
    for member in members:
        member.holds_applying = False
    group.settle()


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("clean", [True, False])
def test_of_two_connects_at_once_one_connection_stays(group: Group, three: Three, kept: bool, clean: bool) -> None:
    one, two, _ = three
    one.connect("c", expiry=100).disconnect()
    one.holds_applying = two.holds_applying = True
    begin(one, "c", kept=kept, clean=clean)  # its claim is committed first
    begin(two, "c", kept=kept, clean=clean)
    applied_by_step(group, (one, two))
    assert live(three, "c") == [2]


def test_a_session_is_opened_by_the_last_claim_only(group: Group, three: Three) -> None:
    """The later claim is committed before the earlier connection's session is open, and its own session is slow."""
    one, two, _ = three
    one.holds_applying = two.holds_applying = True
    first = begin(one, "c")
    second = begin(two, "c")
    two.holds_applying = False
    two.holds_commands = True
    group.settle()  # Claim(1), Claim(2)
    one.holds_applying = False
    group.settle()  # Open(1)
    two.holds_commands = False
    group.settle()  # Open(2)
    assert second.take(Connack).code == 0
    assert live(three, "c") == [2]
    assert first.closed


def qos2(client: Client, packet_id: int, payload: bytes, *, dup: bool = False) -> None:
    client.send(wire.publish("t", payload, 2, packet_id, dup=dup))


def test_a_qos_2_message_of_a_publisher_that_moves_is_delivered_once(group: Group, three: Three) -> None:
    one, two, last = three
    subscriber = last.connect("s")
    subscriber.subscribe(("t", 2))
    publisher = one.connect("p", expiry=100)
    one.holds_commands = True
    qos2(publisher, 1, b"m")
    assert publisher.read() == []
    moved = begin(two, "p")
    one.kill()
    group.declare_down(1)
    assert isinstance(moved.read()[0], Connack)
    qos2(moved, 1, b"m", dup=True)
    moved.take(Pubrec)
    moved.send(wire.pubrel(1))
    moved.take(Pubcomp)
    assert [m.payload for m in subscriber.receive_all()] == [b"m"]


def test_a_late_unsubscribe_doesnt_end_a_newer_subscription(group: Group, three: Three) -> None:
    one, two, _ = three
    first = one.connect("c", expiry=100)
    first.subscribe(("t", 1))
    one.holds_commands = True
    first.send(wire.unsubscribe(9, ["t"]))
    second = resumed(two, "c")
    assert second.subscribe(("t", 1)) == [1]
    one.holds_commands = False
    group.settle()
    two.connect("p").publish("t", b"m", 1)
    assert [m.payload for m in second.receive_all()] == [b"m"]


def test_a_late_subscribe_doesnt_reach_a_session_that_was_begun_anew(group: Group, three: Three) -> None:
    one, two, _ = three
    first = one.connect("c", expiry=100)
    one.holds_commands = True
    first.send(wire.subscribe(9, [("t", 1)]))
    second = two.connect("c", expiry=100, clean=True)
    one.holds_commands = False
    group.settle()
    assert two.session("c").subscription_count() == 0
    assert second.read() == []


def test_a_late_delayed_message_keeps_no_packet_identifier_in_the_newer_session(group: Group, three: Three) -> None:
    one, two, _ = three
    subscriber = two.connect("s")
    subscriber.subscribe(("#", 2))
    first = one.connect("p", expiry=100)
    one.holds_commands = True
    first.channel.limits.delayed_publish = True
    first.send(wire.publish("$delayed/50/t", b"late", 2, 7))
    second = resumed(two, "p")
    one.holds_commands = False
    group.settle()
    second.send(wire.publish("t", b"m", 2, 7))
    second.take(Pubrec)
    second.send(wire.pubrel(7))
    second.take(Pubcomp)
    assert [m.payload for m in subscriber.receive_all()] == [b"m"]


def test_a_late_member_of_a_share_group_doesnt_take_the_place_of_the_newer_connection(
    group: Group, three: Three
) -> None:
    one, two, last = three
    first = one.connect("c")
    one.holds_commands = True
    first.send(wire.subscribe(1, [("$share/g/t", 1)]))
    second = two.connect("c")
    second.subscribe(("$share/g/t", 1))
    one.holds_commands = False
    group.settle()
    last.connect("p").publish("t", b"m", 1)
    assert [m.payload for m in second.receive_all()] == [b"m"]


@pytest.mark.parametrize("qos", [1, 2])
def test_a_message_published_while_a_session_moves_is_neither_lost_nor_doubled(
    group: Group, three: Three, qos: int
) -> None:
    one, two, last = three
    first = one.connect("s", expiry=100)
    first.subscribe(("t", qos))
    publisher = last.connect("p")
    publisher.publish("t", b"0", qos)
    received = [p for p in first.read() if isinstance(p, Publish)]
    one.holds_applying = True
    second = begin(two, "s")
    publisher.publish("t", b"1", qos)
    one.holds_applying = False
    group.settle()
    publisher.publish("t", b"2", qos)
    assert [p.payload for p in received] == [b"0"]
    assert isinstance(first.read()[-1], Disconnect)
    got = second.receive_all()
    assert [p.payload for p in got] == [b"0", b"1", b"2"]
    assert got[0].dup


def test_a_client_that_is_back_within_the_delay_has_no_will_published(group: Group, three: Three) -> None:
    """Its claim is committed when the leader, which hasn't applied it, finds the will due."""
    one, two, last = three
    watcher = last.connect("w")
    watcher.subscribe(("will", 0))
    will = wire.Will("will", properties=[(wire.WILL_DELAY, 5)])
    two.connect("c", expiry=100, will=will).lose()
    group.pass_time(4.0)
    one.holds_applying = True  # leads
    last.holds_applying = True
    begin(last, "c")  # the claim is committed; its session isn't opened yet
    one.holds_commands = False
    group.pass_time(2.0)
    one.holds_applying = last.holds_applying = False
    group.settle()
    assert [p for p in watcher.read() if isinstance(p, Publish)] == []


def test_a_clean_start_elsewhere_publishes_the_will_that_waited(group: Group, three: Three) -> None:
    """The session's end is the latest moment for a will with a delay [MQTT-3.1.3-9]."""
    one, two, last = three
    watcher = last.connect("w")
    watcher.subscribe(("will", 0))
    will = wire.Will("will", properties=[(wire.WILL_DELAY, 50)])
    one.connect("c", expiry=100, will=will)
    one.holds_commands = True
    two.connect("c", expiry=100, clean=True)
    one.holds_commands = False
    group.settle()
    assert watcher.payloads() == [b"gone"]


@pytest.mark.parametrize("same_node", [True, False])
@pytest.mark.parametrize("online", [True, False])
def test_a_clean_start_publishes_the_will_of_the_session_that_it_ends(
    group: Group, three: Three, same_node: bool, online: bool
) -> None:
    """Wherever that session was, connected or not [MQTT-3.1.3-9]; and once."""
    one, two, last = three
    watcher = last.connect("w")
    watcher.subscribe(("will", 0))
    will = wire.Will("will", properties=[(wire.WILL_DELAY, 50)])
    first = one.connect("c", expiry=100, will=will)
    if not online:
        first.lose()
    (one if same_node else two).connect("c", expiry=100, clean=True)
    assert watcher.payloads() == [b"gone"]
    group.pass_time(60)
    assert watcher.read() == []


@pytest.mark.parametrize("reason", [None, 0x04])
def test_a_disconnect_that_ends_the_session_decides_about_the_will(three: Three, reason: int | None) -> None:
    one, _, last = three
    watcher = last.connect("w")
    watcher.subscribe(("will", 0))
    client = one.connect("c", expiry=100, will=wire.Will("will"))
    client.disconnect(reason, [(wire.SESSION_EXPIRY, 0)])
    assert not one.has_session("c")
    assert watcher.payloads() == ([b"gone"] if reason else [])


def test_a_qos_2_message_that_was_committed_before_its_node_died_is_delivered_once(group: Group, three: Three) -> None:
    one, two, last = three
    subscriber, kept = last.connect("s"), last.connect("k", expiry=100)
    subscriber.subscribe(("t", 2))
    kept.subscribe(("t", 2))
    publisher = one.connect("p", expiry=100)
    one.holds_applying = True
    qos2(publisher, 1, b"m")  # the others have it; its own node doesn't know, and dies
    one.kill()
    group.declare_down(1)
    moved = resumed(two, "p")
    qos2(moved, 1, b"m", dup=True)
    moved.take(Pubrec)
    moved.send(wire.pubrel(1))
    moved.take(Pubcomp)
    assert [m.payload for m in subscriber.receive_all()] == [b"m"]
    assert [m.payload for m in kept.receive_all()] == [b"m"]


@pytest.mark.parametrize("ending", ["lost", "claimed here"])
def test_what_was_sent_before_a_claim_comes_with_dup_though_an_acknowledgement_came_too_late(
    group: Group, three: Three, ending: str
) -> None:
    """What the client has acknowledged where it was doesn't count behind its claim, and stands before the rest."""
    one, two, last = three
    first = one.connect("s", expiry=100)
    first.subscribe(("t", 1))
    publisher = last.connect("p")
    for payload in (b"0", b"1", b"2"):
        publisher.publish("t", payload, 1)
    sent = [packet for packet in first.read() if isinstance(packet, Publish)]
    one.holds_commands = two.holds_applying = True
    first.acknowledge(sent[:1])
    if ending == "lost":
        first.lose()
    second = begin(two, "s")  # its claim is committed before the acknowledgement
    publisher.publish("t", b"3", 1)
    one.holds_commands = False
    group.settle()
    two.holds_applying = False
    group.settle()
    got = second.receive_all()
    assert [(m.payload, m.dup) for m in got] == [(b"0", True), (b"1", True), (b"2", True), (b"3", False)]


def test_what_was_never_sent_comes_without_dup_where_the_session_is_closed_in_good_time(three: Three) -> None:
    one, two, last = three
    first = one.connect("s", expiry=100, properties=[(wire.RECEIVE_MAXIMUM, 2)])
    first.subscribe(("t", 1))
    publisher = last.connect("p")
    for number in range(5):
        publisher.publish("t", b"%d" % number, 1)
    sent = [packet for packet in first.read() if isinstance(packet, Publish)]
    first.acknowledge(sent[:1])
    first.lose()
    got = resumed(two, "s").receive_all()
    assert [(m.payload, m.dup) for m in got] == [(b"1", True), (b"2", True), (b"3", False), (b"4", False)]


def test_what_was_acknowledged_in_vain_counts_as_sent_in_a_snapshot(group: Group, three: Three) -> None:
    one, two, last = three
    first = one.connect("s", expiry=100)
    first.subscribe(("t", 1))
    publisher = last.connect("p")
    for payload in (b"0", b"1", b"2"):
        publisher.publish("t", payload, 1)
    one.holds_commands = True
    first.acknowledge([packet for packet in first.read() if isinstance(packet, Publish)][:1])
    second = resumed(two, "s")
    one.holds_commands = False
    group.settle()
    second.lose()
    group.take_snapshot(one)
    one.kill()
    got = resumed(group.start(1), "s").receive_all()
    assert [(m.payload, m.dup) for m in got] == [(b"0", True), (b"1", True), (b"2", True)]


def test_a_connect_whose_client_id_another_node_claimed_and_let_go_of_is_refused(group: Group, three: Three) -> None:
    """Its session is open, but it hasn't been answered yet; nobody would know of its connection [MQTT-3.1.4-3]."""
    one, two, last = three
    last.holds_applying = True  # an answer waits until all have it
    second = begin(two, "c")
    one.holds_commands = True
    first = begin(one, "c")
    first.lose()
    one.holds_commands = False
    group.settle()  # the claim of a connection that is gone
    assert second.read() == []
    last.holds_applying = False
    group.settle()
    assert second.take(Connack).code == 0x88
    assert live(three, "c") == []
    assert all(member.session("c").disconnected_at for member in three)
    assert resumed(two, "c").channel.session is two.session("c")
    assert live(three, "c") == [2]
    group.check()


def test_the_will_of_a_connect_that_was_refused_is_published_by_nobody(group: Group, three: Three) -> None:
    """Its node was declared down before it had answered, when the session was open for the others."""
    _, two, last = three
    watcher = last.connect("w")
    watcher.subscribe(("will", 1))
    last.holds_applying = True
    client = two.open()
    will = wire.Will("will", b"x", 1)
    client.send(wire.connect("c", clean=False, keep_alive=0, properties=EXPIRY, will=will))
    group.declare_down(two)
    last.holds_applying = False
    group.settle()
    assert client.take(Connack).code == 0x88
    group.pass_time(60)
    assert [message.payload for message in watcher.receive_all()] == []
    assert live(three, "c") == []
    group.check()
