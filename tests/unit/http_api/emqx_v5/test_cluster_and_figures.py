"""The cluster, plugins, charts and figures under EMQX's names; and what EMQX has that isn't here."""

from __future__ import annotations

import re
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from rmq_http_api.emqx_v5.figure_names import METRICS, STATS
from rmq_http_api.emqx_v5.not_served import NOT_SERVED

from rmq.management.cluster import ClusterStatus, MemberView, NoCluster
from rmq.management.models import HistoryPoint, HistoryView, NodeRef
from rmq.management.node.history import HistoryKind
from tests.unit.http_api.api import Api
from tests.unit.http_api.emqx_v5.v5 import V5, problem
from tests.unit.management.world import Peers, World


class Members(NoCluster):
    """A cluster of two nodes, one of which can be taken out."""

    def __init__(self) -> None:
        self.removed: list[int] = []

    async def status(self) -> ClusterStatus:
        members = tuple(MemberView(node, f"node-{node}", "127.0.0.1:1", True, "up", 1, 0, True, 1) for node in (1, 2))
        return ClusterStatus("abc", 1, 1, 1, 1, 1, members, True)

    async def remove(self, node_id: int) -> None:
        self.removed.append(node_id)


async def test_a_node_alone_is_a_cluster_of_one(v5: V5) -> None:
    assert await v5.get("/cluster") == {"name": "rmq", "nodes": ["node-1"], "self": "node-1"}
    assert await v5.get("/cluster/topology") == [{"core_node": "node-1", "replicant_nodes": []}]
    assert await v5.get("/cluster/invitation") == {"in_progress": [], "succeed": [], "failed": []}
    assert problem(await v5.ask("DELETE", "/cluster/node-1/force_leave"))[0] == 409


async def test_a_cluster_of_two() -> None:
    v5 = V5(World(1, Peers([World(2)])))
    members = v5.world.service.cluster = Members()
    assert await v5.get("/cluster") == {"name": "abc", "nodes": ["node-1", "node-2"], "self": "node-1"}
    assert [row["core_node"] for row in await v5.get("/cluster/topology")] == ["node-1", "node-2"]
    assert (await v5.ask("DELETE", "/cluster/node-2/force_leave")).status_code == 204
    assert members.removed == [2]
    assert problem(await v5.ask("DELETE", "/cluster/node-7/force_leave")) == (404, "NOT_FOUND")
    for path in ("invite", "invite_async"):
        answer = await v5.ask("PUT", f"/cluster/emqx%40127.0.0.1/{path}")
        assert problem(answer) == (400, "BAD_REQUEST") and "rmq-node cluster join" in answer.json()["message"]


async def test_plugins() -> None:
    other = World(2)
    v5 = V5(World(1, Peers([other, World(3)], {3})))
    answer = await v5.ask("GET", "/plugins")
    assert answer.headers["x-rmq-missing-nodes"] == "3"
    a, b = answer.json()
    assert a == {
        "name": "rmq-a",
        "rel_vsn": "1.0.0",
        "description": "pretends",
        "author": [],
        "rel_apps": [],
        "running_status": [{"node": "node-1", "status": "running"}, {"node": "node-2", "status": "running"}],
    }
    assert (b["rel_vsn"], b["description"], b["running_status"][0]["status"]) == ("0.0.0", "", "stopped")
    assert await v5.get("/plugins/rmq-a") == await v5.get("/plugins/rmq-a-1.0.0") == a
    assert (await v5.ask("PUT", "/plugins/rmq-b/start")).status_code == 204
    assert (await v5.ask("PUT", "/plugins/rmq-a-1.0.0/stop")).status_code == 204
    assert v5.world.plugins.done == other.plugins.done == ["load rmq-b", "unload rmq-a"]
    assert problem(await v5.ask("PUT", "/plugins/rmq-a/restart")) == (404, "NOT_FOUND")
    for method, path in (("GET", "/plugins/nothing"), ("PUT", "/plugins/nothing/start")):
        assert problem(await v5.ask(method, path)) == (404, "NOT_FOUND")


class Kept:
    """A history with three points, ten seconds apart; ``scale`` times as much."""

    def __init__(self, node: NodeRef, scale: int) -> None:
        self._node = node
        self._scale = scale
        self.asked: list[int] = []

    async def read(self, kind: HistoryKind, start_ms: int, end_ms: int, limit: int, window_s: int) -> HistoryView:
        self.asked.append(window_s)
        if kind == "stats":
            names: tuple[str, ...] = ("sessions.count", "connections.count", "topics.count", "subscriptions.count")
            rows = [(3, 2, 5, 7), (2, 1, 5, 6), (1, 1, 5, 5)]
        else:
            names = ("messages.qos0.received", "messages.qos1.received", "bytes.sent", "messages.nonsubscribed")
            rows = [(50, 5, 40, 3), (20, 0, 400, 3), (10, 0, 100, 1)]  # it was started anew between the last two
        points = tuple(
            HistoryPoint(1_000_000 - number * 10_000, tuple(value * self._scale for value in row))
            for number, row in enumerate(rows)
        )
        return HistoryView(self._node, names, points)


async def test_charts() -> None:
    other = World(2)
    v5 = V5(World(1, Peers([other])))
    own, far = Kept(v5.world.local.ref, 1), Kept(other.local.ref, 2)
    v5.world.local.history, other.local.history = own, far
    points = await v5.get("/monitor?latest=60")
    assert [point["time_stamp"] for point in points] == [990_000, 1_000_000]
    assert points[1] == {
        "time_stamp": 1_000_000,
        "connections": 9,
        "live_connections": 6,
        "topics": 10,
        "subscriptions": 21,
        "disconnected_durable_sessions": 3,
        "subscriptions_durable": 0,
        "received": 35 * 3,
        "sent": 0,
        "received_bytes": 0,
        "sent_bytes": 40 * 3,
        "dropped": 0,
        "persisted": 0,
    }
    assert (points[0]["received"], points[0]["sent_bytes"], points[0]["dropped"]) == (30, 900, 6)
    assert (await v5.get("/monitor/nodes/node-2"))[1]["connections"] == 6
    assert own.asked == [10, 10] and far.asked == [10, 10, 600, 600], "points are further apart in a longer time"
    v5.world.engine.connect("a").subscribe(("t", 0))
    v5.world.engine.connect("b", expiry=60).subscribe(("t", 0))
    now = await v5.get("/monitor_current")
    assert (now["live_connections"], now["topics"], now["subscriptions"], now["cluster_sessions"]) == (2, 1, 2, 2)
    assert now["subscriptions_durable"] == 1, "those of whoever stays"
    stats = await v5.get("/stats?aggregate=true")
    assert (stats["subscriptions.count"], stats["durable_subscriptions.count"]) == (2, 1)
    assert now["received_msg_rate"] == round(45 * 3 / 20) and "node_uptime" not in now
    one = await v5.get("/monitor_current/nodes/1")
    assert one.keys() - now.keys() == {"node_uptime"} and one["received_msg_rate"] == round(45 / 20)
    for path in ("/monitor/nodes/nobody", "/monitor_current/nodes/nobody"):
        assert problem(await v5.ask("GET", path)) == (404, "NOT_FOUND")
    assert problem(await v5.ask("GET", "/monitor?latest=0")) == (400, "BAD_REQUEST")


async def test_charts_without_a_history(v5: V5) -> None:
    assert await v5.get("/monitor") == []
    assert (await v5.get("/monitor_current"))["received_msg_rate"] == 0


def samples(text: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    """As Prometheus's own parser reads it, which puts "_total" behind a counter that hasn't it."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name.removesuffix("_total"), []).append((sample.labels, sample.value))
    return found


async def test_figures_for_prometheus() -> None:
    other = World(2)
    other.engine.connect("b")
    v5 = V5(World(1, Peers([other, World(3)], {3})))
    v5.world.engine.connect("a")
    answer = await Api(v5.world, is_loopback=False, address="10.0.0.9").ask("GET", "/api/v5/prometheus/stats")
    assert answer.status_code == 200, "nobody has to log in"
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    own = samples(answer.text)
    for name in (*METRICS, *(f"{name}.{end}" for name in STATS for end in ("count", "max"))):
        assert f"emqx_{name.replace('.', '_')}" in own
    assert own["emqx_live_connections_count"] == [({}, 1.0)] and own["emqx_cluster_sessions_count"] == [({}, 2.0)]
    assert own["emqx_cluster_nodes_running"] == [({}, 2.0)] and own["emqx_cluster_nodes_stopped"] == [({}, 1.0)]
    assert re.search(r"^# TYPE emqx_bytes_received counter$", answer.text, re.MULTILINE)
    whole = samples((await v5.ask("GET", "/prometheus/stats?mode=all_nodes_aggregated")).text)
    assert whole["emqx_client_connected"] == [({}, 2.0)]
    each = samples((await v5.ask("GET", "/prometheus/stats?mode=all_nodes_unaggregated")).text)
    assert each["emqx_client_connected"] == [({"node": "node-1"}, 1.0), ({"node": "node-2"}, 1.0)]
    assert problem(await v5.ask("GET", "/prometheus/stats?mode=some")) == (400, "BAD_REQUEST")
    assert (await v5.get("/prometheus"))["push_gateway"]["enable"] is False


@pytest.mark.parametrize("template", sorted(NOT_SERVED))
async def test_what_isnt_here_says_so(v5: V5, template: str) -> None:
    for path in (template, f"{template}/more"):
        for method in ("GET", "POST"):
            answer = await v5.ask(method, re.sub(r"\{\w+\}", "x", path))
            if answer.status_code == 405:  # a word where another route has a value
                continue
            status, code = problem(answer)
            assert (status, code) in {(404, "NOT_FOUND"), (404, "USER_NOT_FOUND")}, answer.text
    answer = await v5.ask("GET", re.sub(r"\{\w+\}", "x", f"{template}/more/and/more"))
    assert problem(answer) == (404, "NOT_FOUND") and "EMQX has this, rmq doesn't" in answer.json()["message"]


async def test_what_is_nowhere(v5: V5) -> None:
    answer: Any = (await v5.ask("GET", "/nothing")).json()
    assert answer["message"] == "there is no such path"
