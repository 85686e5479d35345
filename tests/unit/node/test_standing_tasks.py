"""Tasks of the node that meet a bug: told, counted, and begun again."""

from __future__ import annotations

import pytest
import trio

from rmq.node.standing_tasks import BEGIN_AGAIN_AFTER_S, keep_running, run_guarded
from tests.support.engine import Engine


async def test_a_bug_is_counted_and_the_task_begins_again(
    autojump_clock: trio.testing.MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    broker = Engine().broker
    begun: list[float] = []
    enough = trio.Event()

    async def work() -> None:
        begun.append(trio.current_time())
        if len(begun) == 3:
            enough.set()
            await trio.sleep_forever()
        raise OSError("no descriptors")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_running, broker, "in looking", work)
        await enough.wait()
        nursery.cancel_scope.cancel()
    assert [later - begun[0] for later in begun] == [0, BEGIN_AGAIN_AFTER_S, 2 * BEGIN_AGAIN_AFTER_S]
    assert broker.counters.internal_errors == 2


async def test_work_that_is_done_once_costs_the_node_nothing() -> None:
    broker = Engine().broker

    async def broken() -> None:
        raise KeyError("bug")

    async def sound() -> None:
        await trio.lowlevel.checkpoint()

    assert not await run_guarded(broker, "in work", broken)
    assert await run_guarded(broker, "in work", sound)
    assert broker.counters.internal_errors == 1
