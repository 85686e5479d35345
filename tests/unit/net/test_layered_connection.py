"""A connection with real layers over a socket that does what the test says: how they open, carry, and end."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest
from websockets.frames import Close, Frame, Opcode

from rmq.net.layers import ByteLayer
from rmq.net.proxy_protocol import ProxyProtocolLayer
from rmq.net.tls import TlsLayer, server_context
from rmq.net.websocket import WebSocketLayer
from rmq.session.channel import CLOSED, CLOSING
from tests.support import wire
from tests.support.certificates import Certificates
from tests.support.client_end import ClientEnd
from tests.support.engine import Engine
from tests.support.wire_parser import Connack, Disconnect, Packet, Pingresp, Publish

PROXY_HEADER = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 1883\r\n"
MAX_FRAME = 1_048_576
STACKS = ["tls", "ws", "wss", "proxy", "proxy+tls", "proxy+wss"]
P = TypeVar("P", bound=Packet)
each_stack = pytest.mark.parametrize("kind", STACKS)


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = Engine()
    yield made
    assert made.counters.internal_errors == made.expected_bugs


class Layered:
    """A client of the engine and its end of the layers."""

    def __init__(self, engine: Engine, certificates: Certificates, kind: str) -> None:
        self.client = engine.open()
        self.sock = self.client.sock
        layers: list[ByteLayer] = []
        context: ssl.SSLContext | None = None
        if "proxy" in kind:
            layers.append(ProxyProtocolLayer())
        if "tls" in kind or "wss" in kind:
            pair = certificates.authority.server
            layers.append(TlsLayer(server_context(pair.certfile, pair.keyfile, None, "none")))
            context = certificates.client_context()
        if "ws" in kind:
            layers.append(WebSocketLayer("/mqtt", MAX_FRAME))
        self.client.connection.layers = layers
        header = PROXY_HEADER if "proxy" in kind else b""
        self.end = ClientEnd(header, context, "/mqtt" if "ws" in kind else "")

    def send(self, *packets: bytes) -> None:
        self.send_raw(self.end.pack(b"".join(packets)))

    def send_raw(self, data: bytes) -> None:
        """Bytes as they are on the wire, in one read; then what the layers say to each other."""
        while data:
            self.client.send(data)
            data = self.hear()

    def hear(self) -> bytes:
        """Take what the broker has sent; returns the layers' answer."""
        data = bytes(self.sock.received)
        self.sock.received.clear()
        return self.end.feed(data)

    def open(self) -> None:
        self.send_raw(self.end.start())

    def connect(self, client_id: str = "a") -> None:
        self.open()
        self.send(wire.connect(client_id))
        assert self.take(Connack).code == 0

    def read(self) -> list[Packet]:
        """MQTT packets that came; the engine's client knows how to take them apart."""
        self.hear()
        self.sock.received += self.end.received
        self.end.received.clear()
        return self.client.read()

    def take(self, kind: type[P]) -> P:
        packets = self.read()
        assert len(packets) == 1 and isinstance(packets[0], kind), packets
        return packets[0]


Opener = Callable[[str], Layered]


@pytest.fixture
def layered(engine: Engine, certificates: Certificates) -> Opener:
    """A client with the layers that are named."""

    def make(kind: str) -> Layered:
        return Layered(engine, certificates, kind)

    return make


# Open and carry


@each_stack
def test_a_client_is_served_through_layers(engine: Engine, layered: Opener, kind: str) -> None:
    client = layered(kind)
    client.connect()
    client.send(wire.subscribe(1, [("t", 0)]))
    client.read()
    payload = bytes(range(256)) * 1000
    engine.connect("p").publish("t", payload)
    assert client.take(Publish).payload == payload
    client.send(wire.pingreq())
    assert client.take(Pingresp) == Pingresp()


@each_stack
def test_what_is_counted_is_what_was_on_the_wire(engine: Engine, layered: Opener, kind: str) -> None:
    client = layered(kind)
    received = sent = 0
    data = client.end.start()
    for packet in (b"", wire.connect("a"), wire.pingreq()):
        data += client.end.pack(packet) if packet else b""
        while data:
            received += len(data)
            client.client.send(data)
            sent += len(client.sock.received)
            data = client.hear()
    assert (engine.counters.bytes_received, engine.counters.bytes_sent) == (received, sent)


@pytest.mark.parametrize("kind", ["wss", "proxy+wss"])
@pytest.mark.parametrize("size", [1, 7, 100])
def test_a_stream_in_pieces_is_the_same_stream(layered: Opener, kind: str, size: int) -> None:
    client = layered(kind)
    data = client.end.start()
    for packet in (b"", wire.connect("a"), wire.subscribe(1, [("t", 0)]) + wire.publish("t", bytes(300))):
        data += client.end.pack(packet) if packet else b""
        while data:
            for at in range(0, len(data), size):
                client.client.send(data[at : at + size])
            data = client.hear()
    assert [type(packet).__name__ for packet in client.read()] == ["Connack", "Suback", "Publish"]


def test_one_turn_is_one_frame_and_one_send(layered: Opener) -> None:
    client = layered("wss")
    client.connect()
    client.send(wire.subscribe(1, [("t", 0)]))
    client.read()
    frames, sends = len(client.end.frames), client.sock.sends
    client.send(*[wire.publish("t", b"x")] * 50, wire.pingreq())
    assert len(client.read()) == 51
    assert (len(client.end.frames), client.sock.sends) == (frames + 1, sends + 1)


def test_a_proxys_word_for_the_address_is_there_when_the_client_is(layered: Opener) -> None:
    client = layered("proxy+tls")
    client.connect()
    layers = client.client.connection.layers
    assert layers is not None
    assert [layer.source for layer in layers] == [("192.0.2.1", 56_324), None]


@pytest.mark.parametrize("kind", ["tls", "ws", "wss"])
@pytest.mark.parametrize("room", [1, 50, 10_000])
def test_what_the_socket_takes_in_pieces_is_sent_once(engine: Engine, layered: Opener, kind: str, room: int) -> None:
    client = layered(kind)
    client.connect()
    client.send(wire.subscribe(1, [("t", 0)]))
    client.read()
    client.client.take_nothing()
    publisher = engine.connect("p")
    for number in range(20):
        publisher.publish("t", b"%d" % number)
    while client.client.connection.wants_write:
        client.client.take_bytes(room)
        client.hear()
    payloads = [packet.payload for packet in client.read() if isinstance(packet, Publish)]
    assert payloads == [b"%d" % number for number in range(20)]
    assert client.client.channel.out_size == 0


def test_a_handshake_that_the_socket_takes_in_pieces(layered: Opener) -> None:
    client = layered("wss")
    client.client.take_nothing()
    client.client.send(client.end.start())
    to_server = b""
    while client.client.connection.wants_write:
        client.client.take_bytes(100)
        to_server += client.hear()
    client.client.take_bytes()
    client.send_raw(to_server)
    client.send(wire.connect("a"))
    assert client.take(Connack).code == 0


# Answers of the layers


def test_a_ping_is_answered_at_once(layered: Opener) -> None:
    client = layered("wss")
    client.connect()
    client.send_raw(client.end.frame(Opcode.PING, b"hello"))
    assert client.end.frames[-1] == Frame(Opcode.PONG, b"hello")


def test_pings_of_a_client_that_does_not_read_pile_up_nothing(layered: Opener) -> None:
    client = layered("wss")
    client.connect()
    client.client.take_nothing()
    client.send(wire.pingreq())
    waiting = client.client.channel.out_size
    assert waiting > 0
    for number in range(1000):
        client.client.send(client.end.frame(Opcode.PING, b"%d" % number))
    assert client.client.channel.out_size == waiting
    client.client.take_bytes()
    assert client.take(Pingresp) == Pingresp()
    assert client.end.frames[-1] == Frame(Opcode.PONG, b"999")
    assert not client.client.connection.wants_write and client.client.channel.out_size == 0


def test_pings_do_not_keep_a_client_alive(engine: Engine, layered: Opener) -> None:
    # [MQTT-3.1.2-22] is about MQTT packets.
    client = layered("ws")
    client.open()
    client.send(wire.connect("a", keep_alive=10))
    for _ in range(4):
        client.send_raw(client.end.frame(Opcode.PING, b""))
        engine.advance(5)
    engine.turn()
    assert engine.counters.keepalive_timeouts == 1 and client.sock.shut


# The end


@pytest.mark.parametrize("kind", ["tls", "ws", "wss", "proxy+wss"])
def test_the_brokers_end_is_said_in_every_layer(engine: Engine, layered: Opener, kind: str) -> None:
    client = layered(kind)
    client.connect()
    client.send(wire.connect("again"))
    assert client.take(Disconnect).code == 0x82
    assert client.sock.shut and not client.sock.closed
    if client.end.tls is not None:
        assert client.end.tls.ended
    if "ws" in kind:
        assert client.end.close_frame == Close(1000, "")
    received = engine.counters.bytes_received
    client.client.send(b"whatever comes now")
    assert engine.counters.bytes_received == received
    client.sock.incoming.append(b"")
    engine.turn()
    assert client.sock.closed


@pytest.mark.parametrize("kind", ["tls", "ws", "wss"])
def test_a_disconnect_is_answered_by_the_end_of_the_layers(engine: Engine, layered: Opener, kind: str) -> None:
    client = layered(kind)
    client.connect()
    client.send_raw(client.end.pack(wire.disconnect()) + client.end.close())
    assert client.sock.shut and client.client.channel.state >= CLOSING
    assert client.end.tls is None or client.end.tls.ended
    assert engine.counters.connections_closed_by_client == 1 and engine.counters.connections_lost == 0


@pytest.mark.parametrize("kind", ["tls", "ws", "wss"])
def test_the_end_of_a_layer_without_disconnect_is_a_lost_connection(engine: Engine, layered: Opener, kind: str) -> None:
    listener = engine.connect("listener")
    listener.subscribe(("will", 0))
    client = layered(kind)
    client.open()
    client.send(wire.connect("a", will=wire.Will("will", b"gone")))
    client.read()
    client.send_raw(client.end.close())
    assert listener.take(Publish).payload == b"gone"
    assert engine.counters.connections_lost == 1 and engine.counters.protocol_errors == 0
    assert client.sock.shut and client.client.channel.state == CLOSING
    if "ws" in kind:
        assert client.end.close_frame == Close(1000, "")
    assert client.end.tls is None or client.end.tls.ended
    # And if the client never closes its side:
    engine.advance(5)
    assert client.sock.closed and client.client.channel.state == CLOSED


def test_the_farewell_waits_for_a_client_that_does_not_read_but_not_for_ever(engine: Engine, layered: Opener) -> None:
    for reads in (True, False):
        client = layered("wss")
        client.connect()
        client.client.take_nothing()
        client.send(wire.connect("again"))
        assert not client.sock.shut
        if reads:
            while not client.sock.shut:
                client.client.take_bytes(10)
            assert client.take(Disconnect).code == 0x82
            assert client.end.close_frame == Close(1000, "")
        engine.advance(5)
        assert client.sock.closed


def test_what_came_before_the_end_is_handled_before_it(engine: Engine, layered: Opener) -> None:
    receiver = engine.connect("receiver")
    receiver.subscribe(("t", 0))
    client = layered("wss")
    client.connect()
    data = client.end.pack(wire.publish("t", b"before")) + client.end.frame(Opcode.TEXT, b"text")
    client.send_raw(data + client.end.pack(wire.publish("t", b"behind")))
    assert receiver.payloads() == [b"before"]
    assert client.take(Disconnect).code == 0x82
    close = client.end.close_frame
    assert close is not None and close.code == 1003 and "MQTT-6.0.0-1" in close.reason
    assert client.end.tls is not None and client.end.tls.ended and client.sock.shut
    assert engine.counters.protocol_errors == 1


@pytest.mark.parametrize("opcode", [Opcode.CLOSE, Opcode.TEXT])
def test_what_came_before_the_end_is_handled_before_it_also_after_a_pause(
    engine: Engine, layered: Opener, opcode: Opcode
) -> None:
    # CONNECT waits for a hook; all the rest, and the end, came in the same read.
    receiver = engine.connect("receiver")
    receiver.subscribe(("t", 0))
    client = layered("wss")
    client.open()
    channel = client.client.channel
    packets = client.end.pack(wire.connect("a")) + client.end.pack(wire.publish("t", b"before"))
    channel.paused = True
    client.client.send(packets + client.end.frame(opcode, b""))
    assert channel.backlog is not None and not client.client.connection.wants_read
    client.client.send(b"a hang-up has it read nevertheless")
    client.client.connection.on_readable()
    engine.broker.go_on(channel, None)
    engine.turn()
    assert receiver.payloads() == [b"before"]
    assert client.sock.shut and channel.state == CLOSING
    assert isinstance(client.read()[0], Connack)
    assert client.end.close_frame is not None


# Handshakes that fail


def test_a_tls_handshake_that_fails(engine: Engine, layered: Opener) -> None:
    client = layered("tls")
    client.client.send(b"GET / HTTP/1.1\r\n\r\n")
    assert engine.counters.tls_handshake_errors == 1
    assert client.sock.closed or client.sock.shut
    assert client.client.channel.close_reason == "TLS handshake failed: http request"
    assert engine.counters.connections_lost == engine.counters.protocol_errors == 0


def test_a_client_that_does_not_trust_us(engine: Engine, layered: Opener, certificates: Certificates) -> None:
    client = layered("tls")
    client.end = ClientEnd(context=ssl.create_default_context(cafile=certificates.stranger.cafile))
    client.client.send(client.end.start())
    with pytest.raises(ssl.SSLCertVerificationError):
        client.hear()
    assert client.end.tls is not None
    client.client.send(client.end.tls.last_words())
    assert engine.counters.tls_handshake_errors == 1
    assert client.sock.closed or client.sock.shut


def test_a_websocket_handshake_that_is_refused(engine: Engine, layered: Opener) -> None:
    client = layered("ws")
    client.client.send(b"GET /other HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert bytes(client.sock.received).startswith(b"HTTP/1.1 404 Not Found\r\n")
    assert client.sock.shut and not client.sock.closed  # a reset could take the answer away
    assert engine.counters.ws_handshake_errors == 1
    engine.advance(5)
    assert client.sock.closed


def test_a_websocket_handshake_that_is_refused_inside_tls(engine: Engine, layered: Opener) -> None:
    client = layered("wss")
    client.end.websocket = None
    client.open()
    client.send(b"GET /mqtt HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert client.end.received.startswith(b"HTTP/1.1 426 Upgrade Required\r\n")
    assert client.end.tls is not None and client.end.tls.ended and client.sock.shut
    assert (engine.counters.ws_handshake_errors, engine.counters.tls_handshake_errors) == (1, 0)


def test_a_bad_proxy_header_closes_at_once(engine: Engine, layered: Opener) -> None:
    client = layered("proxy+wss")
    client.client.send(b"PROXY TCP4 1.2.3.4\r\n")
    assert client.sock.closed and not client.sock.received
    assert engine.counters.proxy_protocol_errors == 1


@each_stack
def test_a_handshake_that_never_ends(engine: Engine, layered: Opener, kind: str) -> None:
    client = layered(kind)
    data = client.end.start()
    if data:
        client.client.send(data[:-1])
    engine.advance(client.client.channel.limits.handshake_timeout_s + 1)
    engine.turn()
    assert engine.counters.client_handshaking_timeout == 1
    assert client.sock.closed or client.sock.shut
    assert not client.sock.received


def test_a_handshake_that_is_broken_off(engine: Engine, layered: Opener) -> None:
    client = layered("wss")
    client.client.send(client.end.start())
    client.sock.incoming.append(b"")
    engine.turn()
    assert client.sock.closed and client.client.channel.state == CLOSED
    assert engine.counters.connections_lost == 0
