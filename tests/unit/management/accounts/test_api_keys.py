"""API keys: their secrets, what a check asks for, what can be changed."""

from __future__ import annotations

import re
from hashlib import sha256

import pytest

from rmq.management.accounts.api_keys import KIND, ApiKey, ApiKeyChange, NewApiKey
from rmq.management.errors import AccountExists, AccountNotFound, BadQuery
from tests.support.engine import START
from tests.unit.management.world import World


async def made(world: World, wanted: NewApiKey) -> str:
    _, secret = await world.service.api_keys.create(wanted)
    return secret


async def test_a_key_opens_with_its_secret_only(world: World) -> None:
    keys = world.service.api_keys
    key, secret = await keys.create(NewApiKey("script", "administrator", description="for backups"))
    assert key == ApiKey("script", "administrator", True, "for backups", START, None, key.key_id)
    other = await made(world, NewApiKey("other"))
    assert keys.check("script", secret) == key
    found = keys.check("other", other)
    assert found is not None and found.role == "viewer"
    for name, wrong in (("script", other), ("other", secret), ("script", secret[:-1]), ("script", secret + "a")):
        assert keys.check(name, wrong) is None
    for name, wrong in (("script", ""), ("Script", secret), ("nobody", secret), ("", ""), ("script", "ü")):
        assert keys.check(name, wrong) is None


async def test_secrets_are_random_and_kept_nowhere(world: World) -> None:
    secrets = {await made(world, NewApiKey(f"key-{number}")) for number in range(20)}
    assert len(secrets) == 20
    kept = b"".join(account.value for account in world.local.accounts.all(KIND))
    for secret in secrets:
        assert secret.startswith("rmq_") and len(secret) == 4 + 43
        assert secret.encode() not in kept and secret[4:].encode() not in kept


async def test_a_key_ends(world: World) -> None:
    keys = world.service.api_keys
    secret = await made(world, NewApiKey("short", expires_at=START + 60))
    assert keys.check("short", secret) is not None
    world.engine.advance(59.9)
    assert keys.check("short", secret) is not None
    world.engine.advance(0.1)
    assert keys.check("short", secret) is None
    assert keys.get("short").is_over(keys.clock())
    await keys.change("short", ApiKeyChange(expires_at=START + 100, sets_expiry=True))
    assert keys.check("short", secret) is not None
    world.engine.advance(100)
    await keys.change("short", ApiKeyChange(sets_expiry=True))
    assert keys.check("short", secret) is not None and keys.get("short").expires_at is None


async def test_what_can_be_changed(world: World) -> None:
    keys = world.service.api_keys
    secret = await made(world, NewApiKey("k", expires_at=START + 60))
    key_id = keys.get("k").key_id
    expected = ApiKey("k", "viewer", False, "", START, START + 60, key_id)
    assert await keys.change("k", ApiKeyChange(enabled=False)) == expected
    assert keys.check("k", secret) is None
    changed = await keys.change("k", ApiKeyChange("administrator", True, "new"))
    assert changed == ApiKey("k", "administrator", True, "new", START, START + 60, key_id) == keys.get("k")
    assert keys.check("k", secret) == changed


async def test_a_key_that_is_gone_opens_nothing(world: World) -> None:
    keys = world.service.api_keys
    secret = await made(world, NewApiKey("k"))
    await keys.delete("k")
    assert keys.check("k", secret) is None and keys.all() == []
    for attempt in (keys.delete("k"), keys.change("k", ApiKeyChange())):
        with pytest.raises(AccountNotFound, match="there is no API key 'k'"):
            await attempt
    again = await made(world, NewApiKey("k"))
    assert again != secret and keys.check("k", secret) is None


async def test_one_of_a_name(world: World) -> None:
    secret = await made(world, NewApiKey("k"))
    with pytest.raises(AccountExists, match="API key 'k' already"):
        await world.service.api_keys.create(NewApiKey("k", "administrator"))
    found = world.service.api_keys.check("k", secret)
    assert found is not None and found.role == "viewer"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("name", name) for name in ("", "a:b", "a b", "-a", ".a", "ü", "a\n", "a" * 257, "a/b", "a\0")),
        ("role", "root"),
        ("description", "d" * 513),
        ("expires_at", -1.0),
        ("expires_at", 1e12),
        ("expires_at", float("nan")),
    ],
)
def test_what_a_key_cant_have(field: str, value: object) -> None:
    fields: dict[str, object] = {"name": "k", field: value}
    with pytest.raises(BadQuery) as refused:
        NewApiKey(**fields)  # type: ignore[arg-type]  # that is what is tested
    assert refused.value.parameter == field
    if field != "name":
        with pytest.raises(BadQuery):
            ApiKeyChange(**{field: value})  # type: ignore[arg-type]  # that is what is tested


async def test_a_key_may_be_over_from_the_start(world: World) -> None:
    keys = world.service.api_keys
    secret = await made(world, NewApiKey("k", expires_at=START))
    assert keys.get("k").is_over(keys.clock()) and keys.check("k", secret) is None


async def test_the_id_of_a_key_is_as_good_as_its_name(world: World) -> None:
    keys = world.service.api_keys
    first, secret = await keys.create(NewApiKey("first"))
    second, other = await keys.create(NewApiKey("second"))
    assert re.fullmatch("[0-9a-f]{16}", first.key_id) and first.key_id != second.key_id
    assert keys.check(first.key_id, secret) == first == keys.check("first", secret)
    assert keys.check(second.key_id, secret) is None and keys.check(first.key_id, other) is None
    changed = await keys.change("first", ApiKeyChange(enabled=False))
    assert changed.key_id == first.key_id and keys.check(first.key_id, secret) is None
    await keys.change("first", ApiKeyChange(enabled=True))
    assert keys.check(first.key_id, secret) == first
    await keys.delete("first")
    assert keys.check(first.key_id, secret) is None and keys.check(second.key_id, other) == second
    again, new = await keys.create(NewApiKey("first"))
    assert keys.check(first.key_id, new) is None and keys.check(again.key_id, new) == again


async def test_a_name_counts_before_an_id(world: World) -> None:
    """Who may make keys can't take another one's place with a name."""
    keys = world.service.api_keys
    first, secret = await keys.create(NewApiKey("first"))
    _, other = await keys.create(NewApiKey(first.key_id, "administrator"))
    found = keys.check(first.key_id, other)
    assert found is not None and found.name == first.key_id
    assert keys.check(first.key_id, secret) is None and keys.check("first", secret) == first


async def test_a_key_of_before_there_were_ids(world: World) -> None:
    value = (
        b'{"role":"viewer","enabled":true,"description":"","created_at":1.0,"expires_at":null,'
        b'"sha256":"%s"}' % sha256(b"rmq_old").hexdigest().encode()
    )
    await world.local.accounts.create(KIND, "old", value)
    keys = world.service.api_keys
    found = keys.check("old", "rmq_old")
    assert found is not None and found.key_id == ""
    assert keys.check("", "rmq_old") is None
