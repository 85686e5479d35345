"""Publishers that wait because nothing can be stored: each has a time of its own, and nothing is left of it."""

from __future__ import annotations

from rmq.flow.context import STORAGE_FAILED, STORAGE_HELD, STORAGE_READY
from tests.support import wire
from tests.support.engine import Engine
from tests.support.wire_parser import Puback


def test_waiting_again_and_again_leaves_no_timers(engine: Engine) -> None:
    client = engine.connect("p")
    before = len(engine.broker.timers)
    for number in range(1, 101):
        engine.broker.ctx.storage = STORAGE_HELD
        client.send(wire.publish("t", b"x", 1, number, True))
        assert client.read() == [] and len(engine.broker.timers) == before + 1
        engine.broker.ctx.storage = STORAGE_READY
        engine.broker.storage_waits.go_on()
        engine.turn()
        assert client.take(Puback).packet_id == number
    assert len(engine.broker.timers) == before


def test_a_new_wait_has_its_full_time(engine: Engine) -> None:
    client = engine.connect("p", 4)
    engine.broker.ctx.storage = STORAGE_HELD
    client.send(wire.publish("t", b"x", 1, 1, True, level=4))
    engine.advance(4)
    engine.broker.ctx.storage = STORAGE_READY
    engine.broker.storage_waits.go_on()
    engine.broker.ctx.storage = STORAGE_FAILED
    client.send(wire.publish("t", b"x", 1, 2, True, level=4))
    engine.advance(2)
    assert not client.closed
    engine.advance(4)
    assert client.closed
