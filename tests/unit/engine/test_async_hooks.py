"""Handlers that wait: only their own connection waits with them, and its packets stay in order."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from rmq.hooks.verdicts import ALLOW, DENY, UNDECIDED, AuthRequest, AuthResult
from rmq.mqtt.message import Message
from rmq.mqtt.packets import Connect, SubscriptionRequest
from rmq.session.client_info import ClientInfo
from tests.support import wire
from tests.support.engine import Client, Engine
from tests.support.packet_notation import V311
from tests.support.wire import Will
from tests.support.wire_parser import Connack, Disconnect, Pingresp, Puback, Publish, Suback, Unsuback


@pytest.fixture
async def running(engine: Engine, nursery: trio.Nursery) -> AsyncIterator[Engine]:
    """The engine with a nursery for what waits."""
    engine.start(nursery.start_soon)
    yield engine
    nursery.cancel_scope.cancel()


class Gate:
    """An access check that waits until the test says what it answers."""

    def __init__(self, engine: Engine, answer: int = ALLOW, only: str = "") -> None:
        self.asked: list[str] = []
        self.event = trio.Event()
        self._answer = answer
        self._only = only
        engine.hooks.register("message_publish_check_acl", self.check, "gate")

    async def check(self, client: ClientInfo, topic: str, qos: int, retain: bool) -> int:
        self.asked.append(topic)
        if not self._only or client.client_id == self._only:
            await self.event.wait()
        return self._answer

    async def open(self) -> None:
        self.event.set()
        await wait_all_tasks_blocked()


def watching(engine: Engine) -> Client:
    client = engine.connect("watcher")
    client.subscribe(("#", 0))
    return client


async def test_packets_behind_one_that_waits_are_handled_after_it(running: Engine) -> None:
    gate = Gate(running)
    watcher, client = watching(running), running.connect("a")
    client.send(
        wire.publish("t", b"1", 1, 1),
        wire.publish("t", b"2", 1, 2),
        wire.pingreq(),
        wire.subscribe(3, [("none", 0)]),
        wire.publish("t", b"3", 0),
    )
    client.send(wire.publish("t", b"4", 1, 4), wire.pingreq())  # not even read yet
    await wait_all_tasks_blocked()
    assert client.read() == [] and watcher.read() == []
    await gate.open()
    await wait_all_tasks_blocked()
    kinds = [type(packet) for packet in client.read()]
    assert kinds == [Puback, Puback, Pingresp, Suback, Puback, Pingresp]
    assert [getattr(p, "payload", None) for p in watcher.read()] == [b"1", b"2", b"3", b"4"]
    assert gate.asked == ["t", "t"], "one question for QoS 1 and one for QoS 0; the answers are kept"


async def test_other_connections_go_on_meanwhile(running: Engine) -> None:
    gate = Gate(running, only="slow")
    watcher, slow, quick = watching(running), running.connect("slow"), running.connect("quick")
    slow.send(wire.publish("t", b"slow", 1, 1))
    await wait_all_tasks_blocked()
    quick.send(wire.publish("t", b"quick", 1, 1), wire.pingreq())
    await wait_all_tasks_blocked()
    assert [type(packet) for packet in quick.read()] == [Puback, Pingresp]
    assert [getattr(p, "payload", None) for p in watcher.read()] == [b"quick"]
    assert slow.read() == []
    await gate.open()
    assert slow.take(Puback).packet_id == 1


async def test_messages_still_go_to_a_connection_that_waits(running: Engine) -> None:
    Gate(running, only="slow")
    slow, quick = running.connect("slow"), running.connect("quick")
    slow.subscribe(("news", 1))
    slow.send(wire.publish("t"))
    quick.send(wire.publish("news", b"x", 1, 1))
    await wait_all_tasks_blocked()
    assert slow.take(Publish).payload == b"x"


@pytest.mark.parametrize("answer", [ALLOW, DENY, UNDECIDED])
@pytest.mark.parametrize("qos", [1, 2])
async def test_a_late_verdict_counts_as_much_as_one_in_place(running: Engine, answer: int, qos: int) -> None:
    gate = Gate(running, answer)
    watcher, client = watching(running), running.connect("a")
    client.send(wire.publish("t", b"x", qos, 1), wire.publish("t", b"y", qos, 2))
    await wait_all_tasks_blocked()
    await gate.open()
    codes = [getattr(packet, "code", None) for packet in client.read()]
    assert codes == ([0x87, 0x87] if answer == DENY else [0, 0])
    assert len(watcher.read()) == (0 if answer == DENY else 2)
    assert running.counters.client_publish_check_acl == 1


async def test_a_topic_alias_survives_the_wait(running: Engine) -> None:
    gate = Gate(running)
    watcher, client = watching(running), running.connect("a")
    alias = [(wire.TOPIC_ALIAS, 3)]
    client.send(wire.publish("t", b"1", properties=alias), wire.publish("", b"2", properties=alias))
    await wait_all_tasks_blocked()
    await gate.open()
    assert [(getattr(p, "topic", ""), getattr(p, "payload", b"")) for p in watcher.read()] == [
        ("t", b"1"),
        ("t", b"2"),
    ]


@pytest.mark.parametrize("end", ["lost", "taken over", "protocol error behind"])
async def test_a_client_that_is_gone_when_the_answer_comes(running: Engine, end: str) -> None:
    gate = Gate(running, only="a")
    watcher, client = watching(running), running.connect("a", expiry=100)
    client.send(wire.publish("t", b"late", 1, 1), wire.publish("t", b"behind", 1, 2))
    await wait_all_tasks_blocked()
    if end == "lost":
        client.lose()
    elif end == "taken over":
        running.connect("a", clean=False, expiry=100)
        assert client.sock.shut and not client.sock.closed
        client.sock.incoming.append(b"")  # the client closes as well: it is noticed though reading had stopped
        running.turn()
        assert client.sock.closed
    else:
        client.send(wire.connect("a"))
        assert not client.closed, "it isn't read before the answer"
    await gate.open()
    running.advance(0.1)
    published = [getattr(p, "payload", None) for p in watcher.read()]
    if end == "protocol error behind":
        assert published == [b"late", b"behind"]
        assert client.closed
    else:
        assert published == [], "it was never acknowledged, so the client sends it again"


async def test_a_client_lost_while_it_is_being_authenticated(running: Engine) -> None:
    decided = trio.Event()

    async def authenticate(request: AuthRequest) -> AuthResult:
        await decided.wait()
        return AuthResult(ALLOW)

    running.hooks.register("client_authenticate", authenticate, "test")
    client = running.open()
    client.send(wire.connect("a"))
    await wait_all_tasks_blocked()
    assert running.broker.stats.handshakes_active.count == 1
    client.lose()
    decided.set()
    await wait_all_tasks_blocked()
    assert not running.has_session("a")
    assert running.broker.stats.handshakes_active.count == 0
    assert running.counters.client_connected == running.counters.client_disconnected == 0


@pytest.mark.parametrize("point", ["client_connect", "client_authenticate"])
@pytest.mark.parametrize(
    ("result", "code"), [(None, 0), (AuthResult(ALLOW), 0), (AuthResult(DENY, reason_code=0x86), 0x86)]
)
async def test_authentication_that_waits(running: Engine, point: str, result: AuthResult | None, code: int) -> None:
    decided = trio.Event()

    async def authenticate(*args: object) -> AuthResult | None:
        await decided.wait()
        return result

    if point == "client_connect":

        async def connect(client: ClientInfo, packet: Connect) -> AuthResult | None:
            return await authenticate()

        running.hooks.register(point, connect, "test")
    else:

        async def check(request: AuthRequest) -> AuthResult | None:
            return await authenticate()

        running.hooks.register(point, check, "test")
    client = running.open()
    client.send(wire.connect("a"), wire.subscribe(1, [("t", 0)]))  # [MQTT-3.1.4-6]: it needn't wait for the CONNACK
    await wait_all_tasks_blocked()
    assert client.read() == []
    decided.set()
    await wait_all_tasks_blocked()
    packets = client.read()
    assert isinstance(packets[0], Connack) and packets[0].code == code
    assert [type(packet) for packet in packets[1:]] == ([] if code else [Suback])


async def test_every_point_that_may_wait_at_once(running: Engine) -> None:
    steps: list[str] = []

    async def connect(client: ClientInfo, packet: Connect) -> None:
        steps.append("connect")
        await trio.lowlevel.checkpoint()

    async def authenticate(request: AuthRequest) -> None:
        steps.append("authenticate")
        await trio.lowlevel.checkpoint()

    async def acl(client: ClientInfo, topic: str, qos: int, retain: bool) -> int:
        steps.append(f"publish {topic}?")
        await trio.lowlevel.checkpoint()
        return UNDECIDED

    async def subscribe_acl(client: ClientInfo, topic_filter: str, qos: int) -> int:
        steps.append(f"subscribe {topic_filter}?")
        await trio.lowlevel.checkpoint()
        return DENY if topic_filter == "no" else UNDECIDED

    async def subscribe(client: ClientInfo, request: SubscriptionRequest) -> SubscriptionRequest | None:
        await trio.lowlevel.checkpoint()
        return None if request.topic_filter == "never" else request

    async def unsubscribe(client: ClientInfo, topic_filter: str) -> str | None:
        await trio.lowlevel.checkpoint()
        return topic_filter

    async def publish(client: ClientInfo | None, message: Message) -> Message | None:
        await trio.lowlevel.checkpoint()
        steps.append(f"message {message.payload.decode()}")
        return None if message.payload == b"drop" else message

    for point, handler in (
        ("client_connect", connect),
        ("client_authenticate", authenticate),
        ("message_publish_check_acl", acl),
        ("client_subscribe_check_acl", subscribe_acl),
        ("client_subscribe", subscribe),
        ("client_unsubscribe", unsubscribe),
        ("message_publish", publish),
    ):
        running.hooks.register(point, handler, "test")
    client = running.open()
    client.send(
        wire.connect("a", will=Will("will/a")),
        wire.subscribe(1, [("t", 1), ("no", 1), ("never", 1)]),
        wire.publish("t", b"x", 1, 2),
        wire.publish("t", b"drop", 1, 3),
        wire.unsubscribe(4, ["t", "no"]),
        wire.publish("t", b"y", 2, 5),
    )
    await wait_all_tasks_blocked()
    kinds = [type(packet).__name__ for packet in client.read()]
    assert kinds == ["Connack", "Suback", "Publish", "Puback", "Puback", "Unsuback", "Pubrec"]
    assert steps == [
        "connect",
        "authenticate",
        "publish will/a?",
        "subscribe t?",
        "subscribe no?",
        "publish t?",
        "message x",
        "message drop",
        "publish t?",
        "message y",
    ]
    client.lose()
    await wait_all_tasks_blocked()
    assert steps[-1] == "message gone", "the will goes through the hooks as well"
    assert running.counters.dropped_hook == 1


async def test_a_filter_is_refused_by_number_in_the_order_asked(running: Engine) -> None:
    async def check(client: ClientInfo, topic_filter: str, qos: int) -> int:
        await trio.lowlevel.checkpoint()
        return DENY if topic_filter == "no" else ALLOW

    running.hooks.register("client_subscribe_check_acl", check, "test")
    for level, refused in ((5, 0x87), (V311, 0x80)):
        client = running.connect("a", level)
        asked = [("no", 0), ("yes", 2), ("no", 1)]
        client.send(wire.subscribe(1, asked, level=level), wire.unsubscribe(2, ["yes"], level=level))
        await wait_all_tasks_blocked()
        suback, unsuback = client.read()
        assert isinstance(suback, Suback) and suback.codes == [refused, 2, refused]
        assert isinstance(unsuback, Unsuback)


async def test_a_handler_that_raises_denies_and_is_counted(running: Engine) -> None:
    async def check(client: ClientInfo, topic: str, qos: int, retain: bool) -> int:
        raise ZeroDivisionError

    running.hooks.register("message_publish_check_acl", check, "test")
    client = running.connect("a")
    client.send(wire.publish("t", b"x", 1, 1))
    await wait_all_tasks_blocked()
    assert client.take(Puback).code == 0x87
    assert running.counters.hook_errors == 1
    assert running.counters.internal_errors == 0


async def test_one_that_takes_too_long_denies_and_is_counted(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    engine = Engine(async_time_budget_s=2.0)
    engine.start(nursery.start_soon)
    gate = Gate(engine)
    client = engine.connect("a")
    client.send(wire.publish("t", b"x", 1, 1))
    await trio.sleep(1.9)
    assert client.read() == []
    await trio.sleep(0.2)
    assert client.take(Puback).code == 0x87
    assert engine.counters.hook_overruns == 1
    assert gate.asked == ["t"]


async def test_waiting_is_no_silence_of_the_client(running: Engine) -> None:
    # While a packet waits nothing is read: whatever the client sent to stay alive is still in its socket.
    gate = Gate(running)
    client = running.connect("a", keep_alive=2)
    client.send(wire.publish("t", b"x", 1, 1))
    client.send(wire.pingreq())
    await wait_all_tasks_blocked()
    for _ in range(40):
        running.advance(0.1)
    await gate.open()
    assert [type(packet) for packet in client.read()] == [Puback, Pingresp]
    for _ in range(35):
        running.advance(0.1)
    assert client.take(Disconnect).code == 0x8D, "afterwards the keep alive counts again"


async def test_a_handshake_that_waits_for_a_hook_has_its_time_too(running: Engine) -> None:
    decided = trio.Event()

    async def authenticate(request: AuthRequest) -> AuthResult:
        await decided.wait()
        return AuthResult(ALLOW)

    running.hooks.register("client_authenticate", authenticate, "test")
    running.limits.handshake_timeout_s = 3.0
    client = running.open()
    client.send(wire.connect("a"))
    await wait_all_tasks_blocked()
    running.advance(3.2)
    assert client.take(Connack).code == 0x89
    decided.set()
    await wait_all_tasks_blocked()
    assert client.read() == [] and client.closed
    assert not running.has_session("a")
