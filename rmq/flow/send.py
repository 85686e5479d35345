"""One PUBLISH or acknowledgement into one out-buffer: the bytes for the receiver's version, size limit and rate."""

from rmq.flow.context import FlowContext
from rmq.hooks import chains
from rmq.metrics.histogram import SAMPLE_EVERY
from rmq.mqtt.codes import PUBACK, PUBREC, PUBREL, V5
from rmq.mqtt.encode import PINGRESP, encode_ack
from rmq.mqtt.message import FROM_ADMIN, FROM_BRIDGE, FROM_CLIENT, FROM_SYSTEM, FROM_WILL, Message
from rmq.mqtt.publish_wire import PACKET_ID_BYTES, encode_v5, head_v3, head_v5, with_dup
from rmq.session.channel import Channel
from rmq.session.session import Session


def note_dropped(ctx: FlowContext, session: Session | None, message: Message, reason: str) -> None:
    """Count a drop in the total and tell the hooks; the counter of the reason is the caller's."""
    ctx.counters.messages_dropped += 1
    if ctx.chains.message_dropped.handlers:
        channel = None if session is None else session.channel
        chains.message_dropped(ctx.chains, None if channel is None else channel.info, message, reason)


def send_publish(
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
        # Here, because it is once a turn: all that is sent to a channel in one turn leaves together.
        if ctx.counters.packets_publish_sent >= ctx.measure_delivery_at:
            _measure(ctx, channel, message, retain)
    _count_sent(ctx, channel, message, qos)
    return True


def _measure(ctx: FlowContext, channel: Channel, message: Message, retain: bool) -> None:
    ctx.measure_delivery_at = ctx.counters.packets_publish_sent + SAMPLE_EVERY
    info = channel.info
    # What waited for its receiver to come says nothing about how fast the node is.
    if not retain and info is not None and message.created_at >= info.connected_at:
        ctx.latencies.note_delivery(message.created_at)


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
        # Another node's clock may be a little behind: no more than what there was at first.
        left = min(message.expires_at - ctx.now, message.expires_at - message.created_at)
        expiry = -int(-(left - 0.001) // 1)
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
        if not channel.max_packet_size or len(data) <= channel.max_packet_size:
            return data
        # A name of one or two bytes is shorter than its alias: it may still fit.
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
    channel.dropped_too_large += 1
    note_dropped(ctx, channel.session, message, "too_large")
    return False


def send_packets(ctx: FlowContext, channel: Channel, packets: bytes, count: int) -> None:
    """Append PUBLISH packets of MQTT 3, of QoS 0 and from clients, that are made already; no hook wants to know."""
    channel.out.append(packets)
    channel.out_size += len(packets)
    channel.qos0_sent += count
    if not channel.dirty:
        channel.dirty = True
        ctx.dirty.append(channel)
    counters = ctx.counters
    counters.packets_publish_sent += count
    counters.messages_delivered += count
    counters.messages_qos0_sent += count
    counters.messages_delivered_custom += count


def _count_sent(ctx: FlowContext, channel: Channel, message: Message, qos: int) -> None:
    counters = ctx.counters
    counters.packets_publish_sent += 1
    counters.messages_delivered += 1
    if qos == 0:
        counters.messages_qos0_sent += 1
        channel.qos0_sent += 1
    elif qos == 1:
        counters.messages_qos1_sent += 1
        channel.qos1_sent += 1
    else:
        counters.messages_qos2_sent += 1
        channel.qos2_sent += 1
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


def take_allowance(ctx: FlowContext, channel: Channel) -> bool:
    """Take one delivery from the rate of a listener that limits it; False when the rate is used up."""
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


def send_pingresp(ctx: FlowContext, channel: Channel) -> None:
    """Answer a PINGREQ."""
    ctx.counters.packets_pingresp_sent += 1
    ctx.send(channel, PINGRESP)


def send_ack(ctx: FlowContext, channel: Channel, packet_type: int, packet_id: int, reason_code: int) -> None:
    """Send one acknowledgement; MQTT 3 clients get no reason code."""
    counters = ctx.counters
    if packet_type == PUBACK:
        counters.packets_puback_sent += 1
    elif packet_type == PUBREC:
        counters.packets_pubrec_sent += 1
    elif packet_type == PUBREL:
        counters.packets_pubrel_sent += 1
    else:
        counters.packets_pubcomp_sent += 1
    if channel.version != V5:
        reason_code = 0
    ctx.send(channel, encode_ack(packet_type, packet_id, reason_code, channel.version))
