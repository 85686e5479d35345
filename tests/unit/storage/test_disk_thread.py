"""The thread for disk calls: whatever a call raises, who waits for it is told, and so are those behind."""

from __future__ import annotations

import errno
import threading

import pytest

from rmq.storage.disk_thread import DiskThread


class Owner:
    """Who has the thread: ``woken`` is set when there is something to collect."""

    def __init__(self) -> None:
        self.woken = threading.Event()
        self.thread = DiskThread("test", self.woken.set)
        self.told: list[tuple[object, int | None, str]] = []

    def submit(self, job: object) -> None:
        def work() -> object:
            if isinstance(job, Exception):
                raise job
            return job

        self.thread.submit(work, self._done)

    def _done(self, result: object, error: OSError | None) -> None:
        self.told.append((result, None if error is None else error.errno, str(error)))

    def wait_for_all(self) -> None:
        assert self.thread.close(10)


def test_a_result_and_an_error_of_the_disk_come_in_order() -> None:
    owner = Owner()
    owner.submit(1)
    owner.submit(OSError(errno.ENOSPC, "full"))
    owner.wait_for_all()
    owner.thread.collect()
    assert [told[:2] for told in owner.told] == [(1, None), (None, errno.ENOSPC)]


def test_out_of_memory_is_an_error_that_is_tried_again() -> None:
    owner = Owner()
    owner.submit(MemoryError())
    owner.wait_for_all()
    owner.thread.collect()
    assert [told[:2] for told in owner.told] == [(None, errno.ENOMEM)]


def test_a_bug_is_told_to_who_waits_and_raised_and_the_next_ones_arent_forgotten() -> None:
    owner = Owner()
    owner.submit(ValueError("bug"))
    owner.submit(2)
    owner.wait_for_all()
    owner.woken.clear()
    with pytest.raises(ValueError, match="bug"):
        owner.thread.collect()
    assert [told[:2] for told in owner.told] == [(None, errno.EIO)]
    assert "ValueError: bug" in owner.told[0][2]
    assert owner.woken.is_set()
    owner.thread.collect()
    assert owner.told[1][:2] == (2, None)
