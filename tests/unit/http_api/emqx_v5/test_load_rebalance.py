"""/load_rebalance: draining as EMQX's evacuation, and whether a node takes clients."""

from __future__ import annotations

from rmq.management.errors import ClusterRefused
from rmq.management.node.condition import SERVING
from tests.unit.http_api.emqx_v5.v5 import V5, problem
from tests.unit.http_api.test_cluster import FakeCluster
from tests.unit.management.world import Peers, World

BASE = "/load_rebalance"


class DrainingCluster(FakeCluster):
    """Drains the node of a world."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._draining = world.broker.draining

    async def drain(self, rate: float) -> None:
        await super().drain(rate)
        self._draining.set_rate(rate)

    async def undrain(self) -> None:
        await super().undrain()
        self._draining.set_rate(0.0)


def drained(world: World) -> DrainingCluster:
    cluster = DrainingCluster(world)
    world.service.cluster = world.local.condition.cluster = cluster
    return cluster


async def test_an_evacuation_from_its_start_to_its_end() -> None:
    api = V5()
    cluster = drained(api.world)
    api.world.engine.connect("a")
    assert await api.get(f"{BASE}/status") == {"status": "disabled"}
    assert await api.get(f"{BASE}/global_status") == {"evacuations": [], "purges": [], "rebalances": []}
    body = {
        "conn_evict_rate": 50,
        "sess_evict_rate": 7,
        "wait_takeover": 10,
        "wait_health_check": "1m",
        "migrate_to": [],
    }
    answer = await api.ask("POST", f"{BASE}/node-1/evacuation/start", json=body)
    assert (answer.status_code, answer.json()) == (200, {})
    assert cluster.done == [("drain", 50.0)]
    facts = {
        "state": "evicting_conns",
        "connection_eviction_rate": 50,
        "session_eviction_rate": 50,
        "connection_goal": 0,
        "session_goal": 0,
        "session_recipients": [],
        "stats": {"initial_connected": 1, "current_connected": 1, "initial_sessions": 0, "current_sessions": 0},
    }
    assert await api.get(f"{BASE}/status") == {"status": "enabled", "process": "evacuation", **facts}
    api.world.engine.advance(1)
    facts["state"] = "prohibiting"
    facts["stats"] = {"initial_connected": 1, "current_connected": 0, "initial_sessions": 0, "current_sessions": 0}
    found = await api.get(f"{BASE}/global_status")
    assert found["evacuations"] == [{"node": "node-1", **facts}]
    assert problem(await api.ask("POST", f"{BASE}/1/evacuation/start", json={})) == (400, "BAD_REQUEST")
    answer = await api.ask("POST", f"{BASE}/1/evacuation/stop")
    assert (answer.status_code, answer.json()) == (200, {})
    assert await api.get(f"{BASE}/status") == {"status": "disabled"}
    assert problem(await api.ask("POST", f"{BASE}/1/evacuation/stop")) == (400, "BAD_REQUEST")


async def test_what_is_refused() -> None:
    api = V5()
    start = f"{BASE}/1/evacuation/start"
    assert problem(await api.ask("POST", start, json={})) == (400, "BAD_REQUEST"), "alone"
    drained(api.world).refusal = ClusterRefused("nobody else is there")
    for path, body, wanted in (
        (start, {}, (400, "BAD_REQUEST")),
        (start, {"conn_evict_rate": 0}, (400, "BAD_REQUEST")),
        (start, {"redirect_to": "a:1883"}, (400, "BAD_REQUEST")),
        (start, {"rate": 1}, (400, "BAD_REQUEST")),
        (f"{BASE}/nobody/evacuation/start", {}, (404, "NOT_FOUND")),
        (f"{BASE}/1/start", {}, (404, "NOT_FOUND")),
    ):
        assert problem(await api.ask("POST", path, json=body)) == wanted, path


async def test_other_nodes_are_evacuated_and_told_too() -> None:
    other = World(2)
    cluster = drained(other)
    peers = Peers([other, World(3)], {3})
    api = V5(World(1, peers))
    assert (await api.ask("POST", f"{BASE}/node-2/evacuation/start", json={})).status_code == 200
    assert cluster.done == [("drain", 500.0)]
    answer = await api.ask("GET", f"{BASE}/global_status")
    assert [row["node"] for row in answer.json()["evacuations"]] == ["node-2"]
    assert answer.json()["evacuations"][0]["session_recipients"] == ["node-1", "node 3"]
    assert answer.headers["x-rmq-missing-nodes"] == "3"
    assert await api.get(f"{BASE}/status") == {"status": "disabled"}
    assert problem(await api.ask("POST", f"{BASE}/3/evacuation/start", json={})) == (503, "BAD_RPC")


async def test_load_balancers_ask_without_a_password() -> None:
    api = V5()
    api.world.local.condition.phase = SERVING
    nobody = {"authorization": ""}
    answer = await api.ask("GET", f"{BASE}/availability_check", headers=nobody)
    assert (answer.status_code, answer.json()) == (200, {})
    api.world.local.condition.phase = "stopping"
    answer = await api.ask("GET", f"{BASE}/availability_check", headers=nobody)
    assert problem(answer) == (503, "NODE_EVACUATING")
