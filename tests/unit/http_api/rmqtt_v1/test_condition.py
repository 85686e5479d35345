"""Health, probes, features, system figures and plugins over HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest

from rmq.management.cluster import ClusterStatus, NoCluster
from rmq.management.node.condition import SERVING, STOPPING
from tests.unit.http_api.api import Api, problem
from tests.unit.management.world import Peers, World


class FakeCluster(NoCluster):
    """A cluster that has a quorum, or hasn't, and that this node is drained in, or isn't."""

    def __init__(self) -> None:
        self.has_quorum = True
        self.is_draining = False

    async def status(self) -> ClusterStatus:
        return ClusterStatus("x", 1, 2, 1, 1, 1, (), self.has_quorum, draining=self.is_draining)


async def test_a_node_that_starts_serves_and_stops(api: Api) -> None:
    condition = api.world.local.condition
    answer = await api.ask("GET", "/health/ready")
    assert (answer.status_code, answer.json()["reason"]) == (503, "the node is starting")
    condition.phase = SERVING
    assert (await api.ask("GET", "/health/ready")).json() == {"status": "ready"}
    assert await api.get("/api/v1/health/check") == {
        "running": True,
        "descr": "Ok",
        "nodes": [{"node_id": 1, "running": True}],
    }
    assert await api.get("/api/v1/health/check/1") == {"node_id": 1, "running": True}
    condition.phase = STOPPING
    for path in ("/health/ready", "/api/v1/health/check", "/api/v1/health/check/1"):
        answer = await api.ask("GET", path)
        assert answer.status_code == 503 and "retry-after" in answer.headers
    assert (await api.ask("GET", "/health/live")).status_code == 200


async def test_probes_are_open_to_all() -> None:
    api = Api(is_loopback=False, address="10.0.0.9")
    assert (await api.ask("GET", "/health/live")).status_code == 200
    assert (await api.ask("GET", "/health/ready")).status_code == 503
    assert (await api.ask("GET", "/api/v1/health/check")).status_code == 401


async def test_a_drained_node_wants_no_clients(api: Api) -> None:
    api.world.local.condition.phase = SERVING
    api.world.local.condition.cluster = cluster = FakeCluster()
    cluster.is_draining = True
    answer = await api.ask("GET", "/health/ready")
    assert (answer.status_code, answer.json()["reason"]) == (503, "the node is drained: its clients are sent to others")
    cluster.is_draining = False
    assert (await api.ask("GET", "/health/ready")).status_code == 200


async def test_a_cluster_without_a_quorum_is_not_well() -> None:
    others = [World(2), World(3)]
    api = Api(World(1, Peers(others, {3})))
    cluster = FakeCluster()
    for world in (api.world, *others):
        world.local.condition.phase = SERVING
        world.local.condition.cluster = cluster
    found = await api.get("/api/v1/health/check")
    assert found["running"] and [(row["node_id"], row["running"]) for row in found["nodes"]] == [
        (1, True),
        (2, True),
        (3, False),
    ]
    assert found["nodes"][0]["leader_id"] == 2 and found["nodes"][2]["descr"]
    cluster.has_quorum = False
    answer = await api.ask("GET", "/api/v1/health/check")
    assert answer.status_code == 503 and answer.json()["running"] is False
    assert (await api.ask("GET", "/api/v1/health/check/2")).status_code == 503
    assert problem(await api.ask("GET", "/api/v1/health/check/3")) == (503, "NODE_UNREACHABLE")
    assert problem(await api.ask("GET", "/api/v1/health/check/9")) == (404, "NODE_NOT_FOUND")


async def test_features() -> None:
    other = World(2)
    api = Api(World(1, Peers([other])))
    found = await api.get("/api/v1/features")
    assert (found["consistent"], found["node_count"]) == (True, 2)
    assert await api.get("/api/v1/features/2") == {"node_id": 2, "node_name": "node-2", "features": {}}
    other.local.condition._features = {"retain": True}
    found = await api.get("/api/v1/features")
    assert (found["consistent"], found["conflicts"]) == (False, ["retain"])


async def test_what_the_process_uses() -> None:
    api = Api(World(1, Peers([World(2), World(3)], {3})))
    rows = await api.get("/api/v1/stats/sys")
    assert [row["node"]["id"] for row in rows] == [1, 2, 3] and rows[2]["error"]
    one = (await api.get("/api/v1/stats/sys/1"))["stats"]
    assert one["memory.resident"] > 1_000_000 and one["threads"] >= 1 and one["files.open"] > 0
    found = await api.get("/api/v1/stats/sys/sum")
    assert found["nodes"]["3"]["status"] == "Down"
    assert found["stats"]["threads"] >= 2


async def test_plugins() -> None:
    api = Api(World(1, Peers([World(2), World(3)], {3})))
    rows = await api.get("/api/v1/plugins")
    assert [row["node"] for row in rows] == [1, 2, 3]
    assert (rows[2]["plugins"], rows[2]["node_status"]) == ([], "Down") and rows[2]["error"]
    plugin = {
        "name": "rmq-a",
        "version": "1.0.0",
        "descr": "pretends",
        "active": True,
        "inited": True,
        "immutable": False,
        "attrs": None,
    }
    assert rows[0]["plugins"][0] == plugin == await api.get("/api/v1/plugins/2/rmq-a")
    assert await api.get("/api/v1/plugins/1") == rows[0]["plugins"]
    assert await api.get("/api/v1/plugins/1/rmq-a/config") == {"of": "rmq-a"}
    answer = await api.ask("PUT", "/api/v1/plugins/1/rmq-a/config/reload")
    assert (answer.status_code, answer.text) == (200, "ok")
    answer = await api.ask("PUT", "/api/v1/plugins/1/rmq-b/load")
    assert (answer.status_code, answer.text) == (200, "ok")
    assert (await api.ask("PUT", "/api/v1/plugins/1/rmq-a/unload")).json() is True
    assert (await api.ask("PUT", "/api/v1/plugins/1/rmq-b/unload")).json() is False
    assert api.world.plugins.done == ["reload rmq-a", "load rmq-b", "unload rmq-a", "unload rmq-b"]
    for path in ("rmq-none", "rmq-none/config"):
        assert problem(await api.ask("GET", f"/api/v1/plugins/1/{path}")) == (404, "PLUGIN_NOT_FOUND")
    assert problem(await api.ask("PUT", "/api/v1/plugins/9/rmq-a/load")) == (404, "NODE_NOT_FOUND")
    assert problem(await api.ask("PUT", "/api/v1/plugins/3/rmq-a/load")) == (503, "NODE_UNREACHABLE")
    assert problem(await api.ask("GET", "/api/v1/plugins/1/rmq-a/load")) == (405, "METHOD_NOT_ALLOWED")


async def test_what_was_set_in_a_configuration_is_forgotten() -> None:
    """By whichever node: it is kept by all of them."""
    api = Api(World(1, Peers([World(2)])))
    where = "/api/v1/plugins/2/rmq-a/config"
    assert (await api.ask("DELETE", where)).json() is False
    configs = api.world.service.plugin_configs
    await configs.set("rmq-a", {"x": 1})
    await configs.set("rmq-b", {"x": 2})
    api.world.plugins.done.clear()
    answer = await api.ask("DELETE", where)
    assert (answer.status_code, answer.json()) == (200, True)
    assert (configs.kept("rmq-a"), configs.kept("rmq-b")) == ({}, {"x": 2})
    assert api.world.plugins.done == ["reload rmq-a"], "it goes by files at once"
    assert problem(await api.ask("DELETE", "/api/v1/plugins/1/rmq-x/config")) == (404, "PLUGIN_NOT_FOUND")


async def test_the_plugin_that_answers_ends_behind_its_answer(api: Api) -> None:
    api.service.plugin_name = "rmq-a"
    assert (await api.ask("PUT", "/api/v1/plugins/1/rmq-a/unload")).json() is True
    assert api.world.plugins.done == []
    (work,) = api.spawned
    await work()
    assert api.world.plugins.done == ["unload rmq-a"]


@pytest.mark.parametrize("path", ["/api/v1/nope", "/index.html", "/api", "/api/v3/clients", "/dashboard"])
async def test_unknown_paths(api: Api, path: str) -> None:
    assert problem(await api.ask("GET", path)) == (404, "PATH_NOT_FOUND")


def test_the_file_of_the_plugin_is_there() -> None:
    assert (Path(__file__).parents[4] / "etc" / "plugins" / "rmq-http-api.toml").exists()
