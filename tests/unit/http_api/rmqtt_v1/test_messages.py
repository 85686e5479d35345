"""Publish, subscribe and unsubscribe over HTTP, and retained messages."""

from __future__ import annotations

import pytest
from rmq_http_api.config import HttpApiConfig

from rmq.hooks.verdicts import DENY, UNDECIDED
from rmq.session.client_info import ClientInfo
from tests.support import wire
from tests.support.wire_parser import Publish
from tests.unit.http_api.api import Api, problem
from tests.unit.management.world import Peers, World

PUBLISH = "/api/v1/mqtt/publish"


async def test_the_messages_of_the_documents(api: Api) -> None:
    client = api.world.engine.connect("c")
    client.subscribe(("foo/1", 1))
    for body in (
        {"topic": "foo/1", "payload": "Hello World", "qos": 1, "retain": False, "clientid": "example"},
        {"topic": "foo/1", "payload": "SGVsbG8gV29ybGQ=", "qos": 1, "encoding": "base64"},
    ):
        answer = await api.ask("POST", PUBLISH, json=body)
        assert (answer.status_code, answer.text) == (200, "ok")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    messages = client.receive_all()
    assert [(message.topic, message.payload, message.qos) for message in messages] == [("foo/1", b"Hello World", 1)] * 2


async def test_every_property_of_the_body(api: Api) -> None:
    client = api.world.engine.connect("c")
    client.subscribe(("t", 0))
    properties = {
        "message_expiry_interval": 60,
        "payload_format_indicator": 1,
        "content_type": "text/x",
        "response_topic": "re",
        "correlation_data": "AAE=",
        "user_properties": [["a", "1"], ["a", "2"]],
    }
    await api.ask("POST", PUBLISH, json={"topic": "t", "payload": "x", "properties": properties})
    message = client.take(Publish)
    assert sorted(message.properties, key=str) == sorted(
        [
            (wire.PAYLOAD_FORMAT, 1),
            (wire.CONTENT_TYPE, "text/x"),
            (wire.RESPONSE_TOPIC, "re"),
            (wire.CORRELATION_DATA, b"\x00\x01"),
            (wire.USER_PROPERTY, ("a", "1")),
            (wire.USER_PROPERTY, ("a", "2")),
            (wire.MESSAGE_EXPIRY, 60),
        ],
        key=str,
    )


async def test_messages_expire_as_configured() -> None:
    for configured, wanted in ((300.0, 300), (0.0, None)):
        api = Api(config=HttpApiConfig(message_expiry_interval=configured))
        client = api.world.engine.connect("c")
        client.subscribe(("t", 0))
        await api.ask("POST", PUBLISH, json={"topic": "t", "payload": "x"})
        assert dict(client.take(Publish).properties).get(wire.MESSAGE_EXPIRY) == wanted
        body = {"topic": "t", "payload": "x", "properties": {"message_expiry_interval": 0}}
        await api.ask("POST", PUBLISH, json=body)
        assert wire.MESSAGE_EXPIRY not in dict(client.take(Publish).properties)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "payload: is missing"),
        ({"payload": "x"}, "topic: is missing"),
        ({"topic": "", "payload": "x"}, "topic: String should have at least 1 character"),
        ({"topics": " , ", "payload": "x"}, "topic: is missing"),
        ({"topic": "a", "payload": "x", "qos": 0.5}, "qos: "),
        ({"topic": "a", "payload": "x", "qos": True}, "qos: "),
        ({"topic": "a/#", "payload": "x"}, "topics: "),
        ({"topic": "a", "payload": "x", "qos": 3}, "qos: "),
        ({"topic": "a", "payload": "!!", "encoding": "base64"}, "payload: isn't base64"),
        ({"topic": "a", "payload": "x", "encoding": "rot13"}, "encoding: "),
        ({"topic": "a", "payload": 5}, "payload: "),
        ({"topic": "a", "payload": "x", "retain": 1}, "retain: "),
        ({"topic": "a", "payload": "x", "properties": {"colour": 1}}, "properties.colour: "),
        ({"topic": "a", "payload": "x", "properties": {"response_topic": "a/#"}}, "response_topic: "),
        ({"topic": "a", "payload": "x", "properties": {"correlation_data": "!"}}, "properties.correlation_data: "),
        ({"topic": "a", "payload": "x", "properties": {"message_expiry_interval": -1}}, "properties.message_expiry"),
        ({"topic": "a", "payload": "x", "properties": {"user_properties": [["a"]]}}, "properties.user_properties"),
    ],
)
async def test_what_is_wrong_is_named(api: Api, body: object, named: str) -> None:
    answer = await api.ask("POST", PUBLISH, json=body)
    assert problem(answer) == (400, "BAD_PARAMETER")
    assert named in answer.json()["message"]


async def test_several_topics_have_an_answer_each(api: Api) -> None:
    client = api.world.engine.connect("c")
    client.subscribe(("#", 0))

    def verdict(info: ClientInfo, topic: str, qos: int, retain: bool) -> int:
        assert (info.client_id, info.remote_host, qos, retain) == ("me", "127.0.0.1", 1, False)
        return DENY if topic == "no" else UNDECIDED

    api.world.engine.hooks.register("message_publish_check_acl", verdict, "test")
    body = {"topics": "a, no,b", "payload": "x", "qos": 1, "clientid": "me"}
    answer = await api.ask("POST", PUBLISH, json=body)
    assert answer.json() == {"a": True, "no": "not allowed", "b": True}
    assert [message.topic for message in client.receive_all()] == ["a", "b"]
    answer = await api.ask("POST", PUBLISH, json={"topic": "no", "payload": "x", "qos": 1, "clientid": "me"})
    assert problem(answer) == (403, "PUBLISH_DENIED")
    counters = api.world.engine.counters
    assert (counters.client_publish_check_acl, counters.dropped_publish_denied) == (4, 2)
    assert counters.messages_dropped == counters.client_publish_auth_error == 2


async def test_rules_are_asked_about_the_client_as_it_is_connected(api: Api) -> None:
    api.world.engine.connect("me", username="alice")
    seen: list[tuple[str | None, str]] = []

    def verdict(info: ClientInfo, topic: str, qos: int, retain: bool) -> int:
        seen.append((info.username, info.listener))
        return UNDECIDED

    api.world.engine.hooks.register("message_publish_check_acl", verdict, "test")
    for client_id in ("me", "somebody"):
        await api.ask("POST", PUBLISH, json={"topic": "t", "payload": "x", "clientid": client_id})
    assert seen == [("alice", "tcp.external"), (None, "api")]


async def test_a_client_is_subscribed_and_unsubscribed(api: Api) -> None:
    client = api.world.engine.connect("c")
    body = {"topics": "foo/a,foo/b,a/#/b", "qos": 1, "clientid": "c"}
    answer = await api.ask("POST", "/api/v1/mqtt/subscribe", json=body)
    assert answer.json() == {"foo/a": True, "foo/b": True, "a/#/b": False}
    api.world.engine.connect("p").publish("foo/a", b"x", 1)
    assert [message.qos for message in client.receive_all()] == [1]
    path = "/api/v1/mqtt/unsubscribe"
    assert (await api.ask("POST", path, json={"topic": "foo/a", "clientid": "c"})).json() is True
    assert (await api.ask("POST", path, json={"topic": "foo/a", "clientid": "c"})).json() is False
    answer = await api.ask("POST", path, json={"topic": "foo/a", "clientid": "nobody"})
    assert problem(answer) == (404, "CLIENT_NOT_FOUND")
    answer = await api.ask("POST", "/api/v1/mqtt/subscribe", json={"topic": "t", "clientid": "nobody"})
    assert problem(answer) == (404, "CLIENT_NOT_FOUND")
    answer = await api.ask("POST", "/api/v1/mqtt/subscribe", json={"clientid": "c"})
    assert problem(answer) == (400, "BAD_PARAMETER")


async def test_a_client_off_line_cannot_be_subscribed(api: Api) -> None:
    api.world.engine.connect("c", properties=[(wire.SESSION_EXPIRY, 100)]).disconnect()
    answer = await api.ask("POST", "/api/v1/mqtt/subscribe", json={"topic": "t", "clientid": "c"})
    assert problem(answer) == (409, "CLIENT_OFFLINE")


async def test_a_client_of_another_node() -> None:
    other = World(2)
    api = Api(World(1, Peers([other])))
    other.engine.connect("far")
    answer = await api.ask("POST", "/api/v1/mqtt/subscribe", json={"topic": "t", "clientid": "far"})
    assert answer.json() == {"t": True}
    answer = await api.ask("POST", "/api/v1/mqtt/unsubscribe", json={"topic": "t", "clientid": "far"})
    assert answer.json() is True


async def test_retained_messages(api: Api) -> None:
    for topic in ("r/1", "r/2", "s"):
        body = {"topic": topic, "payload": "kept", "qos": 1, "retain": True, "clientid": "me"}
        await api.ask("POST", PUBLISH, json=body | {"properties": {"message_expiry_interval": 60}})
    found = await api.get("/api/v1/retains?topic_filter=r/%2B&limit=1")
    assert found["has_more"] is True
    (item,) = found["items"]
    assert item.pop("publish")["payload"] == "a2VwdA=="
    assert item == {"topic": "r/1", "client_id": "me", "from": "admin", "remaining_ttl": 60}
    rest = await api.get("/api/v1/retains?topic_filter=r/%2B&offset=1")
    assert [one["topic"] for one in rest["items"]] == ["r/2"] and rest["has_more"] is False
    answer = await api.ask("DELETE", "/api/v1/retains?topic=r%2F1")
    assert (answer.status_code, answer.text) == (200, "ok")
    assert len((await api.get("/api/v1/retains"))["items"]) == 2
    for query, status, code in (
        ("?topic=r%2F1", 404, "RETAINED_NOT_FOUND"),
        ("?topic=%23", 400, "BAD_PARAMETER"),
        ("", 400, "BAD_PARAMETER"),
    ):
        assert problem(await api.ask("DELETE", f"/api/v1/retains{query}")) == (status, code)
    assert problem(await api.ask("GET", "/api/v1/retains?topic_filter=a%23")) == (400, "BAD_PARAMETER")
