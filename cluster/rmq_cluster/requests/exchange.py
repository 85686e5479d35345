"""Requests with ids over frames: asking other nodes with deadlines, so many at once, and having them answered."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import trio

from rmq_cluster.requests import frames
from rmq_cluster.requests.answering import Answer, Answering
from rmq_cluster.requests.counters import RequestCounters

MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class ExchangeOptions:
    """Limits; sizes in bytes, times in seconds.

    ``asked_at_once`` and ``answered_at_once`` are for each peer. An answer is sent in frames of at most
    ``max_frame``, the next one when no more than ``room_below`` bytes wait, and has at most ``max_answer`` in all. No
    question is worked on for longer than ``longest_s``, whatever its asker says.
    """

    asked_at_once: int = 16
    answered_at_once: int = 32
    max_frame: int = MIB
    room_below: int = MIB
    max_answer: int = 64 * MIB
    longest_s: float = 60.0


class Carrier(Protocol):
    """Where frames go out."""

    def send(self, peer: int, kind: int, body: bytes) -> bool:
        """Whether the frame waits to be sent: False without a link, or without room."""

    async def wait_for_room(self, peer: int, below: int) -> bool:
        """Wait until at most ``below`` bytes wait for this peer; False if the link is gone."""


class NoAnswer(Exception):
    """There is no answer. ``may_be_done``: the question was sent, so what it asks for may have been done."""

    def __init__(self, reason: str, *, may_be_done: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.may_be_done = may_be_done


class _Asked:
    """One question that waits for its answer."""

    __slots__ = ("arrived", "ended", "failure", "parts", "peer", "pieces", "request_id", "size")

    def __init__(self, peer: int, request_id: int) -> None:
        self.peer = peer
        self.request_id = request_id
        self.parts: deque[bytes] = deque()
        self.pieces: list[bytes] = []
        self.size = 0
        self.ended = False
        self.failure: NoAnswer | None = None
        self.arrived = trio.Event()

    def fail(self, failure: NoAnswer) -> None:
        self.failure = failure
        self.ended = True
        self.arrived.set()


class Exchange:
    """Both sides of requests with all other nodes.

    ``answer`` answers a question of a peer in its own task of ``run``. ``received`` and ``link_down`` are called by
    whoever has the links; questions that wait for a peer fail at once when its link breaks.
    """

    def __init__(self, carrier: Carrier, answer: Answer, options: ExchangeOptions | None = None) -> None:
        self.options = ExchangeOptions() if options is None else options
        self.counters = RequestCounters()
        self._carrier = carrier
        self._answering = Answering(carrier, answer, self.options, self.counters)
        self._asked: dict[int, _Asked] = {}
        self._turns: dict[int, trio.Semaphore] = {}
        self._last_id = 0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Answer questions until it is cancelled; before and after they are refused."""
        await self._answering.run(task_status)

    def received(self, peer: int, kind: int, body: bytes) -> None:
        """One REQUEST or ANSWER frame. Raises ``BadFrame`` for one that no sound peer sends."""
        if kind == frames.REQUEST:
            self._answering.received(peer, body)
        else:
            self._take(peer, *frames.read_answer(body))

    def link_down(self, peer: int) -> None:
        """The link is gone, and with it all that was asked and is being answered over it."""
        self._answering.link_down(peer)
        for asked in self._asked.values():
            if asked.peer == peer and not asked.ended:
                asked.fail(NoAnswer("the link broke", may_be_done=True))

    @property
    def waiting(self) -> int:
        """How many questions of this node wait for their answers."""
        return len(self._asked)

    @property
    def working_on(self) -> int:
        """How many questions of other nodes are being answered."""
        return self._answering.working_on

    async def ask(self, peer: int, body: bytes, timeout_s: float, take: Callable[[bytes], None]) -> None:
        """Ask a peer; ``take`` gets the parts of the answer as they come. Raises ``NoAnswer``, or what ``take`` raises.

        ``timeout_s`` is for all of it, waiting for one's turn too.
        """
        self.counters.asked += 1
        was_sent = False
        try:
            with trio.move_on_after(timeout_s) as scope:
                async with self._turn(peer):
                    asked = self._send(peer, body, scope.deadline - trio.current_time())
                    was_sent = True
                    try:
                        await _collect(asked, take)
                    finally:
                        self._forget(asked)
            if scope.cancelled_caught:
                raise NoAnswer(f"no answer within {timeout_s:g} s", may_be_done=was_sent)
        except NoAnswer:
            self.counters.unanswered += 1
            raise
        self.counters.answered += 1

    def _turn(self, peer: int) -> trio.Semaphore:
        turn = self._turns.get(peer)
        if turn is None:
            turn = self._turns[peer] = trio.Semaphore(self.options.asked_at_once)
        return turn

    def _send(self, peer: int, body: bytes, timeout_s: float) -> _Asked:
        self._last_id += 1
        request_id = self._last_id
        if not self._carrier.send(peer, frames.REQUEST, frames.write_request(request_id, timeout_s, body)):
            raise NoAnswer("no link, or no room on it", may_be_done=False)
        asked = self._asked[request_id] = _Asked(peer, request_id)
        return asked

    def _forget(self, asked: _Asked) -> None:
        del self._asked[asked.request_id]
        if not asked.ended:
            self._carrier.send(asked.peer, frames.REQUEST, frames.write_forget(asked.request_id))

    def _take(self, peer: int, what: int, request_id: int, body: bytes) -> None:
        asked = self._asked.get(request_id)
        if asked is None or asked.peer != peer or asked.ended:
            self.counters.stray_answers += 1
            return
        if what in (frames.REFUSED, frames.FAILED):
            reason = body[:1000].decode("utf-8", "replace")
            asked.fail(NoAnswer(reason, may_be_done=what == frames.FAILED))
            return
        if what == frames.END:
            asked.ended = True
            asked.arrived.set()
            return
        asked.size += len(body)
        if asked.size > self.options.max_answer:
            asked.parts.clear()
            asked.pieces.clear()
            asked.fail(NoAnswer(f"the answer is larger than {self.options.max_answer} bytes", may_be_done=True))
            self._carrier.send(peer, frames.REQUEST, frames.write_forget(request_id))
            return
        asked.pieces.append(body)
        if what == frames.PART:
            asked.parts.append(b"".join(asked.pieces))
            asked.pieces.clear()
            asked.arrived.set()


async def _collect(asked: _Asked, take: Callable[[bytes], None]) -> None:
    """Hand parts on as they come, until there are no more; other tasks get their turns between."""
    while True:
        if asked.failure is not None:
            raise asked.failure
        if asked.parts:
            take(asked.parts.popleft())
            await trio.lowlevel.checkpoint()
        elif asked.ended:
            return
        else:
            asked.arrived = trio.Event()
            await asked.arrived.wait()
