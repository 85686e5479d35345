"""Claims wait for one another: a connection takes a client id only when the one before it has it, or gave up."""

from collections.abc import Callable


class Claims:
    """At most one connection a client id is between its claim and its session."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Callable[[], None]]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def enter(self, client_id: str, start: Callable[[], None]) -> None:
        """Call ``start`` now, or when those before have left."""
        waiting = self._waiting.get(client_id)
        if waiting is None:
            self._waiting[client_id] = []
            start()
        else:
            waiting.append(start)

    def leave(self, client_id: str) -> None:
        """The connection whose turn it was has its session, or won't have one."""
        waiting = self._waiting.get(client_id)
        if waiting is None:
            return
        if waiting:
            waiting.pop(0)()
        else:
            del self._waiting[client_id]
