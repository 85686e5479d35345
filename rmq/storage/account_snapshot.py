"""The records of a snapshot that accounts have; there are none as long as there never was an account."""

from collections.abc import Iterator
from typing import Any, Final

from rmq.storage.accounts import Account, Accounts

ACCOUNTS: Final = "accounts"
PER_RECORD: Final = 100


def account_records(accounts: Accounts) -> Iterator[list[object]]:
    """The records of the accounts as they are now; made one by one later, of a list that is copied now."""
    return _records(accounts.last_revision, accounts.all())


def _records(last_revision: int, accounts: list[Account]) -> Iterator[list[object]]:
    if not last_revision:
        return
    for i in range(0, max(len(accounts), 1), PER_RECORD):
        some = accounts[i : i + PER_RECORD]
        yield [ACCOUNTS, last_revision, [[a.kind, a.name, a.value, a.revision] for a in some]]


def enter_account_record(accounts: Accounts, fields: list[Any]) -> bool:
    """Enter what a record has; False when it is of another kind."""
    if fields[0] != ACCOUNTS:
        return False
    for kind, name, value, revision in fields[2]:
        accounts.enter(Account(kind, name, value, revision))
    accounts.last_revision = fields[1]
    return True
