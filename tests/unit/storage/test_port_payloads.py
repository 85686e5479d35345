"""Payloads over a memory budget live on disk only, and come back, whole and in order, before they are sent."""

from __future__ import annotations

import errno

import pytest

from rmq.engine.broker import BrokerOptions
from rmq.flow.context import STORAGE_FAILED, STORAGE_READY
from rmq.session.limits import Limits
from tests.support import wire
from tests.support.engine import Client
from tests.support.wire_parser import Puback, Publish
from tests.unit.storage.conftest import StartEngine
from tests.unit.storage.disk_engine import READER, DiskEngine, received, resumed
from tests.unit.storage.faulty_disk import FaultyDisk
from tests.unit.storage.whole_state import held_in_memory


def budgets(node: int = 0, session: int = 0) -> BrokerOptions:
    options = BrokerOptions()
    options.memory_budget = node
    options.session_memory_budget = session
    return options


def windows(size: int) -> Limits:
    limits = Limits("tcp.external")
    limits.max_inflight = size
    return limits


def off_line(engine: DiskEngine, client_id: str, topic_filter: str = "t") -> None:
    client = engine.connect(client_id, expiry=1000)
    client.subscribe((topic_filter, 2))
    client.disconnect()


def payload(number: int, size: int = 100) -> bytes:
    return b"%04d" % number + bytes(size - 4)


def publish(engine: DiskEngine, count: int, topic: str = "t", *, first: int = 0, retain: bool = False) -> None:
    publisher = engine.connect("p")
    for number in range(first, first + count):
        assert publisher.publish(topic, payload(number), 1 + number % 2, retain=retain) == 0
    publisher.disconnect()


def numbers(payloads: list[bytes]) -> list[int]:
    assert all(item == payload(int(item[:4])) for item in payloads), "a payload isn't what was published"
    return [int(item[:4]) for item in payloads]


def on_disk(engine: DiskEngine, client_id: str) -> list[bool]:
    outbound = engine.session(client_id).outbound
    assert outbound is not None
    return [delivery.message.on_disk for delivery in outbound.deliveries.values()]


@pytest.mark.parametrize("options", [budgets(node=1000), budgets(session=1000)])
def test_what_is_over_the_budget_is_on_disk_and_comes_back(start: StartEngine, options: BrokerOptions) -> None:
    engine = start(options)
    off_line(engine, "s")
    publish(engine, 100)
    assert on_disk(engine, "s") == [False] * 10 + [True] * 90
    assert engine.broker.ctx.queued_bytes == held_in_memory(engine.broker.state) == 1000
    assert engine.port.unwritten == []
    assert numbers(received(engine)) == list(range(100))
    assert engine.broker.ctx.queued_bytes == 0


def test_it_survives_a_kill_and_stays_on_disk(start: StartEngine) -> None:
    engine = start(budgets(node=1000))
    off_line(engine, "s")
    publish(engine, 50)
    engine.kill()
    again = start(budgets(node=1000), time=engine.time)
    assert again.broker.ctx.queued_bytes == held_in_memory(again.broker.state) <= 1000
    publish(again, 50, first=50)
    again.port.snapshots.begin_soon()
    again.turn()
    again.kill()
    last = start(budgets(node=1000), time=again.time)
    assert last.recovery.snapshot == 1
    assert last.broker.ctx.queued_bytes == held_in_memory(last.broker.state) <= 1000
    assert numbers(received(last)) == list(range(100))


def test_a_message_that_others_have_in_memory_counts_once(start: StartEngine) -> None:
    engine = start(budgets(node=100_000))
    for name in "abc":
        off_line(engine, name)
    publish(engine, 5)
    assert engine.broker.ctx.queued_bytes == 500
    assert [engine.session(name).outbound.payload_bytes for name in "abc"] == [500] * 3  # type: ignore[union-attr]  # has
    for count, name in enumerate("abc", 1):
        assert numbers(received(engine, name)) == list(range(5))
        assert engine.broker.ctx.queued_bytes == (500 if count < 3 else 0)


def test_what_is_retained_stays_in_memory_until_it_is_replaced(start: StartEngine) -> None:
    engine = start(budgets(node=250))
    off_line(engine, "s")
    publish(engine, 5, retain=True)
    assert on_disk(engine, "s") == [False, False, True, True, False], "the last one is retained"
    publish(engine, 1, first=5, retain=True)
    assert on_disk(engine, "s")[4:] == [True, False]
    assert engine.broker.ctx.retained.get("t").payload == payload(5)  # type: ignore[union-attr]  # just published
    new = engine.connect("new")
    new.subscribe(("t", 0))
    assert new.payloads() == [payload(5)]
    assert numbers(received(engine)) == list(range(6))


def test_a_slow_reading_disk_delays_and_reorders_nothing(start: StartEngine) -> None:
    engine = start(budgets(session=300), limits=windows(8))
    off_line(engine, "s")
    publish(engine, 20)
    engine.hold(READER)
    client = resumed(engine)
    first = client.read()
    assert numbers([packet.payload for packet in first if isinstance(packet, Publish)]) == [0, 1, 2]
    client.acknowledge(first)
    publish(engine, 5, first=20)
    client.send(wire.pingreq())
    found = [0, 1, 2]
    engine.go_on()
    found += numbers([message.payload for message in client.receive_all()])
    assert found == list(range(25))


def test_the_connection_is_lost_and_taken_up_again_while_payloads_are_read(start: StartEngine) -> None:
    engine = start(budgets(session=100), limits=windows(8))
    off_line(engine, "s")
    publish(engine, 20)
    engine.hold(READER)
    for _ in range(3):
        client = resumed(engine)
        client.lose()
    client = resumed(engine)
    engine.go_on()
    assert numbers([message.payload for message in client.receive_all()]) == list(range(20))


def test_a_payload_that_cannot_be_read_now_is_read_later(start: StartEngine, faults: FaultyDisk) -> None:
    engine = start(budgets(session=100))
    off_line(engine, "s")
    publish(engine, 5)
    faults.fail("pread", errno.EIO)
    client = resumed(engine)
    assert len(client.receive_all()) == 1
    assert engine.counters.storage_errors == 1
    faults.mend()
    engine.pass_time(1.5)
    assert numbers([message.payload for message in client.receive_all()]) == [1, 2, 3, 4]


def test_what_cannot_be_written_to_a_segment_stays_in_memory(start: StartEngine, faults: FaultyDisk) -> None:
    engine = start(budgets(session=100))
    off_line(engine, "s")
    publisher = engine.connect("p")
    engine.hold()
    publisher.send(*[wire.publish("t", payload(number), 1, number + 1) for number in range(3)])
    engine.work()  # the journal
    faults.fail("pwrite", errno.EIO)
    engine.work()
    assert on_disk(engine, "s") == [False] * 3
    assert numbers_in_memory(engine) == [0, 1, 2]
    assert engine.broker.ctx.storage == STORAGE_FAILED
    faults.mend()
    engine.go_on()
    engine.pass_time(1.5)
    assert on_disk(engine, "s") == [False, True, True]
    assert engine.broker.ctx.storage == STORAGE_READY, "nobody is refused any more, without any further batch"
    assert numbers(received(engine)) == [0, 1, 2]


def numbers_in_memory(engine: DiskEngine) -> list[int]:
    outbound = engine.session("s").outbound
    assert outbound is not None
    return numbers([delivery.message.payload for delivery in outbound.deliveries.values()])


def test_a_queue_that_overflows_gives_memory_and_disk_back(start: StartEngine) -> None:
    limits = windows(2)
    limits.max_mqueue_len = 5
    engine = start(budgets(session=250), limits=limits)
    off_line(engine, "s")
    publish(engine, 30)
    assert engine.broker.ctx.queued_bytes == held_in_memory(engine.broker.state)
    assert len(numbers(received(engine))) == 5
    assert engine.broker.ctx.queued_bytes == 0


# Shared subscriptions


def shared(engine: DiskEngine, client_id: str, group: str = "g", *, window: int = 10) -> Client:
    client = engine.connect(client_id, expiry=1000, properties=[(wire.RECEIVE_MAXIMUM, window)])
    client.subscribe((f"$share/{group}/t", 1))
    return client


def test_shared_messages_on_disk_are_handed_over_whole(start: StartEngine) -> None:
    engine = start(budgets(session=100))
    leaving = shared(engine, "a", window=1)
    publish(engine, 10)
    assert on_disk(engine, "a") == [False] + [True] * 9
    taking = shared(engine, "b")
    leaving.lose()
    assert numbers(sorted(message.payload for message in taking.receive_all())) == list(range(10))


def test_one_handed_over_while_it_goes_to_disk_is_whole(start: StartEngine) -> None:
    """It is in memory when it is handed over, and on disk only when the new member gets it."""
    engine = start(budgets(session=100))
    members = [shared(engine, name) for name in "ab"]
    publisher = engine.connect("p")
    for number in range(4):
        publisher.publish("t", payload(number), 1)
    leaving, taking = members
    taking.receive_all()
    engine.hold()
    for number in range(4, 8):
        publisher.send(wire.publish("t", payload(number), 1, number + 1))
    engine.work()
    assert len(engine.writer.jobs) == 2, "what is over the budget is about to be written, and a further batch"
    leaving.lose()
    engine.go_on()
    found = [message.payload for message in taking.receive_all()]
    assert b"" not in found
    assert sorted(numbers(found)) == [0, 2, 4, 5, 7]
    assert numbers(received(engine, "a")) == [6], "it was chosen before it left"


def test_two_groups_hand_the_same_message_over(start: StartEngine) -> None:
    engine = start(budgets(session=50))
    off_line(engine, "plain")
    leaving = engine.connect("a", expiry=1000, properties=[(wire.RECEIVE_MAXIMUM, 1)])
    leaving.subscribe(("$share/g/t", 1), ("$share/h/t", 1))
    publish(engine, 6)
    takers = [shared(engine, "b", "g"), shared(engine, "c", "h")]
    leaving.lose()
    for taker in takers:
        assert sorted(numbers([message.payload for message in taker.receive_all()])) == list(range(6))
    assert numbers(received(engine, "plain")) == list(range(6))
    assert engine.broker.ctx.queued_bytes == held_in_memory(engine.broker.state)


def test_the_end_of_a_session_hands_over_what_is_on_disk(start: StartEngine) -> None:
    engine = start(budgets(session=50))
    off_line(engine, "a", "$share/g/t")
    publish(engine, 5)
    taking = shared(engine, "b")
    engine.connect("a").disconnect()  # clean start
    assert sorted(numbers([message.payload for message in taking.receive_all()])) == list(range(5))


def test_one_handed_over_across_a_snapshot_is_not_lost_with_its_old_segment(start: StartEngine) -> None:
    """Between the end of its old session and its place in the new one no session has it, and a snapshot begins."""
    engine = start(budgets(node=100_000))
    off_line(engine, "a", "$share/g/t")
    publish(engine, 3)
    engine.port.snapshots.begin_soon()
    engine.turn()
    engine.kill()
    engine = start(budgets(node=100_000), time=engine.time)  # the messages are in a segment of the older node
    off_line(engine, "b", "$share/g/t")
    engine.hold()
    client = engine.open()
    client.send(wire.connect("a", keep_alive=0))  # a clean start ends the session
    engine.port.snapshots.wanted = True
    engine.work()  # EndSession is applied, and the snapshot begins before the messages are in b's queue
    assert engine.port.snapshots.running
    engine.go_on()
    for _ in range(2):
        engine.pass_time(11)
        engine.port.snapshots.begin_soon()
        engine.turn()
    engine.kill()
    again = start(budgets(node=100_000), time=engine.time)
    assert sorted(numbers(received(again, "b"))) == [0, 1, 2]


# Transient sessions beside persistent ones


def test_a_transient_session_gets_what_went_to_disk_for_a_persistent_one(start: StartEngine) -> None:
    engine = start(budgets(session=50), limits=windows(1))
    off_line(engine, "s")
    slow = engine.connect("slow")
    slow.subscribe(("t", 1))
    publish(engine, 5)
    assert numbers([message.payload for message in slow.receive_all()]) == list(range(5))


def test_and_also_when_the_persistent_one_has_ended(start: StartEngine) -> None:
    """Then only the transient session waits for it, and no snapshot meets it there."""
    engine = start(budgets(session=50), limits=windows(1))
    off_line(engine, "s")
    slow = engine.connect("slow")
    slow.subscribe(("t", 1))
    publish(engine, 5)
    engine.connect("s").disconnect()
    assert not engine.has_session("s")
    engine.port.segments.current += 1  # as after 64 MB
    engine.port.segments._end = 0
    for _ in range(2):
        engine.connect("other", expiry=1000).disconnect()
        engine.port.snapshots.begin_soon()
        engine.turn()
    assert numbers([message.payload for message in slow.receive_all()]) == list(range(5))


def test_acknowledgements_do_not_wait_for_segments(start: StartEngine) -> None:
    engine = start(budgets(session=10))
    off_line(engine, "s")
    publisher = engine.connect("p")
    engine.hold()
    publisher.send(*[wire.publish("t", payload(number), 1, number + 1) for number in range(5)])
    engine.work()
    assert len([packet for packet in publisher.read() if isinstance(packet, Puback)]) == 5
