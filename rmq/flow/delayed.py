"""Topic names that are for the broker: `$delayed/seconds/topic` is published later, `$SYS` isn't a client's.

What is checked, and by whom a message is changed or dropped, is decided when the PUBLISH comes, about the topic name
behind the prefix; then the message is kept until it is due.
"""

from typing import Final

from rmq.flow.context import STORAGE_FAILED, STORAGE_READY, FlowContext
from rmq.flow.ports import DELAY_FULL, DELAY_NOT, DELAY_PENDING
from rmq.flow.receipts import NO_REPLY, Reply, reply
from rmq.flow.send import note_dropped
from rmq.mqtt import codes
from rmq.mqtt.codes import PUBACK, PUBREC, QUOTA_EXCEEDED, SUCCESS, V5
from rmq.mqtt.message import Message
from rmq.mqtt.packets import Publish
from rmq.mqtt.topics import is_system_topic
from rmq.session.channel import Channel
from rmq.session.limits import ACK_MEMORY
from rmq.session.session import Session

DELAYED: Final = "$delayed/"
# 49 days, as elsewhere; in milliseconds that is what four bytes hold.
MAX_DELAY_S: Final = 4_294_967
_DELAY_DIGITS: Final = 7


def check_topic(channel: Channel, packet: Publish) -> int:
    """Judge a topic name that begins with ``$``, and take the delay out of it; a reason code refuses the PUBLISH.

    It may be called again for the same packet, after a wait.
    """
    topic = packet.topic
    if packet.delay < 0 and topic.startswith(DELAYED):
        if not channel.limits.delayed_publish:
            return codes.TOPIC_NAME_INVALID
        slash = topic.find("/", 9)
        digits = topic[9:slash] if slash > 0 else ""
        if not digits.isascii() or not digits.isdigit() or len(digits) > _DELAY_DIGITS:
            return codes.TOPIC_NAME_INVALID
        seconds = int(digits)
        topic = topic[slash + 1 :]
        if seconds > MAX_DELAY_S or topic == "" or topic.startswith(DELAYED):
            return codes.TOPIC_NAME_INVALID
        packet.delay = seconds
        packet.topic = topic
        if packet.topic_alias > 0:
            packet.topic_alias = 0  # the alias stands for the whole name, also if this PUBLISH is looked at again
    return codes.NOT_AUTHORIZED if is_system_topic(topic) else SUCCESS


def delay(ctx: FlowContext, channel: Channel, session: Session, packet: Publish, message: Message) -> bool:
    """Keep a message that passed all checks until it is due, and answer its PUBLISH once that is kept.

    False: there is no room, and the node shall then publish at once.
    """
    qos = packet.qos
    if ctx.storage != STORAGE_READY:
        if ctx.storage != STORAGE_FAILED or (qos and channel.version != V5):
            ctx.ports.wait_for_storage(channel, packet, message)
        else:
            ctx.counters.dropped_storage_failed += 1
            _refuse(ctx, channel, packet, message, "storage_failed")
        return True
    publisher = session if qos == 2 and session.persistent else None
    answer = NO_REPLY if qos == 0 else (PUBACK if qos == 1 else PUBREC)
    later = Reply(ctx, channel, answer, packet.packet_id, SUCCESS, qos == 1 or publisher is not None)
    waits = channel.limits.ack_policy != ACK_MEMORY or publisher is not None
    outcome = ctx.ports.delay(message, packet.delay, publisher, packet.packet_id, later if waits else None)
    if outcome == DELAY_NOT:
        return False
    if outcome == DELAY_FULL:
        ctx.counters.dropped_delayed_full += 1
        _refuse(ctx, channel, packet, message, "delayed_full")
        return True
    if qos == 2 and publisher is None:
        session.add_inbound_qos2(packet.packet_id)
    if outcome == DELAY_PENDING and waits:
        later.enlist()
    elif qos:
        reply(ctx, channel, answer, packet.packet_id, SUCCESS)
    return True


def _refuse(ctx: FlowContext, channel: Channel, packet: Publish, message: Message, reason: str) -> None:
    """Drop it and say so. MQTT 3 has no answer for it: an acknowledgement would be a lie, so the connection ends."""
    ctx.counters.client_publish_error += 1
    note_dropped(ctx, channel.session, message, reason)
    if packet.qos == 0:
        return
    if channel.version != V5:
        ctx.ports.close(channel, QUOTA_EXCEEDED, "too many delayed messages")
    else:
        reply(ctx, channel, PUBACK if packet.qos == 1 else PUBREC, packet.packet_id, QUOTA_EXCEEDED)
