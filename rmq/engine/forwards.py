"""Messages to other nodes: sent once a turn, acknowledged by a deadline; and what comes from them."""

import secrets
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from rmq.engine.addressed import deliver_here
from rmq.flow.forward_wire import TO_ANOTHER_MEMBER, TO_MEMBER, pack_alone, unpack_forwards
from rmq.flow.forwarded import deliver_frame, deliver_picked, group_of
from rmq.flow.lanes import Lane
from rmq.flow.receipts import tell_all
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
# A frame holds so much, or one run of messages that is longer.
FRAME_BYTES: Final = 256 * 1024
# While turns follow one another frames are made when so much has come together; the rest goes when they are over.
GATHERED_BYTES: Final = 64 * 1024
# What waits for a link that is down, or doesn't take more; beyond that it is dropped.
HELD_BYTES: Final = 8 * 1024 * 1024
# A frame begins with what tells the lives of a node from each other, and its number: 0 if nobody waits for it.
RUN_BYTES: Final = 8
NUMBER_BYTES: Final = 8
HEAD_BYTES: Final = RUN_BYTES + NUMBER_BYTES
# An acknowledgement names at most so many frames that aren't done yet, the newest: others are past their deadline.
UNFINISHED: Final = 1000


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
        self._answers: dict[int, _Answers] = {}
        self._names: dict[bytes, str] = {}

    def flush(self) -> None:
        """Send what the turn has brought, and what waited for a link."""
        lanes = self._broker.ctx.lanes
        least = GATHERED_BYTES if lanes.gathers else 1
        for node, lane in lanes.by_node.items():
            if lane.size >= least:
                self._take(node, lane)
        for node, way in self._ways.items():
            if way.queue:
                self._send_on(node, way)
        if not lanes.gathers:
            for node, answers in self._answers.items():
                if answers.news:
                    self._acknowledge(node, answers)

    def _take(self, node: int, lane: Lane) -> None:
        lane.close()
        parts = lane.parts
        starts = lane.starts
        counts = lane.counts
        receipts = lane.receipts
        size = lane.size
        lane.clear()
        way = self._ways.get(node)
        if way is None:
            way = self._ways[node] = _Way()
        begin = 0
        count = 0
        if size > FRAME_BYTES:
            # In several frames, of which the last one is to be acknowledged: they arrive in order.
            size = 0
            for start, end, messages in zip(starts, [*starts[1:], len(parts)], counts, strict=True):
                run = sum(map(len, parts[start:end]))
                if size and size + run > FRAME_BYTES:
                    self._enter(way, parts[begin:start], count, [])
                    begin = start
                    size = count = 0
                size += run
                count += messages
            parts = parts[begin:]
        else:
            count = sum(counts)
        self._enter(way, parts, count, receipts)

    def _enter(self, way: _Way, parts: list[bytes], count: int, receipts: list[Receipt]) -> None:
        number = 0
        if receipts:
            way.last_number += 1
            number = way.last_number
        body = b"".join([self._run, number.to_bytes(NUMBER_BYTES, "big"), *parts])
        frame = _Frame(body, number, count, receipts, self._broker.ctx.now + self._deadline_s)
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

    def _drop(self, frame: _Frame, given: int = 0) -> None:
        counters = self._broker.counters
        lost = frame.count - given
        unacknowledged = min(len(frame.receipts), lost)
        counters.forwards_unacknowledged += unacknowledged
        counters.forwards_dropped += lost - unacknowledged
        self._tell(frame)

    def _tell(self, frame: _Frame) -> None:
        bugs: list[Exception] = []
        tell_all(frame.receipts, bugs)
        self._report(bugs, "in answering a forwarded message")

    def _report(self, bugs: list[Exception], where: str) -> None:
        for bug in bugs:
            try:
                raise bug
            except Exception:
                self._broker.report_bug(None, where)

    def acknowledged(self, node: int, body: bytes) -> None:
        """Another node has delivered what it was sent: up to a frame, but for those that are named behind it."""
        numbers = [int.from_bytes(body[at : at + NUMBER_BYTES], "big") for at in range(0, len(body), NUMBER_BYTES)]
        way = self._ways.get(node)
        if way is None or not numbers:
            return
        still_open = numbers[1:]
        kept: list[_Frame] = []
        while way.waiting and way.waiting[0].number <= numbers[0]:
            frame = way.waiting.popleft()
            if frame.number in still_open:
                kept.append(frame)
            else:
                way.held -= len(frame.body)
                self._tell(frame)
        way.waiting.extendleft(reversed(kept))

    def lost(self, node: int) -> None:
        """The link is gone: what isn't acknowledged is sent again when there is another one."""
        way = self._ways.get(node)
        if way is not None:
            way.queue = way.waiting + way.queue
            way.waiting = deque()
        answers = self._answers.get(node)
        if answers is not None:
            answers.news = False  # the node asks again, by what it sends again

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
                self._drop(frame, self._give_to_others(frame))

    def _give_to_others(self, frame: _Frame) -> int:
        """QoS 1 for members of share groups there goes to other members [MQTT-4.8.2-5]; how many messages that were.

        Nobody knows whether it was delivered, so that QoS 2 isn't given to a second one [MQTT-4.8.2-4].
        """
        count = 0
        for run in unpack_forwards(frame.body, HEAD_BYTES, self._names):
            message = run.message
            if message is not None and run.key and message.qos == 1:
                self._choose_another(message, run.kind, run.key, _Answer(_Answers(b""), 0))
                count += 1
        return count

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
        number = int.from_bytes(body[RUN_BYTES:HEAD_BYTES], "big")
        answers = self._answers.get(node)
        if answers is None or answers.run != run:
            answers = self._answers[node] = _Answers(run)
        if number:
            if number <= answers.seen:
                answers.news = True  # sent again, because the link broke before the acknowledgement came
                return
            answers.seen = number
        runs = unpack_forwards(body, HEAD_BYTES, self._names)
        answer = _Answer(answers, number)
        counters = broker.counters
        for forwarded in runs:
            counters.forwards_received += forwarded.count
        bugs: list[Exception] = []
        for left in deliver_frame(broker.ctx, runs, bugs):
            message = left.message
            assert message is not None  # one for a member of a share group is alone in its run
            if not left.key:
                queued = deliver_here(broker, message, left.client_id)
                if queued is not None:
                    answer.parts += 1
                    broker.cluster.propose(queued, answer)
                continue
            self._choose_another(message, left.kind, left.key, answer)
        self._report(bugs, "in delivering a forwarded message")
        answer.applied()

    def _acknowledge(self, node: int, answers: "_Answers") -> None:
        numbers = [answers.seen, *sorted(answers.unfinished)[-UNFINISHED:]]
        body = b"".join([number.to_bytes(NUMBER_BYTES, "big") for number in numbers])
        if self._send(node, FORWARD_ACK, body):
            answers.news = False

    def hand_over(self, message: Message, key: str, client_id: str) -> None:
        """To a member of a share group that is connected here, or to another one if it has left."""
        if not deliver_picked(self._broker.ctx, message, key, client_id):
            self._choose_another(message, TO_MEMBER, key, _Answer(_Answers(b""), 0))

    def _choose_another(self, message: Message, kind: int, key: str, answer: "_Answer") -> None:
        """The member has left since it was chosen: one hop more, not a third."""
        broker = self._broker
        ctx = broker.ctx
        group = group_of(ctx, message, key)
        member = None if group is None else group.choose(message, False, None)
        may_go_on = kind == TO_MEMBER
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
                ctx.lanes.lane(pick.node).enter_alone(pack_alone(message, TO_ANOTHER_MEMBER, pick), None)
            return
        broker.counters.dropped_no_share_member += 1
        note_dropped(ctx, None, message, "no_share_member")


class _Answers:
    """What is to be told to one life of a node, which ``run`` names: up to which frame all came, but for those whose
    messages are to be kept by somebody and aren't yet.
    """

    __slots__ = ("news", "run", "seen", "unfinished")

    def __init__(self, run: bytes) -> None:
        self.run = run
        self.seen = 0
        self.unfinished: set[int] = set()
        self.news = False


class _Answer(Receipt):
    """A frame is acknowledged when all that it led to is done: what was delivered here, and what had to be kept."""

    def __init__(self, answers: _Answers, number: int) -> None:
        super().__init__(False)
        self.parts = 1
        self._answers = answers
        self._number = number
        if number:
            answers.unfinished.add(number)

    def applied(self) -> None:
        self.parts -= 1
        if self.parts == 0 and self._number:
            self._answers.unfinished.discard(self._number)
            self._answers.news = True
