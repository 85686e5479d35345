"""The accounts that are kept: users, API keys and the like, by kind and name; changed by operations only."""

from typing import Final
from zlib import crc32

from rmq.storage.account_records import (
    ANY_REVISION,
    CHANGED,
    DONE,
    EXISTS,
    FULL,
    MISSING,
    NO_REVISION,
    DeleteAccount,
    PutAccount,
)

# The same on every node, for it decides what applying finds: another number takes another operation.
MAX_ACCOUNTS: Final = 10_000
_MASK: Final = 0x3FFFFFFFFFFFFFF


class Account:
    """One of them. Never changed, only replaced: a snapshot may be reading it. No two ever have one revision."""

    __slots__ = ("kind", "name", "revision", "value")

    def __init__(self, kind: str, name: str, value: bytes, revision: int) -> None:
        self.kind = kind
        self.name = name
        self.value = value
        self.revision = revision


class Accounts:
    """``kinds`` has the accounts by kind and name, ``count`` is how many. ``last_revision`` never goes back.

    ``checksum`` is the same wherever the same accounts are.
    """

    __slots__ = ("checksum", "count", "kinds", "last_revision")

    def __init__(self) -> None:
        self.kinds: dict[str, dict[str, Account]] = {}
        self.count = 0
        self.last_revision = 0
        self.checksum = 0

    def find(self, kind: str, name: str) -> Account | None:
        """One of them, None if it isn't there."""
        accounts = self.kinds.get(kind)
        return None if accounts is None else accounts.get(name)

    def all(self) -> list[Account]:
        """All of all kinds."""
        found: list[Account] = []
        for accounts in self.kinds.values():
            found.extend(accounts.values())
        return found

    def put(self, o: PutAccount) -> None:
        """Apply it, if what it expects is so."""
        before = self.find(o.kind, o.name)
        if before is None:
            if o.expected != NO_REVISION:
                o.outcome = MISSING
                return
            if self.count >= MAX_ACCOUNTS:
                o.outcome = FULL
                return
        elif o.expected == NO_REVISION:
            o.outcome = EXISTS
            return
        elif o.expected != before.revision:
            o.outcome = CHANGED
            return
        o.outcome = DONE
        o.revision = self.last_revision + 1
        self.enter(Account(o.kind, o.name, o.value, o.revision))

    def delete(self, o: DeleteAccount) -> None:
        """Apply it, if what it expects is so."""
        account = self.find(o.kind, o.name)
        if account is None:
            o.outcome = MISSING
        elif o.expected != ANY_REVISION and o.expected != account.revision:
            o.outcome = CHANGED
        else:
            o.outcome = DONE
            self._leave(account)

    def enter(self, account: Account) -> None:
        """Put one in, in the place of the one with its name."""
        before = self.find(account.kind, account.name)
        if before is not None:
            self._leave(before)
        self.kinds.setdefault(account.kind, {})[account.name] = account
        self.count += 1
        self.checksum = (self.checksum + _checksum(account)) & _MASK
        if account.revision > self.last_revision:
            self.last_revision = account.revision

    def _leave(self, account: Account) -> None:
        accounts = self.kinds[account.kind]
        del accounts[account.name]
        if not accounts:
            del self.kinds[account.kind]
        self.count -= 1
        self.checksum = (self.checksum - _checksum(account)) & _MASK


def _checksum(account: Account) -> int:
    named = crc32(account.name.encode(), crc32(account.kind.encode()))
    return (crc32(account.value, named) + 31 * account.revision) * 2654435761 & _MASK
