"""API keys: their secrets, what a check asks for, what can be changed."""

from __future__ import annotations

import pytest

from rmq.management.api_keys import KIND, ApiKey, ApiKeyChange, NewApiKey
from rmq.management.errors import AccountExists, AccountNotFound, BadQuery
from tests.support.engine import START
from tests.unit.management.world import World


async def made(world: World, wanted: NewApiKey) -> str:
    _, secret = await world.service.api_keys.create(wanted)
    return secret


async def test_a_key_opens_with_its_secret_only(world: World) -> None:
    keys = world.service.api_keys
    key, secret = await keys.create(NewApiKey("script", "administrator", description="for backups"))
    assert key == ApiKey("script", "administrator", True, "for backups", START, None)
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
    assert await keys.change("k", ApiKeyChange(enabled=False)) == ApiKey("k", "viewer", False, "", START, START + 60)
    assert keys.check("k", secret) is None
    changed = await keys.change("k", ApiKeyChange("administrator", True, "new"))
    assert changed == ApiKey("k", "administrator", True, "new", START, START + 60) == keys.get("k")
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
        *(("name", name) for name in ("", "a:b", "a b", "-a", ".a", "ü", "a\n", "a" * 65, "a/b", "a\0")),
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


async def test_a_key_must_have_time_left(world: World) -> None:
    with pytest.raises(BadQuery, match="expires_at"):
        await world.service.api_keys.create(NewApiKey("k", expires_at=START))
    assert world.service.api_keys.all() == []
