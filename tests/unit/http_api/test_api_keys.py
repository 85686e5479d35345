"""/api/v1/api_keys, and what a key opens."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from rmq_http_api.config import ApiUser, HttpApiConfig
from rmq_http_api.failed_logins import MAX_FAILURES
from structlog.testing import capture_logs

from rmq.flow.context import STORAGE_FAILED
from tests.support.engine import START
from tests.unit.http_api.api import Api, problem

KEYS = "/api/v1/api_keys"
READ = "/api/v1/brokers"
CHANGE = "/api/v1/clients/nobody"
# The time at which engines of tests begin.
NOW = "2023-11-14T22:13:20Z"


def basic(name: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


async def make(api: Api, name: str = "k", **fields: object) -> dict[str, str]:
    """A new key's headers."""
    answer = await api.ask("POST", KEYS, json={"name": name, **fields})
    assert answer.status_code == 200, answer.text
    return basic(name, answer.json()["secret"])


async def status(api: Api, headers: dict[str, str], method: str = "GET", path: str = READ) -> int:
    return (await api.ask(method, path, headers=headers)).status_code


async def test_from_making_to_deleting(api: Api) -> None:
    assert START == 1_700_000_000
    assert await api.get(KEYS) == []
    answer = await api.ask("POST", KEYS, json={"name": "k", "role": "administrator", "description": "d"})
    found = answer.json()
    secret = found.pop("secret")
    shown = {
        "name": "k",
        "role": "administrator",
        "enabled": True,
        "description": "d",
        "created_at": NOW,
        "expires_at": None,
        "expired": False,
    }
    assert found == shown
    assert await api.get(KEYS) == [shown] and await api.get(f"{KEYS}/k") == shown
    assert await status(api, basic("k", secret), "DELETE", CHANGE) == 404
    changed = await api.ask("PUT", f"{KEYS}/k", json={"role": "viewer"})
    assert changed.json() == shown | {"role": "viewer"}
    assert await status(api, basic("k", secret), "DELETE", CHANGE) == 403
    assert await status(api, basic("k", secret)) == 200
    gone = await api.ask("DELETE", f"{KEYS}/k")
    assert (gone.status_code, gone.json()) == (200, None)
    assert await status(api, basic("k", secret)) == 401
    for method in ("GET", "DELETE"):
        assert problem(await api.ask(method, f"{KEYS}/k")) == (404, "API_KEY_NOT_FOUND")
    assert problem(await api.ask("PUT", f"{KEYS}/k", json={})) == (404, "API_KEY_NOT_FOUND")


async def test_a_key_is_judged_wherever_the_listener_is_bound() -> None:
    api = Api()
    headers = await make(api)
    elsewhere = Api(api.world, is_loopback=False, address="10.0.0.9")
    assert await status(elsewhere, headers) == 200
    assert await status(elsewhere, headers | {"host": "any.example.org", "x-forwarded-for": "1.2.3.4"}) == 200
    assert await status(elsewhere, headers, "DELETE", CHANGE) == 403
    name, _, _ = base64.b64decode(headers["authorization"][6:]).decode().partition(":")
    assert await status(elsewhere, basic(name, "rmq_" + "a" * 43)) == 401
    assert await status(elsewhere, basic("K", "rmq_x")) == 401
    assert await status(elsewhere, {"authorization": headers["authorization"].replace("Basic", "Bearer")}) == 401


async def test_time_and_switch_are_looked_at_each_time(api: Api) -> None:
    headers = await make(api, expires_in=60)
    assert (await api.get(f"{KEYS}/k"))["expires_at"] == "2023-11-14T22:14:20Z"
    assert await status(api, headers) == 200
    await api.ask("PUT", f"{KEYS}/k", json={"enabled": False})
    assert await status(api, headers) == 401
    await api.ask("PUT", f"{KEYS}/k", json={"enabled": True})
    assert await status(api, headers) == 200
    api.world.engine.advance(60)
    assert await status(api, headers) == 401
    assert (await api.get(f"{KEYS}/k"))["expired"] is True
    for change in ({"expires_at": None}, {"expires_in": 5}, {"expires_at": "2023-11-15T00:00:00+01:00"}):
        assert (await api.ask("PUT", f"{KEYS}/k", json=change)).json()["expired"] is False
        assert await status(api, headers) == 200
    assert (await api.get(f"{KEYS}/k"))["expires_at"] == "2023-11-14T23:00:00Z"


async def test_a_key_makes_no_keys(api: Api) -> None:
    headers = await make(api, role="administrator")
    for method, path, body in (
        ("GET", KEYS, None),
        ("POST", KEYS, {"name": "other"}),
        ("GET", f"{KEYS}/k", None),
        ("PUT", f"{KEYS}/k", {"expires_at": None}),
        ("DELETE", f"{KEYS}/k", None),
    ):
        answer = await api.ask(method, path, json=body, headers=headers)
        assert problem(answer) == (403, "API_KEY_NOT_ALLOW")
    assert len(await api.get(KEYS)) == 1


async def test_only_administrators_who_have_logged_in(api: Api) -> None:
    users = [
        ApiUser(name="anna", password_hash="hash of right", role="administrator"),
        ApiUser(name="bert", password_hash="hash of seen"),
    ]
    config = HttpApiConfig(users=users, anonymous_may_read=True, http_bearer_token="s3cret")
    elsewhere = Api(api.world, config, is_loopback=False, address="10.0.0.9")
    await make(api)
    assert await status(elsewhere, basic("anna", "right"), path=KEYS) == 200
    assert await status(elsewhere, {"authorization": "Bearer s3cret"}, path=KEYS) == 200
    for headers in (basic("bert", "seen"), {}):
        for method, path in (("GET", KEYS), ("GET", f"{KEYS}/k"), ("DELETE", f"{KEYS}/k")):
            assert problem(await elsewhere.ask(method, path, headers=headers)) == (403, "FORBIDDEN")


async def test_a_key_and_a_user_of_one_name_are_two() -> None:
    users = [ApiUser(name="same", password_hash="hash of right", role="administrator")]
    api = Api(config=HttpApiConfig(users=users, loopback_is_open="always"))
    headers = await make(api, "same")
    assert await status(api, headers, "DELETE", CHANGE) == 403
    assert api.passwords.checked == 0
    assert await status(api, basic("same", "right"), "DELETE", CHANGE) == 404
    assert await status(api, basic("same", "rmq_wrong")) == 401


async def test_a_key_closes_nothing(api: Api) -> None:
    await make(api)
    assert await status(api, {}) == 200


async def test_failures_are_counted(api: Api) -> None:
    headers = await make(api)
    for _ in range(MAX_FAILURES):
        assert await status(api, basic("k", "rmq_wrong")) == 401
    assert problem(await api.ask("GET", READ, headers=headers)) == (429, "TOO_MANY_FAILURES")
    api.now += 60
    assert await status(api, headers) == 200


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "a:b"}, "name"),
        ({"name": 5}, "name"),
        ({"name": "k", "role": "root"}, "role"),
        ({"name": "k", "enabled": "yes"}, "enabled"),
        ({"name": "k", "description": "d" * 513}, "description"),
        ({"name": "k", "expires_in": 0}, "expires_in"),
        ({"name": "k", "expires_in": 10**12}, "expires_in"),
        ({"name": "k", "expires_in": 1.5}, "expires_in"),
        ({"name": "k", "expires_in": 5, "expires_at": "2030-01-01T00:00:00Z"}, "expires_in"),
        ({"name": "k", "expires_at": "2030-01-01T00:00:00"}, "expires_at"),
        ({"name": "k", "expires_at": "tomorrow"}, "expires_at"),
        ({"name": "k", "expires_at": 1_900_000_000}, "expires_at"),
        ({"name": "k", "expires_at": NOW}, "expires_at"),
        ({"name": "k", "expires_at": "1969-01-01T00:00:00Z"}, "expires_at"),
        ({"name": "k", "expires_at": "0001-01-01T00:00:00+14:00"}, "expires_at"),
        ({"name": "k", "secret": "mine"}, "secret"),
    ],
)
async def test_what_cant_be_asked_for(api: Api, body: dict[str, Any], wrong: str) -> None:
    answer = await api.ask("POST", KEYS, json=body)
    assert problem(answer) == (400, "BAD_PARAMETER")
    assert wrong in answer.json()["message"]
    assert await api.get(KEYS) == []


async def test_one_of_a_name(api: Api) -> None:
    headers = await make(api)
    assert problem(await api.ask("POST", KEYS, json={"name": "k"})) == (409, "API_KEY_EXISTS")
    assert await status(api, headers) == 200


async def test_without_storage_it_is_a_503(api: Api) -> None:
    headers = await make(api)
    api.world.broker.ctx.storage = STORAGE_FAILED
    for method, path, body in (
        ("POST", KEYS, {"name": "other"}),
        ("PUT", f"{KEYS}/k", {"enabled": False}),
        ("DELETE", f"{KEYS}/k", None),
    ):
        answer = await api.ask(method, path, json=body)
        assert problem(answer) == (503, "STORAGE_UNAVAILABLE") and answer.headers["retry-after"]
    assert await status(api, headers) == 200


async def test_every_change_is_in_the_log_and_no_secret(api: Api) -> None:
    with capture_logs() as lines:
        headers = await make(api, role="administrator")
        await api.ask("PUT", f"{KEYS}/k", json={"enabled": False, "description": "x"})
        await api.ask("DELETE", f"{KEYS}/k")
        await api.ask("GET", READ, headers=headers)
    facts = ("event", "key", "user", "how", "address")
    assert [tuple(line[fact] for fact in facts) for line in lines if "key" in line] == [
        ("API key made", "k", "local", "loopback", "127.0.0.1"),
        ("API key changed", "k", "local", "loopback", "127.0.0.1"),
        ("API key taken out", "k", "local", "loopback", "127.0.0.1"),
    ]
    assert sum(line["event"] == "change through the HTTP API" for line in lines) == 3
    secret = base64.b64decode(headers["authorization"][6:]).decode().partition(":")[2]
    assert secret not in repr(lines) and secret[4:] not in repr(lines)


async def test_what_a_key_does_is_in_the_log_in_its_name(api: Api) -> None:
    headers = await make(api, "script", role="administrator")
    with capture_logs() as lines:
        assert await status(api, headers, "DELETE", CHANGE) == 404
    assert [(line["user"], line["how"]) for line in lines if "how" in line] == [("script", "api_key")]


async def test_the_document_and_the_list_of_routes_have_them(api: Api) -> None:
    document = await api.get("/api/v1/openapi.json")
    assert {KEYS, KEYS + "/{name}"} <= document["paths"].keys()
    assert "secret" in document["components"]["schemas"]["NewKeyAnswer"]["properties"]
    assert "secret" not in document["components"]["schemas"]["KeyAnswer"]["properties"]
