"""Users of the cluster at the door: passwords, the first administrator, login tokens, ids of API keys, failures."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
from pydantic import ValidationError
from rmq_http_api.answers import Answer, json_answer
from rmq_http_api.calls import Call
from rmq_http_api.config import ApiUser, HttpApiConfig
from rmq_http_api.dialects import Dialect
from rmq_http_api.errors import ApiError, Unauthorized, error_answer
from rmq_http_api.failed_logins import MAX_FAILURES, WINDOW_S, network_of
from rmq_http_api.parameters import Body, NoQuery
from rmq_http_api.passwords import DEFAULT_REFUSED
from rmq_http_api.routing import AnyRoute, Route
from structlog.testing import capture_logs

from rmq.management.accounts.api_keys import NewApiKey
from rmq.management.accounts.users import NewUser, UserChange
from tests.unit.http_api.api import Api, problem
from tests.unit.management.world import World

PATH = "/x/who"
CONFIGURED = [ApiUser(name="carl", password_hash="hash of right")]


def told(error: ApiError) -> Answer:
    """Our words, and what is wrong with credentials."""
    answer = error_answer(error)
    return json_answer(
        {"what": error.what if isinstance(error, Unauthorized) else error.code}, answer.status, answer.headers
    )


STRICT = Dialect("strict", "Strict", "/x", told, trusts_loopback=False)


class NamePassword(Body):
    """Somebody."""

    name: str
    password: str


async def who(call: Call[NoQuery, None]) -> Answer:
    return json_answer({"name": call.caller.name, "role": call.caller.role, "how": call.caller.how})


async def log_in(call: Call[NoQuery, NamePassword]) -> Answer:
    caller, token = await call.logins.token(call.body.name, call.body.password)
    return json_answer({"name": caller.name, "how": caller.how, "token": token})


def strict(
    config: HttpApiConfig | None = None,
    *,
    world: World | None = None,
    is_loopback: bool = True,
    address: str = "127.0.0.1",
) -> Api:
    """An API with a dialect that wants everybody to say who they are."""
    api = Api(world, config, is_loopback=is_loopback, address=address)
    routes: list[AnyRoute] = [
        Route("GET", PATH, "who", "who asks", who),
        Route("GET", "/x/login_only", "login_only", "for people", who, login=True),
        Route("POST", "/x/login", "login", "log in", log_in, body=NamePassword, open=True),
    ]
    api.table.add(routes, STRICT)
    return api


def basic(name: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def whom(api: Api, headers: dict[str, str], path: str = PATH) -> str:
    """How somebody is known, or what is wrong."""
    answer = await api.ask("GET", path, headers=headers)
    found = answer.json()
    return str(found.get("how", found.get("what")))


async def logged_in(api: Api, name: str, password: str) -> str:
    answer = await api.ask("POST", "/x/login", json={"name": name, "password": password})
    assert answer.status_code == 200, answer.text
    token = answer.json()["token"]
    assert isinstance(token, str)
    return token


@pytest.fixture
def anna() -> Iterator[World]:
    """A cluster with a user."""
    world = World()
    yield world
    assert world.engine.counters.internal_errors == 0


async def with_anna(world: World) -> World:
    await world.service.users.create(NewUser("anna", "secret-1"))
    return world


async def test_users_of_the_cluster_log_in_on_every_listener(anna: World) -> None:
    api = strict(world=await with_anna(anna), is_loopback=False, address="10.0.0.9")
    answer = await api.ask("GET", PATH, headers=basic("anna", "secret-1"))
    assert answer.json() == {"name": "anna", "role": "viewer", "how": "user"}
    assert await whom(api, basic("anna", "secret-2")) == "wrong"
    assert await whom(api, basic("nobody", "secret-1")) == "wrong"
    assert await whom(api, {}) == "missing"
    for name, password in (("anna", ""), ("", "secret-1"), ("", "")):
        assert await whom(api, basic(name, password)) == "empty"


async def test_a_change_counts_at_once_for_a_password_that_is_remembered(anna: World) -> None:
    users = (await with_anna(anna)).service.users
    api = strict(world=anna)
    for _ in range(3):
        assert await whom(api, basic("anna", "secret-1")) == "user"
    assert anna.passwords.checked == 1
    await users.change("anna", UserChange("administrator"))
    assert (await api.ask("GET", PATH, headers=basic("anna", "secret-1"))).json()["role"] == "administrator"
    await users.set_password("anna", "secret-2")
    assert await whom(api, basic("anna", "secret-1")) == "wrong"
    assert await whom(api, basic("anna", "secret-2")) == "user"
    await users.delete("anna")
    assert await whom(api, basic("anna", "secret-2")) == "wrong"


async def test_a_user_of_the_configuration_comes_before_one_of_the_cluster(anna: World) -> None:
    await anna.service.users.create(NewUser("carl", "secret-1", "administrator"))
    api = strict(HttpApiConfig(users=CONFIGURED), world=anna)
    assert await whom(api, basic("carl", "right")) == "basic"
    assert await whom(api, basic("carl", "secret-1")) == "wrong"


# The first administrator


async def test_the_first_administrator_is_for_this_machine() -> None:
    api = strict()
    answer = await api.ask("GET", PATH, headers=basic("admin", "public"))
    assert answer.json() == {"name": "admin", "role": "administrator", "how": "user"}
    assert await whom(api, basic("admin", "private")) == "wrong"


@pytest.mark.parametrize(
    ("config", "is_loopback", "address", "headers"),
    [
        (HttpApiConfig(), False, "127.0.0.1", {}),
        (HttpApiConfig(), True, "10.0.0.9", {}),
        (HttpApiConfig(), True, "127.0.0.1", {"x-forwarded-for": "1.2.3.4"}),
        (HttpApiConfig(), True, "127.0.0.1", {"host": "rebound.example.org"}),
        (HttpApiConfig(), True, "127.0.0.1", {"origin": "http://evil.example.org"}),
        (HttpApiConfig(loopback_is_open="never"), True, "127.0.0.1", {}),
        (HttpApiConfig(users=CONFIGURED), True, "127.0.0.1", {}),
    ],
)
async def test_elsewhere_it_is_refused_with_a_line_that_says_what_to_do(
    config: HttpApiConfig, is_loopback: bool, address: str, headers: dict[str, str]
) -> None:
    api = strict(config, is_loopback=is_loopback, address=address)
    with capture_logs() as lines:
        for _ in range(3):
            assert await whom(api, basic("admin", "public") | headers) == "wrong"
        api.now += 60
        assert await whom(api, basic("admin", "public") | headers) == "wrong"
        assert await whom(api, basic("admin", "private") | headers) == "wrong"
    warnings = [line for line in lines if line["event"] == DEFAULT_REFUSED]
    assert len(warnings) == 2 and warnings[0]["address"] == address
    answer = await api.ask("POST", "/x/login", json={"name": "admin", "password": "public"}, headers=headers)
    assert answer.status_code == 401


async def test_it_is_gone_when_its_password_was_changed() -> None:
    api = strict()
    token = await logged_in(api, "admin", "public")
    assert await whom(api, bearer(token)) == "login"
    await api.world.service.users.change_password("admin", "public", "secret-1")
    assert await whom(api, basic("admin", "public")) == "wrong"
    assert await whom(api, bearer(token)) == "old token"
    assert await whom(api, basic("admin", "secret-1")) == "user"
    elsewhere = strict(world=api.world, is_loopback=False, address="10.0.0.9")
    with capture_logs() as lines:
        assert await whom(elsewhere, basic("admin", "secret-1")) == "user"
        assert await whom(elsewhere, basic("admin", "public")) == "wrong"
    assert DEFAULT_REFUSED not in [line["event"] for line in lines]


async def test_the_first_administrator_of_the_configuration_is_another() -> None:
    admin = [ApiUser(name="admin", password_hash="hash of right")]
    api = strict(HttpApiConfig(users=admin, loopback_is_open="always"))
    assert await whom(api, basic("admin", "public")) == "wrong"
    assert await whom(api, basic("admin", "right")) == "basic"


async def test_a_token_of_the_first_administrator_is_for_this_machine_too() -> None:
    api = strict()
    token = await logged_in(api, "admin", "public")
    assert await whom(strict(world=api.world, is_loopback=False), bearer(token)) == "old token"
    assert await whom(api, bearer(token) | {"via": "1.1 proxy"}) == "old token"
    assert await whom(api, bearer(token)) == "login"


# Tokens


async def test_a_token_is_good_everywhere_until_it_ends(anna: World) -> None:
    users = (await with_anna(anna)).service.users
    api, other = strict(world=anna), strict(world=anna, is_loopback=False, address="10.0.0.9")
    token = await logged_in(api, "anna", "secret-1")
    for each in (api, other):
        answer = await each.ask("GET", PATH, headers=bearer(token))
        assert answer.json() == {"name": "anna", "role": "viewer", "how": "login"}
        assert (await each.ask("GET", "/api/v1/brokers", headers=bearer(token))).status_code == 200
        assert await whom(each, bearer(token), "/x/login_only") == "login"
    await users.change("anna", UserChange("administrator"))
    assert (await other.ask("GET", PATH, headers=bearer(token))).json()["role"] == "administrator"
    await users.logins.end("anna")
    assert await whom(other, bearer(token)) == "old token"
    token = await logged_in(other, "anna", "secret-1")
    assert await whom(api, bearer(token)) == "login"
    await users.set_password("anna", "secret-2")
    assert await whom(api, bearer(token)) == "old token"
    token = await logged_in(other, "anna", "secret-2")
    await users.delete("anna")
    assert await whom(api, bearer(token)) == "old token"
    await users.create(NewUser("anna", "secret-3"))
    assert await whom(api, bearer(token)) == "old token"


async def test_a_token_lives_as_long_as_it_is_configured() -> None:
    api = strict(HttpApiConfig(login_lifetime=120.0))
    token = await logged_in(api, "admin", "public")
    api.world.engine.advance(119)
    assert await whom(api, bearer(token)) == "login"
    api.world.engine.advance(1)
    assert await whom(api, bearer(token)) == "old token"
    for wrong in (59.0, 2_592_001.0):
        with pytest.raises(ValidationError):
            HttpApiConfig(login_lifetime=wrong)


async def test_users_of_the_configuration_have_tokens_too() -> None:
    api = strict(HttpApiConfig(users=CONFIGURED))
    token = await logged_in(api, "carl", "right")
    assert await whom(api, bearer(token)) == "login"
    other = [ApiUser(name="carl", password_hash="hash of other")]
    assert await whom(strict(HttpApiConfig(users=other), world=api.world), bearer(token)) == "old token"


async def test_who_goes_on_with_an_old_token_can_log_in_again(anna: World) -> None:
    users = (await with_anna(anna)).service.users
    api = strict(world=anna)
    token = await logged_in(api, "anna", "secret-1")
    await users.logins.end("anna")
    for _ in range(2 * MAX_FAILURES):
        assert await whom(api, bearer(token)) == "old token"
    assert await whom(api, bearer(await logged_in(api, "anna", "secret-1"))) == "login"
    for _ in range(MAX_FAILURES):
        assert await whom(api, bearer(token[:-1] + "!")) == "bad token"
    assert await whom(api, bearer(token)) == "TOO_MANY_FAILURES"


# Ids of API keys


async def test_a_key_opens_by_its_id(anna: World) -> None:
    keys = anna.service.api_keys
    key, secret = await keys.create(NewApiKey("script", expires_at=anna.engine.broker.clock() + 60))
    api = strict(world=anna, is_loopback=False, address="10.0.0.9")
    assert await whom(api, basic(key.key_id, secret)) == "api_key" == await whom(api, basic("script", secret))
    assert await whom(api, basic(key.key_id, secret), "/x/login_only") == "API_KEY_NOT_ALLOW"
    anna.engine.advance(60)
    assert await whom(api, basic(key.key_id, secret)) == "wrong"


# Failures


async def test_many_addresses_guess_no_faster_than_one(anna: World) -> None:
    await with_anna(anna)
    apis = [strict(world=anna, is_loopback=False, address=f"10.0.0.{number}") for number in range(3)]
    for api in apis:
        api.app.access = apis[0].app.access
    for number in range(MAX_FAILURES):
        assert await whom(apis[number % 2], basic("anna", f"guess {number}")) == "wrong"
    answer = await apis[2].ask("GET", PATH, headers=basic("anna", "secret-1"))
    assert (answer.status_code, answer.json()["what"]) == (429, "TOO_MANY_FAILURES")
    assert 0 < int(answer.headers["retry-after"]) <= WINDOW_S
    assert await whom(apis[2], basic("nobody", "guess")) == "wrong", "others aren't concerned"
    apis[0].now += WINDOW_S
    assert await whom(apis[2], basic("anna", "secret-1")) == "user"


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.0.0.9", "10.0.0.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("::1", "::"),
        ("::ffff:10.0.0.9", "10.0.0.9"),
        ("fe80::1%eth0", "fe80::"),
        ("", ""),
        ("a:b", "a:b"),
    ],
)
def test_whose_failures_are_counted_together(address: str, network: str) -> None:
    assert network_of(address) == network


async def test_who_is_in_stays_in_while_others_guess(anna: World) -> None:
    await with_anna(anna)
    api, other = (strict(world=anna, is_loopback=False, address=f"10.0.0.{number}") for number in range(2))
    other.app.access = api.app.access
    assert await whom(api, basic("anna", "secret-1")) == "user"
    for number in range(MAX_FAILURES):
        assert await whom(other, basic("anna", f"guess {number}")) == "wrong"
    assert await whom(api, basic("anna", "secret-1")) == "user"
    assert await whom(other, basic("anna", "secret-1")) == "TOO_MANY_FAILURES"


async def test_a_route_where_people_log_in_has_the_same_limit(anna: World) -> None:
    api = strict(world=await with_anna(anna))
    for number in range(MAX_FAILURES):
        answer = await api.ask("POST", "/x/login", json={"name": "anna", "password": f"guess {number}"})
        assert (answer.status_code, answer.json()["what"]) == (401, "wrong")
    answer = await api.ask("POST", "/x/login", json={"name": "anna", "password": "secret-1"})
    assert answer.status_code == 429


async def test_failed_logins_are_in_the_audit_log_without_what_might_be_a_password(anna: World) -> None:
    api = strict(world=await with_anna(anna), is_loopback=False, address="10.0.0.9")
    with capture_logs() as lines:
        await whom(api, basic("anna", "guess"))
        await whom(api, basic("secret-1", "guess"))
    refused = [line for line in lines if line["event"] == "login refused"]
    assert [(line["user"], line["address"]) for line in refused] == [("anna", "10.0.0.9"), ("", "10.0.0.9")]
    assert "secret-1" not in str(lines) and "guess" not in str(lines)


async def test_a_login_is_no_change_that_somebody_unknown_made() -> None:
    api = strict()
    with capture_logs() as lines:
        await logged_in(api, "admin", "public")
    assert [line["event"] for line in lines if "change" in line["event"]] == []


async def test_our_own_words_for_a_login(api: Api) -> None:
    answer = await api.ask("GET", "/api/v1/brokers", headers=basic("admin", ""))
    assert problem(answer) == (401, "UNAUTHORIZED")
