"""Delayed messages in the engine: when and in which order they are published, what bounds them, what is kept."""

from __future__ import annotations

import pytest
import trio.testing

from rmq.engine.broker import BrokerOptions
from rmq.engine.delayed import AT_ONCE
from rmq.engine.restore import restore
from rmq.flow.context import STORAGE_FAILED, STORAGE_HELD, STORAGE_READY
from rmq.hooks.verdicts import ALLOW, DENY
from rmq.mqtt.message import Message
from rmq.storage.codec import decode_operation, encode_operation
from rmq.storage.events import StateEvents
from rmq.storage.records import DelayMessage, RemoveDelayed, StoreMessage
from tests.support import wire
from tests.support.engine import Client, Engine
from tests.support.packet_notation import V5, V311
from tests.support.wire_parser import Pingresp, Puback, Publish, Pubrec
from tests.unit.engine.test_limited_subscriptions import LaterPort

INVALID = 0x90
FULL = 0x97
ACKNOWLEDGED = 0


@pytest.fixture(autouse=True)
def _switched_on(engine: Engine) -> None:
    engine.limits.delayed_publish = True


@pytest.fixture
def watcher(engine: Engine) -> Client:
    """Subscribed to everything."""
    client = engine.connect("watcher")
    client.subscribe(("#", 0))
    return client


def limited(count: int = 0, size: int = 0, *, immediate: bool = False) -> Engine:
    """An engine with bounds of its own for delayed messages."""
    options = BrokerOptions()
    options.delayed_count, options.delayed_bytes, options.delayed_immediate = count, size, immediate
    made = Engine(options)
    made.limits.delayed_publish = True
    return made


def tick_until(engine: Engine, seconds: float) -> None:
    """Let time pass as a node does, tick by tick."""
    for _ in range(round(seconds * 10)):
        engine.advance(0.1)


@pytest.mark.parametrize("level", [V311, V5])
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_it_is_published_after_its_delay(engine: Engine, watcher: Client, qos: int, level: int) -> None:
    watcher.subscribe(("#", 2))
    publisher = engine.connect("p", level)
    assert publisher.publish("$delayed/5/a/b", b"later", qos) == ACKNOWLEDGED
    tick_until(engine, 4.9)
    assert watcher.read() == []
    tick_until(engine, 0.3)
    (message,) = watcher.receive_all()
    assert (message.topic, message.payload, message.qos) == ("a/b", b"later", qos)
    assert not engine.broker.state.delayed and len(engine.broker.delayed) == 0
    tick_until(engine, 20)
    assert watcher.read() == [], "once"


def test_no_delay_at_all(engine: Engine, watcher: Client) -> None:
    engine.connect("p").publish("$delayed/0/t", b"now", 1)
    engine.advance(0.1)
    assert watcher.payloads() == [b"now"]


def test_a_long_delay(engine: Engine, watcher: Client) -> None:
    engine.connect("p").publish("$delayed/4294967/t", b"in 49 days", 1)
    for _ in range(100):
        engine.advance(42_949)
    assert watcher.read() == []
    engine.advance(100)
    assert watcher.payloads() == [b"in 49 days"]


def test_they_come_when_they_are_due_and_else_in_the_order_they_came_in(engine: Engine, watcher: Client) -> None:
    publisher = engine.connect("p")
    publisher.send(*(wire.publish("$delayed/3/t", b"3-%d" % n) for n in range(40)))
    publisher.send(*(wire.publish("$delayed/2/t", b"2-%d" % n) for n in range(40)))
    engine.advance(1)
    publisher.send(*(wire.publish("$delayed/1/t", b"1-%d" % n) for n in range(40)))
    engine.advance(60)
    assert watcher.payloads() == [b"%d-%d" % (d, n) for d in (2, 1, 3) for n in range(40)]


def test_a_crowd_is_published_in_portions(engine: Engine, watcher: Client) -> None:
    publisher = engine.connect("p")
    publisher.send(*(wire.publish("$delayed/1/t", b"%d" % n) for n in range(AT_ONCE + 1)))
    engine.advance(2)
    assert len(watcher.payloads()) == AT_ONCE
    engine.advance(0.1)
    assert watcher.payloads() == [b"%d" % AT_ONCE]


@pytest.mark.parametrize("seconds", ["", "x", "-1", "1_0", "1.5", " 1", "٣", "4294968", "00000001", "9" * 5000])
def test_bad_seconds_are_refused(engine: Engine, seconds: str) -> None:
    assert engine.connect("p").publish(f"$delayed/{seconds}/t", b"x", 1) == INVALID
    assert not engine.broker.state.delayed


@pytest.mark.parametrize("topic", ["$delayed/", "$delayed/5", "$delayed/5/", "$delayed/5/$delayed/5/t"])
def test_what_is_no_delay_is_refused(engine: Engine, topic: str) -> None:
    assert engine.connect("p").publish(topic, b"x", 1) == INVALID
    assert engine.counters.dropped_publish_invalid == engine.counters.messages_dropped == 1
    assert not engine.broker.state.delayed
    old = engine.connect("old", V311)
    old.send(wire.publish(topic, b"x", 1, 1, level=V311))
    assert old.closed, "MQTT 3 can't be told"


def test_switched_off_it_is_refused(engine: Engine, watcher: Client) -> None:
    engine.limits.delayed_publish = False
    publisher = engine.connect("p")
    assert publisher.publish("$delayed/5/t", b"x", 2) == INVALID
    assert publisher.publish("$delayedx/5/t", b"x", 1) != INVALID, "only this very prefix"
    tick_until(engine, 6)
    assert watcher.read() == []


def test_the_rules_are_about_the_topic_itself(engine: Engine) -> None:
    asked: list[tuple[str, int, bool]] = []

    def check(client: object, topic: str, qos: int, retain: bool) -> int:
        asked.append((topic, qos, retain))
        return DENY if topic == "secret" else ALLOW

    engine.hooks.register("message_publish_check_acl", check, "test")
    engine.limits.max_topic_levels = 2
    publisher = engine.connect("p")
    assert publisher.publish("$delayed/5/secret", b"x", 1) == 0x87
    assert publisher.publish("$delayed/5/open/2", b"x", 1, retain=True) == ACKNOWLEDGED
    assert publisher.publish("$delayed/5/open/2/3", b"x", 1) == INVALID
    assert asked == [("secret", 1, False), ("open/2", 1, True)]
    assert [operation.message.topic for operation in engine.broker.state.delayed.values()] == ["open/2"]


def test_a_topic_alias_stands_for_the_whole_name(engine: Engine, watcher: Client) -> None:
    publisher = engine.connect("p")
    alias = [(wire.TOPIC_ALIAS, 1)]
    publisher.publish("$delayed/1/t", b"1", 1, properties=alias)
    publisher.publish("", b"2", 1, properties=alias)
    assert watcher.read() == []
    tick_until(engine, 1.2)
    assert watcher.payloads() == [b"1", b"2"]


async def test_a_hook_that_waits(engine: Engine, watcher: Client) -> None:
    async def check(client: object, topic: str, qos: int, retain: bool) -> int:
        return ALLOW if topic == "t" else DENY

    async with trio.open_nursery() as nursery:
        engine.start(nursery.start_soon)
        engine.hooks.register("message_publish_check_acl", check, "test")
        publisher = engine.connect("p")
        alias = [(wire.TOPIC_ALIAS, 1)]
        publisher.send(
            wire.publish("$delayed/1/t", b"1", 1, 1, properties=alias), wire.publish("", b"2", 1, 2, properties=alias)
        )
        await trio.testing.wait_all_tasks_blocked()
        assert [packet.code for packet in publisher.read() if isinstance(packet, Puback)] == [0, 0]
        nursery.cancel_scope.cancel()
    tick_until(engine, 1.2)
    assert watcher.payloads() == [b"1", b"2"], "the alias was not changed by the second look at the packet"


def test_properties_and_the_retain_flag_are_kept(engine: Engine, watcher: Client) -> None:
    watcher.subscribe(("#", 1))
    publisher = engine.connect("p")
    properties: wire.Properties = [(wire.USER_PROPERTY, ("k", "v")), (wire.CONTENT_TYPE, "text")]
    publisher.publish("$delayed/2/t", b"kept", 1, retain=True, properties=properties)
    assert engine.broker.ctx.retained.get("t") is None
    tick_until(engine, 2.2)
    (message,) = watcher.receive_all()
    assert message.properties == properties
    assert engine.connect("late").subscribe(("t", 1)) == [1]
    retained = engine.broker.ctx.retained.get("t")
    assert retained is not None and retained.payload == b"kept"
    publisher.publish("$delayed/2/t", b"", 1, retain=True)
    tick_until(engine, 2.2)
    assert engine.broker.ctx.retained.get("t") is None, "an empty one removes it, when it is due"


def test_expiry_counts_from_when_it_is_due(engine: Engine, watcher: Client) -> None:
    publisher = engine.connect("p")
    publisher.publish("$delayed/100/t", b"x", 1, properties=[(wire.MESSAGE_EXPIRY, 10)])
    tick_until(engine, 100.2)
    (message,) = watcher.read()
    assert isinstance(message, Publish) and dict(message.properties)[wire.MESSAGE_EXPIRY] == 10


def test_one_that_expired_while_the_node_was_away_is_dropped(engine: Engine, watcher: Client) -> None:
    publisher = engine.connect("p")
    publisher.publish("$delayed/100/t", b"gone", 1, properties=[(wire.MESSAGE_EXPIRY, 10)])
    publisher.publish("$delayed/100/t", b"late", 1)
    engine.advance(111)
    assert watcher.payloads() == [b"late"]
    assert engine.counters.dropped_expired == engine.counters.messages_dropped == 1
    assert not engine.broker.state.delayed


def test_no_local_still_holds(engine: Engine) -> None:
    client = engine.connect("c")
    client.send(wire.subscribe(1, [("t", 0x05)]))
    client.read()
    client.publish("$delayed/1/t", b"mine", 1)
    engine.connect("other").publish("$delayed/1/t", b"theirs", 0)
    tick_until(engine, 1.2)
    assert client.payloads() == [b"theirs"]


def test_hooks_hear_of_it_when_it_comes(engine: Engine, watcher: Client) -> None:
    topics: list[str] = []

    def publish(client: object, message: Message) -> Message | None:
        topics.append(message.topic)
        return None if message.payload == b"drop" else message

    engine.hooks.register("message_publish", publish, "test")
    publisher = engine.connect("p")
    publisher.publish("$delayed/1/t", b"drop", 2)
    publisher.publish("$delayed/1/t", b"keep", 2)
    assert topics == ["t", "t"]
    tick_until(engine, 1.2)
    assert topics == ["t", "t"]
    assert watcher.payloads() == [b"keep"]


@pytest.mark.parametrize(("count", "size"), [(2, 0), (0, 150)])
def test_there_is_room_for_so_many(count: int, size: int) -> None:
    engine = limited(count, size)
    publisher = engine.connect("p")
    body = bytes(70)
    for qos in (1, 2):
        assert publisher.publish("$delayed/5/t", body, qos) == ACKNOWLEDGED
    for qos in (1, 2):
        assert publisher.publish("$delayed/5/t", body, qos) == FULL
    publisher.publish("$delayed/5/t", body, 0)
    assert engine.counters.dropped_delayed_full == engine.counters.messages_dropped == 3
    assert engine.counters.client_publish_error == 3
    old = engine.connect("old", V311)
    old.send(wire.publish("$delayed/5/t", body, 0, level=V311))
    assert not old.closed
    old.send(wire.publish("$delayed/5/t", body, 1, 1, level=V311))
    assert old.closed, "a PUBACK would be a lie"
    tick_until(engine, 5.2)
    assert publisher.publish("$delayed/5/t", body, 1) == ACKNOWLEDGED
    assert len(engine.broker.delayed) == 1


def test_over_the_limit_it_can_be_published_at_once() -> None:
    engine = limited(1, immediate=True)
    watcher = engine.connect("watcher")
    watcher.subscribe(("#", 0))
    publisher = engine.connect("p")
    for qos in (0, 1, 2):
        assert publisher.publish("$delayed/5/t", b"%d" % qos, qos) == ACKNOWLEDGED
    assert watcher.payloads() == [b"1", b"2"]
    tick_until(engine, 5.2)
    assert watcher.payloads() == [b"0"]
    assert engine.counters.messages_dropped == 0


@pytest.mark.parametrize("level", [V311, V5])
def test_a_duplicate_of_qos_2_is_kept_once(engine: Engine, watcher: Client, level: int) -> None:
    publisher = engine.connect("p", level, expiry=100 if level == V5 else None, clean=level == V5)
    frame = wire.publish("$delayed/1/t", b"x", 2, 7, level=level)
    publisher.send(frame, frame)
    assert [packet.packet_id for packet in publisher.read() if isinstance(packet, Pubrec)] == [7, 7]
    assert len(engine.broker.state.delayed) == 1
    tick_until(engine, 1.2)
    assert watcher.payloads() == [b"x"]


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_the_answer_waits_until_it_is_kept(engine: Engine, qos: int) -> None:
    watcher = engine.connect("watcher")
    watcher.subscribe(("#", 0))
    later = LaterPort(engine.broker.state)
    engine.broker.cluster = later
    publisher = engine.connect("p")
    publisher.send(wire.publish("$delayed/1/t", b"x", qos, 1 if qos else 0), wire.pingreq())
    assert publisher.read() == []
    engine.advance(5)
    assert watcher.read() == [], "due, and not kept yet"
    later.apply()
    engine.turn()
    kinds = [type(packet) for packet in publisher.read()]
    assert kinds == {0: [Pingresp], 1: [Puback, Pingresp], 2: [Pubrec, Pingresp]}[qos]
    engine.advance(0.1)
    assert watcher.payloads() == [b"x"]


def test_publishing_and_removing_go_together(engine: Engine) -> None:
    later = LaterPort(engine.broker.state)
    engine.connect("k", expiry=100).subscribe(("t", 1))
    engine.broker.cluster = later
    publisher = engine.connect("p")
    publisher.send(wire.publish("$delayed/1/t", b"x", 1, 1, True))
    later.apply()
    engine.advance(2)
    kinds = [type(operation) for operation, _ in later.proposed]
    assert kinds == [StoreMessage, RemoveDelayed]
    later.apply()
    assert not engine.broker.state.delayed


def test_what_a_persistent_publisher_s_qos_2_keeps_with_it(engine: Engine) -> None:
    later = LaterPort(engine.broker.state)
    publisher = engine.connect("p", expiry=100)
    engine.broker.cluster = later
    publisher.send(wire.publish("$delayed/1/t", b"x", 2, 7))
    ((operation, receipt),) = later.proposed
    assert isinstance(operation, DelayMessage) and receipt is not None
    assert (operation.publisher, operation.packet_id) == ("p", 7)
    later.apply()
    assert engine.session("p").has_inbound_qos2(7)


def test_nothing_is_published_while_the_disk_fails(engine: Engine, watcher: Client) -> None:
    publisher = engine.connect("p")
    publisher.publish("$delayed/1/t", b"x", 1)
    engine.broker.ctx.storage = STORAGE_FAILED
    assert publisher.publish("$delayed/1/t", b"y", 1) == FULL
    publisher.publish("$delayed/1/t", b"z", 0)
    assert engine.counters.dropped_storage_failed == engine.counters.messages_dropped == 2
    tick_until(engine, 5)
    assert watcher.read() == []
    engine.broker.ctx.storage = STORAGE_READY
    tick_until(engine, 1.2)
    assert watcher.payloads() == [b"x"]


def test_publishers_are_held_while_nothing_can_be_written(engine: Engine, watcher: Client) -> None:
    publisher = engine.connect("p")
    engine.broker.ctx.storage = STORAGE_HELD
    publisher.send(wire.publish("$delayed/1/t", b"x", 1, 1))
    assert publisher.channel.paused and not engine.broker.state.delayed
    engine.broker.ctx.storage = STORAGE_READY
    engine.broker.storage_waits.go_on()
    engine.turn()
    assert publisher.take(Puback).code == 0
    tick_until(engine, 1.2)
    assert watcher.payloads() == [b"x"]


def test_a_bug_in_publishing_one_doesn_t_hold_up_the_others(
    engine: Engine, watcher: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    route = engine.broker.publish

    def publish(message: Message) -> int:
        if message.payload == b"bad":
            raise RuntimeError("a bug")
        return route(message)

    monkeypatch.setattr(engine.broker, "publish", publish)
    publisher = engine.connect("p")
    for payload in (b"bad", b"good"):
        publisher.publish("$delayed/1/t", payload, 1)
    engine.expected_bugs = 1
    tick_until(engine, 1.2)
    assert watcher.payloads() == [b"good"]
    assert not engine.broker.state.delayed


def test_after_a_restart_they_go_on(engine: Engine) -> None:
    publisher = engine.connect("p")
    publisher.send(*(wire.publish(f"$delayed/{d}/t", b"%d-%d" % (d, n)) for d in (1, 50) for n in range(20)))
    again = limited(count=41)
    again.broker.state.events = StateEvents()
    # A snapshot writes them in another order.
    for operation in reversed(engine.broker.state.delayed.values()):
        again.broker.state.apply(decode_operation(encode_operation(operation)))
    again.time += 10
    restore(again.broker)
    watcher = again.connect("watcher")
    watcher.subscribe(("#", 0))
    again.advance(0.1)
    assert watcher.payloads() == [b"1-%d" % n for n in range(20)], "due in between"
    assert len(again.broker.delayed) == 20
    again.connect("p").publish("$delayed/1/t", b"new", 1)
    assert len(again.broker.state.delayed) == 21, "its key is its own"
    tick_until(again, 41)
    assert watcher.payloads() == [b"new", *(b"50-%d" % n for n in range(20))]
