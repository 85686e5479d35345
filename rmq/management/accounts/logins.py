"""Login tokens: whoever has logged in goes on with one, on every node, until its time is over or the login is ended.

A token is a short JSON text and its HMAC with SHA-256, under a secret that all nodes hold. It is no JSON Web Token:
there is one algorithm and one key, so that nothing in it says how it is to be checked, and the library for those, 12 MB
with cryptography, stays out of nodes that have no issuer. Clients take a token as it is, whatever its form.

Nothing is written when somebody logs in, so that it is possible without a quorum too, once there is the secret.
"""

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from secrets import token_bytes, token_hex
from typing import Any, Final

from rmq.management.accounts.store import AccountStore
from rmq.management.errors import AccountExists, AccountNotFound

# The secret of all tokens is the one account of its kind. For each user there is one with how often all logins were
# ended, and one with the ids of single tokens that were ended before their time was over.
SECRET_KIND: Final = "login_secret"
SECRET_NAME: Final = "tokens"
ENDED_KIND: Final = "ended_logins"
ENDED_TOKENS_KIND: Final = "ended_tokens"
# Whoever ends more of his tokens before their time is over ends them all.
MAX_ENDED_TOKENS: Final = 64
SECRET_BYTES: Final = 32
# What every token begins with, so that programs that look for secrets in the wrong places know one.
PREFIX: Final = "rmq_login"
MAX_TOKEN: Final = 2048


class LoginTokenError(Exception):
    """A token that isn't good (any more)."""


class BadLoginToken(LoginTokenError):
    """It was never made here."""

    def __init__(self) -> None:
        super().__init__("nobody here made it")


class OldLoginToken(LoginTokenError):
    """It was good: its time is over, or the login was ended."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """Who logged in, and ``stamp``: what was known of them then (see ``stamp_of``)."""

    name: str
    stamp: str


class LoginTokens:
    """Makes and reads tokens. ``clock``: seconds since 1970. Changes raise what ``AccountStore`` raises."""

    def __init__(self, accounts: AccountStore, clock: Callable[[], float]) -> None:
        self._accounts = accounts
        self._clock = clock

    async def issue(self, name: str, stamp: str, lifetime_s: float) -> str:
        """A token for somebody who has just logged in."""
        secret = self._secret()
        if secret is None:
            try:
                await self._accounts.create(SECRET_KIND, SECRET_NAME, token_bytes(SECRET_BYTES))
            except AccountExists:
                pass  # another node was faster, and its secret is the one of all
            secret = self._secret()
            assert secret is not None, "it is there when that was answered"
        until = self._clock() + lifetime_s
        claims = {"id": token_hex(6), "name": name, "stamp": stamp, "ended": self._ended(name), "until": until}
        content = _encoded(json.dumps(claims, separators=(",", ":")).encode())
        return f"{PREFIX}.{content}.{_encoded(_signature(secret, content))}"

    def read(self, token: str) -> LoggedIn:
        """Whose it is; raises ``BadLoginToken``, ``OldLoginToken``."""
        claims = self._claims(token)
        return LoggedIn(claims["name"], claims["stamp"])

    def _claims(self, token: str) -> dict[str, Any]:
        secret = self._secret()
        parts = token.split(".")
        if secret is None or len(token) > MAX_TOKEN or len(parts) != 3 or parts[0] != PREFIX or not token.isascii():
            raise BadLoginToken
        if not hmac.compare_digest(parts[2], _encoded(_signature(secret, parts[1]))):
            raise BadLoginToken
        try:
            claims: dict[str, Any] = json.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        except (Base64Error, ValueError):
            raise BadLoginToken from None
        if claims["until"] <= self._clock():
            raise OldLoginToken("its time is over")
        if claims["ended"] != self._ended(claims["name"]):
            raise OldLoginToken("that login was ended")
        if claims.get("id") in self._ended_tokens(claims["name"]):
            raise OldLoginToken("that login was ended")
        return claims

    async def end_token(self, token: str) -> None:
        """From now on this token is good on no node, and the others of its user are; raises what ``read`` raises.

        One that was made by an earlier version of rmq has no id: all of its user end.
        """
        claims = self._claims(token)
        name = claims["name"]
        if "id" not in claims:
            await self.end(name)
            return
        now = self._clock()
        ended = {claims["id"]: claims["until"]}

        def with_it(value: bytes) -> bytes:
            return json.dumps({one: until for one, until in json.loads(value).items() if until > now} | ended).encode()

        try:
            value = await self._accounts.change(ENDED_TOKENS_KIND, name, with_it)
        except AccountNotFound:
            try:
                await self._accounts.create(ENDED_TOKENS_KIND, name, with_it(b"{}"))
            except AccountExists:  # another of his was ended meanwhile
                await self._accounts.change(ENDED_TOKENS_KIND, name, with_it)
            return
        if len(json.loads(value)) > MAX_ENDED_TOKENS:
            await self.end(name)
            await self._accounts.change(ENDED_TOKENS_KIND, name, lambda value: b"{}")

    async def end(self, name: str) -> None:
        """From now on no token that this user has is good, on no node."""
        try:
            await self._accounts.change(ENDED_KIND, name, lambda value: str(int(value) + 1).encode())
        except AccountNotFound:
            try:
                await self._accounts.create(ENDED_KIND, name, b"1")
            except AccountExists:
                pass  # somebody else has just ended them

    async def forget(self, name: str) -> None:
        """The user is gone; what their tokens say of them is true of nobody."""
        for kind in (ENDED_KIND, ENDED_TOKENS_KIND):
            try:
                await self._accounts.delete(kind, name)
            except AccountNotFound:
                pass

    def _secret(self) -> bytes | None:
        account = self._accounts.find(SECRET_KIND, SECRET_NAME)
        return None if account is None else account.value

    def _ended(self, name: str) -> int:
        account = self._accounts.find(ENDED_KIND, name)
        return 0 if account is None else int(account.value)

    def _ended_tokens(self, name: str) -> Mapping[str, float]:
        account = self._accounts.find(ENDED_TOKENS_KIND, name)
        if account is None:
            return {}
        found: Mapping[str, float] = json.loads(account.value)
        return found


def looks_like_login(token: str) -> bool:
    """Whether it begins as login tokens do."""
    return token.startswith(f"{PREFIX}.")


def stamp_of(password_hash: str) -> str:
    """What a token has of its user's password: another password, or another user of that name, has another stamp."""
    return sha256(f"{PREFIX} {password_hash}".encode()).hexdigest()[:32]


def _signature(secret: bytes, content: str) -> bytes:
    return hmac.digest(secret, f"{PREFIX}.{content}".encode(), sha256)


def _encoded(content: bytes) -> str:
    return urlsafe_b64encode(content).decode().rstrip("=")
