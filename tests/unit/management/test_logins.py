"""Login tokens: what ends them, what is none."""

from __future__ import annotations

import base64

import pytest

from rmq.management.logins import (
    ENDED_KIND,
    MAX_TOKEN,
    SECRET_KIND,
    SECRET_NAME,
    BadLoginToken,
    LoggedIn,
    OldLoginToken,
    looks_like_login,
    stamp_of,
)
from rmq.management.users import NewUser
from tests.unit.management.world import World


async def issued(world: World, name: str = "anna", stamp: str = "s") -> str:
    return await world.service.users.logins.issue(name, stamp, 60.0)


async def test_a_token_says_who_has_it(world: World) -> None:
    logins = world.service.users.logins
    token = await issued(world)
    assert looks_like_login(token) and logins.read(token) == LoggedIn("anna", "s")
    assert logins.read(await issued(world, "ü" * 100)) == LoggedIn("ü" * 100, "s")


async def test_its_time_ends(world: World) -> None:
    token = await issued(world)
    world.engine.advance(59.9)
    assert world.service.users.logins.read(token).name == "anna"
    world.engine.advance(0.1)
    with pytest.raises(OldLoginToken, match="its time is over"):
        world.service.users.logins.read(token)


async def test_logins_are_ended_for_one_user(world: World) -> None:
    logins = world.service.users.logins
    first, other = await issued(world), await issued(world, "bert")
    for _ in range(2):
        await logins.end("anna")
        with pytest.raises(OldLoginToken, match="ended"):
            logins.read(first)
        again = await issued(world)
        assert logins.read(again).name == "anna" and logins.read(other).name == "bert"
    await logins.end("anna")
    with pytest.raises(OldLoginToken):
        logins.read(again)


async def test_one_secret_for_all_and_the_first_one_counts(world: World) -> None:
    accounts = world.local.accounts
    await accounts.create(SECRET_KIND, SECRET_NAME, b"x" * 32)
    token = await issued(world)
    assert accounts.get(SECRET_KIND, SECRET_NAME).value == b"x" * 32
    other = World(2)
    with pytest.raises(BadLoginToken):
        other.service.users.logins.read(token)  # there is no secret yet
    await other.local.accounts.create(SECRET_KIND, SECRET_NAME, b"x" * 32)
    assert other.service.users.logins.read(token) == LoggedIn("anna", "s")


async def test_another_node_is_faster(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It makes the secret after this one has looked for it: its secret is the one of all."""
    accounts = world.service.users.logins._accounts
    create = accounts.create

    async def create_after_another(kind: str, name: str, value: bytes) -> None:
        await create(kind, name, b"x" * 32)
        await create(kind, name, value)

    monkeypatch.setattr(accounts, "create", create_after_another)
    token = await issued(world)
    assert accounts.get(SECRET_KIND, SECRET_NAME).value == b"x" * 32
    assert world.service.users.logins.read(token) == LoggedIn("anna", "s")


async def test_what_is_no_token(world: World) -> None:
    logins = world.service.users.logins
    token = await issued(world)
    prefix, content, signature = token.split(".")
    claims = base64.urlsafe_b64decode(content + "==").replace(b"anna", b"root")
    forged = base64.urlsafe_b64encode(claims).decode().rstrip("=")
    assert forged != content
    for wrong in (
        "",
        prefix,
        f"{prefix}.{content}",
        f"{prefix}.{forged}.{signature}",
        f"{prefix}.{content}.{signature[:-1]}",
        f"{prefix}.{content}.",
        f"{prefix}..{signature}",
        f"other.{content}.{signature}",
        f"{token}.",
        f"{token}=",
        f"{prefix}.{content}.ü",
        f"{prefix}.{'a' * MAX_TOKEN}.{signature}",
    ):
        with pytest.raises(BadLoginToken):
            logins.read(wrong)


async def test_a_user_who_goes_leaves_nothing(world: World) -> None:
    users = world.service.users
    await users.create(NewUser("anna", "secret-1"))
    await users.logins.end("anna")
    await users.delete("anna")
    assert world.local.accounts.all(ENDED_KIND) == []


def test_a_stamp_tells_passwords_apart_and_has_nothing_of_them() -> None:
    assert stamp_of("a hash") != stamp_of("another hash") and "hash" not in stamp_of("a hash")
