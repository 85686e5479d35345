"""Messages to other nodes: packed as they are routed, sent once a turn, acknowledged by a deadline."""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from rmq.flow.forwarded import deliver_forwarded, deliver_picked, group_of
from rmq.flow.ports import Pick
from rmq.flow.route import deliver_to_member
from rmq.flow.send import note_dropped
from rmq.mqtt.message import Message
from rmq.session.receipts import Receipt
from rmq.storage.fields import as_fields, as_int, as_str
from rmq.storage.message_codec import decode_message, encode_message
from rmq.storage.packing import packer, unpack_all
from rmq.storage.records import EnqueueMessage

if TYPE_CHECKING:
    from rmq.engine.broker import Broker

# Kinds of frames.
FORWARD: Final = 12
FORWARD_ACK: Final = 13
# A frame is sent when it has grown so far, or at the end of the turn.
FRAME_BYTES: Final = 256 * 1024


class _Lane:
    """What goes to one node: ``packed`` isn't sent yet, ``unacknowledged`` is, with when its frame's time is over."""

    def __init__(self) -> None:
        self.packed: list[bytes] = []
        self.size = 0
        self.receipts: list[Receipt] = []
        self.unacknowledged: deque[tuple[int, float, list[Receipt]]] = deque()
        self.last_frame = 0


class Forwards:
    """A frame is a number, 0 if nobody waits for its acknowledgement, and messages, as msgpack lists one after another.

    What can't be sent, or isn't acknowledged within ``deadline_s``, is counted, and whoever waits is told all the same:
    a transient session may miss a message when its node or the way to it fails.
    """

    def __init__(self, broker: "Broker", send: Callable[[int, int, bytes], bool], deadline_s: float) -> None:
        self._broker = broker
        self._send = send
        self._deadline_s = deadline_s
        self._pack = packer()
        self._lanes: dict[int, _Lane] = {}

    def forward(
        self, message: Message, nodes: list[int] | None, picks: list[Pick] | None, receipt: Receipt | None
    ) -> int:
        """Have a message sent at the end of the turn; returns how often the receipt will be told."""
        encoded = encode_message(message)
        count = 0
        if nodes is not None:
            packed = self._pack([encoded])
            for node in nodes:
                self._enter(node, packed, receipt)
            count = len(nodes)
        if picks is not None:
            for pick in picks:
                self._enter(pick.node, self._pack([encoded, pick.key, pick.client_id]), receipt)
            count += len(picks)
        self._broker.counters.messages_forwarded += count
        return count if receipt is not None else 0

    def _enter(self, node: int, packed: bytes, receipt: Receipt | None) -> None:
        lane = self._lanes.get(node)
        if lane is None:
            lane = _Lane()
            self._lanes[node] = lane
        lane.packed.append(packed)
        lane.size += len(packed)
        if receipt is not None:
            lane.receipts.append(receipt)

    def flush(self) -> None:
        """Send what the turn has brought."""
        for node, lane in self._lanes.items():
            if lane.packed:
                self._flush(node, lane)

    def _flush(self, node: int, lane: _Lane) -> None:
        packed, lane.packed = lane.packed, []
        receipts, lane.receipts = lane.receipts, []
        large = lane.size > FRAME_BYTES
        lane.size = 0
        broker = self._broker
        number = 0
        if receipts:
            lane.last_frame += 1
            number = lane.last_frame
        sent = True
        frame: list[bytes] = []
        if large:
            # In several frames, of which the last one is to be acknowledged: they arrive in order.
            size = 0
            for item in packed:
                if size and size + len(item) > FRAME_BYTES:
                    sent = self._send(node, FORWARD, self._pack([0]) + b"".join(frame)) and sent
                    frame = []
                    size = 0
                frame.append(item)
                size += len(item)
        else:
            frame = packed
        sent = self._send(node, FORWARD, self._pack([number]) + b"".join(frame)) and sent
        if not sent:
            broker.counters.forwards_dropped += max(len(packed) - len(receipts), 0)
            self._tell(receipts, acknowledged=False)
        elif receipts:
            lane.unacknowledged.append((number, broker.ctx.now + self._deadline_s, receipts))

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
        """A frame of another node: deliver what it has, and acknowledge it. Raises ``ValueError``, ``TypeError``."""
        broker = self._broker
        ctx = broker.ctx
        broker.touch_clock()
        number = -1
        for fields in unpack_all(body):
            if number < 0:
                number = as_int(fields[0])
                continue
            message = decode_message(as_fields(fields[0]))
            broker.counters.forwards_received += 1
            try:
                if len(fields) > 1:
                    key = as_str(fields[1])
                    if not deliver_picked(ctx, message, key, as_str(fields[2])):
                        self._choose_another(message, key, may_go_on=len(fields) == 3)
                else:
                    deliver_forwarded(ctx, message)
            except Exception:
                broker.report_bug(None, "in delivering a forwarded message")
        if number > 0:
            self._send(node, FORWARD_ACK, self._pack([number]))

    def _choose_another(self, message: Message, key: str, *, may_go_on: bool) -> None:
        """The member has left since it was chosen: one hop more, not a third."""
        broker = self._broker
        ctx = broker.ctx
        group = group_of(ctx, message, key)
        member = None if group is None else group.choose(message, False, None)
        if member is not None and (may_go_on or not member.session.remote or member.session.persistent):
            ctx.picks = None
            if not deliver_to_member(ctx, member, message):
                qos = min(member.qos, message.qos)
                ids = [member.subscription_id] if member.subscription_id else None
                retain = message.retain and member.retain_as_published
                broker.cluster.propose(EnqueueMessage(member.session.client_id, message, qos, retain, ids, key))
            for pick in ctx.take_picks() or ():
                self._enter(pick.node, self._pack([encode_message(message), pick.key, pick.client_id, 1]), None)
            return
        broker.counters.dropped_no_share_member += 1
        note_dropped(ctx, None, message, "no_share_member")

    def acknowledged(self, node: int, body: bytes) -> None:
        """Another node has delivered what it was sent, up to a frame. Raises ``ValueError``, ``TypeError``."""
        numbers = [as_int(fields[0]) for fields in unpack_all(body)]
        lane = self._lanes.get(node)
        if lane is None or not numbers:
            return
        waiting = lane.unacknowledged
        while waiting and waiting[0][0] <= numbers[-1]:
            self._tell(waiting.popleft()[2], acknowledged=True)

    def lost(self, node: int) -> None:
        """The link is gone: nobody knows what of it arrived."""
        lane = self._lanes.get(node)
        if lane is not None:
            while lane.unacknowledged:
                self._tell(lane.unacknowledged.popleft()[2], acknowledged=False)

    def look_after(self, now: float) -> None:
        """Every now and then: who has waited for too long waits no longer."""
        for lane in self._lanes.values():
            waiting = lane.unacknowledged
            while waiting and waiting[0][1] <= now:
                self._tell(waiting.popleft()[2], acknowledged=False)
