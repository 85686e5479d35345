"""The configuration in NanoMQ's words: told, changed all or not at all, and what becomes of keys without a meaning."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest
from rmq_http_api.nanomq.configuration import nested
from rmq_http_api.nanomq.settings import TABLE

from tests.support.broker_process import REPOSITORY
from tests.unit.http_api.nanomq import VIEWER, NanoApi, problem
from tests.unit.node.settings_place import Place

PATH: Final = "/api/v4/configuration"
KEEP: Final = "[plugins.rmq-http-api]\ncompat_keep_unknown = true"


class Configured(NanoApi):
    """The API of a node with these files."""

    def __init__(self, folder: Path, text: str = "") -> None:
        super().__init__()
        self.place = Place(folder, text)
        self.world.local.operations.node_settings = self.place.control

    async def change(self, data: object, path: str = PATH) -> Any:
        """The answer to a good change."""
        answer = await self.ask("POST", path, json={"data": data})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def refused(self, data: object, path: str = PATH) -> str:
        """Why a change is refused, by 108."""
        before = await self.get(PATH)
        answer = await self.ask("POST", path, json={"data": data})
        assert problem(answer) == (400, 108)
        assert await self.get(PATH) == before
        return str(answer.json()["message"])


@pytest.fixture
def nano(tmp_path: Path) -> Configured:
    """Nothing is configured."""
    return Configured(tmp_path)


async def test_every_value_that_nanomq_has(nano: Configured) -> None:
    found = await nano.get(PATH)
    assert found == {
        "code": 0,
        "data": {
            "url": "nmq-tcp://127.0.0.1:1883",
            "num_taskq_thread": 1,
            "max_taskq_thread": 1,
            "parallel": 1,
            "property_size": 65535,
            "max_packet_size": 1024,
            "client_max_packet_size": 262144,
            "msq_len": 1000,
            "qos_duration": 0,
            "keepalive_backoff": 1.5,
            "allow_anonymous": True,
            "daemon": False,
            "tls": {
                "enable": False,
                "url": "tls+nmq-tcp://127.0.0.1:8883",
                "key": None,
                "keypass": None,
                "key_password": None,
                "cert": None,
                "cacert": None,
                "verify_peer": False,
                "fail_if_no_peer_cert": False,
            },
            "websocket": {
                "enable": True,
                "url": "nmq-ws://127.0.0.1:8083/mqtt",
                "tls_url": "nmq-wss://127.0.0.1:8084/mqtt",
            },
            "http_server": {
                "enable": True,
                "port": 6060,
                "username": "admin",
                "password": "********",
                "auth_type": "basic",
            },
            "bridge": {
                "bridge_mode": False,
                "address": "",
                "proto_ver": 4,
                "clientid": "",
                "clean_start": True,
                "username": "",
                "password": "",
                "keepalive": 0,
                "parallel": 0,
                "forwards": [],
                "subscription": [],
            },
        },
        "ignored": [],
    }
    assert await nano.change(found["data"]) == {
        "code": 0,
        "applied": sorted(TABLE),
        "after_restart": [],
        "ignored": [],
    }, "what is told can be given back"
    assert not nano.place.path.exists()


async def test_a_change_is_in_force_or_waits(nano: Configured) -> None:
    data = {
        "url": "nmq-tcp://127.0.0.1:2883",
        "msq_len": 64,
        "allow_anonymous": False,
        "keepalive_backoff": 1.25,
        "max_packet_size": 10,
        "websocket": {"enable": False, "url": "ws://127.0.0.1:9083/ws"},
        "http_server": {"port": 9081},
    }
    assert await nano.change(data) == {
        "code": 0,
        "applied": ["allow_anonymous", "http_server.port", "keepalive_backoff", "max_packet_size", "msq_len"],
        "after_restart": ["url", "websocket.enable", "websocket.url"],
        "ignored": [],
    }
    limits = nano.place.listeners[0].limits
    assert (limits.max_mqueue_len, limits.allow_anonymous, limits.keepalive_backoff) == (64, False, 0.625)
    assert limits.max_packet_size == 10 * 1024
    told = await nano.data(PATH)
    assert {key: told[key] for key in data if not isinstance(data[key], dict)} == {
        key: value for key, value in data.items() if not isinstance(value, dict)
    }
    assert (told["websocket"]["enable"], told["websocket"]["url"]) == (False, "nmq-ws://127.0.0.1:9083/ws")
    assert told["http_server"]["port"] == 9081
    settings = nano.place.load()
    assert set(settings.listeners) == {"tcp.external"}
    assert str(settings.listener.tcp["external"].addr) == "127.0.0.1:2883"
    assert settings.plugin_config("rmq-http-api")["http_laddr"] == "127.0.0.1:9081"


async def test_tls(nano: Configured, tmp_path: Path) -> None:
    """A listener that isn't there is made, off until it is switched on; and what it lacks is told."""
    found = await nano.change({"tls": {"url": "nmq-tls://127.0.0.1:9883", "verify_peer": False}})
    assert (found["applied"], found["after_restart"]) == (["tls.verify_peer"], ["tls.url"])
    assert (await nano.data(PATH))["tls"]["url"] == "tls+nmq-tcp://127.0.0.1:9883"
    assert "tls.external.cert" in await nano.refused({"tls": {"enable": True}})
    message = await nano.refused({"tls": {"key": "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n"}})
    assert "path of a file" in message and "PRIVATE" not in message
    assert "verify_peer" in await nano.refused({"tls": {"fail_if_no_peer_cert": True}})
    await nano.change({"tls": {"verify_peer": True, "cacert": "/etc/rmq/ca.pem", "key": "/etc/rmq/key.pem"}})
    told = (await nano.data(PATH))["tls"]
    assert (told["verify_peer"], told["fail_if_no_peer_cert"], told["cacert"]) == (True, False, "/etc/rmq/ca.pem")
    await nano.change({"tls": {"fail_if_no_peer_cert": True}})
    assert (await nano.data(PATH))["tls"]["fail_if_no_peer_cert"] is True
    await nano.change({"websocket": {"tls_url": "nmq-wss://127.0.0.1:9084/mqtt"}})
    assert (await nano.data(PATH))["websocket"]["tls_url"] == "nmq-wss://127.0.0.1:9084/mqtt"


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ({"num_taskq_thread": 8}, "num_taskq_thread"),
        ({"msq_len": 64, "bridge": {"address": "127.0.0.1"}}, "bridge.address"),
        ({"nonsense": {"deep": 1}}, "nonsense.deep"),
        ({"http_server": {"password": "public"}}, "http_server.password"),
        ({"qos_duration": "x"}, "qos_duration"),
        ({"msq_len": 0}, "max_mqueue_len"),
        ({"msq_len": "x"}, "msq_len"),
        ({"msq_len": True}, "msq_len"),
        ({"msq_len": 1.5}, "msq_len"),
        ({"msq_len": 1e300}, "max_mqueue_len"),
        ({"max_packet_size": 0}, "max_packet_size"),
        ({"keepalive_backoff": 0.5}, "keepalive_backoff"),
        ({"keepalive_backoff": "x"}, "keepalive_backoff"),
        ({"allow_anonymous": 1}, "allow_anonymous"),
        ({"url": "nmq-tcp://nonsense"}, "url"),
        ({"url": "http://127.0.0.1:1883"}, "url"),
        ({"url": "nmq-tcp://127.0.0.1:1883/path"}, "url"),
        ({"url": 5}, "url"),
        ({"url": "nmq-tcp://127.0.0.1:8083"}, "is taken"),
        ({"http_server": {"port": 0}}, "http_server.port"),
        ({"http_server": {"port": 65536}}, "http_server.port"),
        ({"websocket": {"url": "nmq-ws://127.0.0.1:8083/a b"}}, "path"),
        ({"tls": {"cert": "\u0000"}}, "tls"),
        ({f"key{number}": 1 for number in range(501)}, "500"),
        ({"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": 1}}}}}}}}}}, "objects in objects"),
    ],
)
async def test_what_can_t_be_is_named_and_changes_nothing(nano: Configured, data: object, named: str) -> None:
    assert named in await nano.refused(data)


async def test_keys_that_mean_nothing_are_kept_where_that_is_wanted(tmp_path: Path) -> None:
    nano = Configured(tmp_path, KEEP)
    data = {
        "num_taskq_thread": 8,
        "bridge": {"address": "127.0.0.1:1883", "password": "a secret", "subscription": [{"topic": "t", "qos": 1}]},
        "http_server": {"password": "another one"},
        "of-a.newer": {"NanoMQ": [1, 2.5, "x", True]},
        "empty": None,
    }
    ignored = [
        "bridge.address",
        "bridge.password",
        "bridge.subscription",
        "empty",
        "http_server.password",
        "num_taskq_thread",
        "of-a.newer.NanoMQ",
    ]
    assert (await nano.change(data))["ignored"] == ignored
    found = await nano.get(PATH)
    kept = ["bridge.address", "bridge.subscription", "num_taskq_thread", "of-a.newer.NanoMQ"]
    assert found["ignored"] == kept
    assert found["data"]["num_taskq_thread"] == 8
    assert found["data"]["bridge"]["subscription"] == [{"topic": "t", "qos": 1}]
    assert found["data"]["of-a"] == {"newer": {"NanoMQ": [1, 2.5, "x", True]}}
    assert "secret" not in nano.place.path.read_text() and "another" not in nano.place.path.read_text()
    assert (found["data"]["bridge"]["password"], found["data"]["http_server"]["password"]) == ("", "********")
    again = Place(tmp_path, KEEP)  # a start finds them
    assert len(again.load().plugin_config("rmq-http-api")["compat_kept"]) == 4  # type: ignore[arg-type]  # a table
    await nano.change({"num_taskq_thread": 1, "bridge": {"address": "", "subscription": []}})
    assert (await nano.get(PATH))["ignored"] == ["of-a.newer.NanoMQ"], "they are what they would be without"


async def test_the_document_s_example(tmp_path: Path) -> None:
    """The whole body of NanoMQ's document, as it stands there."""
    nano = Configured(tmp_path, KEEP)
    contract = json.loads((REPOSITORY / "tests/contracts/nanomq_v4.json").read_text(encoding="utf-8"))
    (body,) = (
        example["body"]
        for operation in contract["operations"]
        if (operation["method"], operation["path"]) == ("POST", PATH)
        for example in operation["examples"]
    )
    found = await nano.change(body["data"])
    assert found["code"] == 0 and "num_taskq_thread" in found["ignored"] and "msq_len" in found["applied"]
    told = await nano.data(PATH)
    assert (told["url"], told["msq_len"], told["num_taskq_thread"]) == ("nmq-tcp://0.0.0.0:1883", 64, 8)
    assert told["bridge"]["forwards"] == ["topic1/#", "topic2/#"]
    assert told["http_server"]["port"] == 8081 and told["tls"]["url"] == "tls+nmq-tcp://0.0.0.0:8883"


async def test_sections(nano: Configured) -> None:
    whole = await nano.data(PATH)
    for name in ("tls", "websocket", "http_server", "bridge"):
        assert await nano.data(f"{PATH}/{name}") == {name: whole[name]}
    basic = (await nano.data(f"{PATH}/basic"))["basic"]
    assert basic == {key: value for key, value in whole.items() if not isinstance(value, dict)}
    assert problem(await nano.ask("GET", f"{PATH}/nonsense")) == (404, 101)
    await nano.change({"basic": {"msq_len": 5}}, f"{PATH}/basic")
    await nano.change({"basic": {"keepalive_backoff": 3}})
    await nano.change({"url": "nmq-ws://127.0.0.1:9083/mqtt"}, f"{PATH}/websocket")
    told = await nano.data(PATH)
    assert (told["msq_len"], told["keepalive_backoff"]) == (5, 3)
    assert told["websocket"]["url"] == "nmq-ws://127.0.0.1:9083/mqtt"
    assert problem(await nano.ask("POST", f"{PATH}/tls", json={"data": {"tls": 5}})) == (400, 108)
    assert problem(await nano.ask("POST", f"{PATH}/nonsense", json={"data": {}})) == (404, 101)


async def test_what_changes_without_a_restart(nano: Configured) -> None:
    assert await nano.data("/api/v4/reload") == {
        "property_size": 65535,
        "max_packet_size": 1024,
        "client_max_packet_size": 262144,
        "msq_len": 1000,
        "qos_duration": 0,
        "keepalive_backoff": 1.5,
        "allow_anonymous": True,
    }
    found = await nano.change({"msq_len": 7, "qos_duration": 0}, "/api/v4/reload")
    assert found["applied"] == ["msq_len", "qos_duration"]
    assert nano.place.listeners[0].limits.max_mqueue_len == 7
    assert "url" in await nano.refused({"url": "nmq-tcp://127.0.0.1:1884"}, "/api/v4/reload")
    assert "qos_duration" in await nano.refused({"qos_duration": 30}, "/api/v4/reload")


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"{}", 107), (b'{"data": 5}', 108), (b'{"data": {}, "more": 1}', 108), (b"{", 109), (b"[]", 109)],
)
async def test_bodies(nano: Configured, body: bytes, code: int) -> None:
    for path in (PATH, f"{PATH}/basic", "/api/v4/reload"):
        assert problem(await nano.ask("POST", path, content=body)) == (400, code)


async def test_a_change_that_can_t_be_kept(nano: Configured) -> None:
    nano.place.data.rmdir()
    answer = await nano.ask("POST", PATH, json={"data": {"msq_len": 5}})
    assert problem(answer) == (503, 118)


async def test_viewers_read(nano: Configured) -> None:
    assert (await nano.ask("GET", PATH, headers=VIEWER)).status_code == 200
    for path in (PATH, f"{PATH}/basic", "/api/v4/reload"):
        assert problem(await nano.ask("POST", path, json={"data": {"msq_len": 5}}, headers=VIEWER)) == (403, 103)


async def test_the_same_by_numbers(nano: Configured) -> None:
    """Requests 11 and 12 of version 1."""
    told = await nano.data(PATH)

    async def numbered(req: int, **more: object) -> Any:
        return (await nano.ask("POST", "/api/v1", json={"req": req, "seq": 7, **more})).json()

    assert await numbered(11) == {"code": 0, "seq": 7, "rep": 11, "data": told, "ignored": []}
    assert await numbered(12, data={"msq_len": 5, "url": "nmq-tcp://127.0.0.1:1884"}) == {
        "code": 0,
        "seq": 7,
        "rep": 12,
        "applied": ["msq_len"],
        "after_restart": ["url"],
        "ignored": [],
    }
    assert (await numbered(11))["data"]["msq_len"] == 5
    assert (await numbered(12))["code"] == 107
    assert (await numbered(12, data=5))["code"] == (await numbered(12, data={"parallel": 2}))["code"] == 108
    answer = await nano.ask("POST", "/api/v1", json={"req": 12, "seq": 1, "data": {}}, headers=VIEWER)
    assert problem(answer) == (403, 103)


def test_a_value_and_a_section_of_one_name() -> None:
    assert nested({"a": 1, "a.b": 2, "c.d": 3}) == {"a": 1, "c": {"d": 3}}


async def test_a_node_in_a_program_has_no_configuration() -> None:
    nano = NanoApi()
    assert problem(await nano.ask("GET", PATH)) == (404, 102)
    assert problem(await nano.ask("POST", PATH, json={"data": {"msq_len": 5}})) == (404, 102)
