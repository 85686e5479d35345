"""An engine that keeps its data: a real journal in a folder, and disk threads that work when a test lets them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from rmq.engine import journal_port, stored_port
from rmq.engine.broker import BrokerOptions
from rmq.engine.journal_port import JournalPort
from rmq.engine.restore import restore
from rmq.engine.stored_port import StorageOptions
from rmq.metrics.counters import Counters
from rmq.session.limits import Limits
from rmq.storage.disk_thread import Done, Job
from rmq.storage.recovery import recover
from tests.support import wire
from tests.support.engine import Client, Engine
from tests.support.wire_parser import Connack

WRITER: Final = "rmq-journal"
SYNCER: Final = "rmq-sync"
READER: Final = "rmq-read"


class Disk:
    """Stands in for a disk thread: a job runs when ``work`` is called, or at once while nothing ``holds`` it."""

    def __init__(self, name: str, wake: Callable[[], None]) -> None:
        self.name = name
        self.holds = False
        self.jobs: deque[tuple[Job, Done]] = deque()
        self._outcomes: deque[tuple[Done, object, OSError | None]] = deque()
        self._wake = wake
        self._closed = False

    def submit(self, job: Job, done: Done) -> None:
        self.jobs.append((job, done))
        self._wake()

    def work(self, count: int = 1_000_000) -> int:
        """Run so many jobs that wait; how many there were."""
        done_jobs = 0
        while self.jobs and done_jobs < count:
            job, done = self.jobs.popleft()
            done_jobs += 1
            try:
                self._outcomes.append((done, job(), None))
            except OSError as error:
                self._outcomes.append((done, None, error))
        return done_jobs

    def collect(self) -> None:
        while self._outcomes:
            done, result, error = self._outcomes.popleft()
            done(result, error)

    def has_outcomes(self) -> bool:
        return bool(self._outcomes)

    def close(self, timeout_s: float) -> bool:
        if not self._closed:
            self._closed = True
            self.work()
        return True


class DiskEngine(Engine):
    """``folder`` is where its data is; a second engine on the same folder is the node after a restart.

    ``turn`` goes on until nothing is left to do, in sockets or on disks that aren't held.
    """

    def __init__(
        self,
        folder: Path,
        options: BrokerOptions | None = None,
        storage: StorageOptions | None = None,
        limits: Limits | None = None,
        time: float = 0.0,
        *,
        repair: bool = False,
    ) -> None:
        self._turning = self._ended = False
        super().__init__(options)
        if time:
            self.time = time
        self.limits = limits or self.limits
        broker = self.broker
        folder.mkdir(parents=True, exist_ok=True)
        counters, broker.ctx.counters = broker.ctx.counters, Counters()
        self.recovery = recover(folder, broker.state, memory_budget=broker.options.memory_budget, repair=repair)
        broker.ctx.counters = counters
        self.disks: dict[str, Disk] = {}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(journal_port, "DiskThread", self._disk)
            patch.setattr(stored_port, "DiskThread", self._disk)
            self.port = JournalPort(broker, self.recovery, storage or StorageOptions(), lambda: None)
        broker.cluster = self.port
        broker.turn_storage = self.port.turn
        restore(broker)
        self.turn()

    def _disk(self, name: str, wake: Callable[[], None]) -> Disk:
        return self.disks.setdefault(name, Disk(name, wake))

    @property
    def writer(self) -> Disk:
        return self.disks[WRITER]

    def hold(self, *names: str) -> None:
        """Disks do nothing until they are let go; the one that writes if none is named."""
        for name in names or (WRITER,):
            self.disks[name].holds = True

    def go_on(self) -> None:
        """All disks work again."""
        for disk in self.disks.values():
            disk.holds = False
        self.turn()

    def work(self, count: int = 1) -> None:
        """The writing disk, which is held, does so many jobs; then the node does what follows from them."""
        self.writer.work(count)
        self.turn()

    def turn(self) -> None:
        if self._turning:
            return
        self._turning = True
        try:
            again = True
            while again:
                super().turn()
                self.broker.turn_storage()
                log = self.port.log
                again = bool(self.broker.ctx.dirty) or (log.has_proposed() and not log.is_writing())
                for disk in self.disks.values():
                    if not disk.holds:
                        again = disk.work() > 0 or again
                    again = again or disk.has_outcomes()
        finally:
            self._turning = False

    def pass_time(self, seconds: float) -> None:
        """As a node does: in ticks."""
        for _ in range(round(seconds * 10)):
            self.advance(0.1)

    def kill(self) -> None:
        """The end of the process, at once: what wasn't written is gone."""
        if self._ended:
            return
        self._ended = self._turning = True
        journal = self.port.journal
        for fd in {journal._fd, journal._previous_fd} - {-1}:
            os.close(fd)

    def stop(self) -> None:
        """The end of the process in good order, once all connections are closed."""
        for connection in list(self.connections):
            connection.lose("node stopped")
        self.turn()
        self.port.close()
        self._ended = self._turning = True


def resumed(engine: Engine, client_id: str = "s", expiry: int = 1000) -> Client:
    """A client whose session is there; nothing of what it is sent was read yet."""
    client = engine.open()
    client.send(wire.connect(client_id, clean=False, keep_alive=0, properties=[(wire.SESSION_EXPIRY, expiry)]))
    connack, *rest = client.read()
    assert isinstance(connack, Connack) and connack.code == 0 and connack.session_present, connack
    client._packets = rest
    return client


def received(engine: Engine, client_id: str = "s") -> list[bytes]:
    """The payloads of what waits for a session, which takes all of it and leaves."""
    client = resumed(engine, client_id)
    messages = [message.payload for message in client.receive_all()]
    client.disconnect()
    return messages
