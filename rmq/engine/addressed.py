"""Messages for one client alone: found by its client id, here, on another node, or in its kept session.

What a kept session is to get at QoS 1 or 2 is an operation, as everything that it keeps. A connection on another node
is reached as a member of a share group is, with no key: a node that doesn't know that drops the message and counts it.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from rmq.flow import publish
from rmq.flow.context import STORAGE_FAILED, STORAGE_READY
from rmq.flow.deliver import deliver_qos0, enqueue
from rmq.flow.origin_counts import count_nonsubscribed, count_published
from rmq.flow.ports import Pick
from rmq.flow.receipts import Reply, reply
from rmq.flow.send import note_dropped
from rmq.hooks.verdicts import ALLOW, DENY_ONCE, LATER, UNDECIDED
from rmq.mqtt.codes import NO_MATCHING_SUBSCRIBERS, PUBACK, PUBREC, QUOTA_EXCEEDED, SUCCESS, TOPIC_NAME_INVALID, V5
from rmq.mqtt.message import AddressedMessage, Message
from rmq.mqtt.packets import Publish
from rmq.session.channel import Channel
from rmq.session.limits import ACK_MEMORY
from rmq.session.receipts import Receipt
from rmq.session.session import Session
from rmq.storage.records import EnqueueMessage, StoreMessage

if TYPE_CHECKING:
    from rmq.engine.broker import Broker


def accept(broker: "Broker", channel: Channel, packet: Publish, message: AddressedMessage) -> None:
    """Deliver what a client has published, and answer its PUBLISH; access to the topic as it is seen is checked."""
    if packet.delay >= 0:
        publish.refuse_content(broker.ctx, channel, packet, TOPIC_NAME_INVALID)  # whom it is for isn't kept
        return
    if not broker.chains.message_publish_check_acl.handlers:
        _accept_allowed(broker, channel, packet, message)
        return
    seen = Publish(message.topic, b"", message.qos, packet.retain, False, packet.packet_id)
    verdict = publish.check_acl(broker.ctx, channel, seen)
    if verdict == LATER:
        _check_later(broker, channel, packet, message, seen)
    elif verdict == ALLOW:
        _accept_allowed(broker, channel, packet, message)
    else:
        publish.deny(broker.ctx, channel, packet, verdict)


def _check_later(broker: "Broker", channel: Channel, packet: Publish, message: AddressedMessage, seen: Publish) -> None:
    async def work() -> Callable[[], None] | None:
        info = channel.info
        if info is None:
            return None
        verdict = await broker.runner.run_decide("message_publish_check_acl", info, seen.topic, seen.qos, seen.retain)
        if verdict == UNDECIDED:
            verdict = ALLOW
        if verdict != DENY_ONCE and channel.acl is not None:
            publish.remember_verdict(channel, seen, verdict)
        if verdict == ALLOW:
            return lambda: _accept_allowed(broker, channel, packet, message)
        return lambda: publish.deny(broker.ctx, channel, packet, verdict)

    broker.wait(channel, work)


def _accept_allowed(broker: "Broker", channel: Channel, packet: Publish, message: AddressedMessage) -> None:
    ctx = broker.ctx
    session = channel.session
    if session is None:
        return
    qos = message.qos
    publisher = session if qos == 2 and session.persistent else None
    stores = publisher is not None or (qos > 0 and message.client_id in broker.state.sessions)
    if ctx.now > ctx.routes_until or (stores and ctx.storage != STORAGE_READY):
        if ctx.storage == STORAGE_FAILED and qos and channel.version == V5:
            publish.refuse(ctx, channel, packet, QUOTA_EXCEEDED)
        else:
            ctx.ports.wait_for_storage(channel, packet, message)
        return
    if qos == 0:
        _deliver(broker, message, None, None)
        return
    answer = PUBACK if qos == 1 else PUBREC
    later = Reply(ctx, channel, answer, packet.packet_id, SUCCESS, qos == 1 or publisher is not None)
    # The packet identifier of a kept session goes behind the message: what was cut off in between is sent again.
    waits = channel.limits.ack_policy != ACK_MEMORY or publisher is not None
    told = later if waits else None
    matched, parts = _deliver(broker, message, told, told)
    if publisher is not None:
        stored = StoreMessage(None, None, publisher.client_id, packet.packet_id, publisher.epoch)
        if not broker.cluster.propose(stored, later):
            parts += 1
    elif qos == 2:
        session.add_inbound_qos2(packet.packet_id)
    if parts:
        later.parts = parts
        later.enlist()
        return
    reply(ctx, channel, answer, packet.packet_id, SUCCESS if matched else NO_MATCHING_SUBSCRIBERS)


def route(broker: "Broker", message: AddressedMessage, receipt: Receipt | None) -> int:
    """Deliver what the node itself publishes; how many sessions that was, -1 when the receipt will tell."""
    matched, parts = _deliver(broker, message, receipt, None)
    return -1 if parts else matched


def _deliver(
    broker: "Broker", message: AddressedMessage, stored: Receipt | None, forwarded: Receipt | None
) -> tuple[int, int]:
    """How many sessions there are for it, and how many things the receipts will be told of.

    Whoever observes what is routed isn't told: it is nobody else's, now or later.
    """
    ctx = broker.ctx
    count_published(ctx, message)
    client_id = message.client_id
    session = broker.state.sessions.get(client_id)
    if session is not None and message.qos:
        pending = not broker.cluster.propose(_to_queue(client_id, message), stored)
        return 1, 1 if pending and stored is not None else 0
    connected = _connected(broker, client_id)
    if connected is not None:
        _deliver_here(broker, connected, message)
        return 1, 0
    owner = broker.state.cluster.owners.get(client_id)
    if owner is not None and owner.node != broker.node_id:
        return 1, ctx.lanes.forward(message, None, [Pick(owner.node, "", client_id)], forwarded)
    if session is not None:
        ctx.counters.dropped_offline_qos0 += 1
        note_dropped(ctx, session, message, "offline_qos0")
        return 1, 0
    count_nonsubscribed(ctx, message)
    return 0, 0


def deliver_here(broker: "Broker", message: Message, client_id: str) -> EnqueueMessage | None:
    """One that came from another node, which knew the client here; what is to be proposed if it is kept now."""
    connected = _connected(broker, client_id)
    if connected is not None:
        if message.qos and connected.persistent:
            return _to_queue(client_id, message)
        _deliver_here(broker, connected, message)
        return None
    broker.counters.dropped_session_ended += 1
    note_dropped(broker.ctx, None, message, "session_ended")
    return None


def _connected(broker: "Broker", client_id: str) -> Session | None:
    """The session of a client that is connected here; none while its CONNECT isn't answered yet."""
    channel = broker.registry.get(client_id)
    session = None if channel is None else channel.session
    return None if session is None or session.channel is not channel else session


def _deliver_here(broker: "Broker", session: Session, message: Message) -> None:
    channel = session.channel
    if channel is not None and message.qos == 0:
        deliver_qos0(broker.ctx, channel, message, False, None)
    else:
        enqueue(broker.ctx, session, message, message.qos, False, None, "")


def _to_queue(client_id: str, message: Message) -> EnqueueMessage:
    return EnqueueMessage(client_id, message, message.qos, False, None, "")
