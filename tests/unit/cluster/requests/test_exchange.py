"""Requests over frames: parts, deadlines, bounds on either side, links that break, and answers that nobody wants."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import trio
from rmq_cluster.links.handler import BadFrame
from rmq_cluster.requests import frames
from rmq_cluster.requests.answering import INTERNAL_ERROR, Reply, Unanswerable
from rmq_cluster.requests.exchange import Exchange, ExchangeOptions, NoAnswer
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.unit.cluster.requests.network import Network

OPTIONS = ExchangeOptions(asked_at_once=2, answered_at_once=3, max_frame=100, max_answer=1000, longest_s=30)
Handler = Callable[[int, bytes, Reply], Awaitable[None]]


class Pair:
    """Node 1 asks, node 2 answers as ``handler`` says."""

    def __init__(self, network: Network, asking: ExchangeOptions, answering: ExchangeOptions) -> None:
        self.network = network
        self.handler: Handler = echo
        self.cancelled = 0
        self.one = Exchange(network.carrier(1), self._answer, asking)
        self.two = Exchange(network.carrier(2), self._answer, answering)
        network.exchanges = {1: self.one, 2: self.two}

    async def _answer(self, peer: int, body: bytes, reply: Reply) -> None:
        try:
            await self.handler(peer, body, reply)
        except trio.Cancelled:
            self.cancelled += 1
            raise

    async def ask(self, body: bytes = b"?", timeout_s: float = 2.0) -> list[bytes]:
        parts: list[bytes] = []
        await self.one.ask(2, body, timeout_s, parts.append)
        return parts

    async def fail(self, body: bytes = b"?", timeout_s: float = 2.0) -> NoAnswer:
        with pytest.raises(NoAnswer) as caught:
            await self.ask(body, timeout_s)
        return caught.value


async def echo(peer: int, body: bytes, reply: Reply) -> None:
    await reply(b"%d:" % peer + body)


async def never(peer: int, body: bytes, reply: Reply) -> None:
    await trio.sleep_forever()


@asynccontextmanager
async def running(asking: ExchangeOptions = OPTIONS, answering: ExchangeOptions = OPTIONS) -> AsyncIterator[Pair]:
    pair = Pair(Network(), asking, answering)
    async with trio.open_nursery() as nursery:
        await nursery.start(pair.one.run)
        await nursery.start(pair.two.run)
        nursery.start_soon(pair.network.run)
        yield pair
        await wait_all_tasks_blocked()
        assert pair.one.waiting == pair.two.working_on == 0, "something was kept"
        nursery.cancel_scope.cancel()


async def test_an_answer_comes_back() -> None:
    async with running() as pair:
        assert await pair.ask(b"hello") == [b"1:hello"]
        answers: list[bytes] = []
        await pair.two.ask(1, b"and you?", 2, answers.append)
        assert answers == [b"2:and you?"]
        assert (pair.one.counters.asked, pair.one.counters.answered, pair.one.counters.replies) == (1, 1, 1)
        assert pair.two.counters.questions == 1


async def test_parts_larger_than_a_frame_are_cut_and_joined() -> None:
    async def several(peer: int, body: bytes, reply: Reply) -> None:
        for part in (b"a" * 500, b"", b"b" * 87, b"c" * 88, b"d" * (2 * 91), b"e"):
            await reply(part)

    async with running() as pair:
        pair.handler = several
        assert await pair.ask() == [b"a" * 500, b"", b"b" * 87, b"c" * 88, b"d" * 182, b"e"]
        sizes = [len(body) for body in pair.network.sent(frames.ANSWER)]
        assert max(sizes) == OPTIONS.max_frame and len(sizes) == 6 + 1 + 1 + 1 + 2 + 1 + 1
        assert pair.one.counters.stray_answers == 0


async def test_a_larger_answer_than_allowed_is_refused_where_it_is_made() -> None:
    async def too_much(peer: int, body: bytes, reply: Reply) -> None:
        await reply(b"a" * 1000)
        await reply(b"b")

    async with running() as pair:
        pair.handler = too_much
        failure = await pair.fail()
        assert "larger than 1000" in failure.reason and failure.may_be_done
        assert pair.two.counters.too_large == 1


async def test_a_peer_that_sends_more_than_allowed_is_not_listened_to() -> None:
    async def endless(peer: int, body: bytes, reply: Reply) -> None:
        while True:
            await reply(b"a" * 90)

    async with running(answering=replace(OPTIONS, max_answer=10**9)) as pair:
        pair.handler = endless
        failure = await pair.fail()
        assert "larger than 1000" in failure.reason
        await wait_all_tasks_blocked()
        assert pair.two.counters.forgotten == pair.cancelled == 1


async def test_what_takes_too_long_is_given_up_on_both_sides(autojump_clock: MockClock) -> None:
    async with running() as pair:
        pair.handler = never
        before = trio.current_time()
        failure = await pair.fail(timeout_s=2)
        assert trio.current_time() - before == 2
        assert failure.reason == "no answer within 2 s" and failure.may_be_done
        await wait_all_tasks_blocked()
        assert (pair.cancelled, pair.one.counters.unanswered) == (1, 1)


async def test_no_question_is_worked_on_for_longer_than_allowed(autojump_clock: MockClock) -> None:
    async with running() as pair:
        pair.handler = never
        await pair.fail(timeout_s=100)
        assert (pair.two.counters.too_slow, pair.two.counters.forgotten) == (1, 0)


async def test_what_is_cancelled_is_forgotten() -> None:
    async with running() as pair:
        pair.handler = never
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pair.ask)
            await wait_all_tasks_blocked()
            assert pair.one.waiting == pair.two.working_on == 1
            nursery.cancel_scope.cancel()
        assert pair.one.waiting == 0
        await wait_all_tasks_blocked()
        assert (pair.two.working_on, pair.two.counters.forgotten, pair.cancelled) == (0, 1, 1)


async def test_late_answers_are_counted_and_nothing_else() -> None:
    async with running() as pair:
        for body in (
            frames.write_answer(frames.PART, 77, b"late"),
            frames.write_answer(frames.END, 1),
            frames.write_answer(frames.FAILED, 1, b"?"),
        ):
            pair.one.received(2, frames.ANSWER, body)
        assert pair.one.counters.stray_answers == 3
        pair.handler = never
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pair.ask)
            await wait_all_tasks_blocked()
            pair.one.received(3, frames.ANSWER, frames.write_answer(frames.END, 1))  # the id is that of node 2
            assert pair.one.counters.stray_answers == 4 and pair.one.waiting == 1
            nursery.cancel_scope.cancel()


async def test_so_many_at_once_and_the_others_wait_for_their_turn(autojump_clock: MockClock) -> None:
    at_once = 0
    most = 0

    async def count(peer: int, body: bytes, reply: Reply) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await trio.sleep(0.5)
        at_once -= 1
        await reply(body)

    async with running() as pair:
        pair.handler = count
        async with trio.open_nursery() as nursery:
            for _ in range(6):
                nursery.start_soon(pair.ask)
        assert (most, pair.one.counters.answered) == (OPTIONS.asked_at_once, 6)


async def test_waiting_for_a_turn_is_part_of_the_deadline(autojump_clock: MockClock) -> None:
    async with running() as pair:
        pair.handler = never
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pair.fail, b"1", 10.0)
            nursery.start_soon(pair.fail, b"2", 10.0)
            await wait_all_tasks_blocked()
            failure = await pair.fail(b"3", 1.0)
            assert not failure.may_be_done, "it was never sent"
        assert pair.two.counters.questions == 2


async def test_a_peer_that_asks_too_much_is_refused() -> None:
    async with running(asking=replace(OPTIONS, asked_at_once=100)) as pair:
        pair.handler = never
        failures: list[NoAnswer] = []

        async def ask() -> None:
            failures.append(await pair.fail())

        async with trio.open_nursery() as nursery:
            for _ in range(OPTIONS.answered_at_once + 1):
                nursery.start_soon(ask)
            await wait_all_tasks_blocked()
            (failure,) = failures
            assert "too many" in failure.reason and not failure.may_be_done
            assert pair.two.working_on == OPTIONS.answered_at_once and pair.two.counters.refused == 1
            nursery.cancel_scope.cancel()


async def test_a_bug_is_an_internal_error_with_a_line_in_the_log_of_the_node_that_has_it() -> None:
    async def broken(peer: int, body: bytes, reply: Reply) -> None:
        raise KeyError("secret detail")

    async with running() as pair:
        pair.handler = broken
        with capture_logs() as lines:
            failure = await pair.fail()
        assert failure.reason == INTERNAL_ERROR and failure.may_be_done
        (line,) = lines
        assert line["peer"] == 1 and isinstance(line["exc_info"], KeyError)
        assert pair.two.counters.internal_errors == 1
        pair.handler = echo
        assert await pair.ask() == [b"1:?"]


async def test_what_cannot_be_answered_is_told_with_its_reason() -> None:
    async def refuse(peer: int, body: bytes, reply: Reply) -> None:
        raise Unanswerable("not in this version")

    async with running() as pair:
        pair.handler = refuse
        failure = await pair.fail()
        assert failure.reason == "not in this version" and not failure.may_be_done


async def test_without_a_link_nothing_is_asked() -> None:
    async with running() as pair:
        pair.network.cut.add(frozenset((1, 2)))
        failure = await pair.fail()
        assert "no link" in failure.reason and not failure.may_be_done
        assert pair.network.frames == []


async def test_when_the_link_breaks_both_sides_give_up_at_once() -> None:
    async with running() as pair:
        pair.handler = never
        failures: list[NoAnswer] = []

        async def ask() -> None:
            failures.append(await pair.fail(timeout_s=1000))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await wait_all_tasks_blocked()
            pair.network.break_link(1, 2)
        (failure,) = failures
        assert failure.reason == "the link broke" and failure.may_be_done
        await wait_all_tasks_blocked()
        assert pair.cancelled == 1
        pair.network.cut.clear()
        pair.handler = echo
        assert await pair.ask() == [b"1:?"]


async def test_an_answer_to_the_link_before_is_not_sent_over_the_next_one() -> None:
    gate = trio.Event()

    async def slow(peer: int, body: bytes, reply: Reply) -> None:
        with trio.CancelScope(shield=True):
            await gate.wait()
        await reply(b"for whom?")

    async with running() as pair:
        pair.handler = slow
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pair.fail)
            await wait_all_tasks_blocked()
            pair.network.break_link(1, 2)
        pair.network.cut.clear()
        gate.set()
        await wait_all_tasks_blocked()
        assert pair.network.sent(frames.ANSWER) == []


@pytest.mark.parametrize("end", [KeyError("late"), Unanswerable("late")])
async def test_a_failure_that_concerned_the_link_before_is_not_told_over_the_next_one(end: Exception) -> None:
    gate = trio.Event()

    async def slow(peer: int, body: bytes, reply: Reply) -> None:
        with trio.CancelScope(shield=True):
            await gate.wait()
        raise end

    async with running() as pair:
        pair.handler = slow
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pair.fail)
            await wait_all_tasks_blocked()
            pair.network.break_link(1, 2)
        pair.network.cut.clear()
        # The peer was started anew and counts from 1 again, while the answer of before is still being made.
        pair.handler = echo
        pair.one = pair.network.exchanges[1] = Exchange(pair.network.carrier(1), echo, OPTIONS)
        assert await pair.ask() == [b"1:?"]
        with capture_logs():
            gate.set()
            await wait_all_tasks_blocked()
        assert len(pair.network.sent(frames.ANSWER)) == 2, "the part and the end of the one answer"


async def test_the_end_of_an_old_answer_leaves_the_new_question_with_its_id_alone() -> None:
    gate = trio.Event()

    async def slow(peer: int, body: bytes, reply: Reply) -> None:
        with trio.CancelScope(shield=True):
            await gate.wait()

    async with running() as pair:
        pair.handler = slow
        pair.two.received(1, frames.REQUEST, frames.write_request(1, 1000.0, b"?"))
        await wait_all_tasks_blocked()
        pair.two.link_down(1)
        pair.handler = never
        pair.two.received(1, frames.REQUEST, frames.write_request(1, 1000.0, b"?"))
        gate.set()
        await wait_all_tasks_blocked()
        pair.two.received(1, frames.REQUEST, frames.write_forget(1))
        assert pair.two.counters.forgotten == 1


async def test_parts_wait_for_room_and_what_cannot_be_sent_is_cut_off() -> None:
    async with running() as pair:
        pair.network.jammed.add(1)
        found: list[list[bytes]] = []

        async def ask() -> None:
            found.append(await pair.ask())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await wait_all_tasks_blocked()
            assert pair.network.sent(frames.ANSWER) == []
            pair.network.jammed.clear()
            pair.network.touch()
        assert found == [[b"1:?"]]
        pair.network.jammed.add(1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pair.fail)
            await wait_all_tasks_blocked()
            pair.network.cut.add(frozenset((1, 2)))  # as a link that breaks, before anybody is told
            pair.network.touch()
            await wait_all_tasks_blocked()
            assert pair.two.counters.cut_off == 1
            pair.one.link_down(2)


async def test_a_node_that_does_not_answer_yet_or_any_more_says_so() -> None:
    pair = Pair(Network(), OPTIONS, OPTIONS)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pair.network.run)
        failure = await pair.fail()
        assert "starts or stops" in failure.reason and not failure.may_be_done
        async with trio.open_nursery() as inner:
            await inner.start(pair.two.run)
            assert await pair.ask() == [b"1:?"]
            inner.cancel_scope.cancel()
        assert "starts or stops" in (await pair.fail()).reason
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (frames.REQUEST, b""),
        (frames.REQUEST, frames.write_request(1, 1.0, b"")[:-1]),
        (frames.REQUEST, b"\x02" + frames.write_request(1, 1.0, b"?")[1:]),
        (frames.ANSWER, b""),
        (frames.ANSWER, frames.write_answer(frames.END, 1)[:-1]),
        (frames.ANSWER, frames.write_answer(frames.FAILED + 1, 1)),
    ],
)
async def test_frames_that_no_sound_peer_sends(kind: int, body: bytes) -> None:
    async with running() as pair:
        with pytest.raises(BadFrame):
            pair.two.received(1, kind, body)


async def test_an_id_cannot_be_used_twice_at_once() -> None:
    async with running() as pair:
        pair.handler = never
        pair.two.received(1, frames.REQUEST, frames.write_request(1, 1000.0, b"?"))
        with pytest.raises(BadFrame, match="two requests"):
            pair.two.received(1, frames.REQUEST, frames.write_request(1, 1000.0, b"?"))
        pair.two.received(1, frames.REQUEST, frames.write_forget(99))
        pair.two.received(1, frames.REQUEST, frames.write_forget(1))
        assert pair.two.counters.forgotten == 1


async def test_an_error_while_reading_an_answer_ends_the_question() -> None:
    def choke(part: bytes) -> None:
        raise ValueError("nonsense")

    async def two_parts(peer: int, body: bytes, reply: Reply) -> None:
        await reply(b"a")
        await trio.sleep_forever()

    async with running() as pair:
        pair.handler = two_parts
        with pytest.raises(ValueError, match="nonsense"):
            await pair.one.ask(2, b"?", 1000, choke)
        await wait_all_tasks_blocked()
        assert pair.two.counters.forgotten == 1
