"""When a connection ends by time: handshake, keep alive, and a peer that doesn't take its last bytes."""

from __future__ import annotations

import pytest

from rmq.hooks.verdicts import ALLOW, AuthRequest, AuthResult
from tests.support import wire
from tests.support.engine import Client, Engine
from tests.support.packet_notation import V5, V311
from tests.support.wire_parser import Connack, Disconnect, Pingresp


def step(engine: Engine, seconds: float) -> None:
    """Pass time as a node does, tick by tick."""
    for _ in range(round(seconds * 10)):
        engine.advance(0.1)


@pytest.mark.parametrize("sent", [b"", wire.connect("a")[:5]])
def test_a_handshake_that_takes_too_long_is_ended(engine: Engine, sent: bytes) -> None:
    engine.limits.handshake_timeout_s = 5.0
    client = engine.open()
    if sent:
        client.send(sent)
    step(engine, 4.9)
    assert not client.closed
    step(engine, 0.4)
    assert client.closed
    assert engine.counters.client_handshaking_timeout == 1
    assert engine.counters.client_disconnected == 0


def test_a_handshake_may_be_given_more_time_than_the_wheel_looks_ahead(engine: Engine) -> None:
    engine.limits.handshake_timeout_s = 600.0
    client = engine.open()
    step(engine, 310)
    client.send(wire.connect("a"))
    assert client.take(Connack).code == 0


def test_a_finished_handshake_has_no_timeout(engine: Engine) -> None:
    engine.limits.handshake_timeout_s = 5.0
    client = engine.connect("a")
    step(engine, 20)
    assert not client.closed


@pytest.mark.parametrize("level", [V311, V5])
def test_one_and_a_half_keep_alive_times_of_silence_end_a_connection(engine: Engine, level: int) -> None:
    client = engine.connect("a", level, keep_alive=10)
    step(engine, 14.9)
    assert not client.closed
    step(engine, 0.4)
    assert client.closed
    if level == V5:
        assert client.take(Disconnect).code == 0x8D
    assert engine.counters.keepalive_timeouts == 1
    assert engine.counters.connections_lost == 0


def test_any_packet_counts_as_a_sign_of_life(engine: Engine) -> None:
    client = engine.connect("a", keep_alive=10)
    packets = [wire.pingreq(), wire.publish("t"), wire.subscribe(1, [("t", 0)]), wire.puback(9), wire.pingreq()]
    for packet in packets:
        step(engine, 14)
        client.send(packet)
        assert not client.closed
    client.read()
    step(engine, 15.3)
    assert client.closed


def test_half_a_packet_is_a_sign_of_life(engine: Engine) -> None:
    client = engine.connect("a", keep_alive=10)
    publish = wire.publish("t", b"x" * 100)
    for at in range(0, 60, 10):
        step(engine, 14)
        client.send(publish[at : at + 10])
        assert not client.closed


def test_what_the_server_sends_is_none(engine: Engine) -> None:
    client = engine.connect("a", keep_alive=10)
    client.subscribe(("t", 0))
    publisher = engine.connect("p")
    for _ in range(16):
        step(engine, 1)
        publisher.publish("t", b"x")
    assert client.closed


@pytest.mark.parametrize("level", [V311, V5])
def test_keep_alive_zero_is_for_ever(engine: Engine, level: int) -> None:
    client = engine.connect("a", level, keep_alive=0)
    engine.advance(1_000_000)
    assert not client.closed


def test_the_keep_alive_that_the_server_sets_is_the_one_in_force(engine: Engine) -> None:
    engine.limits.max_keepalive = 10
    engine.limits.allow_zero_keepalive = False
    client = engine.connect("a", keep_alive=0)
    assert client.connack is not None and client.connack.get(wire.SERVER_KEEP_ALIVE) == 10
    step(engine, 15.3)
    assert client.closed


def test_the_listener_sets_how_patient_it_is(engine: Engine) -> None:
    engine.limits.keepalive_backoff = 1.5
    client = engine.connect("a", keep_alive=10)
    step(engine, 29.9)
    assert not client.closed
    step(engine, 0.4)
    assert client.closed


def test_the_timer_goes_with_the_connection(engine: Engine) -> None:
    for _ in range(10):
        engine.connect("a", keep_alive=10).disconnect()
        engine.connect("b", keep_alive=10).lose()
    assert not engine.broker.keepalive_timers
    step(engine, 2.2)  # what bounds the closing of the disconnected ones
    assert len(engine.broker.timers) == 0


def closing(engine: Engine) -> Client:
    """A connection that the server has ended and whose peer takes nothing."""
    client = engine.connect("a", expiry=100)
    client.take_nothing()
    client.send(wire.publish("bad/+"))
    assert client.channel.session is None
    return client


def test_a_peer_that_does_not_take_its_last_bytes_is_cut_off(engine: Engine) -> None:
    client = closing(engine)
    step(engine, 1.8)
    assert not client.sock.closed
    step(engine, 0.5)
    assert client.sock.closed
    assert engine.connections == []


def test_a_peer_that_takes_them_late_still_gets_them(engine: Engine) -> None:
    client = closing(engine)
    step(engine, 1)
    client.take_bytes()
    assert client.take(Disconnect).code == 0x90
    assert client.sock.shut and not client.sock.closed
    step(engine, 2)
    assert client.sock.closed


def test_nothing_that_comes_behind_an_error_is_handled(engine: Engine) -> None:
    watcher = engine.connect("w")
    watcher.subscribe(("#", 0))
    client = engine.connect("a")
    client.send(wire.publish("one"), wire.publish("bad/+"), wire.publish("two"), wire.pingreq())
    client.send(wire.publish("three"))
    client.take(Disconnect)
    assert [getattr(p, "topic", None) for p in watcher.read()] == ["one"]


def test_the_session_is_free_while_the_old_connection_still_closes(engine: Engine) -> None:
    old = closing(engine)
    new = engine.connect("a", clean=False, expiry=100)
    assert new.connack is not None and new.connack.session_present
    step(engine, 3)
    assert old.sock.closed and not new.closed
    new.send(wire.pingreq())
    assert new.take(Pingresp) == Pingresp()


@pytest.mark.parametrize("end", ["keep alive", "takeover", "protocol error", "disconnect"])
def test_a_peer_that_has_not_read_for_long_is_cut_off_as_well(engine: Engine, end: str) -> None:
    # Bytes wait for the socket already when the end comes: they must not keep the connection for ever.
    client = engine.connect("a", keep_alive=10)
    client.subscribe(("t", 0))
    client.take_nothing()
    publisher = engine.connect("p")
    publisher.publish("t", bytes(1000))
    assert client.connection.wants_write
    if end == "keep alive":
        engine.advance(15.2)
    elif end == "takeover":
        engine.connect("a")
    else:
        client.send(wire.disconnect() if end == "disconnect" else wire.connect("a"))
    assert not client.sock.closed
    step(engine, 2.3)
    assert client.sock.closed
    assert client.connection not in engine.connections


def logins_last(engine: Engine, seconds: float) -> None:
    def handle(request: AuthRequest) -> AuthResult:
        return AuthResult(ALLOW, expires_at=engine.broker.ctx.now + seconds if seconds else 0.0)

    engine.hooks.register("client_authenticate", handle, "test")


@pytest.mark.parametrize("level", [V311, V5])
def test_a_connection_ends_with_what_its_client_has_proved(engine: Engine, level: int) -> None:
    logins_last(engine, 20.0)
    client = engine.connect("a", level)
    step(engine, 19.9)
    assert not client.closed
    step(engine, 0.4)
    assert client.closed and engine.counters.logins_ended == 1
    if level == V5:
        assert client.take(Disconnect).code == 0xA0


def test_a_login_without_an_end_has_no_timer(engine: Engine) -> None:
    logins_last(engine, 0.0)
    client = engine.connect("a")
    assert not engine.broker.login_timers
    step(engine, 400)
    assert not client.closed


def test_the_timer_of_a_login_ends_with_the_connection(engine: Engine) -> None:
    logins_last(engine, 20.0)
    engine.connect("a").send(wire.disconnect())
    assert not engine.broker.login_timers
    step(engine, 30)
    assert engine.counters.logins_ended == 0
