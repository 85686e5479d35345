"""Subscriptions and routes over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import wire
from tests.unit.http_api.api import Api, problem
from tests.unit.management.world import Peers, World


def make(api: Api) -> None:
    engine = api.world.engine
    engine.connect("a").subscribe(("foo/#", 1), ("$share/g/bar/+", 2), properties=[(wire.SUBSCRIPTION_ID, 7)])
    engine.connect("b", level=4).subscribe(("foo/1", 0))


def keys(rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(row["clientid"], row["topic"]) for row in rows]


async def test_a_subscription_in_every_field(api: Api) -> None:
    make(api)
    shared, plain = await api.get("/api/v1/subscriptions/a")
    assert shared.pop("client_addr").startswith("127.0.0.1:") and plain.pop("client_addr")
    options = {"no_local": False, "retain_as_published": False, "retain_handling": 0, "id": 7}
    assert shared == {
        "node_id": 1,
        "clientid": "a",
        "topic": "bar/+",
        "qos": 2,
        "share": "g",
        "opts": {"qos": 2, "group": "g", **options},
    }
    assert (plain["topic"], plain["share"], plain["opts"]) == ("foo/#", None, {"qos": 1, **options})
    (old,) = await api.get("/api/v1/subscriptions/b")
    assert old["opts"] == {"qos": 0}
    assert problem(await api.ask("GET", "/api/v1/subscriptions/nobody")) == (404, "CLIENT_NOT_FOUND")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [("a", "bar/+"), ("a", "foo/#"), ("b", "foo/1")]),
        ("clientid=b", [("b", "foo/1")]),
        ("topic=foo%2F%23", [("a", "foo/#")]),
        ("qos=2", [("a", "bar/+")]),
        ("share=g", [("a", "bar/+")]),
        ("_match_topic=foo/1", [("a", "foo/#"), ("b", "foo/1")]),
        ("_match_topic=foo/2", [("a", "foo/#")]),
        ("_limit=1", [("a", "bar/+")]),
    ],
)
async def test_every_filter(api: Api, query: str, found: list[tuple[str, str]]) -> None:
    make(api)
    assert keys(await api.get(f"/api/v1/subscriptions?{query}")) == found


async def test_bad_filters(api: Api) -> None:
    for query in ("qos=3", "qos=x", "_match_topic=a%23", "colour=1"):
        assert problem(await api.ask("GET", f"/api/v1/subscriptions?{query}")) == (400, "BAD_PARAMETER")


async def test_routes(api: Api) -> None:
    make(api)
    assert await api.get("/api/v1/routes") == [{"node_id": 1, "topic": topic} for topic in ("bar/+", "foo/#", "foo/1")]
    assert [row["topic"] for row in await api.get("/api/v1/routes/foo%2f1")] == ["foo/#", "foo/1"]
    assert await api.get("/api/v1/routes/nothing") == []
    assert problem(await api.ask("GET", "/api/v1/routes/a%2F%23")) == (400, "BAD_PARAMETER")


async def test_routes_come_in_pages(api: Api) -> None:
    make(api)
    seen: list[str] = []
    path = "/api/v1/routes?_limit=1"
    while path:
        answer = await api.ask("GET", path)
        seen += [row["topic"] for row in answer.json()]
        path = answer.headers.get("link", "").partition(">")[0].removeprefix("<")
    assert seen == ["bar/+", "foo/#", "foo/1"]


async def test_of_three_nodes_one_down() -> None:
    others = [World(2), World(3)]
    api = Api(World(1, Peers(others, {3})))
    make(api)
    others[0].engine.connect("far").subscribe(("foo/#", 0))
    answer = await api.ask("GET", "/api/v1/subscriptions")
    assert [row["node_id"] for row in answer.json()] == [1, 1, 1, 2]
    assert answer.headers["x-rmq-missing-nodes"] == "3"
    answer = await api.ask("GET", "/api/v1/routes/foo%2F1")
    assert [(row["topic"], row["node_id"]) for row in answer.json()] == [("foo/#", 1), ("foo/#", 2), ("foo/1", 1)]
    assert answer.headers["x-rmq-missing-nodes"] == "3"
    assert keys(await api.get("/api/v1/subscriptions/far")) == [("far", "foo/#")]
