"""The queue of an asynchronous notify handler: its events in order, one at a time, in a task while there are any."""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from rmq.hooks.guards import Guard

Spawn = Callable[[Callable[[], Awaitable[None]]], None]

# Events that may wait for one handler; more are lost and counted, because memory is worth more than a notice.
QUEUE_LIMIT: Final = 10_000


class BackgroundQueue:
    """Takes the place of an asynchronous handler in a notify chain: what it is told is told later."""

    __slots__ = ("_events", "_limit", "_running", "_spawn", "guard")

    def __init__(self, guard: Guard, spawn: Spawn | None, limit: int = QUEUE_LIMIT) -> None:
        self.guard = guard
        self._spawn = spawn
        self._limit = limit
        self._events: deque[tuple[object, ...]] = deque()
        self._running = False

    def __call__(self, *args: object) -> None:
        """Queue an event."""
        if len(self._events) >= self._limit:
            self.guard.watch.counters.hook_queue_full += 1
            return
        self._events.append(args)
        if self._spawn is not None and not self._running:
            self._running = True
            self._spawn(self._work_off)

    def start(self, spawn: Spawn) -> None:
        """There is a nursery now; go on with what waited for it."""
        self._spawn = spawn
        if self._events and not self._running:
            self._running = True
            spawn(self._work_off)

    def clear(self) -> None:
        """Forget what wasn't told yet: the handler is gone."""
        self._events.clear()

    async def _work_off(self) -> None:
        try:
            while self._events:
                await self.guard.wait(*self._events.popleft())
        finally:
            self._running = False
