"""What the service changes on this node; each call returns when its change is applied, and never hangs."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

import trio

from rmq.engine import admin
from rmq.engine.admin import Change
from rmq.management.errors import (
    BadQuery,
    ClientNotFound,
    ClientOffline,
    OutcomeUnknown,
    RetainedNotFound,
    StorageUnavailable,
)
from rmq.management.models import ClientView, FilterOutcome, Published
from rmq.management.queries import ClientQuery
from rmq.management.requests import FilterRequest, PublishRequest, check_filters
from rmq.management.walk import Pace
from rmq.mqtt.codes import REASON_NAMES
from rmq.mqtt.message import FROM_ADMIN, Message
from rmq.mqtt.packets import SubscriptionRequest
from rmq.mqtt.topics import is_valid_topic_name
from rmq.session.session import Session
from rmq.storage.account_records import DeleteAccount, PutAccount
from rmq.storage.records import Operation

if TYPE_CHECKING:
    from rmq.management.local import LocalNode

T = TypeVar("T")

# Longer than storage takes before it gives up by itself.
APPLY_TIMEOUT_S: Final = 15.0
# So much is done before others get their turns.
PUBLISHED_AT_ONCE: Final = 32
DISCARDED_AT_ONCE: Final = 64
# Of two bytes [MQTT 5.0, 3.1.2.10].
MAX_KEEP_ALIVE: Final = 65_535


class LocalChanges:
    """Changes of this node's clients and of what is kept, in the name of an administrator."""

    def __init__(self, node: "LocalNode", timeout_s: float = APPLY_TIMEOUT_S) -> None:
        self._node = node
        self._broker = node.broker
        self._timeout_s = timeout_s

    async def publish(self, request: PublishRequest) -> tuple[Published, ...]:
        """Publish a message to each topic name. ``message_publish`` handlers may change or drop it.

        It stops at the first that can't be stored: ``StorageUnavailable.published`` and ``OutcomeUnknown.published``
        have those before it.
        """
        return await self.publish_each((request,))

    async def publish_each(self, requests: tuple[PublishRequest, ...]) -> tuple[Published, ...]:
        """The same with several messages, one after the other."""
        wanted = [(request, topic) for request in requests for topic in request.topics]
        results: list[Published] = []
        try:
            for start in range(0, len(wanted), PUBLISHED_AT_ONCE):
                some = wanted[start : start + PUBLISHED_AT_ONCE]
                messages = [(topic, await self._message(request, topic)) for request, topic in some]
                results += await self._publish(messages, results)
        except (StorageUnavailable, OutcomeUnknown) as error:
            error.published = tuple(results)
            raise
        return tuple(results)

    async def _message(self, request: PublishRequest, topic: str) -> Message | None:
        now = self._broker.touch_clock()
        expiry = request.message_expiry_interval
        message = Message(
            topic,
            request.payload,
            request.qos,
            request.retain,
            request.publisher,
            request.block(),
            0.0 if expiry is None else now + expiry,
            now,
            FROM_ADMIN,
        )
        return await admin.run_publish_hooks(self._broker, message)

    async def _publish(
        self, messages: Sequence[tuple[str, Message | None]], before: list[Published]
    ) -> Sequence[Published]:
        found: list[Published] = []

        def publish_all(change: Change) -> None:
            for topic, message in messages:
                matched = 0 if message is None else change.publish(message)
                if change.refused:
                    return
                found.append(Published(topic, matched if matched >= 0 else None, dropped=message is None))

        try:
            await self.apply(publish_all)
        except StorageUnavailable:
            before += found
            raise
        return found

    async def subscribe(self, client_id: str, requests: tuple[FilterRequest, ...]) -> tuple[FilterOutcome, ...]:
        """Subscribe a connected client under the rules of its listener; no access rule is asked."""
        check_filters(requests)
        client = self._node.find(client_id)
        if client is None:
            raise ClientNotFound(client_id)
        channel = client.channel
        if channel is None:
            raise ClientOffline(client_id)
        wanted = [
            SubscriptionRequest(r.topic_filter, r.qos, r.no_local, r.retain_as_published, r.retain_handling)
            for r in requests
        ]
        codes = await self.apply(lambda change: admin.subscribe_client(self._broker, channel, wanted, change))
        return tuple(
            FilterOutcome(request.topic_filter, code, "granted" if code <= 2 else REASON_NAMES[code])
            for request, code in zip(requests, codes, strict=True)
        )

    async def unsubscribe(self, client_id: str, topic_filters: tuple[str, ...]) -> tuple[FilterOutcome, ...]:
        """Remove subscriptions of a client, connected or not; filters as they were written, share names and all."""
        check_filters(topic_filters)
        client = self._node.find(client_id)
        if client is None:
            raise ClientNotFound(client_id)
        codes = await self.apply(
            lambda change: admin.unsubscribe_client(self._broker, client.session, client.info, topic_filters, change)
        )
        return tuple(
            FilterOutcome(key, code, REASON_NAMES[code]) for key, code in zip(topic_filters, codes, strict=True)
        )

    async def kick(self, client_id: str) -> ClientView:
        """Close a client's connection, if it has one, and discard its session; answers what it was."""
        client = self._node.find(client_id)
        if client is None:
            raise ClientNotFound(client_id)
        view = self._node.view(client)
        channel = client.channel
        if channel is not None:
            await self.apply(lambda change: admin.kick(self._broker, channel, change))
        else:
            await self.apply(lambda change: admin.discard(self._broker, client.session, change))
        return view

    def set_keep_alive(self, client_id: str, keep_alive: int) -> ClientView:
        """Have another keep alive in force for a connected client; ``BadQuery`` for one that can't be."""
        if not 0 <= keep_alive <= MAX_KEEP_ALIVE:
            raise BadQuery("keep_alive", f"must be from 0 to {MAX_KEEP_ALIVE} seconds, not {keep_alive}")
        client = self._node.find(client_id)
        if client is None:
            raise ClientNotFound(client_id)
        if client.channel is None:
            raise ClientOffline(client_id)
        self._broker.touch_clock()
        admin.set_keep_alive(self._broker, client.channel, keep_alive)
        return self._node.view(client)

    async def discard_offline(self, query: ClientQuery) -> int:
        """Discard the sessions that have no connection and satisfy a query; answers how many."""
        test = query.test()
        count = 0
        found: list[Session] = []
        pace = Pace(self._node.turns)
        await pace.rest()
        for client in self._node.walk():
            if not client.connected and test(client):
                found.append(client.session)
            if len(found) == DISCARDED_AT_ONCE:
                count += await self._discard(found)
                found = []
            elif pace.is_due():
                await pace.rest()
        if found:
            count += await self._discard(found)
        return count

    async def _discard(self, sessions: list[Session]) -> int:
        def discard_all(change: Change) -> int:
            count = 0
            for session in sessions:
                is_there = self._broker.state.sessions.get(session.client_id) is session
                if is_there and not session.is_live() and self._node.answers_for(session):
                    admin.discard(self._broker, session, change)
                    count += 1
            return count

        return await self.apply(discard_all)

    async def delete_retained(self, topic: str) -> None:
        """Delete the retained message of a topic name."""
        if not is_valid_topic_name(topic):
            raise BadQuery("topic", f"{topic!r} isn't a topic name")
        if self._broker.ctx.retained.get(topic) is None:
            raise RetainedNotFound(topic)
        await self.apply(lambda change: admin.delete_retained(topic, change))

    async def propose(self, operations: Sequence[Operation]) -> None:
        """Have operations applied that say all there is to say."""

        def propose_all(change: Change) -> None:
            for operation in operations:
                change.propose(operation)

        await self.apply(propose_all)

    async def change_accounts(self, operations: Sequence[PutAccount | DeleteAccount]) -> None:
        """Make, change or delete accounts on all nodes; ``outcome`` of each operation says what became of it."""

        def change_all(change: Change) -> None:
            for operation in operations:
                admin.change_account(operation, change)

        await self.apply(change_all)

    async def apply(self, start: Callable[[Change], T]) -> T:
        """Begin a change, send what that wrote, and wait until it is applied."""
        broker = self._broker
        done = trio.Event()
        change = Change(broker, done.set)
        broker.touch_clock()
        try:
            result = start(change)
        finally:
            change.seal()
            broker.flush()
        with trio.move_on_after(self._timeout_s):
            await done.wait()
        if change.refused:
            raise StorageUnavailable
        if change.unknown or not done.is_set():
            raise OutcomeUnknown
        return result
