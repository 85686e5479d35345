"""A disk that fails: nobody is told a lie, nothing is lost, and the node goes on when the disk works again."""

from __future__ import annotations

import errno
from typing import Final

import pytest

from rmq.engine.broker import BrokerOptions
from rmq.engine.stored_port import StorageOptions
from rmq.flow.context import STORAGE_FAILED, STORAGE_HELD, STORAGE_READY
from rmq.session.limits import ACK_QUORUM_FSYNC, Limits
from tests.support import wire
from tests.support.wire import Will
from tests.support.wire_parser import Disconnect, Pingresp, Puback, Pubcomp, Publish, Pubrec, Suback, Unsuback
from tests.unit.storage.conftest import StartEngine
from tests.unit.storage.disk_engine import SYNCER, DiskEngine, received
from tests.unit.storage.faulty_disk import FaultyDisk

TIMEOUT_S: Final = 5.0
QUOTA_EXCEEDED: Final = 0x97
SERVER_UNAVAILABLE: Final = 0x88
SERVER_BUSY: Final = 0x89


def subscribed(engine: DiskEngine, client_id: str = "s", qos: int = 2) -> None:
    """A session without a connection that waits for messages on t."""
    client = engine.connect(client_id, expiry=1000)
    client.subscribe(("t", qos))
    client.disconnect()


def fill(faults: FaultyDisk, engine: DiskEngine) -> None:
    """The disk is full, and the node has found out."""
    faults.room = 0
    client = engine.open()
    client.send(wire.connect("finds-out", properties=[(wire.SESSION_EXPIRY, 1000)]))
    assert engine.broker.ctx.storage == STORAGE_FAILED
    assert client.read() == []


def make_room(faults: FaultyDisk, engine: DiskEngine) -> None:
    faults.room = None
    engine.pass_time(1.5)
    assert engine.broker.ctx.storage == STORAGE_READY


# Of unknown outcome


@pytest.mark.parametrize("qos", [1, 2])
@pytest.mark.parametrize("level", [4, 5])
def test_of_unknown_outcome_there_is_no_answer_but_the_close(
    start: StartEngine, faults: FaultyDisk, qos: int, level: int
) -> None:
    engine = start()
    subscribed(engine)
    publisher = engine.connect("p", level)
    faults.room = 0
    publisher.send(wire.publish("t", b"1", qos, 1, level=level))
    assert publisher.read() == []
    engine.pass_time(TIMEOUT_S - 0.2)
    assert not publisher.closed
    engine.pass_time(TIMEOUT_S / 2)
    assert publisher.closed
    rest = publisher.read()
    assert all(isinstance(packet, Disconnect) and packet.code == SERVER_BUSY for packet in rest)
    assert len(rest) == (level == 5)
    make_room(faults, engine)
    assert received(engine) == [b"1"], "it is kept after all: nobody said it isn't"


@pytest.mark.parametrize("call", ["pwrite", "short"])
def test_what_was_on_its_way_is_answered_when_the_disk_works_in_time(
    start: StartEngine, faults: FaultyDisk, call: str
) -> None:
    engine = start()
    subscribed(engine)
    publisher = engine.connect("p")
    if call == "short":
        faults.room = 30  # a part of it fits
    else:
        faults.fail("pwrite", errno.EIO)
    publisher.send(wire.publish("t", b"1", 1, 1), wire.pingreq())
    assert publisher.read() == []
    faults.mend()
    faults.room = None
    engine.pass_time(1.5)
    answer, pong = publisher.read()
    assert isinstance(answer, Puback) and answer.code == 0 and isinstance(pong, Pingresp)
    assert engine.counters.storage_errors == 1
    engine.kill()
    assert received(start(time=engine.time)) == [b"1"]


def test_a_qos_2_message_of_unknown_outcome_is_not_stored_twice(start: StartEngine, faults: FaultyDisk) -> None:
    engine = start()
    subscribed(engine)
    publisher = engine.connect("p", expiry=1000)
    faults.room = 0
    publisher.send(wire.publish("t", b"1", 2, 7))
    engine.pass_time(TIMEOUT_S * 2)
    assert publisher.closed
    make_room(faults, engine)
    publisher = engine.connect("p", expiry=1000, clean=False)
    publisher.send(wire.publish("t", b"1", 2, 7, dup=True))
    assert publisher.take(Pubrec).code == 0
    publisher.send(wire.pubrel(7))
    assert publisher.take(Pubcomp).code == 0
    assert received(engine) == [b"1"]


def test_a_kill_on_a_full_disk_loses_nothing_that_was_answered(start: StartEngine, faults: FaultyDisk) -> None:
    engine = start()
    subscribed(engine)
    publisher = engine.connect("p")
    assert publisher.publish("t", b"1", 1) == 0
    faults.room = 45  # the next record is torn
    publisher.send(wire.publish("t", b"2", 1, 9))
    assert publisher.read() == []
    engine.kill()
    faults.room = None
    again = start(time=engine.time)
    assert again.recovery.cut_off == 45
    assert received(again) == [b"1"]


# What isn't proposed any more


@pytest.mark.parametrize("qos", [1, 2])
def test_v5_is_told_that_nothing_can_be_stored(start: StartEngine, faults: FaultyDisk, qos: int) -> None:
    engine = start()
    subscribed(engine)
    publisher = engine.connect("p")
    fill(faults, engine)
    publisher.send(wire.publish("t", b"1", qos, 1))
    answer = publisher.take(Puback if qos == 1 else Pubrec)
    assert answer.code == QUOTA_EXCEEDED
    assert engine.counters.dropped_storage_failed == 1
    make_room(faults, engine)
    assert publisher.publish("t", b"2", qos) == 0
    assert received(engine) == [b"2"]


@pytest.mark.parametrize("qos", [1, 2])
@pytest.mark.parametrize("level", [3, 4])
def test_an_mqtt_3_publisher_is_held_and_then_closed(
    start: StartEngine, faults: FaultyDisk, qos: int, level: int
) -> None:
    engine = start()
    subscribed(engine)
    publisher = engine.connect("p", level)
    fill(faults, engine)
    publisher.send(wire.publish("t", b"1", qos, 1, level=level), wire.pingreq())
    assert publisher.read() == [] and not publisher.closed
    assert engine.counters.publish_held == 1
    engine.pass_time(TIMEOUT_S - 0.2)
    assert not publisher.closed
    engine.pass_time(0.4)
    assert publisher.closed and publisher.read() == []
    make_room(faults, engine)
    assert received(engine) == [], "nothing of it was kept: the client sends it again"


def test_an_mqtt_3_publisher_goes_on_when_the_disk_works_in_time(start: StartEngine, faults: FaultyDisk) -> None:
    engine = start()
    subscribed(engine)
    publisher = engine.connect("p", 4)
    fill(faults, engine)
    publisher.send(wire.publish("t", b"1", 1, 1, level=4), wire.publish("t", b"2", 1, 2, level=4))
    engine.pass_time(2)
    make_room(faults, engine)
    assert [packet.packet_id for packet in publisher.read() if isinstance(packet, Puback)] == [1, 2]
    assert received(engine) == [b"1", b"2"]


def test_a_persistent_publishers_qos_2_needs_the_disk_even_without_subscribers(
    start: StartEngine, faults: FaultyDisk
) -> None:
    engine = start()
    publisher = engine.connect("p", expiry=1000)
    fill(faults, engine)
    publisher.send(wire.publish("nobody", b"1", 2, 1))
    assert publisher.take(Pubrec).code == QUOTA_EXCEEDED
    assert not engine.session("p").has_inbound_qos2(1), "a refused message doesn't use up its identifier"


@pytest.mark.parametrize("qos", [0, 1])
def test_retained_needs_the_disk(start: StartEngine, faults: FaultyDisk, qos: int) -> None:
    engine = start()
    live = engine.connect("live")
    live.subscribe(("t", 0))
    publisher = engine.connect("p")
    fill(faults, engine)
    publisher.send(wire.publish("t", b"1", qos, qos, retain=True))
    if qos:
        assert publisher.take(Puback).code == QUOTA_EXCEEDED
        assert live.read() == []
    else:
        assert publisher.read() == []
        assert live.payloads() == [b"1"], "QoS 0 is delivered, and not retained"
    assert engine.counters.dropped_storage_failed == 1
    make_room(faults, engine)
    assert engine.broker.ctx.retained.count == 0 and not engine.broker.ctx.retaining


def test_what_needs_no_disk_goes_on(start: StartEngine, faults: FaultyDisk) -> None:
    engine = start()
    fill(faults, engine)
    one, other = engine.connect("one"), engine.connect("other", 4)
    assert one.subscribe(("x", 2)) == [2]
    for qos in (0, 1, 2):
        other.publish("x", b"%d" % qos, qos)
    assert [message.payload for message in one.receive_all()] == [b"0", b"1", b"2"]
    one.disconnect()
    assert not engine.has_session("one")


def test_sessions_and_subscriptions_that_cannot_be_kept_are_refused(start: StartEngine, faults: FaultyDisk) -> None:
    engine = start()
    subscribed(engine)
    connected = engine.connect("c", expiry=1000)
    connected.subscribe(("a", 1))
    older = engine.connect("o", 4, clean=False)
    fill(faults, engine)
    engine.connect("new", expiry=1000, code=SERVER_UNAVAILABLE)
    engine.connect("s", code=SERVER_UNAVAILABLE)
    engine.connect("new", 4, clean=False, code=3)
    connected.send(wire.subscribe(5, [("b", 1)]))
    assert connected.take(Suback).codes == [QUOTA_EXCEEDED]
    connected.send(wire.unsubscribe(6, ["a"]))
    assert connected.take(Unsuback).codes[0] >= 0x80
    older.send(wire.subscribe(5, [("b", 1)], level=4))
    assert older.take(Suback).codes == [0x80]
    make_room(faults, engine)
    assert connected.subscribe(("b", 1)) == [1]
    assert engine.connect("s", clean=False, expiry=1000).connack.session_present  # type: ignore[union-attr]  # connected


def test_subscribers_are_served_from_what_is_kept(start: StartEngine, faults: FaultyDisk) -> None:
    """Their acknowledgements are written when that works again; QoS 2 waits, because PUBREL promises something."""
    engine = start()
    subscriber = engine.connect("s", expiry=1000, properties=[(wire.RECEIVE_MAXIMUM, 2)])
    subscriber.subscribe(("t", 2))
    publisher = engine.connect("p")
    for number in range(4):
        publisher.publish("t", b"%d" % number, 1)
    fill(faults, engine)
    assert [packet.payload for packet in subscriber.receive_all()] == [b"0", b"1", b"2", b"3"]
    make_room(faults, engine)
    engine.kill()
    assert received(start(time=engine.time)) == []


def test_a_message_that_is_released_waits_for_the_disk(start: StartEngine, faults: FaultyDisk) -> None:
    engine = start()
    subscriber = engine.connect("s", expiry=1000)
    subscriber.subscribe(("t", 2))
    publisher = engine.connect("p", expiry=1000)
    publisher.send(wire.publish("t", b"x", 2, 1))
    publisher.take(Pubrec)
    message = subscriber.take(Publish)
    faults.room = 0
    subscriber.send(wire.pubrec(message.packet_id))
    publisher.send(wire.pubrel(1))
    assert subscriber.read() == [] and publisher.read() == []
    make_room(faults, engine)
    assert len(subscriber.read()) == 1 and publisher.take(Pubcomp).code == 0


def test_a_will_waits_for_the_disk(start: StartEngine, faults: FaultyDisk) -> None:
    engine = start()
    subscribed(engine)
    dying = engine.connect("d", will=Will("t", b"gone", 1))
    fill(faults, engine)
    dying.lose()
    make_room(faults, engine)
    assert received(engine) == [b"gone"]


# Again and again


def test_a_second_failure_has_its_own_time(start: StartEngine, faults: FaultyDisk) -> None:
    """Nobody is given up on earlier because there was a failure shortly before."""
    engine = start()
    subscribed(engine)
    publisher = engine.connect("p")
    for number in range(1, 4):
        faults.room = 0
        publisher.send(wire.publish("t", b"%d" % number, 1, number))
        engine.pass_time(TIMEOUT_S * 0.4)
        assert not publisher.closed, f"failure {number}"
        make_room(faults, engine)
        assert publisher.take(Puback).code == 0
        engine.pass_time(0.3)
    assert received(engine) == [b"1", b"2", b"3"]


def test_it_fails_for_long(start: StartEngine, faults: FaultyDisk) -> None:
    engine = start()
    subscribed(engine)
    publisher = engine.connect("p", keep_alive=0)
    fill(faults, engine)
    for number in range(1, 200):
        engine.pass_time(1)
        publisher.send(wire.publish("t", b"%d" % number, 1, number))
        assert publisher.take(Puback).code == QUOTA_EXCEEDED
    assert len(engine.broker.timers) < 20, "retries don't pile up"
    make_room(faults, engine)
    assert publisher.publish("t", b"x", 1) == 0
    assert received(engine) == [b"x"]


def test_a_disk_that_does_not_answer_counts_as_one_that_fails(start: StartEngine) -> None:
    engine = start()
    subscribed(engine)
    publisher = engine.connect("p", 5)
    engine.hold()
    publisher.send(wire.publish("t", b"1", 1, 1))
    for _ in range(8):
        engine.pass_time(TIMEOUT_S / 4)
    assert publisher.closed
    assert engine.broker.ctx.storage == STORAGE_FAILED
    engine.connect("new", expiry=1000, code=SERVER_UNAVAILABLE)
    engine.go_on()
    engine.pass_time(1.5)
    assert engine.broker.ctx.storage == STORAGE_READY
    assert received(engine) == [b"1"]


def test_it_is_slow(start: StartEngine) -> None:
    """Within the time-out nobody notices but by waiting."""
    engine = start()
    subscribed(engine)
    publisher = engine.connect("p")
    engine.hold()
    for number in range(1, 6):
        publisher.send(wire.publish("t", b"%d" % number, 1, number))
        engine.pass_time(1)
        assert publisher.read() == []
        engine.work()
        assert publisher.take(Puback).packet_id == number
    assert engine.broker.ctx.storage == STORAGE_READY
    engine.go_on()
    assert len(received(engine)) == 5


# Too much that waits


def test_publishers_are_held_while_too_much_waits_to_be_written(start: StartEngine) -> None:
    storage = StorageOptions()
    storage.pending_limit = 10_000
    engine = start(storage=storage)
    subscribed(engine)
    publisher = engine.connect("p", keep_alive=1)
    engine.hold()
    sent = 0
    while engine.broker.ctx.storage == STORAGE_READY:
        sent += 1
        publisher.send(wire.publish("t", bytes(900), 1, sent))
        assert sent < 20
    publisher.send(*[wire.publish("t", bytes(900), 1, sent + more) for more in range(1, 21)])
    assert engine.port.log.pending_bytes < 15_000, "and no more of it is taken"
    assert publisher.read() == []
    assert engine.counters.publish_held > 0
    engine.pass_time(2)
    engine.pass_time(2)
    assert not publisher.closed, "held: neither its keep alive nor the time-out of a failure counts"
    engine.go_on()
    assert [packet.packet_id for packet in publisher.read() if isinstance(packet, Puback)] == list(range(1, sent + 21))
    assert engine.broker.ctx.storage == STORAGE_READY
    assert engine.port.log.pending_bytes == 0


# Syncing


def fsync_limits() -> Limits:
    limits = Limits("tcp.fsync")
    limits.ack_policy = ACK_QUORUM_FSYNC
    return limits


def test_an_answer_may_wait_for_the_sync(start: StartEngine, faults: FaultyDisk) -> None:
    engine = start()
    subscribed(engine)
    publisher = engine.connect("p", limits=fsync_limits())
    other = engine.connect("o")
    engine.hold(SYNCER)
    publisher.send(wire.publish("t", b"1", 1, 1))
    other.send(wire.publish("t", b"2", 1, 1))
    assert publisher.read() == [] and other.take(Puback).code == 0
    engine.go_on()
    assert publisher.take(Puback).code == 0


def test_everything_is_synced_within_the_interval(start: StartEngine, faults: FaultyDisk) -> None:
    engine = start()
    subscribed(engine)
    engine.pass_time(1.5)
    faults.calls.clear()
    engine.connect("p").publish("t", b"1", 1)
    assert "fdatasync" not in faults.calls
    engine.pass_time(1.5)
    assert faults.calls.count("fdatasync") == 1
    engine.pass_time(5)
    assert faults.calls.count("fdatasync") == 1, "and nothing where nothing was written"


def test_a_sync_that_fails_is_made_up_for_by_a_snapshot(start: StartEngine, faults: FaultyDisk) -> None:
    engine = start()
    subscribed(engine)
    publisher = engine.connect("p", limits=fsync_limits())
    faults.fail("fdatasync", errno.EIO)
    publisher.send(wire.publish("t", b"1", 1, 1))
    assert publisher.read() == []
    assert engine.broker.ctx.storage == STORAGE_FAILED
    faults.mend()
    engine.pass_time(1.5)
    assert publisher.take(Puback).code == 0
    assert engine.counters.storage_snapshots == 1
    assert engine.broker.ctx.storage == STORAGE_READY
    engine.kill()
    again = start(time=engine.time)
    assert again.recovery.snapshot == 1
    assert received(again) == [b"1"]


def test_a_sync_that_goes_on_failing(start: StartEngine, faults: FaultyDisk) -> None:
    engine = start()
    subscribed(engine)
    publisher = engine.connect("p", limits=fsync_limits())
    for call in ("fdatasync", "fsync"):
        faults.fail(call, errno.EIO)
    publisher.send(wire.publish("t", b"1", 1, 1))
    engine.pass_time(TIMEOUT_S)
    engine.pass_time(TIMEOUT_S)
    assert publisher.closed
    assert all(isinstance(packet, Disconnect) for packet in publisher.read())
    faults.mend()
    for _ in range(15):
        engine.pass_time(1)
    assert engine.broker.ctx.storage == STORAGE_READY
    assert received(engine) == [b"1"]


def test_a_snapshot_of_before_a_failed_sync_does_not_make_up_for_it(start: StartEngine, faults: FaultyDisk) -> None:
    """It began before the batches that the kernel may have dropped: they are in a journal file that isn't trusted."""
    engine = start()
    subscribed(engine)
    publisher = engine.connect("p", limits=fsync_limits())
    engine.hold()
    engine.port.snapshots.begin_soon()
    publisher.send(wire.publish("t", b"1", 1, 1))  # goes to the new file
    engine.work()
    faults.fail("fdatasync", errno.EIO)
    engine.work()
    assert engine.port.sync_broken and engine.port.snapshots.running
    faults.mend("fdatasync")
    while engine.counters.storage_snapshots == 0:
        engine.work()
    assert publisher.read() == [], "nothing says that this message is on the disk"
    engine.connect("o", limits=fsync_limits()).send(wire.publish("t", b"2", 1, 1))
    while engine.counters.storage_snapshots == 1:
        assert publisher.read() == [], "nor does a sync that fails no more: a failure is told once"
        engine.pass_time(0.1)
        engine.work()
    assert publisher.take(Puback).code == 0
    assert engine.broker.ctx.storage == STORAGE_READY


def test_a_rotation_that_finds_the_failure_out_tells_nobody_that_all_is_well(
    start: StartEngine, faults: FaultyDisk
) -> None:
    engine = start()
    subscribed(engine)
    publisher = engine.connect("p", limits=fsync_limits())
    engine.hold()
    engine.hold(SYNCER)
    publisher.send(wire.publish("t", b"1", 1, 1))
    engine.port.snapshots.wanted = True
    engine.work()  # written, and a snapshot begins
    faults.fail("fdatasync", errno.EIO)
    engine.work()  # the rotation
    faults.mend()
    engine.disks[SYNCER].work()
    engine.turn()
    assert publisher.read() == []
    engine.go_on()
    engine.pass_time(1.5)
    assert publisher.take(Puback).code == 0
    assert engine.counters.storage_snapshots == 1


def test_held_publishers_are_v5_too(start: StartEngine) -> None:
    engine = start()
    subscribed(engine)
    engine.broker.ctx.storage = STORAGE_HELD
    publisher = engine.connect("p")
    publisher.send(wire.publish("t", b"1", 1, 1))
    assert publisher.read() == []
    engine.broker.ctx.storage = STORAGE_READY
    engine.broker.storage_waits.go_on()
    engine.turn()
    assert publisher.take(Puback).code == 0


def test_memory_is_not_asked_at_all(start: StartEngine) -> None:
    """Without budgets every payload stays in memory."""
    engine = start(BrokerOptions())
    subscribed(engine)
    engine.connect("p").publish("t", bytes(100_000), 1)
    assert engine.broker.ctx.queued_bytes == 100_000
    assert not list(engine.port.folder.glob("*.seg"))
