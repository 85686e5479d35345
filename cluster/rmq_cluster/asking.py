"""Changes of membership are the leader's: any member asks it, and is told what came of it."""

from collections.abc import Callable
from typing import Final

import trio

APPLIED: Final = "applied"
# Nothing was changed, and why.
REFUSED: Final = "refused: "
UNDER_WAY: Final = "under way: "
NOT_LEADER: Final = "not the leader"
UNKNOWN: Final = "unknown"

Answer = Callable[[str], None]


class Asking:
    """``perform`` does what a member asks, if this node leads, and answers with one of the texts above.

    ``send_note`` tells a peer something.
    """

    def __init__(
        self,
        send_note: Callable[..., bool],
        perform: Callable[[str, int, Answer], None],
        leader: Callable[[], int | None],
    ) -> None:
        self._send_note = send_note
        self._perform = perform
        self._leader = leader
        self._last = 0
        self._waiting: dict[int, _Waiting] = {}

    async def ask(self, own_id: int, what: str, node_id: int) -> str:
        """Have the leader do something; the answer is one of the texts above. Waits for as long as that takes."""
        leader = self._leader()
        if leader is None:
            return NOT_LEADER
        self._last += 1
        number = self._last
        waiting = self._waiting[number] = _Waiting(leader)
        try:
            if leader == own_id:
                self._perform(what, node_id, waiting.tell)
            elif not self._send_note(leader, "ask", number, what, node_id):
                return NOT_LEADER
            await waiting.told.wait()
            return waiting.answer
        finally:
            del self._waiting[number]

    def asked(self, peer: int, number: int, what: str, node_id: int) -> None:
        """A member asks this node."""
        self._perform(what, node_id, lambda answer: self._reply(peer, number, answer))

    def _reply(self, peer: int, number: int, answer: str) -> None:
        self._send_note(peer, "answer", number, answer[:250])

    def answered(self, peer: int, number: int, answer: str) -> None:
        """The leader has answered."""
        waiting = self._waiting.get(number)
        if waiting is not None and waiting.leader == peer:
            waiting.tell(answer)

    def link_down(self, peer: int) -> None:
        """No answer comes from there any more."""
        for waiting in self._waiting.values():
            if waiting.leader == peer:
                waiting.tell(UNKNOWN)


class _Waiting:
    def __init__(self, leader: int) -> None:
        self.leader = leader
        self.answer = ""
        self.told = trio.Event()

    def tell(self, answer: str) -> None:
        if not self.answer:
            self.answer = answer
            self.told.set()
