"""Message to session: QoS, options, window or queue, and the bytes of the PUBLISH in the right out-buffer."""

from typing import Final

from rmq.flow.context import FlowContext
from rmq.flow.payloads import hold, release
from rmq.flow.receipts import NO_REPLY, Reply
from rmq.flow.send import note_dropped, send_publish, take_allowance
from rmq.hooks import chains
from rmq.hooks.verdicts import ALLOW, UNDECIDED
from rmq.mqtt.message import Message
from rmq.mqtt.publish_wire import PACKET_ID_BYTES
from rmq.session.channel import CONNECTED, Channel
from rmq.session.delivery import DONE, QUEUED, RELEASED, RELEASING, RESEND, SENT, Delivery
from rmq.session.outbound import Outbound
from rmq.session.session import Session

RETAINED_CHUNK: Final = 256
RETAINED_CHUNKS_PER_TURN: Final = 4


def deliver_qos0(
    ctx: FlowContext, channel: Channel, message: Message, retain: bool, subscription_ids: list[int] | None
) -> None:
    """Send a QoS 0 message now, or drop it with a reason: it is never queued."""
    limits = channel.limits
    if channel.out_size > limits.out_buffer_limit:
        if not channel.congested:
            ctx.ports.relieve(channel)
        if channel.out_size > limits.out_buffer_limit:
            ctx.counters.dropped_out_buffer_full += 1
            channel.dropped_slow += 1
            note_dropped(ctx, channel.session, message, "out_buffer_full")
            return
    if limits.mqueue_rate and not take_allowance(ctx, channel):
        ctx.counters.dropped_rate += 1
        channel.dropped_slow += 1
        note_dropped(ctx, channel.session, message, "rate")
        return
    send_publish(ctx, channel, message, 0, retain, False, 0, subscription_ids)


def enqueue(
    ctx: FlowContext,
    session: Session,
    message: Message,
    qos: int,
    retain: bool,
    subscription_ids: list[int] | None,
    share: str,
) -> bool:
    """Give a QoS 1 or 2 message its place in a session's outbound table, and send it if the window is open.

    False when the queue was full and the message is dropped. Called for transient sessions by ``publish``, for
    persistent ones when the operation is applied.
    """
    outbound = session.outbound
    if outbound is None:
        outbound = session.open_outbound()
    channel = session.channel
    if (
        channel is not None
        and outbound.is_open()
        and outbound.head == len(outbound.waiting)
        and not channel.blocked
        and channel.state == CONNECTED
        and channel.limits.mqueue_rate == 0
        and channel.out_size <= channel.limits.out_buffer_limit
        and not message.on_disk
        and (qos == 1 or not channel.needs_sync)
    ):
        if session.persistent:
            hold(ctx, outbound, message)
        _send_delivery(ctx, channel, outbound, outbound.add(message, qos, retain, subscription_ids, share))
        return True
    if outbound.is_full() and not _make_room(ctx, session, outbound, message):
        return False
    delivery = outbound.add(message, qos, retain, subscription_ids, share)
    if session.persistent:
        delivery.index = ctx.index
        hold(ctx, outbound, message)
    else:
        message.pinned = True
    if not session.remote:
        ctx.counters.messages_queued += 1
    if channel is None:  # what waits is listed when a connection resumes the session
        if not session.remote and ctx.chains.offline_message.handlers:
            chains.offline_message(ctx.chains, session.client_id, message)
        return True
    outbound.append_waiting(delivery)
    if channel.out_size > channel.limits.out_buffer_limit:
        channel.blocked = True  # sent on when the out-buffer is empty
    elif (channel.limits.mqueue_rate or message.on_disk or channel.needs_sync) and channel.retained is None:
        pump(ctx, channel)
    return True


def _make_room(ctx: FlowContext, session: Session, outbound: Outbound, message: Message) -> bool:
    evicted: Delivery | None = None
    if not outbound.drop_newest:
        evicted = outbound.evict_oldest()
        if evicted is not None and session.persistent:
            if evicted.state == SENT or evicted.state == RELEASED or evicted.state == RELEASING:
                outbound.inflight -= 1  # so much came in one batch; what its client says of it is unexpected now
                evicted.state = DONE
                outbound.leaving += 1
            removed(ctx, session, outbound, evicted)
    if not session.remote:  # its own node counts it
        ctx.counters.dropped_queue_full += 1
        outbound.dropped_full += 1
        note_dropped(ctx, session, message if evicted is None else evicted.message, "queue_full")
    return evicted is not None


def pump(ctx: FlowContext, channel: Channel) -> None:
    """Send what waits, as far as window, out-buffer and rate allow: first the queue, then owed retained messages."""
    session = channel.session
    if session is None or channel.state != CONNECTED or channel.loading:
        return
    channel.blocked = False
    while _pump_queue(ctx, channel, session) and channel.retained is not None:
        if not _pump_retained(ctx, channel, session):
            return


def _pump_queue(ctx: FlowContext, channel: Channel, session: Session) -> bool:
    """False when something has to happen before more can be sent."""
    limits = channel.limits
    outbound = session.outbound
    if outbound is None:
        return True
    while outbound.head < len(outbound.waiting) and outbound.is_open():
        if channel.out_size > limits.out_buffer_limit:
            channel.blocked = True
            return False
        delivery = outbound.next_waiting()
        if delivery is None:
            break
        if delivery.index > ctx.synced and delivery.qos == 2 and channel.needs_sync:
            outbound.put_back(delivery)
            ctx.until_synced[channel] = True
            return False
        message = delivery.message
        if message.expires_at != 0.0 and delivery.state == QUEUED and _has_expired(ctx, channel, message):
            ctx.counters.dropped_expired += 1  # [MQTT-3.3.2-5]
            outbound.dropped_expired += 1
            drop(ctx, session, outbound, delivery, "expired")
            continue
        if message.on_disk:
            outbound.put_back(delivery)
            channel.loading = True
            ctx.ports.load_payloads(channel)
            return False
        if limits.mqueue_rate and not take_allowance(ctx, channel):
            outbound.put_back(delivery)
            _wait_for_allowance(ctx, channel)
            return False
        _send_delivery(ctx, channel, outbound, delivery)
    return outbound.head == len(outbound.waiting)


def _wait_for_allowance(ctx: FlowContext, channel: Channel) -> None:
    channel.blocked = True
    ctx.ports.wait_for_allowance(channel)


def _has_expired(ctx: FlowContext, channel: Channel, message: Message) -> bool:
    if ctx.chains.message_expiry_check.handlers:
        info = channel.info
        verdict = UNDECIDED if info is None else chains.message_expiry_check(ctx.chains, info, message)
        if verdict != UNDECIDED:
            return verdict != ALLOW
    return message.expires_at <= ctx.now


def _pump_retained(ctx: FlowContext, channel: Channel, session: Session) -> bool:
    """Send retained messages that are owed; True when the queue has to be looked at again."""
    replays = channel.retained
    limit = channel.limits.out_buffer_limit
    chunks = 0
    while replays:
        replay = replays[0]
        while replay.waiting:
            if channel.out_size > limit:
                channel.blocked = True
                return False
            message = replay.waiting[-1]
            qos = replay.qos if replay.qos < message.qos else message.qos
            if qos:
                outbound = session.open_outbound()
                under_way = outbound.inflight + channel.proposed
                if outbound.head < len(outbound.waiting) or under_way >= outbound.window:
                    return False  # the next acknowledgement, or receipt, comes back here
            # What goes through a persistent session's queue pays its allowance there.
            through_queue = qos > 0 and session.persistent
            if channel.limits.mqueue_rate and not through_queue and not take_allowance(ctx, channel):
                _wait_for_allowance(ctx, channel)
                return False
            replay.waiting.pop()
            retain = True
            if replay.receipt is not None:
                retain = message.retain and replay.retain_as_published  # [MQTT-3.3.1-12, -13]
            else:
                current = ctx.retaining.get(message.topic) if ctx.retaining else None
                if current is None:
                    current = ctx.retained.get(message.topic)
                if current is not message:
                    continue  # replaced meanwhile, and delivered as a live message then
            if message.expires_at != 0.0 and message.expires_at <= ctx.now:
                continue
            if replay.receipt is None:
                ctx.counters.messages_delivered_retain += 1
            if qos == 0:
                send_publish(ctx, channel, message, 0, retain, False, 0, replay.subscription_ids)
            elif through_queue:
                receipt = _QueuedRetained(ctx, channel)
                if not ctx.ports.enqueue(session, message, qos, retain, replay.subscription_ids, receipt):
                    channel.proposed += 1
                    receipt.enlist()
                if session.open_outbound().has_waiting():
                    return True
            else:
                outbound = session.open_outbound()
                delivery = outbound.add(message, qos, retain, replay.subscription_ids, "")
                _send_delivery(ctx, channel, outbound, delivery)
        if replay.done:
            replays.pop(0)
            if replay.receipt is not None:
                replay.receipt.applied()
        elif chunks == RETAINED_CHUNKS_PER_TURN:
            channel.blocked = True  # a search may find nothing for long: others get their turn
            ctx.mark_dirty(channel)
            return False
        else:
            chunks += 1
            messages, cursor = ctx.retained.match_chunk(replay.topic_filter, replay.cursor, RETAINED_CHUNK)
            if replay.early:
                messages = [message for message in messages if message not in replay.early]
            messages.reverse()
            replay.waiting = messages
            replay.cursor = cursor
            replay.done = cursor is None
    channel.retained = None
    return False


class _QueuedRetained(Reply):
    """A retained message has reached the queue of a persistent session, or was sent on from there."""

    __slots__ = ()

    def __init__(self, ctx: FlowContext, channel: Channel) -> None:
        super().__init__(ctx, channel, NO_REPLY, 0, 0, False)

    def applied(self) -> None:
        channel = self._channel
        channel.proposed -= 1
        if channel.retained is not None:
            pump(self._ctx, channel)
        super().applied()


def send_synced(ctx: FlowContext, index: int) -> None:
    """Everything up to this place in the log would survive a loss of power: send what waited for that."""
    ctx.synced = index
    channels = ctx.until_synced
    if channels:
        ctx.until_synced = {}
        for channel in channels:
            if channel.state == CONNECTED:
                channel.blocked = True
                ctx.mark_dirty(channel)


def drop(ctx: FlowContext, session: Session, outbound: Outbound, delivery: Delivery, reason: str) -> None:
    """Take a delivery out for good; the caller has counted its reason."""
    note_dropped(ctx, session, delivery.message, reason)
    _leave(ctx, session, outbound, delivery)


def _leave(ctx: FlowContext, session: Session, outbound: Outbound, delivery: Delivery) -> None:
    if session.persistent:
        delivery.state = DONE
        outbound.leaving += 1
        ctx.ports.discard(session, delivery.packet_id)
    else:
        outbound.remove(delivery.packet_id)


def removed(ctx: FlowContext, session: Session, outbound: Outbound, delivery: Delivery) -> None:
    """The removal of a delivery of a persistent session is applied: its place may be what others waited for."""
    release(ctx, outbound, delivery.message)
    if delivery.state == DONE:
        outbound.leaving -= 1
        channel = session.channel
        if channel is not None and outbound.has_waiting() and outbound.is_open():
            channel.blocked = True  # not pumped here: it may be the pump that removes
            ctx.mark_dirty(channel)


def resume(ctx: FlowContext, channel: Channel, session: Session) -> None:
    """Begin a resumed session's deliveries on a new connection: PUBRELs, then PUBLISHes, in order."""
    outbound = session.outbound
    if outbound is None:
        return
    released = outbound.resume()
    if outbound.leaving and ctx.node_id:
        # Acknowledged here before the session was elsewhere, where that didn't count any more.
        for delivery in outbound.deliveries.values():
            if delivery.state == DONE:
                ctx.ports.acknowledge(session, delivery.packet_id)
    for packet_id in released:
        ctx.counters.packets_pubrel_sent += 1
        ctx.send(channel, b"\x62\x02" + PACKET_ID_BYTES[packet_id])
    pump(ctx, channel)


def finish(ctx: FlowContext, channel: Channel, session: Session, outbound: Outbound, delivery: Delivery) -> None:
    """A delivery is complete: free its packet identifier and its place in the window."""
    if delivery.state == SENT or delivery.state == RELEASED or delivery.state == RELEASING:
        outbound.inflight -= 1
    if session.persistent:
        delivery.state = DONE
        outbound.leaving += 1
        ctx.ports.acknowledge(session, delivery.packet_id)
    else:
        outbound.remove(delivery.packet_id)
    if outbound.head < len(outbound.waiting) or channel.retained is not None:
        pump(ctx, channel)


def _send_delivery(ctx: FlowContext, channel: Channel, outbound: Outbound, delivery: Delivery) -> None:
    dup = delivery.state == RESEND
    if dup:
        ctx.counters.messages_redelivered += 1
    delivery.state = SENT
    outbound.inflight += 1
    if not send_publish(
        ctx,
        channel,
        delivery.message,
        delivery.qos,
        delivery.retain,
        dup,
        delivery.packet_id,
        delivery.subscription_ids,
    ):
        # As if it had been delivered and acknowledged [MQTT-3.1.2-25].
        outbound.inflight -= 1
        session = channel.session
        if session is not None:
            _leave(ctx, session, outbound, delivery)
