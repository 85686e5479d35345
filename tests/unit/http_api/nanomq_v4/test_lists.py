"""Brokers, nodes, clients and subscriptions as NanoMQ lists them; and its words for what is wrong."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.unit.http_api.nanomq import NanoApi, basic, problem
from tests.unit.management.world import Peers, World


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["clientid"] for row in rows]


async def test_the_list_of_routes(nano: NanoApi) -> None:
    rows = await nano.data("/api/v4")
    assert rows == await nano.data("/api/v4/")
    found = {(row["method"], row["path"]): row["name"] for row in rows}
    assert found["GET", "/clients/:clientid"] == "lookup_client"
    assert found["GET", "/brokers/"] == "list_brokers"
    assert len(found) == len(rows) == len([r for r in nano.table.routes if r.path.startswith("/api/v4/")])


async def test_brokers_and_nodes(nano: NanoApi) -> None:
    nano.world.engine.connect("a")
    (broker,) = await nano.data("/api/v4/brokers")
    assert broker.keys() == {"node_id", "datetime", "node_status", "sysdescr", "uptime", "version"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", broker["datetime"])
    assert (broker["node_status"], broker["uptime"]) == ("Running", "0 Hours, 0 minutes, 0 seconds")
    nano.world.engine.advance(15 * 3600 + 98)
    (node,) = await nano.data("/api/v4/nodes")
    assert node == {
        "node_id": 1,
        "connections": 1,
        "node_status": "Running",
        "uptime": "15 Hours, 1 minutes, 38 seconds",
        "version": broker["version"],
    }


async def test_a_client_in_every_field(nano: NanoApi) -> None:
    nano.world.engine.connect("c", username="alvin", keep_alive=60).publish("t", b"x")
    rows = await nano.data("/api/v4/clients")
    assert rows == await nano.data("/api/v4/clients/c") == await nano.data("/api/v4/clients/username/alvin")
    assert rows == [
        {
            "clientid": "c",
            "client_id": "c",
            "username": "alvin",
            "keepalive": 60,
            "connected": True,
            "conn_state": "connected",
            "clean_start": True,
            "proto_name": "MQTT",
            "proto_ver": 5,
            "ipv4": "127.0.0.1",
            "recv_msg": 1,
        }
    ]
    assert await nano.data("/api/v4/clients/username/nobody") == []
    assert problem(await nano.ask("GET", "/api/v4/clients/nobody")) == (404, 112)


async def test_every_filter_of_clients(nano: NanoApi) -> None:
    engine = nano.world.engine
    engine.connect("a", username="u", level=4)
    engine.connect("b", clean=False, expiry=100)
    engine.connect("c", level=3)
    engine.connect("d", expiry=100).disconnect()
    for query, expected in (
        ("", "abcd"),
        ("clientid=a", "a"),
        ("client_id=a", "a"),
        ("clientid=a&client_id=a", "a"),
        ("clientid=a&client_id=b", ""),
        ("username=u", "a"),
        ("conn_state=connected", "abc"),
        ("conn_state=disconnected", "d"),
        ("conn_state=idle", ""),
        ("clean_start=false", "b"),
        ("proto_name=MQTT", "abd"),
        ("proto_name=MQIsdp", "c"),
        ("proto_name=CoAP", ""),
        ("proto_ver=4", "a"),
        ("proto_ver=5&conn_state=connected", "b"),
    ):
        assert ids(await nano.data(f"/api/v4/clients?{query}")) == list(expected), query
    nano.service.max_rows = 1  # each row is a page of its own, and the answer has them all
    assert ids(await nano.data("/api/v4/clients")) == list("abcd")
    assert ids(await nano.data("/api/v4/clients?proto_name=MQIsdp")) == ["c"]


@pytest.mark.parametrize(
    "path",
    [
        "clients?nonsense=1",
        "clients?conn_state=maybe",
        "clients?clean_start=2",
        "clients?proto_ver=x",
        "clients?proto_name=HTTP",
        "clients?clientid=a&clientid=b",
        "subscriptions?qos=3",
        "subscriptions?nonsense=1",
        "brokers?nonsense=1",
    ],
)
async def test_a_wrong_parameter(nano: NanoApi, path: str) -> None:
    assert problem(await nano.ask("GET", f"/api/v4/{path}")) == (400, 108)


async def test_subscriptions(nano: NanoApi) -> None:
    engine = nano.world.engine
    engine.connect("a").subscribe(("t", 1), ("$share/g/t", 2))
    engine.connect("b").subscribe(("t/#", 0))
    engine.connect("none")
    one = {"clientid": "a", "topic": "t", "qos": 1}
    shared = {"clientid": "a", "topic": "$share/g/t", "qos": 2}
    other = {"clientid": "b", "topic": "t/#", "qos": 0}
    for query, expected in (
        ("", [shared, one, other]),
        ("clientid=a", [shared, one]),
        ("client_id=b", [other]),
        ("client_id=b&clientid=a", []),
        ("topic=t%2F%23", [other]),
        ("qos=1", [one]),
        ("share=g", [shared]),
    ):
        assert await nano.data(f"/api/v4/subscriptions?{query}") == expected, query
    assert await nano.data("/api/v4/subscriptions/a") == [shared, one]
    assert await nano.data("/api/v4/subscriptions/none") == []
    assert problem(await nano.ask("GET", "/api/v4/subscriptions/nobody")) == (404, 112)


async def test_what_isn_t_there(nano: NanoApi) -> None:
    assert problem(await nano.ask("GET", "/api/v4/nothing")) == (404, 102)
    answer = await nano.ask("DELETE", "/api/v4/brokers")
    assert problem(answer) == (405, 102) and answer.headers["allow"] == "GET, HEAD, OPTIONS"
    for path in ("", "/brokers", "/clients", "/nothing"):
        assert problem(await nano.client.get(f"/api/v4{path}")) == (401, 104)
        assert problem(await nano.ask("GET", f"/api/v4{path}", headers=basic("admin", "wrong"))) == (401, 103)


async def test_all_nodes_of_a_cluster() -> None:
    peers = Peers()
    other = World(2)
    peers.worlds.append(other)
    nano = NanoApi(World(1, peers))
    nano.world.engine.connect("a").subscribe(("t", 0))
    other.engine.connect("b").subscribe(("u", 0))
    assert [row["node_id"] for row in await nano.data("/api/v4/brokers")] == [1, 2]
    assert [row["connections"] for row in await nano.data("/api/v4/nodes")] == [1, 1]
    assert ids(await nano.data("/api/v4/clients")) == ids(await nano.data("/api/v4/subscriptions")) == ["a", "b"]
    assert ids(await nano.data("/api/v4/clients/b")) == ids(await nano.data("/api/v4/subscriptions/b")) == ["b"]
    peers.down.add(2)
    for path in ("brokers", "nodes", "clients", "subscriptions"):
        answer = await nano.ask("GET", f"/api/v4/{path}")
        assert (len(answer.json()["data"]), answer.headers["x-rmq-missing-nodes"]) == (1, "2"), path
    assert problem(await nano.ask("GET", "/api/v4/clients/b")) == (503, 101)
