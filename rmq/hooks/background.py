"""The queue of an asynchronous notify handler: its events in order, one at a time, in a task while there are any."""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import trio

from rmq.hooks.guards import Guard

Spawn = Callable[[Callable[[], Awaitable[None]]], None]

# Events that may wait for one handler; more are lost and counted, because memory is worth more than a notice.
QUEUE_LIMIT: Final = 10_000


class BackgroundQueue:
    """Takes the place of an asynchronous handler in a notify chain: what it is told is told later."""

    __slots__ = ("_events", "_idle", "_limit", "_running", "_spawn", "_task", "guard")

    def __init__(self, guard: Guard, spawn: Spawn | None, limit: int = QUEUE_LIMIT) -> None:
        self.guard = guard
        self._spawn = spawn
        self._limit = limit
        self._events: deque[tuple[object, ...]] = deque()
        self._running = False
        self._idle = trio.Event()
        self._task: trio.lowlevel.Task | None = None

    def __call__(self, *args: object) -> None:
        """Queue an event."""
        if self._task is not None and self.guard.is_plugins_message(args) and _current_task() is self._task:
            self.guard.watch.counters.hook_echoes += 1  # the handler itself is publishing this message, see Guard
            return
        if len(self._events) >= self._limit:
            self.guard.watch.counters.hook_queue_full += 1
            return
        self._events.append(args)
        self._go_on()

    @property
    def has_nursery(self) -> bool:
        """Whether there is a nursery to tell the events in."""
        return self._spawn is not None

    def start(self, spawn: Spawn) -> None:
        """There is a nursery now; go on with what waited for it."""
        self._spawn = spawn
        if self._events:
            self._go_on()

    def clear(self) -> int:
        """Forget what wasn't told yet: the handler is gone. Returns how many events that were."""
        count = len(self._events)
        self._events.clear()
        return count

    async def drain(self) -> None:
        """Wait until everything was told; returns at once where there is no nursery that could tell it."""
        while self._running:
            await self._idle.wait()

    def _go_on(self) -> None:
        if self._spawn is not None and not self._running:
            self._running = True
            self._idle = trio.Event()
            self._spawn(self._work_off)

    async def _work_off(self) -> None:
        self._task = trio.lowlevel.current_task()
        try:
            while self._events:
                await self.guard.wait(*self._events.popleft())
        finally:
            self._task = None
            self._running = False
            self._idle.set()


def _current_task() -> trio.lowlevel.Task | None:
    try:
        return trio.lowlevel.current_task()
    except RuntimeError:  # called from outside of any task
        return None
