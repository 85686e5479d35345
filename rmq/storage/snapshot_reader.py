"""A snapshot read back into an empty state, in small steps, so that a node can do it beside its work."""

from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

from rmq.flow.payloads import load
from rmq.mqtt.message import Message
from rmq.storage.account_snapshot import enter_account_record
from rmq.storage.cluster_snapshot import enter_cluster_record
from rmq.storage.codec import decode_operation, decode_session
from rmq.storage.packing import unpack
from rmq.storage.record_file import CorruptFile, RecordReader, read_file
from rmq.storage.records import DelayMessage
from rmq.storage.segments import OFFSET_MASK, SegmentReader, read_payload, segment_of, segment_path
from rmq.storage.snapshot import END, HEAD, MAGIC, RETAINED, SESSION, snapshot_path
from rmq.storage.state import State

# Reading so many bytes is as much work as entering a message.
BYTES_PER_UNIT: Final = 4096
# Letting go of so many messages is.
MESSAGES_PER_UNIT: Final = 10


class Wanted:
    """The bytes of a file that have to be read before it can go on: the first ``size`` ones, -1: all."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size

    def read(self) -> bytes:
        """Read them. Blocks; raises ``OSError``."""
        return read_file(self.path, self.size)


# Each step tells how much work it was, in units of about a message entered, or which bytes are to be sent in.
Steps = Generator[int | Wanted, bytes | None, None]


def finish(steps: Steps) -> None:
    """Take all steps at once, reading here. Raises what they raise, ``OSError``."""
    data: bytes | None = None
    while True:
        try:
            step = steps.send(data)
        except StopIteration:
            return
        data = step.read() if isinstance(step, Wanted) else None


class SnapshotReader:
    """Reads a snapshot into an empty state. Afterwards ``journal`` and ``batch`` say where the journal goes on.

    Payloads beyond ``memory_budget`` bytes stay on disk (0: none does). ``sizes`` are the bytes of the segments in use.
    """

    def __init__(self, folder: Path, number: int, memory_budget: int) -> None:
        self._folder = folder
        self._path = snapshot_path(folder, number)
        self._memory_budget = memory_budget
        self._in_memory = 0
        self.number = number
        self.journal = 1
        self.batch = 0
        self.size = 0
        self.sizes: dict[int, int] = {}

    def read(self, state: State) -> None:
        """Enter everything at once. Raises ``CorruptFile``, ``OSError``."""
        try:
            finish(self.steps(state))
        except FileNotFoundError as error:
            raise missing(error, self._path) from None

    def steps(self, state: State) -> Steps:
        """Enter everything, a little in each step. Raises ``CorruptFile``, ``OSError``."""
        data = yield Wanted(self._path, -1)
        assert data is not None
        contents: list[memoryview] = []
        reader = RecordReader(self._path, MAGIC, data=data)
        for _, content in reader:
            contents.append(content)
            yield 1 + len(content) // BYTES_PER_UNIT
        self.size = reader.end
        end: list[Any] = unpack(contents.pop()) if contents else [None]
        if reader.torn or end[0] != END or end[1] != len(contents):
            raise CorruptFile(self._path, reader.end, "the snapshot isn't complete")
        messages: dict[int, Message] = {}
        for number, synced in end[2]:
            yield from self._read_segment(number, synced, messages)
        for content in contents:
            fields = unpack(content)
            try:
                yield self._enter(state, fields, messages)
            except KeyError as error:
                place = int(error.args[0])
                path = segment_path(self._folder, segment_of(place))
                raise CorruptFile(path, place & OFFSET_MASK, "the message is missing") from None
        state.snapshot = self.number
        # Those that nobody wants any more were read, too, and go in steps as well.
        while messages:
            for _ in range(min(len(messages), MESSAGES_PER_UNIT)):
                messages.popitem()
            yield 1

    def _enter(self, state: State, fields: list[Any], messages: dict[int, Message]) -> int:
        kind = fields[0]
        if kind == HEAD:
            _, _, self.journal, self.batch, state.last_epoch, rules = fields
            state.apply(decode_operation(rules))
        elif kind == SESSION:
            session = decode_session(fields[1], messages)
            state.restore_session(session)
            outbound = session.outbound
            return 2 + session.subscription_count() + (0 if outbound is None else len(outbound))
        elif kind == RETAINED:
            for location in fields[1]:
                message = messages[location]
                if message.on_disk:
                    load(state.ctx, message, read_payload(self._folder, location))
                state.retained.set(message)
            return len(fields[1])
        elif enter_account_record(state.accounts, fields) or enter_cluster_record(state.cluster, fields):
            return max(1, sum(len(field) for field in fields[1:] if isinstance(field, list)))
        else:
            _, key, location, due_at, publisher, packet_id = fields
            message = messages[location]
            if message.on_disk:
                load(state.ctx, message, read_payload(self._folder, location))
            state.delayed[key] = DelayMessage(key, message, due_at, publisher, packet_id)
        return 1

    def _read_segment(self, number: int, synced: int, messages: dict[int, Message]) -> Steps:
        # What came behind was never synced: nobody can tell what a loss of power has made of it.
        data = yield Wanted(segment_path(self._folder, number), synced)
        assert data is not None
        reader = SegmentReader(self._folder, number, data)
        for message in reader:
            messages[message.location] = message
            size = message.size = len(message.payload)
            self._in_memory += size
            if self._memory_budget and self._in_memory > self._memory_budget and size:
                self._in_memory -= size
                message.payload = b""
                message.on_disk = True
            yield 1 + size // BYTES_PER_UNIT
        self.sizes[number] = reader.size


def missing(error: FileNotFoundError, path: Path) -> CorruptFile:
    """A file that a snapshot names isn't there."""
    return CorruptFile(Path(error.filename or path), 0, "the file is missing")
