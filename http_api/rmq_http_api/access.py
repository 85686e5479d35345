"""Who may do what: an open loopback, users with passwords, a bearer token.

Whoever sends credentials is judged by them. Without any, a request is open only on a listener that is *bound* to
loopback, with a Host that is local and no sign of a proxy: neither a reverse proxy nor a web page whose name was
rebound to 127.0.0.1 may turn the internet into loopback.
"""

import base64
import hmac
import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from secrets import token_bytes
from typing import Final, Protocol
from urllib.parse import urlsplit

import trio

from rmq_http_api.calls import ADMINISTRATOR, VIEWER, Caller
from rmq_http_api.config import HttpApiConfig
from rmq_http_api.errors import ApiError
from rmq_http_api.failed_logins import FailedLogins

# What only proxies add; the first is RFC 7239.
PROXY_HEADERS: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")
CHALLENGE: Final = 'Basic realm="rmq", charset="UTF-8", Bearer realm="rmq"'
# How long a right password is remembered, and how many: checking one takes 20 ms by intent.
REMEMBERED_S: Final = 300.0
MAX_REMEMBERED: Final = 256
# So many passwords are checked at once; each takes 19 MB for its time.
CHECKED_AT_ONCE: Final = 2
MAX_CREDENTIALS: Final = 4096


class Passwords(Protocol):
    """Checking passwords against their hashes; it takes some 20 ms of processor time."""

    def verified(self, written: str, password: bytes) -> bool:
        """Whether the password is the one of this hash."""

    def unmatched(self) -> str:
        """A hash that no password has, for users that aren't there."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is known of who asks. ``headers`` by small names; ``address`` is the peer's, "" if it isn't known."""

    method: str
    address: str
    headers: Mapping[str, str]


class Access:
    """Says who asks. ``is_loopback``: the listener is bound to loopback; ``clock`` in seconds, for time-outs."""

    def __init__(
        self,
        config: HttpApiConfig,
        passwords: Passwords,
        *,
        is_loopback: bool,
        clock: Callable[[], float] = trio.current_time,
    ) -> None:
        self._config = config
        self._passwords = passwords
        self._clock = clock
        self._is_open = is_loopback and _opens_loopback(config)
        self._failures = FailedLogins(clock)
        self._limiter = trio.CapacityLimiter(CHECKED_AT_ONCE)
        self._key = token_bytes(32)
        self._remembered: dict[bytes, tuple[float, Caller]] = {}
        self._users = {user.name: user for user in config.users}
        self._nobody = passwords.unmatched() if config.users else ""

    async def identify(self, request: Request) -> Caller:
        """Who asks; ``ApiError`` 401 without good credentials where they are needed, 429 after too many bad ones."""
        credentials = request.headers.get("authorization")
        if credentials is None:
            return self._without_credentials(request)
        wait_s = self._failures.wait_s(request.address)
        if wait_s:
            raise ApiError(429, "TOO_MANY_FAILURES", "too many failed logins", {"Retry-After": str(wait_s)})
        caller = await self._by_credentials(credentials, request.address)
        if caller is None:
            self._failures.note(request.address)
            raise _unauthorized("these credentials aren't known here")
        return caller

    def _without_credentials(self, request: Request) -> Caller:
        if self._is_open and is_local(request):
            return Caller("local", ADMINISTRATOR, request.address, "loopback")
        if self._config.anonymous_may_read and not _is_from_elsewhere(request):
            return Caller("anonymous", VIEWER, request.address, "anonymous")
        if self._is_open:
            raise _unauthorized("without credentials only this machine may ask, by a local name and through no proxy")
        raise _unauthorized("credentials are needed")

    async def _by_credentials(self, credentials: str, address: str) -> Caller | None:
        scheme, _, value = credentials.partition(" ")
        value = value.strip()
        if not value or len(credentials) > MAX_CREDENTIALS:
            return None
        if scheme.lower() == "bearer":
            return self._by_token(value, address)
        if scheme.lower() == "basic":
            return await self._by_password(value, address)
        return None

    def _by_token(self, token: str, address: str) -> Caller | None:
        wanted = self._config.http_bearer_token
        if wanted and hmac.compare_digest(token.encode(), wanted.encode()):
            return Caller("token", ADMINISTRATOR, address, "bearer")
        return None

    async def _by_password(self, encoded: str, address: str) -> Caller | None:
        try:
            name, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except ValueError:
            return None
        if not colon or not self._users:
            return None
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


def is_local(request: Request) -> bool:
    """Whether a request without credentials came from this machine by all signs."""
    if any(name in request.headers for name in PROXY_HEADERS):
        return False
    return (
        _is_loopback(request.address)
        and is_local_host(request.headers.get("host", ""))
        and not _is_from_elsewhere(request)
    )


def is_local_host(host: str) -> bool:
    """Whether a ``Host`` header names this machine: ``localhost``, 127.0.0.0/8 or ``[::1]``, with any port."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name == "localhost" or _is_loopback(name)


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _is_from_elsewhere(request: Request) -> bool:
    """Whether a browser says that a page of somebody else asks (Fetch metadata; Origin, RFC 6454)."""
    if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return True
    origin = request.headers.get("origin")
    if origin is None:
        return False
    return urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower()


def _opens_loopback(config: HttpApiConfig) -> bool:
    if config.loopback_is_open == "auto":
        return not config.has_credentials
    return config.loopback_is_open == "always"


def _unauthorized(message: str) -> ApiError:
    return ApiError(401, "UNAUTHORIZED", message, {"WWW-Authenticate": CHALLENGE})
