"""Blocking calls in threads of trio's; a thread that can't be started is an error of the machine and no bug."""

import errno
from collections.abc import Callable
from typing import TypeVar

import trio

T = TypeVar("T")


class NoThreadError(OSError):
    """The process may have no more threads, or there is no memory for one: it gets better."""

    def __init__(self) -> None:
        super().__init__(errno.EAGAIN, "no thread can be started")


async def in_thread(
    call: Callable[[], T], *, limiter: trio.CapacityLimiter | None = None, abandon_on_cancel: bool = False
) -> T:
    """As ``trio.to_thread.run_sync``, which says RuntimeError where this raises ``NoThreadError``."""
    has_begun = False

    def begin() -> T:
        nonlocal has_begun
        has_begun = True
        return call()

    try:
        return await trio.to_thread.run_sync(begin, limiter=limiter, abandon_on_cancel=abandon_on_cancel)
    except RuntimeError:
        if has_begun:
            raise
        raise NoThreadError from None
