"""Settings that are changed while nodes run: kept as accounts, the same on every node, stronger than files."""

from typing import TYPE_CHECKING, Final

from rmq.management.errors import AccountExists, AccountNotFound

if TYPE_CHECKING:
    from rmq.management.accounts.store import AccountStore

KIND: Final = "setting"


class SharedSettings:
    """One value a name; whoever it is about listens to accounts of this kind (``engine.account_watch``)."""

    def __init__(self, accounts: "AccountStore") -> None:
        self._accounts = accounts

    def find(self, name: str) -> bytes | None:
        """The value, None where files say what holds."""
        account = self._accounts.find(KIND, name)
        return None if account is None else account.value

    async def put(self, name: str, value: bytes) -> None:
        """Have a value in force on every node."""
        if self.find(name) is None:
            try:
                await self._accounts.create(KIND, name, value)
                return
            except AccountExists:
                pass  # another node was faster
        await self._accounts.change(KIND, name, lambda before: value)

    async def reset(self, name: str) -> None:
        """Go by the files again."""
        try:
            await self._accounts.delete(KIND, name)
        except AccountNotFound:
            return
