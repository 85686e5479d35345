"""A handler that is told of messages and publishes some itself doesn't call itself for ever."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from rmq.hooks import chains
from rmq.mqtt.message import FROM_SYSTEM, Message
from rmq.plugin_api import ClientInfo
from tests.unit.hooks.world import World, client


def plugins_message(topic: str) -> Message:
    return Message(topic, b"", 0, False, "", b"", 0.0, 0.0, FROM_SYSTEM)


class Reporter:
    """Publishes about every dropped message, on a topic whose messages are dropped as well."""

    def __init__(self, publish: Callable[[Message], object]) -> None:
        self.publish = publish
        self.told: list[str] = []

    def __call__(self, client: ClientInfo | None, message: Message, reason: str) -> None:
        self.told.append(message.topic)
        assert len(self.told) < 100, "it calls itself"
        self.publish(plugins_message("report"))


@pytest.fixture
def world() -> World:
    return World()


def test_two_handlers_that_answer_each_other_come_to_an_end(world: World) -> None:
    def publish(message: Message) -> None:
        chains.message_dropped(world.chains, None, message, "offline")

    first, second = Reporter(publish), Reporter(publish)
    world.registry.register("message_dropped", first, "p")
    world.registry.register("message_dropped", second, "q")
    chains.message_dropped(world.chains, None, Message("t", b"", 0, False, "c"), "offline")
    assert len(first.told) + len(second.told) == 4  # each of "t", and of what the other one says to that
    assert world.counters.hook_echoes == 6


def test_what_clients_publish_meanwhile_is_told(world: World) -> None:
    reporter = Reporter(lambda message: chains.message_dropped(world.chains, None, by_client, "offline"))
    by_client = Message("clients", b"", 0, False, "c")

    def once(message: Message) -> None:
        if len(reporter.told) == 1:
            chains.message_dropped(world.chains, None, by_client, "offline")

    reporter.publish = once
    world.registry.register("message_dropped", reporter, "p")
    chains.message_dropped(world.chains, None, plugins_message("t"), "offline")
    assert reporter.told == ["t", "clients"]


def test_events_of_clients_are_told_within_one_another(world: World) -> None:
    told: list[str] = []

    def gone(info: ClientInfo, reason_code: int, text: str) -> None:
        told.append(info.client_id)
        if len(told) == 1:
            chains.client_disconnected(world.chains, client("b"), 0, "")

    world.registry.register("client_disconnected", gone, "p")
    chains.client_disconnected(world.chains, client("a"), 0, "")
    assert told == ["a", "b"]


async def test_an_asynchronous_handler_hears_no_echo_either(world: World) -> None:
    told: list[str] = []

    async def report(info: ClientInfo | None, message: Message, reason: str) -> None:
        told.append(message.topic)
        await trio.lowlevel.checkpoint()
        chains.message_dropped(world.chains, None, plugins_message("report"), "offline")

    def spawn(work: Callable[[], Awaitable[None]]) -> None:
        nursery.start_soon(work)

    world.registry.register("message_dropped", report, "p")
    async with trio.open_nursery() as nursery:
        world.registry.start(spawn)
        chains.message_dropped(world.chains, None, plugins_message("t"), "offline")
        await wait_all_tasks_blocked()
        chains.message_dropped(world.chains, None, plugins_message("u"), "offline")
    assert told == ["t", "u"]
    assert world.counters.hook_echoes == 2
