"""The topic tree, level by level."""

from __future__ import annotations

from tests.unit.http_api.nanomq import NanoApi
from tests.unit.management.world import Peers, World


async def test_a_tree_as_the_documents_have_it(nano: NanoApi) -> None:
    engine = nano.world.engine
    assert await nano.data("/api/v4/topic-tree") == [[{"topic": "", "cld_cnt": 0}]]
    engine.connect("a").subscribe(("topic123", 0))
    engine.connect("b").subscribe(("topic123/123", 1))
    engine.connect("c").subscribe(("topic123/123/456", 2))
    expected = [
        [{"topic": "", "cld_cnt": 1}],
        [{"topic": "topic123", "cld_cnt": 1, "clientid": ["a"]}],
        [{"topic": "123", "cld_cnt": 1, "clientid": ["b"]}],
        [{"topic": "456", "cld_cnt": 0, "clientid": ["c"]}],
    ]
    assert await nano.data("/api/v4/topic-tree") == expected
    nano.service.max_rows = 1
    assert await nano.data("/api/v4/topic-tree") == expected


async def test_wildcards_empty_levels_shared_ones_and_other_nodes() -> None:
    peers = Peers()
    other = World(2)
    peers.worlds.append(other)
    nano = NanoApi(World(1, peers))
    nano.world.engine.connect("a").subscribe(("/x", 0), ("$share/g/+/y", 0), ("#", 0))
    other.engine.connect("b").subscribe(("/x", 0))
    rows = await nano.data("/api/v4/topic-tree")
    assert rows[0] == [{"topic": "", "cld_cnt": 3}]
    assert sorted(rows[1], key=lambda row: row["topic"]) == [
        {"topic": "", "cld_cnt": 1},
        {"topic": "#", "cld_cnt": 0, "clientid": ["a"]},
        {"topic": "+", "cld_cnt": 1},
    ]
    assert sorted(rows[2], key=lambda row: row["topic"]) == [
        {"topic": "x", "cld_cnt": 0, "clientid": ["a", "b"]},
        {"topic": "y", "cld_cnt": 0, "clientid": ["a"]},
    ]
    assert len(rows) == 3
    peers.down.add(2)
    answer = await nano.ask("GET", "/api/v4/topic-tree")
    assert answer.headers["x-rmq-missing-nodes"] == "2"
