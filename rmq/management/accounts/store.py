"""The accounts that all nodes hold: read here, and changed on all of them at once.

What an account has is bytes, which are the business of whoever has that kind: ``api_keys``, say.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from rmq.management.errors import (
    AccountExists,
    AccountNotFound,
    BadQuery,
    BusyAccount,
    NotKnownEverywhere,
    OutcomeUnknown,
    TooManyAccounts,
)
from rmq.storage import account_records as records
from rmq.storage.account_records import ACCOUNT_LEVEL, ANY_REVISION, NO_REVISION, DeleteAccount, PutAccount
from rmq.storage.accounts import MAX_ACCOUNTS, Account

if TYPE_CHECKING:
    from rmq.management.local import LocalNode

MAX_NAME: Final = 256
MAX_VALUE: Final = 8192
# How often a change is made anew because somebody else's came in between.
TRIES: Final = 5
# So many are taken out in one change.
DELETED_AT_ONCE: Final = 256


class AccountStore:
    """Accounts by kind and name.

    A change returns when every node that isn't down has it and a loss of power wouldn't undo it. It raises
    ``StorageUnavailable`` and ``OutcomeUnknown`` as every change does: without a quorum, for one. What this node holds
    can always be read; while it is cut off from the others it may be old.
    """

    def __init__(self, node: "LocalNode") -> None:
        self._node = node

    @property
    def as_of(self) -> tuple[int, int]:
        """Another one than before if any account has changed; for who keeps what he makes of them."""
        accounts = self._node.broker.state.accounts
        return accounts.last_revision, accounts.checksum

    def all(self, kind: str) -> list[Account]:
        """The accounts of a kind, by name."""
        accounts = self._node.broker.state.accounts.kinds.get(kind, {})
        return [accounts[name] for name in sorted(accounts)]

    def count(self, kind: str) -> int:
        """How many of a kind there are."""
        return len(self._node.broker.state.accounts.kinds.get(kind, ()))

    def find(self, kind: str, name: str) -> Account | None:
        """One of them, None if it isn't there."""
        return self._node.broker.state.accounts.find(kind, name)

    def get(self, kind: str, name: str) -> Account:
        """One of them; raises ``AccountNotFound``."""
        account = self.find(kind, name)
        if account is None:
            raise AccountNotFound(kind, name)
        return account

    async def create(self, kind: str, name: str, value: bytes) -> None:
        """Make one; raises ``AccountExists``, ``TooManyAccounts``."""
        operation = PutAccount(kind, name, value, NO_REVISION)
        await self._put(operation)
        if operation.outcome == records.EXISTS:
            raise AccountExists(kind, name)
        if operation.outcome == records.FULL:
            raise TooManyAccounts(MAX_ACCOUNTS)

    async def change(self, kind: str, name: str, edit: Callable[[bytes], bytes]) -> bytes:
        """Replace a value by what ``edit`` makes of it, which is asked again when somebody else was faster.

        Answers the new value. Raises ``AccountNotFound``, ``BusyAccount``.
        """
        for _ in range(TRIES):
            account = self.get(kind, name)
            operation = PutAccount(kind, name, edit(account.value), account.revision)
            await self._put(operation)
            if operation.outcome == records.DONE:
                return operation.value
            if operation.outcome == records.MISSING:
                raise AccountNotFound(kind, name)
        raise BusyAccount(kind, name)

    async def delete(self, kind: str, name: str) -> None:
        """Take one out, whatever it is by now; raises ``AccountNotFound``."""
        self.get(kind, name)
        operation = DeleteAccount(kind, name, ANY_REVISION)
        await self._propose(operation)
        if operation.outcome == records.MISSING:
            raise AccountNotFound(kind, name)

    async def delete_all(self, kind: str, names: Sequence[str]) -> None:
        """Take out many, those that aren't there any more too; each portion when the one before it is done."""
        for start in range(0, len(names), DELETED_AT_ONCE):
            self._check_level()
            operations = [DeleteAccount(kind, name, ANY_REVISION) for name in names[start : start + DELETED_AT_ONCE]]
            await self._node.changes.change_accounts(operations)

    async def _put(self, operation: PutAccount) -> None:
        if not 0 < len(operation.name) <= MAX_NAME:
            raise BadQuery("name", f"has from 1 to {MAX_NAME} characters")
        if len(operation.value) > MAX_VALUE:
            raise BadQuery("value", f"no more than {MAX_VALUE} bytes are kept")
        await self._propose(operation)

    async def _propose(self, operation: PutAccount | DeleteAccount) -> None:
        self._check_level()
        await self._node.changes.change_accounts([operation])
        if operation.outcome == records.UNDECIDED:
            raise OutcomeUnknown  # it came here with another node's snapshot

    def _check_level(self) -> None:
        if not self._node.broker.cluster.may_propose(ACCOUNT_LEVEL):
            raise NotKnownEverywhere
