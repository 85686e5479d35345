"""Who somebody is by name and password: users of the configuration, those of the cluster, and the first administrator.

``admin`` has the password that everybody knows until somebody changes it, so that password counts only where whoever
asks may do everything anyway: on an open loopback, for requests that come from this machine by all signs.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from secrets import token_bytes
from typing import Final

import structlog

from rmq.management.accounts.logins import LoggedIn, OldLoginToken, stamp_of
from rmq.management.accounts.users import ADMIN, DEFAULT_PASSWORD, Users
from rmq_http_api.calls import Caller
from rmq_http_api.config import ApiUser
from rmq_http_api.errors import ApiError, Unauthorized
from rmq_http_api.failed_logins import FailedLogins

log = structlog.get_logger("rmq.http")
audit = structlog.get_logger("rmq.audit")

# How long a right password is remembered, and how many: checking one takes 20 ms by intent.
REMEMBERED_S: Final = 300.0
MAX_REMEMBERED: Final = 256
WARNING_INTERVAL_S: Final = 60.0
DEFAULT_REFUSED: Final = (
    "somebody tried the password that everybody knows, and it doesn't count there: admin/public is for programs on this"
    " machine, at a listener of the HTTP API that is bound to loopback and open (loopback_is_open). Change it there"
    " (rmq-ctl users password admin), or write `users` into the configuration of rmq-http-api"
)
# How it is known who asks: a user of the configuration, one of the cluster, one of either with a login token.
CONFIGURED: Final = "basic"
STORED: Final = "user"
TOKEN: Final = "login"


@dataclass(frozen=True, slots=True)
class Known:
    """Somebody with a password. The hash "" is that of the password that everybody knows."""

    name: str
    role: str
    password_hash: str
    how: str


@dataclass(frozen=True, slots=True)
class Login:
    """Who has just said the right password; ``stamp`` is for a token."""

    caller: Caller
    stamp: str


class PasswordLogins:
    """Checks passwords on one listener. ``clock`` in seconds, for time-outs."""

    def __init__(
        self, configured: list[ApiUser], users: Users, failures: FailedLogins, clock: Callable[[], float]
    ) -> None:
        self._configured = {user.name: user for user in configured}
        self._users = users
        self._failures = failures
        self._clock = clock
        self._key = token_bytes(32)
        self._remembered: dict[bytes, tuple[float, str]] = {}
        self._warned_at = clock() - WARNING_INTERVAL_S

    async def check(self, name: str, password: str, address: str, *, by_default: bool) -> Login:
        """Who that is. ``by_default``: the password that everybody knows counts for who asks.

        ``Unauthorized``; ``ApiError`` 429 after too many failures of this address or for this user.
        """
        refuse_for(self._failures.wait_s(address))
        if not name or not password:
            self._failures.note(address)
            raise Unauthorized("empty", "neither the user name nor the password may be empty")
        known = self._known(name)
        is_default = known is not None and not known.password_hash
        if is_default and not by_default:
            self._warn_of_default(name, password, address)
            known = None
        seen = hmac.digest(self._key, f"{len(name)}:{name}{password}".encode(), sha256)
        if known is None or not self._remembers(seen, known):
            refuse_for(self._failures.user_wait_s(name))
            if not await self._is_right(known, password):
                self._failures.note(address, name)
                audit.warning("login refused", user=name if known is not None else "", address=address)
                raise Unauthorized("wrong", "these credentials aren't known here")
            assert known is not None, "nobody has no password"
            self._remember(seen, known)
        return Login(Caller(known.name, known.role, address, known.how), stamp_of(known.password_hash))

    def by_token(self, login: LoggedIn, address: str, *, by_default: bool) -> Caller:
        """Who has this token, with the role of now; ``OldLoginToken`` if their password is another by now."""
        known = self._known(login.name)
        if known is None or not hmac.compare_digest(login.stamp, stamp_of(known.password_hash)):
            raise OldLoginToken("the user or the password has changed")
        if not known.password_hash and not by_default:
            raise OldLoginToken(f"the password of {ADMIN!r} that everybody knows doesn't count here")
        return Caller(known.name, known.role, address, TOKEN)

    def _known(self, name: str) -> Known | None:
        configured = self._configured.get(name)
        if configured is not None:
            return Known(configured.name, configured.role, configured.password_hash, CONFIGURED)
        user = self._users.find(name)
        return None if user is None else Known(user.name, user.role, user.password_hash, STORED)

    async def _is_right(self, known: Known | None, password: str) -> bool:
        if known is not None and not known.password_hash:
            return hmac.compare_digest(password.encode(), DEFAULT_PASSWORD.encode())
        return await self._users.matches("" if known is None else known.password_hash, password)

    def _remembers(self, seen: bytes, known: Known) -> bool:
        until, written = self._remembered.get(seen, (0.0, ""))
        return until > self._clock() and written == known.password_hash

    def _remember(self, seen: bytes, known: Known) -> None:
        if not known.password_hash:
            return  # costs nothing
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered[seen] = (self._clock() + REMEMBERED_S, known.password_hash)

    def _warn_of_default(self, name: str, password: str, address: str) -> None:
        now = self._clock()
        if password != DEFAULT_PASSWORD or now - self._warned_at < WARNING_INTERVAL_S:
            return
        self._warned_at = now
        log.warning(DEFAULT_REFUSED, user=name, address=address)


def refuse_for(wait_s: int) -> None:
    """``ApiError`` 429 unless there is nothing to wait for."""
    if wait_s:
        raise ApiError(429, "TOO_MANY_FAILURES", "too many failed logins", {"Retry-After": str(wait_s)})
