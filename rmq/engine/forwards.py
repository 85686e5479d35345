"""Messages to other nodes: sent once a turn, acknowledged by a deadline; and what comes from them."""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from rmq.flow.forward_wire import TO_ANOTHER_MEMBER, TO_MEMBER, Forwarded, pack_forward, unpack_forwards
from rmq.flow.forwarded import deliver_frame, deliver_picked, group_of
from rmq.flow.lanes import Lane
from rmq.flow.route import deliver_to_member
from rmq.flow.send import note_dropped
from rmq.mqtt.message import Message
from rmq.session.receipts import Receipt
from rmq.storage.records import EnqueueMessage

if TYPE_CHECKING:
    from rmq.engine.broker import Broker

# Kinds of frames.
FORWARD: Final = 12
FORWARD_ACK: Final = 13
# A frame is sent when it has grown so far, or at the end of the turn.
FRAME_BYTES: Final = 256 * 1024
# A frame begins with its number, 0 if nobody waits for its acknowledgement.
NUMBER_BYTES: Final = 8


class _Sent:
    """What a node hasn't acknowledged: numbers of frames, when their time is over, who waits."""

    def __init__(self) -> None:
        self.last_frame = 0
        self.waiting: deque[tuple[int, float, list[Receipt]]] = deque()


class Forwards:
    """What can't be sent, or isn't acknowledged within ``deadline_s``, is counted, and who waits is told all the same.

    A transient session may miss a message when its node or the way to it fails.
    """

    def __init__(self, broker: "Broker", send: Callable[[int, int, bytes], bool], deadline_s: float) -> None:
        self._broker = broker
        self._send = send
        self._deadline_s = deadline_s
        self._sent: dict[int, _Sent] = {}
        self._names: dict[bytes, str] = {}

    def flush(self) -> None:
        """Send what the turn has brought."""
        for node, lane in self._broker.ctx.lanes.by_node.items():
            if lane.packed:
                self._flush(node, lane)

    def _flush(self, node: int, lane: Lane) -> None:
        packed, lane.packed = lane.packed, []
        receipts, lane.receipts = lane.receipts, []
        large = lane.size > FRAME_BYTES
        lane.size = 0
        broker = self._broker
        sent = self._sent.get(node)
        if sent is None:
            sent = self._sent[node] = _Sent()
        number = 0
        if receipts:
            sent.last_frame += 1
            number = sent.last_frame
        arrives = True
        if large:
            # In several frames, of which the last one is to be acknowledged: they arrive in order.
            frame: list[bytes] = []
            size = 0
            for item in packed:
                if size and size + len(item) > FRAME_BYTES:
                    arrives = self._send_frame(node, 0, frame) and arrives
                    frame = []
                    size = 0
                frame.append(item)
                size += len(item)
            packed, count = frame, len(packed)
        else:
            count = len(packed)
        arrives = self._send_frame(node, number, packed) and arrives
        if not arrives:
            broker.counters.forwards_dropped += max(count - len(receipts), 0)
            self._tell(receipts, acknowledged=False)
        elif receipts:
            sent.waiting.append((number, broker.ctx.now + self._deadline_s, receipts))

    def _send_frame(self, node: int, number: int, packed: list[bytes]) -> bool:
        return self._send(node, FORWARD, number.to_bytes(NUMBER_BYTES, "big") + b"".join(packed))

    def _tell(self, receipts: list[Receipt], *, acknowledged: bool) -> None:
        broker = self._broker
        if not acknowledged:
            broker.counters.forwards_unacknowledged += len(receipts)
        for receipt in receipts:
            try:
                receipt.applied()
            except Exception:
                broker.report_bug(None, "in answering a forwarded message")

    # Receiving

    def received(self, node: int, body: bytes) -> None:
        """A frame of another node: deliver what it has, and acknowledge it. Raises ``ValueError``."""
        broker = self._broker
        broker.touch_clock()
        number = int.from_bytes(body[:NUMBER_BYTES], "big")
        messages = unpack_forwards(body, NUMBER_BYTES, broker.ctx.now, self._names)
        broker.counters.forwards_received += len(messages)
        bugs: list[Exception] = []
        answer = _Answer(lambda: self._send(node, FORWARD_ACK, body[:NUMBER_BYTES]))
        for left in deliver_frame(broker.ctx, messages, bugs):
            self._choose_another(left, answer)
        for bug in bugs:
            try:
                raise bug
            except Exception:
                broker.report_bug(None, "in delivering a forwarded message")
        if number:
            answer.applied()

    def hand_over(self, message: Message, key: str, client_id: str) -> None:
        """To a member of a share group that is connected here, or to another one if it has left."""
        if not deliver_picked(self._broker.ctx, message, key, client_id):
            self._choose_another(Forwarded(message, TO_MEMBER, key, client_id), _Answer(_nothing))

    def _choose_another(self, forwarded: Forwarded, answer: "_Answer") -> None:
        """The member has left since it was chosen: one hop more, not a third."""
        broker = self._broker
        ctx = broker.ctx
        message = forwarded.message
        key = forwarded.key
        group = group_of(ctx, message, key)
        member = None if group is None else group.choose(message, False, None)
        may_go_on = forwarded.kind == TO_MEMBER
        if member is not None and (may_go_on or not member.session.remote or member.session.persistent):
            ctx.picks = None
            if not deliver_to_member(ctx, member, message):
                qos = min(member.qos, message.qos)
                ids = [member.subscription_id] if member.subscription_id else None
                retain = message.retain and member.retain_as_published
                answer.parts += 1
                heir = member.session.client_id
                broker.cluster.propose(EnqueueMessage(heir, message, qos, retain, ids, key), answer)
            for pick in ctx.take_picks() or ():
                ctx.lanes.lane(pick.node).enter(pack_forward(message, TO_ANOTHER_MEMBER, pick), None)
            return
        broker.counters.dropped_no_share_member += 1
        note_dropped(ctx, None, message, "no_share_member")

    def acknowledged(self, node: int, body: bytes) -> None:
        """Another node has delivered what it was sent, up to a frame."""
        number = int.from_bytes(body[:NUMBER_BYTES], "big")
        sent = self._sent.get(node)
        if sent is not None:
            while sent.waiting and sent.waiting[0][0] <= number:
                self._tell(sent.waiting.popleft()[2], acknowledged=True)

    def lost(self, node: int) -> None:
        """The link is gone: nobody knows what of it arrived."""
        sent = self._sent.get(node)
        if sent is not None:
            while sent.waiting:
                self._tell(sent.waiting.popleft()[2], acknowledged=False)

    def look_after(self, now: float) -> None:
        """Every now and then: who has waited for too long waits no longer."""
        for sent in self._sent.values():
            while sent.waiting and sent.waiting[0][1] <= now:
                self._tell(sent.waiting.popleft()[2], acknowledged=False)


class _Answer(Receipt):
    """A frame is acknowledged when all that it led to is done: what was delivered here, and what had to be kept."""

    def __init__(self, send: Callable[[], object]) -> None:
        super().__init__(False)
        self.parts = 1
        self._send = send

    def applied(self) -> None:
        self.parts -= 1
        if self.parts == 0:
            self._send()


def _nothing() -> None:
    """Nobody waits."""
