"""Who is told when accounts change: of each change, and of all of them when the whole state was replaced."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from rmq.storage.accounts import Accounts

if TYPE_CHECKING:
    from rmq.engine.broker import Broker

# Is told the name of the account that was put or deleted; None: any of them may be otherwise.
Listener = Callable[[str | None], None]


class AccountWatch:
    """Listeners by kind of account. They are told while an operation is applied: what takes long belongs in a timer."""

    def __init__(self, broker: "Broker") -> None:
        self._broker = broker
        self._listeners: dict[str, list[Listener]] = {}
        self._seen: Accounts | None = None

    def listen(self, kind: str, listener: Listener) -> None:
        """Tell this listener of every change of this kind, and soon after the start of what is there."""
        self._listeners.setdefault(kind, []).append(listener)

    def changed(self, kind: str, name: str) -> None:
        """An account was put or deleted."""
        for listener in self._listeners.get(kind, ()):
            self._tell(listener, name)

    def look(self) -> None:
        """Often: a state that was read from disk, or came from another node, has other accounts and tells nobody."""
        accounts = self._broker.state.accounts
        if accounts is self._seen:
            return
        self._seen = accounts
        for listeners in self._listeners.values():
            for listener in listeners:
                self._tell(listener, None)

    def _tell(self, listener: Listener, name: str | None) -> None:
        try:
            listener(name)
        except Exception:  # the others are told all the same: one of them is who may come in
            self._broker.report_bug(None, "in going by an account")
