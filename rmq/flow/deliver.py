"""Message to session: QoS, options, window or queue, and the bytes of the PUBLISH in the right out-buffer."""

from typing import Final

from rmq.flow.context import FlowContext
from rmq.hooks import chains
from rmq.mqtt.codes import V5
from rmq.mqtt.message import FROM_ADMIN, FROM_BRIDGE, FROM_CLIENT, FROM_SYSTEM, FROM_WILL, Message
from rmq.mqtt.publish_wire import PACKET_ID_BYTES, encode_v5, head_v3, head_v5, with_dup
from rmq.session.channel import CONNECTED, Channel
from rmq.session.delivery import QUEUED, RELEASED, RESEND, SENT, Delivery
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
            note_dropped(ctx, channel.session, message, "out_buffer_full")
            return
    if limits.mqueue_rate and not _take_allowance(ctx, channel):
        ctx.counters.dropped_rate += 1
        note_dropped(ctx, channel.session, message, "rate")
        return
    _send_publish(ctx, channel, message, 0, retain, False, 0, subscription_ids)


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
        and outbound.inflight < outbound.window
        and outbound.head == len(outbound.waiting)
        and not channel.blocked
        and channel.state == CONNECTED
        and channel.limits.mqueue_rate == 0
    ):
        _send_delivery(ctx, channel, outbound, outbound.add(message, qos, retain, subscription_ids, share))
        return True
    if outbound.is_full() and not _make_room(ctx, session, outbound, message):
        return False
    delivery = outbound.add(message, qos, retain, subscription_ids, share)
    ctx.counters.messages_queued += 1
    if channel is None:  # what waits is listed when a connection resumes the session
        if ctx.chains.offline_message.handlers:
            chains.offline_message(ctx.chains, session.client_id, message)
        return True
    outbound.append_waiting(delivery)
    if channel.limits.mqueue_rate:
        pump(ctx, channel)
    return True


def _make_room(ctx: FlowContext, session: Session, outbound: Outbound, message: Message) -> bool:
    evicted: Delivery | None = None
    if not outbound.drop_newest:
        evicted = outbound.evict_oldest()
    ctx.counters.dropped_queue_full += 1
    note_dropped(ctx, session, message if evicted is None else evicted.message, "queue_full")
    return evicted is not None


def pump(ctx: FlowContext, channel: Channel) -> None:
    """Send what waits, as far as window, out-buffer and rate allow: first the queue, then owed retained messages."""
    session = channel.session
    if session is None or channel.state != CONNECTED:
        return
    limits = channel.limits
    channel.blocked = False
    outbound = session.outbound
    if outbound is not None:
        while outbound.head < len(outbound.waiting) and outbound.inflight < outbound.window:
            if channel.out_size > limits.out_buffer_limit:
                channel.blocked = True
                return
            delivery = outbound.next_waiting()
            if delivery is None:
                break
            message = delivery.message
            if message.expires_at != 0.0 and delivery.state == QUEUED and message.expires_at <= ctx.now:
                ctx.counters.dropped_expired += 1  # [MQTT-3.3.2-5]
                drop(ctx, session, outbound, delivery, "expired")
                continue
            if limits.mqueue_rate and not _take_allowance(ctx, channel):
                outbound.put_back(delivery)
                channel.blocked = True
                ctx.ports.wait_for_allowance(channel)
                return
            _send_delivery(ctx, channel, outbound, delivery)
    if channel.retained is not None:
        _pump_retained(ctx, channel, session)


def _pump_retained(ctx: FlowContext, channel: Channel, session: Session) -> None:
    replays = channel.retained
    limit = channel.limits.out_buffer_limit
    chunks = 0
    while replays:
        replay = replays[0]
        while replay.waiting:
            if channel.out_size > limit:
                channel.blocked = True
                return
            message = replay.waiting[-1]
            qos = replay.qos if replay.qos < message.qos else message.qos
            if qos:
                outbound = session.open_outbound()
                if outbound.head < len(outbound.waiting) or outbound.inflight >= outbound.window:
                    return  # the next acknowledgement comes back here
            replay.waiting.pop()
            if ctx.retained.get(message.topic) is not message:
                continue  # replaced meanwhile, and delivered as a live message then
            if message.expires_at != 0.0 and message.expires_at <= ctx.now:
                continue
            ctx.counters.messages_delivered_retain += 1
            if qos == 0:
                _send_publish(ctx, channel, message, 0, True, False, 0, replay.subscription_ids)
            elif session.persistent:
                ctx.ports.enqueue(session, message, qos, True, replay.subscription_ids)
            else:
                outbound = session.open_outbound()
                delivery = outbound.add(message, qos, True, replay.subscription_ids, "")
                _send_delivery(ctx, channel, outbound, delivery)
        if replay.done:
            replays.pop(0)
        elif chunks == RETAINED_CHUNKS_PER_TURN:
            channel.blocked = True  # a search may find nothing for long: others get their turn
            ctx.mark_dirty(channel)
            return
        else:
            chunks += 1
            messages, cursor = ctx.retained.match_chunk(replay.topic_filter, replay.cursor, RETAINED_CHUNK)
            messages.reverse()
            replay.waiting = messages
            replay.cursor = cursor
            replay.done = cursor is None
    channel.retained = None


def drop(ctx: FlowContext, session: Session, outbound: Outbound, delivery: Delivery, reason: str) -> None:
    """Take a delivery out for good; the caller has counted its reason."""
    note_dropped(ctx, session, delivery.message, reason)
    if session.persistent:
        ctx.ports.discard(session, delivery.packet_id)
    else:
        outbound.remove(delivery.packet_id)


def note_dropped(ctx: FlowContext, session: Session | None, message: Message, reason: str) -> None:
    """Count a drop in the total and tell the hooks; the counter of the reason is the caller's."""
    ctx.counters.messages_dropped += 1
    if ctx.chains.message_dropped.handlers:
        channel = None if session is None else session.channel
        chains.message_dropped(ctx.chains, None if channel is None else channel.info, message, reason)


def _send_delivery(ctx: FlowContext, channel: Channel, outbound: Outbound, delivery: Delivery) -> None:
    dup = delivery.state == RESEND
    if dup:
        ctx.counters.messages_redelivered += 1
    delivery.state = SENT
    outbound.inflight += 1
    if not _send_publish(
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
            if session.persistent:
                ctx.ports.discard(session, delivery.packet_id)
            else:
                outbound.remove(delivery.packet_id)


def _send_publish(
    ctx: FlowContext,
    channel: Channel,
    message: Message,
    qos: int,
    retain: bool,
    dup: bool,
    packet_id: int,
    subscription_ids: list[int] | None,
) -> bool:
    """Append one PUBLISH to the out-buffer; False when it is over the client's Maximum Packet Size and dropped."""
    out = channel.out
    if channel.version != V5:
        head = head_v3(message, qos, retain)
        size = len(head)
        if qos:
            if dup:
                head = with_dup(head)
            out.append(head)
            out.append(PACKET_ID_BYTES[packet_id])
            out.append(message.payload)
            size += 2 + len(message.payload)
        else:
            out.append(head)
    elif subscription_ids is None and message.expires_at == 0.0 and channel.aliases_out is None:
        head = head_v5(message, qos, retain)
        size = len(head)
        if qos:
            tail = message.wire_v5_tail
            size += 2 + len(tail)
            if channel.max_packet_size and size > channel.max_packet_size:
                return _too_large(ctx, channel, message)
            if dup:
                head = with_dup(head)
            out.append(head)
            out.append(PACKET_ID_BYTES[packet_id])
            out.append(tail)
        else:
            if channel.max_packet_size and size > channel.max_packet_size:
                return _too_large(ctx, channel, message)
            out.append(head)
    else:
        data = _encode_for_one(ctx, channel, message, qos, retain, dup, packet_id, subscription_ids)
        size = len(data)
        if size == 0:
            return _too_large(ctx, channel, message)
        out.append(data)
    channel.out_size += size
    if not channel.dirty:
        channel.dirty = True
        ctx.dirty.append(channel)
    _count_sent(ctx, channel, message, qos)
    return True


def _encode_for_one(
    ctx: FlowContext,
    channel: Channel,
    message: Message,
    qos: int,
    retain: bool,
    dup: bool,
    packet_id: int,
    subscription_ids: list[int] | None,
) -> bytes:
    expiry = -1
    if message.expires_at != 0.0:
        # The received value less the time the message has waited here [MQTT-3.3.2-6]; whole seconds, rounded up, but
        # not for the last digits of a float: never more than was received, which may be all that four bytes hold.
        expiry = -int(-(message.expires_at - ctx.now - 0.001) // 1)
        if expiry < 0:
            expiry = 0
    aliases = channel.aliases_out
    if aliases is None:
        data = encode_v5(message, qos, retain, dup, packet_id, expiry, subscription_ids, 0, True)
        return b"" if channel.max_packet_size and len(data) > channel.max_packet_size else data
    topic = message.topic
    alias = aliases.known(topic)
    if alias:
        data = encode_v5(message, qos, retain, dup, packet_id, expiry, subscription_ids, alias, False)
        return b"" if channel.max_packet_size and len(data) > channel.max_packet_size else data
    data = encode_v5(message, qos, retain, dup, packet_id, expiry, subscription_ids, 0, True)
    # Room for the alias is asked for first: an alias that was never sent must not be known.
    if channel.max_packet_size and len(data) + 8 > channel.max_packet_size:
        return b"" if len(data) > channel.max_packet_size else data
    alias = aliases.assign(topic)
    if alias:
        return encode_v5(message, qos, retain, dup, packet_id, expiry, subscription_ids, alias, True)
    return data


def _too_large(ctx: FlowContext, channel: Channel, message: Message) -> bool:
    ctx.counters.dropped_too_large += 1
    note_dropped(ctx, channel.session, message, "too_large")
    return False


def _count_sent(ctx: FlowContext, channel: Channel, message: Message, qos: int) -> None:
    counters = ctx.counters
    counters.packets_publish_sent += 1
    counters.messages_delivered += 1
    if qos == 0:
        counters.messages_qos0_sent += 1
    elif qos == 1:
        counters.messages_qos1_sent += 1
    else:
        counters.messages_qos2_sent += 1
    origin = message.origin
    if origin == FROM_CLIENT:
        counters.messages_delivered_custom += 1
    elif origin == FROM_ADMIN:
        counters.messages_delivered_admin += 1
    elif origin == FROM_WILL:
        counters.messages_delivered_lastwill += 1
    elif origin == FROM_SYSTEM:
        counters.messages_delivered_system += 1
    elif origin == FROM_BRIDGE:
        counters.messages_delivered_bridge += 1
    if ctx.chains.message_delivered.handlers:
        info = channel.info
        if info is not None:
            chains.message_delivered(ctx.chains, info, message)


def _take_allowance(ctx: FlowContext, channel: Channel) -> bool:
    limits = channel.limits
    rate = float(limits.mqueue_rate)
    allowance = channel.allowance + (ctx.now - channel.allowance_at) * rate / limits.mqueue_rate_interval_s
    channel.allowance_at = ctx.now
    if allowance > rate:
        allowance = rate
    if allowance < 1.0:
        channel.allowance = allowance
        return False
    channel.allowance = allowance - 1.0
    return True


def resume(ctx: FlowContext, channel: Channel, session: Session) -> None:
    """Begin a resumed session's deliveries on a new connection: PUBRELs, then PUBLISHes, in order."""
    outbound = session.outbound
    if outbound is None:
        return
    for packet_id in outbound.resume():
        ctx.counters.packets_pubrel_sent += 1
        ctx.send(channel, b"\x62\x02" + PACKET_ID_BYTES[packet_id])
    pump(ctx, channel)


def finish(ctx: FlowContext, channel: Channel, session: Session, outbound: Outbound, delivery: Delivery) -> None:
    """A delivery is complete: free its packet identifier and its place in the window."""
    if delivery.state == SENT or delivery.state == RELEASED:
        outbound.inflight -= 1
    if session.persistent:
        ctx.ports.acknowledge(session, delivery.packet_id)
    else:
        outbound.remove(delivery.packet_id)
    if outbound.head < len(outbound.waiting) or channel.retained is not None:
        pump(ctx, channel)
