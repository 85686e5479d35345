"""Start in order, stop in reverse, whatever a plugin does."""

from collections.abc import Callable

import pytest
import trio
from pydantic import BaseModel
from trio.testing import MockClock

from rmq.hooks import chains
from rmq.plugin_api import Plugin, PluginConfig, PluginError
from rmq.plugin_api.host import BEGIN_AGAIN_AFTER_S
from rmq.plugin_host.manager import PluginManager
from rmq.plugin_host.running import START_TIMEOUT_S, STOP_TIMEOUT_S, PluginStartError
from rmq.plugin_host.selection import ChosenPlugin
from tests.support.plugins import PluginBench

Story = list[str]
Step = Callable[[Plugin[BaseModel]], object]


def make(
    story: Story, called: str, on_start: Step | None = None, on_stop: Step | None = None, is_slow: str = ""
) -> ChosenPlugin:
    """A plugin that writes down what happens to it, and does something of its own on the way."""

    class Told(Plugin[BaseModel]):
        name = called

        async def start(self) -> None:
            story.append(f"start {called}")
            if on_start is not None:
                on_start(self)
            if is_slow == "start":
                await trio.sleep_forever()

        async def stop(self) -> None:
            await trio.lowlevel.checkpoint()
            story.append(f"stop {called}")
            if on_stop is not None:
                on_stop(self)
            if is_slow == "stop":
                await trio.sleep_forever()

    return ChosenPlugin(Told, PluginConfig())


def fail(error: Exception) -> Step:
    def step(_: object) -> None:
        raise error

    return step


def work(story: Story) -> Step:
    """Spawn a task that tells when it begins and when it is cancelled."""

    async def run() -> None:
        story.append("task begins")
        try:
            await trio.sleep_forever()
        finally:
            story.append("task ends")

    return lambda plugin: plugin.host.spawn(run)


async def test_they_start_in_order_and_stop_in_reverse(plugin_bench: PluginBench, nursery: trio.Nursery) -> None:
    story: Story = []
    manager = PluginManager(plugin_bench.services, [make(story, name) for name in ("a", "b", "c")])
    await manager.start(nursery)
    assert [plugin.name for plugin in manager] == ["a", "b", "c"]
    await manager.stop()
    assert story == ["start a", "start b", "start c", "stop c", "stop b", "stop a"]
    assert list(manager) == []
    await manager.stop()  # a second time there is nothing to do
    assert len(story) == 6


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (PluginError("port 1 is taken"), "b: port 1 is taken"),
        (ValueError("odd"), "b: ValueError: odd"),
    ],
)
async def test_one_that_cannot_start_stops_the_start(
    plugin_bench: PluginBench, nursery: trio.Nursery, error: Exception, text: str
) -> None:
    story: Story = []

    def hook_in_and_fail(plugin: Plugin[BaseModel]) -> None:
        plugin.host.on("client_keepalive", lambda client: None)
        raise error

    chosen = [make(story, "a"), make(story, "b", hook_in_and_fail), make(story, "c")]
    manager = PluginManager(plugin_bench.services, chosen)
    with pytest.raises(PluginStartError) as caught:
        await manager.start(nursery)
    assert str(caught.value) == text
    await manager.stop()
    assert story == ["start a", "start b", "stop a"]
    assert not plugin_bench.chains.client_keepalive.handlers


async def test_one_that_cannot_be_built_stops_the_start(plugin_bench: PluginBench, nursery: trio.Nursery) -> None:
    class Unbuildable(Plugin[BaseModel]):
        name = "u"

        def __init__(self, *_: object) -> None:
            raise PluginError("no way")

    manager = PluginManager(plugin_bench.services, [ChosenPlugin(Unbuildable, PluginConfig())])
    with pytest.raises(PluginStartError, match="u: no way"):
        await manager.start(nursery)
    await manager.stop()


async def test_one_that_does_not_come_up_is_given_up(
    plugin_bench: PluginBench, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    manager = PluginManager(plugin_bench.services, [make([], "a", is_slow="start")])
    with pytest.raises(PluginStartError, match="a: has not started after 30 s"):
        await manager.start(nursery)
    assert trio.current_time() == START_TIMEOUT_S
    await manager.stop()


@pytest.mark.parametrize("is_slow", ["", "stop"])
async def test_one_that_cannot_stop_is_left_behind(
    plugin_bench: PluginBench, nursery: trio.Nursery, autojump_clock: MockClock, is_slow: str
) -> None:
    story: Story = []
    failing = None if is_slow else fail(RuntimeError("no"))
    manager = PluginManager(plugin_bench.services, [make(story, "a"), make(story, "b", None, failing, is_slow)])
    await manager.start(nursery)
    await manager.stop()
    assert story[-2:] == ["stop b", "stop a"]
    assert plugin_bench.counters.hook_errors == (0 if is_slow else 1)
    assert trio.current_time() == (STOP_TIMEOUT_S if is_slow else 0)


async def test_hooks_and_tasks_end_with_their_plugin_and_no_earlier(
    plugin_bench: PluginBench, nursery: trio.Nursery
) -> None:
    story: Story = []
    heard: list[int] = []

    def begin(plugin: Plugin[BaseModel]) -> None:
        plugin.host.on("session_terminated", lambda client_id, reason_code: heard.append(reason_code))
        work(story)(plugin)

    def end(_: object) -> None:
        chains.session_terminated(plugin_bench.chains, "c", 2)

    manager = PluginManager(plugin_bench.services, [make(story, "a", begin, end)])
    await manager.start(nursery)
    chains.session_terminated(plugin_bench.chains, "c", 1)
    await trio.testing.wait_all_tasks_blocked()
    await manager.stop()
    chains.session_terminated(plugin_bench.chains, "c", 3)
    assert heard == [1, 2]
    assert story == ["start a", "task begins", "stop a", "task ends"]


async def test_when_the_node_is_cancelled_plugins_still_stop_properly(plugin_bench: PluginBench) -> None:
    story: Story = []
    manager = PluginManager(plugin_bench.services, [make(story, "a", work(story))])
    async with trio.open_nursery() as node:
        await manager.start(node)
        await trio.testing.wait_all_tasks_blocked()
        node.cancel_scope.cancel()
        try:
            await trio.Event().wait()
        finally:
            await manager.stop()
    assert story == ["start a", "task begins", "stop a", "task ends"]


async def test_a_start_that_is_cancelled_leaves_nothing_running(plugin_bench: PluginBench) -> None:
    story: Story = []
    manager = PluginManager(plugin_bench.services, [make(story, "a", work(story), is_slow="start")])
    async with trio.open_nursery() as outer, trio.open_nursery() as node:
        outer.start_soon(cancel_when_blocked, node)
        try:
            await manager.start(node)
        finally:
            await manager.stop()
    assert story == ["start a", "task begins", "task ends"]


async def cancel_when_blocked(nursery: trio.Nursery) -> None:
    await trio.testing.wait_all_tasks_blocked()
    nursery.cancel_scope.cancel()


async def test_a_task_that_fails_is_counted_and_hurts_nobody(plugin_bench: PluginBench, nursery: trio.Nursery) -> None:
    story: Story = []

    async def explode() -> None:
        raise RuntimeError("bang")

    def begin(plugin: Plugin[BaseModel]) -> None:
        plugin.host.spawn(explode)
        work(story)(plugin)

    manager = PluginManager(plugin_bench.services, [make(story, "a", begin)])
    await manager.start(nursery)
    await trio.testing.wait_all_tasks_blocked()
    assert plugin_bench.counters.hook_errors == 1
    assert story == ["start a", "task begins"]
    await manager.stop()


async def test_a_task_that_is_kept_begins_again_after_a_bug(
    plugin_bench: PluginBench, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    begun: list[float] = []

    async def explode() -> None:
        begun.append(trio.current_time())
        if len(begun) < 3:
            raise RuntimeError("bang")

    def begin(plugin: Plugin[BaseModel]) -> None:
        plugin.host.keep(explode)

    manager = PluginManager(plugin_bench.services, [make([], "a", begin)])
    await manager.start(nursery)
    await trio.sleep(5)
    assert [later - begun[0] for later in begun] == [0, BEGIN_AGAIN_AFTER_S, 2 * BEGIN_AGAIN_AFTER_S]
    assert plugin_bench.counters.hook_errors == 2
    assert manager.runs("a")
    await manager.stop()


async def test_last_words_are_still_published(plugin_bench: PluginBench, nursery: trio.Nursery) -> None:
    def end(plugin: Plugin[BaseModel]) -> None:
        plugin.host.publish("bye", b"1")

    manager = PluginManager(plugin_bench.services, [make([], "a", None, end)])
    await manager.start(nursery)
    await manager.stop()
    assert [(message.topic, message.payload) for message in plugin_bench.published] == [("bye", b"1")]
