"""Messages to other nodes: sent once a turn, acknowledged by a deadline; and what comes from them."""

import secrets
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
# A frame is made when so much has come together, or at the end of the turn.
FRAME_BYTES: Final = 256 * 1024
# What waits for a link that is down, or doesn't take more; beyond that it is dropped.
HELD_BYTES: Final = 8 * 1024 * 1024
# A frame begins with what tells the lives of a node from each other, and its number: 0 if nobody waits for it.
RUN_BYTES: Final = 8
NUMBER_BYTES: Final = 8
HEAD_BYTES: Final = RUN_BYTES + NUMBER_BYTES


class _Frame:
    """``count`` messages, and who waits for them to be acknowledged until ``deadline``."""

    __slots__ = ("body", "count", "deadline", "number", "receipts")

    def __init__(self, body: bytes, number: int, count: int, receipts: list[Receipt], deadline: float) -> None:
        self.body = body
        self.number = number
        self.count = count
        self.receipts = receipts
        self.deadline = deadline


class _Way:
    """To one node: frames that the link hasn't taken, and those that it has and that aren't acknowledged."""

    __slots__ = ("held", "last_number", "queue", "waiting")

    def __init__(self) -> None:
        self.last_number = 0
        self.held = 0
        self.queue: deque[_Frame] = deque()
        self.waiting: deque[_Frame] = deque()


class Forwards:
    """What isn't acknowledged within ``deadline_s`` is counted, and who waits is told all the same.

    A transient session may miss a message when its node or the way to it fails for so long. A frame whose link broke
    is sent again, and delivered once.
    """

    def __init__(self, broker: "Broker", send: Callable[[int, int, bytes], bool], deadline_s: float) -> None:
        self._broker = broker
        self._send = send
        self._deadline_s = deadline_s
        self._run = secrets.token_bytes(RUN_BYTES)
        self._ways: dict[int, _Way] = {}
        self._seen: dict[int, tuple[bytes, int]] = {}
        self._names: dict[bytes, str] = {}

    def flush(self) -> None:
        """Send what the turn has brought, and what waited for a link."""
        for node, lane in self._broker.ctx.lanes.by_node.items():
            if lane.packed:
                self._take(node, lane)
        for node, way in self._ways.items():
            if way.queue:
                self._send_on(node, way)

    def _take(self, node: int, lane: Lane) -> None:
        packed, lane.packed = lane.packed, []
        receipts, lane.receipts = lane.receipts, []
        large = lane.size > FRAME_BYTES
        lane.size = 0
        way = self._ways.get(node)
        if way is None:
            way = self._ways[node] = _Way()
        if large:
            # In several frames, of which the last one is to be acknowledged: they arrive in order.
            frame: list[bytes] = []
            size = 0
            for item in packed:
                if size and size + len(item) > FRAME_BYTES:
                    self._enter(way, frame, [])
                    frame = []
                    size = 0
                frame.append(item)
                size += len(item)
            packed = frame
        self._enter(way, packed, receipts)

    def _enter(self, way: _Way, packed: list[bytes], receipts: list[Receipt]) -> None:
        number = 0
        if receipts:
            way.last_number += 1
            number = way.last_number
        body = self._run + number.to_bytes(NUMBER_BYTES, "big") + b"".join(packed)
        frame = _Frame(body, number, len(packed), receipts, self._broker.ctx.now + self._deadline_s)
        if way.held + len(body) > HELD_BYTES:
            self._drop(frame)
        else:
            way.held += len(body)
            way.queue.append(frame)

    def _send_on(self, node: int, way: _Way) -> None:
        queue = way.queue
        while queue and self._send(node, FORWARD, queue[0].body):
            frame = queue.popleft()
            if frame.number:
                way.waiting.append(frame)
            else:
                way.held -= len(frame.body)

    def _drop(self, frame: _Frame) -> None:
        counters = self._broker.counters
        counters.forwards_dropped += max(frame.count - len(frame.receipts), 0)
        counters.forwards_unacknowledged += len(frame.receipts)
        self._tell(frame)

    def _tell(self, frame: _Frame) -> None:
        for receipt in frame.receipts:
            try:
                receipt.applied()
            except Exception:
                self._broker.report_bug(None, "in answering a forwarded message")

    def acknowledged(self, node: int, body: bytes) -> None:
        """Another node has delivered what it was sent, up to a frame."""
        number = int.from_bytes(body[:NUMBER_BYTES], "big")
        way = self._ways.get(node)
        if way is not None:
            while way.waiting and way.waiting[0].number <= number:
                frame = way.waiting.popleft()
                way.held -= len(frame.body)
                self._tell(frame)

    def lost(self, node: int) -> None:
        """The link is gone: what isn't acknowledged is sent again when there is another one."""
        way = self._ways.get(node)
        if way is not None:
            way.queue = way.waiting + way.queue
            way.waiting = deque()

    def gone(self, node: int) -> None:
        """The node is down: nothing that was on its way there arrives any more."""
        way = self._ways.get(node)
        if way is not None:
            # Its numbers go on: the node may have been alive all the while, and know the last one.
            frames = (*way.waiting, *way.queue)
            way.waiting.clear()
            way.queue.clear()
            way.held = 0
            for frame in frames:
                self._drop(frame)

    def look_after(self, now: float) -> None:
        """Every now and then: who has waited for too long waits no longer."""
        for way in self._ways.values():
            for frames in (way.waiting, way.queue):
                while frames and frames[0].deadline <= now:
                    frame = frames.popleft()
                    way.held -= len(frame.body)
                    self._drop(frame)

    def postpone(self, seconds: float) -> None:
        """The clock leapt."""
        for way in self._ways.values():
            for frame in (*way.waiting, *way.queue):
                frame.deadline += seconds

    # Receiving

    def received(self, node: int, body: bytes) -> None:
        """A frame of another node: deliver what it has, once, and acknowledge it. Raises ``ValueError``."""
        broker = self._broker
        broker.touch_clock()
        run = body[:RUN_BYTES]
        number_bytes = body[RUN_BYTES:HEAD_BYTES]
        number = int.from_bytes(number_bytes, "big")
        answer = _Answer(lambda: self._send(node, FORWARD_ACK, number_bytes))
        if number:
            seen = self._seen.get(node)
            if seen is not None and seen[0] == run and number <= seen[1]:
                answer.applied()  # sent again, because the link broke before the acknowledgement came
                return
            self._seen[node] = (run, number)
        messages = unpack_forwards(body, HEAD_BYTES, broker.ctx.now, self._names)
        broker.counters.forwards_received += len(messages)
        bugs: list[Exception] = []
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
