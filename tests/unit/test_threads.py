"""Blocking calls in threads: what they raise, and that a machine without threads to spare is no bug."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable

import pytest
import trio

from rmq.management.node.host import HostFigures, ProcessFigures, look_at_host, look_at_process
from rmq.threads import NoThreadError, in_thread


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """None can be started any more."""

    async def run_sync(call: Callable[[], object], **options: object) -> object:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(trio.to_thread, "run_sync", run_sync)


async def test_a_call_runs_beside_the_loop() -> None:
    assert await in_thread(threading.get_ident) != threading.get_ident()


@pytest.mark.usefixtures("no_threads")
async def test_no_thread_to_be_had_is_an_error_of_the_machine() -> None:
    with pytest.raises(NoThreadError) as caught:
        await in_thread(threading.get_ident)
    assert caught.value.errno == errno.EAGAIN
    assert await look_at_process() == ProcessFigures()
    assert await look_at_host("/") == HostFigures()


async def test_what_the_call_raises_is_raised() -> None:
    def fail() -> None:
        raise RuntimeError("a bug of its own")

    with pytest.raises(RuntimeError, match="of its own"):
        await in_thread(fail)
