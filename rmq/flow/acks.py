"""PUBACK, PUBREC, PUBREL and PUBCOMP: the end of every QoS 1 and 2 exchange, in both directions."""

from rmq.flow.context import FlowContext
from rmq.flow.deliver import finish
from rmq.flow.receipts import Reply, is_pending, reply
from rmq.flow.send import note_dropped
from rmq.hooks import chains
from rmq.mqtt.codes import PACKET_IDENTIFIER_NOT_FOUND, PROTOCOL_ERROR, PUBACK, PUBCOMP, PUBREC, PUBREL
from rmq.mqtt.message import FROM_ADMIN, FROM_BRIDGE, FROM_CLIENT, FROM_SYSTEM, FROM_WILL, Message
from rmq.mqtt.packets import Ack
from rmq.session.channel import Channel
from rmq.session.delivery import DONE, QUEUED, RELEASED, RELEASING, SENT


def handle_ack(ctx: FlowContext, channel: Channel, ack: Ack) -> None:
    """Dispatch by packet type; the commonest first."""
    packet_type = ack.packet_type
    if packet_type == PUBACK:
        ctx.counters.packets_puback_received += 1
        _handle_puback(ctx, channel, ack)
    elif packet_type == PUBREC:
        ctx.counters.packets_pubrec_received += 1
        _handle_pubrec(ctx, channel, ack)
    elif packet_type == PUBREL:
        ctx.counters.packets_pubrel_received += 1
        _handle_pubrel(ctx, channel, ack)
    else:
        ctx.counters.packets_pubcomp_received += 1
        _handle_pubcomp(ctx, channel, ack)


def _handle_puback(ctx: FlowContext, channel: Channel, ack: Ack) -> None:
    session = channel.session
    if session is None:
        return
    outbound = session.outbound
    delivery = None if outbound is None else outbound.get(ack.packet_id)
    if outbound is None or delivery is None or delivery.state == DONE or delivery.state == QUEUED:
        # QUEUED: it has its identifier, but the client can't know that: it was never sent.
        ctx.counters.unexpected_acks += 1
        return
    if delivery.qos != 1:
        ctx.ports.close(channel, PROTOCOL_ERROR, "PUBACK for a QoS 2 message")
        return
    _count_acked(ctx, channel, delivery.message)
    if ack.reason_code >= 0x80:
        ctx.counters.dropped_rejected += 1  # [MQTT-4.8.2-6]: to nobody else either
        note_dropped(ctx, session, delivery.message, "rejected")
    finish(ctx, channel, session, outbound, delivery)


def _handle_pubrec(ctx: FlowContext, channel: Channel, ack: Ack) -> None:
    session = channel.session
    if session is None:
        return
    outbound = session.outbound
    delivery = None if outbound is None else outbound.get(ack.packet_id)
    if delivery is not None and delivery.state == QUEUED:
        delivery = None  # never sent: the client means something else
    if delivery is not None and delivery.qos != 2:
        ctx.ports.close(channel, PROTOCOL_ERROR, "PUBREC for a QoS 1 message")
        return
    if outbound is None or delivery is None or delivery.state == DONE:
        ctx.counters.unexpected_acks += 1
        # MQTT 3 has no reason code: the exchange is completed all the same.
        reply(ctx, channel, PUBREL, ack.packet_id, PACKET_IDENTIFIER_NOT_FOUND)
        return
    if delivery.state == RELEASING:
        return  # its PUBREL follows when the first PUBREC is kept
    if delivery.state != RELEASED:
        _count_acked(ctx, channel, delivery.message)
    if ack.reason_code >= 0x80:
        ctx.counters.dropped_rejected += 1
        note_dropped(ctx, session, delivery.message, "rejected")
        finish(ctx, channel, session, outbound, delivery)  # no PUBREL [MQTT-4.3.3-4]
        return
    if delivery.state != RELEASED:
        if delivery.state != SENT:
            outbound.inflight += 1  # acknowledged before it was sent again on this connection
        if session.persistent:
            pubrel = Reply(ctx, channel, PUBREL, ack.packet_id, 0, False)
            delivery.state = RELEASING
            if not ctx.ports.receive(session, ack.packet_id, pubrel):
                pubrel.enlist()
                return
        else:
            outbound.release(ack.packet_id)
    reply(ctx, channel, PUBREL, ack.packet_id, 0)


def _handle_pubrel(ctx: FlowContext, channel: Channel, ack: Ack) -> None:
    session = channel.session
    if session is None:
        return
    if not session.has_inbound_qos2(ack.packet_id):
        reply(ctx, channel, PUBCOMP, ack.packet_id, PACKET_IDENTIFIER_NOT_FOUND)
        return
    if session.persistent:
        if is_pending(channel, PUBCOMP, ack.packet_id):
            return  # sent again before the first one is kept
        pubcomp = Reply(ctx, channel, PUBCOMP, ack.packet_id, 0, False)
        if not ctx.ports.release(session, ack.packet_id, pubcomp):
            pubcomp.enlist()
            return
    else:
        session.remove_inbound_qos2(ack.packet_id)
    reply(ctx, channel, PUBCOMP, ack.packet_id, 0)  # [MQTT-4.3.3-11]


def _handle_pubcomp(ctx: FlowContext, channel: Channel, ack: Ack) -> None:
    session = channel.session
    if session is None:
        return
    outbound = session.outbound
    delivery = None if outbound is None else outbound.get(ack.packet_id)
    if outbound is None or delivery is None or delivery.state != RELEASED:
        ctx.counters.unexpected_acks += 1
        return
    finish(ctx, channel, session, outbound, delivery)


def _count_acked(ctx: FlowContext, channel: Channel, message: Message) -> None:
    counters = ctx.counters
    counters.messages_acked += 1
    origin = message.origin
    if origin == FROM_CLIENT:
        counters.messages_acked_custom += 1
    elif origin == FROM_ADMIN:
        counters.messages_acked_admin += 1
    elif origin == FROM_WILL:
        counters.messages_acked_lastwill += 1
    elif origin == FROM_SYSTEM:
        counters.messages_acked_system += 1
    elif origin == FROM_BRIDGE:
        counters.messages_acked_bridge += 1
    if message.retain:
        counters.messages_acked_retain += 1
    if ctx.chains.message_acked.handlers:
        info = channel.info
        if info is not None:
            chains.message_acked(ctx.chains, info, message)
