"""Which failures are tried again, and which are the server's fault; by a virtual clock."""

import structlog
import trio
from trio.testing import MockClock

from rmq.plugin_api import BreakerConfig, NoAnswerError, Patience, RetryConfig


class World:
    def __init__(self, says: str) -> None:
        self.says = says
        self.asked = 0
        self.patience = Patience(
            RetryConfig(times=2, interval=0.1),
            BreakerConfig(failures=3, pause=10.0),
            1.0,
            5.0,
            structlog.get_logger(),
            final=["closed"],
            answered=["garbled"],
        )

    async def once(self) -> str:
        self.asked += 1
        if self.says == "slow":
            await trio.sleep(100)
        if self.says != "well":
            raise NoAnswerError(self.says, "")
        return self.says

    async def ask(self) -> str:
        try:
            return await self.patience.ask("the server", self.once)
        except NoAnswerError as error:
            return error.kind


async def test_a_question_that_is_to_blame_never_opens_the_breaker(autojump_clock: MockClock) -> None:
    world = World("garbled")
    assert [await world.ask() for _ in range(10)] == ["garbled"] * 10
    assert world.asked == 10 and world.patience.breaker.state == "closed"
    assert world.patience.figures() == {"requests": 10, "retries": 0, "failures": {"garbled": 10}, "breaker": "closed"}


async def test_an_answer_that_means_nothing_ends_the_pause_as_any_other(autojump_clock: MockClock) -> None:
    world = World("connection")
    assert await world.ask() == "connection" and world.patience.breaker.state == "open"
    await trio.sleep(10)
    world.says = "garbled"
    assert await world.ask() == "garbled" and world.patience.breaker.state == "closed"


async def test_what_could_not_be_sent_says_nothing_about_the_server(autojump_clock: MockClock) -> None:
    world = World("unsendable")
    assert [await world.ask() for _ in range(5)] == ["unsendable"] * 5 and world.patience.breaker.state == "closed"
    world.says = "closed"
    assert [await world.ask() for _ in range(3)] == ["closed"] * 3 and world.patience.breaker.state == "open"


async def test_what_is_slow_is_given_up_and_tried_again_in_the_time_there_is(autojump_clock: MockClock) -> None:
    world = World("slow")
    began = trio.current_time()
    assert await world.ask() == "timeout" and world.asked == 3
    assert trio.current_time() - began < 5.0
