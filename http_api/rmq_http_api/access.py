"""Who may do what: an open loopback, users with passwords, API keys, tokens.

Whoever sends credentials is judged by them. Without any, a request is open only on a listener that is *bound* to
loopback, with a Host that is local and no sign of a proxy: neither a reverse proxy nor a web page whose name was
rebound to 127.0.0.1 may turn the internet into loopback.
"""

import base64
import hmac
from collections.abc import Callable
from hashlib import sha256
from secrets import token_bytes
from typing import Final, Protocol

import trio

from rmq.management.api_keys import ApiKeys, looks_like_secret
from rmq_http_api.bearers import KeysNotThere, TokenJudge, TokenRefused
from rmq_http_api.calls import ADMINISTRATOR, API_KEY, VIEWER, Caller
from rmq_http_api.config import HttpApiConfig
from rmq_http_api.dialects import OWN, Dialect
from rmq_http_api.errors import RETRY_AFTER_S, ApiError, Unauthorized
from rmq_http_api.failed_logins import FailedLogins
from rmq_http_api.hosts import Request, is_from_elsewhere, is_known_host, is_local

# How long a right password is remembered, and how many: checking one takes 20 ms by intent.
REMEMBERED_S: Final = 300.0
MAX_REMEMBERED: Final = 256
# So many passwords are checked at once; each takes 19 MB for its time.
CHECKED_AT_ONCE: Final = 2
MAX_CREDENTIALS: Final = 8192


class Passwords(Protocol):
    """Checking passwords against their hashes; it takes some 20 ms of processor time."""

    def verified(self, written: str, password: bytes) -> bool:
        """Whether the password is the one of this hash."""

    def unmatched(self) -> str:
        """A hash that no password has, for users that aren't there."""


class Access:
    """Says who asks. ``is_loopback``: the listener is bound to loopback; ``clock`` in seconds, for time-outs.

    ``api_keys`` are those of the cluster, ``tokens`` judge JSON Web Tokens; None: there are no such credentials.
    """

    def __init__(
        self,
        config: HttpApiConfig,
        passwords: Passwords,
        *,
        is_loopback: bool,
        api_keys: ApiKeys | None = None,
        tokens: TokenJudge | None = None,
        clock: Callable[[], float] = trio.current_time,
    ) -> None:
        self._config = config
        self._passwords = passwords
        self._api_keys = api_keys
        self._tokens = tokens
        self._clock = clock
        self._is_open = is_loopback and _opens_loopback(config)
        self._host_names = frozenset(config.host_names)
        self._failures = FailedLogins(clock)
        self._limiter = trio.CapacityLimiter(CHECKED_AT_ONCE)
        self._key = token_bytes(32)
        self._remembered: dict[bytes, tuple[float, Caller]] = {}
        self._users = {user.name: user for user in config.users}
        self._nobody = passwords.unmatched() if config.users else ""

    async def identify(self, request: Request, dialect: Dialect = OWN) -> Caller:
        """Who asks, in this dialect; ``Unauthorized`` without good credentials where they are needed.

        ``ApiError`` 429 after too many bad ones.
        """
        credentials = request.headers.get("authorization")
        if credentials is None:
            return self._without_credentials(request, dialect)
        wait_s = self._failures.wait_s(request.address)
        if wait_s:
            raise ApiError(429, "TOO_MANY_FAILURES", "too many failed logins", {"Retry-After": str(wait_s)})
        try:
            caller = await self._by_credentials(credentials, request.address)
        except TokenRefused as error:
            self._failures.note(request.address)
            raise Unauthorized("bad token", f"this token isn't good: {error}") from None
        if caller is None:
            self._failures.note(request.address)
            raise Unauthorized("wrong", "these credentials aren't known here")
        return caller

    def _without_credentials(self, request: Request, dialect: Dialect) -> Caller:
        is_open = self._is_open and dialect.trusts_loopback
        if is_open and is_local(request):
            return Caller("local", ADMINISTRATOR, request.address, "loopback")
        if self._config.anonymous_may_read and not is_from_elsewhere(request):
            host = request.headers.get("host", "")
            if is_known_host(host, self._host_names):
                return Caller("anonymous", VIEWER, request.address, "anonymous")
            raise Unauthorized(
                "missing", "without credentials the Host must be an address, localhost, or one of host_names"
            )
        if is_open:
            raise Unauthorized(
                "missing", "without credentials only this machine may ask, by a local name and through no proxy"
            )
        raise Unauthorized("missing", "credentials are needed")

    async def _by_credentials(self, credentials: str, address: str) -> Caller | None:
        scheme, _, value = credentials.partition(" ")
        value = value.strip()
        if not value or len(credentials) > MAX_CREDENTIALS:
            return None
        if scheme.lower() == "bearer":
            return await self._by_token(value, address)
        if scheme.lower() == "basic":
            return await self._by_name(value, address)
        return None

    async def _by_token(self, token: str, address: str) -> Caller | None:
        wanted = self._config.http_bearer_token
        if wanted and hmac.compare_digest(token.encode(), wanted.encode()):
            return Caller("token", ADMINISTRATOR, address, "bearer")
        if self._tokens is None:
            return None
        try:
            bearer = await self._tokens.identify(token)
        except KeysNotThere as error:
            raise ApiError(503, "KEYS_UNAVAILABLE", str(error), {"Retry-After": str(RETRY_AFTER_S)}) from None
        return Caller(bearer.name, bearer.role, address, "jwt")

    async def _by_name(self, encoded: str, address: str) -> Caller | None:
        try:
            name, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except ValueError:
            return None
        if not colon:
            return None
        if self._api_keys is not None and looks_like_secret(password):
            key = self._api_keys.check(name, password)
            if key is not None:
                return Caller(key.name, key.role, address, API_KEY)
        if not self._users:
            return None
        return await self._by_password(name, password, encoded, address)

    async def _by_password(self, name: str, password: str, encoded: str, address: str) -> Caller | None:
        seen = hmac.digest(self._key, encoded.encode(), sha256)
        known = self._remembered.get(seen)
        if known is not None and known[0] > self._clock():
            return Caller(known[1].name, known[1].role, address, "basic")
        user = self._users.get(name)
        written = self._nobody if user is None else user.password_hash
        is_right = await trio.to_thread.run_sync(
            self._passwords.verified, written, password.encode(), limiter=self._limiter
        )
        if user is None or not is_right:
            return None
        caller = Caller(user.name, user.role, address, "basic")
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered[seen] = (self._clock() + REMEMBERED_S, caller)
        return caller


def _opens_loopback(config: HttpApiConfig) -> bool:
    if config.loopback_is_open == "auto":
        return not config.has_credentials
    return config.loopback_is_open == "always"
