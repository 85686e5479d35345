"""Puts plugins' handlers into the chains, ordered by priority, each behind its guard."""

import inspect
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import trio

from rmq.hooks.background import BackgroundQueue, Spawn
from rmq.hooks.chains import Chain, HookChains
from rmq.hooks.guards import Guard, Handler, Watch
from rmq.hooks.points import NOTIFY, POINTS, HookPoint
from rmq.hooks.usage import HookUses
from rmq.metrics.counters import Counters

# How long an asynchronous handler may take; a client that connects waits no longer than this for each.
ASYNC_TIME_BUDGET_S: Final = 5.0


class Handle:
    """One registration; what ``unregister`` wants back."""

    __slots__ = ("background", "guard", "is_async", "plugin", "point", "priority")

    def __init__(
        self,
        point: HookPoint,
        plugin: str,
        priority: int,
        is_async: bool,
        guard: Guard,
        background: BackgroundQueue | None,
    ) -> None:
        self.point = point
        self.plugin = plugin
        self.priority = priority
        self.is_async = is_async
        self.guard = guard
        self.background = background


class HookRegistry:
    """Who handles what. A chain's list is replaced when it changes, so that one being run through stays as it is."""

    def __init__(
        self,
        chains: HookChains,
        counters: Counters,
        time_budget_s: float,
        now: Callable[[], float] = time.perf_counter,
        async_time_budget_s: float = ASYNC_TIME_BUDGET_S,
        deny_on_error: bool = True,
    ) -> None:
        self._deny_on_error = deny_on_error
        self._chains = chains
        self._watch = Watch(counters, time_budget_s, async_time_budget_s, now)
        self.uses = HookUses()
        self._handles: dict[str, list[Handle]] = {name: [] for name in POINTS}
        self._spawn: Spawn | None = None

    @property
    def async_time_budget_s(self) -> float:
        """How long an asynchronous handler may take."""
        return self._watch.async_time_budget_s

    def start(self, spawn: Spawn) -> None:
        """There is a nursery now: asynchronous notify handlers are told what happened so far, and from now on."""
        self._spawn = spawn
        for handles in self._handles.values():
            for handle in handles:
                if handle.background is not None and not handle.background.has_nursery:
                    handle.background.start(spawn)

    def register(
        self,
        point_name: str,
        handler: Handler,
        plugin: str,
        priority: int = 0,
        deny_on_error: bool = True,
        spawn: Spawn | None = None,
    ) -> Handle:
        """Have ``handler`` called at a point; those of higher priority come first, then those registered earlier.

        ``spawn`` is where an asynchronous handler of a notify point runs, the node's nursery unless given.
        """
        point = POINTS.get(point_name)
        if point is None:
            raise ValueError(f"{plugin}: there is no hook point {point_name!r}")
        if not callable(handler):
            raise ValueError(f"{plugin}: the handler of {point_name} can't be called: {handler!r}")
        is_async = _is_async(handler)
        if is_async and not point.may_wait:
            raise ValueError(f"{plugin}: the handler of {point_name} must not be asynchronous")
        _check_arguments(point, handler, plugin)
        use = self.uses.of(plugin, point_name)
        guard = Guard(point, plugin, handler, deny_on_error and self._deny_on_error, self._watch, use)
        in_background = is_async and point.kind == NOTIFY and point_name != "before_startup"
        background = BackgroundQueue(guard, spawn or self._spawn) if in_background else None
        handle = Handle(point, plugin, priority, is_async, guard, background)
        self._replace(point_name, sorted([*self._handles[point_name], handle], key=_by_priority))
        return handle

    def unregister(self, handle: Handle) -> bool:
        """Take one handler out; False when it wasn't there any more."""
        name = handle.point.name
        kept = [other for other in self._handles[name] if other is not handle]
        if len(kept) == len(self._handles[name]):
            return False
        self._forget(handle)
        self._replace(name, kept)
        return True

    def unregister_plugin(self, plugin: str) -> int:
        """Take out everything that a plugin registered; returns how much it was."""
        gone = 0
        for name, handles in self._handles.items():
            kept = [handle for handle in handles if handle.plugin != plugin]
            if len(kept) != len(handles):
                for handle in handles:
                    if handle.plugin == plugin:
                        gone += 1
                        self._forget(handle)
                self._replace(name, kept)
        return gone

    async def drain(self, handles: Sequence[Handle], timeout_s: float) -> None:
        """Take out those of ``handles`` that are told later, and wait until they know what happened so far.

        What they weren't told when the time is over is lost and counted.
        """
        behind = [handle for handle in handles if handle.background is not None]
        for handle in behind:
            name = handle.point.name
            self._replace(name, [other for other in self._handles[name] if other is not handle])
        try:
            with trio.move_on_after(timeout_s):
                for handle in behind:
                    if handle.background is not None:
                        await handle.background.drain()
        finally:
            for handle in behind:
                self._forget(handle)

    def handles_of(self, plugin: str) -> list[Handle]:
        """Everything that a plugin has registered."""
        return [handle for handles in self._handles.values() for handle in handles if handle.plugin == plugin]

    def handles(self, point_name: str) -> Sequence[Handle]:
        """The registrations of a point in the order in which they are called; never changed, only replaced."""
        return self._handles[point_name]

    def _forget(self, handle: Handle) -> None:
        if handle.background is not None:
            self._watch.counters.hook_events_abandoned += handle.background.clear()

    def _replace(self, point_name: str, handles: list[Handle]) -> None:
        self._handles[point_name] = handles
        chain: Chain[Handler] = getattr(self._chains, point_name)
        chain.waits = any(handle.is_async and handle.background is None for handle in handles)
        chain.handlers = [handle.background or handle.guard for handle in handles]


def _by_priority(handle: Handle) -> int:
    return -handle.priority


def _is_async(handler: Handler) -> bool:
    while isinstance(handler, partial):
        handler = handler.func
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(type(handler).__call__)


def _check_arguments(point: HookPoint, handler: Handler, plugin: str) -> None:
    """A handler with the wrong number of parameters is found here, not at the first message."""
    try:
        signature = inspect.signature(handler)
    except (TypeError, ValueError):
        return  # a builtin that doesn't tell
    try:
        signature.bind(*point.arguments)
    except TypeError as error:
        wanted = ", ".join(point.arguments)
        raise ValueError(f"{plugin}: the handler of {point.name} must take ({wanted}): {error}") from None
