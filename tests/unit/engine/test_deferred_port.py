"""The journal's port: what is written gets synced, and who waits is told, whatever came in between."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from rmq.engine.stored_port import StorageOptions
from rmq.mqtt.message import Message
from rmq.session.limits import ACK_QUORUM_FSYNC, Limits
from rmq.storage.record_file import CorruptFile
from rmq.storage.segments import Segments, write_chunks
from rmq.storage.snapshot import SnapshotWriter
from tests.support import wire
from tests.support.engine import Engine
from tests.support.wire_parser import Connack, Puback
from tests.unit.engine.deferred import Deferred
from tests.unit.engine.deferred import port as port
from tests.unit.storage.disk_engine import SYNCER, DiskEngine
from tests.unit.storage.strategies import new_state
from tests.unit.storage.whole_state import read_messages, read_snapshot, take_snapshot


def fsyncing() -> Limits:
    limits = Limits("tcp.safe")
    limits.ack_policy = ACK_QUORUM_FSYNC
    return limits


def test_a_batch_that_is_written_during_a_sync_is_synced_too(tmp_path: Path) -> None:
    engine = DiskEngine(tmp_path)
    publisher = engine.connect("p")
    publisher.publish("t", b"1", 1, retain=True)
    engine.hold(SYNCER)
    engine.pass_time(2)
    publisher.publish("t", b"2", 1, retain=True)
    engine.go_on()
    assert engine.port.log.synced < engine.port.log.written
    engine.pass_time(2)
    assert engine.port.log.synced == engine.port.log.written
    engine.stop()


def test_a_disk_that_never_ends_a_sync(tmp_path: Path) -> None:
    """Publishers that wait for it are closed in the end, and it is over when the disk answers."""
    storage = StorageOptions()
    engine = DiskEngine(tmp_path, storage=storage, limits=fsyncing())
    publisher = engine.connect("p")
    engine.hold(SYNCER)
    publisher.send(wire.publish("t", b"1", 1, 1, True))
    engine.pass_time(storage.timeout_s + 1)
    assert publisher.closed
    assert engine.port.error
    engine.go_on()
    assert not engine.port.error
    again = engine.connect("p")
    assert again.publish("t", b"2", 1, retain=True) == 0
    engine.stop()


def test_who_waits_for_a_sync_is_told_after_the_snapshot_that_makes_up_for_a_failed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = DiskEngine(tmp_path, limits=fsyncing())
    publisher = engine.connect("p")
    assert publisher.publish("t", b"1", 1, retain=True) == 0

    def broken() -> None:
        raise OSError(errno.EIO, "I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(engine.port.journal, "sync", broken)
        publisher.send(wire.publish("t", b"2", 1, 2, True))
    assert publisher.read() == []
    engine.hold()
    engine.pass_time(1.5)  # the snapshot begins
    engine.port.broker.ctx.storage = 0
    publisher.send(wire.publish("u", b"3", 1, 3, True))
    for _ in range(50):
        engine.work()
    assert [p.packet_id for p in publisher.read() if isinstance(p, Puback)] == [2, 3]
    assert not engine.port.error
    engine.go_on()
    engine.stop()


def test_a_payload_that_cannot_be_read_for_a_snapshot_takes_no_operation_with_it(
    engine: Engine, port: Deferred, tmp_path: Path
) -> None:
    client = engine.open()
    client.send(wire.connect("s", properties=[(wire.SESSION_EXPIRY, 1000)]))
    port.settle()
    client.take(Connack)
    client.send(wire.subscribe(1, [("t", 1)]))
    port.settle()
    client.lose()
    publisher = engine.connect("p")
    publisher.publish("t", b"1")
    publisher.send(wire.publish("t", b"1", 1, 1))
    port.settle()
    outbound = engine.session("s").outbound
    assert outbound is not None
    for delivery in outbound.deliveries.values():
        delivery.message.location, delivery.message.on_disk = 1 << 40, True

    def unreadable(location: int) -> bytes:
        raise OSError(errno.EIO, "I/O error")

    writer = SnapshotWriter(engine.broker.state, Segments(tmp_path, 5), 1, 2, port.log.written, unreadable)
    publisher.send(wire.publish("t", b"2", 1, 2))
    port.settle()
    assert [p.packet_id for p in publisher.read() if isinstance(p, Puback)] == [1, 2]
    assert len(outbound) == 2
    with pytest.raises(OSError, match="I/O error"):
        writer.step()
    writer.detach()


def test_what_was_appended_to_a_segment_after_the_snapshot_is_not_read(tmp_path: Path) -> None:
    """It wasn't synced; after a loss of power there may be a hole in it, with something readable behind."""
    state = new_state()
    state.retained.set(Message("t", b"x", 1, True, "p"))
    segments = Segments(tmp_path, 1)
    take_snapshot(tmp_path, state, segments=segments)
    for number in range(2):
        segments.place(Message("u", b"%d" % number, 1, False, "p"))
    (chunk,) = segments.take()
    chunk.data = bytes(len(chunk.data) // 2) + chunk.data[len(chunk.data) // 2 :]
    write_chunks(tmp_path, [chunk])
    with pytest.raises(CorruptFile):
        read_messages(tmp_path, 1)
    again, _ = read_snapshot(tmp_path)
    assert [m.payload for m in again.retained.all()] == [b"x"]


def test_a_payload_whose_new_place_is_not_written_yet_is_read_behind_it(tmp_path: Path) -> None:
    """A snapshot that moves what is left of a segment gives places before it writes."""
    engine = DiskEngine(tmp_path)
    message = Message("t", b"x", 1, False, "p")
    engine.port.segments.place(message)
    message.payload, message.on_disk = b"", True
    read: list[bytes] = []
    engine.port.read_payloads([message], lambda: read.append(message.payload))
    engine.turn()
    assert read == [b"x"] and engine.counters.storage_errors == 0
    engine.stop()
