"""Under ``quorum_fsync`` a session that is kept gets at QoS 2 only what a loss of power everywhere can't undo."""

from __future__ import annotations

import pytest

from rmq.session.limits import ACK_QUORUM_FSYNC, Limits
from tests.support import wire
from tests.support.engine import Client
from tests.support.wire_parser import Connack, Puback, Pubcomp, Publish, Pubrec, Pubrel
from tests.unit.engine.cluster.conftest import Three
from tests.unit.engine.cluster.group import Group
from tests.unit.engine.cluster.member import Member
from tests.unit.storage.disk_engine import resumed

EXPIRY = [(wire.SESSION_EXPIRY, 100)]


@pytest.fixture
def safe(three: Three) -> Three:
    """The three, whose clients come in under ``quorum_fsync``."""
    for member in three:
        member.limits.ack_policy = ACK_QUORUM_FSYNC
    return three


def hold(members: tuple[Member, ...]) -> None:
    """Nothing that comes now is synced anywhere."""
    for member in members:
        member.holds_syncing = True


def go_on(group: Group, *members: Member) -> None:
    for member in members:
        member.holds_syncing = False
    group.settle()


def subscribed(member: Member, client_id: str = "s", qos: int = 2, *, window: int = 100) -> Client:
    client = member.connect(client_id, expiry=100, properties=[(wire.RECEIVE_MAXIMUM, window)])
    client.subscribe(("t/#", qos))
    return client


def send(client: Client, payload: bytes, qos: int = 2, packet_id: int = 1, *, dup: bool = False) -> None:
    client.send(wire.publish("t/1", payload, qos, packet_id, dup=dup))


def release(client: Client, packet_id: int = 1) -> None:
    client.take(Pubrec)
    client.send(wire.pubrel(packet_id))
    client.take(Pubcomp)


@pytest.mark.parametrize("leader", [0, 1, 2])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_it_is_delivered_when_a_majority_has_synced_it(group: Group, safe: Three, at: int, leader: int) -> None:
    subscriber = subscribed(safe[at])
    publisher = safe[0].connect("p", expiry=100)
    hold(safe)
    send(publisher, b"m")
    go_on(group, safe[2])
    group.lead(safe[leader])
    assert subscriber.read() == publisher.read() == []
    go_on(group, safe[1])
    assert subscriber.payloads() == [b"m"]
    publisher.take(Pubrec)


def test_qos_1_doesnt_wait_but_behind_what_does(group: Group, safe: Three) -> None:
    """The order of a session's messages is kept [MQTT-4.6.0-6]."""
    one, two, last = safe
    subscriber, other = subscribed(two), subscribed(two, "o", 1)
    publisher = last.connect("p", expiry=100)
    hold(safe)
    send(publisher, b"0", 1, 1)
    send(publisher, b"1", 2, 2)
    send(publisher, b"2", 1, 3)
    assert subscriber.payloads() == [b"0"]
    assert other.payloads() == [b"0", b"1", b"2"]
    go_on(group, one, two)
    assert subscriber.payloads() == [b"1", b"2"]


def test_what_an_acknowledgement_makes_room_for_waits_too(group: Group, safe: Three) -> None:
    one, two, last = safe
    subscriber = subscribed(two, window=1)
    publisher = last.connect("p", expiry=100)
    send(publisher, b"0", 1, 1)
    hold(safe)
    send(publisher, b"1", 2, 2)
    subscriber.send(wire.puback(subscriber.take(Publish).packet_id))
    assert subscriber.read() == []
    go_on(group, one, two)
    assert subscriber.payloads() == [b"1"]


@pytest.mark.parametrize("policy_of", ["publisher", "subscriber"])
def test_the_listener_of_the_receiver_decides(group: Group, three: Three, policy_of: str) -> None:
    """As for PUBREL: what one client is promised doesn't depend on who publishes."""
    one, two, last = three
    limits = Limits("tcp.safe")
    limits.ack_policy = ACK_QUORUM_FSYNC
    (last if policy_of == "publisher" else two).limits = limits
    subscriber = subscribed(two)
    publisher = last.connect("p", expiry=100)
    hold(three)
    send(publisher, b"m")
    got, answer = subscriber.payloads(), publisher.read()
    if policy_of == "publisher":
        assert got == [b"m"] and answer == []
    else:
        assert got == [] and len(answer) == 1
        go_on(group, one, two)
        assert subscriber.payloads() == [b"m"]


def test_a_session_that_ends_with_its_connection_doesnt_wait(safe: Three) -> None:
    """A loss of power is its end; what it got before, nobody remembers."""
    _, two, last = safe
    subscriber = two.connect("s")
    subscriber.subscribe(("t/#", 2))
    publisher = last.connect("p", expiry=100)
    hold(safe)
    send(publisher, b"m")
    assert subscriber.payloads() == [b"m"]


@pytest.mark.parametrize("at", [1, 2])
def test_a_session_goes_on_when_what_it_goes_on_from_is_synced(group: Group, safe: Three, at: int) -> None:
    """Its PUBREL, its messages, and the identifiers of those that it has published."""
    one, two, last = safe
    subscriber = subscribed(two)
    publisher = last.connect("p", expiry=100)
    send(publisher, b"0", 2, 1)
    publisher.take(Pubrec)
    first = subscriber.take(Publish)
    hold(safe)
    subscriber.send(wire.pubrec(first.packet_id))
    send(publisher, b"1", 2, 2)
    subscriber.lose()
    publisher.lose()
    back = []
    for client_id in ("s", "p"):
        client = safe[at].open()
        client.send(wire.connect(client_id, clean=False, keep_alive=0, properties=EXPIRY))
        back.append(client)
    send(back[1], b"1", 2, 2, dup=True)
    assert [client.read() for client in back] == [[], []]
    go_on(group, one, two)
    connack, pubrel, second = back[0].read()
    assert isinstance(connack, Connack) and connack.session_present
    assert isinstance(pubrel, Pubrel) and pubrel.packet_id == first.packet_id
    assert isinstance(second, Publish) and second.payload == b"1"
    assert [type(packet) for packet in back[1].read()] == [Connack, Pubrec]


def test_a_subscription_that_is_acknowledged_is_synced(group: Group, safe: Three) -> None:
    one, two, _ = safe
    client = two.connect("s", expiry=100)
    hold(safe)
    client.send(wire.subscribe(1, [("t/#", 2)]))
    assert client.read() == []
    go_on(group, one, two)
    assert len(client.read()) == 1


def test_a_subscription_that_is_ended_is_synced(group: Group, safe: Three) -> None:
    one, two, _ = safe
    client = subscribed(two)
    hold(safe)
    client.send(wire.unsubscribe(1, ["t/#"]))
    assert client.read() == []
    go_on(group, one, two)
    assert len(client.read()) == 1


def test_a_session_that_begins_is_synced_before_its_client_hears_of_it(group: Group, safe: Three) -> None:
    one, two, _ = safe
    hold(safe)
    client = two.open()
    client.send(wire.connect("s", clean=False, keep_alive=0, properties=EXPIRY))
    assert client.read() == []
    go_on(group, one, two)
    (connack,) = client.read()
    assert isinstance(connack, Connack) and not connack.session_present


def test_a_session_and_its_subscription_are_there_after_power_was_lost_everywhere(group: Group, safe: Three) -> None:
    """At the moment of its SUBACK, however slow the disks."""
    hold(safe)
    client = safe[1].open()
    client.send(wire.connect("s", clean=False, keep_alive=0, properties=EXPIRY))
    go_on(group, *safe)
    client.take(Connack)
    hold(safe)
    client.send(wire.subscribe(1, [("t/#", 2)]))
    go_on(group, safe[0], safe[1])
    assert len(client.read()) == 1
    group.lose_power()
    started = [group.start(number, lost_power=True) for number in (1, 2, 3)]
    back = resumed(started[0], "s")
    publisher = started[1].connect("p", expiry=100)
    publisher.publish("t/1", b"m", 1)
    assert back.payloads() == [b"m"]


def test_power_is_lost_everywhere_and_nobody_gets_a_message_twice(group: Group, safe: Three) -> None:
    subscriber = subscribed(safe[1])
    publisher = safe[2].connect("p", expiry=100)
    send(publisher, b"0")
    release(publisher)
    got = [m.payload for m in subscriber.receive_all()]
    hold(safe)
    send(publisher, b"1", 2, 2)
    got += [m.payload for m in subscriber.receive_all()]
    group.lose_power()
    started = [group.start(number, lost_power=True) for number in (1, 2, 3)]
    for member in started:
        member.limits.ack_policy = ACK_QUORUM_FSYNC
    subscriber, publisher = resumed(started[0], "s"), resumed(started[1], "p")
    send(publisher, b"1", 2, 2, dup=True)
    release(publisher, 2)
    got += [m.payload for m in subscriber.receive_all()]
    assert got == [b"0", b"1"]


def test_under_quorum_nothing_waits_for_a_disk(three: Three) -> None:
    subscriber = subscribed(three[1])
    publisher = three[2].connect("p", expiry=100)
    hold(three)
    send(publisher, b"m")
    assert subscriber.payloads() == [b"m"]
    publisher.take(Pubrec)
    publisher.send(wire.publish("t/1", b"n", 1, 2))
    publisher.take(Puback)
