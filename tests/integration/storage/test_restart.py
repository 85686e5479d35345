"""A node that was killed and started again: nothing that was acknowledged is missing, nothing comes twice."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.integration.storage.conftest import StartNode
from tests.support import wire
from tests.support.broker_process import BrokerProcess
from tests.support.client import Client
from tests.support.wire import Properties, Will
from tests.support.wire_parser import Connack, Packet, Puback, Pubcomp, Publish, Pubrec, Pubrel

pytestmark = pytest.mark.realtime

End = Callable[[BrokerProcess], object]
ENDS = pytest.mark.parametrize("end", [BrokerProcess.kill, BrokerProcess.stop], ids=["killed", "stopped"])


def client(
    node: BrokerProcess,
    client_id: str,
    level: int = 5,
    *,
    clean: bool = False,
    expiry: int = 1000,
    properties: Properties = (),
    will: Will | None = None,
    present: bool | None = None,
) -> Client:
    """A connected client; by default one whose session outlives its connection."""
    found = Client(node.address, client_id, level)
    if level == 5:
        properties = [(wire.SESSION_EXPIRY, expiry), *properties]
    found.send(wire.connect(client_id, level, clean, 60, properties if level == 5 else (), will))
    connack = found.expect(Connack)
    assert connack.code == 0 and present in (None, connack.session_present), connack
    return found


def off_line(
    node: BrokerProcess, client_id: str, *filters: tuple[str, int], level: int = 5, expiry: int = 1000
) -> None:
    """A session without a connection."""
    found = client(node, client_id, level, expiry=expiry, present=False)
    found.subscribe(*filters)
    found.send(wire.disconnect())
    found.expect_closed()
    found.close()


@ENDS
@pytest.mark.parametrize("level", [4, 5])
def test_a_subscriber_gets_what_it_missed_in_order(start_node: StartNode, end: End, level: int) -> None:
    node = start_node()
    off_line(node, "s", ("t/#", 2), level=level)
    publisher = client(node, "p", expiry=0)
    for number in range(20):
        assert publisher.publish(f"t/{number}", b"%d" % number, 1 + number % 2) == 0
    end(node)
    publisher.close()
    node = start_node(before=node)
    publisher = client(node, "p", expiry=0)
    for number in range(20, 30):
        publisher.publish(f"t/{number}", b"%d" % number, 1 + number % 2)
    subscriber = client(node, "s", level, present=True)
    found = subscriber.receive_publishes(30)
    assert [(m.topic, m.payload, m.qos) for m in found] == [
        (f"t/{number}", b"%d" % number, 1 + number % 2) for number in range(30)
    ]
    subscriber.expect_nothing()
    for each in (publisher, subscriber):
        each.close()
    assert node.stop() == 0


def test_nothing_is_kept_for_sessions_that_end_with_their_connection(start_node: StartNode) -> None:
    node = start_node()
    first = client(node, "s", expiry=0)
    first.subscribe(("t", 1))
    node.kill()
    first.close()
    node = start_node(before=node)
    client(node, "s", expiry=0, present=False).close()


@ENDS
def test_retained_messages_survive(start_node: StartNode, end: End) -> None:
    node = start_node()
    publisher = client(node, "p", expiry=0)
    for number in range(5):
        publisher.publish(f"r/{number}", b"%d" % number, number % 3, retain=True)
    publisher.publish("r/0", b"replaced", 1, retain=True)
    publisher.publish("r/1", b"", 1, retain=True)
    publisher.publish(
        "r/props", b"x", 1, retain=True, properties=[(wire.USER_PROPERTY, ("k", "v")), (wire.CONTENT_TYPE, "text")]
    )
    publisher.publish("r/short", b"x", 1, retain=True, properties=[(wire.MESSAGE_EXPIRY, 1)])
    publisher.publish("r/long", b"x", 1, retain=True, properties=[(wire.MESSAGE_EXPIRY, 1000)])
    expires = time.monotonic() + 1.2
    end(node)
    publisher.close()
    node = start_node(before=node)
    wait_until(expires)
    subscriber = client(node, "s", expiry=0)
    subscriber.subscribe(("r/#", 2))
    found = {m.topic: m for m in subscriber.drain() if isinstance(m, Publish)}
    assert {topic: m.payload for topic, m in found.items()} == {
        "r/0": b"replaced",
        "r/2": b"2",
        "r/3": b"3",
        "r/4": b"4",
        "r/props": b"x",
        "r/long": b"x",
    }
    assert all(m.retain for m in found.values())
    assert found["r/props"].get(wire.USER_PROPERTY) == ("k", "v")
    assert found["r/props"].get(wire.CONTENT_TYPE) == "text"
    left = found["r/long"].get(wire.MESSAGE_EXPIRY)
    assert isinstance(left, int) and 900 < left <= 1000
    subscriber.close()


def wait_until(moment: float) -> None:
    """Real time has to pass for a node that lives by the real clock."""
    while (left := moment - time.monotonic()) > 0:
        time.sleep(left)


def test_subscriptions_survive_with_their_options(start_node: StartNode) -> None:
    node = start_node()
    subscriber = client(node, "s", present=False)
    subscriber.subscribe(("t/#", 2 | wire.RETAIN_AS_PUBLISHED | wire.NO_LOCAL), properties=[(wire.SUBSCRIPTION_ID, 7)])
    subscriber.subscribe(("gone", 1), ("x", 0))
    subscriber.unsubscribe("gone")
    node.kill()
    subscriber.close()
    node = start_node(before=node)
    subscriber = client(node, "s", present=True)
    assert subscriber.publish("t/own", b"own", 1) in (0, 0x10)
    publisher = client(node, "p", expiry=0)
    publisher.publish("gone", b"gone", 1)
    publisher.publish("x", b"x", 1)
    publisher.publish("t/1", b"1", 2, retain=True)
    x, one = subscriber.receive_publishes(2)
    assert (x.topic, x.qos) == ("x", 0)
    assert (one.payload, one.qos, one.retain, one.all(wire.SUBSCRIPTION_ID)) == (b"1", 2, True, [7])
    subscriber.expect_nothing()
    for each in (publisher, subscriber):
        each.close()


# QoS 2, step by step


@pytest.mark.parametrize("kills_at", ["PUBLISH", "PUBREC", "PUBREL", "PUBCOMP"])
def test_a_qos_2_message_to_the_node_is_stored_once(start_node: StartNode, kills_at: str) -> None:
    """The publisher sends again what it has no answer for; the subscriber gets the message once."""
    node = start_node()
    off_line(node, "s", ("t", 2))
    publisher = client(node, "p", present=False)
    publisher.send_publish("t", b"once", 2, packet_id=9)
    if kills_at != "PUBLISH":
        assert publisher.expect(Pubrec).packet_id == 9
    if kills_at in ("PUBREL", "PUBCOMP"):
        publisher.send(wire.pubrel(9))
    if kills_at == "PUBCOMP":
        assert publisher.expect(Pubcomp).code == 0
    node.kill()
    publisher.close()
    node = start_node(before=node)
    publisher = client(node, "p", present=True)
    if kills_at in ("PUBLISH", "PUBREC"):
        publisher.send_publish("t", b"once", 2, packet_id=9, dup=True)
        assert publisher.expect(Pubrec).packet_id == 9
    publisher.send(wire.pubrel(9))
    assert publisher.expect(Pubcomp).code in (0, 0x92)
    assert publisher.publish("t", b"next", 2) == 0
    subscriber = client(node, "s", present=True)
    assert [m.payload for m in subscriber.receive_publishes(2)] == [b"once", b"next"]
    subscriber.expect_nothing()
    for each in (publisher, subscriber):
        each.close()


@pytest.mark.parametrize("kills_at", ["PUBLISH", "PUBREC", "PUBREL", "PUBCOMP"])
def test_a_qos_2_message_from_the_node_is_delivered_once(start_node: StartNode, kills_at: str) -> None:
    """The subscriber keeps the identifier from PUBLISH to PUBREL, as the protocol has it [MQTT-4.3.3-12]."""
    node = start_node()
    subscriber = client(node, "s", present=False)
    subscriber.subscribe(("t", 2))
    publisher = client(node, "p", expiry=0)
    publisher.publish("t", b"once", 2)
    first = subscriber.expect(Publish)
    delivered = [first.payload]
    undecided = {first.packet_id}
    if kills_at != "PUBLISH":
        subscriber.send(wire.pubrec(first.packet_id))
    if kills_at in ("PUBREL", "PUBCOMP"):
        assert subscriber.expect(Pubrel).packet_id == first.packet_id
        undecided.clear()
    if kills_at == "PUBCOMP":
        subscriber.send(wire.pubcomp(first.packet_id))
    node.kill()
    for each in (publisher, subscriber):
        each.close()
    node = start_node(before=node)
    subscriber = client(node, "s", present=True)
    publisher = client(node, "p", expiry=0)
    publisher.publish("t", b"next", 2)
    while delivered != [b"once", b"next"] or undecided:
        packet = subscriber.receive()
        if isinstance(packet, Publish):
            if packet.packet_id not in undecided:
                delivered.append(packet.payload)
                assert delivered == [b"once", b"next"]
                undecided.add(packet.packet_id)
            else:
                assert packet.dup and packet.payload == b"once"
            subscriber.send(wire.pubrec(packet.packet_id))
        else:
            assert isinstance(packet, Pubrel)
            undecided.discard(packet.packet_id)
            subscriber.send(wire.pubcomp(packet.packet_id))
    subscriber.expect_nothing()
    for each in (publisher, subscriber):
        each.close()


def test_packet_identifiers_keep_their_meaning(start_node: StartNode) -> None:
    """What was in flight comes again under its identifier, with DUP, and in order [MQTT-4.4.0-1], [MQTT-4.6.0-1]."""
    node = start_node()
    subscriber = client(node, "s", properties=[(wire.RECEIVE_MAXIMUM, 5)])
    subscriber.subscribe(("t", 1))
    publisher = client(node, "p", expiry=0)
    for number in range(8):
        publisher.publish("t", b"%d" % number, 1)
    before = [subscriber.expect(Publish) for _ in range(5)]
    node.kill()
    for each in (publisher, subscriber):
        each.close()
    node = start_node(before=node)
    subscriber = client(node, "s", properties=[(wire.RECEIVE_MAXIMUM, 10)], present=True)
    again = subscriber.receive_publishes(8)
    assert [(m.packet_id, m.payload) for m in again[:5]] == [(m.packet_id, m.payload) for m in before]
    assert all(m.dup for m in again[:5])
    assert [m.payload for m in again] == [b"%d" % number for number in range(8)]
    subscriber.close()


# Time, wills, claims


def test_session_expiry_goes_on_over_a_restart(start_node: StartNode) -> None:
    node = start_node()
    off_line(node, "short", ("t", 1), expiry=2)
    ends = time.monotonic() + 2.4
    off_line(node, "long", ("t", 1), expiry=1000)
    node.kill()
    node = start_node(before=node)
    wait_until(ends)
    client(node, "short", present=False).close()
    client(node, "long", present=True).close()
    node.kill()
    node = start_node(before=node)
    client(node, "long", present=True).close()


def test_a_session_that_expired_while_the_node_was_down_is_gone(start_node: StartNode) -> None:
    node = start_node()
    off_line(node, "short", ("t", 1), expiry=1)
    ends = time.monotonic() + 1.1
    client(node, "barrier").close()  # its CONNACK comes when all before it is written
    node.kill()
    wait_until(ends)
    node = start_node(before=node)
    subscriber = client(node, "watch", expiry=0)
    subscriber.expect_nothing()
    client(node, "short", present=False).close()
    subscriber.close()


@pytest.mark.parametrize("delay", [0, 1])
def test_the_will_of_a_client_that_was_connected_is_published_once(start_node: StartNode, delay: int) -> None:
    node = start_node()
    off_line(node, "s", ("w", 1))
    dying = client(node, "d", will=Will("w", b"gone", 1, True, [(wire.WILL_DELAY, delay)]))
    node.kill()
    dying.close()
    node = start_node(before=node)
    subscriber = client(node, "s", present=True)
    will = subscriber.receive_publish(timeout_s=5)
    assert (will.topic, will.payload, will.qos) == ("w", b"gone", 1)
    subscriber.expect_nothing()
    node.kill()
    subscriber.close()
    node = start_node(before=node)
    subscriber = client(node, "s", present=True)
    for packet in subscriber.drain():  # the PUBACK may not have been written: the same delivery, never a second one
        assert isinstance(packet, Publish) and packet.dup and packet.packet_id == will.packet_id
    other = client(node, "o", expiry=0)
    other.subscribe(("w", 0))
    assert other.expect(Publish).payload == b"gone", "retained, as it said"
    for each in (subscriber, other):
        each.close()


def test_a_will_that_was_withdrawn_is_not_published(start_node: StartNode) -> None:
    node = start_node()
    off_line(node, "s", ("w", 1))
    polite = client(node, "polite", will=Will("w", b"gone", 1))
    polite.send(wire.disconnect())
    polite.expect_closed()
    back = client(node, "back", will=Will("w", b"delayed", 1, properties=[(wire.WILL_DELAY, 100)]))
    back.close()
    back = client(node, "back", present=True)
    publisher = client(node, "p", expiry=0)
    publisher.publish("w", b"barrier", 1)
    node.kill()
    for each in (polite, back, publisher):
        each.close()
    node = start_node(before=node)
    subscriber = client(node, "s", present=True)
    assert [m.payload for m in subscriber.receive_publishes(1)] == [b"barrier"]
    subscriber.expect_nothing()
    subscriber.close()


def test_session_present_is_right(start_node: StartNode) -> None:
    node = start_node()
    off_line(node, "kept", ("t", 1))
    client(node, "ended", expiry=0).close()
    clean = client(node, "clean", expiry=1000)
    clean.subscribe(("t", 1))
    clean.close()
    clean = client(node, "clean", clean=True, expiry=0, present=False)
    clean.publish("nowhere", b"", 1)
    node.kill()
    clean.close()
    for _ in range(2):
        node = start_node(before=node)
        client(node, "kept", present=True).close()
        client(node, "ended", expiry=0, present=False).close()
        client(node, "clean", expiry=0, present=False).close()
        client(node, "kept", 4, present=True).close()
        node.kill()


def test_a_shared_subscription_goes_on(start_node: StartNode) -> None:
    node = start_node()
    for name in "ab":
        off_line(node, name, ("$share/g/t", 1))
    publisher = client(node, "p", expiry=0)
    for number in range(10):
        publisher.publish("t", b"%d" % number, 1)
    node.kill()
    publisher.close()
    node = start_node(before=node)
    found: list[bytes] = []
    for name in "ab":
        member = client(node, name, present=True)
        messages: list[Packet] = member.drain()
        found += [packet.payload for packet in messages if isinstance(packet, Publish)]
        member.close()
    assert len(found) >= 10 and set(found) == {b"%d" % number for number in range(10)}


def test_answers_follow_one_another_in_order(start_node: StartNode) -> None:
    """Those that wait for the journal and those that needn't, and PINGRESP behind them."""
    node = start_node()
    off_line(node, "s", ("kept", 1))
    publisher = client(node, "p", expiry=0)
    packets = [wire.publish("kept" if number % 2 else "lost", b"x", 1, number, level=5) for number in range(1, 101)]
    publisher.send(*packets, wire.pingreq())
    answers = [publisher.expect(Puback) for _ in range(100)]
    assert [answer.packet_id for answer in answers] == list(range(1, 101))
    assert publisher.receive() is not None
    publisher.close()


def test_nothing_is_on_disk_where_storage_is_off(start_node: StartNode) -> None:
    node = start_node("storage.enable=false")
    off_line(node, "s", ("t", 1))
    client(node, "s", present=True).close()
    node.kill()
    assert not (node.directory / "data" / "storage").exists()
    node = start_node(before=node)
    client(node, "s", present=False).close()


def test_a_queue_over_the_budgets_survives(start_node: StartNode) -> None:
    """Payloads on disk only, a snapshot now and then, two kills: all of it is there, byte by byte."""
    node = start_node("storage.memory_budget=256KB", "storage.session_memory_budget=64KB", "storage.snapshot_after=1MB")
    off_line(node, "s", ("t", 1))
    payloads = [b"%06d" % number + bytes([number % 251]) * 10_000 for number in range(400)]
    publisher = client(node, "p", expiry=0)
    for start in range(0, 400, 50):
        if start == 200:
            node.kill()
            publisher.close()
            node = start_node(before=node)
            publisher = client(node, "p", expiry=0)
        part = range(start, start + 50)
        publisher.send(*[wire.publish("t", payloads[number], 1, number + 1) for number in part])
        for number in part:
            answer = publisher.expect(Puback)
            assert (answer.packet_id, answer.code) == (number + 1, 0)
    node.kill()
    publisher.close()
    node = start_node(before=node)
    subscriber = client(node, "s", present=True)
    assert [m.payload for m in subscriber.receive_publishes(400)] == payloads
    subscriber.close()
    assert list((node.directory / "data" / "storage").glob("snapshot-*.snap"))
