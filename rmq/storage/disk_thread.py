"""A thread for blocking disk calls: jobs in, one after the other, outcomes back to the thread that owns the state."""

import errno
import os
import queue
import threading
from collections import deque
from collections.abc import Callable

Job = Callable[[], object]
Done = Callable[[object, OSError | None], None]


class DiskThread:
    """``wake`` is called in the disk thread when an outcome waits for ``collect``."""

    def __init__(self, name: str, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._jobs: queue.SimpleQueue[tuple[Job, Done] | None] = queue.SimpleQueue()
        self._outcomes: deque[tuple[Done, object, Exception | None]] = deque()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, job: Job, done: Done) -> None:
        """Have ``job`` run; ``collect`` then gives ``done`` what it returned, or its ``OSError``.

        Out of memory is one too (ENOMEM), for it gets better; and so is a bug (EIO), so that nobody waits for ever.
        """
        self._jobs.put((job, done))

    def collect(self) -> None:
        """Act on the outcomes that are there. A bug is raised, to be reported where it belongs."""
        outcomes = self._outcomes
        try:
            while outcomes:
                done, result, error = outcomes.popleft()
                if error is None or isinstance(error, OSError):
                    done(result, error)
                else:
                    done(result, OSError(errno.EIO, f"{type(error).__name__}: {error}"))
                    raise error
        finally:
            if outcomes:
                self._wake()  # those behind what has raised

    def close(self, timeout_s: float) -> bool:
        """Finish what was submitted; False when that takes longer."""
        self._jobs.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (entry := self._jobs.get()) is not None:
            job, done = entry
            try:
                self._outcomes.append((done, job(), None))
            except MemoryError:
                self._outcomes.append((done, None, OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))))
            except Exception as error:
                self._outcomes.append((done, None, error))
            self._wake()
