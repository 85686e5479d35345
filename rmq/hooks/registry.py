"""Puts handlers into the chains: by point and priority, each behind a guard."""

import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog

from rmq.hooks.chains import Chain, HookChains
from rmq.hooks.points import POINTS, Point
from rmq.hooks.verdicts import DENY, UNDECIDED, AuthResult
from rmq.metrics.counters import Counters

log = structlog.get_logger(__name__)

MAX_BACKGROUND_HANDLERS: Final = 1000
OVERRUN_LOG_INTERVAL_S: Final = 10.0

# A handler's signature depends on its point; ``points`` and ``chains`` have the types that callers and plugins see.
AnyHandler = Callable[..., Any]


class Handle:
    """One registration; what ``unregister`` takes."""

    def __init__(
        self, point: Point, plugin: str, priority: int, handler: AnyHandler, guarded: AnyHandler, error_answer: object
    ) -> None:
        self.error_answer = error_answer
        self.point = point
        self.plugin = plugin
        self.priority = priority
        self.handler = handler
        self.guarded = guarded


class HookRegistry:
    """All registrations of a node.

    A handler that raises, or takes longer than ``time_budget_s``, is logged with its plugin and point and counted. An
    error counts as no opinion; at the points that guard access it is a denial unless ``deny_on_error`` is False.
    """

    def __init__(
        self,
        chains: HookChains,
        counters: Counters,
        time_budget_s: float,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._chains = chains
        self._counters = counters
        self.time_budget_s = time_budget_s
        self._now = now
        self._handles: list[Handle] = []
        self._next_overrun_log = 0.0
        self._background = 0
        self.spawn: Callable[[Callable[[], Awaitable[None]]], None] | None = None

    def register(
        self, point_name: str, handler: AnyHandler, plugin: str, priority: int = 0, *, deny_on_error: bool = True
    ) -> Handle:
        """Add a handler; higher priorities come first, equal ones in the order they were registered."""
        point = POINTS.get(point_name)
        if point is None:
            raise ValueError(f"{plugin}: there is no hook point {point_name!r}")
        waits = inspect.iscoroutinefunction(handler)
        if waits and not point.may_wait:
            raise ValueError(f"{plugin}: a handler of {point_name} can't be async")
        error_answer = on_error(point, deny_on_error=deny_on_error)
        if waits and point.kind == "notify" and point_name != "before_startup":
            guarded = self._in_background(point, plugin, handler)
        elif waits:
            guarded = handler
        else:
            guarded = self._guard(point, plugin, handler, error_answer)
        handle = Handle(point, plugin, priority, handler, guarded, error_answer)
        self._handles.append(handle)
        self._rebuild(point)
        return handle

    def unregister(self, handle: Handle) -> None:
        """Take one handler out."""
        self._handles.remove(handle)
        self._rebuild(handle.point)

    def unregister_plugin(self, plugin: str) -> None:
        """Take all handlers of a plugin out."""
        gone = [handle for handle in self._handles if handle.plugin == plugin]
        self._handles = [handle for handle in self._handles if handle.plugin != plugin]
        for handle in gone:
            self._rebuild(handle.point)

    def handles(self, point_name: str) -> list[Handle]:
        """The registrations of a point in the order they run."""
        return sorted((h for h in self._handles if h.point.name == point_name), key=lambda h: -h.priority)

    def _rebuild(self, point: Point) -> None:
        chain: Chain[AnyHandler] = getattr(self._chains, point.name)
        handles = self.handles(point.name)
        chain.handlers = [handle.guarded for handle in handles]
        chain.waits = point.kind != "notify" and any(inspect.iscoroutinefunction(h.handler) for h in handles)

    def _guard(self, point: Point, plugin: str, handler: AnyHandler, error_answer: object) -> AnyHandler:
        now = self._now
        passes_through = point.kind == "filter"

        def guarded(*args: object) -> object:
            started = now()
            try:
                answer = handler(*args)
            except Exception:
                self.report_error(point.name, plugin)
                return args[-1] if passes_through else error_answer
            if now() - started > self.time_budget_s:
                self.report_overrun(point.name, plugin, now() - started)
            if answer is None and point.answers_int:
                return UNDECIDED
            return answer

        return guarded

    def _in_background(self, point: Point, plugin: str, handler: AnyHandler) -> AnyHandler:
        def start(*args: object) -> None:
            if self.spawn is None or self._background >= MAX_BACKGROUND_HANDLERS:
                self._counters.hook_queue_full += 1
                return
            self._background += 1

            async def work() -> None:
                try:
                    await handler(*args)
                except Exception:
                    self.report_error(point.name, plugin)
                finally:
                    self._background -= 1

            self.spawn(work)

        return start

    def report_error(self, point_name: str, plugin: str) -> None:
        """Log and count the exception that is being handled."""
        self._counters.hook_errors += 1
        log.exception("hook failed", point=point_name, plugin=plugin)

    def report_overrun(self, point_name: str, plugin: str, took_s: float) -> None:
        """Count a handler that took too long; not every one is logged."""
        self._counters.hook_overruns += 1
        if self._now() >= self._next_overrun_log:
            self._next_overrun_log = self._now() + OVERRUN_LOG_INTERVAL_S
            log.warning(
                "hook over its time budget",
                point=point_name,
                plugin=plugin,
                took_ms=round(took_s * 1000, 1),
                budget_ms=round(self.time_budget_s * 1000, 1),
            )


def on_error(point: Point, *, deny_on_error: bool) -> object:
    """What a failing handler's answer is taken for."""
    if point.answers_int:
        return DENY if point.guards_access and deny_on_error else UNDECIDED
    if point.guards_access and deny_on_error:
        return AuthResult(DENY)
    return None
