"""/authentication and /authorization: the users and the access rules that all nodes keep."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from rmq.management.accounts.access_rules import KIND as RULES_KIND
from rmq.management.accounts.mqtt_users import KIND as USERS_KIND
from rmq.node.passwords import ArgonPasswords
from rmq.users import hashing
from tests.unit.http_api.emqx_v5.v5 import V5, problem
from tests.unit.management.world import FakePlugin

ID = "password_based%3Abuilt_in_database"
USERS = f"/authentication/{ID}/users"
RULES = "/authorization/sources/built_in_database/rules"
RULE = {"topic": "t/${clientid}/#", "permission": "allow", "action": "publish", "qos": [0, 2], "retain": False}
DEFAULTS = {"topic": "eq t/#", "permission": "deny", "action": "all", "qos": [0, 1, 2], "retain": "all"}


async def test_the_one_authenticator(v5: V5) -> None:
    (found,) = await v5.get("/authentication")
    assert (found["id"], found["mechanism"], found["backend"]) == (
        "password_based:built_in_database",
        "password_based",
        "built_in_database",
    )
    assert await v5.get(f"/authentication/{ID}") == await v5.get("/authentication/password_based:built_in_database")
    for path in ("/authentication/jwt", "/authentication/jwt/users", "/authentication/jwt/users/u"):
        assert problem(await v5.ask("GET", path)) == (404, "NOT_FOUND")


async def test_users_come_change_and_go(v5: V5) -> None:
    made = await v5.ask("POST", USERS, json={"user_id": "ann", "password": "secret", "is_superuser": True})
    assert (made.status_code, made.json()) == (201, {"user_id": "ann", "is_superuser": True})
    assert (await v5.ask("POST", USERS, json={"user_id": "b/ob", "password": "x"})).json()["is_superuser"] is False
    assert await v5.get(f"{USERS}/b%2Fob") == {"user_id": "b/ob", "is_superuser": False}
    changed = await v5.ask("PUT", f"{USERS}/ann", json={"is_superuser": False})
    assert (changed.status_code, changed.json()) == (200, {"user_id": "ann", "is_superuser": False})
    before = v5.world.service.mqtt_users.get("ann").password_hash
    assert (await v5.ask("PUT", f"{USERS}/ann", json={"password": "other"})).status_code == 200
    assert v5.world.service.mqtt_users.get("ann").password_hash != before
    page = await v5.get(f"{USERS}?page=1&limit=1")
    assert page == {
        "data": [{"user_id": "ann", "is_superuser": False}],
        "meta": {"page": 1, "limit": 1, "count": 2, "hasnext": True},
    }
    assert [row["user_id"] for row in (await v5.get(f"{USERS}?like_user_id=ob"))["data"]] == ["b/ob"]
    assert (await v5.get(f"{USERS}?is_superuser=true"))["data"] == []
    assert (await v5.ask("DELETE", f"{USERS}/ann")).status_code == 204
    for method, body in (("GET", None), ("PUT", {}), ("DELETE", None)):
        assert problem(await v5.ask(method, f"{USERS}/ann", json=body)) == (404, "NOT_FOUND")


async def test_no_password_is_ever_shown(v5: V5) -> None:
    await v5.ask("POST", USERS, json={"user_id": "ann", "password": "secret"})
    (account,) = v5.world.local.accounts.all(USERS_KIND)
    for path in (USERS, f"{USERS}/ann"):
        answer = await v5.ask("GET", path)
        assert "hash" not in answer.text and "secret" not in answer.text
    assert "hash of" in account.value.decode(), "what tests keep in the place of argon2id"


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({"user_id": "ann", "password": "x"}, (409, "ALREADY_EXISTS")),
        ({"user_id": "", "password": "x"}, (400, "BAD_REQUEST")),
        ({"user_id": "x" * 257, "password": "x"}, (400, "BAD_REQUEST")),
        ({"user_id": "b", "password": ""}, (400, "BAD_REQUEST")),
        ({"user_id": "b"}, (400, "BAD_REQUEST")),
        ({"user_id": "b", "password": "x", "is_superuser": 1}, (400, "BAD_REQUEST")),
        ({"user_id": "b", "password": "x", "what": 1}, (400, "BAD_REQUEST")),
    ],
)
async def test_users_that_arent_made(v5: V5, body: object, wanted: tuple[int, str]) -> None:
    await v5.ask("POST", USERS, json={"user_id": "ann", "password": "x"})
    assert problem(await v5.ask("POST", USERS, json=body)) == wanted
    assert [user.name for user in v5.world.service.mqtt_users.all()] == ["ann"]


CSV = b"user_id,password,is_superuser\nann,1,true\nbob, 2 ,false\n\ncarl,3\n"
JSON = b'[{"user_id": "ann", "password": "1", "is_superuser": true}, {"user_id": "bob", "password": "2"}]'


@pytest.mark.parametrize(("content", "names"), [(CSV, ["ann", "bob", "carl"]), (JSON, ["ann", "bob"])])
@pytest.mark.parametrize("in_form", [True, False])
async def test_users_of_a_file(v5: V5, content: bytes, names: list[str], in_form: bool) -> None:
    await v5.ask("POST", USERS, json={"user_id": "ann", "password": "0"})
    request = httpx.Request("POST", "http://x", files={"filename": ("users", content)})
    body = request.read() if in_form else content
    answer = await v5.ask("POST", f"/authentication/{ID}/import_users?type=plain", content=body)
    count = len(names)
    assert answer.json() == {"total": count, "success": count - 1, "override": 1, "skipped": 0, "failed": 0}
    users = v5.world.service.mqtt_users.all()
    assert [user.name for user in users] == names
    assert [user.name for user in users if user.superuser] == ["ann"]


# The example of EMQX's documents about importing users.
HASHED = b"""user_id,password_hash,salt,is_superuser
myuser3,b6c743545a7817ae8c8f624371d5f5f0373234bb0ff36b8ffbf19bce0e06ab75,de1024f462fb83910fd13151bd4bd235,true
myuser4,ee68c985a69208b6eda8c6c9b4c7c2d2b15ee2352cdd64a903171710a99182e8,ad773b5be9dd0613fe6c2f4d8c403139,false
"""


async def test_users_whose_passwords_another_program_has_hashed(v5: V5) -> None:
    await v5.ask("POST", USERS, json={"user_id": "myuser4", "password": "0", "is_superuser": True})
    answer = await v5.ask("POST", f"/authentication/{ID}/import_users?type=hash", content=HASHED)
    assert answer.json() == {"total": 2, "success": 1, "override": 1, "skipped": 0, "failed": 0}
    third, fourth = v5.world.service.mqtt_users.all()
    assert (third.name, third.superuser, fourth.superuser) == ("myuser3", True, False)
    hashed, salt = HASHED.splitlines()[1].split(b",")[1:3]
    assert third.password_hash == f"sha256-prefix:{salt.hex()}:hash of {hashed.decode()}"
    real = ArgonPasswords().brought("sha256", "prefix", salt, bytes.fromhex(hashed.decode()))
    assert hashing.verified(real, b"mypassword3") and not hashing.verified(real, b"mypassword4")
    answer = await v5.ask("POST", f"/authentication/{ID}/import_users?type=hash&salt_position=suffix", content=HASHED)
    assert answer.json()["override"] == 2
    assert v5.world.service.mqtt_users.get("myuser3").password_hash.startswith("sha256-suffix:")


@pytest.mark.parametrize(
    ("query", "content"),
    [
        ("?type=hash", JSON),
        ("?type=hash", b"user_id,password_hash,salt,is_superuser\nann,b6c7,salt,true\n"),
        ("?type=other", JSON),
        ("", b"\n"),
        ("", b"user_id,password,is_superuser\na\n"),
        ("", b"[{]"),
        ("", b'[{"user_id": "a"}]'),
        ("", b"name,password\n"),
        ("", b"user_id,password,is_superuser\na,b,perhaps\n"),
        ("", b"\xff\xfe"),
        ("", b"--x\r\n"),
    ],
)
async def test_files_without_users(v5: V5, query: str, content: bytes) -> None:
    answer = await v5.ask("POST", f"/authentication/{ID}/import_users{query}", content=content)
    assert problem(answer) == (400, "BAD_REQUEST")
    assert v5.world.local.accounts.all(USERS_KIND) == []


@pytest.mark.parametrize(("kind", "key"), [("users", "username"), ("clients", "clientid")])
async def test_rules_come_change_and_go(v5: V5, kind: str, key: str) -> None:
    path = f"{RULES}/{kind}"
    short = {"topic": "eq t/#", "permission": "deny", "action": "all"}
    body = [{key: "ann", "rules": [RULE]}, {key: "a:b", "rules": [short]}]
    assert (await v5.ask("POST", path, json=body)).status_code == 204
    assert await v5.get(f"{path}/ann") == {key: "ann", "rules": [RULE]}
    assert await v5.get(f"{path}/a%3Ab") == {key: "a:b", "rules": [DEFAULTS]}
    page = await v5.get(path)
    assert [row[key] for row in page["data"]] == ["a:b", "ann"] and page["meta"]["count"] == 2
    assert [row[key] for row in (await v5.get(f"{path}?like_{key}=nn"))["data"]] == ["ann"]
    assert problem(await v5.ask("POST", path, json=[{key: "new", "rules": []}, body[0]])) == (409, "ALREADY_EXISTS")
    assert problem(await v5.ask("GET", f"{path}/new")) == (404, "NOT_FOUND")
    assert (await v5.ask("PUT", f"{path}/ann", json={key: "ann", "rules": []})).status_code == 204
    assert await v5.get(f"{path}/ann") == {key: "ann", "rules": []}
    assert (await v5.ask("PUT", f"{path}/new", json={"rules": [RULE]})).status_code == 204
    assert problem(await v5.ask("PUT", f"{path}/new", json={key: "other", "rules": []})) == (400, "BAD_REQUEST")
    assert (await v5.ask("DELETE", f"{path}/ann")).status_code == 204
    assert problem(await v5.ask("DELETE", f"{path}/ann")) == (404, "NOT_FOUND")


async def test_rules_of_all(v5: V5) -> None:
    path = f"{RULES}/all"
    assert await v5.get(path) == {"rules": []}
    for rules in ([RULE, DEFAULTS], [DEFAULTS]):
        assert (await v5.ask("POST", path, json={"rules": rules})).status_code == 204
        assert await v5.get(path) == {"rules": rules}
    for _ in range(2):
        assert (await v5.ask("DELETE", path)).status_code == 204
    assert await v5.get(path) == {"rules": []}


async def test_all_rules_are_taken_out(v5: V5) -> None:
    await v5.ask("POST", f"{RULES}/all", json={"rules": [RULE]})
    await v5.ask("PUT", f"{RULES}/users/ann", json={"rules": [RULE]})
    await v5.ask("PUT", f"{RULES}/clients/ann", json={"rules": [RULE]})
    assert (await v5.ask("DELETE", RULES)).status_code == 204
    assert v5.world.local.accounts.all(RULES_KIND) == []


@pytest.mark.parametrize(
    "rule",
    [
        {**RULE, "topic": "a/#/b"},
        {**RULE, "topic": "${peer}/x"},
        {**RULE, "topic": "$share/g/a"},
        {**RULE, "topic": ""},
        {**RULE, "permission": "ignore"},
        {**RULE, "action": "connect"},
        {**RULE, "qos": [3]},
        {**RULE, "qos": []},
        {**RULE, "retain": "no"},
        {**RULE, "who": "all"},
        {"topic": "t"},
        "allow",
    ],
)
async def test_wrong_rules_change_nothing(v5: V5, rule: object) -> None:
    for method, path, body in (
        ("POST", "users", [{"username": "ann", "rules": [rule]}]),
        ("PUT", "clients/c", {"rules": [rule]}),
        ("POST", "all", {"rules": [rule]}),
    ):
        assert problem(await v5.ask(method, f"{RULES}/{path}", json=body)) == (400, "BAD_REQUEST")
    assert v5.world.local.accounts.all(RULES_KIND) == []


async def test_there_are_only_so_many_rules(v5: V5) -> None:
    body = {"rules": [{**RULE, "topic": "t"}] * 101}
    assert problem(await v5.ask("POST", f"{RULES}/all", json=body)) == (400, "BAD_REQUEST")
    long = {"rules": [{**RULE, "topic": "t" * 9000}]}
    assert problem(await v5.ask("POST", f"{RULES}/all", json=long)) == (400, "BAD_REQUEST")


async def test_the_source_and_what_fits_no_rule(v5: V5) -> None:
    source = {"type": "built_in_database", "enable": True, "max_rules": 100}
    assert await v5.get("/authorization/sources") == {"sources": [source]}
    assert await v5.get("/authorization/sources/built_in_database") == source
    assert problem(await v5.ask("GET", "/authorization/sources/http")) == (404, "NOT_FOUND")
    cache = {"enable": True, "max_size": 64, "ttl": "infinity"}
    assert await v5.get("/authorization/settings") == {"no_match": "allow", "deny_action": "ignore", "cache": cache}
    plugins = v5.world.plugins
    plugins.known["rmq-acl"] = FakePlugin("rmq-acl")
    assert (await v5.get("/authorization/settings"))["no_match"] == "deny"
    plugins.known["rmq-acl"] = replace(plugins.known["rmq-acl"], active=False)
    assert (await v5.get("/authorization/settings"))["no_match"] == "allow"
