"""What handlers cost is counted by plugin and point: calls, time, errors and overruns; also when they are gone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from rmq.hooks import chains
from rmq.hooks.usage import HookUse
from rmq.hooks.verdicts import ALLOW
from tests.unit.hooks.world import ASYNC_BUDGET_S, BUDGET_S, World, client, message


@pytest.fixture
def world() -> World:
    return World()


def counted(use: HookUse) -> tuple[int, float, int, int]:
    return use.calls, round(use.seconds, 6), use.errors, use.overruns


def test_calls_and_their_time(world: World) -> None:
    world.registry.register("client_connected", lambda client: world.clock.pass_s(0.01), "p")
    world.registry.register("client_connected", lambda client: world.clock.pass_s(0.02), "p")
    world.registry.register("client_connected", lambda client: world.clock.pass_s(0.04), "q")
    for _ in range(3):
        chains.client_connected(world.chains, client())
    assert counted(world.registry.uses.of("p", "client_connected")) == (6, 0.09, 0, 0)
    assert counted(world.registry.uses.of("q", "client_connected")) == (3, 0.12, 0, 0)


@pytest.mark.parametrize(
    ("took_s", "answer", "expected"), [(0.0, "raise", (1, 0)), (0.0, "no answer", (1, 0)), (2, ALLOW, (0, 1))]
)
def test_what_went_wrong(world: World, took_s: float, answer: object, expected: tuple[int, int]) -> None:
    def judge(client: object, topic: str, qos: int, retain: bool) -> object:
        world.clock.pass_s(took_s * BUDGET_S)
        if answer == "raise":
            raise RuntimeError
        return answer

    world.registry.register("message_publish_check_acl", judge, "p")
    chains.message_publish_check_acl(world.chains, client(), "t", 0, False)
    assert counted(world.registry.uses.of("p", "message_publish_check_acl")) == (1, took_s * BUDGET_S, *expected)
    assert (world.counters.hook_errors, world.counters.hook_overruns) == expected


def test_an_echo_is_no_call(world: World) -> None:
    def publish_again(message: object) -> None:
        chains.message_nonsubscribed(world.chains, of_a_plugin)

    of_a_plugin = message()
    of_a_plugin.publisher = ""
    world.registry.register("message_nonsubscribed", publish_again, "p")
    chains.message_nonsubscribed(world.chains, message())
    assert world.registry.uses.of("p", "message_nonsubscribed").calls == 1
    assert world.counters.hook_echoes == 1


async def test_asynchronous_handlers_count_with_what_they_wait_for(
    world: World, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    async def greet(client: object) -> None:
        world.clock.pass_s(0.3)
        await trio.lowlevel.checkpoint()

    async def hang(client: object) -> int:
        world.clock.pass_s(ASYNC_BUDGET_S)
        await trio.sleep_forever()
        return ALLOW

    def spawn(work: Callable[[], Awaitable[None]]) -> None:
        nursery.start_soon(work)

    world.registry.start(spawn)
    world.registry.register("client_connected", greet, "p")
    world.registry.register("client_connect_check_acl", hang, "p", deny_on_error=False)
    chains.client_connected(world.chains, client())
    await wait_all_tasks_blocked()
    await world.runner.run_decide("client_connect_check_acl", client())
    assert counted(world.registry.uses.of("p", "client_connected")) == (1, 0.3, 0, 0)
    assert counted(world.registry.uses.of("p", "client_connect_check_acl")) == (1, ASYNC_BUDGET_S, 0, 1)


def test_counts_go_on_where_a_plugin_comes_again(world: World) -> None:
    for _ in range(3):
        handle = world.registry.register("client_connected", lambda client: None, "p")
        chains.client_connected(world.chains, client())
        world.registry.unregister(handle)
        chains.client_connected(world.chains, client())
    assert [(use.plugin, use.point, use.calls) for use in world.registry.uses.all()] == [("p", "client_connected", 3)]
    assert world.registry.uses.of_plugin("q") == []
