"""/api/v1/users: users made, changed and taken out by administrators who have logged in."""

from __future__ import annotations

from tests.unit.http_api.api import Api, problem
from tests.unit.http_api.test_users import basic

USERS = "/api/v1/users"
ANNA = {"name": "anna", "password": "secret-1"}


async def test_users_are_made_shown_changed_and_taken_out(api: Api) -> None:
    anna = {
        "name": "anna",
        "role": "viewer",
        "description": "",
        "email": "",
        "created_at": "2023-11-14T22:13:20Z",
        "default_password": False,
    }
    assert (await api.ask("POST", USERS, json=ANNA)).json() == anna
    admin = {
        "name": "admin",
        "role": "administrator",
        "description": "administrator",
        "email": "",
        "created_at": None,
        "default_password": True,
    }
    assert await api.get(USERS) == [admin, anna] and await api.get(f"{USERS}/anna") == anna
    assert (await api.ask("GET", "/api/v1/brokers", headers=basic("anna", "secret-1"))).status_code == 200
    change = {"role": "administrator", "description": "all", "email": "a@example.org"}
    assert (await api.ask("PUT", f"{USERS}/anna", json=change)).json() == {**anna, **change}
    assert (await api.ask("PUT", f"{USERS}/anna", json={"password": "secret-2"})).json() == {**anna, **change}
    assert (await api.ask("PUT", f"{USERS}/anna", json={})).json() == {**anna, **change}
    assert (await api.ask("GET", USERS, headers=basic("anna", "secret-1"))).status_code == 401
    assert (await api.ask("GET", USERS, headers=basic("anna", "secret-2"))).status_code == 200
    assert (await api.ask("DELETE", f"{USERS}/anna")).json() is None
    assert problem(await api.ask("GET", f"{USERS}/anna")) == (404, "USER_NOT_FOUND")


async def test_the_first_password_is_set(api: Api) -> None:
    answer = await api.ask("PUT", f"{USERS}/admin", json={"password": "secret-1"})
    assert answer.json()["default_password"] is False
    assert (await api.ask("GET", USERS, headers=basic("admin", "public"))).status_code == 401


async def test_what_goes_wrong(api: Api) -> None:
    await api.ask("POST", USERS, json=ANNA)
    assert problem(await api.ask("POST", USERS, json=ANNA)) == (409, "USER_EXISTS")
    for wrong in ({"name": "a b"}, {"password": "1234567"}, {"role": "x"}, {"password": None}, {"other": 1}):
        assert problem(await api.ask("POST", USERS, json={**ANNA, **wrong})) == (400, "BAD_PARAMETER")
    assert problem(await api.ask("DELETE", f"{USERS}/admin")) == (409, "USER_STAYS")
    assert problem(await api.ask("PUT", f"{USERS}/admin", json={"role": "viewer"})) == (409, "USER_STAYS")
    for method, body in (("PUT", {"password": "secret-1"}), ("DELETE", None)):
        assert problem(await api.ask(method, f"{USERS}/nobody", json=body)) == (404, "USER_NOT_FOUND")


async def test_only_administrators_who_have_logged_in(api: Api) -> None:
    await api.ask("POST", USERS, json=ANNA)
    assert problem(await api.ask("GET", USERS, headers=basic("anna", "secret-1"))) == (403, "FORBIDDEN")
    key = (await api.ask("POST", "/api/v1/api_keys", json={"name": "k", "role": "administrator"})).json()
    assert problem(await api.ask("GET", USERS, headers=basic("k", key["secret"]))) == (403, "API_KEY_NOT_ALLOW")
