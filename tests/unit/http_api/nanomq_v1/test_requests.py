"""NanoMQ's numbered requests: the broker, subscriptions, clients, and everything that may be wrong with them."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.unit.http_api.nanomq import ADMIN, VIEWER, NanoApi, basic, problem
from tests.unit.management.world import Peers, World


async def request(nano: NanoApi, req: object, **more: object) -> Any:
    """The answer to a good request."""
    answer = await nano.ask("POST", "/api/v1", json={"req": req, "seq": 1111111, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_broker(nano: NanoApi) -> None:
    engine = nano.world.engine
    subscriber = engine.connect("s")
    subscriber.subscribe(("t", 0))
    engine.connect("p").publish("t", b"x")
    engine.connect("q").publish("nobody/listens", b"x")
    assert await request(nano, 2) == {
        "code": 0,
        "seq": 1111111,
        "rep": 2,
        "data": {"client_size": 3, "message_in": 2, "message_out": 1, "message_drop": 1},
    }


async def test_subscriptions_by_client(nano: NanoApi) -> None:
    engine = nano.world.engine
    assert await request(nano, 4) == {"code": 0, "seq": 1111111, "rep": 4, "data": []}
    engine.connect("b").subscribe(("a/b/c", 0), ("$share/g/t", 2))
    engine.connect("a").subscribe(("t/#", 1))
    engine.connect("none")
    expected = [
        {"client_id": "a", "subscriptions": [{"topic": "t/#", "qos": 1}]},
        {
            "client_id": "b",
            "subscriptions": [{"topic": "$share/g/t", "qos": 2}, {"topic": "a/b/c", "qos": 0}],
        },
    ]
    assert (await request(nano, 4))["data"] == expected
    nano.service.max_rows = 1  # each row is a page of its own
    assert (await request(nano, 4))["data"] == expected


async def test_clients(nano: NanoApi) -> None:
    engine = nano.world.engine
    engine.connect("nanomq-ebd54382", username="nanmq", keep_alive=60, level=4).publish("t", b"x")
    engine.connect("gone", expiry=100).disconnect()
    found = (await request(nano, 5))["data"]
    assert [row["client_id"] for row in found] == ["gone", "nanomq-ebd54382"]
    assert found[1] == {
        "client_id": "nanomq-ebd54382",
        "username": "nanmq",
        "keepalive": 60,
        "protocol": 4,
        "connect_status": 1,
        "message_receive": 1,
    }
    assert (found[0]["connect_status"], found[0]["username"], found[0]["protocol"]) == (0, "", 5)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"seq": 1}', 107),
        (b'{"req": 2}', 107),
        (b"{}", 107),
        (b'{"req": 3, "seq": 1}', 108),
        (b'{"req": "2", "seq": 1}', 108),
        (b'{"req": 2, "seq": null}', 108),
        (b'{"req": 2, "seq": 1, "nonsense": 1}', 108),
        (b'{"req": 2, "seq": 99999999999999999999}', 108),
        (b"", 109),
        (b"[]", 109),
        (b'{"req": 2', 109),
        (b"req=2&seq=1", 109),
    ],
)
async def test_what_is_wrong_with_a_request(nano: NanoApi, body: bytes, code: int) -> None:
    assert problem(await nano.ask("POST", "/api/v1", content=body)) == (400, code)


async def test_who_may_ask(nano: NanoApi) -> None:
    body = {"req": 2, "seq": 1}
    assert (await nano.ask("POST", "/api/v1", json=body, headers=VIEWER)).status_code == 200
    wrong = await nano.ask("POST", "/api/v1", json=body, headers=basic("admin", "wrong"))
    assert problem(wrong) == (401, 103) and wrong.headers["www-authenticate"]
    nobody = await nano.client.post("/api/v1", json=body)
    assert problem(nobody) == (401, 104)
    token = await nano.ask("POST", "/api/v1", json=body, headers={"authorization": "Bearer nonsense"})
    assert problem(token) == (401, 103)


async def test_questions_leave_no_line_in_the_audit_log(nano: NanoApi) -> None:
    """They are POSTs all the same, and come every few seconds."""
    with capture_logs() as lines:
        for number in (2, 4, 5):
            await request(nano, number)
        assert not lines
        await nano.ask("POST", "/api/v1", json={"req": 12, "seq": 1, "data": {}}, headers=ADMIN)
    assert [line["event"] for line in lines] == ["change through the HTTP API"]


async def test_the_path_is_rmqtt_s_too(nano: NanoApi) -> None:
    """GET is the list of RMQTT's routes; other methods, and what isn't there, are told in RMQTT's words."""
    assert isinstance(await nano.get("/api/v1"), list)
    answer = await nano.ask("PUT", "/api/v1", json={})
    assert (answer.status_code, answer.json()["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    answer = await nano.ask("GET", "/api/v1/nothing")
    assert (answer.status_code, answer.json()["code"]) == (404, "PATH_NOT_FOUND")


async def test_all_nodes_are_one_broker() -> None:
    peers = Peers()
    other = World(2)
    peers.worlds.append(other)
    nano = NanoApi(World(1, peers))
    nano.world.engine.connect("a").subscribe(("t", 0))
    other.engine.connect("b").subscribe(("u", 0))
    assert (await request(nano, 2))["data"]["client_size"] == 2
    assert [row["client_id"] for row in (await request(nano, 4))["data"]] == ["a", "b"]
    assert [row["client_id"] for row in (await request(nano, 5))["data"]] == ["a", "b"]
    peers.down.add(2)
    for number in (2, 4, 5):
        answer = await nano.ask("POST", "/api/v1", json={"req": number, "seq": 1}, headers=ADMIN)
        assert answer.headers["x-rmq-missing-nodes"] == "2"
    assert (await request(nano, 2))["data"]["client_size"] == 1
