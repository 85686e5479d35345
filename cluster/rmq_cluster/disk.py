"""Blocking calls in a disk thread: outcomes come back to trio's thread, as calls or awaited."""

from collections.abc import Callable
from typing import Protocol, TypeVar, cast

import trio

from rmq.storage.disk_thread import DiskThread

T = TypeVar("T")

Job = Callable[[], object]
Done = Callable[[object, Exception | None], None]


class Disk(Protocol):
    """Runs blocking calls one after the other; a simulation has one of its own."""

    def submit(self, job: Job, done: Done) -> None:
        """Have ``job`` run; ``done`` is then called in trio's thread with what it returned or raised."""

    def close(self, timeout_s: float) -> bool:
        """Finish what was submitted; False when that takes longer."""


class ThreadDisk:
    """A thread of its own, made when it is first needed. ``on_bug`` is told of exceptions in what follows a call."""

    def __init__(self, name: str, on_bug: Callable[[str, Exception], None]) -> None:
        self._name = name
        self._on_bug = on_bug
        self._token: trio.lowlevel.TrioToken | None = None
        self._thread: DiskThread | None = None

    def submit(self, job: Job, done: Done) -> None:
        """Have ``job`` run; ``done`` is then called in trio's thread with what it returned or raised."""

        def run() -> object:
            try:
                return job(), None
            except Exception as error:
                return None, error

        def told(outcome: object, _: OSError | None) -> None:
            result, error = cast("tuple[object, Exception | None]", outcome)
            try:
                done(result, error)
            except Exception as error:
                self._on_bug(f"what follows a call of {self._name}", error)

        if self._thread is None:
            self._token = trio.lowlevel.current_trio_token()
            self._thread = DiskThread(self._name, self._wake)
        self._thread.submit(run, told)

    def _wake(self) -> None:
        assert self._token is not None
        assert self._thread is not None
        try:
            self._token.run_sync_soon(self._thread.collect, idempotent=True)
        except trio.RunFinishedError:
            pass  # nobody waits any more

    def close(self, timeout_s: float) -> bool:
        """Finish what was submitted; False when that takes longer."""
        return self._thread is None or self._thread.close(timeout_s)


async def in_disk(disk: Disk, job: Callable[[], T]) -> T:
    """Await what a blocking call returns or raises. Cancelled, it runs on and nobody learns what came of it."""
    finished = trio.Event()
    outcome: list[tuple[object, Exception | None]] = []

    def done(result: object, error: Exception | None) -> None:
        outcome.append((result, error))
        finished.set()

    disk.submit(job, done)
    await finished.wait()
    result, error = outcome[0]
    if error is not None:
        raise error
    return cast("T", result)


def ignored(_: object, error: Exception | None) -> None:
    """What follows a call whose outcome changes nothing, such as removing what nobody needs."""
