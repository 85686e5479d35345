"""Login tokens: what ends them, what is none."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from rmq.management.accounts.logins import (
    ENDED_KIND,
    ENDED_TOKENS_KIND,
    MAX_ENDED_TOKENS,
    MAX_TOKEN,
    SECRET_KIND,
    SECRET_NAME,
    BadLoginToken,
    LoggedIn,
    OldLoginToken,
    looks_like_login,
    stamp_of,
)
from rmq.management.accounts.users import NewUser
from tests.unit.management.world import World

_dumps = json.dumps


def without_id(claims: dict[str, Any], **options: Any) -> str:
    """As earlier versions wrote them."""
    return _dumps({name: value for name, value in claims.items() if name != "id"}, **options)


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


async def test_one_token_is_ended_and_others_go_on(world: World) -> None:
    logins = world.service.users.logins
    first, second, third, other = [await issued(world, name) for name in ("anna", "anna", "anna", "bert")]
    for token in (first, second):
        await logins.end_token(token)
        with pytest.raises(OldLoginToken, match="ended"):
            logins.read(token)
        with pytest.raises(OldLoginToken, match="ended"):
            await logins.end_token(token)
    assert logins.read(third).name == "anna" and logins.read(other).name == "bert"
    await logins.end("anna")
    with pytest.raises(OldLoginToken):
        logins.read(third)


async def test_tokens_whose_time_is_over_arent_kept_as_ended(world: World) -> None:
    logins = world.service.users.logins
    await logins.end_token(await issued(world))
    world.engine.advance(61)
    last = await issued(world)
    await logins.end_token(last)
    (kept,) = world.local.accounts.all(ENDED_TOKENS_KIND)
    assert len(json.loads(kept.value)) == 1
    with pytest.raises(OldLoginToken, match="ended"):
        logins.read(last)


async def test_whoever_ends_many_tokens_ends_them_all(world: World) -> None:
    """So that what is kept stays small; none of those that were ended is good again."""
    logins = world.service.users.logins
    left = await issued(world)
    ended = [await issued(world) for _ in range(MAX_ENDED_TOKENS + 1)]
    for token in ended:
        assert logins.read(left).name == "anna"
        await logins.end_token(token)
    for token in (*ended, left):
        with pytest.raises(OldLoginToken, match="ended"):
            logins.read(token)
    (kept,) = world.local.accounts.all(ENDED_TOKENS_KIND)
    assert kept.value == b"{}"
    assert logins.read(await issued(world)).name == "anna"


async def test_a_token_of_an_earlier_version_ends_all(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no id by which it could be told from the others of its user."""
    logins = world.service.users.logins
    other = await issued(world)
    with monkeypatch.context() as patched:
        patched.setattr("rmq.management.accounts.logins.json.dumps", without_id)
        old = await issued(world)
    assert logins.read(old).name == "anna"
    await logins.end_token(old)
    for token in (old, other):
        with pytest.raises(OldLoginToken, match="ended"):
            logins.read(token)


async def test_two_of_one_user_log_out_at_once_for_the_first_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    logins = world.service.users.logins
    first, second = await issued(world), await issued(world)
    accounts = logins._accounts
    create = accounts.create

    async def create_after_another(kind: str, name: str, value: bytes) -> None:
        monkeypatch.setattr(accounts, "create", create)
        await logins.end_token(second)
        await create(kind, name, value)

    monkeypatch.setattr(accounts, "create", create_after_another)
    await logins.end_token(first)
    for token in (first, second):
        with pytest.raises(OldLoginToken, match="ended"):
            logins.read(token)


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
    await users.logins.end_token(await issued(world))
    await users.logins.end("anna")
    await users.delete("anna")
    assert world.local.accounts.all(ENDED_KIND) == world.local.accounts.all(ENDED_TOKENS_KIND) == []


def test_a_stamp_tells_passwords_apart_and_has_nothing_of_them() -> None:
    assert stamp_of("a hash") != stamp_of("another hash") and "hash" not in stamp_of("a hash")
