"""A state as facts that can be compared, delayed messages and payloads on disk included; and a snapshot in one go."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rmq.mqtt.message import Message
from rmq.storage.segments import SegmentReader, Segments, read_payload, segment_path, write_chunks
from rmq.storage.snapshot import SnapshotFile, SnapshotWriter
from rmq.storage.snapshot_reader import SnapshotReader
from rmq.storage.state import State
from tests.unit.storage.replica import Facts, facts
from tests.unit.storage.strategies import new_state


def whole(state: State, folder: Path | None = None) -> Facts:
    """All that a state keeps; payloads that are on disk only are looked up in the segments of a folder."""
    on_disk = [] if folder is None else [message for message in _messages(state) if message.on_disk]
    for message in on_disk:
        assert folder is not None and message.payload == b""
        message.payload = read_payload(folder, message.location)
    try:
        return _whole(state)
    finally:
        for message in on_disk:
            message.payload = b""


def _whole(state: State) -> Facts:
    found = facts(state)
    found["delayed"] = {
        key: (_message(d.message), d.due_at, d.publisher, d.packet_id) for key, d in sorted(state.delayed.items())
    }
    found["retained"] = sorted(_message(message) for message in state.retained.all())
    found["messages"] = {
        name: [_message(d.message) for d in s.outbound.deliveries.values()]
        for name, s in state.sessions.items()
        if s.outbound is not None and s.outbound.deliveries
    }
    found["wills"] = {
        name: (w.payload, w.qos, w.retain, w.delay_interval, w.message_expiry, w.properties)
        for name, w in ((name, s.will) for name, s in state.sessions.items())
        if w is not None
    }
    found["created"] = {name: s.created_epoch for name, s in state.sessions.items()}
    found["last epoch"] = state.last_epoch
    found["payload bytes"] = {
        name: 0 if s.outbound is None else s.outbound.payload_bytes for name, s in state.sessions.items()
    }
    found["routes"] = {
        topic: sorted((t.session.client_id, t.qos, t.no_local) for t in state.router.match(topic).plain)
        for topic in ("t", "u/v", "w", "$SYS/x")
    }
    return found


def _messages(state: State) -> list[Message]:
    """The messages that sessions wait for, each once."""
    messages = {
        id(d.message): d.message
        for s in state.sessions.values()
        if s.outbound is not None
        for d in s.outbound.deliveries.values()
    }
    return list(messages.values())


def _message(m: Message) -> tuple[object, ...]:
    return m.topic, m.payload, m.qos, m.retain, m.publisher, m.properties, m.expires_at, m.created_at, m.origin


def held_in_memory(state: State) -> int:
    """The payload bytes that sessions wait for and that are in memory, counted anew."""
    return sum(len(message.payload) for message in _messages(state) if not message.on_disk)


class SnapshotRun:
    """One snapshot, taken step by step in one thread."""

    def __init__(
        self, folder: Path, state: State, segments: Segments, number: int = 1, batch: int = 0, journal: int = 0
    ) -> None:
        self.folder = folder
        self.segments = segments
        self.writer = SnapshotWriter(
            state, segments, number, journal or number + 1, batch, lambda at: read_payload(folder, at)
        )
        self.file = SnapshotFile(folder, number)

    def step(self) -> bool:
        """One step, written to disk at once."""
        more = self.writer.step()
        self._write()
        return more

    def finish(self) -> None:
        """All steps that are left, and the end."""
        while self.step():
            pass
        self.writer.finish()
        self._write()
        self.file.finish()
        self.segments.wanted = dict(self.writer.wanted)

    def _write(self) -> None:
        write_chunks(self.folder, self.segments.take())
        self.file.append(self.writer.take())


def take_snapshot(folder: Path, state: State, number: int = 1, segments: Segments | None = None) -> SnapshotRun:
    """A whole snapshot of a state that doesn't change meanwhile."""
    run = SnapshotRun(folder, state, segments or Segments(folder, 1), number)
    run.finish()
    return run


def read_messages(folder: Path, number: int) -> tuple[dict[int, Message], int]:
    """All messages of a segment by location, and its size."""
    reader = SegmentReader(folder, number, segment_path(folder, number).read_bytes())
    return {message.location: message for message in reader}, reader.size


def read_snapshot(
    folder: Path, number: int = 1, memory_budget: int = 0, make: Callable[[], State] = new_state
) -> tuple[State, SnapshotReader]:
    """A new state with what a snapshot has."""
    state = make()
    reader = SnapshotReader(folder, number, memory_budget)
    reader.read(state)
    return state, reader
