"""Disk threads that aren't threads: jobs run inline at moments that chance chooses, one after the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from rmq_cluster.disk import Done, Job

from rmq.storage.disk_thread import Done as StorageDone
from tests.simulation.agenda import Agenda

# How long a job takes, in seconds.
QUICK_S = (0.001, 0.016)


class DiskSpeed:
    """How slow the disk of a machine is at present; until ``stall_until`` nothing is finished."""

    def __init__(self) -> None:
        self.factor = 1.0
        self.stall_until = 0.0

    def stall(self, now: float, seconds: float) -> None:
        """Nothing is finished for so long, or for longer if that was so before."""
        self.stall_until = max(self.stall_until, now + seconds)


class VirtualDisk:
    """What ``rmq_cluster.disk.Disk`` asks for. Killed, it does nothing any more: what wasn't done is never done."""

    def __init__(self, agenda: Agenda, node: int, speed: DiskSpeed) -> None:
        self._agenda = agenda
        self._node = node
        self._speed = speed
        self._jobs: deque[tuple[Job, Done]] = deque()
        self._is_busy = False
        self._is_dead = False
        self._life = 0
        self._news: tuple[Done, object, Exception | None] | None = None

    def submit(self, job: Job, done: Done) -> None:
        """Have ``job`` run."""
        if self._is_dead:
            return
        self._jobs.append((job, done))
        if not self._is_busy:
            self._begin()

    def _begin(self) -> None:
        self._is_busy = True
        agenda = self._agenda
        wait = agenda.random.uniform(*QUICK_S) * self._speed.factor
        life = self._life
        agenda.at(max(agenda.now + wait, self._speed.stall_until), lambda: self._run(life), self._node)

    def _run(self, life: int) -> None:
        if life != self._life:
            return
        job, done = self._jobs.popleft()
        result, failure = _outcome(job)
        self._news = (done, result, failure)
        # Between a job and the news of it there is a moment: a node may die in it.
        self._agenda.later(0.0, 0.004, lambda: self._tell(life), self._node)

    def _tell(self, life: int) -> None:
        news = self._news
        if life != self._life or news is None:
            return
        self._news = None
        self._is_busy = False
        if self._jobs:
            self._begin()
        done, result, failure = news
        done(result, failure)

    def kill(self) -> None:
        """The process is gone."""
        self._is_dead = True
        self._life += 1
        self._jobs.clear()

    def close(self, timeout_s: float) -> bool:
        """Finish what was submitted; nobody is told what came of it."""
        while not self._is_dead and self._jobs:
            _outcome(self._jobs.popleft()[0])
        self._is_dead = True
        self._life += 1
        return True


class VirtualThread:
    """What stands in for ``rmq.storage.disk_thread.DiskThread``: outcomes wait for ``collect``."""

    def __init__(self, disk: VirtualDisk, wake: Callable[[], None]) -> None:
        self._disk = disk
        self._wake = wake
        self._outcomes: deque[tuple[StorageDone, object, OSError | None]] = deque()

    def submit(self, job: Job, done: StorageDone) -> None:
        """Have ``job`` run."""

        def told(result: object, failure: Exception | None) -> None:
            if failure is not None and not isinstance(failure, OSError):
                raise failure
            self._outcomes.append((done, result, failure))
            self._wake()

        self._disk.submit(job, told)

    def collect(self) -> None:
        """Act on the outcomes that are there."""
        while self._outcomes:
            done, result, failure = self._outcomes.popleft()
            done(result, failure)

    def close(self, timeout_s: float) -> bool:
        """Finish what was submitted."""
        return self._disk.close(timeout_s)


def _outcome(job: Job) -> tuple[object, Exception | None]:
    try:
        return job(), None
    except Exception as error:
        return None, error
