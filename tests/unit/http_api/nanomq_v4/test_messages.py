"""Publish, subscribe and unsubscribe, by themselves and many at once, and what may be wrong with each."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import wire
from tests.unit.http_api.nanomq import VIEWER, NanoApi, problem
from tests.unit.management.world import Peers, World

MQTT = "/api/v4/mqtt"


async def done(nano: NanoApi, what: str, body: object) -> Any:
    """The answer to a good request."""
    answer = await nano.ask("POST", f"{MQTT}/{what}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_publish(nano: NanoApi) -> None:
    client = nano.world.engine.connect("c")
    client.subscribe(("#", 2))
    assert await done(nano, "publish", {"topic": "t", "payload": "Hello", "clientid": "x", "qos": 1}) == {"code": 0}
    assert await done(nano, "publish", {"topics": "a, b,a", "payload": "SGVsbG8=", "encoding": "base64"}) == {"code": 0}
    properties = {
        "payload_format_indicator": 1,
        "message_expiry_interval": 60,
        "response_topic": "r",
        "correlation_data": "data",
        "content_type": "text/plain",
        "user_properties": {"id": 10010, "name": "emqx", "foo": True, "half": 0.5},
    }
    await done(nano, "publish", {"topic": "p", "payload": "", "retain": True, "qos": 2, "properties": properties})
    first, a, b, last = client.receive_all()
    assert (first.topic, first.payload, first.qos) == ("t", b"Hello", 1)
    assert [(one.topic, one.payload, one.qos) for one in (a, b)] == [("a", b"Hello", 0), ("b", b"Hello", 0)]
    assert (last.topic, last.payload, last.qos) == ("p", b"", 2)
    found = dict(last.properties)
    assert (found[wire.PAYLOAD_FORMAT], found[wire.MESSAGE_EXPIRY], found[wire.RESPONSE_TOPIC]) == (1, 60, "r")
    assert (found[wire.CORRELATION_DATA], found[wire.CONTENT_TYPE]) == (b"data", "text/plain")
    pairs = [value for name, value in last.properties if name == wire.USER_PROPERTY]
    assert pairs == [("id", "10010"), ("name", "emqx"), ("foo", "true"), ("half", "0.5")]


@pytest.mark.parametrize(
    ("what", "body", "status", "code"),
    [
        ("publish", b"nonsense", 400, 109),
        ("publish", b"[]", 400, 109),
        ("publish", b'{"payload": "x"}', 400, 107),
        ("publish", b'{"topic": "t"}', 400, 107),
        ("publish", b'{"topics": " , ", "payload": "x"}', 400, 107),
        ("publish", b'{"topic": "t", "payload": "x", "qos": 3}', 400, 108),
        ("publish", b'{"topic": "t", "payload": 5}', 400, 108),
        ("publish", b'{"topic": "t", "payload": "*", "encoding": "base64"}', 400, 108),
        ("publish", b'{"topic": "t", "payload": "\\ud800"}', 400, 109),
        ("publish", b'{"topic": "t", "payload": "x", "nonsense": 1}', 400, 108),
        ("publish", b'{"topic": "t", "payload": "x", "properties": {"response_topic": "#"}}', 400, 108),
        ("publish", b'{"topic": "t/#", "payload": "x"}', 400, 115),
        ("publish", b'{"topic": "", "payload": "x"}', 400, 115),
        ("subscribe", b'{"topic": "t"}', 400, 107),
        ("subscribe", b'{"clientid": "c"}', 400, 107),
        ("subscribe", b'{"topic": "t", "clientid": "c", "client_id": "d"}', 400, 108),
        ("subscribe", b'{"topic": "t", "clientid": "nobody"}', 404, 112),
        ("subscribe", b'{"topic": "t", "clientid": "gone"}', 400, 112),
        ("subscribe", b'{"topic": "a/#/b", "clientid": "c"}', 400, 115),
        ("unsubscribe", b'{"topic": "t", "clientid": "nobody"}', 404, 112),
        ("unsubscribe", b'{"clientid": "c"}', 400, 107),
        ("publish_batch", b"{}", 400, 108),
        ("publish_batch", b"nonsense", 400, 109),
    ],
)
async def test_what_is_wrong(nano: NanoApi, what: str, body: bytes, status: int, code: int) -> None:
    engine = nano.world.engine
    engine.connect("c")
    engine.connect("gone", expiry=100).disconnect()
    assert problem(await nano.ask("POST", f"{MQTT}/{what}", content=body)) == (status, code)


async def test_subscribe_and_unsubscribe(nano: NanoApi) -> None:
    client = nano.world.engine.connect("c")
    assert await done(nano, "subscribe", {"topics": "a,b/+", "clientid": "c", "qos": 1}) == {"code": 0}
    await done(nano, "publish", {"topics": "a,b/c", "payload": "x", "qos": 2})
    assert [(one.topic, one.qos) for one in client.receive_all()] == [("a", 1), ("b/c", 1)]
    assert await done(nano, "unsubscribe", {"topic": "a", "client_id": "c"}) == {"code": 0}
    assert await done(nano, "unsubscribe", {"topic": "a", "clientid": "c"}) == {"code": 0}
    await done(nano, "publish", {"topics": "a,b/c", "payload": "x"})
    assert [one.topic for one in client.receive_all()] == ["b/c"]


async def test_many_at_once_each_with_its_code(nano: NanoApi) -> None:
    client = nano.world.engine.connect("c")
    subscribe = [
        {"topic": "a", "clientid": "c", "qos": 1},
        {"topics": "b,c", "clientid": "c"},
        {"topic": "a", "clientid": "nobody"},
        {"topic": "a"},
        {"topic": "a", "clientid": "c", "qos": 3},
        {"topic": "a/#/b", "clientid": "c"},
        5,
    ]
    assert await done(nano, "subscribe_batch", subscribe) == {
        "code": 0,
        "data": [
            {"topic": "a", "code": 0},
            {"topic": "b,c", "code": 0},
            {"topic": "a", "code": 112},
            {"topic": "a", "code": 107},
            {"topic": "a", "code": 108},
            {"topic": "a/#/b", "code": 115},
            {"topic": "", "code": 108},
        ],
    }
    publish = [{"topic": "a", "payload": "1"}, {"topic": "+", "payload": "2"}, {"topics": "b,c", "payload": "3"}]
    found = await done(nano, "publish_batch", publish)
    assert [row["code"] for row in found["data"]] == [0, 115, 0]
    assert [(one.topic, one.payload) for one in client.receive_all()] == [("a", b"1"), ("b", b"3"), ("c", b"3")]
    found = await done(nano, "unsubscribe_batch", [{"topics": "a,b", "clientid": "c"}, {"topic": "c"}])
    assert [row["code"] for row in found["data"]] == [0, 107]
    await done(nano, "publish_batch", publish)
    assert [one.topic for one in client.receive_all()] == ["c"]
    assert await done(nano, "publish_batch", []) == {"code": 0, "data": []}


async def test_a_viewer_changes_nothing(nano: NanoApi) -> None:
    answer = await nano.ask("POST", f"{MQTT}/publish", json={"topic": "t", "payload": "x"}, headers=VIEWER)
    assert problem(answer) == (403, 103)


async def test_a_client_of_another_node() -> None:
    peers = Peers()
    other = World(2)
    peers.worlds.append(other)
    nano = NanoApi(World(1, peers))
    other.engine.connect("b")
    assert await done(nano, "subscribe", {"topic": "t", "clientid": "b"}) == {"code": 0}
    peers.down.add(2)
    found = await done(nano, "subscribe_batch", [{"topic": "t", "clientid": "b"}])
    assert found["data"] == [{"topic": "t", "code": 101}]
