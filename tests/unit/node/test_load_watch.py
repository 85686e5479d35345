"""The task that watches how busy the node is: it sees stalls, and memory; the clock is trio's mock clock."""

from __future__ import annotations

import mmap

import pytest
import trio
import trio.testing

from rmq.engine.busy import BusyLimits
from rmq.node.load_watch import resident_size, watch_load
from tests.support.engine import Engine
from tests.support.engine import engine as engine


def limits(loop_lag_s: float = 0.0, memory: int = 0) -> BusyLimits:
    made = BusyLimits()
    made.loop_lag_s = loop_lag_s
    made.memory = memory
    return made


async def test_a_stall_makes_the_node_busy_until_it_was_calm_for_a_while(
    engine: Engine, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    broker = engine.broker
    nursery.start_soon(watch_load, broker, limits(loop_lag_s=0.5), 2.0)
    await trio.sleep(10.05)
    assert not broker.busy
    autojump_clock.jump(0.4)  # a stall that nobody minds
    await trio.sleep(4.0)
    assert not broker.busy
    autojump_clock.jump(3.0)
    await trio.sleep(0.15)  # told at its end, not at the end of the interval
    assert broker.busy and broker.stats.busy.count == 1
    await trio.sleep(3.8)
    assert broker.busy
    await trio.sleep(0.4)
    assert not broker.busy and (broker.stats.busy.count, broker.stats.busy.max) == (0, 1)
    nursery.cancel_scope.cancel()


async def test_memory_over_its_limit(
    engine: Engine, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    nursery.start_soon(watch_load, engine.broker, limits(memory=1), 1.0)
    await trio.sleep(0.95)
    assert not engine.broker.busy
    await trio.sleep(0.2)
    assert engine.broker.busy
    nursery.cancel_scope.cancel()


def test_the_resident_size_is_that_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    before = resident_size()
    assert 5_000_000 < before < 5_000_000_000
    # Mapped by itself: what an allocator still has from other tests would be resident already.
    with mmap.mmap(-1, 50_000_000) as ballast:
        for page in range(0, len(ballast), mmap.PAGESIZE):
            ballast[page] = 1
        assert resident_size() > before + len(ballast) // 2
    monkeypatch.setattr("rmq.node.load_watch.STATM", "/no/such/file")
    assert resident_size() == 0
