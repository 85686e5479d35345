"""Runs a whole chain in which a handler waits: the same order and the same rules as ``chains``, awaited."""

from typing import Literal, overload

from rmq.hooks.chains import HookChains
from rmq.hooks.points import POINTS
from rmq.hooks.registry import Handle, HookRegistry
from rmq.hooks.verdicts import UNDECIDED, AuthRequest, AuthResult, EnhancedAuthRequest
from rmq.mqtt.message import Message
from rmq.mqtt.packets import Connect, SubscriptionRequest
from rmq.session.client_info import ClientInfo


class AsyncRunner:
    """What the engine calls instead of the functions of ``chains`` when a chain ``waits``."""

    def __init__(self, chains: HookChains, registry: HookRegistry) -> None:
        self._chains = chains
        self._registry = registry

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
    @overload
    async def run_decide(self, point: Literal["client_connect_check_acl"], client: ClientInfo, /) -> int: ...
    @overload
    async def run_decide(
        self, point: Literal["client_subscribe_check_acl"], client: ClientInfo, topic_filter: str, qos: int, /
    ) -> int: ...
    @overload
    async def run_decide(
        self, point: Literal["message_publish_check_acl"], client: ClientInfo, topic: str, qos: int, retain: bool, /
    ) -> int: ...

    async def run_decide(self, point: str, /, *args: object) -> object:
        """The first opinion: an ``AuthResult`` or None, at the ACL points a verdict or UNDECIDED."""
        undecided = UNDECIDED if POINTS[point].answer is int else None
        for handle in self._registry.handles(point):
            answer = await _answer(handle, args)
            if answer != undecided:
                return answer
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
        """The value as the handlers leave it, None when one of them ended it."""
        for handle in self._registry.handles(point):
            value = await _answer(handle, (client, value))
            if value is None:
                return None
        return value

    async def run_before_startup(self) -> None:
        """Tell everybody that the node starts, and wait for them."""
        for handle in self._registry.handles("before_startup"):
            await _answer(handle, ())


async def _answer(handle: Handle, args: tuple[object, ...]) -> object:
    if handle.is_async:
        return await handle.guard.wait(*args)
    return handle.guard(*args)
