"""The Session: what the protocol says outlives a Network Connection (MQTT 5.0, 4.1).

The same class serves both kinds. A *persistent* session stands in ``storage/state.py`` and changes only when an
operation is applied there. A *transient* one (it ends with its connection) belongs to its channel alone and is
changed directly. ``channel`` is the live connection on this node, if there is one.
"""

from typing import TYPE_CHECKING

from rmq.mqtt.packets import Will
from rmq.session.outbound import Outbound
from rmq.session.subscription import Subscription

if TYPE_CHECKING:
    from rmq.session.channel import Channel


class Session:
    """One client id's state. Times are seconds since 1970; ``expiry_interval`` is in seconds, 0xFFFFFFFF never ends.

    ``epoch`` counts the claims of this client id: what names an older one does nothing; ``created_epoch`` is the claim
    that began the session. ``ended``: it is gone, and whoever wants to know was told. ``snapshot`` is the number of the
    last snapshot that has the session, ``digested`` that of the last digest. ``node`` is the node with the connection,
    or that had it last (0: this one is alone); ``remote``: it is another node. Tables are created when first needed: an
    idle session costs little.
    """

    __slots__ = (
        "channel",
        "client_id",
        "created_at",
        "created_epoch",
        "digested",
        "disconnected_at",
        "drop_newest",
        "ended",
        "epoch",
        "expiry_interval",
        "inbound_qos2",
        "max_queue",
        "max_window",
        "node",
        "outbound",
        "persistent",
        "protocol_level",
        "remote",
        "snapshot",
        "subscriptions",
        "username",
        "will",
        "will_due_at",
    )

    def __init__(self, client_id: str, persistent: bool) -> None:
        self.client_id = client_id
        self.persistent = persistent
        self.channel: Channel | None = None
        self.username: str | None = None
        self.protocol_level = 4
        self.epoch = 0
        self.created_at = 0.0
        self.created_epoch = 0
        self.disconnected_at = 0.0
        self.expiry_interval = 0
        self.subscriptions: dict[str, Subscription] | None = None
        self.outbound: Outbound | None = None
        self.inbound_qos2: dict[int, bool] | None = None
        self.will: Will | None = None
        self.will_due_at = 0.0
        self.max_window = 16
        self.max_queue = 1000
        self.drop_newest = False
        self.ended = False
        self.snapshot = 0
        self.digested = 0
        self.node = 0
        self.remote = False

    def is_live(self) -> bool:
        """Whether there is a connection, here or on another node."""
        return self.channel is not None or (self.remote and self.disconnected_at == 0.0)

    def open_outbound(self) -> Outbound:
        """The outbound tables, made when the first delivery comes."""
        outbound = self.outbound
        if outbound is None:
            reserved = 0 if self.disconnected_at else self.max_window
            outbound = Outbound(self.max_window, reserved, self.max_queue, self.drop_newest)
            self.outbound = outbound
        return outbound

    def subscription_count(self) -> int:
        """How many subscriptions the session has."""
        subscriptions = self.subscriptions
        return 0 if subscriptions is None else len(subscriptions)

    def find_subscription(self, key: str) -> Subscription | None:
        """The subscription with exactly this filter, as the client wrote it."""
        subscriptions = self.subscriptions
        return None if subscriptions is None else subscriptions.get(key)

    def put_subscription(self, subscription: Subscription) -> None:
        """Add a subscription or replace the one with the same filter [MQTT-3.8.4-3]."""
        subscriptions = self.subscriptions
        if subscriptions is None:
            subscriptions = {}
            self.subscriptions = subscriptions
        subscriptions[subscription.key] = subscription

    def drop_subscription(self, key: str) -> Subscription | None:
        """Forget a subscription; returns it, or None if there was none."""
        subscriptions = self.subscriptions
        if subscriptions is None:
            return None
        subscription = subscriptions.pop(key, None)
        if not subscriptions:
            self.subscriptions = None
        return subscription

    def has_inbound_qos2(self, packet_id: int) -> bool:
        """Whether a QoS 2 PUBLISH with this packet identifier was received and not yet released."""
        ids = self.inbound_qos2
        return ids is not None and packet_id in ids

    def inbound_qos2_count(self) -> int:
        """How many received QoS 2 messages wait for their PUBREL."""
        ids = self.inbound_qos2
        return 0 if ids is None else len(ids)

    def add_inbound_qos2(self, packet_id: int) -> None:
        """Remember a QoS 2 packet identifier until its PUBREL [MQTT-4.3.3-10]."""
        ids = self.inbound_qos2
        if ids is None:
            ids = {}
            self.inbound_qos2 = ids
        ids[packet_id] = True

    def remove_inbound_qos2(self, packet_id: int) -> bool:
        """Forget a QoS 2 packet identifier at its PUBREL; False if it wasn't known."""
        ids = self.inbound_qos2
        if ids is None:
            return False
        known = ids.pop(packet_id, False)
        if not ids:
            self.inbound_qos2 = None
        return known
