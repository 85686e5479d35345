"""When snapshots are taken, what a failed or a killed one leaves, and how they make room below the disk budget."""

from __future__ import annotations

import errno
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Final

import pytest

from rmq.engine import snapshots
from rmq.engine.stored_port import StorageOptions
from rmq.flow.context import STORAGE_HELD, STORAGE_READY
from rmq.storage import segments
from rmq.storage.journal import journal_numbers
from rmq.storage.segments import segment_numbers
from rmq.storage.snapshot import snapshot_numbers
from tests.support import wire
from tests.support.engine import Client
from tests.support.wire_parser import Puback
from tests.unit.storage.conftest import StartEngine
from tests.unit.storage.disk_engine import DiskEngine, received, resumed
from tests.unit.storage.faulty_disk import FaultyDisk
from tests.unit.storage.whole_state import whole

NAMES: Final = ("a", "b", "c")


def small(after: int = 2_000, budget: int = 0) -> StorageOptions:
    options = StorageOptions()
    options.snapshot_after = after
    options.disk_budget = budget
    return options


def fill(engine: DiskEngine, *names: str) -> Client:
    """Sessions without connections; the publisher that can write to all of them."""
    for name in names or NAMES:
        client = engine.connect(name, expiry=1000)
        client.subscribe(("t", 2))
        client.disconnect()
    return engine.connect("p")


def restarted(start: StartEngine, engine: DiskEngine) -> DiskEngine:
    """Killed and started again; it must hold what it held."""
    folder = engine.port.folder
    before = whole(engine.broker.state, folder)
    engine.kill()
    again = start(time=engine.time)
    again.port.turn()
    assert whole(again.broker.state, folder) == before
    return again


def data_of(engine: DiskEngine) -> tuple[list[int], list[int], list[int]]:
    folder = engine.port.folder
    return journal_numbers(folder), snapshot_numbers(folder), segment_numbers(folder)


def test_one_is_taken_when_the_journal_has_grown(start: StartEngine) -> None:
    engine = start(storage=small())
    publisher = fill(engine)
    for number in range(10):
        assert publisher.publish("t", b"%d" % number + bytes(300), 1) == 0
    assert engine.counters.storage_snapshots == 1
    assert data_of(engine) == ([2], [1], [1])
    again = restarted(start, engine)
    assert [payload[:1] for payload in received(again, "a")] == [b"%d" % number for number in range(10)]


def test_the_next_one_waits_until_the_journal_is_larger_than_the_last_one(start: StartEngine) -> None:
    engine = start(storage=small(200))
    publisher = fill(engine, *(f"c{number}" for number in range(30)))
    taken = engine.counters.storage_snapshots
    assert taken >= 1
    engine.pass_time(11)
    engine.port.snapshots.begin_soon()
    engine.turn()
    taken += 1
    engine.pass_time(11)
    size = engine.port.snapshots.size
    assert size > 1_000
    begun = engine.port.journal.size
    while engine.counters.storage_snapshots == taken:
        publisher.publish("t", b"x" * 50, 1)
        assert engine.port.journal.size - begun < size + 500
    assert data_of(engine)[1] == [taken + 1]


def test_one_that_fails_is_repeated_and_forgets_nobody(start: StartEngine, faults: FaultyDisk) -> None:
    """Sessions that the failed one had written, or that began meanwhile, are in the next one all the same."""
    engine = start(storage=small())
    publisher = fill(engine)
    faults.fail("fsync", errno.EIO)
    for _ in range(12):
        publisher.publish("t", bytes(300), 1)
    assert engine.counters.storage_snapshots == 0 and engine.counters.storage_errors > 0
    faults.mend()
    engine.pass_time(12)
    fill(engine, "later").publish("t", b"x", 1)
    assert engine.counters.storage_snapshots == 1
    again = restarted(start, engine)
    assert again.recovery.snapshot and len(again.broker.state.sessions) == 4
    assert len(received(again, "b")) == 13


@pytest.mark.parametrize("call", ["fdatasync", "fsync", "pwrite"])
@pytest.mark.parametrize("at", range(8))
def test_a_failure_or_a_kill_at_any_step_loses_nothing(
    start: StartEngine, faults: FaultyDisk, call: str, at: int
) -> None:
    engine = start(storage=small(10_000_000))
    publisher = fill(engine)
    for number in range(5):
        publisher.publish("t", b"%d" % number, 1)
    engine.hold()
    engine.port.snapshots.begin_soon()
    for step in range(at):
        publisher.send(wire.publish("t", b"m%d" % step, 1, 100 + step))
        engine.work()
    faults.fail(call, errno.EIO)
    engine.work()
    faults.mend()
    while engine.writer.jobs or engine.port.log.is_writing():
        engine.work()
        engine.pass_time(0.5)
    engine.go_on()
    assert [packet.code for packet in publisher.read() if isinstance(packet, Puback)] == [0] * at
    folder = engine.port.folder
    before = whole(engine.broker.state, folder)
    engine.kill()
    again = start(time=engine.time)
    assert whole(again.broker.state, folder) == before
    assert len(received(again, "a")) == 5 + at


@pytest.mark.parametrize("at", range(10))
def test_a_kill_at_any_step(start: StartEngine, at: int) -> None:
    engine = start(storage=small(10_000_000))
    publisher = fill(engine)
    for number in range(5):
        publisher.publish("t", b"%d" % number, 1)
    engine.hold()
    engine.port.snapshots.begin_soon()
    answered = 0
    for step in range(at):
        publisher.send(wire.publish("t", b"m%d" % step, 1, 100 + step))
        engine.work()
        answered += len(publisher.read())
    engine.kill()
    again = start(time=engine.time)
    found = received(again, "a")
    assert found[:5] == [b"%d" % number for number in range(5)]
    assert len(found) - 5 in (answered, answered + 1), "written, and killed before anybody was told"
    assert found[5:] == [b"m%d" % number for number in range(len(found) - 5)]
    assert not [path for path in again.port.folder.iterdir() if path.suffix == ".tmp"]


def test_a_message_that_waits_from_before_the_restart_survives_snapshots(start: StartEngine) -> None:
    """It stays in the segment of an older node; what nobody wants of it is removed."""
    engine = start(storage=small(10_000_000))
    publisher = fill(engine, "a", "b")
    for number in range(4):
        publisher.publish("t", b"%d" % number * 100, 1)
    engine.port.snapshots.begin_soon()
    engine.turn()
    again = restarted(start, engine)
    received(again, "b")
    again.port.snapshots.begin_soon()
    again.turn()
    assert data_of(again)[2] == [1], "still wanted by a"
    last = restarted(start, again)
    assert len(received(last, "a")) == 4
    last.port.snapshots.begin_soon()
    last.turn()
    assert data_of(last)[2] == [], "by nobody"


def test_a_sparse_segment_is_copied_and_removed(start: StartEngine) -> None:
    engine = start(storage=small(10_000_000))
    publisher = fill(engine, "a")
    for number in range(10):
        publisher.publish("t", b"%d" % number * 200, 1)
    for _ in range(2):
        engine.port.snapshots.begin_soon()
        engine.turn()
        engine = restarted(start, engine)
        client = resumed(engine, "a")
        messages = client.read()
        client.acknowledge(messages[:-1])
        client.lose()
        engine.port.snapshots.begin_soon()
        engine.turn()  # finds out how little is wanted
        engine.connect("b", expiry=1000).disconnect()
        engine.port.snapshots.begin_soon()
        engine.turn()  # copies it
    folder = engine.port.folder
    assert sum(path.stat().st_size for path in folder.glob("*.seg")) < 500
    assert len(received(restarted(start, engine), "a")) == 1


# The disk budget


def over_budget(start: StartEngine) -> tuple[DiskEngine, Client]:
    """A node over its disk budget, whose publisher waits, though a snapshot was taken a moment ago."""
    engine = start(storage=small(1_000, 8_000))
    publisher = fill(engine, "a")
    engine.pass_time(20)
    number = 0
    while engine.broker.ctx.storage == STORAGE_READY:
        number += 1
        publisher.send(wire.publish("keep", b"x" * 400, 1, number, retain=True))
        assert number < 60
    assert engine.broker.ctx.storage == STORAGE_HELD
    publisher.read()
    publisher.send(wire.publish("t", b"waits", 1, 500))
    assert publisher.read() == []
    return engine, publisher


def test_publishers_over_the_disk_budget_go_on_once_a_snapshot_made_room(start: StartEngine) -> None:
    """Nothing else happens on this node: it has to think of it by itself."""
    engine, publisher = over_budget(start)
    taken = engine.counters.storage_snapshots
    engine.pass_time(2 * snapshots.PAUSE_S)
    assert engine.counters.storage_snapshots == taken + 1
    assert publisher.take(Puback).packet_id == 500
    assert engine.broker.ctx.storage == STORAGE_READY
    assert engine.port.disk_bytes < 8_000
    assert received(engine, "a") == [b"waits"]


def test_a_snapshot_that_took_long_is_not_taken_again_soon_for_want_of_room(
    start: StartEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits may take all the room there is, and snapshots all the time of the machine."""
    engine = start(storage=small(1_000, 20_000))
    publisher = fill(engine, "a")
    seconds = count(step=30)  # whoever looks at the clock again has taken half a minute
    monkeypatch.setattr("rmq.engine.snapshots.time", SimpleNamespace(monotonic=lambda: float(next(seconds))))
    monkeypatch.setattr(snapshots, "STEP_S", 1e9)
    number = 0
    while engine.broker.ctx.storage == STORAGE_READY:
        number += 1
        publisher.send(wire.publish("t", b"x" * 400, 1, number))
        assert number < 200
    engine.pass_time(2 * snapshots.PAUSE_S)
    taken = engine.counters.storage_snapshots
    for name in ("d", "e", "f"):
        engine.connect(name, expiry=1000)  # there is something new to be in one
        engine.pass_time(2 * snapshots.PAUSE_S)
    assert engine.counters.storage_snapshots == taken
    engine.pass_time(120 * snapshots.SHARE)
    assert engine.counters.storage_snapshots > taken


def test_publishers_go_on_once_subscribers_took_what_waits(start: StartEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "SEGMENT_BYTES", 4_000)
    engine = start(storage=small(1_000, 20_000))
    publisher = fill(engine, "a")
    sent = 0
    while True:
        sent += 1
        publisher.send(wire.publish("t", b"x" * 400, 1, sent))
        engine.pass_time(0.5)
        if not publisher.read():
            break
        assert sent < 200
    assert engine.broker.ctx.storage == STORAGE_HELD
    engine.pass_time(60)
    assert publisher.read() == [] and not publisher.closed, "what waits takes all the room there is"
    assert len(received(engine, "a")) == sent - 1
    engine.pass_time(3 * snapshots.PAUSE_S)
    assert publisher.take(Puback).packet_id == sent
    assert received(engine, "a") == [b"x" * 400]


def held(engine: DiskEngine) -> int:
    """The bytes of the data, but for what isn't finished."""
    files = (path for path in engine.port.folder.iterdir() if path.suffix in (".log", ".snap", ".seg"))
    return sum(path.stat().st_size for path in files)


def test_disk_bytes_are_what_the_folder_holds(start: StartEngine, tmp_path: Path) -> None:
    engine = start(storage=small(1_500))
    publisher = fill(engine)
    for number in range(30):
        publisher.publish("t", b"x" * 300, 1)
        engine.pass_time(1)
        assert engine.port.disk_bytes == held(engine), number
    assert engine.counters.storage_snapshots > 1
    engine = restarted(start, engine)
    assert engine.port.disk_bytes == held(engine)
