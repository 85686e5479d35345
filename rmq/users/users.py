"""The users of a node: who they are by password and by SCRAM, as hook handlers; read anew on demand."""

import secrets
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from rmq.hooks.registry import HookRegistry
from rmq.hooks.verdicts import ALLOW, DENY, LATER, AuthRequest, AuthResult, EnhancedAuthRequest
from rmq.metrics.counters import Counters
from rmq.mqtt import codes
from rmq.users import hashing
from rmq.users.login_check import LoginCheck, wrong_login
from rmq.users.password_file import UserTable, read_table
from rmq.users.record import User
from rmq.users.scram import MECHANISM, Exchange, ScramError, Verifier, fake_verifier

log = structlog.get_logger(__name__)

OWNER: Final = "users"
# Behind every plugin: those that know better decide first, and this one knows of nobody who isn't in its file.
PRIORITY: Final = -100
NONCE_BYTES: Final = 24


class Users:
    """Everybody in a password file. All calls belong to the node's one trio thread.

    ``threads`` check passwords at a time, at most ``queue_limit`` logins wait for one; ``cache_ttl_s`` is how long a
    right login is remembered; ``now`` gives seconds on a clock that never goes back. Raises ``UsersFileError``.
    """

    def __init__(
        self,
        path: Path,
        counters: Counters,
        now: Callable[[], float],
        threads: int,
        queue_limit: int,
        cache_ttl_s: float,
    ) -> None:
        self._path = path
        self._check = LoginCheck(counters, now, threads, queue_limit, cache_ttl_s)
        self._table = self._read()
        self._unmatched = hashing.unmatched(self._table.cost)

    def __len__(self) -> int:
        return len(self._table.users)

    @property
    def path(self) -> Path:
        """The password file."""
        return self._path

    def register(self, hooks: HookRegistry) -> None:
        """Take part in deciding who may connect."""
        hooks.register("client_authenticate", self.authenticate, OWNER, PRIORITY)
        hooks.register("client_enhanced_auth", self.enhanced_auth, OWNER, PRIORITY)

    def reload(self) -> None:
        """Read the file again. Raises ``UsersFileError``, and then everything stays as it was.

        Who is connected stays so; remembered logins of users that are gone or were changed are forgotten.
        """
        table = self._read()
        before = self._table.users
        for name, user in table.users.items():
            old = before.get(name)
            if old is not None and user.same_as(old):
                table.users[name] = old
        if table.cost != self._table.cost:
            self._unmatched = hashing.unmatched(table.cost)
        self._table = table
        self._check.cache.keep_only(table.users)

    async def authenticate(self, request: AuthRequest) -> AuthResult | None:
        """By user name and password; a client without a user name is the listener's business."""
        name = request.client.username
        if name is None:
            return None
        if request.certificate_name is not None:
            # The certificate is the proof; the file only knows more about the user, if it knows it at all.
            known = self._table.users.get(request.certificate_name)
            return AuthResult(ALLOW, known is not None and known.superuser)
        password = request.password if request.password is not None else b""
        return await self._check.judge(name, password, self._find, self._unmatched)

    def _find(self, name: str) -> User | None:
        return self._table.users.get(name)

    def enhanced_auth(self, request: EnhancedAuthRequest) -> AuthResult | None:
        """One step of SCRAM-SHA-256; other methods are left to others."""
        if request.method != MECHANISM:
            return None
        exchange = request.state
        try:
            if isinstance(exchange, Exchange):
                return self._last_step(exchange, request.data)
            if request.data is None and request.step == 0:
                return AuthResult(LATER)  # the client lets the server begin; SCRAM has the client begin (RFC 5802, 5)
            return self._first_step(request.data)
        except ScramError as error:
            return AuthResult(DENY, reason_code=codes.PROTOCOL_ERROR, reason_string=f"{MECHANISM}: {error}")

    def _first_step(self, data: bytes | None) -> AuthResult:
        exchange = Exchange()
        nonce = b64encode(secrets.token_bytes(NONCE_BYTES)).decode()
        challenge = exchange.first(data or b"", self._verifier_of, nonce)
        return AuthResult(LATER, auth_data=challenge, state=exchange)

    def _last_step(self, exchange: Exchange, data: bytes | None) -> AuthResult:
        signature = exchange.final(data or b"")
        user = self._table.users.get(exchange.username)
        # The very verifier: a password changed in between is a wrong one.
        if signature is None or user is None or user.verifier is not exchange.verifier:
            return wrong_login()
        return AuthResult(ALLOW, user.superuser, auth_data=signature, username=user.name)

    def _verifier_of(self, name: str) -> Verifier:
        table = self._table
        user = table.users.get(name)
        fake = fake_verifier(table.secret, name, table.iterations)  # made for everybody: it takes its time for all
        return fake if user is None or user.verifier is None else user.verifier

    def _read(self) -> UserTable:
        table = read_table(self._path)
        if table.others_may_read:
            log.warning("others may read the password file", file=str(self._path), mend=f"chmod 600 {self._path}")
        return table
