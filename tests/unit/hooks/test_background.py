"""Asynchronous notify handlers: told in order, in the background, with a bound."""

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from rmq.hooks import chains
from rmq.hooks.background import QUEUE_LIMIT, BackgroundQueue
from rmq.hooks.guards import Guard, Watch
from rmq.hooks.points import POINTS
from rmq.hooks.usage import HookUse
from rmq.session.client_info import ClientInfo
from tests.unit.hooks.world import ASYNC_BUDGET_S, World, client


@pytest.fixture
def world() -> World:
    return World()


class Told:
    """A handler that takes a second for each event and notes them."""

    def __init__(self) -> None:
        self.names: list[str] = []

    async def __call__(self, client: ClientInfo) -> None:
        await trio.sleep(1)
        self.names.append(client.client_id)


def spawner(nursery: trio.Nursery) -> Callable[[Callable[[], Awaitable[None]]], None]:
    return lambda work: nursery.start_soon(work)


async def test_events_are_told_in_order_while_the_engine_goes_on(world: World, autojump_clock: MockClock) -> None:
    told = Told()
    world.registry.register("client_connected", told, "p")
    assert not world.chains.client_connected.waits
    async with trio.open_nursery() as nursery:
        world.registry.start(spawner(nursery))
        for name in ("a", "b", "c"):
            chains.client_connected(world.chains, client(name))
        assert told.names == []
    assert told.names == ["a", "b", "c"]


async def test_events_before_the_nursery_are_told_when_there_is_one(world: World, autojump_clock: MockClock) -> None:
    told = Told()
    world.registry.register("client_connected", told, "p")
    chains.client_connected(world.chains, client("early"))
    async with trio.open_nursery() as nursery:
        world.registry.start(spawner(nursery))
    assert told.names == ["early"]


async def test_a_handler_registered_on_a_running_node_is_told_too(world: World, autojump_clock: MockClock) -> None:
    told = Told()
    async with trio.open_nursery() as nursery:
        world.registry.start(spawner(nursery))
        world.registry.register("client_connected", told, "p")
        chains.client_connected(world.chains, client("a"))
        await wait_all_tasks_blocked()
        chains.client_connected(world.chains, client("b"))
    assert told.names == ["a", "b"]


async def test_a_failing_event_does_not_stop_the_next(world: World, autojump_clock: MockClock) -> None:
    names: list[str] = []

    async def picky(client: ClientInfo) -> None:
        if client.client_id == "a":
            raise RuntimeError("bug")
        if client.client_id == "b":
            await trio.sleep_forever()
        names.append(client.client_id)

    world.registry.register("client_connected", picky, "p")
    started = trio.current_time()
    async with trio.open_nursery() as nursery:
        world.registry.start(spawner(nursery))
        for name in ("a", "b", "c"):
            chains.client_connected(world.chains, client(name))
    assert names == ["c"]
    assert (world.counters.hook_errors, world.counters.hook_overruns) == (1, 1)
    assert trio.current_time() - started == pytest.approx(ASYNC_BUDGET_S)


async def test_what_a_plugin_was_not_told_before_it_left_is_forgotten(world: World, autojump_clock: MockClock) -> None:
    told = Told()
    world.registry.register("client_connected", told, "p")
    async with trio.open_nursery() as nursery:
        world.registry.start(spawner(nursery))
        chains.client_connected(world.chains, client("a"))
        chains.client_connected(world.chains, client("b"))
        await wait_all_tasks_blocked()
        world.registry.unregister_plugin("p")
    assert told.names == ["a"]


async def test_a_full_queue_loses_the_newest_and_counts_it(world: World, autojump_clock: MockClock) -> None:
    told = Told()
    watch = Watch(world.counters, 1.0, 5.0, trio.current_time)
    use = HookUse("p", "client_connected")
    queue = BackgroundQueue(Guard(POINTS["client_connected"], "p", told, True, watch, use), None, limit=2)
    for name in ("a", "b", "c"):
        queue(client(name))
    assert world.counters.hook_queue_full == 1
    async with trio.open_nursery() as nursery:
        queue.start(spawner(nursery))
    assert told.names == ["a", "b"]


def test_the_bound_is_one_a_node_can_afford() -> None:
    assert 1000 <= QUEUE_LIMIT <= 100_000


async def test_draining_tells_what_waits_and_nothing_new(world: World, autojump_clock: MockClock) -> None:
    told = Told()
    kept = Told()
    handle = world.registry.register("client_connected", told, "p")
    world.registry.register("client_connected", kept, "q")
    async with trio.open_nursery() as nursery:
        world.registry.start(spawner(nursery))
        for name in ("a", "b"):
            chains.client_connected(world.chains, client(name))
        nursery.start_soon(world.registry.drain, [handle], 10.0)
        await wait_all_tasks_blocked()
        chains.client_connected(world.chains, client("c"))
    assert told.names == ["a", "b"]
    assert kept.names == ["a", "b", "c"]
    assert world.counters.hook_events_abandoned == 0


async def test_draining_ends_when_the_time_is_over_and_counts_what_is_left(
    world: World, autojump_clock: MockClock
) -> None:
    told = Told()
    handle = world.registry.register("client_connected", told, "p")
    async with trio.open_nursery() as nursery:
        world.registry.start(spawner(nursery))
        for name in ("a", "b", "c", "d"):
            chains.client_connected(world.chains, client(name))
        await world.registry.drain([handle], 1.5)
        assert trio.current_time() == 1.5
        assert world.counters.hook_events_abandoned == 2  # "b" is being told
    assert told.names == ["a", "b"]


async def test_a_handler_may_run_in_a_nursery_of_its_own(world: World, autojump_clock: MockClock) -> None:
    told = Told()
    async with trio.open_nursery() as node, trio.open_nursery() as own:
        world.registry.register("client_connected", told, "p", spawn=spawner(own))
        chains.client_connected(world.chains, client("a"))
        await wait_all_tasks_blocked()
        world.registry.start(spawner(node))
        node.cancel_scope.shield = False
        chains.client_connected(world.chains, client("b"))
        own.cancel_scope.shield = True
        node.cancel_scope.cancel()
    assert told.names == ["a", "b"]
