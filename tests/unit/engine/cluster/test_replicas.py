"""Replicas stay equal whatever happens, and what is only one node's business happens on that node alone."""

from __future__ import annotations

import pytest

from rmq.mqtt.message import Message
from rmq.storage.digest import digest_of
from tests.support import wire
from tests.support.wire_parser import Publish
from tests.unit.engine.cluster.conftest import Three
from tests.unit.engine.cluster.group import Group
from tests.unit.engine.cluster.member import Member


def test_a_digest_knows_nothing_of_tables_that_one_node_made_early(group: Group, three: Three) -> None:
    """A retained message that has expired isn't sent; that it was looked at changes no digest."""
    one, two, _ = three
    publisher = one.connect("p")
    publisher.publish("r", b"m", 1, retain=True, properties=[(wire.MESSAGE_EXPIRY, 1)])
    two.holds_commands = one.holds_commands = True
    group.time += 5.0  # nobody has removed it yet
    one.holds_commands = two.holds_commands = False
    two.connect("s", expiry=100).subscribe(("r", 1))
    assert digest_of(one.broker.state) == digest_of(two.broker.state)


@pytest.mark.parametrize("online", [True, False])
def test_a_message_that_waits_is_told_to_plugins_by_one_node_only(three: Three, online: bool) -> None:
    one, two, _ = three
    told: list[int] = []

    def listen(node: Member) -> None:
        def handler(client_id: str, message: Message) -> None:
            told.append(node.node_id)

        node.hooks.register("offline_message", handler, "test")

    for node in three:
        listen(node)
    client = two.connect("s", expiry=100)
    client.subscribe(("t", 1))
    if not online:
        client.disconnect()
    one.connect("p").publish("t", b"m", 1)
    assert told == ([] if online else [2])


def test_overflow_is_counted_once(three: Three) -> None:
    one, two, _ = three
    two.limits.max_mqueue_len = 1
    client = two.connect("s", expiry=100)
    client.subscribe(("t", 1))
    client.disconnect()
    publisher = one.connect("p")
    for _ in range(3):
        publisher.publish("t", b"m", 1)
    assert sum(node.counters.dropped_queue_full for node in three) == 2


def test_a_retained_delete_stays_deleted(group: Group, three: Three) -> None:
    one, _, last = three
    publisher = one.connect("p")
    publisher.publish("r", b"m", 1, retain=True)
    group.take_snapshot(last)
    last.kill()
    publisher.publish("r", b"", 1, retain=True)
    last = group.start(3)
    subscriber = last.connect("s")
    subscriber.subscribe(("r", 1))
    assert subscriber.read() == []


def test_a_subscriber_sees_what_was_acknowledged_before(group: Group, three: Three) -> None:
    one, _, last = three
    publisher = one.connect("p")
    publisher.publish("r", b"1", 1, retain=True)
    subscriber = last.connect("s")
    last.holds_applying = True
    assert publisher.publish("r", b"2", 1, retain=True) == 0
    subscriber.send(wire.subscribe(1, [("r", 1)]))
    last.holds_applying = False
    group.settle()
    assert [p.payload for p in subscriber.read() if isinstance(p, Publish)] == [b"2"]


def test_a_delayed_message_is_published_once_by_whoever_leads(group: Group, three: Three) -> None:
    one, _, last = three
    for node in three:
        node.limits.delayed_publish = True
    subscriber, kept = last.connect("s"), last.connect("k", expiry=100)
    subscriber.subscribe(("t", 1))
    kept.subscribe(("t", 1))
    one.connect("p").publish("$delayed/5/t", b"m", 1)
    group.pass_time(4.5)
    one.kill()
    group.declare_down(1)
    group.pass_time(5)
    assert [m.payload for m in subscriber.receive_all()] == [b"m"]
    assert [m.payload for m in kept.receive_all()] == [b"m"]


def test_a_session_expires_everywhere(group: Group, three: Three) -> None:
    three[2].connect("s", expiry=5).disconnect()
    group.pass_time(4)
    assert all(node.has_session("s") for node in three)
    group.pass_time(3)
    assert not any(node.has_session("s") for node in three)
    assert sum(node.counters.session_expired for node in three) == 1


def test_a_stopping_node_publishes_no_will(group: Group, three: Three) -> None:
    """Its clients may be back elsewhere within the grace."""
    one, _, last = three
    watcher, beside = one.connect("w"), last.connect("x")
    watcher.subscribe(("will", 0))
    beside.subscribe(("will", 0))
    client = last.connect("c", will=wire.Will("will"))
    last.port.leave(lambda: None)
    group.settle()
    last.broker.ctx.ports.close(client.channel, 0x8B, "node stops")
    group.settle()
    one.connect("c")
    group.pass_time(5)
    assert not [p for p in (*watcher.read(), *beside.read()) if isinstance(p, Publish)]
