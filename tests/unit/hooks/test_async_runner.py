"""Chains in which a handler waits: order, mixing, time budget, errors and cancellation."""

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from rmq.hooks.verdicts import ALLOW, DENY, DENY_ONCE, UNDECIDED, AuthRequest, AuthResult
from rmq.mqtt.codes import SERVER_UNAVAILABLE
from rmq.mqtt.message import Message
from rmq.mqtt.packets import SubscriptionRequest
from rmq.session.client_info import ClientInfo
from tests.unit.hooks.world import ASYNC_BUDGET_S, World, client, message


@pytest.fixture
def world() -> World:
    return World()


async def test_nobody_decides(world: World, autojump_clock: MockClock) -> None:
    assert await world.runner.run_decide("message_publish_check_acl", client(), "t", 0, False) == UNDECIDED
    assert await world.runner.run_decide("client_authenticate", AuthRequest(client(), None)) is None


async def test_both_kinds_are_asked_by_priority_until_one_decides(world: World, autojump_clock: MockClock) -> None:
    calls: list[str] = []

    async def waits(client: ClientInfo, topic: str, qos: int, retain: bool) -> int:
        await trio.sleep(1)
        calls.append("waits")
        return UNDECIDED

    def prompt(client: ClientInfo, topic: str, qos: int, retain: bool) -> int:
        calls.append("prompt")
        return UNDECIDED

    async def decides(client: ClientInfo, topic: str, qos: int, retain: bool) -> int:
        calls.append(f"decides on {topic}")
        return DENY

    async def never(client: ClientInfo, topic: str, qos: int, retain: bool) -> int:
        raise AssertionError("it is decided already")

    for priority, handler in enumerate((never, decides, prompt, waits)):
        world.registry.register("message_publish_check_acl", handler, "p", priority)
    assert await world.runner.run_decide("message_publish_check_acl", client(), "a/b", 1, False) == DENY
    assert calls == ["waits", "prompt", "decides on a/b"]


async def test_a_handler_that_takes_too_long_is_cut_off_and_denies(world: World, autojump_clock: MockClock) -> None:
    ended: list[str] = []

    async def endless(request: AuthRequest) -> AuthResult:
        try:
            await trio.sleep_forever()
        finally:
            ended.append("cleaned up")

    world.registry.register("client_authenticate", endless, "slow-plugin")
    started = trio.current_time()
    with capture_logs() as lines:
        result = await world.runner.run_decide("client_authenticate", AuthRequest(client(), None))
    assert trio.current_time() - started == pytest.approx(ASYNC_BUDGET_S)
    assert result is not None and (result.verdict, result.reason_code) == (DENY, SERVER_UNAVAILABLE)
    assert ended == ["cleaned up"]
    assert (world.counters.hook_overruns, world.counters.hook_errors) == (1, 0)
    assert [(line["plugin"], line["point"]) for line in lines] == [("slow-plugin", "client_authenticate")]


async def test_without_deny_on_error_the_next_handler_decides(world: World, autojump_clock: MockClock) -> None:
    answer = AuthResult(ALLOW)

    async def fails(request: AuthRequest) -> AuthResult:
        raise OSError("no route to the user database")

    async def knows(request: AuthRequest) -> AuthResult:
        return answer

    world.registry.register("client_authenticate", fails, "p", 1, deny_on_error=False)
    world.registry.register("client_authenticate", knows, "q")
    with capture_logs() as lines:
        assert await world.runner.run_decide("client_authenticate", AuthRequest(client(), None)) is answer
    assert world.counters.hook_errors == 1
    assert isinstance(lines[0]["exc_info"], OSError)


async def test_a_group_of_errors_of_a_handlers_own_tasks_is_its_error(world: World, autojump_clock: MockClock) -> None:
    async def fails() -> None:
        raise OSError("down")

    async def asks_two(client: ClientInfo, topic_filter: str, qos: int) -> int:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fails)
            nursery.start_soon(trio.sleep_forever)
        return ALLOW

    world.registry.register("client_subscribe_check_acl", asks_two, "p")
    assert await world.runner.run_decide("client_subscribe_check_acl", client(), "a/#", 0) == DENY_ONCE
    assert world.counters.hook_errors == 1


async def test_a_value_goes_from_handler_to_handler(world: World, autojump_clock: MockClock) -> None:
    async def louder(client: ClientInfo | None, message: Message) -> Message:
        await trio.sleep(0.1)
        return Message(message.topic, message.payload.upper(), 0, False, "")

    def signed(client: ClientInfo | None, message: Message) -> Message:
        return Message(message.topic, message.payload + b"!", 0, False, "")

    async def fails(client: ClientInfo | None, message: Message) -> Message:
        raise RuntimeError("bug")

    for priority, handler in enumerate((louder, fails, signed)):
        world.registry.register("message_publish", handler, "p", priority)
    left = await world.runner.run_filter("message_publish", None, message(payload=b"hey"))
    assert left is not None and left.payload == b"HEY!"
    assert world.counters.hook_errors == 1


async def test_a_filter_that_is_cut_off_leaves_the_value(world: World, autojump_clock: MockClock) -> None:
    async def endless(client: ClientInfo, topic_filter: str) -> str:
        await trio.sleep_forever()

    world.registry.register("client_unsubscribe", endless, "p")
    assert await world.runner.run_filter("client_unsubscribe", client(), "a/#") == "a/#"
    assert world.counters.hook_overruns == 1


async def test_none_ends_a_filter(world: World, autojump_clock: MockClock) -> None:
    async def refuse(client: ClientInfo, request: SubscriptionRequest) -> None:
        return None

    async def never(client: ClientInfo, request: SubscriptionRequest) -> SubscriptionRequest:
        raise AssertionError("there is nothing to ask about any more")

    world.registry.register("client_subscribe", refuse, "p", 1)
    world.registry.register("client_subscribe", never, "p")
    request = SubscriptionRequest("a", 0, False, False, 0)
    assert await world.runner.run_filter("client_subscribe", client(), request) is None
    assert world.counters.hook_errors == 0


async def test_the_node_waits_for_before_startup(world: World, autojump_clock: MockClock) -> None:
    calls: list[str] = []

    async def prepares() -> None:
        await trio.sleep(3)
        calls.append("prepared")

    world.registry.register("before_startup", prepares, "p", 1)
    world.registry.register("before_startup", lambda: calls.append("told"), "q")
    await world.runner.run_before_startup()
    assert calls == ["prepared", "told"]


async def test_the_end_of_the_node_is_no_overrun(world: World, autojump_clock: MockClock) -> None:
    async def endless(client: ClientInfo, topic: str, qos: int, retain: bool) -> int:
        await trio.sleep_forever()

    world.registry.register("message_publish_check_acl", endless, "p")
    with trio.move_on_after(1) as scope:
        await world.runner.run_decide("message_publish_check_acl", client(), "t", 0, False)
    assert scope.cancelled_caught
    assert (world.counters.hook_overruns, world.counters.hook_errors) == (0, 0)
