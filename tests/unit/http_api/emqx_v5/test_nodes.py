"""Nodes, their gauges and counters under EMQX's names; of three nodes one of which is down, too."""

from __future__ import annotations

import pytest
from rmq_http_api.emqx_v5.figure_names import METRICS, STATS

import rmq
from rmq.management.node.condition import SERVING
from rmq.metrics.keys import METRICS as OURS
from rmq.metrics.keys import STATS as GAUGES
from tests.unit.http_api.emqx_v5.v5 import V5, problem
from tests.unit.management.world import Peers, World


def three(*down: int) -> V5:
    others = [World(2), World(3)]
    others[0].engine.connect("far", expiry=100)
    return V5(World(1, Peers(others, set(down))))


def test_every_name_is_made_of_ours() -> None:
    counters, gauges = {metric.name for metric in OURS}, {stat.name for stat in GAUGES}
    for name, parts in METRICS.items():
        assert set(parts) <= counters, name
    for name, parts in STATS.items():
        assert set(parts) <= gauges, name


async def test_a_node_in_every_field(v5: V5) -> None:
    engine = v5.world.engine
    engine.connect("a", expiry=100).lose()
    engine.connect("b")
    engine.advance(2)
    v5.world.local.condition.phase = SERVING
    (row,) = await v5.get("/nodes")
    assert row == await v5.get("/nodes/node-1") == await v5.get("/nodes/1")
    for name in ("load1", "load5", "load15"):
        assert isinstance(row.pop(name), float)
    for name in ("memory_total", "memory_used"):
        assert row.pop(name)[-1] in "KMG"
    assert row.pop("max_fds") > 0 and row.pop("process_used") > 0
    assert row == {
        "node": "node-1",
        "node_status": "running",
        "version": rmq.__version__,
        "edition": "Opensource",
        "role": "core",
        "uptime": 2000,
        "otp_release": "",
        "connections": 2,
        "live_connections": 1,
        "cluster_sessions": 2,
        "process_available": 0,
        "sys_path": "",
        "log_path": "",
    }
    for path in ("/nodes/nobody", "/nodes/7", "/nodes/nobody/stats", "/nodes/nobody/metrics", "/metrics?node=nobody"):
        assert problem(await v5.ask("GET", path)) == (404, "NOT_FOUND")


async def test_of_three_nodes_one_down() -> None:
    v5 = three(3)
    v5.world.engine.connect("here")
    answer = await v5.ask("GET", "/nodes")
    assert [(row["node"], row["node_status"]) for row in answer.json()] == [
        ("node-1", "running"),
        ("node-2", "running"),
        ("node 3", "stopped"),
    ]
    assert [row["cluster_sessions"] for row in answer.json()[:2]] == [2, 2]
    assert answer.headers["x-rmq-missing-nodes"] == "3"
    assert await v5.get("/nodes/3") == {"node": "node 3", "node_status": "stopped"}
    for path in ("/nodes/3/stats", "/nodes/3/metrics"):
        assert problem(await v5.ask("GET", path)) == (503, "BAD_RPC")
    for path in ("/stats", "/metrics"):
        answer = await v5.ask("GET", path)
        assert [row["node"] for row in answer.json()] == ["node-1", "node-2"]
        assert answer.headers["x-rmq-missing-nodes"] == "3"
    assert [row["live_connections.count"] for row in await v5.get("/stats")] == [1, 1]
    assert [row["cluster_sessions.count"] for row in await v5.get("/stats")] == [2, 2]
    assert (await v5.get("/stats?aggregate=true"))["live_connections.count"] == 2
    assert (await v5.get("/metrics?aggregate=true"))["client.connected"] == 2
    assert (await v5.get("/metrics?node=node-2&aggregate=true"))["client.connected"] == 1
    assert (await v5.get("/nodes/node-2/metrics"))["client.connected"] == 1
    assert (await v5.get("/nodes/node-2/stats"))["connections.count"] == 1


@pytest.mark.parametrize("what", ["stats", "metrics"])
async def test_every_figure_is_there(v5: V5, what: str) -> None:
    (row,) = await v5.get(f"/{what}")
    assert row.pop("node") == "node-1"
    assert row == await v5.get(f"/{what}?aggregate=true") == await v5.get(f"/nodes/node-1/{what}")
    names = set(METRICS) if what == "metrics" else {f"{name}.{end}" for name in STATS for end in ("count", "max")}
    assert row.keys() >= names and all(isinstance(value, int) for value in row.values())
    assert problem(await v5.ask("GET", f"/{what}?aggregate=yes")) == (400, "BAD_REQUEST")


async def test_what_clients_do_is_counted(v5: V5) -> None:
    engine = v5.world.engine
    before = await v5.get("/metrics?aggregate=true")
    a = engine.connect("a", username="u")
    a.subscribe(("t", 1), ("$share/g/t", 0))
    engine.connect("b").publish("t", b"x", 1)
    engine.connect("c").publish("nobody", b"x", 0)
    after = await v5.get("/metrics?aggregate=true")
    grown = {name: after[name] - before[name] for name in after if after[name] != before[name]}
    assert grown.pop("bytes.received") > 0 and grown.pop("bytes.sent") > 0
    assert grown["packets.connect.received"] == grown["packets.connack.sent"] == grown["client.connected"] == 3
    assert grown["packets.received"] == 6 and grown["messages.received"] == 2
    assert grown["messages.qos1.received"] == grown["messages.qos0.received"] == 1
    assert grown["messages.dropped"] == grown["messages.dropped.no_subscribers"] == 1
    assert grown["messages.delivered"] == 2 and grown["client.subscribe"] == 2
    stats = await v5.get("/stats?aggregate=true")
    assert stats["subscriptions.count"] == 2 and stats["subscriptions.shared.count"] == 1
    assert stats["topics.count"] == 1 and stats["live_connections.max"] == 3
