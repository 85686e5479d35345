"""Users: logging in, the first administrator, every code that has to do with them."""

from __future__ import annotations

import time

import pytest

from rmq.management.accounts.users import NewUser
from tests.support.engine import START
from tests.unit.http_api.api import Api
from tests.unit.http_api.emqx_v2.admin import FORM, V2, basic, code, result

ROOT = {
    "username": "root",
    "password": "root",
    "email": "admin@emqtt.io",
    "role": "administrator",
    "remark": "123",
}


async def made(v2: V2, name: str = "root", role: str = "administrator") -> None:
    assert result(await v2.ask("POST", "users/", json={**ROOT, "username": name, "role": role})) == []


async def logs_in(v2: V2, name: str, password: str) -> int:
    answer = await v2.ask("POST", "auth", json={"username": name, "password": password}, user="")
    return 0 if answer.json()["code"] == 0 else code(answer)


async def test_users_are_made_shown_changed_and_taken_out(v2: V2) -> None:
    await made(v2)
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(int(START)))
    expected = {**ROOT, "created_at": moment}
    del expected["password"]
    assert await v2.get("users/root") == expected
    first = {"username": "admin", "email": "", "role": "administrator", "remark": "administrator"}
    assert await v2.get("users/") == [{**first, "created_at": "undefined"}, expected]
    change = {"email": "other@emqtt.io", "role": "viewer", "remark": "123456"}
    assert result(await v2.ask("PUT", "users/root", json=change)) == []
    assert await v2.get("users/root") == {**expected, **change}
    assert result(await v2.ask("PUT", "users/root", json={"remark": "x"})) == []
    assert await v2.get("users/root") == {**expected, **change, "remark": "x"}
    assert result(await v2.ask("DELETE", "users/root")) == []
    assert code(await v2.ask("GET", "users/root")) == 105


async def test_an_older_name_of_the_remark_and_a_role_that_isnt_ours(v2: V2) -> None:
    body = {"username": "a", "password": "secret", "tags": "old"}
    assert result(await v2.ask("POST", "users", json=body)) == []
    assert await v2.get("users/a") == {
        "username": "a",
        "email": "",
        "role": "administrator",
        "remark": "old",
        "created_at": (await v2.get("users/a"))["created_at"],
    }
    assert result(await v2.ask("PUT", "users/a", json={"role": "editor", "tags": "new"})) == []
    assert (await v2.get("users/a"))["remark"] == "new"


async def test_logging_in(v2: V2) -> None:
    await made(v2)
    assert await logs_in(v2, "root", "root") == 0
    assert await logs_in(v2, "root", "wrong") == 103
    assert await logs_in(v2, "nobody", "root") == 103
    assert await logs_in(v2, "", "root") == 104
    assert await logs_in(v2, "root", "") == 104
    answer = await v2.ask("POST", "auth", json={"username": "root"}, user="")
    assert code(answer) == 107
    assert code(await v2.ask("POST", "auth", content=b"username=root", user="")) == 109
    assert result(await v2.ask("POST", "auth", content=b'{"username":"root","password":"root"}', user="")) == []


async def test_what_goes_wrong_with_users(v2: V2) -> None:
    await made(v2)
    assert code(await v2.ask("POST", "users", json=ROOT)) == 113
    assert code(await v2.ask("POST", "users", json={**ROOT, "username": "admin"})) == 113
    assert code(await v2.ask("POST", "users", json={**ROOT, "username": ""})) == 104
    assert code(await v2.ask("POST", "users", json={**ROOT, "password": ""})) == 104
    assert code(await v2.ask("POST", "users", json={**ROOT, "username": "a b"})) == 108
    assert code(await v2.ask("POST", "users", json={**ROOT, "username": "b", "password": "abc"})) == 108
    assert code(await v2.ask("POST", "users", json={"username": "b"})) == 107
    assert code(await v2.ask("POST", "users", json={**ROOT, "username": 1})) == 108
    assert code(await v2.ask("POST", "users", content=b"{")) == 109
    assert code(await v2.ask("DELETE", "users/admin")) == 106
    assert code(await v2.ask("PUT", "users/admin", json={"role": "viewer"})) == 106
    for method, path, body in (
        ("DELETE", "users/nobody", None),
        ("PUT", "users/nobody", {"remark": ""}),
        ("PUT", "change_pwd/nobody", {"old_pwd": "root", "new_pwd": "toor"}),
    ):
        assert code(await v2.ask(method, path, json=body)) == 105


async def test_passwords(v2: V2) -> None:
    await made(v2)
    wrong = {"old_pwd": "wrong", "new_pwd": "toor"}
    assert code(await v2.ask("PUT", "change_pwd/root", json=wrong)) == 114
    assert code(await v2.ask("PUT", "change_pwd/root", json={"old_pwd": "root", "new_pwd": "a"})) == 108
    assert code(await v2.ask("PUT", "change_pwd/root", json={"old_pwd": "root"})) == 107
    right = {"old_pwd": "root", "new_pwd": "toor"}
    assert result(await v2.ask("PUT", "change_pwd/root", json=right)) == []
    assert (await logs_in(v2, "root", "root"), await logs_in(v2, "root", "toor")) == (103, 0)


async def test_a_viewer_changes_the_own_password_only(v2: V2) -> None:
    await made(v2, "vera", "viewer")
    await made(v2, "root")
    body = b'{"old_pwd":"root","new_pwd":"toor"}'
    headers = {"Authorization": basic("vera", "root"), "Content-Type": FORM}
    path = "/api/v2/change_pwd"
    assert (await v2.api.ask("PUT", f"{path}/root", content=body, headers=headers)).status_code == 403
    assert result(await v2.api.ask("PUT", f"{path}/vera", content=body, headers=headers)) == []
    assert await logs_in(v2, "vera", "toor") == 0 and await logs_in(v2, "root", "root") == 0
    assert (await v2.ask("POST", "users", json=ROOT, user="eve")).status_code == 403


async def test_who_has_the_name_of_a_user_only_isnt_that_user(v2: V2) -> None:
    """Somebody of the configuration is nobody of the cluster."""
    await v2.world.service.users.create(NewUser("eve", "secret-1", "administrator"))
    change = {"old_pwd": "secret-1", "new_pwd": "secret-2"}
    assert (await v2.ask("PUT", "change_pwd/eve", json=change, user="eve")).status_code == 403
    assert code(await v2.ask("PUT", "change_pwd/eve", json=change)) == 114, "it is the one of the configuration here"
    change = {"old_pwd": "secret", "new_pwd": "secret-2"}
    assert code(await v2.ask("PUT", "change_pwd/eve", json=change)) == 102
    assert await v2.world.service.users.is_password(v2.world.service.users.find("eve"), "secret-1")


@pytest.fixture
def first() -> V2:
    """As a node begins: nobody is configured."""
    v2 = V2()
    v2.api = Api(v2.world)
    return v2


async def test_the_first_administrator(first: V2) -> None:
    assert await logs_in(first, "admin", "public") == 0
    headers = {"Authorization": basic("admin", "public")}
    assert (await first.api.ask("GET", "/api/v2/users", headers=headers)).json()["code"] == 0
    change = {"old_pwd": "public", "new_pwd": "secret-1"}
    answer = await first.api.ask("PUT", "/api/v2/change_pwd/admin", json=change, headers=headers)
    assert result(answer) == []
    assert (await logs_in(first, "admin", "public"), await logs_in(first, "admin", "secret-1")) == (103, 0)
    assert (await first.api.ask("GET", "/api/v2/users", headers=headers)).status_code == 401


async def test_guesses_by_another_way_are_counted_too(v2: V2) -> None:
    await made(v2)
    for number in range(10):
        body = {"old_pwd": f"guess-{number}", "new_pwd": "toor"}
        assert code(await v2.ask("PUT", "change_pwd/root", json=body)) == 114
    answer = await v2.ask("POST", "auth", json={"username": "root", "password": "root"}, user="")
    assert answer.status_code == 429


async def test_a_page_of_somebody_else_cant_have_the_door_locked(v2: V2) -> None:
    """It could send this without asking the browser, ten times, and nobody on that machine would get in any more."""
    await made(v2)
    headers = {"Content-Type": "text/plain", "Origin": "http://evil.example.org"}
    for _ in range(11):
        answer = await v2.api.ask(
            "POST", "/api/v2/auth", content=b'{"username":"root","password":"x"}', headers=headers
        )
        assert answer.status_code == 403
    assert await logs_in(v2, "root", "root") == 0
