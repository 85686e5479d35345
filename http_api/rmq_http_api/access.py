"""Who may do what: an open loopback, users with passwords, API keys, tokens.

Whoever sends credentials is judged by them. Without any, a request is open only on a listener that is *bound* to
loopback, with a Host that is local and no sign of a proxy: neither a reverse proxy nor a web page whose name was
rebound to 127.0.0.1 may turn the internet into loopback.
"""

import base64
import hmac
from collections.abc import Callable
from typing import Final

import trio

from rmq.management.accounts.api_keys import ApiKeys, looks_like_secret
from rmq.management.accounts.logins import BadLoginToken, OldLoginToken, looks_like_login
from rmq.management.accounts.users import Users
from rmq_http_api.bearers import KeysNotThere, TokenJudge, TokenOver, TokenRefused
from rmq_http_api.calls import ADMINISTRATOR, API_KEY, VIEWER, Caller
from rmq_http_api.config import HttpApiConfig
from rmq_http_api.dialects import OWN, Dialect
from rmq_http_api.errors import RETRY_AFTER_S, ApiError, Unauthorized
from rmq_http_api.failed_logins import FailedLogins
from rmq_http_api.hosts import Request, is_from_elsewhere, is_known_host, is_local
from rmq_http_api.passwords import PasswordLogins, refuse_for

MAX_CREDENTIALS: Final = 8192


class Access:
    """Says who asks. ``is_loopback``: the listener is bound to loopback; ``clock`` in seconds, for time-outs.

    ``users`` and ``api_keys`` are those of the cluster, ``failures`` those of all listeners; ``tokens`` judge JSON Web
    Tokens, None: there are none.
    """

    def __init__(
        self,
        config: HttpApiConfig,
        users: Users,
        api_keys: ApiKeys,
        failures: FailedLogins,
        *,
        is_loopback: bool,
        tokens: TokenJudge | None = None,
        clock: Callable[[], float] = trio.current_time,
    ) -> None:
        self._config = config
        self._users = users
        self._api_keys = api_keys
        self._failures = failures
        self._tokens = tokens
        self._is_open = is_loopback and _opens_loopback(config)
        self._host_names = frozenset(config.host_names)
        self._passwords = PasswordLogins(config.users, users, failures, clock)

    async def identify(self, request: Request, dialect: Dialect = OWN) -> Caller:
        """Who asks, in this dialect; ``Unauthorized`` without good credentials where they are needed.

        ``ApiError`` 429 after too many bad ones.
        """
        credentials = request.headers.get("authorization")
        if credentials is None:
            return self._without_credentials(request, dialect)
        refuse_for(self._failures.wait_s(request.address))
        scheme, _, value = credentials.partition(" ")
        value = value.strip()
        if value and len(credentials) <= MAX_CREDENTIALS:
            if scheme.lower() == "bearer":
                return await self._by_token(value, request)
            if scheme.lower() == "basic":
                return await self._by_name(value, request)
        raise self._refused(request)

    async def log_in(self, request: Request, name: str, password: str) -> Caller:
        """Who that is, for a route where people log in; as ``identify``."""
        login = await self._passwords.check(name, password, request.address, by_default=self._is_ours(request))
        return login.caller

    async def log_in_for_token(self, request: Request, name: str, password: str) -> tuple[Caller, str]:
        """The same, with a token for the time that the configuration gives it. Raises what a change raises too."""
        login = await self._passwords.check(name, password, request.address, by_default=self._is_ours(request))
        token = await self._users.logins.issue(login.caller.name, login.stamp, self._config.login_lifetime)
        return login.caller, token

    async def log_out(self, request: Request) -> None:
        """The token of this request, which was judged already, is good no more. Raises what a change raises."""
        _, _, token = request.headers["authorization"].partition(" ")
        try:
            await self._users.logins.end_token(token.strip())
        except (BadLoginToken, OldLoginToken):
            pass  # somebody else has just ended it

    def _is_ours(self, request: Request) -> bool:
        """Whether the request may do everything without credentials."""
        return self._is_open and is_local(request)

    def _refused(self, request: Request) -> Unauthorized:
        self._failures.note(request.address)
        return Unauthorized("wrong", "these credentials aren't known here")

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

    async def _by_token(self, token: str, request: Request) -> Caller:
        wanted = self._config.http_bearer_token
        if wanted and hmac.compare_digest(token.encode(), wanted.encode()):
            return Caller("token", ADMINISTRATOR, request.address, "bearer")
        try:
            if looks_like_login(token):
                login = self._users.logins.read(token)
                return self._passwords.by_token(login, request.address, by_default=self._is_ours(request))
            if self._tokens is None:
                raise self._refused(request)
            bearer = await self._tokens.identify(token)
        except KeysNotThere as error:
            raise ApiError(503, "KEYS_UNAVAILABLE", str(error), {"Retry-After": str(RETRY_AFTER_S)}) from None
        except (OldLoginToken, TokenOver) as error:
            # Nobody guesses a token that was good: who goes on with one may log in again at once.
            raise Unauthorized("old token", f"this token isn't good: {error}") from None
        except (BadLoginToken, TokenRefused) as error:
            self._failures.note(request.address)
            raise Unauthorized("bad token", f"this token isn't good: {error}") from None
        return Caller(bearer.name, bearer.role, request.address, "jwt")

    async def _by_name(self, encoded: str, request: Request) -> Caller:
        try:
            name, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except ValueError:
            raise self._refused(request) from None
        if not colon:
            raise self._refused(request)
        if looks_like_secret(password):
            key = self._api_keys.check(name, password)
            if key is not None:
                return Caller(key.name, key.role, request.address, API_KEY)
        return await self.log_in(request, name, password)


def _opens_loopback(config: HttpApiConfig) -> bool:
    if config.loopback_is_open == "auto":
        return not config.has_credentials
    return config.loopback_is_open == "always"
