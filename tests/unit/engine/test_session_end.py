"""How long a session lives: expiry intervals of both versions, resumption, clean start, taking over, the cap."""

from __future__ import annotations

import pytest

from rmq.engine.broker import BrokerOptions
from tests.support import wire
from tests.support.engine import Engine
from tests.support.packet_notation import V5, V31, V311
from tests.support.wire_parser import Connack, Disconnect

NEVER = 0xFFFF_FFFF


def present(engine: Engine, client_id: str, level: int = V5, expiry: int | None = 100) -> bool:
    """Whether a session is there to be resumed."""
    connack = engine.connect(client_id, level, clean=False, expiry=expiry if level == V5 else None).connack
    assert connack is not None
    return connack.session_present


@pytest.mark.parametrize(("later", "kept"), [(0.0, True), (9.8, True), (10.3, False), (500.0, False)])
def test_a_session_is_kept_for_its_expiry_interval(engine: Engine, later: float, kept: bool) -> None:
    engine.connect("a", expiry=10).lose()
    engine.advance(later)
    assert engine.has_session("a") is kept
    assert engine.counters.session_expired == (0 if kept else 1)
    assert present(engine, "a") is kept


def test_the_interval_begins_when_the_connection_ends(engine: Engine) -> None:
    client = engine.connect("a", expiry=10)
    engine.advance(1000)
    client.lose()
    engine.advance(9)
    assert present(engine, "a")


def test_each_connection_begins_it_anew(engine: Engine) -> None:
    engine.connect("a", expiry=10).lose()
    engine.advance(9)
    engine.connect("a", clean=False, expiry=10).lose()
    engine.advance(9)
    assert engine.has_session("a")
    engine.advance(1.3)
    assert not engine.has_session("a")


def test_resuming_stops_the_old_timer(engine: Engine) -> None:
    engine.connect("a", expiry=10).lose()
    client = engine.connect("a", clean=False, expiry=10)
    for _ in range(30):
        engine.advance(1)
    assert not client.closed
    assert not engine.broker.session_timers


def test_an_interval_of_hours_outlasts_the_wheel(engine: Engine) -> None:
    engine.connect("a", expiry=7200).lose()
    for _ in range(7199):
        engine.advance(1)
    assert engine.has_session("a")
    engine.advance(1.3)
    assert not engine.has_session("a")


def test_the_largest_interval_never_ends(engine: Engine) -> None:
    engine.connect("a", expiry=NEVER).lose()
    engine.advance(NEVER + 1000.0)
    assert present(engine, "a")


@pytest.mark.parametrize("expiry", [None, 0])
def test_without_an_interval_the_session_ends_with_its_connection(engine: Engine, expiry: int | None) -> None:
    client = engine.connect("a", expiry=expiry)
    client.subscribe(("t", 1))
    client.lose()
    assert not engine.has_session("a")
    assert engine.broker.ctx.router.subscription_count == 0
    assert engine.counters.session_terminated == 1
    assert engine.counters.session_expired == 0


def test_a_disconnect_may_shorten_it(engine: Engine) -> None:
    engine.connect("a", expiry=1000).disconnect(0, [(wire.SESSION_EXPIRY, 5)])
    engine.advance(4.9)
    assert engine.has_session("a")
    engine.advance(0.5)
    assert not engine.has_session("a")


def test_a_disconnect_may_end_it_at_once(engine: Engine) -> None:
    engine.connect("a", expiry=1000).disconnect(0, [(wire.SESSION_EXPIRY, 0)])
    assert not engine.has_session("a")


def test_a_disconnect_may_not_bring_it_to_life(engine: Engine) -> None:
    client = engine.connect("a", expiry=0)
    client.disconnect(0, [(wire.SESSION_EXPIRY, 10)])
    assert client.take(Disconnect).code == 0x82
    assert not engine.has_session("a")


def test_the_listener_caps_what_clients_ask_for(engine: Engine) -> None:
    engine.limits.max_session_expiry_interval = 60
    client = engine.connect("a", expiry=NEVER)
    assert client.connack is not None and client.connack.get(wire.SESSION_EXPIRY) == 60
    client.disconnect(0, [(wire.SESSION_EXPIRY, 10_000)])
    engine.advance(59)
    assert engine.has_session("a")
    engine.advance(1.3)
    assert not engine.has_session("a")


@pytest.mark.parametrize("level", [V31, V311])
def test_an_older_client_without_clean_session_gets_the_listeners_interval(engine: Engine, level: int) -> None:
    engine.limits.session_expiry_interval = 30
    engine.connect("a", level, clean=False).lose()
    engine.advance(29)
    assert engine.has_session("a")
    engine.advance(1.3)
    assert not engine.has_session("a")


@pytest.mark.parametrize("level", [V31, V311, V5])
def test_a_clean_start_discards_what_was_kept(engine: Engine, level: int) -> None:
    client = engine.connect("a", level, clean=False, expiry=50 if level == V5 else None)
    client.subscribe(("t", 1))
    client.lose()
    again = engine.connect("a", level, clean=True)
    assert again.connack is not None and not again.connack.session_present
    assert engine.broker.ctx.router.subscription_count == 0
    again.lose()
    assert not engine.has_session("a")
    assert not engine.broker.session_timers


def test_a_session_may_change_the_protocol_version(engine: Engine) -> None:
    old = engine.connect("a", V311, clean=False)
    old.subscribe(("t", 1))
    old.lose()
    engine.connect("p").publish("t", b"kept", 1)
    new = engine.open(V5)
    new.send(wire.connect("a", V5, False, 0, [(wire.SESSION_EXPIRY, 10)]))
    connack, publish = new.read()
    assert isinstance(connack, Connack) and connack.session_present
    assert getattr(publish, "payload", None) == b"kept"


def test_taking_over_closes_the_old_connection_with_a_reason(engine: Engine) -> None:
    old = engine.connect("a", expiry=100)
    old.subscribe(("t", 1))
    new = engine.connect("a", clean=False, expiry=100)
    assert old.take(Disconnect).code == 0x8E
    assert old.closed and not new.closed
    assert new.connack is not None and new.connack.session_present
    assert engine.counters.takeovers == 1
    engine.connect("p").publish("t", b"x", 1)
    assert [p.payload for p in new.receive_all()] == [b"x"]


def test_what_was_in_flight_comes_again_after_a_takeover(engine: Engine) -> None:
    old = engine.connect("a", expiry=100)
    old.subscribe(("t", 2))
    publisher = engine.connect("p")
    publisher.publish("t", b"1", 1)
    publisher.publish("t", b"2", 2)
    first = old.read()
    new = engine.open()
    new.send(wire.connect("a", V5, False, 0, [(wire.SESSION_EXPIRY, 100)]))
    again = new.receive_all()
    assert [(p.payload, p.dup) for p in again] == [(b"1", True), (b"2", True)]
    assert [p.packet_id for p in again] == [getattr(p, "packet_id", None) for p in first]


@pytest.mark.parametrize("level", [V311, V5])
def test_a_client_that_ends_by_takeover_is_closed_in_its_own_version(engine: Engine, level: int) -> None:
    old = engine.connect("a", level)
    new = engine.connect("a", V311)
    packets = old.read()
    assert len(packets) == (1 if level == V5 else 0)
    assert old.closed and not new.closed


def test_a_takeover_of_a_transient_session_leaves_nothing_of_it(engine: Engine) -> None:
    old = engine.connect("a")
    old.subscribe(("t", 1))
    new = engine.connect("a", clean=False)
    assert new.connack is not None and not new.connack.session_present
    assert engine.connect("p").publish("t", b"x", 1) == 0x10
    assert engine.counters.session_terminated == 1
    assert new.read() == []


def test_the_cap_counts_sessions_with_and_without_a_connection() -> None:
    options = BrokerOptions()
    options.max_sessions = 2
    engine = Engine(options)
    engine.connect("kept", expiry=10).lose()
    live = engine.connect("live")
    engine.connect("third", code=0x97)
    assert engine.connect("third", V311, code=3).closed
    # Its own place is free for each of them:
    assert present(engine, "kept", expiry=10)
    taken = engine.connect("live")
    assert live.closed and not taken.closed
    taken.disconnect()
    assert not engine.connect("third").closed
    engine.connect("fourth", code=0x97)


def test_room_is_made_by_expiry() -> None:
    options = BrokerOptions()
    options.max_sessions = 1
    engine = Engine(options)
    engine.connect("a", expiry=10).lose()
    engine.connect("b", code=0x97)
    engine.advance(10.3)
    assert not engine.connect("b").closed
