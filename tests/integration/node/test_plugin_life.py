"""The plugin of docs/plugins.md: installed as people install one, loaded, reloaded and unloaded in a running node."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import pytest
import trio

from rmq.config import load
from rmq.node import Clock, Node
from rmq.plugin_host.operations import PluginOperationError
from tests.integration.node.watched_node import install_plugin
from tests.support.broker_process import REPOSITORY
from tests.support.client import Client
from tests.support.wire_parser import Puback, Publish

pytestmark = pytest.mark.realtime

NAME = "rmq-quiet-hours"
NOT_AUTHORIZED = 0x87

T = TypeVar("T")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where node.toml is, with the plugin of the page installed on the path."""
    page = (REPOSITORY / "docs" / "plugins.md").read_text(encoding="utf-8")
    (source,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    ((name, module, class_name),) = re.findall(r'^(\S+) = "(\w+):(\w+)"$', page, re.MULTILINE)
    assert name == NAME
    install_plugin(tmp_path / "site", name, module, class_name, source)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site"), *sys.path])
    monkeypatch.delitem(sys.modules, module, raising=False)
    (tmp_path / "node.toml").write_text(
        '[listener.tcp.external]\naddr = "127.0.0.1:0"\n[listener.ws.external]\nenable = false\n'
        "[plugins]\ndefault_startups = []\n[storage]\nenable = false\n"
    )
    (tmp_path / "plugins").mkdir()
    return tmp_path


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Node]:
    node = Node(load(folder / "node.toml"), Clock())
    node.open()
    started = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(node.run, started.set)
        await started.wait()
        yield node
        nursery.cancel_scope.cancel()


async def in_thread(work: Callable[[], T]) -> T:
    """Clients of these tests block."""
    return await trio.to_thread.run_sync(work)


class People:
    """Two who publish and one who listens to the audit; everything blocks."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.guest, self.operator, self.auditor = (Client(address, name) for name in ("g", "o", "a"))
        self.guest.connect(username="guest")
        self.operator.connect(username="operator")
        self.auditor.connect()
        self.auditor.subscribe("audit/#")

    def raise_alarm(self) -> list[int]:
        """What the guest and the operator are answered."""
        codes = []
        for client in (self.guest, self.operator):
            client.send_publish("alarms/fire", b"!", 1)
            codes.append(client.expect(Puback).code)
        return codes

    def close(self) -> None:
        for client in (self.guest, self.operator, self.auditor):
            client.close()


async def test_the_plugin_of_the_page(folder: Path) -> None:
    async with running(folder) as node:
        address = (node.listeners[0].host, node.listeners[0].port)
        people = await in_thread(lambda: People(address))
        nobody_there = [0x10, 0x10]
        assert await in_thread(people.raise_alarm) == nobody_there
        assert not node.plugins.state(NAME).active

        assert await node.plugins.load(NAME)
        assert node.plugins.state(NAME).active
        assert await in_thread(people.raise_alarm) == [NOT_AUTHORIZED, 0x10], "what was allowed before is asked anew"
        audit = await in_thread(lambda: people.auditor.expect(Publish))
        assert (audit.topic, audit.payload) == ("audit/alarms", b"somebody tried")

        keys = folder / "plugins" / f"{NAME}.toml"
        keys.write_text('operator = "guest"\n')
        await node.plugins.reload_config(NAME)
        assert await in_thread(people.raise_alarm) == [0x10, NOT_AUTHORIZED]

        keys.write_text("operator = 5\n")
        with pytest.raises(PluginOperationError, match=rf"{NAME}\.toml: plugins\.{NAME}\.operator: must be a string"):
            await node.plugins.reload_config(NAME)
        assert await in_thread(people.raise_alarm) == [0x10, NOT_AUTHORIZED]
        assert node.plugins.config(NAME) == {"topic_filter": "alarms/#", "operator": "guest"}

        assert await node.plugins.unload(NAME)
        assert await in_thread(people.raise_alarm) == nobody_there
        assert not node.plugins.state(NAME).active
        await in_thread(people.close)


async def test_it_may_be_started_with_the_node(folder: Path) -> None:
    text = (folder / "node.toml").read_text()
    (folder / "node.toml").write_text(text.replace("[]", f'["{NAME}"]'))
    async with running(folder) as node:
        assert [plugin.name for plugin in node.plugins] == ["rmq-counter", NAME]
