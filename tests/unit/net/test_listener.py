"""A listener over real sockets: inbound rates, hang-ups while it waits, accepting at a rate, certificates exchanged."""

from __future__ import annotations

import shutil
import socket
import ssl
from pathlib import Path

import pytest
import trio

from rmq.net.inbound_rates import RateLimit
from rmq.net.layer_stack import TlsOptions
from rmq.net.listener import Listener, ListenerOptions
from rmq.net.listening_socket import ListenError
from rmq.session.limits import Limits
from tests.support import wire
from tests.support.certificates import Certificates, Pair
from tests.support.packet_notation import V5
from tests.support.wire_parser import Connack, Publish
from tests.unit.net.harness import Server, SlowClient, connect, open_client, serving

pytestmark = pytest.mark.realtime


def numbers(count: int) -> list[bytes]:
    return [b"%05d" % number for number in range(count)]


async def take_all(client: SlowClient, count: int) -> list[bytes]:
    return [(await client.take(Publish)).payload for _ in range(count)]


@pytest.mark.parametrize("who", ["client", "listener"])
async def test_messages_over_the_rate_come_later_and_all_of_them(who: str) -> None:
    options = ListenerOptions("127.0.0.1", 0)
    setattr(options.inbound, f"{who}_messages", RateLimit(20, 0.2))
    async with serving(options=options) as server:
        receiver, sender = await connect(server, "r"), await connect(server, "s")
        await receiver.subscribe("t")
        begun = trio.current_time()
        await sender.send(*[wire.publish("t", payload) for payload in numbers(100)])
        assert await take_all(receiver, 100) == numbers(100)
        took = trio.current_time() - begun
        # 20 at once, and up to a read's worth more; the rest at 100 a second.
        assert took > 0.25
        held = {"client": server.counters.reads_held_client, "listener": server.counters.reads_held_listener}
        assert held.pop(who) >= 2 and set(held.values()) == {0}


@pytest.mark.parametrize("who", ["client", "listener"])
async def test_bytes_over_the_rate_come_later_and_all_of_them(who: str) -> None:
    options = ListenerOptions("127.0.0.1", 0)
    setattr(options.inbound, f"{who}_bytes", RateLimit(20_000, 0.1))
    async with serving(options=options) as server:
        receiver, sender = await connect(server, "r"), await connect(server, "s")
        await receiver.subscribe("t")
        begun = trio.current_time()
        payload = bytes(range(256)) * 400
        await sender.send(wire.publish("t", payload))
        assert (await receiver.take(Publish)).payload == payload
        assert trio.current_time() - begun > 0.3


async def test_a_listeners_rate_holds_for_all_together_and_keeps_everybodys_order() -> None:
    options = ListenerOptions("127.0.0.1", 0)
    options.inbound.listener_messages = RateLimit(50, 0.5)
    async with serving(options=options) as server:
        receiver = await connect(server, "r")
        await receiver.subscribe("#")
        senders = [await connect(server, f"s{number}") for number in range(5)]
        begun = trio.current_time()
        for number, sender in enumerate(senders):
            await sender.send(*[wire.publish(f"s{number}", payload + bytes(100)) for payload in numbers(40)])
        came = [await receiver.take(Publish) for _ in range(200)]
        for number in range(5):
            assert [publish.payload[:5] for publish in came if publish.topic == f"s{number}"] == numbers(40)
        # 50 at once and what the reads of that moment bring beyond; the rest at 100 a second.
        assert trio.current_time() - begun > 0.4
        assert server.counters.reads_held_listener >= 5 and server.counters.reads_held_client == 0


async def test_without_limits_nothing_is_measured() -> None:
    async with serving() as server:
        await connect(server, "c")
        connection = server.channel("c").transport
        assert getattr(connection, "meter", "none") is None


async def test_what_a_client_sent_before_it_hung_up_is_not_lost(tmp_path: Path) -> None:
    # At the end of a Unix socket epoll says so at once, and would again in every turn, although data waits before it.
    options = ListenerOptions("", 0)
    options.path = str(tmp_path / "s")
    options.inbound.client_messages = RateLimit(20, 0.2)
    async with serving(options=options) as server:
        receiver = await unix_client(server, options.path, "r")
        await receiver.subscribe("t")
        sender = await unix_client(server, options.path, "s")
        await sender.send(*[wire.publish("t", payload) for payload in numbers(100)])
        turns = count_turns(server)
        sender.close()
        assert await take_all(receiver, 100) == numbers(100)
        await server.until(lambda: server.broker.registry.get("s") is None)
        assert turns[0] < 300, "the reactor ran in circles"
        assert server.broker.registry.get("r") is not None
        info = server.channel("r").info
        assert info is not None and (info.remote_host, info.remote_port) == (options.path, 0)


def count_turns(server: Server) -> list[int]:
    turns = [0]
    turn = server.reactor.turn

    def counted() -> bool:
        turns[0] += 1
        return turn()

    server.reactor.turn = counted  # type: ignore[method-assign]  # this one object's, to see what it does
    return turns


async def unix_client(server: Server, path: str, client_id: str) -> SlowClient:
    sock = trio.socket.socket(socket.AF_UNIX)
    await sock.connect(path)
    client = SlowClient(sock, V5)
    server.clients.append(client)
    await client.send(wire.connect(client_id))
    assert (await client.take(Connack)).code == 0
    return client


async def test_connections_over_the_rate_are_accepted_later() -> None:
    options = ListenerOptions("127.0.0.1", 0)
    options.inbound.connections = RateLimit(5, 0.2)
    async with serving(options=options) as server:
        begun = trio.current_time()
        clients = [await open_client(server) for _ in range(15)]
        for number, client in enumerate(clients):
            await client.send(wire.connect(f"c{number}"))
        for client in clients:
            assert (await client.take(Connack)).code == 0
        assert trio.current_time() - begun > 0.3
        assert server.counters.accepts_delayed >= 2
        assert server.counters.connections_refused_limit == 0


# Certificates


def install(pair: Pair, folder: Path) -> None:
    shutil.copy(pair.certfile, folder / "cert.pem")
    shutil.copy(pair.keyfile, folder / "key.pem")


def tls_options(folder: Path) -> ListenerOptions:
    options = ListenerOptions("127.0.0.1", 0)
    options.tls = TlsOptions(str(folder / "cert.pem"), str(folder / "key.pem"))
    return options


def shown_name(address: tuple[str, int], certificates: Certificates) -> str:
    """The common name in the certificate that the server shows to a new connection."""
    context = certificates.client_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection(address, 5) as sock, context.wrap_socket(sock) as tls:
        der = tls.getpeercert(binary_form=True)
        assert der is not None
        return "localhost" if b"localhost" in der else "other"


async def test_new_certificates_are_for_new_connections(tmp_path: Path, certificates: Certificates) -> None:
    authority = certificates.authority
    install(authority.server, tmp_path)
    async with serving(options=tls_options(tmp_path)) as server:
        raw = await open_client(server)
        stream = trio.SSLStream(
            trio.SocketStream(raw.sock),
            certificates.client_context(),
            server_hostname="localhost",
            https_compatible=True,
        )
        await stream.send_all(wire.connect("old"))
        assert (await stream.receive_some())[:1] == b"\x20"
        install(authority.client("other"), tmp_path)
        assert await trio.to_thread.run_sync(shown_name, server.address, certificates) == "localhost"
        server.listener.reload_certificates()
        assert await trio.to_thread.run_sync(shown_name, server.address, certificates) == "other"
        await stream.send_all(wire.pingreq())
        assert await stream.receive_some() == b"\xd0\x00"


@pytest.mark.parametrize("broken", ["cert.pem", "key.pem"])
async def test_files_that_cannot_be_used_leave_the_old_certificates(
    tmp_path: Path, certificates: Certificates, broken: str
) -> None:
    install(certificates.authority.server, tmp_path)
    async with serving(options=tls_options(tmp_path)) as server:
        (tmp_path / broken).write_text("nothing")
        with pytest.raises(ListenError) as raised:
            server.listener.reload_certificates()
        assert raised.value.key == broken.removesuffix(".pem")
        assert str(tmp_path / broken) in str(raised.value)
        assert await trio.to_thread.run_sync(shown_name, server.address, certificates) == "localhost"


def test_a_listener_without_tls_has_nothing_to_reload() -> None:

    Listener(ListenerOptions("127.0.0.1", 0), Limits("tcp.external")).reload_certificates()


async def test_silent_connections_keep_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rmq.net.listener.DISPLACED_AFTER_S", 0.0)
    options = ListenerOptions("127.0.0.1", 0)
    options.max_handshakes = 3
    async with serving(options=options) as server:
        silent = [await open_client(server) for _ in range(3)]
        await server.until(lambda: server.listener.handshakes == 3)
        for number in range(2):
            await connect(server, f"c{number}")
        # The oldest gave way for the first; its place was free for the second.
        assert (server.counters.handshakes_displaced, server.counters.connections_refused_limit) == (1, 0)
        assert await silent[0].sock.recv(1) == b""
        await silent[1].send(wire.connect("early"))
        await silent[1].take(Connack)
        await silent[2].send(wire.connect("late"))
        await silent[2].take(Connack)


async def test_connections_that_just_came_are_not_displaced() -> None:
    options = ListenerOptions("127.0.0.1", 0)
    options.max_handshakes = 1
    async with serving(options=options) as server:
        first = await open_client(server)
        await server.until(lambda: server.listener.handshakes == 1)
        refused = await open_client(server)
        await refused.expect_refused(wire.connect("late"))
        assert (server.counters.handshakes_displaced, server.counters.connections_refused_limit) == (0, 1)
        await first.send(wire.connect("first"))
        await first.take(Connack)
