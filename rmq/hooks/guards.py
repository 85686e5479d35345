"""The guard around one handler: the border behind which the engine never sees a plugin's error or wrong answer."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Final, cast

import structlog
import trio

from rmq.hooks.points import FILTER, NOTIFY, HookPoint
from rmq.hooks.usage import HookUse
from rmq.hooks.verdicts import (
    ALLOW,
    DENY,
    DENY_AND_DISCONNECT,
    DENY_ONCE,
    LATER,
    UNDECIDED,
    AuthResult,
)
from rmq.metrics.counters import Counters
from rmq.mqtt.codes import SERVER_UNAVAILABLE
from rmq.mqtt.message import Message

log = structlog.get_logger(__name__)

Handler = Callable[..., object]

# A handler that fails for every message must not fill the disk: one line a second each, with how many were left out.
LOG_INTERVAL_S: Final = 1.0


class Watch:
    """What the guards of a node share: the budgets, the clock and the counters."""

    __slots__ = ("async_time_budget_s", "counters", "now", "time_budget_s")

    def __init__(
        self, counters: Counters, time_budget_s: float, async_time_budget_s: float, now: Callable[[], float]
    ) -> None:
        self.counters = counters
        self.time_budget_s = time_budget_s
        self.async_time_budget_s = async_time_budget_s
        self.now = now


class Guard:
    """Calls one handler; always answers with a value that the chain understands, and never raises.

    An answer that comes late counts as none: a plugin that is too slow must not be one that opens doors slowly.

    A handler that is told of a message and publishes one isn't told of that one (an *echo*) while it is being called:
    otherwise one that publishes to a topic without subscribers in message_nonsubscribed would call itself for ever.
    """

    __slots__ = (
        "_calling",
        "_error_log",
        "_message_at",
        "_overrun_log",
        "deny_on_error",
        "handler",
        "plugin",
        "point",
        "use",
        "watch",
    )

    def __init__(
        self, point: HookPoint, plugin: str, handler: Handler, deny_on_error: bool, watch: Watch, use: HookUse
    ) -> None:
        self.point = point
        self.plugin = plugin
        self.handler = handler
        self.deny_on_error = deny_on_error and point.denies_on_error
        self.watch = watch
        self.use = use
        has_message = point.kind == NOTIFY and "message" in point.arguments
        self._message_at = point.arguments.index("message") if has_message else -1
        self._calling = False
        self._error_log = _LogGate()
        self._overrun_log = _LogGate()

    def __call__(self, *args: object) -> object:
        """Call a synchronous handler in place."""
        watch = self.watch
        was_calling = self._calling
        if was_calling and self.is_plugins_message(args):
            watch.counters.hook_echoes += 1
            return None
        self._calling = True
        started = watch.now()
        try:
            answer = self.handler(*args)
        except Exception as error:  # a border: plugin code may raise anything
            self._count(started)
            self._failed(error)
            return self._fallback(args)
        finally:
            self._calling = was_calling
        took = watch.now() - started
        use = self.use
        use.calls += 1
        use.seconds += took
        if took > watch.time_budget_s:
            self._overran(took)
            return self._fallback(args)
        return self._checked(answer, args)

    async def wait(self, *args: object) -> object:
        """Await an asynchronous handler for as long as it may take."""
        watch = self.watch
        started = watch.now()
        try:
            with trio.move_on_after(watch.async_time_budget_s) as scope:
                try:
                    return self._checked(await cast("Awaitable[object]", self.handler(*args)), args)
                except Exception as error:  # a border: plugin code may raise anything
                    self._failed(error)
        finally:
            self._count(started)
        if scope.cancelled_caught:
            self._overran(watch.async_time_budget_s)
        return self._fallback(args)

    def is_plugins_message(self, args: tuple[object, ...]) -> bool:
        """Whether these are the arguments of an event about a message that no client published, so maybe a plugin."""
        if self._message_at < 0:
            return False
        message = args[self._message_at]
        return isinstance(message, Message) and not message.publisher

    def _count(self, started: float) -> None:
        self.use.calls += 1
        self.use.seconds += self.watch.now() - started

    def _checked(self, answer: object, args: tuple[object, ...]) -> object:
        point = self.point
        expected = point.answer
        if isinstance(answer, Coroutine):
            answer.close()
            self._failed(TypeError(f"the handler of {point.name} isn't an async def, yet wants to be awaited"))
            return self._fallback(args)
        if expected is None:
            return None
        if expected is int:
            if type(answer) is int and answer in (UNDECIDED, ALLOW, DENY, DENY_AND_DISCONNECT, DENY_ONCE):
                return answer
        elif answer is None:
            return None
        elif isinstance(answer, AuthResult) and expected is AuthResult:
            if answer.verdict == UNDECIDED:
                return None
            if answer.verdict != LATER or point.name == "client_enhanced_auth":
                return answer
        elif isinstance(answer, expected):
            return answer
        self._failed(TypeError(f"not an answer to {point.name}: {answer!r:.100}"))
        return self._fallback(args)

    def _fallback(self, args: tuple[object, ...]) -> object:
        """What a handler without an answer counts as: no opinion, or a denial where a failure must not open a door."""
        point = self.point
        if point.answer is None:
            return None
        if point.kind == FILTER:
            return args[-1]
        if point.answer is int:
            return DENY_ONCE if self.deny_on_error else UNDECIDED
        # The client may well be right: it is told to come back, not that it isn't allowed.
        return AuthResult(DENY, reason_code=SERVER_UNAVAILABLE) if self.deny_on_error else None

    def _failed(self, error: Exception) -> None:
        self.watch.counters.hook_errors += 1
        self.use.errors += 1
        left_out = self._error_log.opens(self.watch.now())
        if left_out >= 0:
            log.error("hook failed", plugin=self.plugin, point=self.point.name, left_out=left_out, exc_info=error)

    def _overran(self, took_s: float) -> None:
        self.watch.counters.hook_overruns += 1
        self.use.overruns += 1
        left_out = self._overrun_log.opens(self.watch.now())
        if left_out >= 0:
            log.warning(
                "hook took too long",
                plugin=self.plugin,
                point=self.point.name,
                took_ms=round(took_s * 1000, 1),
                left_out=left_out,
            )


class _LogGate:
    """Lets one line through each interval and counts the others."""

    __slots__ = ("_closed", "_opens_at")

    def __init__(self) -> None:
        self._opens_at = float("-inf")
        self._closed = 0

    def opens(self, now: float) -> int:
        """How many lines were left out since the last one, -1 when this one is to be left out as well."""
        if now < self._opens_at:
            self._closed += 1
            return -1
        self._opens_at = now + LOG_INTERVAL_S
        closed = self._closed
        self._closed = 0
        return closed
