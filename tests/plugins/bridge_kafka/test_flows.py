"""The exchanges between this node and Kafka's library, without either: what is awaited, dropped and given up."""

from __future__ import annotations

import math

import pytest
import trio
import trio.testing
from rmq_plugins.bridge_kafka.inflow import Inflow
from rmq_plugins.bridge_kafka.outcomes import DELIVERED, FAILED, NO_TOPIC, REFUSED
from rmq_plugins.bridge_kafka.outflow import Outflow
from rmq_plugins.bridge_kafka.records import Fetched, Record
from rmq_plugins.bridge_kafka.rewriting import KAFKA_KEY, LOCAL_TOPIC, Inward, Outward
from rmq_plugins.bridge_kafka.templates import Template
from rmq_plugins.bridges.figures import Figures
from rmq_plugins.bridges.link import BridgeFailedError

from rmq.plugin_api import (
    PUBACK,
    PUBCOMP,
    PUBREC,
    PUBREL,
    V5,
    Ack,
    Disconnect,
    MqttConnection,
    MqttFailedError,
    Outgoing,
    Publish,
)


class Producer:
    """A library that takes ``room`` records and tells what a test has told it."""

    def __init__(self, room: float = math.inf) -> None:
        self.is_up = True
        self.room = room
        self.sent: list[tuple[int, Record]] = []
        self.told: list[tuple[int, int, str]] = []

    def send(self, record: Record, number: int) -> bool:
        if self.room <= 0:
            return False
        self.room -= 1
        self.sent.append((number, record))
        return True

    def reports(self) -> list[tuple[int, int, str]]:
        found, self.told = self.told, []
        return found


class Consumer:
    """A library that hands over what a test has given it."""

    def __init__(self, *fetched: Fetched) -> None:
        self.waiting = list(fetched)
        self.finished: list[int] = []

    def fetched(self) -> list[Fetched]:
        found, self.waiting = self.waiting, []
        return found

    def done(self, partition: int, offset: int) -> None:
        self.finished.append(offset)


class Out:
    """An exchange outwards; ``node`` is the node's end of its connection."""

    def __init__(self, producer: Producer, queue_timeout_s: float = 0.0, topic: str = "far") -> None:
        ours, theirs = trio.testing.memory_stream_pair()
        self.node = MqttConnection(theirs, V5)
        self.figures = Figures()
        names = (LOCAL_TOPIC,)
        rewrite = Outward("link", "h:1", "#", Template(topic, names), Template("", names), 0, -1, 1)
        self.flow = Outflow(producer, MqttConnection(ours, V5), rewrite, self.figures, lambda: 0.0, queue_timeout_s)

    async def acks(self, count: int) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        while len(found) < count:
            found += [(ack.packet_type, ack.packet_id) for ack in await self.node.receive() if isinstance(ack, Ack)]
        return found


class In:
    """An exchange inwards."""

    def __init__(self, consumer: Consumer) -> None:
        ours, theirs = trio.testing.memory_stream_pair()
        self.node = MqttConnection(theirs, V5)
        self.figures = Figures()
        rewrite = Inward("link", "h:1", Template("${kafka.key}", (KAFKA_KEY,)), None, None, 0)
        self.flow = Inflow(consumer, MqttConnection(ours, V5), rewrite, self.figures)


def message(packet_id: int, qos: int = 1) -> Outgoing:
    return Publish("t", b"x", qos, False, False, packet_id)


def record(offset: int, qos: bytes, key: bytes = b"t") -> Fetched:
    return Fetched("far", 0, offset, key, b"x", [("qos", qos)])


async def test_messages_are_acknowledged_in_order_and_released(autojump_clock: trio.testing.MockClock) -> None:
    producer = Producer()
    out = Out(producer)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(out.flow.take)
        await out.node.send([message(5, 2), message(3), message(0, 0)])
        await trio.testing.wait_all_tasks_blocked()
        producer.told = [(2, DELIVERED, ""), (3, DELIVERED, "")]
        await out.flow.report()
        producer.told = [(1, DELIVERED, "")]
        await out.flow.report()
        assert await out.acks(2) == [(PUBREC, 5), (PUBACK, 3)]
        await out.flow.emptied()
        await out.node.send([Ack(PUBREL, 5)])
        assert await out.acks(1) == [(PUBCOMP, 5)]
        nursery.cancel_scope.cancel()
    assert (out.figures.received, out.figures.sent, out.figures.dropped) == (3, 3, {})


async def test_without_room_a_kept_message_waits_and_another_goes_no_further(
    autojump_clock: trio.testing.MockClock,
) -> None:
    producer = Producer(room=1)
    out = Out(producer)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(out.flow.take)
        await out.node.send([message(1), message(0, 0), message(2)])
        await trio.testing.wait_all_tasks_blocked()
        assert ([number for number, _ in producer.sent], out.figures.dropped) == ([1], {"busy": 1})
        await trio.sleep(3600)
        producer.room = 1
        producer.told = [(1, DELIVERED, "")]
        await out.flow.report()
        await trio.testing.wait_all_tasks_blocked()
        assert [number for number, _ in producer.sent] == [1, 3]
        nursery.cancel_scope.cancel()


async def test_without_room_for_too_long_it_begins_anew(autojump_clock: trio.testing.MockClock) -> None:
    out = Out(Producer(room=0), queue_timeout_s=30.0)
    began = trio.current_time()
    await out.node.send([message(1)])
    with pytest.raises(BridgeFailedError, match="no room"):
        await out.flow.take()
    assert trio.current_time() - began == 30


async def test_qos_0_goes_nowhere_while_kafka_is_away(autojump_clock: trio.testing.MockClock) -> None:
    producer = Producer()
    producer.is_up = False
    out = Out(producer)
    with trio.move_on_after(1):
        await out.node.send([message(0, 0), message(1)])
        await out.flow.take()
    assert len(producer.sent) == 1
    assert out.figures.dropped == {"not_connected": 1}


@pytest.mark.parametrize(
    ("topic", "outcome", "goes_on"),
    [
        ("far", REFUSED, True),
        ("far", NO_TOPIC, False),
        ("${local.topic}", NO_TOPIC, True),
        ("far", FAILED, False),
    ],
)
async def test_what_becomes_of_a_record_that_wasnt_taken(
    topic: str, outcome: int, goes_on: bool, autojump_clock: trio.testing.MockClock
) -> None:
    producer = Producer()
    out = Out(producer, topic=topic)
    await out.node.send([message(1)])
    with trio.move_on_after(1):
        await out.flow.take()
    producer.told = [(1, outcome, "for a reason")]
    if goes_on:
        await out.flow.report()
        assert await out.acks(1) == [(PUBACK, 1)]
        assert out.figures.dropped == {"refused": 1}
    else:
        with pytest.raises(BridgeFailedError, match="a message wasn't taken: for a reason"):
            await out.flow.report()
        assert out.figures.dropped == {}


async def test_a_session_that_was_taken_over_ends_it() -> None:
    out = Out(Producer())
    farewell = Disconnect()
    farewell.reason_code = 0x8E
    await out.node.send([farewell])
    with pytest.raises(MqttFailedError, match="disconnected"):
        await out.flow.take()


async def test_a_record_is_done_when_the_node_has_taken_it(autojump_clock: trio.testing.MockClock) -> None:
    consumer = Consumer(record(0, b"1"), record(1, b"2"), record(2, b"0"), record(3, b"1", key=b"a/#"))
    into = In(consumer)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(into.flow.hear)
        await into.flow.publish()
        assert consumer.finished == [3, 2]  # what makes no topic name, and what nobody acknowledges
        found = [packet for packet in await into.node.receive() if isinstance(packet, Publish)]
        assert [(packet.qos, packet.packet_id) for packet in found] == [(1, 1), (2, 2), (0, 0)]
        await into.node.send([Ack(PUBREC, 2), Ack(PUBACK, 1)])
        (release,) = await into.node.receive()
        assert isinstance(release, Ack) and (release.packet_type, release.packet_id) == (PUBREL, 2)
        assert consumer.finished == [3, 2, 0]
        await into.node.send([Ack(PUBCOMP, 2)])
        await into.flow.emptied()
        assert consumer.finished == [3, 2, 0, 1]
        nursery.cancel_scope.cancel()
    assert (into.figures.received, into.figures.sent, into.figures.dropped) == (4, 3, {"topic": 1})


@pytest.mark.parametrize("kind", [PUBACK, PUBREC])
async def test_what_the_node_refuses_for_good_is_done(kind: int, autojump_clock: trio.testing.MockClock) -> None:
    consumer = Consumer(record(0, b"1" if kind == PUBACK else b"2"))
    into = In(consumer)
    await into.flow.publish()
    await into.node.send([Ack(kind, 1, 0x99)])
    with trio.move_on_after(1):
        await into.flow.hear()
    assert (consumer.finished, into.figures.dropped) == ([0], {"refused": 1})


async def test_what_the_node_may_take_later_isnt_done() -> None:
    consumer = Consumer(record(0, b"1"))
    into = In(consumer)
    await into.flow.publish()
    await into.node.send([Ack(PUBACK, 1, 0x97)])
    with pytest.raises(MqttFailedError, match="didn't take a message"):
        await into.flow.hear()
    assert consumer.finished == []
