"""What an administrator does to clients and messages: done when it is applied, and never half done in silence."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from rmq.flow.context import STORAGE_FAILED, STORAGE_HELD
from rmq.management.clients import ClientFacts
from rmq.management.errors import (
    BadQuery,
    ClientNotFound,
    ClientOffline,
    OutcomeUnknown,
    RetainedNotFound,
    StorageUnavailable,
)
from rmq.management.models import FilterOutcome, Published
from rmq.management.queries import ClientQuery
from rmq.management.requests import FilterRequest, PublishRequest
from rmq.mqtt import codes
from rmq.mqtt.message import Message
from rmq.session.client_info import ClientInfo
from rmq.session.subscription import Subscription
from tests.support import wire
from tests.support.engine import START
from tests.support.packet_notation import V311
from tests.support.wire import Will
from tests.support.wire_parser import Disconnect, Publish
from tests.unit.management.world import LatePort, World

# Publishing


async def test_a_message_reaches_who_is_subscribed(world: World) -> None:
    client = world.engine.connect("a")
    client.subscribe(("t/#", 1))
    old = world.engine.connect("b", V311)
    old.subscribe(("t/2", 0))
    request = PublishRequest(
        ("t/1", "t/2", "u"),
        b"hello",
        qos=2,
        message_expiry_interval=30,
        payload_format=1,
        content_type="text",
        response_topic="answer",
        correlation_data=b"\x01",
        user_properties=(("k", "1"), ("k", "2")),
    )
    assert await world.service.publish(request) == (Published("t/1", 1), Published("t/2", 2), Published("u", 0))
    first, second = client.receive_all()
    assert (first.topic, first.payload, first.qos, first.retain) == ("t/1", b"hello", 1, False)
    assert first.properties == [
        (wire.MESSAGE_EXPIRY, 30),
        (wire.PAYLOAD_FORMAT, 1),
        (wire.CONTENT_TYPE, "text"),
        (wire.RESPONSE_TOPIC, "answer"),
        (wire.CORRELATION_DATA, b"\x01"),
        (wire.USER_PROPERTY, ("k", "1")),
        (wire.USER_PROPERTY, ("k", "2")),
    ]
    assert second.topic == "t/2"
    assert old.payloads() == [b"hello"]
    counters = world.engine.counters
    assert (counters.messages_publish_admin, counters.messages_nonsubscribed_admin) == (3, 1)
    assert counters.messages_delivered_admin == 3


async def test_a_retained_message_stays(world: World) -> None:
    await world.service.publish(PublishRequest(("r",), b"kept", 1, retain=True, message_expiry_interval=10))
    found = await world.service.retained_message("r")
    assert (found.payload, found.origin, found.publisher, found.expires_at) == (b"kept", "admin", "", START + 10)
    world.engine.advance(11)
    with pytest.raises(RetainedNotFound):
        await world.service.retained_message("r")


async def test_no_local_is_about_the_client_in_whose_name_it_is_published(world: World) -> None:
    client = world.engine.connect("a")
    client.subscribe(("t", 0 | wire.NO_LOCAL))
    (own,) = await world.service.publish(PublishRequest(("t",), b"own", publisher="a"))
    (other,) = await world.service.publish(PublishRequest(("t",), b"other"))
    assert (own.matched, other.matched) == (0, 1)
    assert client.payloads() == [b"other"]


async def test_plugins_see_the_message_and_may_drop_or_change_it(world: World) -> None:
    client = world.engine.connect("a")
    client.subscribe(("#", 0))

    def keep(publisher: ClientInfo | None, message: Message) -> Message | None:
        assert publisher is None
        if message.topic == "drop":
            return None
        return Message("changed", message.payload, 0, False, "")

    world.engine.hooks.register("message_publish", keep, "p")
    assert await world.service.publish(PublishRequest(("drop", "keep"), b"m")) == (
        Published("drop", 0, dropped=True),
        Published("keep", 1),
    )
    (message,) = client.receive_all()
    assert message.topic == "changed"
    assert world.engine.counters.dropped_hook == 1


async def test_a_plugin_may_take_its_time(world: World) -> None:
    client = world.engine.connect("a")
    client.subscribe(("t", 0))
    go_on = trio.Event()

    async def wait(publisher: ClientInfo | None, message: Message) -> Message:
        await go_on.wait()
        return message

    world.engine.hooks.register("message_publish", wait, "p")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.service.publish, PublishRequest(("t",), b"m"))
        await wait_all_tasks_blocked()
        assert client.payloads() == []
        go_on.set()
    assert client.payloads() == [b"m"]


# Subscribing


async def test_a_client_is_subscribed_by_the_rules_of_its_listener(world: World) -> None:
    limits = world.engine.limits
    limits.max_qos_allowed = 1
    limits.max_topic_levels = 3
    limits.max_subscriptions = 3
    limits.shared_subscription_available = False
    client = world.engine.connect("a")
    wanted = ("one", "a/#/b", "1/2/3/4", "$share/g/t", "$share/g", "two", "one", "three", "four", "")
    outcomes = await world.service.subscribe("a", tuple(FilterRequest(name, 2) for name in wanted))
    assert [(outcome.topic_filter, outcome.reason_code) for outcome in outcomes] == [
        ("one", 1),
        ("a/#/b", codes.TOPIC_FILTER_INVALID),
        ("1/2/3/4", codes.TOPIC_FILTER_INVALID),
        ("$share/g/t", codes.SHARED_SUBSCRIPTIONS_NOT_SUPPORTED),
        ("$share/g", codes.TOPIC_FILTER_INVALID),
        ("two", 1),
        ("one", 1),
        ("three", 1),
        ("four", codes.QUOTA_EXCEEDED),
        ("", codes.TOPIC_FILTER_INVALID),
    ]
    assert outcomes[0] == FilterOutcome("one", 1, "granted") and not outcomes[0].refused
    assert outcomes[8].reason == "quota exceeded" and outcomes[8].refused
    limits.wildcard_subscription_available = False
    (refused,) = await world.service.subscribe("a", (FilterRequest("+"),))
    assert refused.reason_code == codes.WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED
    assert sorted(world.engine.session("a").subscriptions or ()) == ["one", "three", "two"]
    world.engine.connect("p").publish("one", b"m", 1)
    assert [message.payload for message in client.receive_all()] == [b"m"]


async def test_no_access_rule_is_asked(world: World) -> None:
    asked: list[str] = []

    def check(client: ClientInfo, topic_filter: str, qos: int) -> int:
        asked.append(topic_filter)
        return 0

    world.engine.hooks.register("client_subscribe_check_acl", check, "p")
    world.engine.connect("a")
    await world.service.subscribe("a", (FilterRequest("t"),))
    assert asked == []


async def test_the_options_of_a_subscription(world: World) -> None:
    world.engine.connect("a")
    await world.service.subscribe("a", (FilterRequest("t", 1, True, True, 2), FilterRequest("$share/g/t", 2)))
    first, second = await world.service.client_subscriptions("a")
    assert (first.qos, first.no_local, first.retain_as_published, first.retain_handling) == (1, True, True, 2)
    assert (second.qos, second.share_group, second.topic_filter, second.subscription_id) == (2, "g", "t", None)


@pytest.mark.parametrize("expiry", [0, 100])
async def test_retained_messages_come_with_a_subscription(world: World, expiry: int) -> None:
    world.engine.connect("p").publish("r/1", b"kept", 1, retain=True)
    client = world.engine.connect("a", expiry=expiry)
    wanted = [FilterRequest("r/+", 1, retain_handling=handling) for handling in (1, 1, 2, 0)]
    counts: list[int] = []
    for request in wanted:
        await world.service.subscribe("a", (request,))
        messages = client.receive_all()
        assert all(message.retain and message.payload == b"kept" for message in messages)
        counts.append(len(messages))
    assert counts == [1, 0, 0, 1]  # [MQTT-3.3.1-9, -10, -11]
    await world.service.subscribe("a", (FilterRequest("$share/g/r/1", 1),))
    assert client.receive_all() == []  # never for shared subscriptions


async def test_plugins_hear_of_it(world: World) -> None:
    heard: list[tuple[str, str, str]] = []

    def subscribed(client: ClientInfo, subscription: Subscription) -> None:
        heard.append(("+", client.client_id, subscription.key))

    def unsubscribed(client: ClientInfo, subscription: Subscription) -> None:
        heard.append(("-", client.client_id, subscription.key))

    world.engine.hooks.register("session_subscribed", subscribed, "p")
    world.engine.hooks.register("session_unsubscribed", unsubscribed, "p")
    client = world.engine.connect("a", expiry=100)
    await world.service.subscribe("a", (FilterRequest("t"), FilterRequest("u")))
    await world.service.unsubscribe("a", ("t",))
    client.disconnect()
    await world.service.unsubscribe("a", ("u",))
    assert heard == [("+", "a", "t"), ("+", "a", "u"), ("-", "a", "t"), ("-", "a", "u")]
    counters = world.engine.counters
    assert (counters.session_subscribed, counters.session_unsubscribed) == (2, 2)


@pytest.mark.parametrize("expiry", [0, 100])
async def test_a_client_is_unsubscribed(world: World, expiry: int) -> None:
    client = world.engine.connect("a", expiry=expiry)
    client.subscribe(("t", 0), ("$share/g/t", 0), ("u", 0))
    outcomes = await world.service.unsubscribe("a", ("t", "$share/g/t", "none"))
    assert [outcome.reason_code for outcome in outcomes] == [0, 0, codes.NO_SUBSCRIPTION_EXISTED]
    assert [found.topic_filter for found in await world.service.client_subscriptions("a")] == ["u"]
    world.engine.connect("p").publish("t", b"m")
    assert client.payloads() == []


async def test_owed_retained_messages_are_owed_no_longer(world: World) -> None:
    engine = world.engine
    publisher = engine.connect("p")
    for number in range(50):
        publisher.publish(f"r/{number}", b"x" * 100, retain=True)
    engine.limits.out_buffer_limit = 300
    client = engine.connect("a")
    client.take_nothing()
    client.send(wire.subscribe(1, [("r/#", 0)]))
    await world.service.unsubscribe("a", ("r/#",))
    client.take_bytes()
    assert len([packet for packet in client.read() if isinstance(packet, Publish)]) < 20


async def test_who_cannot_be_subscribed(world: World) -> None:
    world.engine.connect("off", expiry=100).disconnect()
    requests = (FilterRequest("t"),)
    with pytest.raises(ClientOffline):
        await world.service.subscribe("off", requests)
    with pytest.raises(ClientNotFound):
        await world.service.subscribe("none", requests)
    with pytest.raises(ClientNotFound):
        await world.service.unsubscribe("none", ("t",))
    for call in (world.service.subscribe("off", ()), world.service.unsubscribe("off", ())):
        with pytest.raises(BadQuery, match="at least one"):
            await call


# Kicking and discarding


@pytest.mark.parametrize("expiry", [0, 100])
async def test_a_kicked_client_is_told_and_has_no_session_left(world: World, expiry: int) -> None:
    engine = world.engine
    client = engine.connect("a", expiry=expiry, will=Will("gone"))
    client.subscribe(("t", 1))
    watcher = engine.connect("w")
    watcher.subscribe(("gone", 0))
    was = await world.service.kick("a")
    assert (was.client_id, was.connected, was.subscriptions, was.address) == ("a", True, 1, "127.0.0.1:40010")
    assert client.take(Disconnect).code == codes.ADMINISTRATIVE_ACTION
    assert client.closed and not engine.has_session("a")
    assert watcher.payloads() == [b"gone"]
    assert engine.counters.session_terminated == 1
    assert engine.broker.ctx.router.subscription_count == 1
    engine.advance(1000)
    assert watcher.payloads() == []


@pytest.mark.parametrize("delay", [5, 500])
async def test_the_session_s_end_is_the_latest_moment_for_a_delayed_will(world: World, delay: int) -> None:
    """[MQTT-3.1.3-9]"""
    engine = world.engine
    will = Will("gone", properties=[(wire.WILL_DELAY, delay)])
    engine.connect("on", expiry=100, will=will)
    off = engine.connect("off", expiry=100, will=will)
    off.lose()
    watcher = engine.connect("w")
    watcher.subscribe(("gone", 0))
    for name in ("on", "off"):
        await world.service.kick(name)
        assert watcher.payloads() == [b"gone"], name
    engine.advance(1000)
    assert watcher.payloads() == []


async def test_a_will_that_was_published_already_isnt_published_again(world: World) -> None:
    engine = world.engine
    engine.connect("a", expiry=100, will=Will("gone", properties=[(wire.WILL_DELAY, 5)])).lose()
    watcher = engine.connect("w")
    watcher.subscribe(("gone", 0))
    engine.advance(6)
    assert watcher.payloads() == [b"gone"]
    await world.service.kick("a")
    assert watcher.payloads() == []


async def test_an_off_line_session_is_discarded(world: World) -> None:
    engine = world.engine
    client = engine.connect("a", V311, clean=False)
    client.subscribe(("t", 1))
    client.disconnect()
    engine.connect("p").publish("t", b"m", 1)
    was = await world.service.kick("a")
    assert (was.connected, was.queue_length) == (False, 1)
    assert not engine.has_session("a") and len(world.local.last) == 0
    assert engine.counters.dropped_session_ended == 1
    with pytest.raises(ClientNotFound):
        await world.service.kick("a")


async def test_all_off_line_sessions_that_satisfy_a_query_are_discarded(world: World) -> None:
    engine = world.engine
    for number in range(200):
        engine.connect(f"off-{number}", expiry=100).disconnect()
    engine.connect("off-on", expiry=100)
    engine.connect("other", expiry=100).disconnect()
    gathered = await world.service.discard_offline(ClientQuery(client_id_contains="off-"))
    assert gathered.answers == (200,)
    left = (await world.service.clients()).items
    assert sorted(client.client_id for client in left) == ["off-on", "other"]


async def test_a_client_that_came_back_meanwhile_keeps_its_session(world: World) -> None:
    engine = world.engine
    for name in ("a", "z"):
        engine.connect(name, expiry=100).disconnect()

    class Meanwhile(ClientQuery):
        """Every client; but when it is asked about the last one, the first one comes back."""

        def test(self) -> Callable[[ClientFacts], bool]:
            def passes(client: ClientFacts) -> bool:
                if client.client_id == "z":
                    engine.connect("a", clean=False, expiry=100)
                return True

            return passes

    assert (await world.service.discard_offline(Meanwhile())).answers == (1,)
    assert (await world.service.client("a")).connected
    assert not engine.has_session("z")


# Retained messages


async def test_a_retained_message_is_deleted(world: World) -> None:
    world.engine.connect("p").publish("r", b"kept", retain=True)
    await world.service.delete_retained("r")
    with pytest.raises(RetainedNotFound):
        await world.service.retained_message("r")
    with pytest.raises(RetainedNotFound):
        await world.service.delete_retained("r")
    with pytest.raises(BadQuery):
        await world.service.delete_retained("r/#")


# Storage that takes its time, or fails

Call = Callable[[World], Awaitable[object]]
CALLS: dict[str, Call] = {
    "publish": lambda world: world.service.publish(PublishRequest(("t",), b"m", 1)),
    "retain": lambda world: world.service.publish(PublishRequest(("new",), b"m", retain=True)),
    "unsubscribe": lambda world: world.service.unsubscribe("off", ("t",)),
    "subscribe": lambda world: world.service.subscribe("on", (FilterRequest("u"),)),
    "kick": lambda world: world.service.kick("on"),
    "discard": lambda world: world.service.kick("off"),
    "discard all": lambda world: world.service.discard_offline(),
    "delete": lambda world: world.service.delete_retained("r"),
}
each_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


def with_sessions(world: World) -> None:
    """Persistent sessions on line and off, and a retained message."""
    engine = world.engine
    engine.connect("on", expiry=100).subscribe(("t", 1))
    off = engine.connect("off", expiry=100)
    off.subscribe(("t", 1))
    off.disconnect()
    engine.connect("p").publish("r", b"", retain=True)
    engine.connect("p").publish("r", b"kept", retain=True)


@each_call
async def test_a_call_returns_when_its_change_is_applied(world: World, call: Call) -> None:
    with_sessions(world)
    late = LatePort(world.engine)
    done = False

    async def run() -> None:
        nonlocal done
        await call(world)
        done = True

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        await wait_all_tasks_blocked()
        assert late.waiting and not done
        late.write()
    assert done


@each_call
async def test_an_outcome_that_nobody_knows(world: World, call: Call) -> None:
    with_sessions(world)
    late = LatePort(world.engine)
    failed: list[OutcomeUnknown] = []

    async def run() -> None:
        with pytest.raises(OutcomeUnknown) as caught:
            await call(world)
        failed.append(caught.value)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        await wait_all_tasks_blocked()
        late.give_up()
        nursery.cancel_scope.deadline = trio.current_time() + 60
    assert failed


@each_call
async def test_nothing_hangs_when_storage_never_answers(world: World, call: Call, autojump_clock: MockClock) -> None:
    with_sessions(world)
    LatePort(world.engine)
    with trio.fail_after(60), pytest.raises(OutcomeUnknown):
        await call(world)


@each_call
async def test_storage_that_fails_refuses_what_has_to_be_kept(world: World, call: Call) -> None:
    with_sessions(world)
    before = world.broker.state.sessions.keys() | set()
    world.broker.ctx.storage = STORAGE_FAILED
    if call is CALLS["subscribe"]:
        (outcome,) = await world.service.subscribe("on", (FilterRequest("u"),))
        assert outcome.reason_code == codes.QUOTA_EXCEEDED
        return
    with pytest.raises(StorageUnavailable):
        await call(world)
    assert world.broker.state.sessions.keys() == before
    assert (await world.service.retained_message("r")).payload == b"kept"


async def test_messages_for_nobody_s_queue_need_no_storage(world: World) -> None:
    client = world.engine.connect("a")
    client.subscribe(("t", 1))
    world.broker.ctx.storage = STORAGE_FAILED
    assert await world.service.publish(PublishRequest(("t",), b"m", 1)) == (Published("t", 1),)
    assert [message.payload for message in client.receive_all()] == [b"m"]


async def test_a_full_queue_of_storage_holds_publishers_back(world: World) -> None:
    with_sessions(world)
    world.broker.ctx.storage = STORAGE_HELD
    with pytest.raises(StorageUnavailable):
        await CALLS["publish"](world)
    await CALLS["unsubscribe"](world)


async def test_filters_that_are_not_applied_yet_count_against_the_limit(world: World) -> None:
    world.engine.limits.max_subscriptions = 2
    world.engine.connect("a", expiry=100)
    late = LatePort(world.engine)
    found: list[int] = []

    async def run() -> None:
        requests = tuple(FilterRequest(name, 1) for name in ("one", "two", "three", "one"))
        found.extend(outcome.reason_code for outcome in await world.service.subscribe("a", requests))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        await wait_all_tasks_blocked()
        late.write()
    assert found == [1, 1, codes.QUOTA_EXCEEDED, 1]
    assert len(await world.service.client_subscriptions("a")) == 2


async def test_a_message_for_a_share_group_may_need_storage(world: World) -> None:
    world.engine.connect("a", expiry=100).subscribe(("$share/g/only", 1))
    world.broker.ctx.storage = STORAGE_FAILED
    with pytest.raises(StorageUnavailable):
        await world.service.publish(PublishRequest(("only",), b"m", 1))
    assert await world.service.publish(PublishRequest(("only",), b"m", 0)) == (Published("only", 1),)


async def test_a_failure_says_what_was_published_before_it(world: World) -> None:
    with_sessions(world)
    world.broker.ctx.storage = STORAGE_FAILED
    topics = (*(f"nobody/{number}" for number in range(40)), "t", "never")
    with pytest.raises(StorageUnavailable) as refused:
        await world.service.publish(PublishRequest(topics, b"m", 1))
    assert [published.topic for published in refused.value.published] == list(topics[:40])
    assert world.engine.counters.messages_publish_admin == 40


async def test_an_unknown_outcome_says_what_was_published_before_it(world: World) -> None:
    with_sessions(world)
    late = LatePort(world.engine)
    topics = (*(f"nobody/{number}" for number in range(40)), "t")
    unknown: list[OutcomeUnknown] = []

    async def run() -> None:
        with pytest.raises(OutcomeUnknown) as caught:
            await world.service.publish(PublishRequest(topics, b"m", 1))
        unknown.append(caught.value)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        await wait_all_tasks_blocked()
        late.give_up()
    (error,) = unknown
    assert [published.topic for published in error.published] == list(topics[:32])


async def test_a_late_subscription_brings_its_retained_messages(world: World) -> None:
    with_sessions(world)
    client = world.engine.connect("a", expiry=100)
    late = LatePort(world.engine)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.service.subscribe, "a", (FilterRequest("r", 0),))
        await wait_all_tasks_blocked()
        assert client.payloads() == []
        late.write()
    assert client.payloads() == [b"kept"]
