"""Subscriptions and topics as EMQX shows them, and the subscriptions of one client, shown and changed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.http_api.emqx_v5.v5 import V5, problem
from tests.unit.management.world import Peers, World


def make(v5: V5) -> None:
    engine = v5.world.engine
    engine.connect("a", expiry=100).subscribe(("foo/#", 1), ("$share/g/bar/+", 2))
    engine.connect("b", level=4).subscribe(("foo/1", 0))


def keys(rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(row["clientid"], row["topic"]) for row in rows]


async def test_a_subscription_in_every_field(v5: V5) -> None:
    make(v5)
    wanted = {"node": "node-1", "clientid": "a", "qos": 2, "nl": 0, "rap": 0, "rh": 0, "durable": True}
    (shared, plain) = await v5.get("/clients/a/subscriptions")
    assert shared == {**wanted, "topic": "$share/g/bar/+"}
    assert plain == {**wanted, "topic": "foo/#", "qos": 1}
    assert (await v5.get("/subscriptions"))["data"][:2] == [shared, plain]
    v5.world.engine.connect("nothing")
    assert await v5.get("/clients/nothing/subscriptions") == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [("a", "$share/g/bar/+"), ("a", "foo/#"), ("b", "foo/1")]),
        ("clientid=b", [("b", "foo/1")]),
        ("node=node-1&qos=2", [("a", "$share/g/bar/+")]),
        ("topic=foo%2F%23", [("a", "foo/#")]),
        ("topic=%24share%2Fg%2Fbar%2F%2B", [("a", "$share/g/bar/+")]),
        ("share_group=g", [("a", "$share/g/bar/+")]),
        ("match_topic=foo/1", [("a", "foo/#"), ("b", "foo/1")]),
        ("durable=false", [("b", "foo/1")]),
        ("page=2&limit=2", [("b", "foo/1")]),
    ],
)
async def test_every_filter(v5: V5, query: str, found: list[tuple[str, str]]) -> None:
    make(v5)
    page = await v5.get(f"/subscriptions?{query}")
    assert keys(page["data"]) == found
    assert page["meta"]["count"] == (3 if "page" in query else len(found)) and page["meta"]["hasnext"] is False
    for bad in ("qos=3", "qos=x", "match_topic=a%23", "durable=1"):
        assert problem(await v5.ask("GET", f"/subscriptions?{bad}")) == (400, "BAD_REQUEST")


async def test_a_client_is_subscribed_and_unsubscribed(v5: V5) -> None:
    client = v5.world.engine.connect("a")
    answer = await v5.ask("POST", "/clients/a/subscribe", json={"topic": "t/1", "qos": 1, "nl": 1, "rap": 1, "rh": 2})
    made = {"clientid": "a", "node": "node-1", "topic": "t/1", "qos": 1, "nl": 1, "rap": 1, "rh": 2}
    assert (answer.status_code, answer.json()) == (200, made)
    (row,) = await v5.get("/clients/a/subscriptions")
    assert row == {**made, "durable": False}
    answer = await v5.ask("POST", "/clients/a/subscribe/bulk", json=[{"topic": "t/2"}, {"topic": "a/#/b", "qos": 2}])
    good, bad = answer.json()
    assert answer.status_code == 200 and (good["topic"], good["qos"]) == ("t/2", 0)
    assert (bad["clientid"], bad["topic"], bad["code"]) == ("a", "a/#/b", "BAD_TOPIC") and bad["message"]
    answer = await v5.ask("POST", "/publish", json={"topic": "t/2", "payload": "x"})
    assert answer.status_code == 200
    assert client.payloads() == [b"x"]
    assert problem(await v5.ask("POST", "/clients/a/subscribe", json={"topic": "a/#/b"})) == (400, "BAD_TOPIC")
    assert (await v5.ask("POST", "/clients/a/unsubscribe", json={"topic": "t/1"})).status_code == 204
    bodies = [{"topic": "t/2"}, {"topic": "never"}]
    assert (await v5.ask("POST", "/clients/a/unsubscribe/bulk", json=bodies)).status_code == 204
    assert await v5.get("/clients/a/subscriptions") == []
    for path, body in (
        ("subscribe", {"topic": "a", "qos": 3}),
        ("subscribe", {"topic": "a", "nl": 2}),
        ("subscribe", {"qos": 1}),
        ("subscribe", [{"topic": "a"}]),
        ("subscribe/bulk", []),
        ("subscribe/bulk", {"topic": "a"}),
        ("unsubscribe", {}),
        ("subscribe", {"topic": "$share/g/t", "nl": 1}),
    ):
        assert problem(await v5.ask("POST", f"/clients/a/{path}", json=body)) == (400, "BAD_REQUEST"), (path, body)


async def test_who_is_off_line_cant_be_subscribed(v5: V5) -> None:
    v5.world.engine.connect("a", expiry=100).lose()
    assert problem(await v5.ask("POST", "/clients/a/subscribe", json={"topic": "t"})) == (404, "CLIENTID_NOT_FOUND")


async def test_topics(v5: V5) -> None:
    make(v5)
    page = await v5.get("/topics")
    assert page["data"] == [{"topic": topic, "node": "node-1"} for topic in ("bar/+", "foo/#", "foo/1")]
    assert page["meta"] == {"page": 1, "limit": 100, "count": 3, "hasnext": False}
    assert (await v5.get("/topics?limit=1&page=2"))["data"] == [{"topic": "foo/#", "node": "node-1"}]
    assert (await v5.get("/topics?topic=foo%2F1"))["data"] == [{"topic": "foo/1", "node": "node-1"}]
    assert (await v5.get("/topics?topic=foo"))["data"] == []
    assert await v5.get("/topics/foo%2F%23") == [{"topic": "foo/#", "node": "node-1"}]
    assert problem(await v5.ask("GET", "/topics/foo%2F2")) == (404, "TOPIC_NOT_FOUND")


async def test_of_three_nodes_one_down() -> None:
    others = [World(2), World(3)]
    v5 = V5(World(1, Peers(others, {3})))
    make(v5)
    others[0].engine.connect("far").subscribe(("foo/#", 0))
    answer = await v5.ask("GET", "/subscriptions?page=1&limit=2")
    assert answer.headers["x-rmq-missing-nodes"] == "3" and answer.json()["meta"]["count"] == 4
    assert [row["node"] for row in (await v5.get("/subscriptions"))["data"]] == ["node-1"] * 3 + ["node-2"]
    assert [row["node"] for row in (await v5.get("/subscriptions?node=node-2"))["data"]] == ["node-2"]
    answer = await v5.ask("GET", "/topics/foo%2F%23")
    assert [row["node"] for row in answer.json()] == ["node-1", "node-2"]
    assert answer.headers["x-rmq-missing-nodes"] == "3"
    assert [row["topic"] for row in (await v5.get("/topics?node=node-2"))["data"]] == ["foo/#"]
    assert (await v5.get("/topics?topic=foo/%23&node=node-2"))["data"] == [{"topic": "foo/#", "node": "node-2"}]
