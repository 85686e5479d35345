"""Delayed messages: kept until they are due, then published in the order in which they are due."""

import heapq
import secrets
from typing import TYPE_CHECKING, Final

from rmq.engine.retained_expiry import limit_retained
from rmq.engine.timers import StandingTimer
from rmq.flow.context import STORAGE_FAILED
from rmq.flow.forwarded import choose_members
from rmq.flow.origin_counts import count_published
from rmq.flow.ports import DELAY_FULL, DELAY_KEPT, DELAY_NOT, DELAY_PENDING
from rmq.flow.send import note_dropped
from rmq.mqtt.message import Message
from rmq.session.receipts import Receipt
from rmq.session.session import Session
from rmq.storage.cluster_records import PublishDelayed
from rmq.storage.records import DelayMessage, RemoveDelayed

if TYPE_CHECKING:
    from rmq.engine.broker import Broker

# So many are published in one tick of the timers; a crowd that is due at the same time takes several.
AT_ONCE: Final = 1000
# How long messages that are due wait for a disk that fails, before it is looked at again.
RETRY_S: Final = 1.0


class DelayedMessages:
    """When each delayed message is due; the messages themselves are in the state.

    ``max_count`` and ``max_bytes`` (payloads and properties) bound them, 0 for no limit; ``publish_at_once``: what
    finds no room is published without delay instead of being refused.
    """

    def __init__(self, broker: "Broker", max_count: int, max_bytes: int, *, publish_at_once: bool) -> None:
        self._broker = broker
        self.max_count = max_count
        self._max_bytes = max_bytes
        self._when_full = DELAY_NOT if publish_at_once else DELAY_FULL
        # Due time, key and size; a heap, by time and, at the same time, in the order in which they came.
        self._due: list[tuple[float, str, int]] = []
        self._bytes = 0
        self._proposed: set[str] = set()
        # Two nodes, and two lives of one node, never give the same key.
        self._prefix = f"{broker.node_id:08x}-{secrets.token_hex(8)}"
        self._last = 0
        self._timer = _Due(self)

    def __len__(self) -> int:
        return len(self._due)

    def clear(self) -> None:
        """The whole state is replaced."""
        self._due.clear()
        self._bytes = 0

    def keep(
        self, message: Message, delay_s: int, publisher: Session | None, packet_id: int, receipt: Receipt | None
    ) -> int:
        """Have a message kept; see ``FlowPorts.delay``."""
        size = _size(message)
        if (self.max_count and len(self._due) + len(self._proposed) >= self.max_count) or (
            self._max_bytes and self._bytes + size > self._max_bytes
        ):
            return self._when_full
        broker = self._broker
        if message.expires_at:
            message.expires_at += delay_s
        self._last += 1
        key = f"{self._prefix}-{self._last:012x}"
        name = "" if publisher is None else publisher.client_id
        epoch = -1 if publisher is None else publisher.epoch
        operation = DelayMessage(key, message, broker.ctx.now + delay_s, name, packet_id, epoch)
        self._proposed.add(key)
        applied = broker.cluster.propose(operation, _Kept(self._proposed, key, receipt))
        if applied:
            self._proposed.discard(key)
        return DELAY_KEPT if applied else DELAY_PENDING

    def enter(self, operation: DelayMessage) -> None:
        """It is kept: it is published when it is due, or now if that was in between."""
        size = _size(operation.message)
        entry = (operation.due_at, operation.key, size)
        heapq.heappush(self._due, entry)
        self._bytes += size
        if self._due[0] is entry:
            self._broker.timers.enter(self._timer, operation.due_at)

    def publish_due(self, now: float) -> float:
        """Publish what is due; returns when to look again, 0.0 when nothing is left."""
        broker = self._broker
        due = self._due
        if broker.ctx.storage == STORAGE_FAILED:
            # It couldn't be noted that they are published, and after a restart they would be published again.
            return now + RETRY_S
        if not broker.cluster.decides:
            self._forget_published()
            return now + RETRY_S if due else 0.0
        again: list[tuple[float, str, int]] = []
        count = 0
        while due and due[0][0] <= now and count < AT_ONCE:
            entry = heapq.heappop(due)
            _, key, size = entry
            operation = broker.state.delayed.get(key)
            if operation is None:
                self._bytes -= size  # published, or no longer wanted
                continue
            count += 1
            if broker.cluster.replicates:
                self._propose(operation)
                again.append((now + RETRY_S, key, size))  # unless it is gone by then
            else:
                self._bytes -= size
                self._publish(operation)
        for entry in again:
            heapq.heappush(due, entry)
        return due[0][0] if due else 0.0

    def _forget_published(self) -> None:
        due = self._due
        while due and due[0][1] not in self._broker.state.delayed:
            self._bytes -= heapq.heappop(due)[2]

    def _propose(self, operation: DelayMessage) -> None:
        broker = self._broker
        message = self._as_published(operation.message)
        chosen = None
        if message is not None:
            limit_retained(message, broker.options.retained_ttl_s)
            count_published(broker.ctx, message)
            chosen = choose_members(broker.ctx, message)
        broker.cluster.propose(PublishDelayed(operation.key, message, chosen))

    def _publish(self, operation: DelayMessage) -> None:
        broker = self._broker
        message = self._as_published(operation.message)
        if message is not None:
            try:
                broker.publish(message)
            except Exception:
                broker.report_bug(None, "while a delayed message was published")
        # Right behind it: both are in one batch, so that it is neither lost nor published twice.
        broker.cluster.propose(RemoveDelayed(operation.key))

    def _as_published(self, kept: Message) -> Message | None:
        """None when it expired while it waited."""
        broker = self._broker
        if kept.expires_at and kept.expires_at <= broker.ctx.now:
            broker.counters.dropped_expired += 1
            note_dropped(broker.ctx, None, kept, "expired")
            return None
        return Message(
            kept.topic,
            kept.payload,
            kept.qos,
            kept.retain,
            kept.publisher,
            kept.properties,
            kept.expires_at,
            broker.ctx.now,
            kept.origin,
        )


def _size(message: Message) -> int:
    return len(message.payload) + len(message.properties)


class _Kept(Receipt):
    """A delayed message is kept; whoever published it is told."""

    def __init__(self, proposed: set[str], key: str, inner: Receipt | None) -> None:
        super().__init__(inner is not None and inner.synced_only)
        self._proposed = proposed
        self._key = key
        self._inner = inner

    def applied(self) -> None:
        self._proposed.discard(self._key)
        if self._inner is not None:
            self._inner.applied()

    def give_up(self) -> None:
        if self._inner is not None:
            self._inner.give_up()


class _Due(StandingTimer):
    """The next message is due."""

    __slots__ = ("_messages",)

    def __init__(self, messages: DelayedMessages) -> None:
        super().__init__()
        self._messages = messages

    def fire(self, now: float) -> float:
        return self._messages.publish_due(now)
