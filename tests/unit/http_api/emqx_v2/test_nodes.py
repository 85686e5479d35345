"""Nodes in the words of EMQX v2."""

from __future__ import annotations

import re
from typing import Final

import pytest

from rmq import __version__
from tests.unit.http_api.emqx_v2.admin import V2, code
from tests.unit.management.world import Peers, World

BROKER: Final = {"version", "sysdescr", "uptime", "datetime", "otp_release", "node_status"}


async def test_what_a_node_is(v2: V2) -> None:
    (row,) = await v2.get("management/nodes")
    assert row.keys() == BROKER | {"name"}
    assert (row["name"], row["version"], row["node_status"]) == ("node-1", __version__, "Running")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", row["datetime"])
    v2.world.engine.advance(2 * 86_400 + 3_600 + 61)
    one = await v2.get("management/nodes/node-1")
    assert one.keys() == BROKER
    assert one["uptime"] == "2 days, 1 hours, 1 minutes, 1 seconds"


async def test_how_a_node_is(v2: V2) -> None:
    v2.world.engine.connect("c")
    (row,) = await v2.get("monitoring/nodes")
    one = await v2.get("monitoring/nodes/1")
    assert row.keys() == one.keys()
    for found in (row, one):
        assert (found["name"], found["clients"], found["node_status"]) == ("node-1", 1, "Running")
        assert re.fullmatch(r"\d+\.\d\d[KMG]", found["memory_total"]) and re.fullmatch(r"\d+\.\d\d", found["load1"])
        assert 0 < found["process_used"] < found["process_available"] and found["max_fds"] > 0


@pytest.mark.parametrize("name", ["node-1", "1", "emqx@127.0.0.1", "emq%40127.0.0.1"])
async def test_a_node_has_several_names(v2: V2, name: str) -> None:
    assert (await v2.get(f"monitoring/nodes/{name}"))["name"] == "node-1"


@pytest.mark.parametrize("name", ["node-2", "7", "x@y"])
async def test_a_node_that_isn_t_there(v2: V2, name: str) -> None:
    assert code(await v2.ask("GET", f"management/nodes/{name}")) == 101


async def test_nodes_of_a_cluster() -> None:
    others = Peers([World(2), World(3)], down={3})
    v2 = V2(World(1, others))
    for kind in ("management", "monitoring"):
        answer = await v2.ask("GET", f"{kind}/nodes")
        rows = answer.json()["result"]
        assert [(row["name"], row["node_status"]) for row in rows] == [
            ("node-1", "Running"),
            ("node-2", "Running"),
            ("3", "Stopped"),
        ]
        assert answer.headers["x-rmq-missing-nodes"] == "3"
        assert "version" in (await v2.get("management/nodes/node-2"))
        assert code(await v2.ask("GET", f"{kind}/nodes/3")) == 101
