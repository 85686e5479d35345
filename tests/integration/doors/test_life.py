"""Listeners and the life of a node: ports that are taken, or shared on purpose, sockets left behind, a busy node."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.node.node_command import failed_start
from tests.support import wire
from tests.support.broker_process import BrokerProcess, free_ports
from tests.support.certificates import Certificates
from tests.support.client import Client, ConnectionClosed
from tests.support.packet_notation import V5, V311
from tests.support.wire_parser import Connack, Disconnect

pytestmark = pytest.mark.realtime

Start = Callable[..., BrokerProcess]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start nodes, each in a folder of its own."""
    nodes: list[BrokerProcess] = []

    def one(*sets: str) -> BrokerProcess:
        directory = tmp_path / f"node{len(nodes)}"
        directory.mkdir()
        nodes.append(BrokerProcess(directory, sets))
        return nodes[-1]

    yield one
    for node in nodes:
        node.stop()


def test_a_taken_default_port_of_web_sockets_is_a_clear_line(tmp_path: Path) -> None:
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):  # taken already: just as good
            held.enter_context(socket.create_server(("127.0.0.1", 8083)))
        lines = failed_start(tmp_path, "--data-dir", "data")
    assert "rmq-node: listener.ws.external.addr: 127.0.0.1:8083: Address already in use" in lines


def test_a_unix_socket_in_use_is_a_clear_line_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "node.toml").write_text("[listener.unix.local]\npath = 's'\n")
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "s"))
        other.listen()
        lines = failed_start(tmp_path, "--data-dir", "data", "-f", "node.toml")
    assert lines == ["rmq-node: node.toml: listener.unix.local.path: s: Address already in use"]


def test_certificates_that_are_not_there_are_a_clear_line(tmp_path: Path, certificates: Certificates) -> None:
    pair = certificates.authority.server
    (tmp_path / "node.toml").write_text(f"[listener.tls.external]\ncert = 'none.pem'\nkey = '{pair.keyfile}'\n")
    lines = failed_start(tmp_path, "--data-dir", "data", "-f", "node.toml")
    assert lines == [
        "rmq-node: node.toml: listener.tls.external.cert: none.pem can't be read: No such file or directory"
    ]
    assert failed_start(tmp_path, "--data-dir", "data", "-f", "node.toml", "--check") == lines


def unix_client(node: BrokerProcess) -> Client:
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(str(node.directory / "s"))
    return Client(("", 0), "c", V5, sock)


def test_the_socket_goes_with_the_node_and_comes_back_after_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "s"
    first = BrokerProcess(tmp_path, ["listener.unix.local.path=s"])
    assert path.exists()
    os.kill(first.pid, signal.SIGKILL)
    first.stop()
    assert path.exists()
    second = BrokerProcess(tmp_path, ["listener.unix.local.path=s"])
    client = unix_client(second)
    client.connect()
    assert second.stop() == 0
    client.expect_disconnect(0x8B)
    client.close()
    assert not path.exists()


def test_two_nodes_share_a_port(start: Start) -> None:
    (port,) = free_ports(1)
    sets = (f"listener.tcp.shared.addr=127.0.0.1:{port}", "listener.tcp.shared.reuseport=true")
    first, second = start(*sets), start(*sets)
    clients = [Client(("127.0.0.1", port), f"c{number}") for number in range(40)]
    for client in clients:
        client.connect()
    assert first.stop() == 0
    told = [client for client in clients if was_told_to_go(client)]
    # The kernel chooses by a hash of addresses and ports: that all 40 come to one happens once in 2**39.
    assert 0 < len(told) < 40
    late = Client(("127.0.0.1", port), "late")
    late.connect()
    for client in (*clients, late):
        client.close()
    assert second.stop() == 0


def was_told_to_go(client: Client) -> bool:
    try:
        return any(isinstance(packet, Disconnect) for packet in client.drain())
    except (ConnectionClosed, ConnectionError):
        return True


def test_a_port_is_not_shared_with_a_node_that_did_not_ask_for_it(start: Start, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    address = f"listener.tcp.shared.addr=127.0.0.1:{port}"
    start(address, "listener.tcp.shared.reuseport=true")
    lines = failed_start(tmp_path, "--data-dir", "data", "--set", address)
    assert lines == [f"rmq-node: --set: listener.tcp.shared.addr: 127.0.0.1:{port}: Address already in use"]


@pytest.mark.parametrize(("level", "code"), [(V5, 0x89), (V311, 3)])
def test_a_busy_node_refuses_new_clients_and_keeps_the_ones_it_has(start: Start, level: int, code: int) -> None:
    node = start("node.busy.handshaking=3", "node.busy.update_interval=100ms")
    inside = Client(node.address, "inside", level)
    inside.connect()
    waiting = [socket.create_connection(node.address) for _ in range(6)]
    answers = {0}
    while answers == {0}:
        answers.add(answer(node, level))
    assert answers == {0, code}
    assert inside.drain() == []
    for sock in waiting:
        sock.close()
    while answer(node, level):
        pass
    inside.disconnect()
    assert node.stop() == 0
    told = [line for line in node.log.splitlines() if "too busy" in line]
    assert len(told) == 2 and "handshaking" in told[0] and "no longer" in told[1], told


def answer(node: BrokerProcess, level: int) -> int:
    """The code with which one more client is answered; it leaves again."""
    client = Client(node.address, "new", level)
    client.send(wire.connect("new", level))
    code = client.expect(Connack).code
    client.close()
    return code
