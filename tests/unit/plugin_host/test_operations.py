"""Plugins are loaded, unloaded and reloaded while the node runs; what goes wrong leaves things as they were."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from rmq.config import ConfigError, Problem
from rmq.hooks import chains
from rmq.plugin_api import DENY, ClientInfo, Plugin, PluginConfig, PluginError, PluginHost
from rmq.plugin_host.catalog import AnyPlugin
from rmq.plugin_host.manager import PluginManager
from rmq.plugin_host.operations import PluginOperationError, UnknownPluginError
from rmq.plugin_host.selection import ChosenPlugin, PluginChoice
from tests.support.plugins import PluginBench

CLIENT = ClientInfo(7, "c", None, 5, "192.0.2.1", 1, "tcp.external", 1883)


class GreeterConfig(PluginConfig):
    """What the two greeters have to say."""

    greeting: str = "hello"
    password: str = "sesame"


class Greeter(Plugin[GreeterConfig]):
    """Notes what happens to it; refuses what is rude."""

    name = "rmq-greeter"
    version = "2.0"
    descr = "Greets"
    Config = GreeterConfig
    story: list[str]

    def __init__(self, config: GreeterConfig, host: PluginHost) -> None:
        super().__init__(config, host)
        if config.greeting == "unbuildable":
            raise PluginError("no such greeting")

    async def start(self) -> None:
        """Take part at three kinds of points."""
        self.story.append(f"start {self.config.greeting}")
        self.host.on("message_publish_check_acl", self.check)
        self.host.on("client_connected", self.greet)
        self.host.spawn(self.work)
        if self.config.greeting == "rude":
            raise PluginError("mind your manners")

    async def stop(self) -> None:
        """Say so."""
        self.story.append(f"stop {self.config.greeting}")

    def check(self, client: ClientInfo, topic: str, qos: int, retain: bool) -> int:
        """Deny, and say which configuration did."""
        self.story.append(f"check {self.config.greeting}")
        return DENY

    async def greet(self, client: ClientInfo) -> None:
        """Take almost a second for each client."""
        await trio.sleep(0.9)
        self.story.append(f"{self.config.greeting} {client.client_id}")

    async def work(self) -> None:
        """Run until told to break."""
        await self.host_breaks.wait()
        raise RuntimeError("broken")

    host_breaks: trio.Event

    def attrs(self) -> dict[str, object]:
        """What it says."""
        return {"greeting": self.config.greeting}


class Adapting(Greeter):
    """Takes a new configuration in place."""

    name = "rmq-adapting"

    async def reload(self, config: GreeterConfig) -> None:
        """Refuse what is rude."""
        if config.greeting == "rude":
            raise PluginError("mind your manners")
        if config.greeting == "bug":
            raise ValueError("odd")
        self.story.append(f"reload {config.greeting}")
        self.config = config


class Fixed(Greeter):
    """Must stay as it is."""

    name = "rmq-fixed"
    immutable = True


class Choice(PluginChoice):
    """What may be loaded; ``config`` is what the files say now, or what is wrong with them."""

    def __init__(self, classes: list[AnyPlugin]) -> None:
        super().__init__([])
        self.classes = {found.name: found for found in classes}
        self.greeting = "hello"
        self.problem: ConfigError | None = None

    def names(self) -> list[str]:
        return [*self.classes, "rmq-faulty"]

    def canonical(self, name: str) -> str:
        return name.replace("rmqtt-", "rmq-")

    def loaded(self, name: str) -> AnyPlugin | None:
        return self.classes.get(name)

    def read_again(self) -> None:
        if self.problem is not None:
            raise self.problem

    def choose(self, name: str, over: Mapping[str, object] | None = None) -> ChosenPlugin:
        if name not in self.classes:
            raise ConfigError([Problem("", f"plugins.{name}", "can't be loaded")])
        return ChosenPlugin(self.classes[name], GreeterConfig(greeting=self.greeting))


class Host:
    """A manager with a choice of plugins and what they told."""

    def __init__(self, bench: PluginBench) -> None:
        self.bench = bench
        self.story: list[str] = []
        self.breaks = trio.Event()
        classes: list[AnyPlugin] = []
        for base in (Greeter, Adapting, Fixed):
            made: Any = type(base.__name__, (base,), {"story": self.story, "host_breaks": self.breaks})
            classes.append(made)
        self.choice = Choice(classes)
        self.dropped = 0
        bench.services.drop_access_cache = self._drop
        self.manager = PluginManager(bench.services, [self.choice.choose("rmq-adapting")], self.choice)

    def _drop(self) -> None:
        self.dropped += 1

    def check(self) -> int:
        return chains.message_publish_check_acl(self.bench.chains, CLIENT, "t", 0, False)

    def connect(self, client_id: str) -> None:
        client = ClientInfo(7, client_id, None, 5, "192.0.2.1", 1, "tcp.external", 1883)
        chains.client_connected(self.bench.chains, client)

    def said(self) -> list[str]:
        """What was told since the last time."""
        said = list(self.story)
        self.story.clear()
        return said


@asynccontextmanager
async def running(bench: PluginBench) -> AsyncIterator[Host]:
    host = Host(bench)
    async with trio.open_nursery() as nursery:
        await host.manager.start(nursery)
        host.said()
        yield host
        await host.manager.stop()
        nursery.cancel_scope.cancel()


async def test_loading_and_unloading(plugin_bench: PluginBench) -> None:
    async with running(plugin_bench) as host:
        assert await host.manager.unload("rmqtt-adapting")
        assert host.said() == ["stop hello"]
        host.check()
        assert host.said() == []
        assert not await host.manager.unload("rmq-adapting")
        host.choice.greeting = "hi"
        assert await host.manager.load("rmq-adapting")
        assert not await host.manager.load("rmq-adapting")
        assert await host.manager.load("rmq-greeter")
        assert host.said() == ["start hi", "start hi"]
        assert host.check() == DENY
        assert [plugin.name for plugin in host.manager] == ["rmq-adapting", "rmq-greeter"]
        assert host.dropped == 3  # one for each change
    assert host.said()[-2:] == ["stop hi", "stop hi"]


async def test_describing(plugin_bench: PluginBench) -> None:
    async with running(plugin_bench) as host:
        await host.manager.load("rmq-greeter")
        await host.manager.unload("rmq-greeter")
        states = {state.name: state for state in host.manager.describe()}
        adapting, greeter, faulty = states["rmq-adapting"], states["rmq-greeter"], states["rmq-faulty"]
        unused = {"calls": 0, "seconds": 0.0, "errors": 0, "overruns": 0}
        attrs = {"greeting": "hello", "hooks": dict.fromkeys(("client_connected", "message_publish_check_acl"), unused)}
        assert (adapting.active, adapting.inited, adapting.attrs) == (True, True, attrs)
        assert (adapting.version, adapting.descr, adapting.immutable, adapting.failure) == ("2.0", "Greets", False, "")
        assert (greeter.active, greeter.inited, greeter.attrs, greeter.version) == (False, True, None, "2.0")
        assert (faulty.active, faulty.inited, faulty.version, faulty.descr) == (False, False, None, None)
        assert host.manager.state("rmqtt-fixed").immutable
        with pytest.raises(UnknownPluginError, match="no plugin is called rmq-none"):
            host.manager.state("rmq-none")


async def test_the_configuration_is_shown_without_secrets(plugin_bench: PluginBench) -> None:
    async with running(plugin_bench) as host:
        host.choice.greeting = "later"
        assert host.manager.config("rmq-adapting") == {"greeting": "hello", "password": "********"}
        assert host.manager.config("rmq-greeter") == {"greeting": "later", "password": "********"}
        with pytest.raises(PluginOperationError, match=r"plugins\.rmq-faulty: can't be loaded"):
            host.manager.config("rmq-faulty")


async def test_a_plugin_takes_a_new_configuration_in_place(plugin_bench: PluginBench) -> None:
    async with running(plugin_bench) as host:
        host.choice.greeting = "hi"
        await host.manager.reload_config("rmq-adapting")
        host.check()
        assert host.said() == ["reload hi", "check hi"]
        assert host.manager.config("rmq-adapting")["greeting"] == "hi"
        assert host.dropped == 1


async def test_one_that_cannot_is_restarted(plugin_bench: PluginBench) -> None:
    async with running(plugin_bench) as host:
        await host.manager.load("rmq-greeter")
        host.choice.greeting = "hi"
        host.said()
        await host.manager.reload_config("rmq-greeter")
        assert host.said() == ["stop hello", "start hi"]
        await host.manager.unload("rmq-adapting")
        host.said()
        host.check()
        assert host.said() == ["check hi"], "the handlers of the old one are gone, those of the new one are there"
        await host.manager.unload("rmq-greeter")
        assert not plugin_bench.chains.message_publish_check_acl.handlers


async def test_no_door_stands_open_while_one_is_restarted(
    plugin_bench: PluginBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(plugin_bench) as host:
        await host.manager.unload("rmq-adapting")
        await host.manager.load("rmq-greeter")
        verdicts: list[int] = []

        async def look(self: Greeter) -> None:
            verdicts.append(host.check())
            await trio.lowlevel.checkpoint()
            verdicts.append(host.check())

        monkeypatch.setattr(host.choice.classes["rmq-greeter"], "stop", look)
        begin = Greeter.start

        async def look_and_start(self: Greeter) -> None:
            await look(self)
            await begin(self)
            await look(self)

        monkeypatch.setattr(host.choice.classes["rmq-greeter"], "start", look_and_start)
        await host.manager.reload_config("rmq-greeter")
        assert verdicts == [DENY] * 6


@pytest.mark.parametrize(
    ("name", "greeting", "problem"),
    [
        ("rmq-adapting", "rude", "mind your manners"),
        ("rmq-adapting", "bug", "ValueError: odd"),
        ("rmq-greeter", "rude", "mind your manners"),
        ("rmq-greeter", "unbuildable", "no such greeting"),
    ],
)
async def test_a_configuration_that_it_does_not_want_changes_nothing(
    plugin_bench: PluginBench, name: str, greeting: str, problem: str
) -> None:
    async with running(plugin_bench) as host:
        await host.manager.load(name)
        host.choice.greeting = greeting
        with pytest.raises(PluginOperationError) as caught:
            await host.manager.reload_config(name)
        assert str(caught.value) == f"plugins.{name}: {problem} (the old configuration stays)"
        assert host.manager.config(name)["greeting"] == "hello"
        assert host.manager.state(name).active
        host.said()
        host.check()
        assert "check hello" in host.said()
        assert len(plugin_bench.chains.message_publish_check_acl.handlers) == len(list(host.manager))


async def test_a_configuration_that_is_wrong_is_named_and_never_tried(plugin_bench: PluginBench) -> None:
    async with running(plugin_bench) as host:
        host.choice.problem = ConfigError([Problem("rmq.toml", "plugins.rmq-adapting.greeting", "must be a string")])
        with pytest.raises(PluginOperationError, match=r"^rmq\.toml: plugins\.rmq-adapting\.greeting: must be a str"):
            await host.manager.reload_config("rmq-adapting")
        assert host.said() == []
        with pytest.raises(PluginOperationError, match=r"rmq\.toml"):
            await host.manager.load("rmq-greeter")
        assert not host.manager.state("rmq-greeter").active


async def test_a_restart_that_has_no_way_back_leaves_the_door_shut(
    plugin_bench: PluginBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(plugin_bench) as host:
        await host.manager.unload("rmq-adapting")
        await host.manager.load("rmq-greeter")

        async def refuse(self: Greeter) -> None:
            raise PluginError("the port is taken")

        monkeypatch.setattr(host.choice.classes["rmq-greeter"], "start", refuse)
        with pytest.raises(PluginOperationError, match="the old configuration doesn't start either"):
            await host.manager.reload_config("rmq-greeter")
        state = host.manager.state("rmq-greeter")
        assert not state.active and "the port is taken" in state.failure
        assert host.check() == DENY
        monkeypatch.undo()
        assert await host.manager.load("rmq-greeter")
        assert host.manager.state("rmq-greeter").active
        assert len(plugin_bench.chains.message_publish_check_acl.handlers) == 1


async def test_loading_one_that_does_not_start(plugin_bench: PluginBench) -> None:
    async with running(plugin_bench) as host:
        host.choice.greeting = "rude"
        with pytest.raises(PluginOperationError, match=r"^plugins\.rmq-greeter: mind your manners$"):
            await host.manager.load("rmq-greeter")
        state = host.manager.state("rmq-greeter")
        assert (state.active, state.inited, state.failure) == (False, True, "mind your manners")
        assert len(plugin_bench.chains.message_publish_check_acl.handlers) == 1


async def test_immutable_ones_refuse(plugin_bench: PluginBench) -> None:
    async with running(plugin_bench) as host:
        for operation in (host.manager.load, host.manager.unload, host.manager.reload_config):
            with pytest.raises(PluginOperationError, match="rmq-fixed can't be started, stopped or reloaded"):
                await operation("rmq-fixed")
        assert host.said() == []


async def test_one_whose_task_breaks_is_shown_and_hurts_nobody(plugin_bench: PluginBench) -> None:
    async with running(plugin_bench) as host:
        host.breaks.set()
        await wait_all_tasks_blocked()
        state = host.manager.state("rmq-adapting")
        assert (state.active, state.failure) == (False, "RuntimeError: broken")
        assert plugin_bench.counters.hook_errors == 1
        assert host.check() == DENY, "its handlers stay"
        host.breaks = trio.Event()
        for found in host.choice.classes.values():
            found.host_breaks = host.breaks  # type: ignore[attr-defined]  # the classes made above have it
        assert await host.manager.load("rmq-adapting")
        assert host.manager.state("rmq-adapting").active


async def test_queued_events_are_told_before_a_plugin_stops(
    plugin_bench: PluginBench, autojump_clock: MockClock
) -> None:
    async with running(plugin_bench) as host:
        host.connect("a")
        assert await host.manager.unload("rmq-adapting")
        assert host.said() == ["hello a", "stop hello"]


async def test_but_not_for_ever(plugin_bench: PluginBench, autojump_clock: MockClock) -> None:
    async with running(plugin_bench) as host:
        for number in range(10):
            host.connect(str(number))
        before = trio.current_time()
        assert await host.manager.unload("rmq-adapting")
        assert trio.current_time() - before == 2
        assert host.said()[-1] == "stop hello"
        assert plugin_bench.counters.hook_events_abandoned == 7  # two were told, one was being told


async def test_all_are_reloaded_and_what_fails_is_told(plugin_bench: PluginBench) -> None:
    async with running(plugin_bench) as host:
        await host.manager.load("rmq-greeter")
        host.said()
        assert await host.manager.reload_all() == []
        assert host.said() == ["reload hello"], "one that would be restarted has nothing new to read"
        host.choice.greeting = "rude"
        assert await host.manager.reload_all() == [
            "plugins.rmq-adapting: mind your manners (the old configuration stays)",
            "plugins.rmq-greeter: mind your manners (the old configuration stays)",
        ]


async def test_a_plugin_may_end_itself(plugin_bench: PluginBench) -> None:
    async with running(plugin_bench) as host:
        (plugin,) = host.manager

        async def ask() -> None:
            await host.manager.unload("rmq-adapting")

        plugin.host.spawn(ask)
        await wait_all_tasks_blocked()
        assert host.said() == ["stop hello"]
        assert not host.manager.state("rmq-adapting").active


async def test_a_node_that_stops_waits_for_no_operation(
    plugin_bench: PluginBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures: list[PluginOperationError] = []
    async with running(plugin_bench) as host, trio.open_nursery() as callers:

        async def hang(self: Greeter) -> None:
            await trio.sleep_forever()

        async def ask() -> None:
            try:
                await host.manager.load("rmq-greeter")
            except PluginOperationError as error:
                failures.append(error)

        monkeypatch.setattr(host.choice.classes["rmq-greeter"], "start", hang)
        callers.start_soon(ask)
        await wait_all_tasks_blocked()
        await host.manager.stop()
    assert [str(failure) for failure in failures] == ["the node is stopping"]
    with pytest.raises(PluginOperationError, match="the node isn't running"):
        await host.manager.load("rmq-greeter")


async def test_no_time_left_to_stop(plugin_bench: PluginBench, autojump_clock: MockClock) -> None:
    async with running(plugin_bench) as host:
        for number in range(10):
            host.connect(str(number))
        await host.manager.stop(trio.current_time() + 0.5)
        assert trio.current_time() == 0.5
        assert not plugin_bench.chains.message_publish_check_acl.handlers
        assert list(host.manager) == []


async def test_what_handlers_cost_is_told_and_goes_on_over_reloads(plugin_bench: PluginBench) -> None:
    async with running(plugin_bench) as host:
        await host.manager.unload("rmq-adapting")
        await host.manager.load("rmq-greeter")
        host.check()
        await host.manager.reload_config("rmq-greeter")
        host.check()
        attrs = host.manager.state("rmq-greeter").attrs
        assert attrs is not None
        hooks = attrs["hooks"]
        assert isinstance(hooks, dict)
        assert hooks["message_publish_check_acl"]["calls"] == 2
        assert hooks["client_connected"]["calls"] == 0
