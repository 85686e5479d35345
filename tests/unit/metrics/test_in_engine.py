"""Figures of a working engine: gauges that catch their peaks, rates, and drops that add up."""

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from rmq.hooks.verdicts import ALLOW, DENY, AuthRequest, AuthResult
from rmq.metrics.counters import Counters
from rmq.metrics.keys import stats_snapshot
from rmq.mqtt.message import Message
from rmq.session.client_info import ClientInfo
from tests.support import wire
from tests.support.engine import Engine


def test_a_peak_between_two_looks_is_not_missed() -> None:
    engine = Engine()
    clients = [engine.connect(f"c{number}") for number in range(5)]
    clients[0].subscribe(("a", 0), ("b", 0), ("$share/g/c", 0))
    engine.advance(0.1)
    for client in clients:
        client.disconnect()
    engine.advance(0.1)
    stats = stats_snapshot(engine.broker.refresh_stats())
    assert (stats["connections.count"], stats["connections.max"]) == (0, 5)
    assert (stats["subscriptions.count"], stats["subscriptions.max"]) == (0, 3)
    assert (stats["subscriptions_shared.count"], stats["subscriptions_shared.max"]) == (0, 1)


def test_handshakes_a_second() -> None:
    engine = Engine()
    engine.advance(0.0)
    for _ in range(20):
        engine.connect("c")
    engine.advance(2.0)
    rate = engine.broker.stats.handshakes_rate
    assert rate.count == 10
    for _ in range(10):
        engine.advance(1.0)
    assert (rate.count, rate.max) == (0, 10)


async def test_a_connect_that_waits_for_a_hook_is_an_active_handshake(autojump_clock: MockClock) -> None:
    engine = Engine()
    allowed = trio.Event()

    async def authenticate(request: AuthRequest) -> AuthResult:
        await allowed.wait()
        return AuthResult(ALLOW)

    engine.hooks.register("client_authenticate", authenticate, "p")
    active = engine.broker.stats.handshakes_active
    async with trio.open_nursery() as nursery:
        engine.start(nursery.start_soon)
        for number in range(3):
            engine.open().send(wire.connect(f"c{number}"))
        await wait_all_tasks_blocked()
        assert (active.count, len(engine.broker.registry)) == (3, 0)
        allowed.set()
        await wait_all_tasks_blocked()
    assert (active.count, active.max, len(engine.broker.registry)) == (0, 3, 3)


def reasons(counters: Counters) -> dict[str, int]:
    """How many messages were dropped for each reason there was."""
    counts = {name: getattr(counters, name) for name in dir(Counters) if name.startswith("dropped_")}
    return {name.removeprefix("dropped_"): count for name, count in counts.items() if count}


def test_every_drop_has_a_reason_and_the_reasons_add_up() -> None:
    engine = Engine()

    def may_publish(client: ClientInfo, topic: str, qos: int, retain: bool) -> int:
        return DENY if topic == "denied" else ALLOW

    def keep(client: ClientInfo | None, message: Message) -> Message | None:
        return None if message.topic == "hooked" else message

    engine.hooks.register("message_publish_check_acl", may_publish, "p")
    engine.hooks.register("message_publish", keep, "p")
    engine.limits.max_mqueue_len = 1
    away = engine.connect("away", expiry=100)
    away.subscribe(("kept", 1))
    away.subscribe(("kept0", 0))
    away.disconnect()
    small = engine.connect("small", properties=[(wire.MAXIMUM_PACKET_SIZE, 50)])
    small.subscribe(("big", 0))
    publisher = engine.connect("publisher")
    publisher.publish("denied", b"", 1)
    publisher.publish("hooked", b"")
    publisher.publish("kept0", b"")
    publisher.publish("big", b"x" * 100)
    for _ in range(3):
        publisher.publish("kept", b"", 1)
    assert reasons(engine.counters) == {
        "publish_denied": 1,
        "hook": 1,
        "offline_qos0": 1,
        "too_large": 1,
        "queue_full": 2,
    }
    assert engine.counters.messages_dropped == 6
