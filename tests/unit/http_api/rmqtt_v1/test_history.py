"""stats/history and metrics/history: RMQTT's shapes, of one node, of all, and of all as one."""

from __future__ import annotations

import pytest

from rmq.management.models import HistoryPoint, HistoryView, NodeRef
from rmq.management.node.history import HistoryKind
from tests.unit.http_api.api import Api, problem
from tests.unit.management.world import Peers, World

NAMES = ("connections.count", "topics.count")


class Past:
    """A history that was written down; ``asked`` has what it was asked for."""

    def __init__(self, node_id: int, points: dict[int, tuple[int, ...]]) -> None:
        self.node = NodeRef(node_id, str(node_id))
        self.points = tuple(HistoryPoint(at, points[at]) for at in sorted(points, reverse=True))
        self.asked: list[tuple[HistoryKind, int, int, int, int]] = []

    async def read(self, kind: HistoryKind, start_ms: int, end_ms: int, limit: int, window_s: int) -> HistoryView:
        self.asked.append((kind, start_ms, end_ms, limit, window_s))
        return HistoryView(self.node, NAMES, self.points[:limit])


def three(*down: int) -> tuple[Api, list[Past]]:
    """Three nodes; the third was away for a while, and the second is a moment behind."""
    worlds = [World(1), World(2), World(3)]
    pasts = [
        Past(1, {95_000: (1, 5), 100_000: (2, 5), 105_000: (3, 6)}),
        Past(2, {95_000: (10, 5), 100_000: (20, 5)}),
        Past(3, {60_000: (100, 9)}),
    ]
    for world, past in zip(worlds, pasts, strict=True):
        world.local.history = past
    worlds[0].service.enter_cluster(Peers(worlds[1:], set(down)), worlds[0].service.cluster)
    return Api(worlds[0]), pasts


@pytest.mark.parametrize("kind", ["stats", "metrics"])
async def test_of_each_node(kind: str) -> None:
    api, pasts = three()
    found = await api.get(f"/api/v1/{kind}/history?minutes=2")
    assert found.keys() == {"from", "to", "nodes"} and found["to"] - found["from"] == 120_000
    assert found["nodes"].keys() == {"1", "2", "3"}
    assert found["nodes"]["2"] == {
        "node": 2,
        "from": found["from"],
        "to": found["to"],
        "count": 2,
        "data": [
            {"connections.count": 20, "topics.count": 5, "ts": 100_000},
            {"connections.count": 10, "topics.count": 5, "ts": 95_000},
        ],
    }
    assert [past.asked for past in pasts] == [[(kind, found["from"], found["to"], 1000, 0)]] * 3


async def test_of_one_node() -> None:
    api, pasts = three(3)
    found = await api.get("/api/v1/stats/history/2?days=1&limit=1&merge_window=60")
    assert (found["node"], found["count"], len(found["data"])) == (2, 1, 1)
    assert pasts[1].asked == [("stats", found["from"], found["to"], 1, 60)]
    assert found["to"] - found["from"] == 86_400_000
    assert problem(await api.ask("GET", "/api/v1/stats/history/3")) == (503, "NODE_UNREACHABLE")
    assert problem(await api.ask("GET", "/api/v1/stats/history/9")) == (404, "NODE_NOT_FOUND")


async def test_a_node_that_is_down_is_named() -> None:
    api, _ = three(3)
    answer = await api.ask("GET", "/api/v1/stats/history")
    down = answer.json()["nodes"]["3"]
    assert (down["node"], down["count"], down["data"]) == (3, 0, []) and down["error"]
    assert answer.headers["x-rmq-missing-nodes"] == "3"


async def test_the_sum() -> None:
    api, _ = three()
    found = await api.get("/api/v1/stats/history/sum")
    assert (found["node_count"], found["count"]) == (3, 4)
    assert found["data"] == [
        # Node 2 counts with the point before; what all have alike isn't added up.
        {"connections.count": 23.0, "topics.count": 6.0, "ts": 105_000},
        {"connections.count": 22.0, "topics.count": 5.0, "ts": 100_000},
        {"connections.count": 11.0, "topics.count": 5.0, "ts": 95_000},
        {"connections.count": 100.0, "topics.count": 9.0, "ts": 60_000},
    ]
    counters = await api.get("/api/v1/metrics/history/sum")
    assert counters["data"][0] == {"connections.count": 23.0, "topics.count": 11.0, "ts": 105_000}


async def test_the_sum_without_one_that_is_down() -> None:
    api, _ = three(2)
    answer = await api.ask("GET", "/api/v1/metrics/history/sum")
    assert answer.json()["node_count"] == 2 and answer.headers["x-rmq-missing-nodes"] == "2"
    assert [row["connections.count"] for row in answer.json()["data"]] == [3.0, 2.0, 1.0, 100.0]


@pytest.mark.parametrize(
    ("query", "minutes"),
    [
        ("", 5),
        ("?minutes=1", 1),
        ("?hours=2", 120),
        ("?days=7", 7 * 1440),
        ("?minutes=1&hours=2&days=1", 1561),
    ],
)
async def test_how_far_back(query: str, minutes: int) -> None:
    api, _ = three()
    found = await api.get(f"/api/v1/metrics/history{query}")
    assert found["to"] - found["from"] == minutes * 60_000


@pytest.mark.parametrize("query", ["minutes=0", "minutes=x", "hours=-1", "limit=0", "merge_window=-1", "weeks=1"])
async def test_bad_parameters(query: str) -> None:
    api, _ = three()
    assert problem(await api.ask("GET", f"/api/v1/stats/history?{query}")) == (400, "BAD_PARAMETER")


async def test_a_node_that_keeps_none(api: Api) -> None:
    found = await api.get("/api/v1/stats/history/1")
    assert (found["count"], found["data"]) == (0, [])
