"""The operations: every change of what a persistent session or the retained store keeps is one of these.

A node alone applies them itself; a journal writes them down, a cluster replicates them, before they are applied.
They name sessions by client id and epoch, never by object, and carry the time they were made (seconds since 1970):
applying one asks neither clock nor chance.
"""

from rmq.mqtt.message import Message
from rmq.mqtt.packets import Will
from rmq.storage.account_records import DeleteAccount, PutAccount
from rmq.storage.cluster_records import ClusterOperation


class OpenSession:
    """A connection takes a persistent session: ``resume`` it if it is there, else begin a new one.

    ``expiry_interval`` 0 ends the session when its connection ends. ``node`` is the one with the connection, 0 for a
    node that is alone.
    """

    __slots__ = (
        "at",
        "client_id",
        "drop_newest",
        "epoch",
        "expiry_interval",
        "max_queue",
        "node",
        "protocol_level",
        "resume",
        "username",
        "will",
        "window",
    )

    def __init__(
        self,
        client_id: str,
        epoch: int,
        resume: bool,
        username: str | None,
        protocol_level: int,
        expiry_interval: int,
        will: Will | None,
        window: int,
        max_queue: int,
        drop_newest: bool,
        at: float,
        node: int = 0,
    ) -> None:
        self.node = node
        self.client_id = client_id
        self.epoch = epoch
        self.resume = resume
        self.username = username
        self.protocol_level = protocol_level
        self.expiry_interval = expiry_interval
        self.will = will
        self.window = window
        self.max_queue = max_queue
        self.drop_newest = drop_newest
        self.at = at


class CloseSession:
    """The connection of a persistent session ended; the session is kept for ``expiry_interval`` seconds.

    ``will_due_at`` is when its will is to be published, 0.0 when there is none any more; ``inflight`` is how many of
    its deliveries, the oldest ones, were sent and not complete. ``leaving`` of those before them were complete, but
    their removal wasn't applied yet: behind a newer claim it never is.
    """

    __slots__ = ("at", "client_id", "epoch", "expiry_interval", "inflight", "leaving", "will_due_at")

    def __init__(
        self,
        client_id: str,
        epoch: int,
        expiry_interval: int,
        inflight: int,
        will_due_at: float,
        at: float,
        leaving: int = 0,
    ) -> None:
        self.inflight = inflight
        self.leaving = leaving
        self.client_id = client_id
        self.epoch = epoch
        self.expiry_interval = expiry_interval
        self.will_due_at = will_due_at
        self.at = at


class EndSession:
    """A persistent session ends: expired, discarded by a clean start, or its connection ended with expiry 0."""

    __slots__ = ("client_id", "epoch")

    def __init__(self, client_id: str, epoch: int) -> None:
        self.client_id = client_id
        self.epoch = epoch


class RemoveWill:
    """The will of a persistent session is published or no longer wanted."""

    __slots__ = ("client_id", "epoch")

    def __init__(self, client_id: str, epoch: int) -> None:
        self.client_id = client_id
        self.epoch = epoch


class AddSubscription:
    """A persistent session subscribes; ``key`` is the topic filter as written, see ``Subscription``.

    ``epoch`` as in ``RemoveDelivery``. ``refused`` is not part of the operation: it is what applying it has found, in a
    cluster, where a limited subscription elsewhere may have been a moment earlier.
    """

    __slots__ = (
        "client_id",
        "epoch",
        "key",
        "no_local",
        "qos",
        "refused",
        "retain_as_published",
        "retain_handling",
        "share_group",
        "subscription_id",
        "topic_filter",
    )

    def __init__(
        self,
        client_id: str,
        key: str,
        topic_filter: str,
        share_group: str,
        qos: int,
        no_local: bool,
        retain_as_published: bool,
        retain_handling: int,
        subscription_id: int,
        epoch: int = -1,
    ) -> None:
        self.refused = False
        self.epoch = epoch
        self.client_id = client_id
        self.key = key
        self.topic_filter = topic_filter
        self.share_group = share_group
        self.qos = qos
        self.no_local = no_local
        self.retain_as_published = retain_as_published
        self.retain_handling = retain_handling
        self.subscription_id = subscription_id


class RemoveSubscription:
    """A persistent session unsubscribes; ``epoch`` as in ``RemoveDelivery``."""

    __slots__ = ("client_id", "epoch", "key")

    def __init__(self, client_id: str, key: str, epoch: int = -1) -> None:
        self.epoch = epoch
        self.client_id = client_id
        self.key = key


class StoreMessage:
    """Queue a message for every persistent session that matches, and retain it if it says so.

    ``chosen`` holds share group key and client id in turn. ``publisher`` and ``packet_id`` are the QoS 2 packet
    identifier that is kept with it ("" for none); ``message`` is None when only that is kept. ``epoch`` is that of the
    publisher's connection: if another one claimed the session since, nothing is stored, for the publisher sends the
    message again there (-1: whoever has it).
    """

    __slots__ = ("chosen", "epoch", "message", "packet_id", "publisher")

    def __init__(
        self, message: Message | None, chosen: list[str] | None, publisher: str, packet_id: int, epoch: int = -1
    ) -> None:
        self.epoch = epoch
        self.message = message
        self.chosen = chosen
        self.publisher = publisher
        self.packet_id = packet_id


class EnqueueMessage:
    """Queue a message for one persistent session, whatever it is subscribed to; ``epoch`` as in ``RemoveDelivery``."""

    __slots__ = ("client_id", "epoch", "message", "qos", "retain", "share", "subscription_ids")

    def __init__(
        self,
        client_id: str,
        message: Message,
        qos: int,
        retain: bool,
        subscription_ids: list[int] | None,
        share: str,
        epoch: int = -1,
    ) -> None:
        self.epoch = epoch
        self.client_id = client_id
        self.message = message
        self.qos = qos
        self.retain = retain
        self.subscription_ids = subscription_ids
        self.share = share


class RemoveDelivery:
    """A delivery of a persistent session is complete, expired, refused or given to someone else.

    ``epoch`` is that of the connection: nothing happens once another one claimed the session (-1: whoever has it).
    """

    __slots__ = ("client_id", "epoch", "packet_id")

    def __init__(self, client_id: str, packet_id: int, epoch: int = -1) -> None:
        self.client_id = client_id
        self.packet_id = packet_id
        self.epoch = epoch


class ReleaseDelivery:
    """PUBREC was received for a QoS 2 delivery.

    ``epoch`` is that of the connection: nothing happens once another one claimed the session (-1: whoever has it).
    """

    __slots__ = ("client_id", "epoch", "packet_id")

    def __init__(self, client_id: str, packet_id: int, epoch: int = -1) -> None:
        self.client_id = client_id
        self.packet_id = packet_id
        self.epoch = epoch


class ReleaseInbound:
    """PUBREL was received for a QoS 2 message of a persistent publisher.

    ``epoch`` is that of the connection: nothing happens once another one claimed the session (-1: whoever has it).
    """

    __slots__ = ("client_id", "epoch", "packet_id")

    def __init__(self, client_id: str, packet_id: int, epoch: int = -1) -> None:
        self.client_id = client_id
        self.packet_id = packet_id
        self.epoch = epoch


class DelayMessage:
    """Keep a message until ``due_at`` (seconds since 1970), under a key that nobody used before.

    ``publisher``, ``packet_id`` and ``epoch`` as in ``StoreMessage``.
    """

    __slots__ = ("due_at", "epoch", "key", "message", "packet_id", "publisher")

    def __init__(
        self, key: str, message: Message, due_at: float, publisher: str, packet_id: int, epoch: int = -1
    ) -> None:
        self.epoch = epoch
        self.key = key
        self.message = message
        self.due_at = due_at
        self.publisher = publisher
        self.packet_id = packet_id


class RemoveDelayed:
    """A delayed message is published, or no longer wanted."""

    __slots__ = ("key",)

    def __init__(self, key: str) -> None:
        self.key = key


class DeleteRetained:
    """Remove a retained message, if it is still the one made at ``created_at`` (0.0: whichever it is)."""

    __slots__ = ("created_at", "topic")

    def __init__(self, topic: str, created_at: float) -> None:
        self.topic = topic
        self.created_at = created_at


class Configure:
    """The rules by which operations are applied from here on; written at each start, so that a replay uses them too.

    ``max_retained`` and ``max_retained_payload`` as in ``State``.
    """

    __slots__ = ("allow_multiple_matches", "max_retained", "max_retained_payload")

    def __init__(self, allow_multiple_matches: bool, max_retained: int, max_retained_payload: int) -> None:
        self.allow_multiple_matches = allow_multiple_matches
        self.max_retained = max_retained
        self.max_retained_payload = max_retained_payload

    def is_like(self, other: "Configure") -> bool:
        """Whether these are the same rules."""
        return (
            self.allow_multiple_matches == other.allow_multiple_matches
            and self.max_retained == other.max_retained
            and self.max_retained_payload == other.max_retained_payload
        )


class SkipPacketIds:
    """The journal of a node alone may have had an end that is lost, with packet identifiers that were given in it."""

    __slots__ = ()


Operation = (
    StoreMessage
    | RemoveDelivery
    | ReleaseDelivery
    | ReleaseInbound
    | EnqueueMessage
    | OpenSession
    | CloseSession
    | EndSession
    | RemoveWill
    | AddSubscription
    | RemoveSubscription
    | DeleteRetained
    | DelayMessage
    | RemoveDelayed
    | Configure
    | SkipPacketIds
    | PutAccount
    | DeleteAccount
    | ClusterOperation
)
