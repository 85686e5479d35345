"""Clients, sessions, subscriptions and routes in the words of EMQX v2."""

from __future__ import annotations

from typing import Any

import pytest

from rmq.hooks.verdicts import ALLOW
from rmq.session.client_info import ClientInfo
from tests.unit.http_api.emqx_v2.admin import V2, code
from tests.unit.management.world import Peers, World


def names(page: dict[str, Any]) -> list[str]:
    return [row["client_id"] for row in page["objects"]]


async def test_a_client(v2: V2) -> None:
    v2.world.engine.connect("c", 4, clean=True, keep_alive=30, username="u")
    page = await v2.get("nodes/node-1/clients")
    (row,) = page["objects"]
    numbers = {name: page[name] for name in ("current_page", "page_size", "total_num", "total_page")}
    assert numbers == {"current_page": 1, "page_size": 20, "total_num": 1, "total_page": 1}
    assert (row["client_id"], row["username"], row["proto_ver"], row["keepalive"]) == ("c", "u", 4, 30)
    assert row["clean_sess"] is True and row["port"] > 0 and row["ipaddress"]
    for path in ("clients/c", "nodes/1/clients/c"):
        assert await v2.get(path) == {"objects": [row]}
    for path in ("clients/d", "nodes/1/clients/d"):
        assert await v2.get(path) == {"objects": []}


async def test_a_client_without_a_name_and_one_that_left(v2: V2) -> None:
    v2.world.engine.connect("here")
    v2.world.engine.connect("gone", clean=False, expiry=1000).disconnect()
    assert (await v2.get("clients/here"))["objects"][0]["username"] == "undefined"
    assert names(await v2.get("nodes/1/clients")) == ["here"]
    assert await v2.get("clients/gone") == await v2.get("nodes/1/clients/gone") == {"objects": []}
    assert names(await v2.get("nodes/1/sessions")) == ["gone", "here"]


async def test_pages_have_every_client_once_and_in_order(v2: V2) -> None:
    for number in (3, 1, 5, 2, 4):
        v2.world.engine.connect(f"c{number}")
    found: list[str] = []
    for number in (1, 2, 3, 4):
        page = await v2.get(f"nodes/1/clients?curr_page={number}&page_size=2")
        assert (page["current_page"], page["page_size"]) == (number, 2)
        assert (page["total_num"], page["total_page"]) == (5, 3)
        found += names(page)
    assert found == ["c1", "c2", "c3", "c4", "c5"]


@pytest.mark.parametrize("query", ["curr_page=0", "curr_page=x", "page_size=0", "page_size=-1", "curr_page=1.5"])
async def test_a_page_that_isn_t_one(v2: V2, query: str) -> None:
    assert code(await v2.ask("GET", f"nodes/1/clients?{query}")) == 108


async def test_parameters_that_nobody_knows_are_nothing(v2: V2) -> None:
    assert (await v2.get("nodes/1/clients?_=123&page_size=7"))["page_size"] == 7


async def test_a_client_is_thrown_out(v2: V2) -> None:
    client = v2.world.engine.connect("c")
    answer = await v2.ask("DELETE", "clients/c")
    assert answer.json() == {"code": 0, "result": []}
    assert client.closed
    assert code(await v2.ask("DELETE", "clients/c")) == 112
    v2.world.engine.connect("gone", clean=False, expiry=1000).disconnect()
    assert code(await v2.ask("DELETE", "clients/gone")) == 112
    assert names(await v2.get("nodes/1/sessions")) == ["gone"]


async def test_a_viewer_throws_nobody_out(v2: V2) -> None:
    v2.world.engine.connect("c")
    answer = await v2.ask("DELETE", "clients/c", user="eve")
    assert (answer.status_code, answer.json()["code"]) == (403, 102)
    assert names(await v2.get("nodes/1/clients")) == ["c"]


@pytest.mark.parametrize("word", ["node", "nodes"])
async def test_a_session(v2: V2, word: str) -> None:
    client = v2.world.engine.connect("c", clean=False, expiry=1000)
    client.subscribe(("t", 1))
    client.disconnect()
    v2.world.engine.connect("p").publish("t", b"x", 1)
    page = await v2.get(f"{word}/1/sessions?curr_page=1&page_size=1")
    assert (names(page), page["total_num"], page["total_page"]) == (["c"], 2, 2)
    (row,) = page["objects"]
    for name in ("max_inflight", "inflight_queue", "message_queue", "message_dropped"):
        assert row[name] == "undefined"
    for name in ("awaiting_rel", "awaiting_ack", "awaiting_comp"):
        assert row[name] == "undefined"
    assert (row["clean_sess"], row["mqueue_len"], row["subscriptions"], row["inflight_len"]) == (False, 1, 1, 0)
    for path in ("sessions/c", f"{word}/1/sessions/c"):
        assert await v2.get(path) == {"objects": [row]}
    for path in ("sessions/d", f"{word}/1/sessions/d"):
        assert await v2.get(path) == {"objects": []}


async def test_subscriptions_and_routes(v2: V2) -> None:
    client = v2.world.engine.connect("c")
    client.subscribe(("a/+", 1), ("$share/g/b", 2))
    v2.world.engine.connect("d").subscribe(("a/+", 0))
    mine = [
        {"client_id": "c", "topic": "$share/g/b", "qos": 2},
        {"client_id": "c", "topic": "a/+", "qos": 1},
    ]
    assert await v2.get("subscriptions/c") == await v2.get("nodes/1/subscriptions/c") == {"objects": mine}
    assert await v2.get("subscriptions/x") == await v2.get("nodes/1/subscriptions/x") == {"objects": []}
    page = await v2.get("nodes/node-1/subscriptions?page_size=2&curr_page=2")
    assert page["objects"] == [{"client_id": "d", "topic": "a/+", "qos": 0}]
    assert (page["total_num"], page["total_page"]) == (3, 2)
    page = await v2.get("routes")
    assert page["objects"] == [{"topic": "a/+", "node": "node-1"}, {"topic": "b", "node": "node-1"}]
    assert page["total_num"] == 2
    assert await v2.get("routes/a%2F+") == {"objects": [{"topic": "a/+", "node": "node-1"}]}
    assert await v2.get("routes/a%2Fb") == await v2.get("routes/a") == {"objects": []}


async def test_lists_of_a_cluster() -> None:
    second, third = World(2), World(3)
    v2 = V2(World(1, Peers([second, third], down={3})))
    for name in ("b", "a"):
        second.engine.connect(name).subscribe(("t", 1))
    v2.world.engine.connect("c").subscribe(("t", 0))
    assert names(await v2.get("nodes/node-2/clients")) == ["a", "b"]
    assert names(await v2.get("nodes/node-2/sessions")) == ["a", "b"]
    assert names(await v2.get("nodes/node-2/subscriptions")) == ["a", "b"]
    assert names(await v2.get("nodes/1/clients")) == ["c"]
    assert names(await v2.get("clients/b")) == names(await v2.get("sessions/b")) == ["b"]
    assert await v2.get("nodes/1/clients/b") == {"objects": []}
    routes = {"objects": [{"topic": "t", "node": "node-1"}, {"topic": "t", "node": "node-2"}]}
    assert await v2.get("routes/t") == routes
    answer = await v2.ask("GET", "routes")
    assert answer.json()["result"]["objects"] == routes["objects"]
    assert answer.headers["x-rmq-missing-nodes"] == "3"
    for path in ("clients", "sessions", "subscriptions"):
        assert code(await v2.ask("GET", f"nodes/3/{path}")) == 101
        assert code(await v2.ask("GET", f"{path}/x")) == 101
    assert (await v2.ask("DELETE", "clients/b")).json() == {"code": 0, "result": []}
    assert names(await v2.get("nodes/2/clients")) == ["a"]


async def test_access_rules_are_asked_again(v2: V2) -> None:
    asked: list[str] = []

    def verdict(info: ClientInfo, topic: str, qos: int, retain: bool) -> int:
        asked.append(topic)
        return ALLOW

    v2.world.engine.hooks.register("message_publish_check_acl", verdict, "test")
    client = v2.world.engine.connect("c")
    for _ in range(2):
        client.publish("t", b"x", 0)
        client.publish("u", b"x", 0)
    assert asked == ["t", "u"]
    path = "clients/c/clean_acl_cache"
    assert (await v2.ask("PUT", path, content=b'{"topic": "t"}')).json() == {"code": 0, "result": []}
    client.publish("t", b"x", 0)
    client.publish("u", b"x", 0)
    assert asked == ["t", "u", "t"]
    assert code(await v2.ask("PUT", path, content=b"{}")) == 107
    assert code(await v2.ask("PUT", "clients/nobody/clean_acl_cache", content=b'{"topic": "t"}')) == 112
    v2.world.engine.connect("gone", clean=False, expiry=1000).disconnect()
    assert code(await v2.ask("PUT", "clients/gone/clean_acl_cache", content=b'{"topic": "t"}')) == 112
