"""Coroutines of asyncio, called from trio."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import CancelledError
from typing import Any

import pytest
import trio
from rmq_plugins.bridge_nats.worker import Worker


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    """One that is stopped in the end."""
    made = Worker("tested")
    yield made
    await made.stop()


async def test_what_it_returns_and_raises_comes_back(worker: Worker) -> None:
    async def good() -> str:
        return threading.current_thread().name

    async def bad() -> None:
        raise ValueError("no")

    assert await worker.call(good) == "tested"
    with pytest.raises(ValueError, match="no"):
        await worker.call(bad)


async def test_calls_run_beside_each_other(worker: Worker) -> None:
    both = asyncio.Barrier(2)

    async def meet() -> None:
        await both.wait()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(worker.call, meet)
        nursery.start_soon(worker.call, meet)


async def test_a_call_that_is_cancelled_ends_there_too(worker: Worker) -> None:
    began, ended = threading.Event(), threading.Event()

    async def wait() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(worker.call, wait)
        await trio.to_thread.run_sync(began.wait)
        nursery.cancel_scope.cancel()
    assert await trio.to_thread.run_sync(ended.wait, 10)


async def test_stopping_ends_what_runs_and_the_thread() -> None:
    began = threading.Event()

    async def wait() -> None:
        began.set()
        await asyncio.Event().wait()

    worker = Worker("stopped")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_ends, worker, wait)
        await trio.to_thread.run_sync(began.wait)
        await worker.stop()
    assert "stopped" not in [thread.name for thread in threading.enumerate()]
    await worker.stop()  # a second time there is nothing to do


async def _ends(worker: Worker, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with pytest.raises(CancelledError):
        await worker.call(work)
