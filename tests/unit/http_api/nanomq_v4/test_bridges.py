"""Bridges under NanoMQ's names: none, and those that the plugins which bridge have."""

from __future__ import annotations

from rmq_plugins.bridge_mqtt.egress import EgressConfig
from rmq_plugins.bridge_mqtt.ingress import IngressConfig

from tests.unit.http_api.nanomq import NanoApi, problem
from tests.unit.management.world import FakePlugin


async def test_there_are_no_bridges(nano: NanoApi) -> None:
    nano.world.plugins.known["rmq-bridge-egress-mqtt"] = FakePlugin("rmq-bridge-egress-mqtt", active=False)
    assert await nano.data("/api/v4/bridges") == {"bridge": {"nodes": []}}
    assert problem(await nano.ask("GET", "/api/v4/bridges/emqx")) == (404, 115)
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
    answer = await nano.ask("PUT", "/api/v4/bridges/switch/plant", json={"data": {"bridge_switch": True}})
    assert problem(answer) == (400, 108) and "rmq-bridge-egress-mqtt" in answer.text
