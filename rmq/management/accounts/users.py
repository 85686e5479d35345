"""Users of the APIs: names with a password and a role, the same on all nodes.

``admin`` is always there. Until somebody gives it a password of its own it has the one that everybody knows, and it is
up to whoever asks for passwords where that one counts: ``User.has_default_password``.
"""

import hmac
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Final, Protocol

import trio

from rmq.management.accounts.logins import LoginTokens
from rmq.management.accounts.store import AccountStore
from rmq.management.errors import AccountExists, AdminStays, BadQuery, WrongPassword

KIND: Final = "user"
ROLES: Final = ("viewer", "administrator")
ADMIN: Final = "admin"
DEFAULT_PASSWORD: Final = "public"
# In characters. Dialects may ask for more; "root" is what documents of EMQX show.
MIN_PASSWORD: Final = 4
MAX_PASSWORD: Final = 256
MAX_TEXT: Final = 512
# A hash that no password has.
NO_PASSWORD: Final = "!"
# So many passwords are hashed at once; each takes 19 MB and a core for its time.
HASHED_AT_ONCE: Final = 2
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@+-]{0,127}")


class PasswordHashes(Protocol):
    """Hashes of passwords (argon2id). They take some 20 ms of processor time by intent: they belong in a thread."""

    def hashed(self, password: bytes) -> str:
        """The password's hash with a salt of its own."""

    def verified(self, written: str, password: bytes) -> bool:
        """Whether the password is the one of this hash."""

    def unmatched(self) -> str:
        """A hash that no password has."""

    def brought(self, digest: str, place: str, salt: bytes, hashed: bytes) -> str:
        """A hash of another program inside one of ours: a ``digest`` of password and salt, its "prefix" or "suffix".

        ``ValueError`` for one that can't be.
        """


@dataclass(frozen=True, slots=True)
class User:
    """A user. ``created_at`` in seconds since 1970; the hash "" is that of the password that everybody knows."""

    name: str
    role: str
    description: str
    email: str
    created_at: float
    password_hash: str = field(repr=False)

    @property
    def has_default_password(self) -> bool:
        """Whether it is ``admin`` and nobody has changed its password."""
        return not self.password_hash


@dataclass(frozen=True, slots=True)
class NewUser:
    """What is asked for."""

    name: str
    password: str = field(repr=False)
    role: str = "viewer"
    description: str = ""
    email: str = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise BadQuery(
                "name", "has up to 128 letters, digits and '._@+-', and begins with a letter, a digit or '_'"
            )
        check_password(self.password)
        _check(self.role, self.description, self.email)


@dataclass(frozen=True, slots=True)
class UserChange:
    """What is to be otherwise; None: stays."""

    role: str | None = None
    description: str | None = None
    email: str | None = None

    def __post_init__(self) -> None:
        _check(self.role or ROLES[0], self.description or "", self.email or "")


class Users:
    """The users, the same on all nodes. ``clock``: seconds since 1970. Raises what ``AccountStore`` raises.

    ``logins`` are their tokens.
    """

    def __init__(self, accounts: AccountStore, clock: Callable[[], float], hashes: PasswordHashes) -> None:
        self._accounts = accounts
        self._clock = clock
        self._hashes = hashes
        self._limiter = trio.CapacityLimiter(HASHED_AT_ONCE)
        self._unmatched = ""
        self.logins = LoginTokens(accounts, clock)

    def all(self) -> list[User]:
        """All of them, by name."""
        found = [_read(account.name, account.value) for account in self._accounts.all(KIND)]
        if self._accounts.find(KIND, ADMIN) is None:
            found.append(_FIRST)
            found.sort(key=lambda user: user.name)
        return found

    def find(self, name: str) -> User | None:
        """One of them, None if it isn't there."""
        account = self._accounts.find(KIND, name)
        if account is None:
            return _FIRST if name == ADMIN else None
        return _read(name, account.value)

    def get(self, name: str) -> User:
        """One of them; raises ``AccountNotFound``."""
        found = self.find(name)
        return _read(name, self._accounts.get(KIND, name).value) if found is None else found

    async def create(self, wanted: NewUser) -> User:
        """A new user; ``AccountExists`` also for ``admin``, which is always there."""
        if self.find(wanted.name) is not None:
            raise AccountExists(KIND, wanted.name)
        written = await self._hashed(wanted.password)
        user = User(wanted.name, wanted.role, wanted.description, wanted.email, self._clock(), written)
        await self._accounts.create(KIND, user.name, _written(user))
        return user

    async def change(self, name: str, change: UserChange) -> User:
        """Change what isn't name or password; raises ``AdminStays`` for a role of ``admin`` that is less."""
        if name == ADMIN and change.role not in (None, ROLES[-1]):
            raise AdminStays(KIND, name)

        def edit(user: User) -> User:
            return replace(
                user,
                role=user.role if change.role is None else change.role,
                description=user.description if change.description is None else change.description,
                email=user.email if change.email is None else change.email,
            )

        return await self._edit(name, edit)

    async def set_password(self, name: str, password: str) -> User:
        """Give another password, as an administrator may. Every token of the user is over."""
        check_password(password)
        self.get(name)
        written = await self._hashed(password)
        return await self._edit(name, lambda user: replace(user, password_hash=written))

    async def change_password(self, name: str, old: str, new: str) -> User:
        """Give another password, as the user may; raises ``WrongPassword``. Every token of the user is over."""
        check_password(new, "new password")
        known = self.get(name)
        if not await self.is_password(known, old):
            raise WrongPassword(KIND, name)
        written = await self._hashed(new)

        def edit(user: User) -> User:
            if user.password_hash != known.password_hash:
                raise WrongPassword(KIND, name)  # somebody else has just changed it
            return replace(user, password_hash=written)

        return await self._edit(name, edit)

    async def delete(self, name: str) -> None:
        """The user is gone, with every token; raises ``AdminStays``."""
        if name == ADMIN:
            raise AdminStays(KIND, name)
        await self._accounts.delete(KIND, name)
        await self.logins.forget(name)

    async def is_password(self, user: User | None, password: str) -> bool:
        """Whether it is the user's; None takes as long, and no password is theirs."""
        if user is not None and user.has_default_password:
            return hmac.compare_digest(password.encode(), DEFAULT_PASSWORD.encode())
        return await self.matches("" if user is None else user.password_hash, password)

    async def matches(self, written: str, password: str) -> bool:
        """Whether the password is the one of a hash; for "" it takes as long, and none is."""
        if not self._unmatched:
            self._unmatched = self._hashes.unmatched()
        is_right = await trio.to_thread.run_sync(
            self._hashes.verified, written or self._unmatched, password.encode(), limiter=self._limiter
        )
        return bool(written) and is_right

    async def _hashed(self, password: str) -> str:
        return await trio.to_thread.run_sync(self._hashes.hashed, password.encode(), limiter=self._limiter)

    async def _edit(self, name: str, edit: Callable[[User], User]) -> User:
        if name == ADMIN and self._accounts.find(KIND, ADMIN) is None:
            first = edit(_FIRST)
            try:
                await self._accounts.create(KIND, ADMIN, _written(first))
            except AccountExists:
                pass  # somebody else was faster: what they made is changed
            else:
                return first
        value = await self._accounts.change(KIND, name, lambda value: _written(edit(_read(name, value))))
        return _read(name, value)


_FIRST: Final = User(ADMIN, ROLES[-1], "administrator", "", 0.0, "")


def check_password(password: str, what: str = "password") -> None:
    """Raise ``BadQuery`` for what can't be one."""
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise BadQuery(what, f"has from {MIN_PASSWORD} to {MAX_PASSWORD} characters")


def _written(user: User) -> bytes:
    fields = asdict(user)
    del fields["name"]
    return json.dumps(fields, separators=(",", ":")).encode()


def _read(name: str, value: bytes) -> User:
    """The user of an account. Accounts are imported from files too: what can't be read gives nobody any right."""
    fields = json.loads(value)
    role, written, made = fields.get("role"), fields.get("password_hash"), fields.get("created_at")
    if not isinstance(written, str) or (not written and name != ADMIN):
        written = NO_PASSWORD
    return User(
        name,
        role if role in ROLES else ROLES[0],
        str(fields.get("description", "")),
        str(fields.get("email", "")),
        float(made) if isinstance(made, int | float) else 0.0,
        written,
    )


def _check(role: str, description: str, email: str) -> None:
    if role not in ROLES:
        raise BadQuery("role", f"must be one of {', '.join(ROLES)}")
    for name, text in (("description", description), ("email", email)):
        if len(text) > MAX_TEXT:
            raise BadQuery(name, f"has no more than {MAX_TEXT} characters")
