"""Logging in and out, users and their passwords, API keys: everything that has to do with who somebody is."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from rmq.management.accounts.api_keys import NewApiKey
from rmq.management.accounts.users import NewUser
from tests.support.engine import START
from tests.unit.http_api.api import Api
from tests.unit.http_api.emqx_v5.v5 import V5, problem
from tests.unit.http_api.test_users import basic, bearer
from tests.unit.management.world import World

ANNA = {"username": "anna", "password": "secret-1", "role": "viewer", "description": "reads"}
# The body of the one request that EMQX's document has, whose time was over long ago.
DOCUMENTED = {
    "name": "EMQX-API-KEY-3",
    "expired_at": "2022-12-05T02:01:34.186Z",
    "desc": "for testing",
    "enable": True,
}


async def log_in(api: Api, name: str, password: str) -> httpx.Response:
    return await api.ask("POST", "/api/v5/login", json={"username": name, "password": password})


async def token_of(api: Api, name: str = "anna", password: str = "secret-1") -> dict[str, str]:
    answer = await log_in(api, name, password)
    assert answer.status_code == 200, answer.text
    return bearer(answer.json()["token"])


async def make_anna(api: Api) -> None:
    assert (await api.ask("POST", "/api/v5/users", json=ANNA)).status_code == 200


# Logging in and out


async def test_logging_in_gives_a_token() -> None:
    api = Api()
    answer = (await log_in(api, "admin", "public")).json()
    assert answer == {
        "token": answer["token"],
        "version": answer["version"],
        "license": {"edition": "opensource"},
        "role": "administrator",
    }
    headers = bearer(answer["token"])
    assert (await api.ask("GET", "/api/v5/users", headers=headers)).status_code == 200
    assert problem(await api.ask("GET", "/api/v5/users")) == (401, "AUTHORIZATION_HEADER_ERROR")


async def test_what_is_no_login(v5: V5) -> None:
    for name, password in (("somebody", "wrong"), ("nobody", "secret"), ("", "secret"), ("somebody", "")):
        assert problem(await log_in(v5, name, password)) == (401, "WRONG_USERNAME_OR_PWD")
    assert problem(await v5.ask("POST", "/login", json={"username": "somebody"})) == (400, "BAD_REQUEST")
    for _ in range(10):
        await log_in(v5, "somebody", "wrong")
    assert problem(await log_in(v5, "somebody", "secret")) == (429, "LOGIN_LOCKED")


async def test_logging_out_ends_the_token_that_is_shown(v5: V5) -> None:
    await make_anna(v5)
    first, second = await token_of(v5), await token_of(v5)
    other = await token_of(v5, "somebody", "secret")
    body = {"username": "somebody"}
    assert problem(await v5.ask("POST", "/logout", json=body, headers=first)) == (401, "WRONG_TOKEN_OR_USERNAME")
    assert problem(await v5.ask("POST", "/logout", json=body)) == (401, "WRONG_TOKEN_OR_USERNAME")
    answer = await v5.ask("POST", "/logout", json={"username": "anna"}, headers=first)
    assert (answer.status_code, answer.content) == (204, b"")
    for _ in range(2):
        assert problem(await v5.ask("GET", "/nodes", headers=first)) == (401, "TOKEN_TIME_OUT")
        again = await v5.ask("POST", "/logout", json={"username": "anna"}, headers=first)
        assert problem(again) == (401, "TOKEN_TIME_OUT")
    for headers in (second, other, await token_of(v5)):
        assert (await v5.ask("GET", "/nodes", headers=headers)).status_code == 200


async def test_another_password_ends_all_tokens_of_one_user(v5: V5) -> None:
    await make_anna(v5)
    ended = [await token_of(v5), await token_of(v5)]
    other = await token_of(v5, "somebody", "secret")
    change = {"old_pwd": "secret-1", "new_pwd": "secret-2"}
    assert (await v5.ask("POST", "/users/anna/change_pwd", json=change, headers=ended[0])).status_code == 204
    for headers in ended:
        assert problem(await v5.ask("GET", "/nodes", headers=headers)) == (401, "TOKEN_TIME_OUT")
    assert (await v5.ask("GET", "/nodes", headers=other)).status_code == 200


# Users


async def test_users_are_made_shown_changed_and_taken_out(v5: V5) -> None:
    anna = {"username": "anna", "role": "viewer", "description": "reads", "backend": "local"}
    assert (await v5.ask("POST", "/users", json=ANNA)).json() == anna
    admin = {"username": "admin", "role": "administrator", "description": "administrator", "backend": "local"}
    assert await v5.get("/users") == [admin, anna]
    changed = {**anna, "role": "administrator", "description": "writes"}
    body = {"role": "administrator", "description": "writes"}
    assert (await v5.ask("PUT", "/users/anna", json=body)).json() == changed
    assert (await v5.ask("PUT", "/users/anna", json={})).json() == changed
    answer = await v5.ask("DELETE", "/users/anna")
    assert (answer.status_code, answer.content) == (204, b"")
    assert await v5.get("/users") == [admin]
    plain = {"username": "bert", "password": "secret-1"}
    assert (await v5.ask("POST", "/users", json=plain)).json()["role"] == "administrator"


async def test_what_goes_wrong_with_users(v5: V5) -> None:
    await make_anna(v5)
    assert problem(await v5.ask("POST", "/users", json=ANNA)) == (409, "ALREADY_EXISTS")
    for wrong in ({"password": "short"}, {"password": "a" * 65}, {"username": ""}, {"username": "a b"}, {"role": "x"}):
        assert problem(await v5.ask("POST", "/users", json={**ANNA, "username": "b", **wrong})) == (400, "BAD_REQUEST")
    for method, path, body in (
        ("PUT", "/users/nobody", {"role": "viewer"}),
        ("DELETE", "/users/nobody", None),
        ("POST", "/users/nobody/change_pwd", {"old_pwd": "secret-1", "new_pwd": "secret-2"}),
    ):
        assert problem(await v5.ask(method, path, json=body)) == (404, "USER_NOT_FOUND")
    assert problem(await v5.ask("DELETE", "/users/admin")) == (400, "NOT_ALLOWED")
    assert problem(await v5.ask("PUT", "/users/admin", json={"role": "viewer"})) == (400, "NOT_ALLOWED")
    await v5.world.service.users.create(NewUser("somebody", "secret-1"))
    assert problem(await v5.ask("DELETE", "/users/somebody")) == (400, "NOT_ALLOWED")


async def test_a_password_is_changed_by_who_knows_it(v5: V5) -> None:
    await make_anna(v5)
    headers = await token_of(v5)
    path = "/users/anna/change_pwd"
    wrong = {"old_pwd": "secret-0", "new_pwd": "secret-2"}
    assert problem(await v5.ask("POST", path, json=wrong, headers=headers)) == (400, "ERROR_PWD_NOT_MATCH")
    short = {"old_pwd": "secret-1", "new_pwd": "short"}
    assert problem(await v5.ask("POST", path, json=short, headers=headers)) == (400, "BAD_REQUEST")
    right = {"old_pwd": "secret-1", "new_pwd": "secret-2"}
    other = "/users/somebody/change_pwd"
    assert problem(await v5.ask("POST", other, json=right, headers=headers)) == (403, "UNAUTHORIZED_ROLE")
    assert (await v5.ask("POST", path, json=right, headers=headers)).status_code == 204
    assert problem(await v5.ask("GET", "/nodes", headers=headers)) == (401, "TOKEN_TIME_OUT")
    assert (await log_in(v5, "anna", "secret-1")).status_code == 401
    headers = await token_of(v5, "anna", "secret-2")
    assert problem(await v5.ask("POST", "/users", json=ANNA, headers=headers)) == (403, "UNAUTHORIZED_ROLE")


async def test_the_first_administrator_changes_the_password_and_is_gone() -> None:
    api = Api()
    headers = basic("admin", "public")
    body = {"old_pwd": "public", "new_pwd": "secret-1"}
    assert (await api.ask("POST", "/api/v5/users/admin/change_pwd", json=body, headers=headers)).status_code == 204
    answer = await api.ask("GET", "/api/v5/users", headers=headers)
    assert problem(answer) == (401, "WRONG_USERNAME_OR_PWD_OR_API_KEY_OR_API_SECRET")
    assert (await log_in(api, "admin", "public")).status_code == 401
    assert (await log_in(api, "admin", "secret-1")).status_code == 200


async def test_a_viewer_elsewhere_makes_nothing_of_the_password_that_everybody_knows(v5: V5) -> None:
    """The name and the old password are known to all: that alone must not be enough to become an administrator."""
    world = World()
    api = V5(world, users=[{"name": "admin", "password_hash": "hash of mine"}, *v5.config.model_dump()["users"]])
    viewer = basic("admin", "mine")
    body = {"old_pwd": "public", "new_pwd": "secret-1"}
    assert (await api.ask("POST", "/users/admin/change_pwd", json=body, headers=viewer)).status_code == 403
    assert problem(await api.ask("POST", "/users/admin/change_pwd", json=body)) == (400, "ERROR_PWD_NOT_MATCH")
    assert world.service.users.get("admin").has_default_password


# API keys


async def test_the_request_of_the_document() -> None:
    api = Api()
    headers = basic("admin", "public")
    answer = (await api.ask("POST", "/api/v5/api_key", json=DOCUMENTED, headers=headers)).json()
    assert answer == {
        "name": "EMQX-API-KEY-3",
        "api_key": answer["api_key"],
        "api_secret": answer["api_secret"],
        "desc": "for testing",
        "enable": True,
        "expired": True,
        "expired_at": "2022-12-05T02:01:34.186+00:00",
        "created_at": "2023-11-14T22:13:20.000+00:00",
        "role": "administrator",
    }
    assert re.fullmatch("[0-9a-f]{16}", answer["api_key"])
    refused = await api.ask("GET", "/api/v5/nodes", headers=basic(answer["api_key"], answer["api_secret"]))
    assert problem(refused) == (401, "WRONG_USERNAME_OR_PWD_OR_API_KEY_OR_API_SECRET")
    body = {"expired_at": "infinity"}
    changed = await api.ask("PUT", "/api/v5/api_key/EMQX-API-KEY-3", json=body, headers=headers)
    assert (changed.json()["expired"], changed.json()["expired_at"]) == (False, "infinity")
    opened = await api.ask("GET", "/api/v5/nodes", headers=basic(answer["api_key"], answer["api_secret"]))
    assert opened.status_code == 200


async def key_of(v5: V5, **fields: Any) -> tuple[dict[str, Any], dict[str, str]]:
    answer = await v5.ask("POST", "/api_key", json={"name": "k", **fields})
    assert answer.status_code == 200, answer.text
    row = answer.json()
    headers = basic(row["api_key"], row.pop("api_secret"))
    return row, headers


async def test_a_secret_is_in_the_first_answer_only(v5: V5) -> None:
    row, _ = await key_of(v5)
    assert await v5.get("/api_key/k") == row and await v5.get("/api_key") == [row]
    assert (await v5.ask("PUT", "/api_key/k", json={"desc": "new"})).json() == {**row, "desc": "new"}


async def test_a_key_is_looked_at_in_each_request(v5: V5) -> None:
    _, headers = await key_of(v5, expired_at=int(START) + 60)

    async def opens() -> bool:
        return (await v5.ask("GET", "/nodes", headers=headers)).status_code == 200

    assert await opens()
    await v5.ask("PUT", "/api_key/k", json={"enable": False})
    assert not await opens()
    await v5.ask("PUT", "/api_key/k", json={"enable": True})
    assert await opens()
    v5.world.engine.advance(60)
    assert not await opens()
    assert (await v5.get("/api_key/k"))["expired"] is True
    await v5.ask("PUT", "/api_key/k", json={"expired_at": "infinity", "role": "viewer"})
    assert await opens()
    assert problem(await v5.ask("DELETE", "/clients/a", headers=headers)) == (403, "UNAUTHORIZED_ROLE")
    assert (await v5.ask("DELETE", "/api_key/k")).status_code == 204
    assert not await opens()
    assert problem(await v5.ask("GET", "/api_key/k")) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api_key", None),
        ("POST", "/api_key", {"name": "other"}),
        ("GET", "/api_key/k", None),
        ("PUT", "/api_key/k", {"desc": ""}),
        ("DELETE", "/api_key/k", None),
        ("GET", "/users", None),
        ("POST", "/users", ANNA),
        ("PUT", "/users/anna", {"role": "viewer"}),
        ("DELETE", "/users/anna", None),
        ("POST", "/users/anna/change_pwd", {"old_pwd": "secret-1", "new_pwd": "secret-2"}),
        ("POST", "/logout", {"username": "k"}),
    ],
)
async def test_where_only_a_login_may_go(v5: V5, method: str, path: str, body: object) -> None:
    _, headers = await key_of(v5)
    answer = await v5.ask(method, path, json=body, headers=headers)
    assert problem(answer) == (401, "API_KEY_NOT_ALLOW")


@pytest.mark.parametrize(
    "wrong",
    [
        *({"name": name} for name in ("", "1a", "a b", "a.b", "-a", "a" * 257, "ü", "a\n")),
        *({"expired_at": moment} for moment in ("tomorrow", -1, 10**12, "0001-01-01T00:00:00Z", True, 1.5)),
        {"role": "publisher"},
        {"enable": "yes"},
        {"api_key": "mine"},
        {"desc": "d" * 513},
    ],
)
async def test_what_a_key_cant_have(v5: V5, wrong: dict[str, object]) -> None:
    assert problem(await v5.ask("POST", "/api_key", json={"name": "k", **wrong})) == (400, "BAD_REQUEST")
    if "name" not in wrong:
        assert problem(await v5.ask("PUT", "/api_key/k", json=wrong)) == (400, "BAD_REQUEST")


async def test_one_key_of_a_name(v5: V5) -> None:
    await key_of(v5)
    assert problem(await v5.ask("POST", "/api_key", json={"name": "k"})) == (409, "ALREADY_EXISTS")
    for method, body in (("GET", None), ("PUT", {"desc": ""}), ("DELETE", None)):
        assert problem(await v5.ask(method, "/api_key/nope", json=body)) == (404, "NOT_FOUND")


async def test_keys_of_our_own_api_are_the_same_ones(v5: V5) -> None:
    key, secret = await v5.world.service.api_keys.create(NewApiKey("of.ours"))
    assert (await v5.get("/api_key/of.ours"))["api_key"] == key.key_id
    assert (await v5.ask("GET", "/nodes", headers=basic("of.ours", secret))).status_code == 200


async def test_every_change_is_in_the_audit_log_and_no_secret_is(v5: V5) -> None:
    with capture_logs() as lines:
        await make_anna(v5)
        headers = await token_of(v5)
        change = {"old_pwd": "secret-1", "new_pwd": "secret-2"}
        await v5.ask("POST", "/users/anna/change_pwd", json=change, headers=headers)
        await v5.ask("PUT", "/users/anna", json={"role": "administrator"})
        headers |= await token_of(v5, "anna", "secret-2")
        await v5.ask("POST", "/logout", json={"username": "anna"}, headers=headers)
        await v5.ask("DELETE", "/users/anna")
        _, key = await key_of(v5)
    who = {"user": "somebody", "how": "basic", "address": "127.0.0.1"}
    found = [line for line in lines if line["event"] != "change through the HTTP API"]
    assert [line["event"] for line in found] == [
        "user made",
        "logged in",
        "password changed",
        "user changed",
        "logged in",
        "logged out",
        "user taken out",
        "API key made",
    ]
    assert who.items() <= found[0].items() and found[0]["about"] == "anna"
    assert (found[2]["user"], found[2]["how"]) == ("anna", "login")
    text = str(lines)
    for secret in ("secret-1", "secret-2", headers["authorization"][7:], key["authorization"][6:]):
        assert secret not in text
