"""A snapshot: the whole state between two batches, written in small steps while the state goes on changing.

It is consistent because each session is written before it changes: the state tells ``SnapshotWriter`` (a
``StateWatcher``) of every session that the snapshot doesn't have yet. Retained and delayed messages and accounts never
change, so that a list of them is enough. Messages are written to segments, the snapshot has their locations. A file
that ends without its last record doesn't count.
"""

import os
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Final

from rmq.mqtt.message import Message
from rmq.session.session import Session
from rmq.storage.account_snapshot import account_records
from rmq.storage.cluster_snapshot import cluster_records
from rmq.storage.codec import encode_operation, encode_session
from rmq.storage.events import StateWatcher
from rmq.storage.packing import pack
from rmq.storage.record_file import file_header, record, sync_directory
from rmq.storage.segments import Segments, segment_of
from rmq.storage.state import State

MAGIC: Final = b"RMQ-SNAP"
HEAD: Final = "head"
SESSION: Final = "session"
RETAINED: Final = "retained"
DELAYED: Final = "delayed"
END: Final = "end"
RETAINED_PER_RECORD: Final = 256


def snapshot_path(folder: Path, number: int) -> Path:
    """The file with this number."""
    return folder / f"snapshot-{number:010d}.snap"


def snapshot_numbers(folder: Path) -> list[int]:
    """The numbers of the snapshots that are there, in order."""
    return sorted(int(path.stem.removeprefix("snapshot-")) for path in folder.glob("snapshot-*.snap"))


class SnapshotWriter(StateWatcher):
    """Made between two batches. ``step`` is called until it returns False; ``take`` gives the bytes it has made.

    ``journal`` is the number of the journal file whose first batch comes right after the snapshot, ``batch`` the last
    batch before; in a cluster they are the term and the place in the log of the last command before. ``read_payload``
    gives the payload of a message that is on disk only.
    """

    def __init__(
        self,
        state: State,
        segments: Segments,
        number: int,
        journal: int,
        batch: int,
        read_payload: Callable[[int], bytes],
    ) -> None:
        super().__init__()
        self.number = number
        self.journal = journal
        self._state = state
        self._segments = segments
        self._read_payload = read_payload
        segments.leave_sparse()
        self._sparse = segments.sparse()
        self.first_segment = segments.current
        self.wanted: dict[int, int] = {}
        self.sizes: dict[int, int] = {}
        self._met: set[int] = set()
        self._sessions = list(state.sessions.values())
        self._retained = state.retained.all()
        self._delayed = list(state.delayed.values())
        self._others = chain(account_records(state.accounts), cluster_records(state.cluster))
        self._error: OSError | None = None
        self._buffer = [file_header(MAGIC)]
        self.records = 0
        self._write([HEAD, number, journal, batch, state.last_epoch, encode_operation(state.rules())])
        state.snapshot = number
        state.watcher = self

    def _write(self, fields: list[object]) -> None:
        self._buffer.append(record(pack(fields)))
        self.records += 1

    def take(self) -> bytes:
        """What is to be appended to the file."""
        data = b"".join(self._buffer)
        self._buffer = []
        return data

    def before_session(self, session: Session) -> None:
        """Write a session now, because it changes. What can't be read for it is told by the next step."""
        session.snapshot = self.number
        if self._error is None:
            try:
                self._write_session(session)
            except OSError as error:
                self._error = error

    def _write_session(self, session: Session) -> None:
        outbound = session.outbound
        locations: list[int] = []
        if outbound is not None:
            locations = [self._locate(delivery.message) for delivery in outbound.deliveries.values()]
        self._write([SESSION, encode_session(session, locations)])

    def _locate(self, message: Message) -> int:
        location = message.location
        number = segment_of(location)
        # Not there any more: nobody waited for the message when the last snapshot was taken, somebody does again.
        if location < 0 or number in self._sparse or number not in self._segments.sizes:
            if message.on_disk:
                message.payload = self._read_payload(location)
                location = self._segments.place(message)
                message.payload = b""
            else:
                location = self._segments.place(message)
        if location not in self._met:
            self._met.add(location)
            number = segment_of(location)
            size = message.size if message.on_disk else len(message.payload)
            self.wanted[number] = self.wanted.get(number, 0) + size + len(message.topic) + 64
        return location

    def step(self) -> bool:
        """Write a little more; False when everything is written. Raises ``OSError``."""
        if self._error is not None:
            raise self._error
        while self._sessions:
            session = self._sessions.pop()
            if session.snapshot != self.number:
                self.before_session(session)
                return True
        if self._retained:
            some, self._retained = self._retained[-RETAINED_PER_RECORD:], self._retained[:-RETAINED_PER_RECORD]
            self._write([RETAINED, [self._locate(message) for message in some]])
            return True
        if self._delayed:
            delayed = self._delayed.pop()
            place = self._locate(delayed.message)
            self._write([DELAYED, delayed.key, place, delayed.due_at, delayed.publisher, delayed.packet_id])
            return True
        for fields in self._others:
            self._write(fields)
            return True
        return False

    def finish(self) -> None:
        """Everything is written: the last record, which makes the snapshot count."""
        self.sizes = {number: self._segments.sizes[number] for number in sorted(self.wanted)}
        self._write([END, self.records, [[number, size] for number, size in self.sizes.items()]])
        self.detach()

    def detach(self) -> None:
        """Changes of the state are no longer told."""
        if self._state.watcher is self:
            self._state.watcher = None


class SnapshotFile:
    """The file that a snapshot is written to, beside the one that counts. Blocking calls, which may be tried again."""

    def __init__(self, folder: Path, number: int) -> None:
        self._folder = folder
        self._path = snapshot_path(folder, number)
        self._temporary = self._path.with_suffix(".tmp")
        self._size = 0

    def append(self, data: bytes) -> int:
        """Write on; returns the size. Raises ``OSError``."""
        fd = os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            view = memoryview(data)
            offset = self._size
            while view:
                count = os.pwrite(fd, view, offset)
                offset += count
                view = view[count:]
            self._size = offset
            os.ftruncate(fd, offset)
        finally:
            os.close(fd)
        return self._size

    def finish(self) -> None:
        """Make it the one that counts. Raises ``OSError``."""
        fd = os.open(self._temporary, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        self._temporary.rename(self._path)
        sync_directory(self._folder)

    def discard(self) -> None:
        """Remove what was written."""
        self._temporary.unlink(missing_ok=True)
