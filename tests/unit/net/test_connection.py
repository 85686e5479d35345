"""One connection over a socket that does what the test says: pieces, errors, byte layers, and how it ends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rmq.net.connection import READ_SIZE
from rmq.net.layers import BROKEN, ByteLayer, LayerError
from rmq.session.channel import CLOSED, CLOSING
from tests.support import wire
from tests.support.engine import Client, Engine
from tests.support.wire_parser import Connack, Disconnect, Pingresp, Publish


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = Engine()
    yield made
    assert made.counters.internal_errors == made.expected_bugs


def fail_with(client: Client, monkeypatch: pytest.MonkeyPatch, method: str, error: OSError) -> None:
    def raise_it(*args: object) -> bytes:
        raise error

    monkeypatch.setattr(client.sock, method, raise_it)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_a_stream_in_pieces_is_the_same_stream(engine: Engine, size: int) -> None:
    client = engine.open()
    stream = wire.connect("a") + wire.subscribe(1, [("t", 0)]) + wire.publish("t", bytes(300)) + wire.pingreq()
    for at in range(0, len(stream), size):
        client.send(stream[at : at + size])
    assert [type(packet).__name__ for packet in client.read()] == ["Connack", "Suback", "Publish", "Pingresp"]


@pytest.mark.parametrize("room", [1, 3, 1000])
def test_what_the_socket_takes_in_pieces_is_sent_once(engine: Engine, room: int) -> None:
    client = engine.connect("a")
    client.subscribe(("t", 0))
    client.take_nothing()
    publisher = engine.connect("p")
    for number in range(20):
        publisher.publish("t", b"%d" % number)
    assert client.connection.wants_write
    for _ in range(500):
        if not client.connection.wants_write:
            break
        client.take_bytes(room)
    client.take_bytes()
    assert client.payloads() == [b"%d" % number for number in range(20)]
    assert not client.connection.wants_write and client.channel.out_size == 0


def test_a_turn_is_one_send(engine: Engine) -> None:
    client = engine.connect("a")
    client.subscribe(("t", 0))
    before = client.sock.sends
    client.send(*[wire.publish("t", b"x")] * 50, wire.pingreq())
    assert len(client.read()) == 51
    assert client.sock.sends == before + 1


def test_one_read_takes_at_most_so_much(engine: Engine) -> None:
    client = engine.connect("a")
    asked: list[int] = []
    receive = client.sock.recv

    def recv(size: int, /) -> bytes:
        asked.append(size)
        return receive(size)

    client.sock.recv = recv  # type: ignore[method-assign]
    client.send(wire.publish("t", bytes(300_000)))
    assert set(asked) == {READ_SIZE}


@pytest.mark.parametrize(
    "error", [ConnectionResetError(104, "reset"), TimeoutError(110, "timed out"), OSError(5, "I/O")]
)
def test_an_error_of_the_socket_ends_one_connection(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    other = engine.connect("other")
    for method in ("recv", "send"):
        client = engine.connect("a", expiry=100)
        fail_with(client, monkeypatch, method, error)
        client.send(wire.pingreq())
        assert client.sock.closed and client.channel.state == CLOSED
        assert engine.has_session("a")
        assert engine.broker.registry.get("a") is None
    assert engine.counters.connections_lost == 2
    other.send(wire.pingreq())
    assert other.take(Pingresp) == Pingresp()


@pytest.mark.parametrize("error", [BlockingIOError(), InterruptedError()])
def test_not_now_is_no_error(engine: Engine, monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    client = engine.connect("a")
    with monkeypatch.context() as patch:
        fail_with(client, patch, "recv", error)
        client.connection.on_readable()
        fail_with(client, patch, "send", error)
        engine.broker.ctx.send(client.channel, b"\xd0\x00")
        engine.turn()
    assert client.connection.wants_write
    client.take_bytes()
    assert client.take(Pingresp) == Pingresp()


def test_the_end_of_the_stream_is_the_end_of_the_connection(engine: Engine) -> None:
    client = engine.connect("a")
    client.sock.incoming.append(b"")
    engine.turn()
    assert client.sock.closed
    assert engine.counters.connections_lost == 1


def test_after_the_farewell_input_is_read_and_forgotten(engine: Engine) -> None:
    client = engine.connect("a")
    client.send(wire.connect("again"))
    assert client.take(Disconnect).code == 0x82
    assert client.sock.shut and not client.sock.closed
    received = engine.counters.packets_publish_received
    client.send(wire.publish("t"), wire.publish("t"))
    assert client.sock.incoming == [] and engine.counters.packets_publish_received == received
    client.sock.incoming.append(b"")
    engine.turn()
    assert client.sock.closed
    assert engine.counters.connections_lost == 0


def test_a_shutdown_that_fails_closes(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    client = engine.connect("a")
    fail_with(client, monkeypatch, "shutdown", OSError(107, "not connected"))
    client.send(wire.connect("again"))
    assert client.sock.closed


def test_with_nothing_left_to_say_it_closes_at_once(engine: Engine) -> None:
    client = engine.connect("a")
    client.disconnect()
    assert client.sock.closed


def test_a_closed_connection_forgets_and_is_forgotten(engine: Engine) -> None:
    client = engine.connect("a")
    connection = client.connection
    client.lose()
    assert connection.channel is None and connection.fd == -1
    assert engine.connections == []
    # Late calls find nothing to do.
    connection.close()
    connection.flush()
    connection.on_writable()
    connection.resume_reading()
    connection.abort()


class Masking(ByteLayer):
    """Every byte is inverted on the wire; a 0 from the wire is answered with a 1; a 2 breaks the layer."""

    def __init__(self) -> None:
        super().__init__()
        self._pending = b""

    def receive(self, data: bytes) -> bytes:
        if data == b"\x02":
            raise LayerError(BROKEN, "bad layer")
        if data == b"\x00":
            self._pending = b"\x01"
            return b""
        return masked(data)

    def send(self, data: bytes) -> bytes:
        return masked(data)

    def take_pending(self) -> bytes:
        pending, self._pending = self._pending, b""
        return pending


class Framing(ByteLayer):
    """One byte in front of whatever passes, on both ways; a "?" in place of it is answered with "!"."""

    def __init__(self) -> None:
        super().__init__()
        self._pending = b""

    def receive(self, data: bytes) -> bytes:
        if data == b"?":
            self._pending = b"!"
            return b""
        assert data[:1] in (b">", b"")
        return data[1:]

    def take_pending(self) -> bytes:
        pending, self._pending = self._pending, b""
        return pending

    def send(self, data: bytes) -> bytes:
        return b"<" + data


def masked(data: bytes) -> bytes:
    return bytes(byte ^ 0xFF for byte in data)


@pytest.fixture
def layered(engine: Engine) -> Client:
    """A connection that masks outside and frames inside."""
    client = engine.open()
    client.connection.layers = [Masking(), Framing()]
    return client


def test_layers_are_passed_inwards_and_outwards(layered: Client) -> None:
    layered.send(masked(b">" + wire.connect("a")))
    answer = masked(bytes(layered.sock.received))
    layered.sock.received[:] = answer[1:]
    assert answer[:1] == b"<"
    assert layered.take(Connack).code == 0


def test_a_layers_own_bytes_go_out_at_once(layered: Client) -> None:
    layered.send(b"\x00")
    assert bytes(layered.sock.received) == b"\x01"


def test_an_inner_layers_own_bytes_pass_the_outer_ones(layered: Client) -> None:
    # A WebSocket's pong inside TLS must not go out in the clear.
    layered.send(masked(b"?"))
    assert bytes(layered.sock.received) == masked(b"!")


def test_a_layers_own_bytes_wait_their_turn(engine: Engine, layered: Client) -> None:
    layered.send(masked(b">" + wire.connect("a")))
    layered.sock.received.clear()
    layered.take_nothing()
    layered.send(masked(b">" + wire.pingreq()))
    layered.send(b"\x00")
    layered.take_bytes()
    assert bytes(layered.sock.received) == masked(b"<\xd0\x00") + b"\x01"
    assert layered.channel.out_size == 0


def test_a_broken_layer_ends_the_connection(engine: Engine, layered: Client) -> None:
    layered.send(b"\x02")
    assert layered.sock.closed


def test_an_exception_in_a_flush_costs_one_connection(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    # A bug anywhere below must not take the other receivers of the same turn along, nor leave a connection behind.
    bad, good = engine.connect("bad"), engine.connect("good")
    for client in (bad, good):
        client.subscribe(("t", 0))

    def broken(data: bytes, /) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(bad.sock, "send", broken)
    engine.connect("p").publish("t", b"x")
    assert good.take(Publish).payload == b"x"
    assert bad.channel.state >= CLOSING
    engine.advance(5)
    assert bad.sock.closed
    engine.expected_bugs = engine.counters.internal_errors
    assert engine.expected_bugs >= 1
