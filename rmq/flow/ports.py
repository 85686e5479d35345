"""What the hot path needs from the layers above it, as one concrete base class (a Protocol call costs ten times more).

``engine`` implements it; in a cluster the same calls reach the replicated log. Each call that changes what is kept
returns True when the change is already applied, False when its receipt will tell.
"""

from typing import Final

from mypy_extensions import mypyc_attr

from rmq.mqtt.message import AddressedMessage, Message
from rmq.mqtt.packets import Packet, Publish
from rmq.session.channel import Channel
from rmq.session.receipts import Receipt
from rmq.session.session import Session

# What became of a message that is to be delayed: kept; kept in a moment, the receipt will tell; there is no room;
# there is no room, and it is to be published at once.
DELAY_KEPT: Final = 0
DELAY_PENDING: Final = 1
DELAY_FULL: Final = 2
DELAY_NOT: Final = 3


class Pick:
    """A member of a share group on another node that a message is for: its node, the group's key, its client id."""

    __slots__ = ("client_id", "key", "node")

    def __init__(self, node: int, key: str, client_id: str) -> None:
        self.node = node
        self.key = key
        self.client_id = client_id


@mypyc_attr(allow_interpreted_subclasses=True)
class FlowPorts:
    """The calls out of ``flow``; this base refuses all of them."""

    def store(
        self,
        message: Message | None,
        chosen: list[str] | None,
        publisher: Session | None,
        packet_id: int,
        receipt: Receipt | None,
    ) -> bool:
        """Keep a message: queue it for the persistent sessions that match, and retain it if it says so.

        ``chosen`` names share group keys and the members chosen for them, in turn. With a ``publisher`` its QoS 2
        packet identifier is kept in the same operation, even when there is no message (it was refused).
        """
        raise RuntimeError("no store")

    def delay(
        self, message: Message, delay_s: int, publisher: Session | None, packet_id: int, receipt: Receipt | None
    ) -> int:
        """Keep a message and publish it after ``delay_s`` seconds; ``publisher`` as in ``store``.

        Returns what became of it, one of the ``DELAY_`` constants. A time the message expires at is put off as well.
        """
        raise RuntimeError("no store")

    def acknowledge(self, session: Session, packet_id: int) -> None:
        """A delivery of a persistent session is complete; may be kept lazily."""
        raise RuntimeError("no store")

    def discard(self, session: Session, packet_id: int) -> None:
        """A delivery of a persistent session is dropped: expired, too large or refused."""
        raise RuntimeError("no store")

    def receive(self, session: Session, packet_id: int, receipt: Receipt) -> bool:
        """PUBREC came for a delivery of a persistent session; PUBREL follows once this is kept."""
        raise RuntimeError("no store")

    def release(self, session: Session, packet_id: int, receipt: Receipt) -> bool:
        """PUBREL came from a persistent session; PUBCOMP follows once this is kept."""
        raise RuntimeError("no store")

    def enqueue(
        self, session: Session, message: Message, qos: int, retain: bool, ids: list[int] | None, receipt: Receipt
    ) -> bool:
        """Queue one message for one persistent session (a retained message for a new subscription)."""
        raise RuntimeError("no store")

    def on_routed(self, message: Message) -> None:
        """A message for all its subscribers is being routed; only called when ``FlowContext.observed`` says so."""

    def on_packet(self, channel: Channel, packet: Packet) -> None:
        """Any packet but PUBLISH, the acknowledgements and PINGREQ."""
        raise RuntimeError("no engine")

    def check_publish_later(self, channel: Channel, packet: Publish) -> None:
        """A hook of this PUBLISH must be awaited: the channel is paused; resume with ``inbound.resume``."""
        raise RuntimeError("no engine")

    def filter_publish_later(self, channel: Channel, packet: Publish, message: Message) -> None:
        """A ``message_publish`` hook must be awaited: the channel is paused; goes on with ``publish.accept``."""
        raise RuntimeError("no engine")

    def accept_addressed(self, channel: Channel, packet: Publish, message: AddressedMessage) -> None:
        """``publish.accept`` of a message for one client alone."""
        raise RuntimeError("no engine")

    def wait_for_storage(self, channel: Channel, packet: Publish, message: Message | None) -> None:
        """Nothing can be stored just now: the channel is paused; goes on with ``publish.accept``, or is closed."""
        raise RuntimeError("no store")

    def load_payloads(self, channel: Channel) -> None:
        """The next deliveries have their payloads on disk: pump the channel again when they are read."""
        raise RuntimeError("no store")

    def load_payload(self, message: Message) -> None:
        """Read this one payload back now."""
        raise RuntimeError("no store")

    def relieve(self, channel: Channel) -> None:
        """An out-buffer is over its limit within a turn: hand what it holds to the socket now."""

    def wait_for_allowance(self, channel: Channel) -> None:
        """The delivery rate is used up: pump this channel again when there is allowance."""

    def close(self, channel: Channel, reason_code: int, text: str) -> None:
        """End a connection for a reason: MQTT 5 clients are told."""
        raise RuntimeError("no engine")
