"""Retained messages under EMQX's names, and how retaining is configured."""

from __future__ import annotations

from rmq_plugins.retainer.config import RetainerConfig

from tests.unit.http_api.emqx_v5.plugin_world import ConfiguredPlugins
from tests.unit.http_api.emqx_v5.v5 import V5, problem
from tests.unit.management.world import World


def retain(v5: V5, *topics: str) -> None:
    client = v5.world.engine.connect("p")
    for topic in topics:
        client.publish(topic, b"x" + topic.encode(), 1, retain=True)


async def test_a_message_in_every_field(v5: V5) -> None:
    retain(v5, "a/1")
    found = await v5.get("/mqtt/retainer/message/a%2F1")
    assert found.pop("payload") == "eGEvMQ=="
    assert len(found["msgid"]) == 32
    assert found == {
        "msgid": found["msgid"],
        "topic": "a/1",
        "qos": 1,
        "publish_at": "2023-11-14T22:13:20.000+00:00",
        "from_clientid": "p",
        "from_username": None,
    }
    page = await v5.get("/mqtt/retainer/messages")
    assert page == {"data": [found], "meta": {"page": 1, "limit": 100, "count": 1, "hasnext": False}}


async def test_pages_and_topics(v5: V5) -> None:
    retain(v5, "b", "a/2", "a/1", "c")
    page = await v5.get("/mqtt/retainer/messages?page=2&limit=2")
    assert [row["topic"] for row in page["data"]] == ["b", "c"] and page["meta"]["count"] == 4
    page = await v5.get("/mqtt/retainer/messages?topic=a%2F%2B")
    assert [row["topic"] for row in page["data"]] == ["a/1", "a/2"]
    assert problem(await v5.ask("GET", "/mqtt/retainer/messages?topic=a%2F%23%2Fb")) == (400, "BAD_REQUEST")


async def test_they_are_deleted(v5: V5) -> None:
    retain(v5, "a", *map(str, range(600)))
    assert (await v5.ask("DELETE", "/mqtt/retainer/message/a")).status_code == 204
    for method in ("GET", "DELETE"):
        assert problem(await v5.ask(method, "/mqtt/retainer/message/a")) == (404, "NOT_FOUND")
    assert (await v5.get("/mqtt/retainer/messages"))["meta"]["count"] == 600
    assert (await v5.ask("DELETE", "/mqtt/retainer/messages")).status_code == 204
    assert (await v5.get("/mqtt/retainer/messages"))["data"] == []


class Retainer(ConfiguredPlugins):
    """The plugin as a node runs it: its rules are in force."""

    async def load(self, name: str) -> bool:
        await self._take()
        return await super().load(name)

    async def reload_config(self, name: str) -> None:
        await self._take()
        await super().reload_config(name)

    async def _take(self) -> None:
        kept = self._world.service.plugin_configs.kept("rmq-retainer")
        await self._world.local.operations.retaining.put(RetainerConfig.model_validate(kept).rules())


async def test_the_configuration_is_changed_and_kept() -> None:
    world = World()
    world.local.plugin_control = plugins = Retainer(world, {"rmq-retainer": RetainerConfig})
    v5 = V5(world)
    before = await v5.get("/mqtt/retainer")
    assert before["enable"] is True and before["backend"]["max_retained_messages"] == 0
    change = {
        "max_payload_size": "1KB",
        "msg_expiry_interval": "2m",
        "backend": {"type": "built_in_database", "max_retained_messages": 2},
    }
    answer = await v5.ask("PUT", "/mqtt/retainer", json=change)
    assert answer.status_code == 200
    assert answer.json() == {
        **before,
        "max_payload_size": "1024B",
        "msg_expiry_interval": "120s",
        "backend": {**before["backend"], "max_retained_messages": 2},
    }
    assert plugins.done == ["load rmq-retainer"]
    assert world.service.plugin_configs.kept("rmq-retainer") == {
        "max_retained_messages": 2,
        "max_payload_size": 1024,
        "retained_message_ttl": 120,
    }
    retain(v5, "a", "b", "c")
    assert (await v5.get("/mqtt/retainer/messages"))["meta"]["count"] == 2
    v5.world.engine.advance(121)
    assert (await v5.get("/mqtt/retainer/messages"))["meta"]["count"] == 0
    answer = await v5.ask("PUT", "/mqtt/retainer", json={"max_payload_size": "infinity", "msg_expiry_interval": "0s"})
    assert (answer.json()["max_payload_size"], answer.json()["msg_expiry_interval"]) == ("0B", "0s")
    for bad in (
        {"enable": False},
        {"max_payload_size": "much"},
        {"max_payload_size": "9GB"},
        {"msg_expiry_interval": "5 years"},
        {"backend": {"max_retained_messages": -1}},
        {"colour": 1},
    ):
        assert problem(await v5.ask("PUT", "/mqtt/retainer", json=bad)) == (400, "BAD_REQUEST"), bad
