"""A server with children: their processor time and memory count, and they end with it."""

from __future__ import annotations

import os
import select
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bench.cluster.servers import BenchError, Ports, Server, wait_until_listening

pytestmark = pytest.mark.realtime

# A parent that sleeps, and a child that works, says where it listens and then sleeps.
CHILD = """
import os, socket, sys, time
if os.fork():
    time.sleep(60)
kept = bytearray(64 << 20)
while time.process_time() < 0.2:
    pass
listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print(os.getpid(), flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("end", [Server.kill, Server.stop], ids=["kill", "stop"])
def test_a_child_counts_and_ends_with_its_parent(tmp_path: Path, end: Callable[[Server], None]) -> None:
    port = Ports(24_000).take()
    server = Server("parent", [sys.executable, "-c", CHILD, str(port)], tmp_path)
    try:
        wait_until_listening(server, port, 20.0)
        assert server.cpu_seconds() >= 0.2
        assert server.resident_bytes() > 64 << 20
        assert server.peak_resident_bytes() >= server.resident_bytes()
    finally:
        end(server)
    assert not server.is_running()
    assert server.cpu_seconds() == 0
    assert is_gone(int(server.log.read_text()))


def is_gone(pid: int) -> bool:
    """Whether the process has ended, or does soon."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([process], [], [], 10.0)[0])
    finally:
        os.close(process)


def test_a_server_that_ends_at_its_start_is_told_with_what_it_said(tmp_path: Path) -> None:
    server = Server("broken", [sys.executable, "-c", "raise SystemExit('no luck')"], tmp_path)
    with pytest.raises(BenchError, match="no luck"):
        wait_until_listening(server, Ports(24_100).take(), 20.0)


def test_ports_are_given_once_and_never_one_that_is_taken() -> None:
    with socket.socket() as taken:
        ports = Ports(24_200)
        first = ports.take()
        taken.bind(("127.0.0.1", first + 1))
        taken.listen()
        assert ports.take() > first + 1
