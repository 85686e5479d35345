"""Subscriptions that are there and aren't allowed any more: found, and ended; in slices, whatever there is of them.

Each node does so for the sessions that it has the connection of, and for those off line that it answers for as long as
it knows who had them. All other ones are looked at when their clients come back to this node.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from rmq.engine import admin
from rmq.engine.admin import Change
from rmq.engine.filter_rules import filter_for_access
from rmq.hooks.registry import HookRegistry
from rmq.hooks.verdicts import DENY, DENY_AND_DISCONNECT, UNDECIDED
from rmq.management.clients import ClientFacts
from rmq.management.errors import OutcomeUnknown, StorageUnavailable
from rmq.management.walk import Pace
from rmq.session.client_info import ClientInfo
from rmq.session.session import Session

if TYPE_CHECKING:
    from rmq.management.local import LocalNode

log = structlog.get_logger(__name__)

# Whether rules that have changed are against a subscription now: of this client, to this filter, with this QoS.
Suspect = Callable[[ClientInfo, str, int], bool]

# A subscription that is to end: the session, its client, and the filter as it was written.
_Ending = tuple[Session, ClientInfo, str]

NAME: Final = "rmq-management"
# So many subscriptions, and those of one client, are ended before others get their turns.
ENDED_AT_ONCE: Final = 64
# So many of one review get a line of their own in the log; all of them are counted.
LINES: Final = 100


@dataclass(frozen=True, slots=True)
class Doomed:
    """A subscription that isn't allowed any more; ``key`` is its filter as the client wrote it."""

    client_id: str
    key: str
    connected: bool


@dataclass(frozen=True, slots=True)
class Found:
    """What a review would end: how many, of how many connected clients, and the first of them.

    ``unknown`` sessions are off line and nothing is known of their clients: they are looked at when these come back.
    """

    total: int
    connected_clients: int
    first: tuple[Doomed, ...]
    unknown: int


class SubscriptionReview:
    """Goes through the subscriptions of this node. A ``suspect`` has the last word only if no plugin allows it."""

    def __init__(self, node: "LocalNode", hooks: HookRegistry) -> None:
        self._node = node
        self._hooks = hooks
        self._later: dict[str, Suspect] = {}
        self._listens = False

    @property
    def waiting(self) -> int:
        """How many sessions will be looked at when their clients come back."""
        return len(self._later)

    async def find(self, suspect: Suspect, most: int, plugin: str) -> Found:
        """What would be ended if ``plugin`` denied what is suspect; ``most`` of them by name."""
        total = unknown = 0
        clients: set[str] = set()
        first: list[Doomed] = []
        async for client, info in self._clients():
            if info is None:
                unknown += 1
                continue
            for key in await self._against(client.session, info, suspect, plugin):
                total += 1
                if client.connected:
                    clients.add(client.client_id)
                if len(first) < most:
                    first.append(Doomed(client.client_id, key, client.connected))
        return Found(total, len(clients), tuple(first), unknown)

    async def end(self, suspect: Suspect, because: str) -> int:
        """End them, and tell the log ``because`` of what; how many they were."""
        ended = 0
        found: list[_Ending] = []
        async for client, info in self._clients():
            if info is None:
                # Whoever comes back is judged by what was allowed before the first change that it missed.
                self._later.setdefault(client.client_id, suspect)
                continue
            found += [(client.session, info, key) for key in await self._against(client.session, info, suspect)]
            if len(found) >= ENDED_AT_ONCE:
                ended += await self._end(found, because, ended)
                found = []
        ended += await self._end(found, because, ended)
        if self._later and not self._listens:
            self._listens = True
            self._hooks.register("client_connected", self._back, NAME)
            self._hooks.register("session_terminated", self._gone, NAME)
        log.info("subscriptions were looked through", because=because, ended=ended, later=len(self._later))
        return ended

    async def _clients(self) -> AsyncIterator[tuple[ClientFacts, ClientInfo | None]]:
        """All with subscriptions whose connections are here, and those off line; None where nothing is known of one."""
        node = self._node
        pace = Pace(node.turns)
        await pace.rest()
        # Not only those that this node answers for: what is elsewhere now may come here.
        for client in node.walk_all():
            if client.session.subscriptions:
                info = client.info if client.connected or node.answers_for(client.session) else None
                if info is None or not info.superuser:
                    yield client, info
            if pace.is_due():
                await pace.rest()

    async def _against(self, session: Session, info: ClientInfo, suspect: Suspect, denier: str = "") -> list[str]:
        """The keys of the subscriptions that nobody allows any more; ``denier`` is a plugin that would say no."""
        keys: list[str] = []
        for subscription in list((session.subscriptions or {}).values()):
            asked = filter_for_access(subscription.key)
            if not suspect(info, asked, subscription.qos):
                continue
            # Only a denial counts: a plugin that fails, or can't say, ends nothing.
            if await self._verdict(info, asked, subscription.qos, denier) in (DENY, DENY_AND_DISCONNECT):
                keys.append(subscription.key)
        return keys

    async def _verdict(self, info: ClientInfo, asked: str, qos: int, denier: str) -> object:
        """What all plugins together say, as they do of a SUBSCRIBE."""
        for handle in self._hooks.handles("client_subscribe_check_acl"):
            if handle.plugin == denier:
                return DENY
            waits = handle.is_async
            verdict = await handle.guard.wait(info, asked, qos) if waits else handle.guard(info, asked, qos)
            if verdict != UNDECIDED:
                return verdict
        return UNDECIDED

    async def _end(self, endings: Sequence[_Ending], because: str, before: int) -> int:
        """Have them end; how many, 0 where that couldn't be stored. ``before`` are those of this review that ended."""

        if not endings:
            return 0

        def unsubscribe(change: Change) -> None:
            for session, info, key in endings:
                if not session.ended:
                    admin.unsubscribe_client(self._node.broker, session, info, (key,), change)

        try:
            await self._node.changes.apply(unsubscribe)
        except (StorageUnavailable, OutcomeUnknown) as error:
            log.error("subscriptions couldn't be ended", subscriptions=len(endings), problem=str(error))
            return 0
        self._node.broker.counters.subscriptions_revoked += len(endings)
        for session, _, key in endings[: max(LINES - before, 0)]:
            log.info("subscription ended", client_id=session.client_id, topic_filter=key, because=because)
        return len(endings)

    async def _back(self, client: ClientInfo) -> None:
        suspect = self._later.pop(client.client_id, None)
        channel = self._node.broker.registry.get(client.client_id)
        session = None if channel is None else channel.session
        if suspect is not None and session is not None and not client.superuser:
            keys = await self._against(session, client, suspect)
            await self._end([(session, client, key) for key in keys], "access rules changed while it was away", 0)

    def _gone(self, client_id: str, reason_code: int) -> None:
        self._later.pop(client_id, None)
