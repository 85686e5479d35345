"""A node under a service manager: it says when it serves, that it is alive, and that it stops (sd_notify)."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.node.node_command import command, environment
from tests.support.broker_process import free_ports
from tests.support.client import Client

pytestmark = pytest.mark.realtime

TIMEOUT_S = 30.0


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket that systemd would listen at."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(TIMEOUT_S)
        yield listener


def start(directory: Path, port: int, **variables: str) -> subprocess.Popen[bytes]:
    arguments = ["--data-dir", "data", "--set", f"listener.tcp.external.addr=127.0.0.1:{port}"]
    return subprocess.Popen(
        command(*arguments),
        cwd=directory,
        env={**environment(), "NOTIFY_SOCKET": str(directory / "notify"), **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def said(manager: socket.socket) -> str:
    """The next message's first line."""
    return manager.recv(4096).decode().partition("\n")[0]


def test_it_is_ready_when_it_serves_lives_and_says_that_it_stops(tmp_path: Path, manager: socket.socket) -> None:
    port = free_ports(1)[0]
    node = start(tmp_path, port, WATCHDOG_USEC="400000")
    try:
        messages = [said(manager)]
        while messages[-1] != "READY=1":
            messages.append(said(manager))
        assert set(messages) <= {"WATCHDOG=1", "READY=1"}
        client = Client(("127.0.0.1", port), "first")
        client.connect()  # at once, without another try
        assert [said(manager) for _ in range(3)] == ["WATCHDOG=1"] * 3
        node.send_signal(signal.SIGTERM)
        last = said(manager)
        while last == "WATCHDOG=1":
            last = said(manager)
        assert last == "STOPPING=1"
        client.close()
        assert node.wait(TIMEOUT_S) == 0
    finally:
        node.kill()
        node.wait()


def test_a_loop_that_hangs_gives_no_sign_of_life(tmp_path: Path, manager: socket.socket) -> None:
    node = start(tmp_path, free_ports(1)[0], WATCHDOG_USEC="400000")
    try:
        while said(manager) != "READY=1":
            pass
        os.kill(node.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, node.pid, os.WSTOPPED)
        manager.settimeout(0)
        while True:  # what was on its way
            try:
                said(manager)
            except BlockingIOError:
                break
        manager.settimeout(1.0)
        with pytest.raises(TimeoutError):
            said(manager)
    finally:
        node.kill()
        node.wait()


def test_a_node_that_can_not_start_never_says_it_serves(tmp_path: Path, manager: socket.socket) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        node = start(tmp_path, taken.getsockname()[1])
        assert node.wait(TIMEOUT_S) == 2
    manager.settimeout(0)
    with pytest.raises(BlockingIOError):
        said(manager)
