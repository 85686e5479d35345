"""From received bytes to handled packets: decode, dispatch, stop where something has to wait."""

from rmq.flow.acks import handle_ack
from rmq.flow.context import FlowContext
from rmq.flow.publish import handle_publish
from rmq.flow.receipts import reply_to_ping
from rmq.hooks import chains
from rmq.mqtt import codes
from rmq.mqtt.packets import Ack, Packet, Pingreq, Publish
from rmq.session.channel import CLOSING, CONNECTED, Channel


def receive(ctx: FlowContext, channel: Channel, data: bytes) -> None:
    """Handle everything that is complete with these bytes. The caller has set ``ctx.now``."""
    channel.last_read_at = ctx.now
    ctx.counters.bytes_received += len(data)
    channel.bytes_received += len(data)
    channel.reads += 1
    packets = channel.decoder.feed(data)
    if packets:
        channel.packets_received += len(packets)
        if channel.paused:
            _hold_back(channel, packets)
        else:
            _dispatch(ctx, channel, packets)
    if channel.decoder.error is not None:
        if channel.paused:
            channel.error_due = True  # what came before it is handled first
        else:
            _report_error(ctx, channel)


def resume(ctx: FlowContext, channel: Channel) -> None:
    """Go on after a pause with the packets that had to wait behind the one that is now decided."""
    channel.paused = False
    backlog = channel.backlog
    channel.backlog = None
    if backlog is not None:
        _dispatch(ctx, channel, backlog)
    if channel.error_due and not channel.paused:
        _report_error(ctx, channel)


def _hold_back(channel: Channel, packets: list[Packet]) -> None:
    backlog = channel.backlog
    if backlog is None:
        channel.backlog = packets
    else:
        backlog.extend(packets)


def _dispatch(ctx: FlowContext, channel: Channel, packets: list[Packet]) -> None:
    position = 0  # not enumerate(): its tuples are slow when compiled
    for packet in packets:
        if channel.state >= CLOSING:
            return
        position += 1  # noqa: SIM113 -- see above
        if channel.state != CONNECTED:
            ctx.ports.on_packet(channel, packet)
        elif isinstance(packet, Publish):
            counters = ctx.counters
            counters.packets_publish_received += 1
            if packet.qos == 0:
                counters.messages_qos0_received += 1
                channel.qos0_received += 1
            elif packet.qos == 1:
                counters.messages_qos1_received += 1
                channel.qos1_received += 1
            else:
                counters.messages_qos2_received += 1
                channel.qos2_received += 1
            handle_publish(ctx, channel, packet)
        elif isinstance(packet, Ack):
            handle_ack(ctx, channel, packet)
        elif isinstance(packet, Pingreq):
            ctx.counters.packets_pingreq_received += 1
            reply_to_ping(ctx, channel)
            if ctx.chains.client_keepalive.handlers:
                info = channel.info
                if info is not None:
                    chains.client_keepalive(ctx.chains, info)
        else:
            ctx.ports.on_packet(channel, packet)
        if channel.paused:
            if position < len(packets):
                channel.backlog = packets[position:]
            return


def _report_error(ctx: FlowContext, channel: Channel) -> None:
    error = channel.decoder.error
    if error is None or channel.state >= CLOSING:
        return
    if error.reason_code == codes.MALFORMED_PACKET:
        ctx.counters.malformed_packets += 1
    elif error.reason_code == codes.PACKET_TOO_LARGE:
        ctx.counters.packets_too_large += 1
    else:
        ctx.counters.protocol_errors += 1
    ctx.ports.close(channel, error.reason_code, error.text)
