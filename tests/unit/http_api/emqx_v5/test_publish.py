"""Messages published through EMQX's paths: every key, who is subscribed, and what can't be published."""

from __future__ import annotations

import base64
import re

import pytest

from rmq.management.node.condition import SERVING
from tests.support import wire
from tests.unit.http_api.emqx_v5.v5 import V5, problem

NOBODY = {"reason_code": 16, "message": "no_matching_subscribers"}


async def test_a_message_in_every_key(v5: V5) -> None:
    client = v5.world.engine.connect("a")
    client.subscribe(("t/#", 2))
    body = {
        "topic": "t/1",
        "payload": base64.b64encode(b"\x00\xff").decode(),
        "payload_encoding": "base64",
        "qos": 1,
        "retain": False,
        "clientid": "b",
        "properties": {
            "payload_format_indicator": 0,
            "message_expiry_interval": 60,
            "response_topic": "r",
            "correlation_data": "c",
            "user_properties": {"k": "v"},
            "content_type": "x/y",
        },
    }
    answer = await v5.ask("POST", "/publish", json=body)
    assert answer.status_code == 200 and re.fullmatch("[0-9A-F]{32}", answer.json()["id"])
    (message,) = client.receive_all()
    assert (message.topic, message.payload, message.qos, message.retain) == ("t/1", b"\x00\xff", 1, False)
    properties = dict(message.properties)
    assert properties.pop(wire.MESSAGE_EXPIRY) == 60
    assert properties == {
        wire.PAYLOAD_FORMAT: 0,
        wire.RESPONSE_TOPIC: "r",
        wire.CORRELATION_DATA: b"c",
        wire.USER_PROPERTY: ("k", "v"),
        wire.CONTENT_TYPE: "x/y",
    }


async def test_nobody_is_subscribed(v5: V5) -> None:
    answer = await v5.ask("POST", "/publish", json={"topic": "t", "payload": "x", "retain": True})
    assert (answer.status_code, answer.json()) == (202, NOBODY)
    assert v5.world.service.local.retained_message("t").payload == b"x", "it is retained all the same, for good"
    assert v5.world.service.local.retained_message("t").expires_at is None


async def test_several_at_once(v5: V5) -> None:
    client = v5.world.engine.connect("a")
    client.subscribe(("t", 1))
    bodies = [{"topic": "t", "payload": str(number), "qos": 1} for number in range(40)]
    answer = await v5.ask("POST", "/publish/bulk", json=bodies)
    assert answer.status_code == 200 and len({row["id"] for row in answer.json()}) == 40
    assert client.payloads() == [str(number).encode() for number in range(40)], "in their order"
    answer = await v5.ask("POST", "/publish/bulk", json=[*bodies[:1], {"topic": "other", "payload": ""}])
    first, second = answer.json()
    assert answer.status_code == 202 and "id" in first and second == NOBODY
    client.receive_all()
    answer = await v5.ask("POST", "/publish/bulk", json=[*bodies[:1], {"topic": "a/#", "payload": ""}])
    assert answer.status_code == 400 and client.payloads() == [], "with a bad one none is published"


@pytest.mark.parametrize(
    ("body", "reason_code"),
    [
        ({"topic": "a/#", "payload": ""}, 144),
        ({"topic": "", "payload": ""}, 144),
        ({"topic": "a", "payload": "", "properties": {"response_topic": "+"}}, 144),
        ({"topic": "a", "payload": "%", "payload_encoding": "base64"}, 153),
        ({"topic": "a", "payload": "", "qos": 3}, None),
        ({"topic": "a", "payload": "", "qos": "1"}, None),
        ({"topic": "a", "payload": "", "retain": "yes"}, None),
        ({"topic": "a", "payload": "", "what": 1}, None),
        ({"topic": "a"}, None),
        ({"payload": ""}, None),
        ([], None),
        ({"topic": "a", "payload": "", "payload_encoding": "hex"}, None),
        ({"topic": "a", "payload": "", "properties": {"user_properties": {"k": 1}}}, None),
        ({"topic": "a", "payload": "", "properties": {"message_expiry_interval": -1}}, None),
    ],
)
async def test_what_cant_be_published(v5: V5, body: object, reason_code: int | None) -> None:
    answer = await v5.ask("POST", "/publish", json=body)
    found = answer.json()
    assert answer.status_code == 400 and found["code"] == "BAD_REQUEST" and found["message"] == found["reason"] != ""
    assert found.get("reason_code") == reason_code


async def test_of_another_media_type(v5: V5) -> None:
    v5.world.local.condition.phase = SERVING
    answer = await v5.ask("POST", "/publish", content=b"{}", headers={"content-type": "text/plain"})
    assert problem(answer) == (415, "UNSUPPORTED_MEDIA_TYPE")
