"""Histograms: which bucket a latency falls into, and which messages are measured."""

import pytest

from rmq.metrics.histogram import BOUNDS_US, MAX_WAITING, SAMPLE_EVERY, Histogram, Latencies
from tests.support import wire
from tests.support.engine import Engine
from tests.support.wire_parser import Connack, Publish
from tests.unit.management.world import LatePort


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [(0.0, 0), (0.0001, 0), (0.000101, 1), (0.001, 3), (9.9, 15), (10.0, 15), (10.1, 16), (-5.0, 0)],
)
def test_the_bucket_of_a_latency(seconds: float, bucket: int) -> None:
    histogram = Histogram()
    histogram.observe(seconds)
    assert [i for i, count in enumerate(histogram.counts) if count] == [bucket]
    assert histogram.sum_us == max(0, round(seconds * 1e6))


def test_buckets_are_in_order_and_one_more() -> None:
    assert sorted(set(BOUNDS_US)) == BOUNDS_US
    assert len(Histogram().counts) == len(BOUNDS_US) + 1


def test_what_waits_for_the_end_of_a_turn_is_bounded() -> None:
    latencies = Latencies()
    for _ in range(MAX_WAITING + 10):
        latencies.note_delivery(1.0)
        latencies.note_ack(1.0)
    assert latencies.due
    latencies.settle(2.0)
    assert (sum(latencies.deliver.counts), sum(latencies.ack.counts)) == (MAX_WAITING, MAX_WAITING)
    assert not latencies.due
    latencies.settle(3.0)
    assert sum(latencies.deliver.counts) == MAX_WAITING


def counts(engine: Engine) -> tuple[int, int]:
    """How many deliveries and acknowledgements were measured."""
    latencies = engine.broker.ctx.latencies
    return sum(latencies.deliver.counts), sum(latencies.ack.counts)


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_one_in_so_many_is_measured(qos: int) -> None:
    engine = Engine()
    subscriber, publisher = engine.connect("s"), engine.connect("p")
    subscriber.subscribe(("t", 0))
    for _ in range(2 * SAMPLE_EVERY + 1):
        publisher.publish("t", b"x", qos)
    assert counts(engine) == (3, 3 if qos else 0)
    for _ in range(SAMPLE_EVERY - 1):
        publisher.publish("t", b"x", qos)
    assert counts(engine) == (3, 3 if qos else 0)


def test_the_first_of_each_second_is_measured() -> None:
    engine = Engine()
    client = engine.connect("c")
    client.subscribe(("t", 0))
    engine.advance(0.0)
    for _ in range(5):
        client.publish("t", b"x", 1)
        engine.advance(1.0)
    assert counts(engine) == (5, 5)


def test_what_waited_for_its_receiver_is_not_measured() -> None:
    engine = Engine()
    publisher = engine.connect("p")
    publisher.publish("kept", b"x", retain=True)
    away = engine.connect("away", expiry=100)
    away.subscribe(("t", 1))
    away.lose()
    publisher.publish("t", b"x", 1)
    engine.advance(5.0)
    back = engine.open()
    back.send(wire.connect("away", clean=False, properties=[(wire.SESSION_EXPIRY, 100)]))
    connack, message = back.read()
    assert isinstance(connack, Connack) and isinstance(message, Publish)
    back.subscribe(("kept", 0))
    assert back.payloads() == [b"x"]
    assert counts(engine)[0] == 0
    engine.broker.ctx.measure_next()
    publisher.publish("t", b"y", 1)
    assert back.payloads() == [b"y"]
    assert counts(engine)[0] == 1


def test_an_acknowledgement_that_waits_for_the_disk_takes_so_long() -> None:
    engine = Engine()
    away = engine.connect("away", expiry=100)
    away.subscribe(("t", 1))
    disk = LatePort(engine)
    publisher = engine.connect("p")
    publisher.send(wire.publish("t", b"x", qos=1, packet_id=1))
    assert counts(engine)[1] == 0
    engine.time += 0.003
    disk.write()
    ack = engine.broker.ctx.latencies.ack
    assert (sum(ack.counts), round(ack.sum_us, -2)) == (1, 3000)
