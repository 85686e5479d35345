"""The engine's side of ``flow.ports``: every call of the hot path finds the function that does the work."""

from typing import TYPE_CHECKING

from rmq.engine import addressed, connect, disconnect, enhanced_auth, payloads, publish_later, subscribe
from rmq.engine.rate_wait import RateWait
from rmq.engine.retained_expiry import limit_retained
from rmq.flow.ports import FlowPorts
from rmq.mqtt import codes
from rmq.mqtt.message import AddressedMessage, Message
from rmq.mqtt.packets import Auth, Connect, Disconnect, Packet, Publish, Subscribe, Unsubscribe
from rmq.session.channel import AWAIT_CONNECT, CONNECTED, Channel
from rmq.session.receipts import Receipt
from rmq.session.session import Session
from rmq.storage.records import (
    EnqueueMessage,
    ReleaseDelivery,
    ReleaseInbound,
    RemoveDelivery,
    StoreMessage,
)

if TYPE_CHECKING:
    from rmq.engine.broker import Broker


class EngineGate(FlowPorts):
    """Made before the broker, which needs it; ``broker`` is set once, before the first packet."""

    def __init__(self) -> None:
        self.broker: Broker = None  # type: ignore[assignment]  # set by ``build_broker``, see above

    def on_routed(self, message: Message) -> None:
        """Tell those who want to know."""
        for observe in self.broker.observers:
            try:
                observe(message)
            except Exception:  # a border: what a plugin does with it stops no message
                self.broker.report_bug(None, "in an observer of messages")

    def store(
        self,
        message: Message | None,
        chosen: list[str] | None,
        publisher: Session | None,
        packet_id: int,
        receipt: Receipt | None,
    ) -> bool:
        """Propose it."""
        broker = self.broker
        name = "" if publisher is None else publisher.client_id
        if message is not None:
            limit_retained(message, broker.options.retained_ttl_s)
        epoch = -1 if publisher is None else publisher.epoch
        applied = broker.cluster.propose(StoreMessage(message, chosen, name, packet_id, epoch), receipt)
        if not applied and message is not None and message.retain:
            broker.ctx.retaining[message.topic] = message
        return applied

    def delay(
        self, message: Message, delay_s: int, publisher: Session | None, packet_id: int, receipt: Receipt | None
    ) -> int:
        """Propose to keep it until it is due."""
        return self.broker.delayed.keep(message, delay_s, publisher, packet_id, receipt)

    def acknowledge(self, session: Session, packet_id: int) -> None:
        """Propose the removal of a complete delivery."""
        self.broker.cluster.propose(RemoveDelivery(session.client_id, packet_id, session.epoch))

    def discard(self, session: Session, packet_id: int) -> None:
        """Propose the removal of a dropped delivery."""
        self.broker.cluster.propose(RemoveDelivery(session.client_id, packet_id, session.epoch))

    def receive(self, session: Session, packet_id: int, receipt: Receipt) -> bool:
        """Propose that PUBREC was received."""
        return self.broker.cluster.propose(ReleaseDelivery(session.client_id, packet_id, session.epoch), receipt)

    def release(self, session: Session, packet_id: int, receipt: Receipt) -> bool:
        """Propose that PUBREL was received."""
        return self.broker.cluster.propose(ReleaseInbound(session.client_id, packet_id, session.epoch), receipt)

    def enqueue(
        self, session: Session, message: Message, qos: int, retain: bool, ids: list[int] | None, receipt: Receipt
    ) -> bool:
        """Propose a message for one session."""
        operation = EnqueueMessage(session.client_id, message, qos, retain, ids, "", session.epoch)
        return self.broker.cluster.propose(operation, receipt)

    def accept_addressed(self, channel: Channel, packet: Publish, message: AddressedMessage) -> None:
        """Give it to its client, wherever that is."""
        addressed.accept(self.broker, channel, packet, message)

    def wait_for_storage(self, channel: Channel, packet: Publish, message: Message | None) -> None:
        """Pause the publisher until there is room again."""
        self.broker.storage_waits.enter(channel, packet, message)

    def load_payloads(self, channel: Channel) -> None:
        """Have the payloads of the next deliveries read, then go on."""
        payloads.load_next(self.broker, channel)

    def load_payload(self, message: Message) -> None:
        """Read one payload back, here and now."""
        self.broker.cluster.read_payload(message)

    def on_packet(self, channel: Channel, packet: Packet) -> None:
        """Dispatch the packets that aren't on the hot path, by the state of the channel."""
        broker = self.broker
        if channel.state == CONNECTED:
            if isinstance(packet, Subscribe):
                subscribe.handle_subscribe(broker, channel, packet)
            elif isinstance(packet, Unsubscribe):
                subscribe.handle_unsubscribe(broker, channel, packet)
            elif isinstance(packet, Disconnect):
                disconnect.handle_disconnect(broker, channel, packet)
            elif isinstance(packet, Auth):
                enhanced_auth.handle_auth(broker, channel, packet)
            else:
                disconnect.close(broker, channel, codes.PROTOCOL_ERROR, "packet not allowed here")
        elif isinstance(packet, Connect) and channel.state == AWAIT_CONNECT:
            connect.handle_connect(broker, channel, packet)
        elif isinstance(packet, Auth):
            enhanced_auth.handle_auth(broker, channel, packet)
        elif isinstance(packet, Disconnect):
            disconnect.handle_disconnect(broker, channel, packet)
        else:
            disconnect.close(broker, channel, codes.PROTOCOL_ERROR, "packet before the CONNACK")

    def check_publish_later(self, channel: Channel, packet: Publish) -> None:
        """Await the access verdict of a PUBLISH."""
        publish_later.check(self.broker, channel, packet)

    def filter_publish_later(self, channel: Channel, packet: Publish, message: Message) -> None:
        """Await the ``message_publish`` hooks."""
        publish_later.run_filters(self.broker, channel, packet, message)

    def relieve(self, channel: Channel) -> None:
        """Send within the turn."""
        channel.transport.flush()

    def wait_for_allowance(self, channel: Channel) -> None:
        """Pump again in a tick."""
        broker = self.broker
        if channel not in broker.rate_waits:
            broker.rate_waits.add(channel)
            broker.timers.enter(RateWait(broker, channel), broker.ctx.now)

    def close(self, channel: Channel, reason_code: int, text: str) -> None:
        """End a connection for a reason."""
        disconnect.close(self.broker, channel, reason_code, text)
