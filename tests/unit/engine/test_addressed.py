"""Messages for one client alone: access, order of what is kept and acknowledged, storage that has no room."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from rmq.flow.context import STORAGE_FAILED, STORAGE_HELD, STORAGE_READY
from rmq.hooks.verdicts import ALLOW, DENY, DENY_AND_DISCONNECT, DENY_ONCE
from rmq.mqtt.message import AddressedMessage, Message
from rmq.session.client_info import ClientInfo
from tests.support import wire
from tests.support.engine import Client, Engine
from tests.support.wire_parser import Disconnect, Pingresp, Puback, Publish, Pubrec
from tests.unit.engine.deferred import Deferred
from tests.unit.engine.deferred import port as port


def address(engine: Engine) -> None:
    """``to/<client id>/<topic>`` is for that client."""

    def handler(client: ClientInfo | None, message: Message) -> Message:
        if not message.topic.startswith("to/"):
            return message
        _, client_id, topic = message.topic.split("/", 2)
        return AddressedMessage(message, topic, client_id)

    engine.hooks.register("message_publish", handler, "test")


@pytest.fixture
async def running(engine: Engine, nursery: trio.Nursery) -> AsyncIterator[Engine]:
    """The engine with a nursery for what waits."""
    engine.start(nursery.start_soon)
    address(engine)
    yield engine
    nursery.cancel_scope.cancel()


async def test_an_asynchronous_handler_is_asked_about_both_topics_and_order_stays(running: Engine) -> None:
    asked: list[str] = []

    async def check(client: ClientInfo, topic: str, qos: int, retain: bool) -> int:
        asked.append(topic)
        await trio.lowlevel.checkpoint()
        return DENY if topic in ("no", "to/dev/never") else ALLOW

    running.hooks.register("message_publish_check_acl", check, "test")
    dev, publisher = running.connect("dev"), running.connect("p")
    publisher.send(
        wire.publish("to/dev/a", b"1", 1, 1),
        wire.publish("to/dev/no", b"2", 1, 2),
        wire.publish("to/dev/never", b"3", 1, 3),
        wire.publish("to/dev/a", b"4", 1, 4),
        wire.pingreq(),
    )
    await wait_all_tasks_blocked()
    answers = publisher.read()
    assert [(p.packet_id, p.code) for p in answers if isinstance(p, Puback)] == [(1, 0), (2, 0x87), (3, 0x87), (4, 0)]
    assert isinstance(answers[-1], Pingresp)
    assert dev.payloads() == [b"1", b"4"]
    assert asked == ["to/dev/a", "a", "to/dev/no", "no", "to/dev/never"], "verdicts are remembered"


@pytest.mark.parametrize("waits", [False, True])
async def test_denials_are_what_they_are_for_any_topic(running: Engine, waits: bool) -> None:
    verdict = DENY_ONCE
    asked = 0

    def check(client: ClientInfo, topic: str, qos: int, retain: bool) -> int:
        nonlocal asked
        asked += topic == "t"
        return verdict if topic == "t" else ALLOW

    async def check_later(client: ClientInfo, topic: str, qos: int, retain: bool) -> int:
        return check(client, topic, qos, retain)

    running.hooks.register("message_publish_check_acl", check_later if waits else check, "test")
    dev, publisher = running.connect("dev"), running.connect("p")
    for number in (1, 2):
        publisher.send(wire.publish("to/dev/t", b"x", 1, number))
        await wait_all_tasks_blocked()
        assert publisher.take(Puback).code == 0x87
    assert asked == 2, "nobody remembers this one"
    verdict = DENY_AND_DISCONNECT
    publisher.send(wire.publish("to/dev/t", b"x", 1, 3))
    await wait_all_tasks_blocked()
    assert publisher.take(Disconnect).code == 0x87
    assert dev.read() == []


async def test_asynchronous_filters_may_address_too(engine: Engine, nursery: trio.Nursery) -> None:
    engine.start(nursery.start_soon)

    async def handler(client: ClientInfo | None, message: Message) -> Message:
        await trio.lowlevel.checkpoint()
        return AddressedMessage(message, "t", "dev")

    engine.hooks.register("message_publish", handler, "test")
    dev, other, publisher = engine.connect("dev"), engine.connect("other"), engine.connect("p")
    other.subscribe(("#", 1))
    publisher.send(wire.publish("x", b"x", 1, 1))
    await wait_all_tasks_blocked()
    assert publisher.take(Puback).code == 0
    assert dev.payloads() == [b"x"] and other.read() == []
    nursery.cancel_scope.cancel()


def kept(engine: Engine, port: Deferred, client_id: str) -> Client:
    client = engine.open()
    client.send(wire.connect(client_id, clean=False, properties=[(0x11, 1000)]))
    port.settle()
    client.read()
    return client


def test_it_is_acknowledged_when_it_is_kept_and_survives(engine: Engine, port: Deferred) -> None:
    address(engine)
    kept(engine, port, "dev").lose()
    publisher = kept(engine, port, "p")
    publisher.send(wire.publish("to/dev/t", b"1", 1, 1), wire.publish("to/dev/t", b"2", 2, 2))
    assert publisher.read() == []
    publisher.send(wire.publish("to/dev/t", b"2", 2, 2, dup=True))
    port.settle()
    answers = publisher.read()
    assert [type(answer) for answer in answers] == [Puback, Pubrec]
    publisher.send(wire.publish("to/dev/t", b"2", 2, 2, dup=True))
    assert [type(answer) for answer in publisher.read()] == [Pubrec]
    again = port.crash()
    dev = kept(again.engine, again, "dev")
    again.settle()
    dev = again.engine.open()
    dev.send(wire.connect("dev", clean=False, properties=[(0x11, 1000)]))
    again.settle()
    assert [p.payload for p in dev.read() if isinstance(p, Publish)] == [b"1", b"2"]


def test_what_needs_storage_waits_for_it_and_the_rest_goes_on(engine: Engine) -> None:
    address(engine)
    keeps = engine.connect("keeps", clean=False, expiry=1000)
    passing, publisher = engine.connect("passing"), engine.connect("p")
    engine.broker.ctx.storage = STORAGE_HELD
    publisher.send(wire.publish("to/passing/t", b"1", 1, 1), wire.publish("to/keeps/t", b"2", 0))
    assert publisher.take(Puback).code == 0
    assert passing.payloads() == [b"1"] and keeps.payloads() == [b"2"]
    publisher.send(wire.publish("to/keeps/t", b"3", 1, 2))
    assert publisher.read() == []
    engine.broker.ctx.storage = STORAGE_READY
    engine.broker.storage_waits.go_on()
    engine.turn()
    assert publisher.take(Puback).code == 0
    assert keeps.payloads() == [b"3"]
    engine.broker.ctx.storage = STORAGE_FAILED
    publisher.send(wire.publish("to/keeps/t", b"4", 1, 3))
    assert publisher.take(Puback).code == 0x97
    assert engine.broker.counters.dropped_storage_failed == 1


def test_who_observes_all_messages_isnt_told(engine: Engine) -> None:
    """rmq-message-storage would give it to whoever subscribes to its topic later."""
    address(engine)
    told: list[str] = []
    engine.broker.observe(lambda message: told.append(message.topic))
    dev, publisher = engine.connect("dev"), engine.connect("p")
    for number, topic in enumerate(("to/dev/t", "seen", "to/nobody/t"), 1):
        publisher.send(wire.publish(topic, b"x", 1, number))
    assert dev.payloads() == [b"x"]
    assert told == ["seen"]


def test_figures(engine: Engine) -> None:
    address(engine)
    engine.connect("dev")
    engine.connect("kept", clean=False, expiry=1000).lose()
    publisher = engine.connect("p")
    for client_id in ("dev", "kept", "nobody"):
        publisher.send(wire.publish(f"to/{client_id}/t", b"x", 0))
    counters = engine.broker.counters
    assert counters.messages_publish == counters.messages_publish_custom == 3
    assert counters.messages_nonsubscribed == counters.messages_nonsubscribed_custom == 1
    assert counters.dropped_offline_qos0 == counters.messages_dropped == 1
    assert counters.messages_delivered == 1
