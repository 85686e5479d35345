"""Every reason for a drop is counted by its name, in the total, and told to the hooks."""

from __future__ import annotations

import pytest

from rmq.engine.delayed import DelayedMessages
from rmq.flow.context import STORAGE_FAILED
from rmq.hooks.verdicts import ALLOW, DENY, DENY_AND_DISCONNECT
from rmq.metrics.keys import METRICS
from rmq.mqtt.message import FROM_SYSTEM, Message
from rmq.session.limits import Limits
from tests.support import wire
from tests.support.engine import Engine
from tests.support.packet_notation import V5, V311

REASONS = [metric for metric in METRICS if metric.name.startswith("messages.dropped.")]
# A member of a share group is connected or persistent, so on a node alone there is always one.
UNREACHED = "messages.dropped.no_share_member"


def sum_of_reasons(engine: Engine) -> int:
    return sum(int(getattr(engine.counters, metric.attribute)) for metric in REASONS)


def test_every_reason_once_and_the_total_is_their_sum(engine: Engine) -> None:
    engine.limits.check_payload_format = True
    engine.hooks.register(
        "message_publish", lambda client, message: None if message.topic == "hook" else message, "test"
    )
    engine.hooks.register(
        "message_publish_check_acl", lambda client, topic, qos, retain: DENY if topic == "deny" else ALLOW, "test"
    )
    narrow = Limits("tcp.narrow")
    narrow.max_inflight, narrow.max_mqueue_len, narrow.out_buffer_limit = 1, 2, 100
    rated = Limits("tcp.rated")
    rated.mqueue_rate = 1
    small = engine.connect("small", properties=[(wire.MAXIMUM_PACKET_SIZE, 50)])
    small.subscribe(("large", 1))
    queue = engine.connect("queue", expiry=10, limits=narrow)
    queue.subscribe(("queue", 1))
    slow = engine.connect("slow", limits=narrow)
    slow.subscribe(("slow", 0))
    slow.take_nothing()
    rate = engine.connect("rate", limits=rated)
    rate.subscribe(("rate", 0))
    share = engine.connect("share", expiry=10)
    share.subscribe(("$share/g/share", 1))
    publisher = engine.connect("p")

    publisher.publish("large", bytes(100), 1)
    assert engine.counters.dropped_too_large == 1
    for _ in range(4):
        publisher.publish("queue", b"x", 1)
    assert engine.counters.dropped_queue_full == 1
    (first,) = queue.read()
    queue.send(wire.puback(getattr(first, "packet_id", 0), 0x80))
    assert engine.counters.dropped_rejected == 1
    publisher.publish("queue", b"x", 1, properties=[(wire.MESSAGE_EXPIRY, 1)])
    engine.advance(2)
    queue.receive_all()
    assert engine.counters.dropped_expired == 1
    for _ in range(2):
        publisher.publish("slow", bytes(100))
    assert engine.counters.dropped_out_buffer_full == 1
    for _ in range(2):
        publisher.publish("rate")
    assert engine.counters.dropped_rate == 1
    publisher.publish("hook")
    assert engine.counters.dropped_hook == 1
    publisher.publish("deny", b"x", 1)
    assert engine.counters.dropped_publish_denied == 1
    publisher.publish("queue", b"\xff", 1, properties=[(wire.PAYLOAD_FORMAT, 1)])
    assert engine.counters.dropped_publish_invalid == 1
    engine.limits.delayed_publish = True
    engine.broker.delayed = DelayedMessages(engine.broker, 1, 0, publish_at_once=False)
    for _ in range(2):
        publisher.publish("$delayed/1000/later")
    assert engine.counters.dropped_delayed_full == 1
    queue.lose()
    publisher.publish("queue", b"x", 0)
    assert engine.counters.dropped_offline_qos0 == 1
    publisher.publish("queue", b"x", 1)
    share.lose()
    engine.advance(11)
    assert engine.counters.dropped_session_ended == 1
    engine.broker.ctx.storage = STORAGE_FAILED
    publisher.publish("kept", b"x", 1, retain=True)
    assert engine.counters.dropped_storage_failed == 1
    assert engine.counters.messages_dropped == sum_of_reasons(engine) == 13
    assert {metric.name for metric in REASONS if getattr(engine.counters, metric.attribute) == 0} == {UNREACHED}


@pytest.mark.parametrize("level", [V311, V5])
@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("verdict", [DENY, DENY_AND_DISCONNECT])
def test_a_denied_publish_in_every_form(engine: Engine, level: int, qos: int, verdict: int) -> None:
    engine.hooks.register("message_publish_check_acl", lambda client, topic, qos, retain: verdict, "test")
    client = engine.connect("a", level)
    client.send(wire.publish("t", b"x", qos, 1 if qos else 0, level=level))
    assert engine.counters.dropped_publish_denied == engine.counters.messages_dropped == 1
    assert engine.counters.client_publish_auth_error == 1


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize(("level", "how"), [(V311, "topic"), (V5, "topic"), (V5, "payload")])
def test_a_publish_against_the_listeners_rules_in_every_form(engine: Engine, level: int, qos: int, how: str) -> None:
    engine.limits.max_topic_levels = 2
    engine.limits.check_payload_format = True
    client = engine.connect("a", level)
    topic, properties = ("a/b/c", []) if how == "topic" else ("a", [(wire.PAYLOAD_FORMAT, 1)])
    client.send(wire.publish(topic, b"\xff", qos, 1 if qos else 0, properties=properties, level=level))
    assert engine.counters.dropped_publish_invalid == engine.counters.messages_dropped == 1
    assert engine.counters.client_publish_error == 1
    assert engine.counters.client_publish_auth_error == 0


def test_the_hooks_are_told_of_every_drop(engine: Engine) -> None:
    told: list[str] = []
    engine.hooks.register("message_dropped", lambda client, message, reason: told.append(reason), "test")
    test_every_reason_once_and_the_total_is_their_sum(engine)
    assert len(told) == engine.counters.messages_dropped
    assert {f"messages.dropped.{reason}" for reason in told} == {metric.name for metric in REASONS} - {UNREACHED}


def test_a_handler_of_dropped_messages_may_publish_what_is_dropped(engine: Engine) -> None:
    away = engine.connect("away", expiry=100)
    away.subscribe(("report", 0))
    away.lose()
    told: list[str] = []

    def report(client: object, message: Message, reason: str) -> None:
        told.append(reason)
        assert len(told) < 10, "it calls itself"
        engine.broker.publish(Message("report", b"", 0, False, "", b"", 0.0, engine.time, FROM_SYSTEM))

    engine.hooks.register("message_dropped", report, "test")
    publisher = engine.connect("p")
    for count in (1, 2):
        publisher.publish("report")
        assert told == ["offline_qos0"] * count
        assert (engine.counters.hook_echoes, engine.counters.messages_dropped) == (count, 2 * count)
