"""Calls at virtual times, in an order that depends on nothing but the seed."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from contextvars import ContextVar
from random import Random
from typing import Final

import trio
from trio.testing import MockClock

# Moments in a second: what happens at about the same time happens in one, which saves most of the CPU. All delays are
# several moments long, so that as much is under way at any time as over a quicker network with more moments.
MOMENTS: Final = 250

# Whose call or task it is, for the trace: a node's id, 0 for the world outside.
NODE: ContextVar[int] = ContextVar("NODE", default=0)


class Agenda:
    """``random`` is the seeded chance of everything outside of the nodes; ``clock`` that of the run.

    ``now`` are virtual seconds since the beginning; whoever moves the clock keeps it right.
    """

    def __init__(self, random: Random, clock: MockClock) -> None:
        self.random = random
        self.clock = clock
        self.now = clock.current_time()
        self._heap: list[tuple[float, int, int, Callable[[], None]]] = []
        self._count = 0
        self._changed = trio.Event()

    def after(self, seconds: float, call: Callable[[], None], node: int = 0) -> None:
        """Call it so much later, as ``node``."""
        self.at(self.now + seconds, call, node)

    def soon(self, call: Callable[[], None], node: int) -> None:
        """Call it in this moment, after what is to be done in it before."""
        self._enter(self.now, call, node)

    def at(self, time: float, call: Callable[[], None], node: int = 0) -> None:
        """Call it at a time, or a little later; calls of one moment in the order in which they were entered."""
        self._enter(math.ceil(time * MOMENTS) / MOMENTS, call, node)

    def _enter(self, time: float, call: Callable[[], None], node: int) -> None:
        self._count += 1
        heapq.heappush(self._heap, (time, self._count, node, call))
        if self._heap[0][1] == self._count:
            self._changed.set()

    def later(self, low: float, high: float, call: Callable[[], None], node: int = 0) -> None:
        """Call it after a time by chance."""
        self.after(self.random.uniform(low, high), call, node)

    async def run(self) -> None:
        """Call what is due, for ever. An exception out of a call ends the run."""
        heap = self._heap
        while True:
            while heap and heap[0][0] <= self.now:
                _, _, node, call = heapq.heappop(heap)
                token = NODE.set(node)
                try:
                    call()
                finally:
                    NODE.reset(token)
            self._changed = trio.Event()
            deadline = heap[0][0] if heap else math.inf
            with trio.move_on_at(deadline):
                await self._changed.wait()
