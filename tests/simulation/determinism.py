"""What a run could depend on beside its seed, fixed: trio's order, random bytes, clocks that aren't handed in.

The hash seed can't be fixed from inside: see ``runs``.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import ExitStack, contextmanager
from random import Random
from typing import Any
from unittest import mock

import rmq_cluster.cluster
import rmq_cluster.links.link
import structlog
import trio

import rmq.engine.digesting
import rmq.engine.late_timers
import rmq.engine.slices
import rmq.engine.snapshots
import rmq.engine.stored_port
from rmq.engine.timers import Timer, TimerWheel
from tests.simulation.sockets import socket_of

# Digests are taken so often that a difference is found where it arises.
DIGEST_EVERY = 16
# The network is slower than a real one, and what is paced goes as much slower, in seconds.
TICK_S = 0.04
STATUS_PAUSE_S = 0.008
# What is done in slices takes several of them, so small as the states are.
FEW = 3


class CountingClock:
    """``time`` for the steps of snapshots: each look at it takes 0.4 ms, so that a step does a few sessions."""

    def __init__(self) -> None:
        self._now = 0.0

    def monotonic(self) -> float:
        """Seconds."""
        self._now += 0.0004
        return self._now


class Ordered(set[Timer]):
    """A set that gives its members in the order in which they came: that of addresses in memory is chance."""

    def __init__(self) -> None:
        super().__init__()
        self._order: dict[Timer, None] = {}

    def add(self, element: Timer) -> None:
        super().add(element)
        self._order[element] = None

    def discard(self, element: object) -> None:
        super().discard(element)
        if isinstance(element, Timer):
            self._order.pop(element, None)

    def __iter__(self) -> Iterator[Timer]:
        return iter(list(self._order))


class OrderedWheel(TimerWheel):
    """Timers of one tick fire in the order in which they were entered."""

    def enter(self, timer: Timer, deadline: float) -> None:
        super().enter(timer, deadline)
        bucket = self._buckets[timer.tick]
        if not isinstance(bucket, Ordered):
            ordered = Ordered()
            for other in bucket:  # one: the first makes it what it is
                ordered.add(other)
            self._buckets[timer.tick] = ordered


class _Secrets:
    """Random bytes from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def token_bytes(self, count: int = 32) -> bytes:
        return self._random.randbytes(count)

    def token_hex(self, count: int = 32) -> str:
        return self.token_bytes(count).hex()


@contextmanager
def determinism(
    seed: int, make_thread: Callable[[str, Callable[[], None]], Any], logged: Callable[[str, dict[str, Any]], None]
) -> Iterator[None]:
    """For one run: what happens in it follows from ``seed``; ``logged`` gets what is logged."""
    scheduler: Any = trio._core._run  # trio has no public way to seed its order of tasks
    own = _Secrets(seed)

    def capture(_: object, method: str, event: MutableMapping[str, Any]) -> Any:
        logged(method, dict(event))
        raise structlog.DropEvent

    saved_config = structlog.get_config()
    structlog.configure(processors=[capture], cache_logger_on_first_use=False)
    before = scheduler._r.getstate()
    scheduler._r.seed(seed)
    try:
        with ExitStack() as stack:
            for target, name, value in (
                (scheduler, "_ALLOW_DETERMINISTIC_SCHEDULING", True),
                (secrets, "token_bytes", own.token_bytes),
                (secrets, "token_hex", own.token_hex),
                (rmq.engine.snapshots, "time", CountingClock()),
                (rmq.engine.stored_port, "DiskThread", make_thread),
                (rmq.engine.digesting, "DIGEST_EVERY", DIGEST_EVERY),
                (rmq_cluster.links.link, "socket_of", socket_of),
                (rmq_cluster.cluster, "TICK_S", TICK_S),
                (rmq_cluster.cluster, "STATUS_PAUSE_S", STATUS_PAUSE_S),
                (rmq.engine.digesting, "AT_ONCE", FEW),
                (rmq.engine.late_timers, "AT_ONCE", FEW),
                (rmq.engine.slices, "SLICE_UNITS", FEW),
            ):
                stack.enter_context(mock.patch.object(target, name, value))
            yield
    finally:
        scheduler._r.setstate(before)
        structlog.configure(**saved_config)
