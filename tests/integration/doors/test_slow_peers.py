"""Peers that take their time: they are cut whatever they are busy with, and don't keep others out."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from typing import Final

import pytest

from tests.support import wire
from tests.support.broker_process import BrokerProcess, free_ports
from tests.support.certificates import Certificates
from tests.support.client import TIMEOUT_S, Client
from tests.support.packet_notation import V5

pytestmark = pytest.mark.realtime

TIMEOUT_OF_HANDSHAKES_S: Final = 1.0
HANDSHAKES: Final = 5
DOORS: Final = ("tcp", "tls", "ws", "wss")


class Gate:
    """A node whose listeners give a handshake one second, and take few of them at a time."""

    def __init__(self, node: BrokerProcess, ports: dict[str, int]) -> None:
        self.node = node
        self.ports = ports

    def dial(self, door: str) -> socket.socket:
        """A TCP connection, nothing more."""
        return socket.create_connection(("127.0.0.1", self.ports[door]), TIMEOUT_S)


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Gate]:
    """The node of this module."""
    pair = certificates.authority.server
    ports = dict(zip(DOORS, free_ports(len(DOORS)), strict=True))
    sets: list[str] = []
    for door, port in ports.items():
        table = f"listener.{door}.slow"
        sets += [f"{table}.addr=127.0.0.1:{port}", f"{table}.handshake_timeout={TIMEOUT_OF_HANDSHAKES_S}"]
        sets += [f"{table}.max_handshaking_limit={HANDSHAKES}"]
        if door in ("tls", "wss"):
            sets += [f"{table}.cert={pair.certfile}", f"{table}.key={pair.keyfile}"]
    node = BrokerProcess(tmp_path_factory.mktemp("gate"), sets)
    yield Gate(node, ports)
    assert node.stop() == 0
    assert "Traceback" not in node.log


def client_hello(certificates: Certificates) -> bytes:
    outgoing = ssl.MemoryBIO()
    tls = certificates.client_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def upgrade(certificates: Certificates) -> bytes:
    return b"GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nX-Filler: " + bytes(1000).hex().encode()


def connect_packet(certificates: Certificates) -> bytes:
    return wire.connect("c" * 1000, V5)


Opening = Callable[[Certificates], bytes]


@pytest.mark.parametrize(
    ("door", "opening"),
    [("tcp", connect_packet), ("tls", client_hello), ("ws", upgrade), ("wss", client_hello)],
)
def test_a_byte_at_a_time_is_cut_when_the_time_is_over(
    gate: Gate, certificates: Certificates, door: str, opening: Opening
) -> None:
    begun = time.monotonic()
    with gate.dial(door) as sock:
        sock.settimeout(0.1)
        for byte in opening(certificates):
            try:
                sock.sendall(bytes([byte]))
                assert sock.recv(1000) == b""
            except TimeoutError:
                assert time.monotonic() < begun + TIMEOUT_S, "not cut"
                continue
            except ConnectionError:
                pass
            break
        else:
            pytest.fail("all was taken")
    assert time.monotonic() >= begun + TIMEOUT_OF_HANDSHAKES_S - 0.2


@pytest.mark.parametrize("door", DOORS)
def test_those_who_never_finish_are_few_at_a_time_and_make_room(
    gate: Gate, door: str, certificates: Certificates
) -> None:
    connected = Client(("127.0.0.1", gate.ports["tcp"]), "inside")
    connected.connect()
    silent = [gate.dial(door) for _ in range(HANDSHAKES)]
    with gate.dial(door) as refused:  # at once, before the others' time is over
        refused.settimeout(TIMEOUT_OF_HANDSHAKES_S / 2)
        assert refused.recv(1) == b""
    assert connected.drain() == []  # who is inside notices nothing
    for sock in silent:
        sock.settimeout(TIMEOUT_S)
        assert sock.recv(1) == b""
        sock.close()
    with gate.dial(door) as late:  # there is room again
        late.settimeout(TIMEOUT_OF_HANDSHAKES_S / 4)
        with pytest.raises(TimeoutError):
            late.recv(1)
    connected.disconnect()
