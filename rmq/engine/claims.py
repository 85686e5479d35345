"""Claims wait for one another: a connection takes a client id only when the one before it has it, or gave up."""

from collections import deque
from collections.abc import Callable


class Claims:
    """At most one connection a client id is between its claim and its session."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Callable[[], None]]] = {}
        self._starting: set[str] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    def is_taken(self, client_id: str) -> bool:
        """Whether a connection is at it."""
        return client_id in self._waiting

    def enter(self, client_id: str, start: Callable[[], None]) -> None:
        """Call ``start`` now, or when those before have left."""
        waiting = self._waiting.get(client_id)
        if waiting is None:
            self._waiting[client_id] = deque((start,))
            self._start_next(client_id)
        else:
            waiting.append(start)

    def leave(self, client_id: str) -> None:
        """The connection whose turn it was has its session, or won't have one."""
        if client_id in self._starting:
            self._starting.remove(client_id)  # it left at once: the loop that started it goes on
        elif client_id in self._waiting:
            self._start_next(client_id)

    def _start_next(self, client_id: str) -> None:
        # A loop: many may have given up while they waited, and each leaves as soon as it is started.
        waiting = self._waiting[client_id]
        while waiting:
            self._starting.add(client_id)
            waiting.popleft()()
            if client_id in self._starting:
                self._starting.remove(client_id)
                return
        del self._waiting[client_id]
