"""Management's questions to the other nodes (``rmq.management.peers.PeerQueries``), and their answers for others."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import trio

from rmq.management.cluster import MemberState
from rmq.management.errors import BadQuery, ManagementError, NodeNotFound, NodeUnreachable, OutcomeUnknown
from rmq.management.local import LocalNode
from rmq.management.models import Gathered, MissingNode
from rmq.management.peers import Question
from rmq_cluster.requests import frames
from rmq_cluster.requests.answering import Reply, Unanswerable
from rmq_cluster.requests.codec import DecodeError
from rmq_cluster.requests.exchange import Carrier, Exchange, ExchangeOptions, NoAnswer
from rmq_cluster.requests.wording import Wording

T = TypeVar("T")

# A node that works answers much sooner; people and their programs wait for the slowest.
TIMEOUT_S: Final = 2.0
# A change is answered when it is applied: longer than storage and cluster take before they give it up by themselves.
CHANGE_TIMEOUT_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Peer:
    """Another member of the cluster. ``state`` is the committed one; ``is_linked``: there is a link to it just now."""

    node_id: int
    name: str
    state: MemberState
    is_linked: bool


@dataclass(frozen=True, slots=True)
class _Answered:
    node_id: int
    answer: Any


class ClusterPeers:
    """Questions to the other members, and the answers of ``local`` to theirs.

    ``others`` are all other members as they are now, those that are down too. ``exchange`` wants to be run, and to
    hear of frames and broken links.
    """

    def __init__(
        self,
        local: LocalNode,
        carrier: Carrier,
        others: Callable[[], tuple[Peer, ...]],
        options: ExchangeOptions | None = None,
        timeout_s: float = TIMEOUT_S,
        change_timeout_s: float = CHANGE_TIMEOUT_S,
    ) -> None:
        self.exchange = Exchange(carrier, self._answer, options)
        self._local = local
        self._others = others
        self._wording = Wording()
        self._timeout_s = timeout_s
        self._change_timeout_s = change_timeout_s

    @property
    def is_alone(self) -> bool:
        """Whether there are no other members; one that is down is one."""
        return not self._others()

    async def ask_all(self, question: Question[T]) -> Gathered[T]:
        """Ask all other nodes at once; whoever gives no answer is named. Answers are in the order of node ids."""
        body = self._write(question)
        peers = self._others()
        answers: list[_Answered] = []
        missing: list[MissingNode] = []

        async def ask_one(peer: Peer) -> None:
            try:
                answers.append(_Answered(peer.node_id, await self._ask(peer, question, body)))
            except NodeUnreachable as error:
                missing.append(_missing(peer, error.reason))
            except ManagementError as error:
                missing.append(_missing(peer, str(error)))

        async with trio.open_nursery() as nursery:
            for peer in peers:
                nursery.start_soon(ask_one, peer)
        answers.sort(key=lambda found: found.node_id)
        missing.sort(key=lambda found: found.node_id)
        return Gathered(tuple(found.answer for found in answers), tuple(missing))

    async def ask(self, node_id: int, question: Question[T]) -> T:
        """Ask one other node; ``NodeNotFound``, ``NodeUnreachable``, ``OutcomeUnknown``, or what is raised there."""
        for peer in self._others():
            if peer.node_id == node_id:
                return await self._ask(peer, question, self._write(question))
        raise NodeNotFound(node_id)

    def _write(self, question: Question[Any]) -> bytes:
        try:
            body = self._wording.write_question(question)
        except (ValueError, OverflowError) as error:  # half a surrogate pair, a number of more than 64 bits
            raise BadQuery("request", f"can't be sent to other nodes: {error}") from error
        limit = self.exchange.options.max_frame - frames.REQUEST_HEAD
        if len(body) > limit:
            raise BadQuery("request", f"no more than {limit} bytes can be sent to other nodes, these are {len(body)}")
        return body

    async def _ask(self, peer: Peer, question: Question[T], body: bytes) -> T:
        if peer.state != "up":
            raise NodeUnreachable(peer.node_id, "is down" if peer.state == "down" else "was stopped")
        if not peer.is_linked:
            raise NodeUnreachable(peer.node_id, "there is no link to it")
        reader = self._wording.reader(question)
        timeout_s = self._change_timeout_s if question.changes else self._timeout_s
        try:
            await self.exchange.ask(peer.node_id, body, timeout_s, reader.feed)
            return reader.finish()
        except NoAnswer as failure:
            if failure.may_be_done and question.changes:
                raise OutcomeUnknown(f"node {peer.node_id}") from failure
            raise NodeUnreachable(peer.node_id, failure.reason) from failure
        except DecodeError as error:
            self.exchange.counters.unreadable += 1
            if question.changes:
                raise OutcomeUnknown(f"node {peer.node_id}") from error
            raise NodeUnreachable(peer.node_id, f"its answer can't be read: {error}") from error

    async def _answer(self, peer: int, body: bytes, reply: Reply) -> None:
        """What this node answers to a question of another one."""
        wording = self._wording
        try:
            question = wording.read_question(body)
        except DecodeError as error:
            raise Unanswerable(f"node {self._local.ref.node_id} can't read the question: {error}") from error
        try:
            answer = await question.of(self._local)
        except ManagementError as error:
            await reply(wording.write_error(error))
            return
        for part in wording.write_answer(question, answer):
            await reply(part)


def _missing(peer: Peer, reason: str) -> MissingNode:
    return MissingNode(peer.node_id, reason, peer.name, is_out=peer.state != "up")
