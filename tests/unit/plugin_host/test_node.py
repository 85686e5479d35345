"""Plugins in a whole node: started before it listens, and one that can't start is one line and no node."""

import os
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner

import rmq.node.node
from rmq.cli import main
from rmq.config import Override, Settings, load
from rmq.node import Node
from rmq.plugin_api import Plugin, PluginConfig

SAMPLES = "tests.unit.plugin_host.samples"
HERE = "tests.unit.plugin_host.test_node"


class Probe(Plugin[PluginConfig]):
    """Looks at the node at the moments a plugin gets to see."""

    name = "rmq-probe"
    story: list[str]

    async def start(self) -> None:
        """Note when things happen."""
        self.story = []
        self.host.on("before_startup", self.before_startup)

    async def before_startup(self) -> None:
        """A hook that waits; listeners wait for it."""
        await trio.lowlevel.checkpoint()
        self.story.append("before startup")

    async def stop(self) -> None:
        """The node is still there."""
        self.story.append(f"stop, {self.host.stats()['connections.count']} connections")


@pytest.fixture(autouse=True)
def _plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("RMQ_")]:
        monkeypatch.delenv(name)
    paths = {"rmq-probe": f"{HERE}:Probe", "rmq-broken": f"{SAMPLES}:Broken", "rmq-gone": "no.such.module:Gone"}
    monkeypatch.setattr(rmq.node.node, "PLUGINS", paths)


def settings(*names: str) -> Settings:
    listed = ", ".join(f'"{name}"' for name in names)
    keys = {
        "plugins.default_startups": f"[{listed}]",
        "listener.tcp.external.addr": "127.0.0.1:0",
        "log.to": "off",
    }
    return load(overrides=[Override("--set", key, value) for key, value in keys.items()])


async def test_plugins_run_from_before_the_listeners_until_after_the_last_client() -> None:
    node = Node(settings("rmq-probe"), lambda: trio.current_time())
    node.open()
    running: list[Plugin[PluginConfig]] = []
    story: list[str] = []

    def started() -> None:
        for plugin in node.plugins:
            assert isinstance(plugin, Probe)
            running.append(plugin)
            plugin.story.append("listening")
            story.extend(plugin.story)
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(node.run, started)
    assert story == ["before startup", "listening"]
    (probe,) = running
    assert isinstance(probe, Probe)
    assert probe.story[-1] == "stop, 0 connections"
    assert not node.broker.chains.before_startup.handlers


@pytest.mark.parametrize(
    ("names", "line"),
    [
        (("rmq-broken",), "rmq-node: plugins.rmq-broken: no licence"),
        (("rmqtt-broken",), "rmq-node: plugins.rmq-broken: no licence"),
        (("rmq-probe", "rmq-broken"), "rmq-node: plugins.rmq-broken: no licence"),
    ],
)
def test_a_plugin_that_cannot_start_is_one_line(
    monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], line: str
) -> None:
    paths = {"rmq-probe": f"{HERE}:Probe", "rmq-broken": f"{SAMPLES}:Broken"}
    monkeypatch.setattr(rmq.node.node, "PLUGINS", paths)
    listed = ", ".join(f'"{name}"' for name in names)
    arguments = [f"plugins.default_startups=[{listed}]", "listener.tcp.external.addr=127.0.0.1:0", "log.to=off"]
    result = CliRunner().invoke(main, [part for argument in arguments for part in ("--set", argument)])
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"{line}\n")


def test_a_plugin_that_cannot_be_loaded_is_one_line() -> None:
    result = CliRunner().invoke(main, ["--check", "--set", 'plugins.default_startups=["rmq-probe", "rmq-gone"]'])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "rmq-node: plugins: plugin rmq-gone can't be loaded: No module named 'no'\n"


def test_a_plugin_that_cannot_be_loaded_and_is_not_used_troubles_nobody() -> None:
    result = CliRunner().invoke(main, ["--check", "--set", 'plugins.default_startups=["rmq-probe"]'])
    assert (result.exit_code, result.stderr) == (0, "")
