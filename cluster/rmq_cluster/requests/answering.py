"""The answering side of requests: each question in a task of its own, bounded in number, time and size."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import structlog
import trio

from rmq_cluster.links.handler import BadFrame
from rmq_cluster.requests import frames
from rmq_cluster.requests.counters import RequestCounters

if TYPE_CHECKING:
    from rmq_cluster.requests.exchange import Carrier, ExchangeOptions

log = structlog.get_logger(__name__)

Reply = Callable[[bytes], Awaitable[None]]
# Answers a question of a peer: part by part through ``Reply``, which it must call from its own task.
Answer = Callable[[int, bytes, Reply], Awaitable[None]]

INTERNAL_ERROR: Final = "internal error there, which its log has"


class Unanswerable(Exception):
    """A question that can't be answered and of which nothing was done; the text is told to the asker."""


class _CutOff(Exception):
    """The rest of an answer can't be sent."""


class _TooLarge(Exception):
    """The answer is larger than allowed."""


class _Question:
    """One question of a peer that is being answered."""

    __slots__ = ("body", "is_wanted", "peer", "request_id", "scope", "timeout_s")

    def __init__(self, peer: int, request_id: int, timeout_s: float, body: bytes) -> None:
        self.peer = peer
        self.request_id = request_id
        self.timeout_s = timeout_s
        self.body = body
        self.scope = trio.CancelScope()
        self.is_wanted = True

    def give_up(self) -> None:
        """Nobody wants the answer any more; none of it may be sent, not even before the task notices."""
        self.is_wanted = False
        self.scope.cancel()


class Answering:
    """Questions of all peers."""

    def __init__(
        self, carrier: "Carrier", answer: Answer, options: "ExchangeOptions", counters: RequestCounters
    ) -> None:
        self._carrier = carrier
        self._answer = answer
        self._options = options
        self._counters = counters
        self._nursery: trio.Nursery | None = None
        self._questions: dict[tuple[int, int], _Question] = {}
        self._of_peer: dict[int, int] = {}

    @property
    def working_on(self) -> int:
        """How many questions are being answered."""
        return sum(self._of_peer.values())

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        """Answer until it is cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                task_status.started()
                await trio.sleep_forever()
            finally:
                self._nursery = None

    def received(self, peer: int, frame: bytes) -> None:
        """One REQUEST frame; ``BadFrame``."""
        what, request_id, timeout_s, body = frames.read_request(frame)
        known = self._questions.get((peer, request_id))
        if what == frames.FORGET:
            if known is not None:
                self._counters.forgotten += 1
                known.give_up()
            return
        self._counters.questions += 1
        if known is not None:
            raise BadFrame(f"two requests with the id {request_id}")
        at_work = self._of_peer.get(peer, 0)
        if self._nursery is None:
            self._refuse(peer, request_id, "the node starts or stops")
        elif at_work >= self._options.answered_at_once:
            self._refuse(peer, request_id, f"{at_work} questions at once are too many")
        else:
            question = _Question(peer, request_id, min(timeout_s, self._options.longest_s), body)
            self._questions[peer, request_id] = question
            self._of_peer[peer] = at_work + 1
            self._nursery.start_soon(self._work_on, question)

    def link_down(self, peer: int) -> None:
        """Whoever asked is gone."""
        for question in [found for found in self._questions.values() if found.peer == peer]:
            question.give_up()
            # The next link has ids of its own; the task that ends counts until it has.
            del self._questions[peer, question.request_id]

    def _refuse(self, peer: int, request_id: int, reason: str) -> None:
        self._counters.refused += 1
        self._carrier.send(peer, frames.ANSWER, frames.write_answer(frames.REFUSED, request_id, reason.encode()))

    async def _work_on(self, question: _Question) -> None:
        try:
            with question.scope:
                question.scope.deadline = trio.current_time() + question.timeout_s
                await self._reply(question)
            if question.scope.cancelled_caught and question.is_wanted:
                self._counters.too_slow += 1
        finally:
            key = (question.peer, question.request_id)
            if self._questions.get(key) is question:
                del self._questions[key]
            self._of_peer[question.peer] -= 1
            if not self._of_peer[question.peer]:
                del self._of_peer[question.peer]

    async def _reply(self, question: _Question) -> None:
        peer = question.peer
        sent = 0

        async def reply(part: bytes) -> None:
            nonlocal sent
            sent += len(part)
            if sent > self._options.max_answer:
                raise _TooLarge
            await self._send_part(question, part)

        try:
            await self._answer(peer, question.body, reply)
            await self._send(question, frames.write_answer(frames.END, question.request_id))
            self._counters.replies += 1
        except Unanswerable as error:
            if question.is_wanted:
                self._refuse(peer, question.request_id, str(error))
        except _CutOff:
            self._counters.cut_off += 1
        except _TooLarge:
            self._counters.too_large += 1
            self._fail(question, f"the answer is larger than {self._options.max_answer} bytes: ask for fewer rows")
        except Exception as error:
            self._counters.internal_errors += 1
            log.error("a question of another node couldn't be answered", peer=peer, exc_info=error)
            self._fail(question, INTERNAL_ERROR)

    def _fail(self, question: _Question, reason: str) -> None:
        if question.is_wanted:
            body = frames.write_answer(frames.FAILED, question.request_id, reason.encode())
            self._carrier.send(question.peer, frames.ANSWER, body)

    async def _send_part(self, question: _Question, part: bytes) -> None:
        room = self._options.max_frame - frames.ANSWER_HEAD
        view = memoryview(part)
        for start in range(0, max(len(part), 1), room):
            what = frames.PART if start + room >= len(part) else frames.PIECE
            await self._send(question, frames.write_answer(what, question.request_id, view[start : start + room]))

    async def _send(self, question: _Question, body: bytes) -> None:
        """Send a frame of an answer behind others, when there is room; a link that is gone ends the answer."""
        has_room = await self._carrier.wait_for_room(question.peer, self._options.room_below)
        await trio.lowlevel.checkpoint()  # ends here if nobody wants the answer any more
        if not has_room or not self._carrier.send(question.peer, frames.ANSWER, body):
            raise _CutOff
