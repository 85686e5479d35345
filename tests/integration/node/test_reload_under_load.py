"""Plugins reloaded, restarted, unloaded and loaded under load: nothing is lost, nothing comes twice, nobody is cut off.

RMQ_TEST_RELOAD_SEED repeats the schedule of a run; one that fails tells its own.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.integration.http_api.http import Http
from tests.integration.node.watched_node import install_plugin
from tests.support.cluster_processes import ClusterProcesses, Member
from tests.support.load.load import Load

pytestmark = [pytest.mark.realtime, pytest.mark.slow]

SEED: Final = int(os.environ.get("RMQ_TEST_RELOAD_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
TIMEOUT_S: Final = 30.0
TIMES: Final = 6
# Restarted for a new configuration; it takes part in all that a message meets, and has messages wait in its handlers.
PLUGIN: Final = """
import trio

from rmq.plugin_api import ALLOW, Plugin, PluginConfig


class Keys(PluginConfig):
    pause_ms: int = 1


class Slow(Plugin[Keys]):
    name = "load-slow"
    Config = Keys

    async def start(self):
        for point in ("message_publish", "message_publish_check_acl", "message_delivered", "message_acked"):
            self.host.on(point, getattr(self, point), priority=50)
        self.told = 0

    async def message_publish(self, client, message):
        await trio.sleep(self.config.pause_ms / 1000)
        return message

    async def message_publish_check_acl(self, client, topic, qos, retain):
        await trio.sleep(self.config.pause_ms / 1000)
        return ALLOW

    async def message_delivered(self, client, message):
        self.told += 1

    def message_acked(self, client, message):
        self.told += 1
"""
MAIN_FILE: Final = """
[plugins]
default_startups = ["load-slow", "rmq-acl", "rmq-topic-rewrite", "rmq-http-api"]
[listener.tcp.external]
max_mqueue_len = 60000
"""
# Each topic becomes itself, by way of everything that rewriting does.
REWRITE: Final = """
rules = [{ action = "all", source_topic_filter = "load/#", dest_topic = "load/$1", regex = "^load/(.+)$" }]
"""
RULES: Final = """
rules = [["allow", "all", "pubsub", ["load/#"]], ["deny", { user = "nobody-%d" }, "pubsub", ["x"]], ["allow", "all"]]
"""

Change = Callable[[int], None]


class Subject:
    """A node, and all that may be done to its plugins while it works; each way is given the number of the turn."""

    def __init__(self, member: Member, folder: Path) -> None:
        self.member = member
        self.folder = folder
        self.http = Http.of(member)

    def put(self, plugin: str, action: str) -> str:
        """What the API answers, which has to be good."""
        answer = self.http.ask("PUT", f"/api/v1/plugins/1/{plugin}/{action}")
        assert answer.status == 200, answer.text
        return answer.text

    def write(self, plugin: str, text: str) -> None:
        """Change a configuration."""
        (self.folder / "plugins" / f"{plugin}.toml").write_text(text)

    def reload_in_place(self, turn: int) -> None:
        """New rules for access, which drop what connections remember; and the same rewriting again."""
        self.write("rmq-acl", RULES % turn)
        self.put("rmq-acl", "config/reload")
        self.put("rmq-topic-rewrite", "config/reload")

    def restart(self, turn: int) -> None:
        """A plugin that is made anew for a new configuration."""
        self.write("load-slow", f"pause_ms = {turn % 3}\n")
        self.put("load-slow", "config/reload")

    def unload_and_load(self, turn: int) -> None:
        """All three go, and come again."""
        for plugin in ("load-slow", "rmq-acl", "rmq-topic-rewrite"):
            assert self.put(plugin, "unload") == "true"
        for plugin in ("rmq-topic-rewrite", "rmq-acl", "load-slow"):
            assert self.put(plugin, "load") == "ok"

    def new_code(self, turn: int) -> None:
        """The file of a plugin is written anew."""
        file = self.folder / "site" / "load_slow.py"
        file.write_text(f"{PLUGIN}\nTURN = {turn}\n")
        deadline = time.monotonic() + TIMEOUT_S
        while self.member.log.count("plugin reloaded with new code") <= turn:
            assert time.monotonic() < deadline, self.member.log[-2000:]
            assert not self.member.ends_within(0.05)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[ClusterProcesses]:
    """One node, with the plugin above."""
    install_plugin(tmp_path / "site", "load-slow", "load_slow", "Slow", PLUGIN)
    (tmp_path / "rmq.toml").write_text(MAIN_FILE)
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "rmq-topic-rewrite.toml").write_text(REWRITE)
    (tmp_path / "plugins" / "rmq-acl.toml").write_text(RULES % 0)
    (tmp_path / "nodes").mkdir()
    alone = ClusterProcesses(tmp_path / "nodes", size=1)
    alone[1].arguments = ["-f", str(tmp_path / "rmq.toml"), "--dev"]
    # Beside what the node finds its own code by.
    alone[1].before_command = ["sh", "-c", f'PYTHONPATH="{tmp_path / "site"}:$PYTHONPATH" exec "$@"', "sh"]
    try:
        alone.start()
        yield alone
    finally:
        alone.close()


@pytest.mark.parametrize("kind", ["reload_in_place", "restart", "unload_and_load", "new_code"])
def test_nothing_is_lost(node: ClusterProcesses, tmp_path: Path, kind: str) -> None:
    subject = Subject(node[1], tmp_path)
    change: Change = getattr(subject, kind)
    with Load(node, SEED) as load:
        for turn in range(TIMES):
            load.wait_for(load.rng.choice((20, 100, 300)))
            change(turn)
        load.wait_for(100)
        load.finish()
        assert load.ledger.acknowledged >= 200
        assert not load.ledger.faults, "nobody was told to put up with anything"
    plugins = subject.http.get("/api/v1/plugins/1")
    told = {plugin["name"]: plugin for plugin in plugins}
    assert all(told[name]["active"] for name in ("load-slow", "rmq-acl", "rmq-topic-rewrite"))
    used = told["load-slow"]["attrs"]["hooks"]
    assert used["message_publish"]["calls"] > 100
    assert all((use["errors"], use["overruns"]) == (0, 0) for use in used.values()), used


def test_a_configuration_that_is_refused_under_load_changes_nothing(node: ClusterProcesses, tmp_path: Path) -> None:
    subject = Subject(node[1], tmp_path)
    with Load(node, SEED) as load:
        for turn in range(TIMES):
            load.wait_for(50)
            for plugin in ("load-slow", "rmq-acl"):
                subject.write(plugin, "no_such_key = 1\n" if turn % 2 else "not TOML\n")
                answer = subject.http.ask("PUT", f"/api/v1/plugins/1/{plugin}/config/reload")
                assert answer.status == 409 and plugin in answer.json["message"], answer.text
        load.wait_for(100)
        load.finish()
        assert not load.ledger.faults
