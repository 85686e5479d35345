"""Who may do what: the open loopback and what closes it, users and roles, tokens, failures."""

from __future__ import annotations

import base64

import pytest
from pydantic import ValidationError
from rmq_http_api.config import ApiUser, HttpApiConfig
from rmq_http_api.failed_logins import MAX_FAILURES, WINDOW_S

from tests.unit.http_api.api import Api, problem

PATH = "/api/v1/brokers"
USERS = [
    ApiUser(name="anna", password_hash="hash of right", role="administrator"),
    ApiUser(name="bert", password_hash="hash of seen"),
]


def basic(name: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


async def status(api: Api, headers: dict[str, str] | None = None, method: str = "GET", path: str = PATH) -> int:
    return (await api.ask(method, path, headers=headers)).status_code


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:6060", "127.0.0.1:6060", "[::1]:6060", "127.8.9.1", "LOCALHOST"]
)
async def test_the_loopback_is_open(api: Api, host: str) -> None:
    assert await status(api, {"host": host}) == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "rebound.example.org:6060"},
        {"host": "localhost.example.org"},
        {"host": "10.0.0.1"},
        {"host": "[::1"},
        {"forwarded": "for=1.2.3.4"},
        {"x-forwarded-for": "1.2.3.4"},
        {"x-forwarded-host": "a"},
        {"x-forwarded-proto": "https"},
        {"x-real-ip": "1.2.3.4"},
        {"via": "1.1 proxy"},
        {"origin": "http://evil.example.org"},
        {"origin": "null"},
        {"origin": "http://["},
        {"sec-fetch-site": "cross-site"},
    ],
)
async def test_what_closes_the_loopback(api: Api, headers: dict[str, str]) -> None:
    answer = await api.ask("GET", PATH, headers=headers)
    assert problem(answer) == (401, "UNAUTHORIZED")
    assert "Basic" in answer.headers["www-authenticate"] and "Bearer" in answer.headers["www-authenticate"]


async def test_a_page_of_our_own_may_ask(api: Api) -> None:
    headers = {"host": "localhost:6060", "origin": "http://localhost:6060", "sec-fetch-site": "same-origin"}
    assert await status(api, headers) == 200


async def test_only_a_listener_bound_to_loopback_is_open() -> None:
    assert await status(Api(is_loopback=False)) == 401
    assert await status(Api(address="10.0.0.9")) == 401
    assert await status(Api(config=HttpApiConfig(loopback_is_open="never"))) == 401


async def test_credentials_close_the_loopback_unless_somebody_says_otherwise() -> None:
    assert await status(Api(config=HttpApiConfig(http_bearer_token="s3cret"))) == 401
    assert await status(Api(config=HttpApiConfig(users=USERS))) == 401
    assert await status(Api(config=HttpApiConfig(users=USERS, loopback_is_open="always"))) == 200


async def test_a_bearer_token() -> None:
    api = Api(config=HttpApiConfig(http_bearer_token="s3cret"), is_loopback=False, address="10.0.0.9")
    assert await status(api, {"authorization": "Bearer s3cret"}) == 200
    assert await status(api, {"authorization": "bearer s3cret", "x-forwarded-for": "1.2.3.4"}) == 200
    for wrong in ("Bearer s3cre", "Bearer s3cret2", "Bearer ", "Bearer", "s3cret", "Basic s3cret"):
        assert await status(api, {"authorization": wrong}) == 401


async def test_without_a_token_no_token_is_right() -> None:
    api = Api(is_loopback=False)
    assert await status(api, {"authorization": "Bearer "}) == 401
    assert await status(api, {"authorization": "Bearer x"}) == 401


async def test_users_have_roles() -> None:
    api = Api(config=HttpApiConfig(users=USERS), is_loopback=False, address="10.0.0.9")
    assert await status(api, basic("anna", "right")) == 200
    assert await status(api, basic("bert", "seen")) == 200
    assert await status(api, basic("anna", "wrong")) == 401
    assert await status(api, basic("nobody", "right")) == 401
    assert await status(api, basic("anna", "")) == 401
    assert await status(api, {"authorization": "Basic !!"}) == 401
    assert problem(await api.ask("DELETE", "/api/v1/clients/a", headers=basic("bert", "seen"))) == (403, "FORBIDDEN")
    assert await status(api, basic("anna", "right"), "DELETE", "/api/v1/clients/a") == 404


async def test_a_right_password_is_remembered_for_a_while() -> None:
    api = Api(config=HttpApiConfig(users=USERS))
    for _ in range(3):
        assert await status(api, basic("anna", "right")) == 200
    assert api.passwords.checked == 1
    api.now += 301
    assert await status(api, basic("anna", "right")) == 200
    assert api.passwords.checked == 2


async def test_an_unknown_user_costs_as_much_as_a_known_one() -> None:
    api = Api(config=HttpApiConfig(users=USERS))
    await status(api, basic("nobody", "x"))
    assert api.passwords.checked == 1


async def test_too_many_failures_have_to_wait() -> None:
    api = Api(config=HttpApiConfig(http_bearer_token="s3cret"))
    for _ in range(MAX_FAILURES):
        assert await status(api, {"authorization": "Bearer no"}) == 401
    answer = await api.ask("GET", PATH, headers={"authorization": "Bearer s3cret"})
    assert problem(answer) == (429, "TOO_MANY_FAILURES")
    assert 0 < int(answer.headers["retry-after"]) <= WINDOW_S
    api.now += WINDOW_S
    assert await status(api, {"authorization": "Bearer s3cret"}) == 200


async def test_everybody_may_read_where_that_is_said() -> None:
    config = HttpApiConfig(http_bearer_token="s3cret", anonymous_may_read=True)
    api = Api(config=config, is_loopback=False, address="10.0.0.9")
    assert await status(api) == 200
    assert problem(await api.ask("DELETE", "/api/v1/clients/a")) == (403, "FORBIDDEN")
    assert await status(api, {"authorization": "Bearer no"}) == 401
    assert await status(api, {"origin": "http://evil.example.org"}) == 401


@pytest.mark.parametrize(
    "host",
    [
        "10.0.0.9:6060",
        "[fe80::1]:6060",
        "127.0.0.1",
        "localhost:6060",
        "Node1:6060",
        "node1",
        "node1.",
        "api.example.org",
    ],
)
async def test_everybody_may_read_by_a_name_that_nobody_else_has(host: str) -> None:
    config = HttpApiConfig(anonymous_may_read=True, host_names=["node1", "API.example.org"])
    assert await status(Api(config=config, is_loopback=False, address="10.0.0.9"), {"host": host}) == 200


@pytest.mark.parametrize(
    "host",
    [
        "rebound.example.org",
        "node2:6060",
        "node1.example.org",
        "xnode1",
        "api.example.org.evil.org",
        "127.0.0.1.nip.io",
        "1.2.3.4.5",
        "user@node1",
        "evil.org/node1",
        "evil.org#node1",
        "node1:x",
        "node1, evil.org",
        "[::1",
        "",
    ],
)
@pytest.mark.parametrize("is_loopback", [True, False])
async def test_a_name_that_was_turned_to_this_address_reads_nothing(host: str, is_loopback: bool) -> None:
    config = HttpApiConfig(anonymous_may_read=True, host_names=["node1", "api.example.org"])
    api = Api(config=config, is_loopback=is_loopback, address="127.0.0.1")
    assert problem(await api.ask("GET", PATH, headers={"host": host})) == (401, "UNAUTHORIZED")


async def test_credentials_may_come_by_any_name() -> None:
    config = HttpApiConfig(http_bearer_token="s3cret", anonymous_may_read=True)
    headers = {"host": "any.example.org", "authorization": "Bearer s3cret"}
    assert await status(Api(config=config, is_loopback=False), headers) == 200


async def test_a_name_that_is_listed_doesnt_open_the_loopback() -> None:
    api = Api(config=HttpApiConfig(host_names=["node1"]))
    assert await status(api, {"host": "node1:6060"}) == 401
    api = Api(config=HttpApiConfig(host_names=["node1"], anonymous_may_read=True))
    answer = await api.ask("DELETE", "/api/v1/clients/a", headers={"host": "node1:6060"})
    assert problem(answer) == (403, "FORBIDDEN")


@pytest.mark.parametrize("name", ["", "a:1", "a/b", "*.a", "a b", "http://a", "ä", "-a"])
def test_what_is_no_name_of_a_host(name: str) -> None:
    with pytest.raises(ValidationError, match="must be the name of a host"):
        HttpApiConfig(host_names=[name])


async def test_what_is_there_is_told_only_to_those_who_may_read() -> None:
    api = Api(is_loopback=False)
    assert await status(api, path="/api/v1/nope") == 401
    assert await status(api, method="PATCH") == 401
