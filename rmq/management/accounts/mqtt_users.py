"""Users of MQTT that are kept by all nodes: a name, a hash of a password, and whether they are superusers.

The users of APIs are others (``users``).
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

import trio

from rmq.management.accounts.store import MAX_NAME, AccountStore
from rmq.management.accounts.users import HASHED_AT_ONCE, PasswordHashes
from rmq.management.errors import AccountExists, BadQuery
from rmq.storage.accounts import Account

KIND: Final = "mqtt_user"
# CONNECT has room for more [MQTT-3.1.3-12], people don't need it.
MAX_PASSWORD: Final = 1024


@dataclass(frozen=True, slots=True)
class MqttUser:
    """A user; ``password_hash`` is argon2id."""

    name: str
    superuser: bool
    password_hash: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SaltedHash:
    """What another program has made of a password: a ``digest`` over it, and its salt at this ``place``."""

    digest: Literal["md5", "sha1", "sha256", "sha512"]
    place: Literal["prefix", "suffix"]
    salt: bytes
    hashed: bytes = field(repr=False)


class MqttUsers:
    """The users, the same on all nodes. Raises what ``AccountStore`` raises, and ``BadQuery``.

    Who is connected stays so, whatever becomes of the user.
    """

    def __init__(self, accounts: AccountStore, hashes: PasswordHashes) -> None:
        self._accounts = accounts
        self._hashes = hashes
        self._limiter = trio.CapacityLimiter(HASHED_AT_ONCE)

    def all(self) -> list[MqttUser]:
        """All of them, by name."""
        return [read_mqtt_user(account) for account in self._accounts.all(KIND)]

    def get(self, name: str) -> MqttUser:
        """One of them."""
        return read_mqtt_user(self._accounts.get(KIND, name))

    async def create(self, name: str, password: str, *, superuser: bool = False) -> MqttUser:
        """A new user."""
        if not 0 < len(name) <= MAX_NAME:
            raise BadQuery("user_id", f"has from 1 to {MAX_NAME} characters")
        user = MqttUser(name, superuser, await self._hashed(password))
        await self._accounts.create(KIND, name, _written(user))
        return user

    async def bring(self, name: str, password: SaltedHash, *, superuser: bool = False) -> bool:
        """A user with a hash of another program; one that is there gets it too.

        Answers whether there was one.
        """
        if not 0 < len(name) <= MAX_NAME:
            raise BadQuery("user_id", f"has from 1 to {MAX_NAME} characters")
        try:
            written = await trio.to_thread.run_sync(
                self._hashes.brought,
                password.digest,
                password.place,
                password.salt,
                password.hashed,
                limiter=self._limiter,
            )
        except ValueError as error:
            raise BadQuery("password_hash", str(error)) from None
        value = _written(MqttUser(name, superuser, written))
        try:
            await self._accounts.create(KIND, name, value)
        except AccountExists:
            await self._accounts.change(KIND, name, lambda before: value)
            return True
        return False

    async def change(self, name: str, password: str | None = None, superuser: bool | None = None) -> MqttUser:
        """Give another password, or other rights; None: stays."""
        hashed = None if password is None else await self._hashed(password)

        def changed(value: bytes) -> bytes:
            before = _read(name, value)
            return _written(
                MqttUser(
                    name,
                    before.superuser if superuser is None else superuser,
                    before.password_hash if hashed is None else hashed,
                )
            )

        return _read(name, await self._accounts.change(KIND, name, changed))

    async def delete(self, name: str) -> None:
        """The user is gone."""
        await self._accounts.delete(KIND, name)

    async def _hashed(self, password: str) -> str:
        if not 0 < len(password) <= MAX_PASSWORD:
            raise BadQuery("password", f"has from 1 to {MAX_PASSWORD} characters")
        make: Callable[[bytes], str] = self._hashes.hashed
        return await trio.to_thread.run_sync(make, password.encode(), limiter=self._limiter)


def read_mqtt_user(account: Account) -> MqttUser:
    """The user that an account keeps."""
    return _read(account.name, account.value)


def _written(user: MqttUser) -> bytes:
    fields = {"superuser": user.superuser, "password_hash": user.password_hash}
    return json.dumps(fields, separators=(",", ":")).encode()


def _read(name: str, value: bytes) -> MqttUser:
    fields = json.loads(value)
    return MqttUser(name, fields["superuser"], fields["password_hash"])
