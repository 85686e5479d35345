"""API keys: names with a secret each, by which programs use the APIs of all nodes.

A key has an id of its own beside its name, for dialects that show it in place of the name; either goes with the secret.

A secret is 32 random bytes: nobody guesses one however fast it can be checked, so that a plain SHA-256 is kept of it
and a check costs next to nothing. Argon2, which makes guessing slow, is for passwords: people choose those.
"""

import hmac
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from secrets import token_hex, token_urlsafe
from typing import Final

from rmq.management.accounts.store import AccountStore
from rmq.management.errors import BadQuery

KIND: Final = "api_key"
ROLES: Final = ("viewer", "administrator")
# What every secret begins with, so that programs that look for secrets in the wrong places know one.
PREFIX: Final = "rmq_"
SECRET_BYTES: Final = 32
KEY_ID_BYTES: Final = 8
MAX_DESCRIPTION: Final = 512
# 9999-12-31: what every calendar still knows.
LATEST: Final = 253_402_214_400.0
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,255}")
_NO_HASH: Final = "0" * 64


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret. Times in seconds since 1970; ``expires_at`` None: never.

    ``key_id`` is "" for a key that was made before there were ids.
    """

    name: str
    role: str
    enabled: bool
    description: str
    created_at: float
    expires_at: float | None
    key_id: str = ""

    def is_over(self, now: float) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and self.expires_at <= now


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """What is asked for. A key whose time is over already is one that opens nothing until it is changed."""

    name: str
    role: str = "viewer"
    enabled: bool = True
    description: str = ""
    expires_at: float | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise BadQuery("name", "has up to 256 letters, digits, '.', '_' and '-', and begins with a letter or digit")
        _check(self.role, self.description, self.expires_at)


@dataclass(frozen=True, slots=True)
class ApiKeyChange:
    """What is to be otherwise; None: stays. ``expires_at`` counts if ``sets_expiry``."""

    role: str | None = None
    enabled: bool | None = None
    description: str | None = None
    expires_at: float | None = None
    sets_expiry: bool = False

    def __post_init__(self) -> None:
        _check(self.role or ROLES[0], self.description or "", self.expires_at)


class ApiKeys:
    """The keys, the same on all nodes. ``clock``: seconds since 1970. Raises what ``AccountStore`` raises."""

    def __init__(self, accounts: AccountStore, clock: Callable[[], float]) -> None:
        self._accounts = accounts
        self.clock = clock
        self._ids = KeyIds(accounts)

    def all(self) -> list[ApiKey]:
        """All of them, by name."""
        return [_read(account.name, account.value)[0] for account in self._accounts.all(KIND)]

    def get(self, name: str) -> ApiKey:
        """One of them."""
        return _read(name, self._accounts.get(KIND, name).value)[0]

    async def create(self, wanted: NewApiKey) -> tuple[ApiKey, str]:
        """A new key and its secret, which is kept nowhere."""
        key = ApiKey(
            wanted.name,
            wanted.role,
            wanted.enabled,
            wanted.description,
            self.clock(),
            wanted.expires_at,
            token_hex(KEY_ID_BYTES),
        )
        secret = PREFIX + token_urlsafe(SECRET_BYTES)
        await self._accounts.create(KIND, key.name, _written(key, _hash(secret)))
        return key, secret

    async def change(self, name: str, change: ApiKeyChange) -> ApiKey:
        """Change what isn't its name or secret; answers what it is now."""

        def edit(value: bytes) -> bytes:
            key, hashed = _read(name, value)
            changed = replace(
                key,
                role=key.role if change.role is None else change.role,
                enabled=key.enabled if change.enabled is None else change.enabled,
                description=key.description if change.description is None else change.description,
                expires_at=change.expires_at if change.sets_expiry else key.expires_at,
            )
            return _written(changed, hashed)

        return _read(name, await self._accounts.change(KIND, name, edit))[0]

    async def delete(self, name: str) -> None:
        """From now on it opens nothing."""
        await self._accounts.delete(KIND, name)

    def check(self, name: str, secret: str) -> ApiKey | None:
        """The key that a name or an id and a secret belong to; None if there is none.

        None too if it isn't enabled, or if its time is over.
        """
        account = self._accounts.find(KIND, name)
        if account is None:
            name = self._ids.name_of(name)
            account = self._accounts.find(KIND, name)
        key, hashed = (None, _NO_HASH) if account is None else _read(name, account.value)
        if not hmac.compare_digest(_hash(secret), hashed) or key is None:
            return None
        return key if key.enabled and not key.is_over(self.clock()) else None


class KeyIds:
    """The names of keys by their ids; brought up to date when it is asked and accounts have changed."""

    def __init__(self, accounts: AccountStore) -> None:
        self._accounts = accounts
        self._as_of: object = None
        self._read: dict[str, tuple[int, str]] = {}
        self._names: dict[str, str] = {}

    def name_of(self, key_id: str) -> str:
        """The name, "" if there is no such key."""
        as_of = self._accounts.as_of
        if as_of != self._as_of:
            before, self._read = self._read, {}
            for account in self._accounts.all(KIND):  # only new values are read: there may be thousands
                known = before.get(account.name)
                if known is None or known[0] != account.revision:
                    known = (account.revision, _read(account.name, account.value)[0].key_id)
                self._read[account.name] = known
            self._names = {known[1]: name for name, known in self._read.items() if known[1]}
            self._as_of = as_of
        return self._names.get(key_id, "")


def looks_like_secret(text: str) -> bool:
    """Whether it begins as the secrets of keys do."""
    return text.startswith(PREFIX)


def _hash(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def _written(key: ApiKey, hashed: str) -> bytes:
    fields = asdict(key)
    del fields["name"]
    return json.dumps({**fields, "sha256": hashed}, separators=(",", ":")).encode()


def _read(name: str, value: bytes) -> tuple[ApiKey, str]:
    fields = json.loads(value)
    hashed: str = fields["sha256"]
    key = ApiKey(
        name,
        fields["role"],
        fields["enabled"],
        fields["description"],
        fields["created_at"],
        fields["expires_at"],
        fields.get("key_id", ""),
    )
    return key, hashed


def _check(role: str, description: str, expires_at: float | None) -> None:
    if role not in ROLES:
        raise BadQuery("role", f"must be one of {', '.join(ROLES)}")
    if len(description) > MAX_DESCRIPTION:
        raise BadQuery("description", f"has no more than {MAX_DESCRIPTION} characters")
    if expires_at is not None and not 0 <= expires_at <= LATEST:
        raise BadQuery("expires_at", "isn't a time between 1970 and 9999")
