"""Long work in slices: after each of them everybody else has their turn."""

from collections.abc import Callable
from typing import Final, Protocol

from rmq.storage.disk_thread import Done, Job
from rmq.storage.snapshot_reader import Steps, Wanted

# How much work one slice is, in units of about a message entered: some milliseconds.
SLICE_UNITS: Final = 1000


class Thread(Protocol):
    """A disk thread: the way through it is how a slice lets others go first, and files are read in it."""

    def submit(self, job: Job, done: Done) -> None:
        """Have ``job`` run; ``done`` is called in a later turn."""


class Slices:
    """Takes steps until there are none left, then calls ``then``; or ``failed``, with what a step or a file has raised.

    It begins with ``begin``, in a later turn.
    """

    def __init__(
        self, thread: Thread, steps: Steps, then: Callable[[], None], failed: Callable[[Exception], None]
    ) -> None:
        self._thread = thread
        self._steps = steps
        self._then = then
        self._failed = failed

    def begin(self) -> None:
        """Have the first slice come soon."""
        self._thread.submit(_nothing, self._go_on)

    def _go_on(self, data: object, error: OSError | None) -> None:
        if error is not None:
            self._steps.close()
            self._failed(error)
            return
        units = 0
        sent = data if isinstance(data, bytes) else None
        try:
            while units < SLICE_UNITS:
                step = self._steps.send(sent)
                sent = None
                if isinstance(step, Wanted):
                    self._thread.submit(step.read, self._go_on)
                    return
                units += step
        except StopIteration:
            self._then()
        except Exception as bug:
            self._failed(bug)
        else:
            self.begin()


def _nothing() -> None:
    """Others go first."""
