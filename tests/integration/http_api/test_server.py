"""The server on real sockets: odd paths, limits, slow and rude peers, TLS, addresses, reload, the end."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.integration.http_api.http import Http
from tests.integration.node.node_command import failed_start
from tests.integration.node.watched_node import WatchedNode
from tests.support.broker_process import BrokerProcess, free_ports
from tests.support.certificates import Certificates
from tests.support.client import Client


@pytest.fixture
def sockets() -> Iterator[ExitStack]:
    """What is closed at the end."""
    with ExitStack() as stack:
        yield stack


def talk(sockets: ExitStack, api: Http, data: bytes) -> socket.socket:
    """A connection on which something was sent."""
    sock = sockets.enter_context(socket.create_connection(("127.0.0.1", api.port), 10))
    sock.sendall(data)
    return sock


def read_all(sock: socket.socket) -> bytes:
    """Until the peer closes."""
    found = b""
    while piece := sock.recv(65_536):
        found += piece
    return found


def test_paths_that_clients_like_to_change(node: BrokerProcess, sockets: ExitStack) -> None:
    api = Http.of(node)
    with ExitStack() as clients:
        for name in ("..", ".", "a/online"):
            client = Client(node.address, name)
            clients.callback(client.close)
            client.connect()
        for path in ("..", ".", "%2e%2E", "a%2Fonline"):
            head = f"GET /api/v1/clients/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            answer = read_all(talk(sockets, api, head.encode()))
            assert answer.startswith(b"HTTP/1.1 200"), (path, answer)


def test_many_requests_on_one_connection(node: BrokerProcess, sockets: ExitStack) -> None:
    api = Http.of(node)
    request = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
    last = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answer = read_all(talk(sockets, api, request * 20 + last))
    assert answer.count(b"HTTP/1.1 200") == 21


def test_more_connections_than_there_is_room_for_in_turn(node: BrokerProcess) -> None:
    """Each gives its place back when it ends."""
    api = Http.of(node)
    for _ in range(200):
        assert api.ask("GET", "/health/live").status == 200


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),  # without a Host
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET /\xc3\xbc HTTP/1.1\r\nHost: localhost\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 200_000 + b"\r\n\r\n", b"431"),
        (b"POST /api/v1/mqtt/publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n", b"400"),
    ],
)
def test_what_is_no_request_is_refused(node: BrokerProcess, sockets: ExitStack, data: bytes, status: bytes) -> None:
    answer = read_all(talk(sockets, Http.of(node), data))
    assert answer.split(b" ")[1] == status, answer


def test_a_body_that_is_too_large_is_refused_before_it_has_come(node: BrokerProcess, sockets: ExitStack) -> None:
    head = (
        b"POST /api/v1/mqtt/publish HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/json\r\nContent-Length: 50000000\r\n\r\n"
    )
    sock = talk(sockets, Http.of(node), head + b"x" * 1_100_000)
    assert sock.recv(100).startswith(b"HTTP/1.1 413")


def test_peers_that_say_half_and_go(node: BrokerProcess) -> None:
    api = Http.of(node)
    for data in (b"", b"GET /api", b"GET /api/v1/clients HTTP/1.1\r\nHost: localhost\r\n\r\n"):
        for _ in range(50):
            sock = socket.create_connection(("127.0.0.1", api.port), 10)
            sock.sendall(data)
            sock.close()
    assert api.ask("GET", "/health/live").status == 200
    assert "Traceback" not in node.log


def test_an_address_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        lines = failed_start(
            tmp_path,
            *("--data-dir", str(tmp_path / "data"), "--set", "listener.tcp.external.addr=127.0.0.1:0"),
            *("--set", "listener.ws.external.enable=false", "--set", f"plugins.rmq-http-api.http_laddr={address}"),
        )
    assert lines == [f"rmq-node: plugins.rmq-http-api: {address}: Address already in use"]


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("tls.cert", "nowhere.pem", "cert and key go together"),
        ("max_row_limit", "0", "must be"),
        ("loopback_is_open", "perhaps", 'must be one of "auto", "always" or "never"'),
        ("users", '[{name="a", password_hash="secret"}]', "users: a: password_hash: isn't an argon2id hash"),
    ],
)
def test_a_bad_key_is_named(tmp_path: Path, key: str, value: str, text: str) -> None:
    lines = failed_start(
        tmp_path,
        *("--data-dir", str(tmp_path / "data"), "--set", "listener.tcp.external.addr=127.0.0.1:0"),
        *("--set", "listener.ws.external.enable=false", "--set", f"plugins.rmq-http-api.{key}={value}"),
    )
    assert len(lines) == 1 and text in lines[0] and "rmq-http-api" in lines[0], lines


def test_tls(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    pair = certificates.authority.server
    sets = [f"plugins.rmq-http-api.tls.cert={pair.certfile}", f"plugins.rmq-http-api.tls.key={pair.keyfile}"]
    node = BrokerProcess(tmp_path, sets)
    try:
        api = Http.of(node)
        context = certificates.client_context()
        plain = socket.create_connection(("127.0.0.1", api.port), 10)
        with context.wrap_socket(plain, server_hostname="localhost") as sock:
            sock.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert sock.recv(1000).startswith(b"HTTP/1.1 200")
            assert sock.version() in ("TLSv1.2", "TLSv1.3")
        with socket.create_connection(("127.0.0.1", api.port), 10) as plain:
            plain.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert not plain.recv(1000).startswith(b"HTTP")
        with socket.create_connection(("127.0.0.1", api.port), 10) as plain, pytest.raises(ssl.SSLError):
            ssl.create_default_context().wrap_socket(plain, server_hostname="localhost")
    finally:
        assert node.stop() == 0
    assert "Traceback" not in node.log


def test_who_may_do_what(tmp_path: Path) -> None:
    """A password, a token, an open loopback that is closed by both; changes leave a line."""
    node = BrokerProcess(tmp_path, ["plugins.rmq-http-api.http_bearer_token=s3cret-of-tests"])
    try:
        api = Http.of(node)
        assert api.ask("GET", "/api/v1/brokers").status == 401
        assert api.ask("GET", "/health/live").status == 200
        token = {"Authorization": "Bearer s3cret-of-tests"}
        assert api.ask("GET", "/api/v1/brokers", headers=token).status == 200
        config = api.ask("GET", "/api/v1/plugins/1/rmqtt-http-api/config", headers=token).json
        assert config["http_bearer_token"] == "********"
        assert api.ask("DELETE", "/api/v1/clients/offlines", headers=token).json == {"count": 0}
    finally:
        assert node.stop() == 0
    assert "s3cret" not in node.log
    (line,) = [line for line in node.log.splitlines() if "change through the HTTP API" in line]
    for part in ('"user":"token"', '"method":"DELETE"', '"path":"/api/v1/clients/offlines"', '"status":200'):
        assert part in line, line


def test_the_end_comes_with_requests_under_way(tmp_path: Path, sockets: ExitStack) -> None:
    node = BrokerProcess(tmp_path)
    api = Http.of(node)
    idle = talk(sockets, api, b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
    answer = b""
    while not answer.endswith(b'{"status":"live"}'):
        answer += idle.recv(1000)
    talk(sockets, api, b"POST /api/v1/mqtt/publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n")
    assert node.stop() == 0
    assert idle.recv(1000) == b""
    assert "Traceback" not in node.log


def test_new_keys_and_another_address_without_a_restart(tmp_path: Path) -> None:
    """What asks for it is answered, although the address it came by is given up."""
    first, second = free_ports(2)
    (tmp_path / "node.toml").write_text('[plugins]\ndefault_startups = ["rmq-http-api"]\n')
    keys = tmp_path / "plugins" / "rmq-http-api.toml"
    keys.parent.mkdir()
    keys.write_text(f'http_laddr = "127.0.0.1:{first}"\nmax_row_limit = 1\n')
    node = WatchedNode(tmp_path, api_anywhere=False)
    reload_path = "/api/v1/plugins/1/rmqtt-http-api/config/reload"
    token = {"Authorization": "Bearer s3cret-of-tests"}
    try:
        api = Http(first)
        with ExitStack() as clients:
            for name in ("a", "b"):
                client = Client(node.address, name)
                clients.callback(client.close)
                client.connect()
            assert len(api.get("/api/v1/clients")) == 1
            keys.write_text(f'http_laddr = "127.0.0.1:{first}"\nmax_row_limit = 5\n')
            assert api.ask("PUT", reload_path).text == "ok"
            assert len(api.get("/api/v1/clients")) == 2
            keys.write_text(f'http_laddr = "127.0.0.1:{second}"\nhttp_bearer_token = "s3cret-of-tests"\n')
            assert api.ask("PUT", reload_path).text == "ok"
            moved = Http(second)
            assert moved.ask("GET", "/api/v1/clients").status == 401
            assert len(moved.ask("GET", "/api/v1/clients", headers=token).json) == 2
            with socket.socket() as taken:
                taken.bind(("127.0.0.1", 0))
                taken.listen()
                keys.write_text(f'http_laddr = "127.0.0.1:{taken.getsockname()[1]}"\n')
                refused = moved.ask("PUT", reload_path, headers=token)
            assert (refused.status, refused.json["code"]) == (409, "PLUGIN_REFUSED")
            assert "in use" in refused.json["message"]
            assert len(moved.ask("GET", "/api/v1/clients", headers=token).json) == 2
    finally:
        node.kill()


UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n\x81\xff"
)
BODY = b"POST /api/v1/mqtt/publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def test_a_client_that_breaks_off_or_breaks_the_protocol_leaves_no_traceback(tmp_path: Path) -> None:
    node = BrokerProcess(tmp_path)
    try:
        api = Http.of(node)
        rude = [
            BODY + b'Content-Length: 100000\r\n\r\n{"a":',
            BODY + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
            UPGRADE,
            UPGRADE[:-2],
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"\x16\x03\x01\x00\r\n\r\n",
            b"GET /api/v1/stats HT",
        ]
        for data in rude:
            for end in (socket.SHUT_WR, None):
                with socket.create_connection(("127.0.0.1", api.port), 10) as sock:
                    sock.sendall(data)
                    if end is None:
                        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
                    else:
                        sock.shutdown(end)
                        with suppress(ConnectionError):
                            read_all(sock)
        assert api.ask("GET", "/health/live").status == 200
    finally:
        node.stop()
    assert "Traceback" not in node.log
