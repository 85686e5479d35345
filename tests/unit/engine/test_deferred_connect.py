"""Claims, sessions and wills whose operations are written later: each ends, none twice, whatever happens between."""

from __future__ import annotations

import pytest

from rmq.flow.context import STORAGE_FAILED, STORAGE_READY
from tests.support import wire
from tests.support.engine import Client, Engine
from tests.support.packet_notation import V311
from tests.support.wire_parser import Connack, Disconnect, Puback, Publish
from tests.unit.engine.deferred import Deferred
from tests.unit.engine.deferred import port as port


def connecting(
    engine: Engine,
    client_id: str = "s",
    *,
    clean: bool = False,
    expiry: int = 1000,
    will: wire.Will | None = None,
) -> Client:
    """CONNECT is sent; what is answered is up to the journal."""
    client = engine.open()
    properties = [(wire.SESSION_EXPIRY, expiry)] if expiry else []
    client.send(wire.connect(client_id, clean=clean, properties=properties, will=will))
    return client


def connected(port: Deferred, client_id: str = "s", **options: object) -> Client:
    client = connecting(port.engine, client_id, **options)  # type: ignore[arg-type]  # passed on as it came
    port.settle()
    client.take(Connack)
    return client


def watcher(engine: Engine) -> Client:
    """A client without a kept session that is subscribed to wills."""
    client = engine.connect("watcher")
    client.subscribe(("will", 0))
    return client


# Claims


def test_many_connects_of_one_client_id_behind_a_slow_disk(engine: Engine, port: Deferred) -> None:
    clients = [connecting(engine) for _ in range(600)]
    for client in clients[:-1]:
        client.lose()
    port.settle()
    assert clients[-1].take(Connack).code == 0
    assert len(engine.broker.claims) == 0
    assert engine.session("s").channel is clients[-1].channel


def test_each_connect_takes_over_from_the_one_before(engine: Engine, port: Deferred) -> None:
    clients = [connecting(engine) for _ in range(5)]
    port.settle()
    for position, client in enumerate(clients):
        connack, *rest = client.read()
        assert isinstance(connack, Connack) and connack.code == 0 and connack.session_present == (position > 0)
        assert [p.code for p in rest if isinstance(p, Disconnect)] == ([0x8E] if position < 4 else [])
    assert len(engine.broker.claims) == 0
    port.check()


@pytest.mark.parametrize("clean", [False, True])
@pytest.mark.parametrize("expiry", [0, 1000])
def test_a_client_that_leaves_before_its_session_is_there(
    engine: Engine, port: Deferred, clean: bool, expiry: int
) -> None:
    first = connected(port)
    first.lose()
    gone = connecting(engine, clean=clean, expiry=expiry, will=wire.Will("will", b"x"))
    gone.lose()
    watch = watcher(engine)
    port.settle()
    assert len(engine.broker.claims) == 0
    assert watch.read() == []  # it was never connected
    assert engine.has_session("s") == (expiry > 0)
    again = connected(port)
    assert engine.session("s").channel is again.channel
    assert engine.broker.session_count() == 2
    port.check()


def test_bytes_behind_a_connect_are_handled_before_an_error_behind_them(engine: Engine) -> None:
    watch = watcher(engine)
    client = engine.open()
    client.send(wire.connect("c"), wire.publish("will", b"x"), b"\xff\xff\xff\xff\xff")
    assert watch.payloads() == [b"x"]
    assert client.closed


def test_a_connection_that_cannot_be_taken_over_from_is_left_alone(engine: Engine, port: Deferred) -> None:
    first = connected(port)
    engine.broker.ctx.storage = STORAGE_FAILED
    second = connecting(engine)
    assert second.take(Connack).code == 0x88 and second.closed
    assert not first.closed and engine.session("s").channel is first.channel
    first.send(wire.pingreq())
    assert len(first.read()) == 1
    assert len(engine.broker.claims) == 0


def test_a_client_whose_claim_waits_for_a_disk_that_fails_does_not_queue_up(engine: Engine, port: Deferred) -> None:
    first = connecting(engine)
    engine.broker.ctx.storage = STORAGE_FAILED
    again = connecting(engine)
    assert again.take(Connack).code == 0x88
    engine.broker.ctx.storage = STORAGE_READY
    port.settle()
    assert first.take(Connack).code == 0


# The end of a session


def test_the_end_of_a_session_is_told_once(engine: Engine, port: Deferred) -> None:
    told: list[str] = []
    engine.hooks.register("session_terminated", lambda client_id, reason: told.append(client_id), "test")
    first = connected(port)
    first.disconnect(0, [(wire.SESSION_EXPIRY, 0)])
    again = connecting(engine, clean=True)
    port.settle()
    assert again.take(Connack).session_present is False
    assert told == ["s"] and engine.counters.session_terminated == 1


def test_a_session_does_not_expire_before_its_time_while_the_disk_is_slow(engine: Engine, port: Deferred) -> None:
    client = connected(port, expiry=1000)
    client.lose()
    for _ in range(60):
        engine.advance(10)  # the timers come round, and the end of the connection isn't written yet
    port.settle()
    engine.advance(1)
    port.settle()
    assert engine.has_session("s")
    for _ in range(41):
        engine.advance(10)
    port.settle()
    assert not engine.has_session("s")


# Wills


def will_of(seconds: int) -> wire.Will:
    return wire.Will("will", b"x", properties=[(wire.WILL_DELAY, seconds)])


def test_a_delayed_will_that_is_due_before_the_end_of_the_connection_is_written(engine: Engine, port: Deferred) -> None:
    watch = watcher(engine)
    client = connected(port, will=will_of(5))
    client.lose()
    engine.advance(10)
    assert watch.read() == []
    port.settle()
    for _ in range(3):
        engine.advance(1)
        port.settle()
    assert watch.payloads() == [b"x"]
    for _ in range(110):
        engine.advance(10)
        port.settle()
    assert not engine.has_session("s")
    assert watch.read() == []


@pytest.mark.parametrize("clean", [False, True])
@pytest.mark.parametrize("delay", [0, 5])
@pytest.mark.parametrize("written", [False, True])
def test_a_will_and_a_takeover(engine: Engine, port: Deferred, clean: bool, delay: int, written: bool) -> None:
    """[MQTT-3.1.3-9]: the will goes with the session's end, or is not sent when the session goes on."""
    watch = watcher(engine)
    client = connected(port, will=will_of(delay))
    if written:
        client.lose()
        port.settle()
    again = connecting(engine, clean=clean)
    port.settle()
    assert again.take(Connack).code == 0
    for _ in range(3):
        engine.advance(10)
        port.settle()
    assert watch.payloads() == ([b"x"] if delay == 0 or clean else [])
    again.lose()
    for _ in range(120):
        engine.advance(10)
        port.settle()
    assert watch.read() == []
    port.check()


def test_a_will_is_published_once_after_a_crash(engine: Engine, port: Deferred) -> None:
    connected(port, will=wire.Will("will", b"1", 1))
    connected(port, "d", will=wire.Will("will", b"2", 1, properties=[(wire.WILL_DELAY, 5)]))
    kept = connected(port, "kept")
    kept.send(wire.subscribe(1, [("will", 1)]))
    port.settle()
    after = port.crash().crash().crash()
    after.engine.advance(10)
    after.settle()
    twice = after.crash()
    again = twice.engine.open()
    again.send(wire.connect("kept", clean=False, properties=[(wire.SESSION_EXPIRY, 1000)]))
    twice.settle()
    assert [p.payload for p in again.read() if isinstance(p, Publish)] == [b"1", b"2"]


# Receive Maximum


def test_receive_maximum_with_answers_that_wait_for_the_disk(engine: Engine, port: Deferred) -> None:
    """A QoS 2 message counts once, also while it is applied and its PUBREC isn't sent yet."""
    engine.limits.ack_policy = 2
    engine.limits.receive_maximum = 2
    client = connected(port)
    client.send(wire.publish("t", b"1", 2, 1))
    port.write(sync=False)
    client.send(wire.publish("t", b"2", 2, 2))
    port.write(sync=False)
    assert client.read() == [] and not client.closed
    port.write()
    assert len(client.read()) == 2
    client.send(wire.publish("t", b"3", 2, 3))
    assert client.closed


def test_mqtt_3_knows_no_receive_maximum(engine: Engine, port: Deferred) -> None:
    engine.limits.receive_maximum = 2
    kept = connected(port)
    kept.send(wire.subscribe(1, [("t", 1)]))
    port.settle()
    client = engine.connect("p", V311)
    client.send(*(wire.publish("t", b"x", 1, number, level=V311) for number in range(1, 11)))
    assert not client.closed
    port.settle()
    assert [p.packet_id for p in client.read() if isinstance(p, Puback)] == list(range(1, 11))
