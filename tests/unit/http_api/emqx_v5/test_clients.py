"""Clients as EMQX shows them: every field and filter, pages by number and cursor, kickout, keep alive."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import quote

import pytest
from rmq_http_api.emqx_v5.client_object import FIELDS

from tests.support import wire
from tests.unit.http_api.emqx_v5.v5 import V5, problem
from tests.unit.management.world import Peers, World

RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00")


def names(page: dict[str, Any]) -> list[object]:
    return [row["clientid"] for row in page["data"]]


async def test_a_client_in_every_field(v5: V5) -> None:
    engine = v5.world.engine
    client = engine.connect("a", expiry=3600, keep_alive=60, properties=[(wire.RECEIVE_MAXIMUM, 7)], username="alice")
    client.subscribe(("t/#", 1), ("u", 0))
    client.publish("t/1", b"12345", 0)
    found = await v5.get("/clients/a")
    assert (await v5.get("/clients"))["data"] == [found]
    assert found.keys() == FIELDS - {"disconnected_at"}
    moment = found.pop("connected_at")
    assert RFC3339.fullmatch(moment) and found.pop("created_at") == moment
    known = {
        "clientid": "a",
        "username": "alice",
        "node": "node-1",
        "connected": True,
        "ip_address": "127.0.0.1",
        "listener": "tcp:external",
        "proto_name": "MQTT",
        "proto_ver": 5,
        "keepalive": 60,
        "clean_start": True,
        "expiry_interval": 3600,
        "is_bridge": False,
        "is_expired": False,
        "is_persistent": True,
        "durable": True,
        "enable_authn": True,
        "is_superuser": False,
        "mountpoint": None,
        "client_attrs": {},
        "subscriptions_cnt": 2,
        "subscriptions_max": "infinity",
        "inflight_cnt": 0,
        "inflight_max": 7,
        "mqueue_len": 0,
        "awaiting_rel_cnt": 0,
        "recv_msg": 1,
        "recv_msg.qos0": 1,
        "recv_msg.qos1": 0,
        "recv_pkt": 3,
        "send_msg": 1,
        "send_msg.qos0": 1,
        "send_msg.qos2": 0,
        "send_pkt": 3,
        "send_msg.dropped": 0,
        "mqueue_dropped": 0,
    }
    assert {name: found[name] for name in known} == known
    assert found["port"] >= 40_000 and found["recv_oct"] > 0 and found["send_oct"] > 0 and found["mqueue_max"] > 0
    assert found["recv_cnt"] > 0 and found["send_cnt"] > 0
    client.lose()
    gone = await v5.get("/clients/a")
    assert gone["connected"] is False and RFC3339.fullmatch(gone["disconnected_at"])


async def test_who_isnt_there(v5: V5) -> None:
    """As EMQX's documents show it, and with the code that its servers have for the others."""
    answer = await v5.ask("GET", "/clients/foo")
    assert answer.status_code == 404
    assert answer.json() == {
        "code": "RESOURCE_NOT_FOUND",
        "message": "Client id not found",
        "reason": "Client id not found",
    }
    for method, path, body in (
        ("DELETE", "/clients/foo", None),
        ("PUT", "/clients/foo/keepalive", {"interval": 5}),
        ("GET", "/clients/foo/subscriptions", None),
        ("POST", "/clients/foo/subscribe", {"topic": "a"}),
        ("POST", "/clients/foo/unsubscribe", {"topic": "a"}),
    ):
        assert problem(await v5.ask(method, path, json=body)) == (404, "CLIENTID_NOT_FOUND")


@pytest.fixture
def some(v5: V5) -> V5:
    """Four clients, a second apart, one of them off line."""
    engine = v5.world.engine
    engine.connect("a", username="alice", expiry=100)
    engine.advance(1)
    engine.connect("b", level=4, username="bob")
    engine.advance(1)
    engine.connect("ab", username="alice", clean=False, expiry=100).lose()
    engine.advance(1)
    engine.connect("c", level=3)
    return v5


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["a", "ab", "b", "c"]),
        ("node=node-1", ["a", "ab", "b", "c"]),
        ("node=1&clientid=a", ["a"]),
        ("clientid=a&clientid=b&clientid=nobody", ["a", "b"]),
        ("username=alice", ["a", "ab"]),
        ("username=alice&username=bob", ["a", "ab", "b"]),
        ("ip_address=127.0.0.1", ["a", "ab", "b", "c"]),
        ("ip_address=127.0.0.2", []),
        ("conn_state=connected", ["a", "b", "c"]),
        ("conn_state=disconnected", ["ab"]),
        ("conn_state=disconnected&clientid=a", []),
        ("clean_start=false", ["ab"]),
        ("proto_ver=4", ["b"]),
        ("proto_ver=3", ["c"]),
        ("like_clientid=b", ["ab", "b"]),
        ("like_username=li", ["a", "ab"]),
        ("gte_created_at=1700000001000", ["ab", "b", "c"]),
        ("lte_created_at=2023-11-14T22:13:21Z", ["a", "b"]),
        ("gte_connected_at=2023-11-14T22:13:22.000%2B00:00", ["ab", "c"]),
        ("gte_connected_at=2023-11-14T22:13:22.000+00:00", ["ab", "c"]),
        ("lte_connected_at=1700000000000", ["a"]),
        ("what_nobody_knows=1", ["a", "ab", "b", "c"]),
    ],
)
async def test_every_filter(some: V5, query: str, found: list[str]) -> None:
    page = await some.get(f"/clients?{query}")
    assert names(page) == found
    assert page["meta"] == {"page": 1, "limit": 100, "count": len(found), "hasnext": False}
    assert names(await some.get(f"/clients_v2?{query}")) == found


async def test_fields(some: V5) -> None:
    page = await some.get("/clients?fields=clientid,username,recv_msg.qos1&clientid=a")
    assert page["data"] == [{"clientid": "a", "username": "alice", "recv_msg.qos1": 0}]
    assert problem(await some.ask("GET", "/clients?fields=clientid,colour")) == (400, "BAD_REQUEST")


async def test_pages_by_number(some: V5) -> None:
    seen = []
    for number in (1, 2, 3):
        page = await some.get(f"/clients?page={number}&limit=2")
        assert page["meta"] == {"page": number, "limit": 2, "count": 4, "hasnext": number == 1}
        seen += names(page)
    assert seen == ["a", "ab", "b", "c"]
    for bad in ("page=0", "limit=0", "limit=10001", "page=x", "page=1&page=2", "conn_state=odd", "gte_created_at=now"):
        assert problem(await some.ask("GET", f"/clients?{bad}"))[0] == 400
    assert problem(await some.ask("GET", "/clients?page=101&limit=1000")) == (400, "INVALID_PARAMETER")


async def test_pages_by_cursor(some: V5) -> None:
    """Whoever is there all the time is on exactly one page, whatever comes and goes."""
    page = await some.get("/clients_v2?limit=2")
    assert names(page) == ["a", "ab"] and page["meta"].keys() == {"count", "cursor"}
    some.world.engine.connect("aa")
    await some.ask("DELETE", "/clients/a")
    page = await some.get(f"/clients_v2?limit=2&cursor={quote(page['meta']['cursor'])}")
    assert (names(page), page["meta"]) == (["b", "c"], {"count": 2})
    assert problem(await some.ask("GET", "/clients_v2?cursor=nonsense%20")) == (400, "BAD_REQUEST")


async def test_kickout(some: V5) -> None:
    answer = await some.ask("DELETE", "/clients/a")
    assert (answer.status_code, answer.content) == (204, b"") and "content-type" not in answer.headers
    answer = await some.ask("POST", "/clients/kickout/bulk", json=["b", "nobody", "ab", "b"])
    assert answer.status_code == 204
    assert names(await some.get("/clients")) == ["c"]
    assert problem(await some.ask("POST", "/clients/kickout/bulk", json={"clientid": "c"})) == (400, "BAD_REQUEST")


async def test_another_keep_alive_is_in_force(v5: V5) -> None:
    engine = v5.world.engine
    engine.connect("a", keep_alive=100)
    engine.connect("b")
    for name in ("a", "b"):
        answer = await v5.ask("PUT", f"/clients/{name}/keepalive", json={"interval": 10})
        assert (answer.status_code, answer.json()["keepalive"]) == (200, 10)
    engine.advance(14)
    assert names(await v5.get("/clients?conn_state=connected")) == ["a", "b"]
    answer = await v5.ask("PUT", "/clients/b/keepalive", json={"interval": 0})
    assert answer.json()["keepalive"] == 0
    engine.advance(2)
    assert names(await v5.get("/clients?conn_state=connected")) == ["b"]
    engine.advance(100_000)
    assert names(await v5.get("/clients?conn_state=connected")) == ["b"]
    for bad in ({"interval": -1}, {"interval": 65_536}, {"interval": "5"}, {}, {"interval": 1, "more": 2}):
        assert problem(await v5.ask("PUT", "/clients/b/keepalive", json=bad)) == (400, "BAD_REQUEST")


async def test_how_many_sessions_there_are(some: V5) -> None:
    answer = await some.ask("GET", "/sessions_count")
    assert (answer.text, answer.headers["content-type"]) == ("4", "text/plain; charset=utf-8")
    assert (await some.ask("GET", "/sessions_count?since=1700000002000")).text == "2"


async def test_of_three_nodes_one_down() -> None:
    others = [World(2), World(3)]
    v5 = V5(World(1, Peers(others, {3})))
    v5.world.engine.connect("z")
    others[0].engine.connect("a")
    answer = await v5.ask("GET", "/clients?limit=1&page=2")
    assert names(answer.json()) == ["a"] and answer.headers["x-rmq-missing-nodes"] == "3"
    assert answer.json()["meta"] == {"page": 2, "limit": 1, "count": 2, "hasnext": False}
    assert names(await v5.get("/clients")) == ["z", "a"], "by node first"
    assert names(await v5.get("/clients?node=node-2")) == ["a"]
    assert (await v5.get("/clients/a"))["node"] == "node-2"
    assert (await v5.ask("PUT", "/clients/a/keepalive", json={"interval": 7})).json()["keepalive"] == 7
    assert problem(await v5.ask("GET", "/clients?node=node-9")) == (404, "NOT_FOUND")
    assert problem(await v5.ask("GET", "/clients?node=3")) == (503, "BAD_RPC")
    page = await v5.get("/clients_v2?limit=1")
    page = await v5.get(f"/clients_v2?limit=1&cursor={page['meta']['cursor']}")
    assert (names(page), page["meta"]) == (["a"], {"count": 1})


async def test_what_emqx_client_monitor_asks(some: V5) -> None:
    """A real exporter of clients' states (PyPI) puts its URL together so, with a slash twice."""
    query = "page=1&limit=10000&fields=all&clientid=a&clientid=ab"
    page = await some.get(f"/api//v5/clients?{query}")
    assert [(row["clientid"], row["connected"]) for row in page["data"]] == [("a", True), ("ab", False)]
