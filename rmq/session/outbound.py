"""The outbound side of a session: its message queue, its inflight window and its packet identifiers.

One ordered table holds every QoS 1 and 2 delivery from the moment it is queued until it is complete, keyed by the
packet identifier that it is given at once; so the identifier is the same on every replica and survives a reconnect
([MQTT-4.4.0-1]). ``waiting`` lists those that are to be sent (again), in order.

For a persistent session ``add``, ``remove`` and ``release`` are called by the deterministic state only; the window
(``inflight``, ``waiting``) belongs to the node that has the connection.
"""

from typing import Final

from rmq.mqtt.message import Message
from rmq.session.delivery import DONE, QUEUED, RELEASED, RELEASING, RESEND, SENT, Delivery

COMPACT_AT: Final = 64
LAST_PACKET_ID: Final = 65_535
# Deliveries that are acknowledged, while the operation that removes them isn't applied, hold nobody up until there are
# so many of them.
MAX_LEAVING: Final = 64
MAX_CAPACITY: Final = 65_000  # leaves packet identifiers free, so that one is found quickly


class Outbound:
    """``window`` is how many deliveries may be unacknowledged, ``limit`` how many may wait beside them.

    ``reserved`` is the part of the table that may be in flight and is never dropped: the window while there is a
    connection, what was in flight when it ended while there is none. It is the same on every replica.
    ``payload_bytes`` counts the payloads of a persistent session's deliveries, in memory or on disk. ``leaving`` counts
    those that are DONE: they still take a place, so that the first ``reserved`` ones may not be all that are in flight.
    ``dropped_full`` and ``dropped_expired`` count what this process has dropped; they are kept nowhere.
    """

    __slots__ = (
        "capacity",
        "deliveries",
        "drop_newest",
        "dropped_expired",
        "dropped_full",
        "head",
        "inflight",
        "last_packet_id",
        "leaving",
        "limit",
        "payload_bytes",
        "reserved",
        "waiting",
        "window",
    )

    def __init__(self, window: int, reserved: int, limit: int, drop_newest: bool) -> None:
        self.window = window
        self.limit = limit
        self.reserved = reserved
        self.capacity = min(reserved + limit, MAX_CAPACITY)
        self.drop_newest = drop_newest
        self.deliveries: dict[int, Delivery] = {}
        self.waiting: list[Delivery] = []
        self.head = 0
        self.inflight = 0
        self.last_packet_id = 0
        self.leaving = 0
        self.payload_bytes = 0
        self.dropped_full = 0
        self.dropped_expired = 0

    def __len__(self) -> int:
        return len(self.deliveries)

    @property
    def queued(self) -> int:
        """How many deliveries wait to be sent."""
        return len(self.waiting) - self.head

    def has_waiting(self) -> bool:
        """Whether a delivery waits to be sent."""
        return self.head < len(self.waiting)

    def is_open(self) -> bool:
        """Whether one more delivery may be in flight.

        With those that are leaving never more than ``may_be_sent`` says. As the queue fills, only what stays within the
        reserved part: the next batch may bring more than there is room.
        """
        if self.inflight >= self.window:
            return False
        taken = self.inflight + self.leaving
        if taken < self.reserved:
            return True
        if taken >= self.may_be_sent():
            return False
        return len(self.deliveries) + (self.limit + 1) // 2 < self.capacity

    def may_be_sent(self) -> int:
        """How many of the table, the oldest ones, may have been sent: the window, and ``MAX_LEAVING``."""
        return self.reserved + MAX_LEAVING

    def is_full(self) -> bool:
        """Whether one more delivery needs room to be made first: window and queue are full."""
        return len(self.deliveries) >= self.capacity

    def add(self, message: Message, qos: int, retain: bool, subscription_ids: list[int] | None, share: str) -> Delivery:
        """Give a message its place and its packet identifier; the caller has made room (``is_full``)."""
        packet_id = self.last_packet_id
        deliveries = self.deliveries
        while True:
            packet_id = packet_id + 1 if packet_id < LAST_PACKET_ID else 1
            if packet_id not in deliveries:
                break
        self.last_packet_id = packet_id
        delivery = Delivery(message, packet_id, qos, retain, subscription_ids, share)
        deliveries[packet_id] = delivery
        return delivery

    def append_waiting(self, delivery: Delivery) -> None:
        """Put a delivery at the end of those to be sent."""
        waiting = self.waiting
        if len(waiting) - self.head > 2 * self.capacity:  # evicted deliveries are skipped lazily
            deliveries = self.deliveries
            self.waiting = waiting = [d for d in waiting[self.head :] if deliveries.get(d.packet_id) is d]
            self.head = 0
        waiting.append(delivery)

    def next_waiting(self) -> Delivery | None:
        """Take the first delivery that waits."""
        head = self.head
        waiting = self.waiting
        while head < len(waiting):
            delivery = waiting[head]
            head += 1
            state = delivery.state
            unfinished = state != DONE and state != RELEASED and state != RELEASING
            if unfinished and self.deliveries.get(delivery.packet_id) is delivery:
                self._advance(head)
                return delivery
        self._advance(head)
        return None

    def _advance(self, head: int) -> None:
        if head >= len(self.waiting):
            self.waiting.clear()
            self.head = 0
        elif head >= COMPACT_AT and head * 2 >= len(self.waiting):
            del self.waiting[:head]
            self.head = 0
        else:
            self.head = head

    def put_back(self, delivery: Delivery) -> None:
        """Return the delivery that was just taken to the front."""
        if self.head > 0:
            self.head -= 1
            self.waiting[self.head] = delivery
        else:
            self.waiting.insert(0, delivery)

    def evict_oldest(self) -> Delivery | None:
        """Drop the oldest delivery that can't be in flight yet: the first one behind the reserved part.

        The rule looks at nothing that only the node with the connection knows, so every replica drops the same.
        """
        position = 0  # not enumerate(): its tuples are slow when compiled
        for delivery in self.deliveries.values():
            if position >= self.reserved:
                del self.deliveries[delivery.packet_id]
                return delivery
            position += 1  # noqa: SIM113 -- see above
        return None

    def get(self, packet_id: int) -> Delivery | None:
        """The delivery that a packet identifier stands for."""
        return self.deliveries.get(packet_id)

    def remove(self, packet_id: int) -> Delivery | None:
        """Forget a delivery that is complete, rejected or expired."""
        return self.deliveries.pop(packet_id, None)

    def release(self, packet_id: int) -> None:
        """PUBREC was received: only the packet identifier is still needed [MQTT-4.3.3-8]."""
        delivery = self.deliveries.get(packet_id)
        if delivery is not None:
            delivery.state = RELEASED
            delivery.released = True

    def mark_sent(self, count: int) -> None:
        """The oldest ``count`` deliveries may have reached the client: sent again, they carry DUP [MQTT-3.3.1-1]."""
        for delivery in self.deliveries.values():
            if count == 0:
                return
            count -= 1
            if delivery.state == QUEUED:
                delivery.state = SENT

    def set_window(self, window: int) -> None:
        """A connection takes the session: so many deliveries may be unacknowledged."""
        self.window = window
        self.reserve(max(window, self.reserved))  # more may be in flight from before than the new window holds

    def reserve(self, count: int) -> None:
        """So many deliveries may be in flight from now on."""
        self.reserved = count
        self.capacity = min(count + self.limit, MAX_CAPACITY)

    def resume(self) -> list[int]:
        """Start over on a new connection; returns the packet identifiers whose PUBREL is to be sent again.

        All that was sent and not acknowledged goes to the front of what waits, in the original order
        ([MQTT-4.4.0-1], [MQTT-4.6.0-1]); it is sent again with DUP set.
        """
        self.inflight = 0
        self.leaving = 0
        self.head = 0
        waiting: list[Delivery] = []
        released: list[int] = []
        for delivery in self.deliveries.values():
            if delivery.state == RELEASED:
                released.append(delivery.packet_id)
                self.inflight += 1
            elif delivery.state == DONE:
                self.leaving += 1
            else:
                if delivery.state == SENT or delivery.state == RELEASING:
                    delivery.state = RESEND
                waiting.append(delivery)
        self.waiting = waiting
        return released
