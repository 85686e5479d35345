"""Runs a whole chain whose handlers may wait, in order, each within a time limit."""

import inspect
from typing import Final, Literal, cast, overload

import structlog
import trio

from rmq.hooks.chains import HookChains
from rmq.hooks.points import POINTS
from rmq.hooks.registry import HookRegistry
from rmq.hooks.verdicts import UNDECIDED, AuthRequest, AuthResult, EnhancedAuthRequest
from rmq.mqtt.message import Message
from rmq.mqtt.packets import Connect, SubscriptionRequest
from rmq.session.client_info import ClientInfo

log = structlog.get_logger(__name__)

# A handler that waits (for an HTTP answer, say) may take this long.
ASYNC_TIME_LIMIT_S: Final = 5.0


class AsyncRunner:
    """The engine's way through chains with ``waits`` set."""

    def __init__(self, chains: HookChains, registry: HookRegistry, time_limit_s: float = ASYNC_TIME_LIMIT_S) -> None:
        self._chains = chains
        self._registry = registry
        self._time_limit_s = time_limit_s

    @overload
    async def run_decide(
        self, point: Literal["message_publish_check_acl"], client: ClientInfo, topic: str, qos: int, retain: bool, /
    ) -> int: ...
    @overload
    async def run_decide(
        self, point: Literal["client_subscribe_check_acl"], client: ClientInfo, topic_filter: str, qos: int, /
    ) -> int: ...
    @overload
    async def run_decide(
        self, point: Literal["client_connect"], client: ClientInfo, connect: Connect, /
    ) -> AuthResult | None: ...
    @overload
    async def run_decide(self, point: Literal["client_authenticate"], request: AuthRequest, /) -> AuthResult | None: ...
    @overload
    async def run_decide(
        self, point: Literal["client_enhanced_auth"], request: EnhancedAuthRequest, /
    ) -> AuthResult | None: ...
    async def run_decide(self, point: str, *args: object) -> int | AuthResult | None:
        """The first opinion: a verdict at the ACL points, else an ``AuthResult`` or None."""
        undecided = UNDECIDED if POINTS[point].answers_int else None
        for handle in self._registry.handles(point):
            answer = await self._ask(point, handle.plugin, handle.handler, args, handle.error_answer)
            if answer is not None and answer != undecided:
                return cast("int | AuthResult", answer)
        return undecided

    @overload
    async def run_filter(
        self, point: Literal["message_publish"], client: ClientInfo | None, value: Message, /
    ) -> Message | None: ...
    @overload
    async def run_filter(
        self, point: Literal["client_subscribe"], client: ClientInfo, value: SubscriptionRequest, /
    ) -> SubscriptionRequest | None: ...
    @overload
    async def run_filter(
        self, point: Literal["client_unsubscribe"], client: ClientInfo, value: str, /
    ) -> str | None: ...
    async def run_filter(self, point: str, client: ClientInfo | None, value: object, /) -> object:
        """The value as the handlers leave it, None when one of them dropped it."""
        current = value
        for handle in self._registry.handles(point):
            current = await self._ask(point, handle.plugin, handle.handler, (client, current), current)
            if current is None:
                return None
        return current

    async def _ask(
        self, point: str, plugin: str, handler: object, args: tuple[object, ...], error_answer: object
    ) -> object:
        if not callable(handler):
            raise TypeError(f"{plugin}: {handler!r} isn't callable")
        try:
            if not inspect.iscoroutinefunction(handler):
                return handler(*args)
            with trio.move_on_after(self._time_limit_s) as scope:
                return await handler(*args)
        except Exception:
            self._registry.report_error(point, plugin)
            return error_answer
        if scope.cancelled_caught:
            self._registry.report_overrun(point, plugin, self._time_limit_s)
        return error_answer
