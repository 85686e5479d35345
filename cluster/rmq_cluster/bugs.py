"""Exceptions that should not have been, in what the cluster calls: logged, counted, and nothing else ends by them."""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog

log = structlog.get_logger(__name__)

# What is called in every turn, and had two bugs within this time, isn't called for so long: it would fill the log.
REST_S: Final = 1.0


class Bugs:
    """``count`` since the start. ``clock`` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.count = 0
        self._clock = clock
        self._met_at: dict[str, float] = {}
        self._rests_until: dict[str, float] = {}

    def report(self, what: str, error: Exception) -> None:
        """Something was being done."""
        self.count += 1
        log.error("a bug in the cluster", what=what, exc_info=error)

    def once(self, what: str, work: Callable[[], None]) -> None:
        """Do something that is not to be done again."""
        try:
            work()
        except Exception as error:
            self.report(what, error)

    def in_turn(self, what: str, work: Callable[[], None]) -> None:
        """Do a part of every turn: others go on after a bug in it, and it rests while it has one after the other."""
        if self._rests_until and self._clock() < self._rests_until.get(what, 0.0):
            return
        try:
            work()
        except Exception as error:
            now = self._clock()
            if now < self._met_at.get(what, -REST_S) + REST_S:
                self._rests_until[what] = now + REST_S
            self._met_at[what] = now
            self.report(what, error)

    async def run(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        """A task: a bug ends it and nothing else."""
        try:
            await work()
        except Exception as error:
            self.report(what, error)
