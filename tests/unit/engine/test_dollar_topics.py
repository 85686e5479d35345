"""Topic names that begin with `$`: the broker's own are nobody else's, others are free and unseen by wildcards."""

from __future__ import annotations

import pytest

from rmq.hooks.verdicts import ALLOW, DENY, DENY_AND_DISCONNECT
from tests.support import wire
from tests.support.engine import Engine
from tests.support.packet_notation import V5, V311


@pytest.fixture(autouse=True)
def _switched_on(engine: Engine) -> None:
    engine.limits.delayed_publish = True


@pytest.mark.parametrize("topic", ["$SYS", "$SYS/a", "$SYS/brokers/1/stats", "$delayed/1/$SYS/a", "$delayed/1/$SYS"])
@pytest.mark.parametrize("level", [V311, V5])
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_nobody_publishes_to_sys(engine: Engine, topic: str, level: int, qos: int) -> None:
    watcher = engine.connect("watcher")
    watcher.subscribe(("$SYS/#", 0), ("#", 0))
    publisher = engine.connect("p", level)
    answer = publisher.publish(topic, b"x", qos, retain=True)
    assert answer == (0x87 if level == V5 and qos else 0)
    engine.advance(1.2)
    assert watcher.read() == [] and not publisher.closed
    assert engine.broker.ctx.retained.count == 0
    assert engine.counters.dropped_publish_denied == engine.counters.client_publish_auth_error == 1


@pytest.mark.parametrize("topic", ["$SYSTEM/a", "a/$SYS", "$sys/a", "$other"])
def test_other_topics_with_a_dollar_are_free(engine: Engine, topic: str) -> None:
    watcher = engine.connect("watcher")
    watcher.subscribe((topic, 0))
    engine.connect("p").publish(topic, b"x", 1)
    assert watcher.payloads() == [b"x"]


@pytest.mark.parametrize(("verdict", "closed"), [(ALLOW, False), (DENY, False), (DENY_AND_DISCONNECT, True)])
def test_rules_can_t_allow_it_but_say_what_becomes_of_who_tries(engine: Engine, verdict: int, closed: bool) -> None:
    engine.hooks.register("message_publish_check_acl", lambda client, topic, qos, retain: verdict, "test")
    client = engine.connect("p")
    client.send(wire.publish("$SYS/a", b"x", 1, 1))
    assert client.closed is closed
    assert engine.counters.messages_publish == 0


def test_wildcards_don_t_see_topics_with_a_dollar(engine: Engine) -> None:
    watcher = engine.connect("watcher")
    watcher.subscribe(("#", 0), ("+/a", 0), ("+", 0))
    publisher = engine.connect("p")
    for topic in ("$other/a", "$other"):
        publisher.publish(topic, b"x", 1)
    assert watcher.read() == []  # [MQTT-4.7.2-1]


@pytest.mark.parametrize(
    ("level", "topic", "code"),
    [(V5, "$SYS/a", 0x87), (V311, "$SYS/a", 5), (V5, "$delayed/5/t", 0x90)],
)
def test_wills_are_no_way_around_it(engine: Engine, level: int, topic: str, code: int) -> None:
    client = engine.connect("c", level, will=wire.Will(topic, b"x"), code=code)
    assert client.closed
