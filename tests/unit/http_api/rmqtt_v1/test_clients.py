"""Clients over HTTP: every field and filter, pages, odd client ids, kick, sessions off line; on several nodes too."""

from __future__ import annotations

import re
from typing import Final

import pytest
from rmq_http_api.config import HttpApiConfig

from tests.support import wire
from tests.support.wire import Will
from tests.unit.http_api.api import Api, problem
from tests.unit.management.world import Peers, World

ODD: Final = {
    "a/online": "a%2Fonline",
    "a%2Fb": "a%252Fb",
    "a b": "a%20b",
    "..": "%2E%2E",  # httpx takes ".." out of a path before it sends it
    "+": "+",
    "#": "%23",
    "中文": "%E4%B8%AD%E6%96%87",
    "a?b": "a%3Fb",
    "offlines": "%6Ffflines",
}


def names(rows: list[dict[str, object]]) -> list[object]:
    return [row["clientid"] for row in rows]


async def test_a_client_in_every_field(api: Api) -> None:
    engine = api.world.engine
    will = Will("w/a", b"gone", 1, True, [(wire.WILL_DELAY, 5), (wire.USER_PROPERTY, ("k", "v"))])
    client = engine.connect(
        "a", expiry=3600, keep_alive=60, properties=[(wire.RECEIVE_MAXIMUM, 7)], username="alice", will=will
    )
    client.subscribe(("t/#", 1), ("u", 0))
    found = await api.get("/api/v1/clients/a")
    assert [found] == await api.get("/api/v1/clients")
    moment = found.pop("connected_at")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", moment) and found.pop("created_at") == moment
    assert found.pop("port") > 0 and found.pop("max_inflight") == 7 and found.pop("max_mqueue") > 0
    assert found == {
        "node_id": 1,
        "clientid": "a",
        "username": "alice",
        "superuser": False,
        "proto_ver": 5,
        "ip_address": "127.0.0.1",
        "connected": True,
        "disconnected_at": "",
        "disconnected_reason": "",
        "keepalive": 60,
        "clean_start": True,
        "session_present": False,
        "expiry_interval": 3600,
        "subscriptions_cnt": 2,
        "max_subscriptions": 0,
        "inflight": 0,
        "mqueue_len": 0,
        "last_will": {
            "topic": "w/a",
            "message": "Z29uZQ==",
            "qos": 1,
            "retain": True,
            "will_delay_interval_sec": 5,
            "message_expiry_interval": None,
            "content_type": None,
            "correlation_data": None,
            "is_utf8_payload": None,
            "response_topic": None,
            "user_properties": [["k", "v"]],
        },
    }


async def test_a_client_that_left(api: Api) -> None:
    engine = api.world.engine
    engine.connect("a", properties=[(wire.SESSION_EXPIRY, 3600)]).subscribe(("t", 1))
    client = engine.connect("b")
    engine.connect("a", clean=False, properties=[(wire.SESSION_EXPIRY, 3600)]).disconnect()
    client.publish("t", b"1", 1)
    client.publish("t", b"2", 1)
    found = await api.get("/api/v1/clients/a")
    assert (found["connected"], found["mqueue_len"], found["username"]) == (False, 2, "undefined")
    assert found["disconnected_at"] and found["disconnected_reason"]
    assert await api.get("/api/v1/clients/a/online") is False
    assert await api.get("/api/v1/clients/b/online") is True
    assert await api.get("/api/v1/clients/nobody/online") is False
    assert names(await api.get("/api/v1/clients/offlines")) == ["a"]
    assert problem(await api.ask("GET", "/api/v1/clients/nobody")) == (404, "CLIENT_NOT_FOUND")


@pytest.mark.parametrize("client_id", ODD)
async def test_odd_client_ids_on_every_verb(api: Api, client_id: str) -> None:
    engine = api.world.engine
    client = engine.connect(client_id)
    client.subscribe(("t", 0))
    path = ODD[client_id]
    assert (await api.get(f"/api/v1/clients/{path}"))["clientid"] == client_id
    assert (await api.get(f"/api/v1/clients/{path}/"))["clientid"] == client_id
    assert await api.get(f"/api/v1/clients/{path}/online") is True
    assert names(await api.get(f"/api/v1/subscriptions/{path}")) == [client_id]
    answer = await api.ask("DELETE", f"/api/v1/clients/{path}")
    assert answer.status_code == 200 and f"/{client_id}/" in answer.text
    assert client.closed
    assert problem(await api.ask("DELETE", f"/api/v1/clients/{path}")) == (404, "CLIENT_NOT_FOUND")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["Anna", "bert", "carl"]),
        ("clientid=bert", ["bert"]),
        ("clientid=ber", []),
        ("username=alice", ["Anna"]),
        ("ip_address=127.0.0.1", ["Anna", "bert", "carl"]),
        ("ip_address=127.0.0.2", []),
        ("connected=true", ["Anna", "bert"]),
        ("connected=false", ["carl"]),
        ("clean_start=false", ["bert"]),
        ("session_present=true", []),
        ("session_present=false", ["Anna", "bert", "carl"]),
        ("proto_ver=4", ["bert"]),
        ("_like_clientid=er", ["bert"]),
        ("_like_username=lic", ["Anna"]),
        ("_gte_created_at=1700000010", ["bert", "carl"]),
        ("_lte_created_at=1700000009", ["Anna"]),
        ("_lte_created_at=1700000010", ["Anna", "bert"]),
        ("_gte_connected_at=1700000020", ["carl"]),
        ("_lte_connected_at=1700000010", ["Anna", "bert"]),
        ("_gte_mqueue_len=1", ["carl"]),
        ("_lte_mqueue_len=0", ["Anna", "bert"]),
        ("_like_clientid=r&connected=false", ["carl"]),
        ("_limit=2", ["Anna", "bert"]),
        ("_limit=0", []),
    ],
)
async def test_every_filter(api: Api, query: str, found: list[str]) -> None:
    engine = api.world.engine
    engine.connect("Anna", username="alice")
    engine.advance(10)
    bert = engine.connect("bert", level=4, clean=False)
    engine.advance(10)
    carl = engine.connect("carl", properties=[(wire.SESSION_EXPIRY, 100)])
    carl.subscribe(("q", 1))
    carl.disconnect()
    bert.publish("q", b"x", 1)
    assert names(await api.get(f"/api/v1/clients?{query}")) == found


async def test_pages_follow_one_another(api: Api) -> None:
    for number in range(7):
        api.world.engine.connect(f"c{number}")
    seen: list[object] = []
    path = "/api/v1/clients?_limit=3&_like_clientid=c"
    while path:
        answer = await api.ask("GET", path)
        seen += names(answer.json())
        link = answer.headers.get("link", "")
        path = link.partition(">")[0].removeprefix("<")
        assert not link or link.endswith('>; rel="next"')
        if len(seen) == 3:
            api.world.engine.connect("c1a")  # before what comes next
            api.world.engine.connect("c5a")
    assert seen == ["c0", "c1", "c2", "c3", "c4", "c5", "c5a", "c6"]
    assert problem(await api.ask("GET", "/api/v1/clients?_cursor=nonsense")) == (400, "BAD_PARAMETER")
    assert problem(await api.ask("GET", "/api/v1/clients?_limit=-1")) == (400, "BAD_PARAMETER")


async def test_there_is_a_largest_page() -> None:
    api = Api(config=HttpApiConfig(max_row_limit=2))
    for number in range(3):
        api.world.engine.connect(f"c{number}")
    for path in ("/api/v1/clients", "/api/v1/clients?_limit=100"):
        answer = await api.ask("GET", path)
        assert names(answer.json()) == ["c0", "c1"] and "link" in answer.headers


async def test_sessions_off_line_are_discarded(api: Api) -> None:
    engine = api.world.engine
    for name in ("a", "b", "c"):
        engine.connect(name, properties=[(wire.SESSION_EXPIRY, 100)]).disconnect()
    engine.connect("d", properties=[(wire.SESSION_EXPIRY, 100)])
    answer = await api.ask("DELETE", "/api/v1/clients/offlines?_like_clientid=a")
    assert answer.json() == {"count": 1}
    assert names(await api.get("/api/v1/clients")) == ["b", "c", "d"]
    assert (await api.ask("DELETE", "/api/v1/clients/offlines")).json() == {"count": 2}
    assert names(await api.get("/api/v1/clients")) == ["d"]
    assert problem(await api.ask("DELETE", "/api/v1/clients")) == (405, "METHOD_NOT_ALLOWED")


async def test_three_nodes_by_node_and_client_id() -> None:
    others = [World(2), World(3)]
    api = Api(World(1, Peers(others)))
    for number, world in enumerate([api.world, *others]):
        for name in ("a", "b"):
            world.engine.connect(f"{name}{2 - number}")
    whole = names(await api.get("/api/v1/clients"))
    assert whole == ["a2", "b2", "a1", "b1", "a0", "b0"]
    seen: list[object] = []
    path = "/api/v1/clients?_limit=1"
    while path:
        answer = await api.ask("GET", path)
        seen += names(answer.json())
        path = answer.headers.get("link", "").partition(">")[0].removeprefix("<")
    assert seen == whole


async def test_a_client_of_another_node() -> None:
    others = [World(2), World(3)]
    peers = Peers(others)
    api = Api(World(1, peers))
    client = others[0].engine.connect("far")
    assert (await api.get("/api/v1/clients/far"))["node_id"] == 2
    assert await api.get("/api/v1/clients/far/online") is True
    peers.down = {3}
    answer = await api.ask("GET", "/api/v1/clients")
    assert names(answer.json()) == ["far"] and answer.headers["x-rmq-missing-nodes"] == "3"
    assert problem(await api.ask("GET", "/api/v1/clients/nobody")) == (503, "NODE_UNREACHABLE")
    answer = await api.ask("DELETE", "/api/v1/clients/far")
    assert answer.text.startswith("2@tcp.external/127.0.0.1:") and answer.text.endswith("/far/undefined")
    assert client.closed
