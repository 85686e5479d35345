"""Acknowledgements that wait until what they acknowledge is kept, and stay in order meanwhile."""

from typing import Final

from rmq.flow.context import FlowContext
from rmq.flow.send import send_ack, send_pingresp
from rmq.mqtt import codes
from rmq.mqtt.codes import PINGRESP, PUBREC
from rmq.session.channel import CONNECTED, Channel
from rmq.session.limits import ACK_QUORUM_FSYNC
from rmq.session.receipts import PendingReply, Receipt
from rmq.session.session import Session

# A place in the order of replies for something that has none of its own.
NO_REPLY: Final = 0


class Reply(PendingReply):
    """Answers a client's packet, after the replies that it waited for before."""

    __slots__ = ("_channel", "_ctx")

    def __init__(
        self, ctx: FlowContext, channel: Channel, packet_type: int, packet_id: int, reason_code: int, counted: bool
    ) -> None:
        super().__init__(packet_type, packet_id, reason_code, counted, channel.limits.ack_policy == ACK_QUORUM_FSYNC)
        self._ctx = ctx
        self._channel = channel

    def enlist(self) -> None:
        """The operation is proposed: the reply takes its place in the order of the channel's replies."""
        channel = self._channel
        replies = channel.replies
        if replies is None:
            channel.replies = [self]
        else:
            replies.append(self)
        if self.counted:
            channel.unanswered += 1

    def applied(self) -> None:
        """Send it, and what waited for it, if this was the last thing it waited for."""
        self.parts -= 1
        if self.parts > 0:
            return
        self.ready = True
        send_ready(self._ctx, self._channel)

    def give_up(self) -> None:
        """No reason code can say that the outcome is unknown: the client sends it again on its next connection."""
        self._ctx.ports.close(self._channel, codes.SERVER_UNAVAILABLE, self._ctx.no_answer)


def tell_all(receipts: list[Receipt], bugs: list[Exception]) -> None:
    """Tell each of them that it is done; neighbours of one channel are sent together."""
    last: Reply | None = None
    for receipt in receipts:
        try:
            if type(receipt) is not Reply:
                receipt.applied()
                continue
            receipt.parts -= 1
            if receipt.parts > 0:
                continue
            receipt.ready = True
            if last is not None and last._channel is not receipt._channel:
                send_ready(last._ctx, last._channel)
            last = receipt
        except Exception as error:
            bugs.append(error)
    if last is not None:
        try:
            send_ready(last._ctx, last._channel)
        except Exception as error:
            bugs.append(error)


def reply(
    ctx: FlowContext, channel: Channel, packet_type: int, packet_id: int, reason_code: int, since: float = 0.0
) -> None:
    """Answer now, or after what still waits: acknowledgements keep their order [MQTT-4.6.0-2], [MQTT-4.6.0-3].

    ``since`` when, if its latency is to be measured.
    """
    replies = channel.replies
    if replies is None:
        send_ack(ctx, channel, packet_type, packet_id, reason_code)
        if since != 0.0:
            ctx.latencies.note_ack(since)
        return
    _wait(replies, packet_type, packet_id, reason_code, since)


def reply_to_ping(ctx: FlowContext, channel: Channel) -> None:
    """PINGRESP, after all that still waits: a client may take it as a sign that all it sent before is done."""
    replies = channel.replies
    if replies is None:
        send_pingresp(ctx, channel)
        return
    _wait(replies, PINGRESP, 0, 0, 0.0)


def _wait(replies: list[PendingReply], packet_type: int, packet_id: int, reason_code: int, since: float) -> None:
    later = PendingReply(packet_type, packet_id, reason_code, False, False)
    later.ready = True
    later.since = since
    replies.append(later)


def is_pending(channel: Channel, packet_type: int, packet_id: int) -> bool:
    """Whether this very reply waits already."""
    replies = channel.replies
    if replies is not None:
        for pending in replies:
            if pending.packet_id == packet_id and pending.packet_type == packet_type:
                return True
    return False


def unacknowledged(channel: Channel, session: Session) -> int:
    """How many PUBLISHes count against the Receive Maximum, each once: one that is kept may still wait for PUBREC."""
    count = session.inbound_qos2_count()
    replies = channel.replies
    if replies is not None:
        for pending in replies:
            if pending.counted and not (pending.packet_type == PUBREC and session.has_inbound_qos2(pending.packet_id)):
                count += 1
    return count


def send_ready(ctx: FlowContext, channel: Channel) -> None:
    """Send the replies that wait for nothing any more."""
    replies = channel.replies
    if replies is None:
        return
    if channel.state != CONNECTED:
        channel.replies = None
        return
    count = 0
    for pending in replies:
        if not pending.ready:
            break
        count += 1
        if pending.counted:
            channel.unanswered -= 1
        if pending.packet_type == PINGRESP:
            send_pingresp(ctx, channel)
        elif pending.packet_type != NO_REPLY:
            send_ack(ctx, channel, pending.packet_type, pending.packet_id, pending.reason_code)
            if pending.since != 0.0:
                ctx.latencies.note_ack(pending.since)
    if count == len(replies):
        channel.replies = None
    elif count:
        del replies[:count]
