"""Publish, subscribe and unsubscribe in the words of EMQX v2."""

from __future__ import annotations

import pytest

from rmq.hooks.verdicts import DENY, UNDECIDED
from rmq.session.client_info import ClientInfo
from tests.support.wire_parser import Publish
from tests.unit.http_api.emqx_v2.admin import V2, code, result

DONE = {"code": 0, "result": []}


async def test_the_message_of_the_documents(v2: V2) -> None:
    client = v2.world.engine.connect("c")
    client.subscribe(("test", 1))
    body = {"topic": "test", "payload": "hello", "qos": 1, "retain": False, "client_id": "C_1492145414740"}
    assert result(await v2.ask("POST", "mqtt/publish", json=body)) == []
    message = client.take(Publish)
    assert (message.topic, message.payload, message.qos, message.retain) == ("test", b"hello", 1, False)


async def test_as_curl_sends_it(v2: V2) -> None:
    client = v2.world.engine.connect("c")
    client.subscribe(("t", 2))
    answer = await v2.ask("POST", "mqtt/publish", content=b'{"topic": "t", "payload": "x", "unknown": 1}')
    assert answer.json() == DONE
    assert client.take(Publish).qos == 0


async def test_retained(v2: V2) -> None:
    await v2.ask("POST", "mqtt/publish", json={"topic": "t", "payload": "x", "retain": True})
    kept = await v2.world.service.retained_message("t")
    assert (kept.publisher, kept.expires_at) == ("http", None)


@pytest.mark.parametrize(
    ("path", "content", "wanted"),
    [
        ("publish", b'{"payload": "x"}', 107),
        ("publish", b'{"topic": "t"}', 107),
        ("publish", b'{"topic": "t", "payload": 1}', 108),
        ("publish", b'{"topic": "t", "payload": "x", "qos": 3}', 108),
        ("publish", b'{"topic": "t", "payload": "x", "qos": "1"}', 108),
        ("publish", b'{"topic": "t", "payload": "x", "retain": "no"}', 108),
        ("publish", b'{"topic": "a/#", "payload": "x"}', 108),
        ("publish", b'{"topic": "t", "payload": "\\ud800"}', 109),
        ("publish", b"topic=t", 109),
        ("publish", b"", 109),
        ("publish", b"[]", 109),
        ("subscribe", b'{"topic": "t"}', 107),
        ("subscribe", b'{"topic": "t", "client_id": "nobody"}', 112),
        ("subscribe", b'{"topic": "a#", "client_id": "c"}', 102),
        ("unsubscribe", b'{"client_id": "c"}', 107),
        ("unsubscribe", b'{"topic": "t", "client_id": "nobody"}', 112),
    ],
)
async def test_what_can_t_be_done(v2: V2, path: str, content: bytes, wanted: int) -> None:
    v2.world.engine.connect("c")
    assert code(await v2.ask("POST", f"mqtt/{path}", content=content)) == wanted


async def test_what_rules_say_no_to(v2: V2) -> None:
    def verdict(info: ClientInfo, topic: str, qos: int, retain: bool) -> int:
        return DENY if (info.client_id, topic) == ("http", "t") else UNDECIDED

    v2.world.engine.hooks.register("message_publish_check_acl", verdict, "test")
    assert code(await v2.ask("POST", "mqtt/publish", json={"topic": "t", "payload": "x"})) == 102


async def test_a_client_is_subscribed_and_unsubscribed(v2: V2) -> None:
    client = v2.world.engine.connect("c")
    body = {"topic": "test", "qos": 1, "client_id": "c"}
    assert (await v2.ask("POST", "mqtt/subscribe", json=body)).json() == DONE
    assert (await v2.get("subscriptions/c"))["objects"] == [{"client_id": "c", "topic": "test", "qos": 1}]
    await v2.ask("POST", "mqtt/publish", json={"topic": "test", "payload": "x", "qos": 2})
    assert client.take(Publish).qos == 1
    for _ in range(2):
        assert (await v2.ask("POST", "mqtt/unsubscribe", json=body)).json() == DONE
    assert (await v2.get("subscriptions/c"))["objects"] == []


async def test_a_client_that_left_can_t_be_subscribed(v2: V2) -> None:
    v2.world.engine.connect("gone", clean=False, expiry=1000).disconnect()
    assert code(await v2.ask("POST", "mqtt/subscribe", json={"topic": "t", "client_id": "gone"})) == 112
