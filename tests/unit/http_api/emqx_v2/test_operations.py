"""Listeners, alarms and configurations in the words of EMQX v2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from rmq.management.node.alarms import AlarmReadings
from rmq.management.node.listeners import ListenerAction, ListenerView
from tests.unit.http_api.emqx_v2.admin import V2, code, result
from tests.unit.management.world import Peers, World

ROW = {"acceptors": 1, "max_clients": 100, "current_clients": 3, "shutdown_count": []}
DONE = {"code": 0, "result": []}


class FakeListeners:
    """One of each kind without sockets, the last one stopped."""

    def describe(self) -> Sequence[ListenerView]:
        kinds = ("tcp", "tls", "ws", "wss", "unix")
        return [ListenerView(f"{kind}.a", f"0.0.0.0:{i}", kind != "unix", 3, 100) for i, kind in enumerate(kinds)]

    async def change(self, name: str, action: ListenerAction) -> None:
        raise AssertionError(action)


@pytest.fixture
def three() -> V2:
    """Two nodes, and a third one that doesn't answer."""
    return V2(World(1, Peers([World(2), World(3)], {3})))


async def test_listeners(three: V2) -> None:
    three.world.local.operations.listeners = FakeListeners()
    rows = [
        {**ROW, "protocol": f"mqtt:{protocol}", "listen": f"0.0.0.0:{i}"}
        for i, protocol in enumerate(("tcp", "ssl", "ws", "wss"))
    ]
    each = {"node-1": rows, "node-2": []}
    answer = await three.ask("GET", "listeners")
    assert (result(answer), answer.headers["x-rmq-missing-nodes"]) == (each, "3")
    assert await three.get("monitoring/listeners") == [each]
    for path in ("listeners", "monitoring/listeners"):
        assert await three.get(f"{path}/emqx@127.0.0.1") == rows
        assert await three.get(f"{path}/node-2") == []
        for node in ("3", "9"):
            assert code(await three.ask("GET", f"{path}/{node}")) == 101


async def test_alarms(three: V2) -> None:
    assert await three.get("nodes/node-1/alarms") == []
    alarms = three.world.local.operations.alarms
    alarms.judge(AlarmReadings(now=three.world.broker.clock(), has_quorum=False))
    (alarm,) = await three.get("nodes/node-1/alarms")
    assert (alarm["id"], alarm["severity"], alarm["title"]) == ("no_quorum", "warning", "no quorum")
    assert alarm["summary"] and len(alarm["occurred_at"]) == len("2017-04-14 12:50:15")
    assert await three.get("nodes/node-2/alarms") == []
    assert code(await three.ask("GET", "nodes/3/alarms")) == 101


class Configured:
    """What the plugins of a world are configured to."""

    def __init__(self, v2: V2, **values: Any) -> None:
        self.values: dict[str, Any] = values
        plugins = v2.world.plugins

        def config(name: str) -> dict[str, Any]:
            plugins.state(name)
            return dict(self.values)

        plugins.config = config  # type: ignore[method-assign]  # what this one is configured to


async def test_configurations_are_shown(v2: V2) -> None:
    Configured(v2, url="http://x", retries=3, on=True, share=0.5, topics=["a"])
    rows = [
        {"key": key, "value": value, "datatpye": kind, "app": "rmq-a"}
        for key, value, kind in (
            ("url", "http://x", "string"),
            ("retries", "3", "integer"),
            ("on", "true", "flag"),
            ("share", "0.5", "float"),
            ("topics", '["a"]', "json"),
        )
    ]
    assert await v2.get("configs") == {"node-1": rows}
    for path in ("nodes/1/configs", "configs/rmq-a", "nodes/1/configs/rmq-a"):
        assert await v2.get(path) == rows
    short = [{"key": row["key"], "value": row["value"], "desc": "", "required": False} for row in rows]
    assert await v2.get("nodes/1/plugin_configs/rmq-a") == short
    for path in ("configs/rmq-x", "nodes/1/plugin_configs/rmq-x"):
        assert code(await v2.ask("GET", path)) == 102


@pytest.mark.parametrize("path", ["configs/rmq-a", "nodes/node-1/configs/rmq-a"])
async def test_a_key_is_set(v2: V2, path: str) -> None:
    Configured(v2, url="http://x", retries=3, timeout=5.0, secret="******")
    configs = v2.world.service.plugin_configs
    for key, value in (("retries", "4"), ("url", "5"), ("timeout", "10s")):
        answer = await v2.ask("PUT", path, json={"key": key, "value": value})
        assert answer.json() == DONE
    assert configs.kept("rmq-a") == {"retries": 4, "url": "5", "timeout": "10s"}
    assert v2.world.plugins.done == ["reload rmq-a"] * 3
    assert code(await v2.ask("PUT", path, content=b'{"key": "odd", "value": "1"}')) == 108
    assert code(await v2.ask("PUT", path, content=b'{"key": "url"}')) == 107
    assert code(await v2.ask("PUT", path, content=b'{"key": "url", "value": 1}')) == 108


async def test_keys_are_set_together(v2: V2) -> None:
    Configured(v2, url="http://x", retries=3, secret="******")
    path = "nodes/1/plugin_configs/rmq-a"
    read = {row["key"]: row["value"] for row in await v2.get(path)}
    assert (await v2.ask("PUT", path, json=read)).json() == DONE
    assert v2.world.service.plugin_configs.kept("rmq-a") == {}  # a secret isn't overwritten by what hides it
    assert (await v2.ask("PUT", path, json={**read, "retries": 7})).json() == DONE
    assert v2.world.service.plugin_configs.kept("rmq-a") == {"retries": 7}
    assert code(await v2.ask("PUT", path, json={"retries": 8, "odd": "x"})) == 108
    assert code(await v2.ask("PUT", path, json={"url": "http://u:********@x"})) == 108
    assert v2.world.service.plugin_configs.kept("rmq-a") == {"retries": 7}
    assert (await v2.ask("PUT", path, json=read, user="eve")).status_code == 403
