"""Users of the APIs: their passwords, what can be changed, the first administrator."""

from __future__ import annotations

import pytest

from rmq.management.accounts.users import KIND, MAX_PASSWORD, NewUser, User, UserChange
from rmq.management.errors import AccountExists, AccountNotFound, AdminStays, BadQuery, WrongPassword
from tests.support.engine import START
from tests.unit.management.world import World

ANNA = NewUser("anna", "secret-1", "administrator", "the first", "anna@example.org")


async def is_password(world: World, name: str, password: str) -> bool:
    users = world.service.users
    return await users.is_password(users.find(name), password)


async def test_a_user_is_kept_with_a_hash(world: World) -> None:
    users = world.service.users
    made = await users.create(ANNA)
    assert made == User("anna", "administrator", "the first", "anna@example.org", START, "hash of secret-1")
    assert users.find("anna") == users.get("anna") == made
    assert [user.name for user in users.all()] == ["admin", "anna"]
    assert await is_password(world, "anna", "secret-1")
    assert not await is_password(world, "anna", "secret-2") and not await is_password(world, "anna", "")
    assert "secret-1" not in repr(ANNA) + repr(made)


async def test_somebody_unknown_costs_as_much(world: World) -> None:
    assert not await is_password(world, "nobody", "nobody's")
    assert world.passwords.checked == 1
    assert world.service.users.find("nobody") is None
    with pytest.raises(AccountNotFound, match="there is no user 'nobody'"):
        world.service.users.get("nobody")


async def test_what_can_be_changed(world: World) -> None:
    users = world.service.users
    before = await users.create(ANNA)
    changed = await users.change("anna", UserChange("viewer", "other", "other@example.org"))
    assert changed == User("anna", "viewer", "other", "other@example.org", START, before.password_hash)
    assert await users.change("anna", UserChange()) == changed == users.get("anna")
    with pytest.raises(AccountNotFound):
        await users.change("nobody", UserChange("viewer"))


async def test_passwords_are_changed(world: World) -> None:
    users = world.service.users
    await users.create(ANNA)
    with pytest.raises(WrongPassword, match="isn't the password of user 'anna'"):
        await users.change_password("anna", "secret-2", "secret-3")
    await users.change_password("anna", "secret-1", "secret-2")
    assert await is_password(world, "anna", "secret-2") and not await is_password(world, "anna", "secret-1")
    await users.set_password("anna", "secret-4")
    assert await is_password(world, "anna", "secret-4")
    assert users.get("anna").role == "administrator"
    for attempt in (users.set_password("nobody", "secret-5"), users.change_password("nobody", "public", "secret-5")):
        with pytest.raises(AccountNotFound):
            await attempt


async def test_the_first_administrator_is_there_until_the_password_is_changed(world: World) -> None:
    users = world.service.users
    assert users.get("admin").has_default_password and users.get("admin").role == "administrator"
    assert await is_password(world, "admin", "public") and not await is_password(world, "admin", "publi")
    changed = await users.change("admin", UserChange(description="first"))
    assert changed.has_default_password and users.get("admin").description == "first"
    assert await is_password(world, "admin", "public")
    with pytest.raises(WrongPassword):
        await users.change_password("admin", "private", "secret-1")
    await users.change_password("admin", "public", "secret-1")
    assert not users.get("admin").has_default_password and users.get("admin").description == "first"
    assert await is_password(world, "admin", "secret-1") and not await is_password(world, "admin", "public")
    with pytest.raises(WrongPassword):
        await users.change_password("admin", "public", "secret-2")


async def test_an_administrator_may_set_the_first_password_too(world: World) -> None:
    await world.service.users.set_password("admin", "secret-1")
    assert await is_password(world, "admin", "secret-1") and not await is_password(world, "admin", "public")


async def test_the_first_administrator_stays(world: World) -> None:
    users = world.service.users
    for attempt in (users.delete("admin"), users.change("admin", UserChange("viewer"))):
        with pytest.raises(AdminStays):
            await attempt
    with pytest.raises(AccountExists):
        await users.create(NewUser("admin", "secret-1"))
    assert world.local.accounts.all(KIND) == []


async def test_a_user_who_is_gone(world: World) -> None:
    users = world.service.users
    await users.create(ANNA)
    with pytest.raises(AccountExists, match="there is user 'anna' already"):
        await users.create(ANNA)
    await users.delete("anna")
    assert users.find("anna") is None and [user.name for user in users.all()] == ["admin"]
    with pytest.raises(AccountNotFound):
        await users.delete("anna")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("name", name) for name in ("", "a:b", "a b", "-a", ".a", "ü", "a\n", "a" * 129, "a/b", "a\0")),
        ("password", "abc"),
        ("password", "a" * (MAX_PASSWORD + 1)),
        ("role", "root"),
        ("description", "d" * 513),
        ("email", "e" * 513),
    ],
)
def test_what_a_user_cant_have(field: str, value: str) -> None:
    with pytest.raises(BadQuery) as refused:
        NewUser(**{"name": "a", "password": "secret-1", field: value})
    assert refused.value.parameter == field
    if field not in ("name", "password"):
        with pytest.raises(BadQuery):
            UserChange(**{field: value})


@pytest.mark.parametrize("password", ["", "abc", "a" * (MAX_PASSWORD + 1)])
async def test_a_new_password_is_looked_at_first(world: World, password: str) -> None:
    users = world.service.users
    for attempt in (users.set_password("admin", password), users.change_password("admin", "public", password)):
        with pytest.raises(BadQuery, match="characters"):
            await attempt
    assert users.get("admin").has_default_password


@pytest.mark.parametrize(
    "value",
    [b"{}", b'{"role":"root","password_hash":""}', b'{"password_hash":null,"created_at":"x","description":[]}'],
)
async def test_an_account_that_somebody_else_wrote_gives_no_right(world: World, value: bytes) -> None:
    """One that was imported, say."""
    await world.local.accounts.create(KIND, "odd", value)
    user = world.service.users.get("odd")
    assert user.role == "viewer" and not user.has_default_password and user in world.service.users.all()
    for password in ("", "public", "!"):
        assert not await is_password(world, "odd", password)
