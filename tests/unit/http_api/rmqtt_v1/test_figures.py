"""Brokers, nodes, stats and metrics: of a node alone, and of three, one of which is down."""

from __future__ import annotations

import re

import pytest

from rmq.metrics.keys import METRICS, STATS
from tests.unit.http_api.api import Api, problem
from tests.unit.management.world import Peers, World

TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
UPTIME = r"\d+ days \d+ hours, \d+ minutes, \d+ seconds"


def three(*down: int) -> Api:
    """Node 1 of three, the second with two clients."""
    others = [World(2), World(3)]
    others[0].engine.connect("b1")
    others[0].engine.connect("b2")
    return Api(World(1, Peers(others, set(down))))


async def test_a_broker(api: Api) -> None:
    api.world.engine.advance(5 * 86400 + 23 * 3600 + 16 * 60 + 3)
    (broker,) = await api.get("/api/v1/brokers")
    assert broker == await api.get("/api/v1/brokers/1")
    assert re.fullmatch(TIME, broker.pop("datetime"))
    assert re.fullmatch(r"rmq/\d+\.\d+\.\d+.*", broker.pop("version"))
    assert broker.pop("sysdescr")
    assert broker == {
        "node_id": 1,
        "node_name": "node-1",
        "node_status": "Running",
        "running": True,
        "uptime": "5 days 23 hours, 16 minutes, 3 seconds",
    }


async def test_a_node_and_its_machine(api: Api) -> None:
    before = await api.get("/api/v1/nodes/1")
    api.world.engine.connect("a")
    (node,) = await api.get("/api/v1/nodes")
    assert (before["connections"], node["connections"]) == (0, 1)
    assert re.fullmatch(TIME + " UTC", node["boottime"])
    assert re.fullmatch(UPTIME, node["uptime"])
    assert node["memory_total"] == node["memory_used"] + node["memory_free"]
    assert node["disk_total"] > node["disk_free"] > 0
    assert all(isinstance(node[key], float) for key in ("load1", "load5", "load15"))


@pytest.mark.parametrize("what", ["brokers", "nodes", "stats", "metrics"])
async def test_nodes_that_are_not_there(api: Api, what: str) -> None:
    assert problem(await api.ask("GET", f"/api/v1/{what}/77")) == (404, "NODE_NOT_FOUND")
    assert problem(await api.ask("GET", f"/api/v1/{what}/abc")) == (400, "BAD_PARAMETER")
    assert problem(await api.ask("GET", f"/api/v1/{what}?x=1")) == (400, "BAD_PARAMETER")


async def test_stats_are_all_there_and_change(api: Api) -> None:
    (before,) = await api.get("/api/v1/stats")
    assert before["node"] == {"id": 1, "name": "node-1", "status": "Running", "running": True}
    names = {f"{stat.name}.{part}" for stat in STATS for part in ("count", "max")}
    assert before["stats"].keys() == names | {"retaineds.count", "retaineds.max"}
    api.world.engine.connect("a").disconnect()
    api.world.engine.connect("b").publish("t", b"x", retain=True)
    after = (await api.get("/api/v1/stats/1"))["stats"]
    assert (after["connections.count"], after["connections.max"]) == (1, 1)
    assert (after["retained.count"], after["retaineds.count"]) == (1, 1)


async def test_metrics_are_all_there_and_change(api: Api) -> None:
    (before,) = await api.get("/api/v1/metrics")
    assert before["node"] == {"id": 1, "name": "node-1", "status": "Running", "running": True}
    assert before["metrics"].keys() == {metric.name for metric in METRICS}
    client = api.world.engine.connect("a")
    client.subscribe(("t", 0))
    client.publish("t", b"x")
    after = (await api.get("/api/v1/metrics/1"))["metrics"]
    assert after == await api.get("/api/v1/metrics/sum")
    for name in ("client.connected", "session.subscribed", "messages.publish", "messages.delivered"):
        assert after[name] == before["metrics"][name] + 1


async def test_three_nodes_are_one() -> None:
    api = three()
    api.world.engine.connect("a")
    assert [row["node_id"] for row in await api.get("/api/v1/brokers")] == [1, 2, 3]
    assert [row["connections"] for row in await api.get("/api/v1/nodes")] == [1, 2, 0]
    assert [row["stats"]["connections.count"] for row in await api.get("/api/v1/stats")] == [1, 2, 0]
    assert (await api.get("/api/v1/stats/2"))["node"]["id"] == 2
    found = await api.get("/api/v1/stats/sum")
    assert found["stats"]["connections.count"] == 3
    node = {"status": "Running", "running": True}
    assert found["nodes"] == {str(number): {"name": f"node-{number}", **node} for number in (1, 2, 3)}
    assert (await api.get("/api/v1/metrics/sum"))["client.connected"] == 3


async def test_a_node_that_is_down_is_named_everywhere() -> None:
    api = three(3)
    for what in ("brokers", "nodes"):
        answer = await api.ask("GET", f"/api/v1/{what}")
        down = answer.json()[2]
        assert down.pop("error") and "node_name" in down
        assert (down["node_id"], down["node_status"], down["running"]) == (3, "Down", False)
        assert answer.headers["x-rmq-missing-nodes"] == "3"
    for what in ("stats", "metrics"):
        answer = await api.ask("GET", f"/api/v1/{what}")
        down = answer.json()[2]
        assert down["node"]["id"] == 3 and down["node"]["status"] == "Down" and down["error"]
        assert down[what] == {}
    found = await api.get("/api/v1/stats/sum")
    assert found["nodes"]["3"]["status"] == "Down" and found["nodes"]["3"]["error"]
    assert found["stats"]["connections.count"] == 2
    answer = await api.ask("GET", "/api/v1/metrics/sum")
    assert (answer.headers["x-rmq-missing-nodes"], answer.json()["client.connected"]) == ("3", 2)
    answer = await api.ask("GET", "/api/v1/stats/3")
    assert problem(answer) == (503, "NODE_UNREACHABLE") and answer.headers["retry-after"] == "2"


async def test_the_list_of_routes_is_the_table(api: Api) -> None:
    found = await api.get("/api/v1")
    assert {(row["method"], row["path"]) for row in found} >= {("GET", "/stats/sum"), ("GET", "/brokers/{node}")}
    assert len(found) == sum(
        len(routes) for dialect, routes in api.table.dialects.items() if dialect.name == "rmqtt_v1"
    )
    assert all(row.keys() == {"descr", "method", "name", "path"} and all(row.values()) for row in found if row["path"])
    assert len({row["name"] for row in found}) == len(found)
