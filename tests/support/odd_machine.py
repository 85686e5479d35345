"""Runs rmq-node as on an odd machine: a wall clock that is wrong, or a record of what really is on the disk.

    python odd_machine.py CLOCK_OFF_S SYNC_RECORD|- ARGUMENTS_OF_RMQ_NODE...

The node knows nothing of it: before anything of rmq is imported, ``time.time`` is put forward, and the calls that
make files safe write to the record what they have made safe. ``undo_unsynced`` makes of a killed node's folder what
a loss of power would have left of it. While the file ``stuck`` stands beside the record, no sync ends.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# A disk that takes its time, so that there is something that isn't safe yet whenever the power goes.
SYNC_TAKES_S = 0.005


def put_clock_forward(seconds: float) -> None:
    """The wall clock of this process is wrong by so much; the monotonic one goes on as it does."""
    true_time, true_time_ns = time.time, time.time_ns
    time.time = lambda: true_time() + seconds
    time.time_ns = lambda: true_time_ns() + int(seconds * 1e9)


class SyncRecord:
    """Writes device, inode and size of a file to a record whenever a sync of it is done."""

    def __init__(self, path: str) -> None:
        self._stuck = stuck(Path(path))
        self._record = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._fstat, self._stat, self._sleep = os.fstat, os.stat, time.sleep

    def install(self) -> None:
        """Stand in the way of the functions of ``os`` from now on."""
        os.fsync, os.fdatasync = self._syncing(os.fsync), self._syncing(os.fdatasync)
        os.ftruncate = self._truncating(os.ftruncate)
        os.unlink, os.remove = self._removing(os.unlink, 0), self._removing(os.remove, 0)
        os.rename, os.replace = self._removing(os.rename, 1), self._removing(os.replace, 1)

    def _write(self, found: os.stat_result, size: int) -> None:
        line = json.dumps([found.st_dev, found.st_ino, size]) + "\n"
        os.write(self._record, line.encode())  # one call, appended: whole lines, whichever thread writes

    def _syncing(self, true: Callable[..., None]) -> Callable[..., None]:
        def call(file: Any) -> None:
            before = self._fstat(file if isinstance(file, int) else file.fileno())
            self._sleep(SYNC_TAKES_S)
            while self._stuck.exists():
                self._sleep(SYNC_TAKES_S)
            true(file)
            self._write(before, before.st_size)  # what was written meanwhile may not be safe

        return call

    def _truncating(self, true: Callable[..., None]) -> Callable[..., None]:
        def call(fd: int, length: int) -> None:
            true(fd, length)
            # What is written behind it from now on isn't safe; that the end has gone may be lost, and shall do no harm.
            self._write(self._fstat(fd), length)

        return call

    def _removing(self, true: Callable[..., None], gone: int) -> Callable[..., None]:
        def call(*paths: Any, **options: Any) -> None:
            try:
                before = self._stat(paths[gone], follow_symlinks=False)
            except OSError:
                before = None
            true(*paths, **options)
            if before is not None:
                self._write(before, 0)  # the next file may get its inode

        return call


def stuck(record: Path) -> Path:
    """The file that stops all syncs of the machine with this record while it exists."""
    return record.with_name(record.name + ".stuck")


def undo_unsynced(folder: Path, record: Path) -> int:
    """Cut every file below ``folder`` to what the record knows to be safe; how many bytes that took away.

    Names are kept: it leaves out that a loss of power may also undo a rename that no sync of its folder has followed.
    """
    lost = 0
    for path, safe, size in _unsynced(folder, record):
        lost += size - safe
        os.truncate(path, safe)
    return lost


def unsynced_bytes(folder: Path, record: Path) -> int:
    """How many bytes below ``folder`` a loss of power would take just now."""
    return sum(size - safe for _, safe, size in _unsynced(folder, record))


def _unsynced(folder: Path, record: Path) -> Iterator[tuple[Path, int, int]]:
    safe: dict[tuple[int, int], int] = {}
    for line in record.read_text().splitlines():
        device, inode, size = json.loads(line)
        safe[device, inode] = size
    for path in folder.rglob("*"):
        if path.is_file():
            status = path.stat()
            yield path, min(safe.get((status.st_dev, status.st_ino), 0), status.st_size), status.st_size


def main() -> None:
    """Be such a machine, and run the node."""
    _, clock_off_s, sync_record, *arguments = sys.argv
    if float(clock_off_s):
        put_clock_forward(float(clock_off_s))
    if sync_record != "-":
        SyncRecord(sync_record).install()
    from rmq.cli import main as node  # only now: nothing of rmq may have seen the true functions

    sys.argv = ["rmq-node", *arguments]
    node()


if __name__ == "__main__":
    main()
