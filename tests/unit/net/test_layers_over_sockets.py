"""Layers over real sockets: whole messages through TLS and WebSocket, slow readers, and ends that can be told apart."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import paho.mqtt.client as paho
import pytest
import trio
from paho.mqtt.enums import CallbackAPIVersion
from websockets.frames import Close

from rmq.net.layer_stack import TlsOptions
from rmq.net.listener import ListenerOptions
from tests.support import wire
from tests.support.certificates import Certificates
from tests.support.client_end import ClientEnd
from tests.support.packet_notation import V5
from tests.support.wire_parser import Connack, Disconnect, Puback, Publish
from tests.unit.net.harness import TIMEOUT_S, Server, SlowClient, serving

PATH = "/mqtt"
PROXY_HEADER = b"PROXY TCP6 2001:db8::7 2001:db8::1 56324 1883\r\n"
each_kind = pytest.mark.parametrize("kind", ["tls", "ws", "wss", "proxy", "proxy+wss"])
pytestmark = pytest.mark.realtime


class LayeredClient(SlowClient):
    """A client whose bytes go through its end of the layers."""

    def __init__(self, sock: trio.socket.SocketType, end: ClientEnd) -> None:
        super().__init__(sock, V5)
        self.end = end

    async def send(self, *packets: bytes) -> None:
        await super().send(self.end.pack(b"".join(packets)))

    async def send_raw(self, data: bytes) -> None:
        """Bytes as they are on the wire."""
        await super().send(data)

    async def read_bytes(self, size: int = 65_536) -> bool:
        data = await self.sock.recv(size)
        answer = self.end.feed(data)
        self.buffer += self.end.received
        self.end.received.clear()
        if answer:
            await super().send(answer)
        return bool(data)


class House:
    """Options of a listener with some layers, and clients with the same."""

    def __init__(self, certificates: Certificates, kind: str) -> None:
        self._certificates = certificates
        self._kind = kind
        self.options = ListenerOptions("127.0.0.1", 0)
        self.options.proxy_protocol = "proxy" in kind
        self._tls = "tls" in kind or "wss" in kind
        if self._tls:
            pair = certificates.authority.server
            self.options.tls = TlsOptions(pair.certfile, pair.keyfile)
        self._path = PATH if "ws" in kind else ""
        self.options.websocket_path = self._path

    async def open(self, server: Server, *, receive_buffer: int = 0) -> LayeredClient:
        """A client whose layers are open."""
        sock = trio.socket.socket()
        if receive_buffer:
            sock.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, receive_buffer)
        await sock.connect(server.address)
        context = self._certificates.client_context() if self._tls else None
        end = ClientEnd(PROXY_HEADER if self.options.proxy_protocol else b"", context, self._path)
        client = LayeredClient(sock, end)
        server.clients.append(client)
        await client.send_raw(end.start())
        while (end.tls is not None and not end.tls.open) or (self._path and end.response is None):
            assert await client.read_bytes()
        return client

    async def connect(self, server: Server, client_id: str, *, receive_buffer: int = 0) -> LayeredClient:
        """A connected client."""
        client = await self.open(server, receive_buffer=receive_buffer)
        await client.send(wire.connect(client_id))
        assert (await client.take(Connack)).code == 0
        return client


@each_kind
async def test_a_large_message_goes_round(certificates: Certificates, kind: str) -> None:
    house = House(certificates, kind)
    async with serving(options=house.options) as server:
        client = await house.connect(server, "a")
        await client.subscribe("t")
        payload = bytes(range(256)) * 3000
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.send, wire.publish("t", payload))
            assert (await client.take(Publish)).payload == payload
        info = server.channel("a").info
        assert info is not None
        assert info.remote_host == ("2001:db8::7" if house.options.proxy_protocol else "127.0.0.1")


@each_kind
async def test_a_client_that_reads_slowly_gets_all_in_order(certificates: Certificates, kind: str) -> None:
    house = House(certificates, kind)
    async with serving(options=house.options) as server:
        slow = await house.connect(server, "slow", receive_buffer=4096)
        await slow.subscribe("t")
        publisher = await house.connect(server, "publisher")
        channel = server.channel("slow")
        count = 0
        while count < 3 or not channel.congested:
            await publisher.send(wire.publish("t", count.to_bytes(2, "big") * 50_000, 1, 1))
            await publisher.take(Puback)
            count += 1
        for number in range(count):
            assert (await slow.take(Publish)).payload == number.to_bytes(2, "big") * 50_000
        await server.until(lambda: channel.out_size == 0 and not channel.congested)


@each_kind
async def test_the_brokers_end_is_in_order(certificates: Certificates, kind: str) -> None:
    house = House(certificates, kind)
    async with serving(options=house.options) as server:
        client = await house.connect(server, "a")
        # Unread input when the broker closes: a reset would take the reason away.
        await client.send(wire.connect("again"), *[wire.publish("t", bytes(60_000))] * 3)
        assert (await client.take(Disconnect)).code == 0x82
        await client.expect_end()
        assert client.end.tls is None or client.end.tls.ended
        assert client.end.websocket is None or client.end.close_frame == Close(1000, "")


@pytest.mark.parametrize("kind", ["tls", "ws", "wss"])
async def test_the_clients_end_is_answered(certificates: Certificates, kind: str) -> None:
    house = House(certificates, kind)
    async with serving(options=house.options) as server:
        client = await house.connect(server, "a")
        await client.send_raw(client.end.pack(wire.disconnect()) + client.end.close())
        await client.expect_end()
        assert client.end.tls is None or client.end.tls.ended
        assert client.end.websocket is None or client.end.close_frame == Close(1000, "")
        assert server.counters.connections_lost == 0 and server.counters.connections_closed_by_client == 1


async def test_a_refused_handshake_is_told_why(certificates: Certificates) -> None:
    house = House(certificates, "ws")
    async with serving(options=house.options) as server:
        stream = await trio.open_tcp_stream(*server.address)
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b"".join([chunk async for chunk in stream])
        assert answer.startswith(b"HTTP/1.1 404 ") and answer.endswith(b"MQTT isn't served at this path\n")
        await stream.aclose()
        assert server.counters.ws_handshake_errors == 1


@pytest.mark.parametrize("kind", ["tls", "ws", "proxy+wss"])
async def test_another_protocol_ends_one_connection(certificates: Certificates, kind: str) -> None:
    house = House(certificates, kind)
    async with serving(options=house.options) as server:
        good = await house.connect(server, "good")
        stream = await trio.open_tcp_stream(*server.address)
        await stream.send_all(wire.connect("plain"))
        try:
            async for _ in stream:
                pass
        except trio.BrokenResourceError:
            pass  # nothing was to be said: the reset says it
        await stream.aclose()
        counters = server.counters
        errors = (counters.tls_handshake_errors, counters.ws_handshake_errors, counters.proxy_protocol_errors)
        assert errors == {"tls": (1, 0, 0), "ws": (0, 1, 0), "proxy+wss": (0, 0, 1)}[kind]
        await good.subscribe("t")


@contextmanager
def running(client: paho.Client) -> Iterator[None]:
    client.loop_start()
    try:
        yield
    finally:
        client.disconnect()
        client.loop_stop()


@pytest.mark.parametrize("kind", ["tls", "ws", "wss"])
async def test_a_client_of_somebody_else(certificates: Certificates, kind: str) -> None:
    # paho brings its own WebSocket.
    house = House(certificates, kind)
    received: list[bytes] = []
    done = threading.Event()
    payloads = [b"%d" % number * 5000 for number in range(50)]

    def on_message(client: paho.Client, userdata: object, message: paho.MQTTMessage) -> None:
        received.append(bytes(message.payload))
        if len(received) == len(payloads):
            done.set()

    def on_connect(client: paho.Client, *rest: object) -> None:
        client.subscribe("t", 1)

    def on_subscribe(client: paho.Client, *rest: object) -> None:
        for payload in payloads:
            client.publish("t", payload, 1)

    def talk(port: int) -> None:
        client = paho.Client(CallbackAPIVersion.VERSION2, "paho", transport="websockets" if "ws" in kind else "tcp")
        client.on_message, client.on_connect, client.on_subscribe = on_message, on_connect, on_subscribe
        if kind != "ws":
            client.tls_set_context(certificates.client_context())
        client.connect("localhost", port)
        with running(client):
            done.wait(TIMEOUT_S)

    async with serving(options=house.options) as server:
        await trio.to_thread.run_sync(talk, server.listener.port)
    assert received == payloads


async def test_certificates_are_asked_for(certificates: Certificates) -> None:
    house = House(certificates, "tls")
    tls = house.options.tls
    assert tls is not None
    tls.client_ca, tls.verify = certificates.authority.cafile, "required"
    async with serving(options=house.options) as server:
        client = await house.open(server)  # with TLS 1.3 a client learns only afterwards that it wasn't let in
        with pytest.raises(ssl.SSLError, match="ALERT_CERTIFICATE_REQUIRED"):
            await client.read_bytes()
        assert server.counters.tls_handshake_errors == 1
