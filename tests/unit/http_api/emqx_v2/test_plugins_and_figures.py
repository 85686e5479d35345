"""Plugins, stats and metrics in the words of EMQX v2."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rmq_http_api.emqx_v2.figures import METRICS, PACKETS, STATS

from tests.unit.http_api.emqx_v2.admin import V2, code
from tests.unit.management.world import FakePlugin, Peers, World


async def test_plugins_of_a_node(v2: V2) -> None:
    assert await v2.get("nodes/node-1/plugins/") == [
        {"name": "rmq-a", "version": "1.0.0", "description": "pretends", "active": True},
        {"name": "rmq-b", "version": "", "description": "", "active": False},
    ]


@pytest.mark.parametrize("path", ["nodes/node-1/plugins", "nodes/plugins"])
async def test_a_plugin_is_started_and_stopped(v2: V2, path: str) -> None:
    done = {"code": 0, "result": []}
    assert (await v2.ask("PUT", f"{path}/rmq-b", content=b'{"active": true}')).json() == done
    assert code(await v2.ask("PUT", f"{path}/rmq-a", content=b'{"active": true}')) == 110
    assert (await v2.ask("PUT", f"{path}/rmq-a", content=b'{"active": false}')).json() == done
    assert code(await v2.ask("PUT", f"{path}/rmq-b", content=b'{"active": false}')) == 111
    assert v2.world.plugins.done == ["load rmq-b", "load rmq-a", "unload rmq-a", "unload rmq-b"]
    assert code(await v2.ask("PUT", f"{path}/rmq-x", content=b'{"active": true}')) == 102
    assert code(await v2.ask("PUT", f"{path}/rmq-a", content=b"{}")) == 107
    assert code(await v2.ask("PUT", f"{path}/rmq-a", content=b'{"active": "yes"}')) == 108


async def test_the_plugin_that_answers_ends_behind_its_answer(v2: V2) -> None:
    known = v2.world.plugins.known
    known["rmq-http-api"] = replace(FakePlugin("rmq-http-api"))
    assert (await v2.ask("PUT", "nodes/plugins/rmq-http-api", content=b'{"active": false}')).json()["code"] == 0
    assert v2.world.plugins.done == []
    (work,) = v2.api.spawned
    await work()
    assert v2.world.plugins.done == ["unload rmq-http-api"]


async def test_stats(v2: V2) -> None:
    v2.world.engine.connect("c").subscribe(("a", 0), ("b", 0))
    stats = await v2.get("monitoring/stats/1")
    assert stats.keys() == STATS.keys()
    assert (stats["clients/count"], stats["sessions/max"], stats["subscriptions/count"], stats["topics/count"]) == (
        1,
        1,
        2,
        2,
    )
    assert await v2.get("monitoring/stats") == [{"node-1": stats}]


async def test_metrics(v2: V2) -> None:
    client = v2.world.engine.connect("c")
    client.subscribe(("t", 1))
    before = await v2.get("monitoring/metrics/node-1")
    assert before.keys() == METRICS.keys() | PACKETS.keys()
    client.publish("t", b"x", 1)
    after = await v2.get("monitoring/metrics/node-1")
    moved = {name: after[name] - before[name] for name in before if not name.startswith("bytes/")}
    assert {name: count for name, count in moved.items() if count} == {
        "messages/received": 1,
        "messages/sent": 1,
        "messages/qos1/received": 1,
        "messages/qos1/sent": 1,
        "packets/publish/received": 1,
        "packets/publish/sent": 1,
        "packets/puback/sent": 1,
        "packets/received": 1,
        "packets/sent": 2,
    }
    assert after["bytes/received"] > before["bytes/received"] and after["bytes/sent"] > before["bytes/sent"]
    assert await v2.get("monitoring/metrics") == [{"node-1": after}]


async def test_figures_of_a_cluster() -> None:
    second = World(2)
    v2 = V2(World(1, Peers([second, World(3)], down={3})))
    second.engine.connect("c")
    for kind in ("stats", "metrics"):
        answer = await v2.ask("GET", f"monitoring/{kind}")
        assert answer.json()["result"][0].keys() == {"node-1", "node-2"}
        assert answer.headers["x-rmq-missing-nodes"] == "3"
        assert code(await v2.ask("GET", f"monitoring/{kind}/3")) == 101
    assert (await v2.get("monitoring/stats/2"))["clients/count"] == 1
