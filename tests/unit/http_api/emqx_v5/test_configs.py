"""/configs: settings with a counterpart, told and changed by EMQX's keys; everything else is refused by its name."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from rmq_http_api.emqx_v5.settings import TABLE

from rmq.management.errors import SettingsRefused
from rmq.management.node.own_settings import SettingsChange
from tests.unit.http_api.emqx_v5.v5 import V5, problem
from tests.unit.management.world import Peers, World

LISTENER: dict[str, Any] = {
    "enable": True,
    "limit_subscription": False,
    "handshake_timeout": "30s",
    "keepalive_backoff": 0.75,
    "max_clientid_len": 65535,
    "max_inflight": 128,
    "max_mqueue_len": 1000,
    "max_packet_size": "1MB",
    "max_qos_allowed": 2,
    "max_subscriptions": 0,
    "max_topic_aliases": 32,
    "max_topic_levels": 0,
    "message_expiry_interval": "0s",
    "retain_available": True,
    "session_expiry_interval": "2h",
    "shared_subscription_available": True,
    "wildcard_subscription_available": True,
}
MQTT = {
    "exclusive_subscription": False,
    "idle_timeout": "30s",
    "keepalive_multiplier": 1.5,
    "max_clientid_len": 65535,
    "max_inflight": 128,
    "max_mqueue_len": 1000,
    "max_packet_size": "1MB",
    "max_qos_allowed": 2,
    "max_subscriptions": "infinity",
    "max_topic_alias": 32,
    "max_topic_levels": 0,
    "message_expiry_interval": "infinity",
    "retain_available": True,
    "session_expiry_interval": "2h",
    "shared_subscription": True,
    "shared_subscription_strategy": "round_robin",
    "wildcard_subscription": True,
}


class FakeSettings:
    """Takes everything but ``max_inflight`` of 0; what isn't about listeners waits for a restart."""

    def __init__(self) -> None:
        self.table: dict[str, Any] = {
            "listener": {"tcp": {"off": {**LISTENER, "enable": False, "max_inflight": 1}, "external": {**LISTENER}}},
            "mqtt": {"shared_subscription_strategy": "round_robin"},
            "log": {"level": "info"},
            "alarms": {"memory_used": 90.0},
            "plugins": {"rmq-sys-topic": {"publish_interval": "10s"}},
        }
        self.changes: list[dict[str, object]] = []

    def values(self) -> Mapping[str, object]:
        return copy.deepcopy(self.table)

    async def change(self, changes: Mapping[str, object]) -> SettingsChange:
        if any(key.endswith("max_inflight") and value == 0 for key, value in changes.items()):
            raise SettingsRefused("listener.tcp.external.max_inflight: must be above 0")
        self.changes.append(dict(changes))
        for key, value in changes.items():
            *tables, name = key.split(".")
            table = self.table
            for one in tables:
                table = table[one]
            table[name] = value
        return SettingsChange((), tuple(key for key in changes if not key.startswith("listener.")))


@pytest.fixture
def api() -> Iterator[V5]:
    made = V5()
    made.world.local.operations.node_settings = FakeSettings()
    yield made
    assert made.bugs == 0


def settings_of(world: World) -> FakeSettings:
    found = world.local.operations.node_settings
    assert isinstance(found, FakeSettings)
    return found


async def test_all_settings_are_told(api: V5) -> None:
    assert await api.get("/configs/global_zone") == {"mqtt": MQTT}
    assert await api.get("/configs/mqtt") == MQTT
    assert await api.get("/configs/log") == {"console": {"level": "info"}, "file": {"level": "info"}}
    assert await api.get("/configs/sys_topics") == {"sys_msg_interval": "10s"}
    assert await api.get("/configs/sysmon") == {"os": {"sysmem_high_watermark": "90%"}}
    answer = await api.ask("GET", "/configs?node=node-1")
    assert answer.headers["content-type"].startswith("text/plain")
    assert json.loads(answer.text).keys() == TABLE.keys()
    assert json.loads((await api.ask("GET", "/configs?key=sysmon")).text).keys() == {"sysmon"}
    for path in ("/configs/dashboard", "/configs?key=dashboard", "/configs?node=nobody"):
        assert problem(await api.ask("GET", path)) == (404, "NOT_FOUND")


async def test_a_zone_goes_for_all_listeners(api: V5) -> None:
    answer = await api.ask("PUT", "/configs/global_zone", json={"mqtt": {**MQTT, "max_mqueue_len": 5}})
    assert answer.status_code == 200 and answer.json() == {"mqtt": {**MQTT, "max_mqueue_len": 5}}
    assert settings_of(api.world).changes == [
        {"listener.tcp.external.max_mqueue_len": 5, "listener.tcp.off.max_mqueue_len": 5}
    ], "and what stays is left alone"


@pytest.mark.parametrize(
    ("key", "value", "ours", "told"),
    [
        ("exclusive_subscription", True, True, True),
        ("idle_timeout", "15s", "15s", "15s"),
        ("keepalive_multiplier", 3, 1.5, 3.0),
        ("max_packet_size", 4096, 4096, 4096),
        ("max_packet_size", "2MB", "2MB", "2MB"),
        ("max_subscriptions", 7, 7, 7),
        ("message_expiry_interval", "1h", "1h", "1h"),
        ("max_qos_allowed", 1, 1, 1),
    ],
)
async def test_values_in_both_ways(api: V5, key: str, value: object, ours: object, told: object) -> None:
    answer = await api.ask("PUT", "/configs/mqtt", json={key: value})
    assert answer.json()[key] == told
    (changes,) = settings_of(api.world).changes
    assert set(changes.values()) == {ours} and len(changes) == 2
    back = await api.ask(
        "PUT", "/configs/mqtt", json={"max_subscriptions": "infinity", "message_expiry_interval": "infinity"}
    )
    assert back.json()["max_subscriptions"] == back.json()["message_expiry_interval"] == "infinity"


async def test_other_roots_and_what_waits_for_a_restart(api: V5) -> None:
    answer = await api.ask("PUT", "/configs/sysmon", json={"os": {"sysmem_high_watermark": "70%"}})
    assert answer.json() == {"os": {"sysmem_high_watermark": "70%"}}
    assert answer.headers["x-rmq-after-restart"] == "sysmon.os.sysmem_high_watermark"
    content = b'{"log": {"console": {"level": "debug"}}, "mqtt": {"max_inflight": 9}}'
    answer = await api.ask("PUT", "/configs?mode=merge", content=content)
    assert answer.status_code == 200 and answer.content == b""
    assert settings_of(api.world).table["log"]["level"] == "debug"
    assert (await api.get("/configs/mqtt"))["max_inflight"] == 9


@pytest.mark.parametrize(
    ("path", "body", "wanted"),
    [
        ("/configs/mqtt", {"mqueue_priorities": "disabled"}, (400, "UPDATE_FAILED")),
        ("/configs/mqtt", {"max_inflight": 0}, (400, "UPDATE_FAILED")),
        ("/configs/mqtt", {"max_inflight": "many"}, (400, "UPDATE_FAILED")),
        ("/configs/mqtt", {"max_inflight": 1, "retain_available": 1}, (400, "UPDATE_FAILED")),
        ("/configs/mqtt", {"max_inflight": {"a": 1}}, (400, "UPDATE_FAILED")),
        ("/configs/mqtt", {"max_mqueue_len": True}, (400, "UPDATE_FAILED")),
        ("/configs/mqtt", {"keepalive_multiplier": "2"}, (400, "UPDATE_FAILED")),
        ("/configs/mqtt", {"idle_timeout": 5}, (400, "UPDATE_FAILED")),
        ("/configs/sysmon", {"os": {"sysmem_high_watermark": "much"}}, (400, "UPDATE_FAILED")),
        ("/configs/log", {"console": {"level": "debug"}, "file": {"level": "error"}}, (400, "UPDATE_FAILED")),
        ("/configs/dashboard", {}, (404, "NOT_FOUND")),
        ("/configs/mqtt", [], (400, "BAD_REQUEST")),
        ("/configs/global_zone", {"log": {}}, (400, "UPDATE_FAILED")),
    ],
)
async def test_what_is_wrong_changes_nothing(api: V5, path: str, body: object, wanted: tuple[int, str]) -> None:
    assert problem(await api.ask("PUT", path, json=body)) == wanted
    assert settings_of(api.world).changes == []


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"mqtt.max_inflight = 5", b'{"mqtt": ' + b'{"a":' * 2000, b'{"x": {"y": 1}}']
)
async def test_bodies_that_arent_taken(api: V5, content: bytes) -> None:
    status, code = problem(await api.ask("PUT", "/configs", content=content))
    assert status == 400 and code in ("BAD_REQUEST", "UPDATE_FAILED")
    assert settings_of(api.world).changes == []


async def test_a_change_is_for_all_nodes() -> None:
    others = [World(2), World(3)]
    for world in others:
        world.local.operations.node_settings = FakeSettings()
    api = V5(World(1, Peers(others)))
    api.world.local.operations.node_settings = FakeSettings()
    assert (await api.ask("PUT", "/configs/mqtt", json={"max_inflight": 9})).status_code == 200
    for world in (api.world, *others):
        assert settings_of(world).table["listener"]["tcp"]["external"]["max_inflight"] == 9
    others[1].local.operations.node_settings.values = None  # type: ignore[method-assign, assignment]  # only that it isn't asked

    async def refuse(changes: Mapping[str, object]) -> SettingsChange:
        raise SettingsRefused("there is no such listener")

    others[1].local.operations.node_settings.change = refuse  # type: ignore[method-assign]  # a node with other listeners
    answer = await api.ask("PUT", "/configs/mqtt", json={"max_inflight": 10})
    assert problem(answer) == (400, "UPDATE_FAILED") and "node 3: there is no such listener" in answer.text
    assert settings_of(others[0]).table["listener"]["tcp"]["external"]["max_inflight"] == 10


async def test_a_node_of_a_program_tells_nothing_and_changes_nothing(v5: V5) -> None:
    assert set((await v5.get("/configs/mqtt")).values()) == {None}
    assert problem(await v5.ask("PUT", "/configs/log", json={"console": {"level": "info"}})) == (400, "UPDATE_FAILED")
