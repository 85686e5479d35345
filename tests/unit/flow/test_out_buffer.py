"""The high-water mark of a connection's out-buffer: memory is bounded, QoS 0 is dropped and counted, the rest waits."""

from __future__ import annotations

import pytest

from rmq.session.limits import Limits
from tests.support import wire
from tests.support.engine import Client, Engine
from tests.support.packet_notation import V5, V311

LIMIT = 10_000
SIZE = 1_000
LIFETIMES = pytest.mark.parametrize("expiry", [None, 1000], ids=["transient", "persistent"])


def narrow(window: int = 16, queue: int = 1000) -> Limits:
    limits = Limits("tcp.narrow")
    limits.out_buffer_limit = LIMIT
    limits.max_inflight = window
    limits.max_mqueue_len = queue
    return limits


def payload(number: int) -> bytes:
    return b"%04d" % number + bytes(SIZE - 4)


def numbers(payloads: list[bytes]) -> list[int]:
    return [int(one[:4]) for one in payloads]


@pytest.mark.parametrize("level", [V311, V5])
def test_qos0_over_the_mark_is_dropped_and_counted(engine: Engine, level: int) -> None:
    client = engine.connect("s", level, limits=narrow())
    client.subscribe(("t", 0))
    client.take_nothing()
    publisher = engine.connect("p")
    for number in range(100):
        publisher.publish("t", payload(number))
    assert client.channel.out_size <= LIMIT + SIZE + 20
    client.take_bytes()
    got = numbers(client.payloads())
    assert got == list(range(len(got))) and 10 <= len(got) <= 11
    assert engine.counters.dropped_out_buffer_full == engine.counters.messages_dropped == 100 - len(got)
    publisher.publish("t", payload(7))
    assert numbers(client.payloads()) == [7]


@LIFETIMES
@pytest.mark.parametrize("qos", [1, 2])
def test_the_rest_waits_for_the_client_and_flows_later(engine: Engine, expiry: int | None, qos: int) -> None:
    client = engine.connect("s", expiry=expiry, limits=narrow(window=200))
    client.subscribe(("t", qos))
    client.take_nothing()
    publisher = engine.connect("p")
    for number in range(100):
        publisher.publish("t", payload(number), qos)
    assert client.channel.out_size <= LIMIT + SIZE + 20
    client.take_bytes()
    assert numbers([m.payload for m in client.receive_all()]) == list(range(100))
    assert engine.counters.messages_dropped == 0


@LIFETIMES
def test_a_client_that_takes_bytes_in_drips_gets_everything_in_order(engine: Engine, expiry: int | None) -> None:
    client = engine.connect("s", expiry=expiry, limits=narrow(window=200))
    client.subscribe(("t", 1))
    client.take_nothing()
    publisher = engine.connect("p")
    for number in range(60):
        publisher.publish("t", payload(number), 1)
    got: list[int] = []
    for _ in range(200):
        client.take_bytes(777)
        assert client.channel.out_size <= LIMIT + SIZE + 20
        packets = client.read()
        got += [int(getattr(packet, "payload", b"")[:4]) for packet in packets]
        client.acknowledge(packets)
    assert got == list(range(60))


def test_a_slow_client_does_not_hold_up_a_fast_one(engine: Engine) -> None:
    slow, fast = engine.connect("slow", limits=narrow()), engine.connect("fast", limits=narrow())
    for client in (slow, fast):
        client.subscribe(("t", 0))
    slow.take_nothing()
    publisher = engine.connect("p")
    for number in range(100):
        publisher.publish("t", payload(number))
        assert numbers(fast.payloads()) == [number]


def test_many_messages_in_one_turn_are_handed_to_a_socket_that_takes_them(engine: Engine) -> None:
    # More than the mark within one read of the publisher: the out-buffer is emptied in between, nothing is dropped.
    client = engine.connect("s", limits=narrow())
    client.subscribe(("t", 0))
    publisher = engine.connect("p")
    publisher.send(*[wire.publish("t", payload(number)) for number in range(60)])
    assert numbers(client.payloads()) == list(range(60))
    assert engine.counters.messages_dropped == 0


def test_one_message_may_be_larger_than_the_mark(engine: Engine) -> None:
    client = engine.connect("s", limits=narrow())
    client.subscribe(("t", 1))
    publisher = engine.connect("p")
    for qos in (0, 1):
        publisher.publish("t", bytes(5 * LIMIT), qos)
    assert [len(m.payload) for m in client.receive_all()] == [5 * LIMIT] * 2


def test_what_the_client_never_took_comes_again_on_its_next_connection(engine: Engine) -> None:
    limits = narrow(window=50)
    client = engine.connect("s", expiry=1000, limits=limits)
    client.subscribe(("t", 1))
    client.take_nothing()
    publisher = engine.connect("p")
    for number in range(40):
        publisher.publish("t", payload(number), 1)
    client.lose()
    again = engine.open(limits=limits)
    again.send(wire.connect("s", V5, False, 0, [(wire.SESSION_EXPIRY, 1000)]))
    assert numbers([m.payload for m in again.receive_all()]) == list(range(40))


def test_answers_still_go_to_a_client_over_the_mark(engine: Engine) -> None:
    client = engine.connect("s", limits=narrow())
    client.subscribe(("t", 0))
    client.take_nothing()
    publisher = engine.connect("p")
    for number in range(50):
        publisher.publish("t", payload(number))
    client.send(wire.pingreq(), wire.publish("other", b"", 1, 9))
    client.take_bytes()
    assert [type(packet).__name__ for packet in client.read()][-2:] == ["Pingresp", "Puback"]


def test_bytes_sent_are_counted_once_however_often_they_are_offered(engine: Engine) -> None:
    client = engine.connect("s", limits=narrow())
    client.subscribe(("t", 0))
    client.read()
    before = engine.counters.bytes_sent
    client.take_nothing()
    engine.connect("p").publish("t", payload(1))
    sent_to_publisher = engine.counters.bytes_sent - before
    for _ in range(SIZE // 10 + 10):
        client.take_bytes(10)
    assert engine.counters.bytes_sent - before - sent_to_publisher == len(wire.publish("t", payload(1)))
    assert client.channel.out_size == 0


def closing_client(engine: Engine) -> Client:
    client = engine.connect("s", limits=narrow(window=50))
    client.subscribe(("t", 1))
    client.take_nothing()
    return client


def test_what_waits_at_the_end_goes_out_before_the_farewell(engine: Engine) -> None:
    client = closing_client(engine)
    engine.connect("p").publish("t", payload(3), 1)
    client.send(wire.connect("again"))
    client.take_bytes()
    packets = client.read()
    assert [type(packet).__name__ for packet in packets] == ["Publish", "Disconnect"]
    assert client.closed
