"""A running node at its end, and at the end of its descriptors."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.integration.node.node_command import command, environment
from tests.support import wire
from tests.support.broker_process import BrokerProcess, free_ports
from tests.support.client import Client
from tests.support.packet_notation import V5, V311
from tests.support.wire_parser import Disconnect, Publish

pytestmark = pytest.mark.realtime

DESCRIPTORS: Final = 64


@pytest.fixture
def node(tmp_path: Path) -> Iterator[BrokerProcess]:
    process = BrokerProcess(tmp_path)
    yield process
    process.stop()


@pytest.fixture
def clients() -> Iterator[Callable[..., Client]]:
    """Makes clients that are connected; all are closed when the test ends."""
    opened: list[Client] = []

    def connect(address: tuple[str, int], client_id: str, level: int = V5) -> Client:
        client = Client(address, client_id, level)
        opened.append(client)
        client.connect()
        return client

    yield connect
    for client in opened:
        client.close()


Connect = Callable[..., Client]


def test_stopping_tells_every_client(node: BrokerProcess, clients: Connect) -> None:
    connected = [clients(node.address, f"c{i}") for i in range(20)]
    old = clients(node.address, "old", V311)
    with socket.create_connection(node.address):  # says nothing
        node.ask_to_stop()
        for client in connected:
            client.expect_disconnect(0x8B)
        old.expect_closed()
        assert node.stop() == 0
    assert "Traceback" not in node.log


def test_a_client_that_is_sending_is_told_too(node: BrokerProcess, clients: Connect) -> None:
    # What it sent and nobody read must not turn the end into a reset, which would take the DISCONNECT away.
    client = clients(node.address, "busy")
    os.kill(node.pid, signal.SIGSTOP)
    client.send(*[wire.publish("t", bytes(1000))] * 200)
    node.ask_to_stop()
    os.kill(node.pid, signal.SIGCONT)
    client.expect_disconnect(0x8B)
    assert node.stop() == 0


def flood(node: BrokerProcess, publisher: Client, count: int) -> None:
    """Publish more than the kernel holds for a client that doesn't read."""
    for _ in range(count):
        publisher.send(wire.publish("t", bytes(100_000)))
    publisher.drain()


def test_a_client_that_reads_late_is_told_too(node: BrokerProcess, clients: Connect) -> None:
    slow = clients(node.address, "slow")
    slow.subscribe("t")
    flood(node, clients(node.address, "p"), 100)
    node.ask_to_stop()
    while isinstance(packet := slow.receive(), Publish):
        pass
    assert isinstance(packet, Disconnect) and packet.code == 0x8B
    slow.expect_closed()
    assert node.stop() == 0


def test_a_client_that_reads_nothing_does_not_hold_the_node(node: BrokerProcess, clients: Connect) -> None:
    stuck = clients(node.address, "stuck")
    stuck.subscribe("t")
    flood(node, clients(node.address, "p"), 100)
    asked = time.monotonic()
    assert node.stop() == 0
    assert time.monotonic() - asked < 20


def test_running_out_of_descriptors_costs_nobody_who_is_connected(tmp_path: Path, clients: Connect) -> None:
    address = ("127.0.0.1", free_ports(1)[0])
    settings = ("--set", f"listener.tcp.external.addr={address[0]}:{address[1]}", "--set", "alarms.interval=1s")
    process = subprocess.Popen(
        command("--data-dir", "data", *settings),
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS)),
    )
    assert process.stdout is not None
    others: list[socket.socket] = []
    try:
        api = ""
        for line in process.stdout:
            if b"rmq-http-api" in line:
                api = line.split()[1].decode()
            if b"config" in line:
                break
        first = clients(address, "first")
        others += [socket.create_connection(address) for _ in range(DESCRIPTORS)]
        assert others[-1].recv(1) == b""
        # What the node needs for itself is left to it: whoever watches it, its journal, its own look at the machine.
        for _ in range(5):
            with urllib.request.urlopen(f"http://{api}/api/v1/nodes/1", timeout=10) as answer:
                assert json.load(answer)["memory_total"] > 0
        assert first.publish("kept", b"m", qos=1, retain=True) == 0
        for other in others:
            other.close()
        late = clients(address, "late")
        late.disconnect()
        first.disconnect()
    finally:
        for other in others:
            other.close()
        process.terminate()
        log = process.communicate(timeout=10)[0].decode()
    assert process.returncode == 0, log
    warnings = [line for line in log.splitlines() if "no descriptors left" in line]
    assert warnings and "Traceback" not in log
    assert len(warnings) < 10, "said now and then, not for each"


# A signal at the worst moment: the sockets listen, and nothing has been started yet.
STOPPED_AT_THE_START: Final = """
import os, signal, sys
from rmq.cli.node import main
from rmq.node.node import Node
opened = Node.open
def open_and_stop(node):
    opened(node)
    os.kill(os.getpid(), signal.SIGTERM)
Node.open = open_and_stop
sys.exit(main())
"""


@pytest.mark.parametrize("nodes", ["", "1@127.0.0.1:{port}"], ids=["alone", "in a cluster"])
def test_a_node_that_is_stopped_before_it_has_started(tmp_path: Path, nodes: str) -> None:
    listening, linking = free_ports(2)
    arguments = ["--id", "1", "--data-dir", str(tmp_path), "--set", f"listener.tcp.external.addr=127.0.0.1:{listening}"]
    if nodes:
        arguments += ["--cluster-nodes", nodes.format(port=linking)]
    done = subprocess.run(
        [command()[0], "-c", STOPPED_AT_THE_START, *arguments],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=20,
        check=False,
    )
    written = done.stderr.decode()
    assert done.returncode == 0, (done.returncode, written)
    assert '"stopping"' in written and "Traceback" not in written
