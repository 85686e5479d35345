"""Bridges under NanoMQ's names: none, and those that the plugins which bridge have; told and changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pytest
from rmq_http_api.nanomq_v4.bridge_changes import EGRESS, INGRESS
from rmq_plugins.bridge_mqtt.egress import EgressConfig
from rmq_plugins.bridge_mqtt.ingress import IngressConfig

from rmq.management.errors import PluginRefused
from rmq.management.node.own_settings import NoSettings
from tests.unit.http_api.emqx_v5.plugin_world import world_with
from tests.unit.http_api.nanomq import VIEWER, NanoApi, problem
from tests.unit.management.world import FakePlugin


async def test_there_are_no_bridges(nano: NanoApi) -> None:
    nano.world.plugins.known["rmq-bridge-egress-mqtt"] = FakePlugin("rmq-bridge-egress-mqtt", active=False)
    assert await nano.data("/api/v4/bridges") == {"bridge": {"nodes": []}}
    answer = await nano.ask("GET", "/api/v4/bridges/emqx")
    assert problem(answer) == (404, 115) and f"neither {EGRESS} nor {INGRESS} is loaded" in answer.text
    for path in ("emqx", "sub/emqx", "unsub/emqx", "switch/emqx"):
        answer = await nano.ask("PUT", f"/api/v4/bridges/{path}", json={"data": {"bridge_switch": True}})
        assert problem(answer) == (404, 115)
    for path in ("sub/emqx", "unsub/emqx", "switch/emqx"):
        assert problem(await nano.ask("POST", f"/api/v4/bridges/{path}", json={"data": {}})) == (404, 115)
        assert problem(await nano.ask("POST", f"/api/v4/bridges/{path}", content=b"{")) == (400, 109)
    assert problem(await nano.ask("DELETE", "/api/v4/bridges/emqx")) == (405, 102)


async def test_bridges_of_both_directions(nano: NanoApi) -> None:
    out = {"name": "plant", "enable": True, "server": "tls://far:8883", "username": "ann", "password": "hidden"}
    egress = EgressConfig.model_validate(
        {"bridges": [{**out, "entries": [{"local": {"topic_filter": "up/#"}, "remote": {"qos": 1}}]}]}
    )
    taken = {
        "name": "plant",
        "server": "tls://far:8883",
        "mqtt_ver": "v5",
        "entries": [{"remote": {"topic": "down/#"}}],
    }
    other = {"name": "cellar", "server": "tcp://low:1883", "mqtt_ver": "v5", "entries": [{"remote": {"topic": "t"}}]}
    ingress = IngressConfig.model_validate({"bridges": [taken, other]})
    plugins = nano.world.plugins
    for name, config in (("rmq-bridge-egress-mqtt", egress), ("rmq-bridge-ingress-mqtt", ingress)):
        plugins.known[name] = FakePlugin(name)
        plugins.configs[name] = config.model_dump(mode="json")
    cellar, plant = (await nano.data("/api/v4/bridges"))["bridge"]["nodes"]
    assert plant == {
        "name": "plant",
        "enable": True,
        "parallel": 1,
        "connector": {
            "server": "tls://far:8883",
            "proto_ver": 4,
            "clientid": "rmq",
            "keepalive": 60,
            "clean_start": False,
            "username": "ann",
            "password": "hidden",  # whoever runs the plugins masks it
        },
        "forwards": [{"local_topic": "up/#", "remote_topic": "${local.topic}", "qos": 1}],
        "subscription": [{"remote_topic": "down/#", "local_topic": "${remote.topic}", "qos": 1}],
    }
    assert (cellar["name"], cellar["enable"], cellar["connector"]["proto_ver"]) == ("cellar", False, 5)
    assert await nano.data("/api/v4/bridges/cellar") == {"bridge": {"nodes": [cellar]}}


PLANT: Final = {"name": "plant", "enable": True, "server": "tcp://far:1883", "password": "hidden", "mqtt_ver": "v4"}
CELLAR: Final = {"name": "cellar", "server": "tcp://low:1883"}
OUT: Final = {"local": {"topic_filter": "up/#"}, "remote": {"skip_levels": 1}}
IN: Final = {"remote": {"topic": "down/#"}}
EXAMPLE: Final = {
    "enable": True,
    "server": "mqtt-tcp://broker.emqx.io:1883",
    "proto_ver": 4,
    "clientid": "hello3",
    "clean_start": True,
    "username": "emqx",
    "password": "emqx123",
    "keepalive": 60,
    "forwards": [
        {"remote_topic": "fwd/topic1", "local_topic": "local/topic1"},
        {"remote_topic": "fwd/topic3", "local_topic": "local/topic3"},
    ],
    "subscription": [
        {"remote_topic": "cmd/topic1", "local_topic": "local/topic1", "qos": 1},
        {"remote_topic": "cmd/topic3", "local_topic": "local/topic3", "qos": 2},
    ],
}
DONE: Final = {"code": 0, "ignored": []}


def bridging(egress: object = (), ingress: object = (), **config: Any) -> NanoApi:
    """A node with both plugins, whose files say this of bridges."""
    world = world_with(rmq_bridge_egress_mqtt=EgressConfig, rmq_bridge_ingress_mqtt=IngressConfig)
    for name, bridges in ((EGRESS, egress), (INGRESS, ingress)):
        world.plugins.known[name] = FakePlugin(name)
        world.plugins.written[name] = {"bridges": bridges}
    return NanoApi(world, **config)


@pytest.fixture
def plant() -> NanoApi:
    """One bridge, both ways."""
    return bridging([{**PLANT, "entries": [OUT]}], [{**PLANT, "entries": [IN]}, {**CELLAR, "entries": [IN]}])


def kept(nano: NanoApi, plugin: str) -> Any:
    """The bridges that are kept in place of those of files, none: None."""
    return nano.world.service.plugin_configs.kept(plugin).get("bridges")


async def put(nano: NanoApi, path: str, body: object, method: str = "PUT") -> Any:
    """What is answered to a change that is made."""
    answer = await nano.ask(method, f"/api/v4/bridges/{path}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_a_bridge_is_switched(plant: NanoApi, method: str) -> None:
    assert await put(plant, "switch/plant", {"data": {"bridge_switch": False}}, method) == DONE
    (out,), (into, cellar) = kept(plant, EGRESS), kept(plant, INGRESS)
    assert (out, into) == ({**PLANT, "enable": False, "entries": [OUT]}, {**PLANT, "enable": False, "entries": [IN]})
    assert cellar == {**CELLAR, "entries": [IN]}, "as it is written"
    assert plant.world.plugins.done == [f"reload {EGRESS}", f"reload {INGRESS}"]
    (bridge,) = (await plant.data("/api/v4/bridges/plant"))["bridge"]["nodes"]
    assert bridge["enable"] is False
    assert await put(plant, "switch/plant", {"data": {"bridge_switch": False}}, method) == DONE
    assert len(plant.world.plugins.done) == 2, "it is off already"
    assert await put(plant, "switch/cellar", {"data": {"bridge_switch": True}}, method) == DONE
    assert plant.world.plugins.done[2:] == [f"reload {INGRESS}"], "the other plugin has no such bridge"


async def test_topics_come_and_go(plant: NanoApi) -> None:
    taken = [{"remote_topic": "cmd/1", "local_topic": "one", "qos": 2}, {"remote_topic": "down/#", "local_topic": ""}]
    assert await put(plant, "sub/plant", {"data": {"subscription": taken}}, "POST") == DONE
    assert kept(plant, EGRESS) is None
    one = {"remote": {"topic": "cmd/1", "qos": 2}, "local": {"topic": "one"}}
    assert kept(plant, INGRESS)[0]["entries"] == [{**IN, "local": {"topic": "${remote.topic}"}}, one]
    again = {"data": {"subscription": [{"remote_topic": "cmd/1", "local_topic": "one", "qos": 0}]}}
    assert await put(plant, "sub/plant", again) == DONE
    assert kept(plant, INGRESS)[0]["entries"][1]["remote"] == {"topic": "cmd/1", "qos": 0}
    gone = {"data": {"unsubscription": [{"topic": "down/#", "qos": 1}, {"topic": "never"}, {"topic": "cmd/1"}]}}
    assert await put(plant, "unsub/plant", gone, "POST") == DONE
    assert kept(plant, INGRESS)[0]["entries"] == []
    assert kept(plant, INGRESS)[1] == {**CELLAR, "entries": [IN]}
    (bridge,) = (await plant.data("/api/v4/bridges/plant"))["bridge"]["nodes"]
    assert (bridge["subscription"], bridge["enable"]) == ([], True), "it is there still"


async def test_the_other_direction_is_made() -> None:
    """With what its bridge has in the one that there is."""
    nano = bridging([{**PLANT, "max_inflight": 5, "entries": [OUT]}])
    assert (
        await put(nano, "sub/plant", {"data": {"subscription": [{"remote_topic": "cmd", "local_topic": ""}]}}) == DONE
    )
    entry = {"remote": {"topic": "cmd"}, "local": {"topic": "${remote.topic}"}}
    assert kept(nano, INGRESS) == [{**PLANT, "entries": [entry]}]
    nano = bridging([], [{**PLANT, "expiry_interval": "1m", "entries": [IN]}])
    forwards = [{"local_topic": "a/#", "remote_topic": "", "prefix": "far/", "qos": 1, "retain": 1}]
    assert await put(nano, "plant", {"plant": {"forwards": forwards}}) == DONE
    remote = {"topic": "far/${local.topic}", "qos": 1, "retain": True}
    assert kept(nano, EGRESS) == [{**PLANT, "entries": [{"local": {"topic_filter": "a/#"}, "remote": remote}]}]
    assert kept(nano, INGRESS) is None


async def test_the_example_of_the_document(plant: NanoApi) -> None:
    """And what is told can be given back."""
    await put(plant, "plant", {"plant": {"name": "plant", **EXAMPLE}})
    (out,), (into, _) = kept(plant, EGRESS), kept(plant, INGRESS)
    connection = {
        "name": "plant",
        "enable": True,
        "server": "tcp://broker.emqx.io:1883",
        "mqtt_ver": "v4",
        "client_id_prefix": "hello3",
        "v4": {"clean_session": True},
        "v5": {"clean_start": True},
        "username": "emqx",
        "password": "emqx123",
        "keepalive": 60,
    }
    assert {key: value for key, value in out.items() if key != "entries"} == connection
    assert {key: value for key, value in into.items() if key != "entries"} == connection
    assert out["entries"] == [
        {"local": {"topic_filter": "local/topic1"}, "remote": {"topic": "fwd/topic1"}},
        {"local": {"topic_filter": "local/topic3"}, "remote": {"topic": "fwd/topic3"}},
    ]
    assert into["entries"] == [
        {"remote": {"topic": "cmd/topic1", "qos": 1}, "local": {"topic": "local/topic1"}},
        {"remote": {"topic": "cmd/topic3", "qos": 2}, "local": {"topic": "local/topic3"}},
    ]
    (told,) = (await plant.data("/api/v4/bridges/plant"))["bridge"]["nodes"]
    told["connector"]["password"] = "********"  # what a real node tells
    before = (await plant.data("/api/v4/bridges"))["bridge"]["nodes"]
    assert await put(plant, "plant", {"plant": told}) == {"code": 0, "ignored": ["parallel"]}
    assert (await plant.data("/api/v4/bridges"))["bridge"]["nodes"] == before
    assert kept(plant, EGRESS)[0]["password"] == "emqx123"


async def test_what_nanomq_has_no_word_for_stays(plant: NanoApi) -> None:
    forwards = [{"local_topic": "new", "remote_topic": "far"}, {"local_topic": "up/#", "remote_topic": "", "qos": 1}]
    await put(plant, "plant", {"plant": {"forwards": forwards}})
    (bridge,) = kept(plant, EGRESS)
    assert bridge["password"] == "hidden"
    assert bridge["entries"][1]["remote"] == {"topic": "${local.topic}", "qos": 1, "skip_levels": 1}
    assert kept(plant, INGRESS) is None


async def test_all_keys_that_have_a_counterpart(plant: NanoApi) -> None:
    files = {"enable": True, "keyfile": "/k.pem", "certfile": "/c.pem", "cacertfile": "/ca.pem", "key_password": ""}
    properties = {"session_expiry_interval": 30, "receive_maximum": 7, "maximum_packet_size": 0, "user_property": {}}
    given = {
        "server": "tls+mqtt-tcp://near:8883",
        "proto_ver": 5,
        "keepalive": "2m",
        "ssl": {**files, "verify_peer": False},
        "conn_properties": {**properties, "topic_alias_maximum": 3, "request_problem_information": True},
        "will": {"topic": "gone", "payload": "x", "qos": 1, "retain": True, "properties": None},
        "max_send_queue_len": 32,
        "clientid": None,
        "quic_0rtt": False,
    }
    assert await put(plant, "plant", {"plant": given}) == {"code": 0, "ignored": ["ssl.verify_peer"]}
    will = {"topic": "gone", "message": "x", "qos": 1, "retain": True}
    expected = {
        **PLANT,
        "server": "tls://near:8883",
        "mqtt_ver": "v5",
        "keepalive": "2m",
        "client_key": "/k.pem",
        "client_cert": "/c.pem",
        "root_cert": "/ca.pem",
        "v4": {"last_will": will},
        "v5": {"session_expiry_interval": 30, "receive_maximum": 7, "topic_alias_maximum": 3, "last_will": will},
    }
    assert kept(plant, EGRESS) == [{**expected, "message_channel_capacity": 32, "entries": [OUT]}]
    assert kept(plant, INGRESS)[0] == {**expected, "entries": [IN]}


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"server": "mqtt-quic://far:14567"}, "server"),
        ({"server": "mqtt-tcp://far:1883/path"}, "server"),
        ({"server": 5}, "server"),
        ({"proto_ver": 3}, "proto_ver"),
        ({"proto_ver": True}, "proto_ver"),
        ({"keepalive": 0}, "keepalive"),
        ({"keepalive": "soon"}, "keepalive"),
        ({"enable": "yes"}, "enable"),
        ({"clean_start": 1}, "clean_start"),
        ({"clientid": "x" * 65}, "client_id_prefix"),
        ({"name": "other"}, "name"),
        ({"ssl": {"enable": True}}, "ssl.enable"),
        ({"ssl": {"keyfile": "-----BEGIN PRIVATE KEY-----"}}, "ssl.keyfile"),
        ({"ssl": {"keyfile": "/k.pem"}}, "client_cert"),
        ({"ssl": {"key_password": "x"}}, "ssl.key_password"),
        ({"ssl": "x"}, "ssl"),
        ({"will": {"payload": "x"}}, "topic name"),
        ({"will": []}, "will"),
        ({"max_send_queue_len": 0}, "message_channel_capacity"),
        ({"conn_properties": {"receive_maximum": 0}}, "receive_maximum"),
        ({"hybrid_bridging": True, "quic_0rtt": True}, "hybrid_bridging, quic_0rtt"),
        ({"forwards": {}}, "forwards"),
        ({"forwards": ["t"]}, "forwards"),
        ({"forwards": [{"local_topic": "a/#", "remote_topic": "b/#"}]}, "b/#"),
        ({"forwards": [{"local_topic": "a", "remote_topic": "b", "qos": 3}]}, "qos"),
        ({"forwards": [{"local_topic": "a", "remote_topic": "b", "retain": "x"}]}, "forwards[0].retain"),
        ({"subscription": [{"remote_topic": "a#", "local_topic": ""}]}, "a#"),
        ({"subscription": [{"remote_topic": "a", "local_topic": "b", "retain_handling": 2}]}, "retain_handling"),
        ({"subscription": [{"remote_topic": "a", "local_topic": "b"}] * 2}, "twice"),
        ({"subscription": [{"remote_topic": "a", "stream_id": 1}]}, "subscription[0].stream_id"),
    ],
)
async def test_what_cant_be_changes_nothing(plant: NanoApi, body: object, named: str) -> None:
    answer = await plant.ask("PUT", "/api/v4/bridges/plant", json={"plant": body})
    assert problem(answer) == (400, 108) and named in answer.json()["message"], answer.text
    assert (kept(plant, EGRESS), kept(plant, INGRESS)) == (None, None) and plant.world.plugins.done == []


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("plant", {"emqx": {}}, 108),
        ("plant", {"plant": {}, "emqx": {}}, 108),
        ("plant", {"plant": 5}, 108),
        ("plant", {}, 107),
        ("plant", {"plant": {"forwards": [{"remote_topic": "b"}]}}, 107),
        ("switch/plant", {}, 107),
        ("switch/plant", {"data": []}, 108),
        ("switch/plant", {"data": {}}, 107),
        ("switch/plant", {"data": {"bridge_switch": 1}}, 108),
        ("switch/plant", {"data": {"bridge_switch": True, "x": 1}}, 108),
        ("switch/plant", {"data": {"bridge_switch": True}, "x": 1}, 108),
        ("sub/plant", {"data": {}}, 107),
        ("sub/plant", {"data": {"subscription": [{"local_topic": "x"}]}}, 107),
        ("sub/plant", {"data": {"subscription": [{"remote_topic": 5}]}}, 108),
        ("unsub/plant", {"data": {"unsubscription": [{}]}}, 107),
        ("unsub/plant", {"data": {"unsubscription": [{"topic": 5}]}}, 108),
        ("unsub/plant", {"data": {"unsubscription": [{"topic": "a", "share": "g"}]}}, 108),
    ],
)
async def test_bodies_that_say_something_else(plant: NanoApi, path: str, body: object, code: int) -> None:
    assert problem(await plant.ask("PUT", f"/api/v4/bridges/{path}", json=body)) == (400, code)
    assert (kept(plant, EGRESS), kept(plant, INGRESS)) == (None, None)


class KeepingSettings(NoSettings):
    """Those of a node that accepts keys which have no counterpart."""

    def values(self) -> Mapping[str, object]:
        return {"plugins": {"rmq-http-api": {"compat_keep_unknown": True}}}


async def test_what_has_no_effect_is_named() -> None:
    nano = bridging([{**PLANT, "entries": [OUT]}])
    properties = {"identifier": 1, "user_properties": [{"key": "key1", "value": "value1"}]}
    body = {"data": {"subscription": [{"remote_topic": "a"}], "sub_properties": properties}}
    assert await put(nano, "sub/plant", body, "POST") == {"code": 0, "ignored": ["sub_properties"]}
    nano.world.local.operations.node_settings = KeepingSettings()
    unknown: object = {
        "plant": {"hybrid_bridging": True, "keepalive": 5, "forwards": [{"local_topic": "a", "stream_id": 2}]}
    }
    ignored = ["forwards[0].stream_id", "hybrid_bridging"]
    assert await put(nano, "plant", unknown) == {"code": 0, "ignored": ignored}
    assert kept(nano, EGRESS)[0]["keepalive"] == 5


async def test_a_direction_whose_plugin_isnt_loaded() -> None:
    nano = bridging([{**PLANT, "entries": [OUT]}])
    nano.world.plugins.known[INGRESS] = FakePlugin(INGRESS, active=False)
    answer = await nano.ask(
        "POST", "/api/v4/bridges/sub/plant", json={"data": {"subscription": [{"remote_topic": "a"}]}}
    )
    assert problem(answer) == (400, 108) and f"{INGRESS} isn't loaded" in answer.text
    assert await put(nano, "switch/plant", {"data": {"bridge_switch": False}}) == DONE
    assert nano.world.plugins.done == [f"reload {EGRESS}"], "and no plugin was started"


async def test_what_a_plugin_refuses_is_put_back(plant: NanoApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that isn't there is found when it is to be read: in both directions all is as before."""
    await put(plant, "switch/plant", {"data": {"bridge_switch": False}})
    plugins, before = plant.world.plugins, (kept(plant, EGRESS), kept(plant, INGRESS))
    take = plugins.reload_config

    async def refuse(name: str) -> None:
        await take(name)
        if name == INGRESS and plugins.config(name)["bridges"][0]["root_cert"]:  # type: ignore[index]  # by its model
            raise PluginRefused(name, "/ca.pem: no such file")

    monkeypatch.setattr(plugins, "reload_config", refuse)
    plugins.done.clear()
    answer = await plant.ask("PUT", "/api/v4/bridges/plant", json={"plant": {"ssl": {"cacertfile": "/ca.pem"}}})
    assert problem(answer) == (400, 108) and "/ca.pem" in answer.text
    assert (kept(plant, EGRESS), kept(plant, INGRESS)) == before
    assert plugins.done == [f"reload {name}" for name in (EGRESS, INGRESS, INGRESS, EGRESS)]


async def test_who_may_only_look_changes_nothing(plant: NanoApi) -> None:
    body = {"data": {"bridge_switch": False}}
    answer = await plant.ask("POST", "/api/v4/bridges/switch/plant", json=body, headers=VIEWER)
    assert problem(answer) == (403, 103)
