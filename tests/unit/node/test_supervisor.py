"""What a service manager is told, on real Unix sockets; the watchdog's clock is trio's mock clock."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
import trio.testing
from structlog.testing import capture_logs

from rmq.node.supervisor import Supervisor

PID = 4711


@contextmanager
def listening(address: str | bytes) -> Iterator[socket.socket]:
    """A socket as systemd's; what isn't there yet is an error, not a wait."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address)
        listener.setblocking(False)
        yield listener


def said(listener: socket.socket) -> list[str]:
    """All that has arrived since the last look."""
    messages: list[str] = []
    while True:
        try:
            messages.append(listener.recv(4096).decode())
        except BlockingIOError:
            return messages


def test_ready_and_stopping_arrive_at_a_socket_with_a_path(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with listening(path) as listener:
        supervisor = Supervisor({"NOTIFY_SOCKET": path}, PID)
        assert said(listener) == []
        supervisor.ready("node 1 serves")
        assert said(listener) == ["READY=1\nSTATUS=node 1 serves"]
        supervisor.stopping()
        assert said(listener) == ["STOPPING=1\nSTATUS=stopping"]


def test_a_socket_without_a_path_is_written_with_an_at_sign() -> None:
    name = f"rmq-test-{os.getpid()}-notify"
    with listening(b"\0" + name.encode()) as listener:
        Supervisor({"NOTIFY_SOCKET": f"@{name}"}, PID).ready("x")
        assert said(listener) == ["READY=1\nSTATUS=x"]


async def test_the_watchdog_is_fed_twice_in_its_interval(
    tmp_path: Path, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    path = str(tmp_path / "notify")
    with listening(path) as listener:
        variables = {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(PID)}
        supervisor = Supervisor(variables, PID)
        assert supervisor.watchdog_s == 30.0
        nursery.start_soon(supervisor.watch)
        await trio.sleep(61)
        assert said(listener) == ["WATCHDOG=1"] * 5  # at 0, 15, 30, 45 and 60 s
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "variables",
    [
        {"NOTIFY_SOCKET": "/nowhere"},
        {"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "0"},
        {"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(PID + 1)},
        {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(PID)},
    ],
)
async def test_no_watchdog_unless_it_is_for_this_process(variables: dict[str, str]) -> None:
    supervisor = Supervisor(variables, PID)
    assert supervisor.watchdog_s == 0.0
    await supervisor.watch()  # at its end at once


def test_without_a_service_manager_nothing_is_said() -> None:
    with capture_logs() as lines:
        supervisor = Supervisor({}, PID)
        supervisor.ready("x")
        supervisor.stopping()
    assert lines == []


def test_a_socket_that_is_gone_is_one_line_in_the_log(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    supervisor = Supervisor({"NOTIFY_SOCKET": path}, PID)
    with capture_logs() as lines:
        supervisor.ready("x")
        supervisor.stopping()
    assert [(line["event"], line["said"]) for line in lines] == [("the service manager can't be told", "READY=1")]
    with listening(path) as listener:  # it was restarted, say: it is told again
        supervisor.stopping()
        assert said(listener) == ["STOPPING=1\nSTATUS=stopping"]


async def test_a_watchdog_whose_manager_reads_nothing_does_not_stop_the_loop(
    tmp_path: Path, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    path = str(tmp_path / "notify")
    with listening(path) as listener, capture_logs() as lines:
        supervisor = Supervisor({"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "2000000"}, PID)
        nursery.start_soon(supervisor.watch)
        await trio.sleep(2000)  # more than fits into any queue of datagrams
        assert [line["said"] for line in lines] == ["WATCHDOG=1"]
        assert 0 < len(said(listener)) < 2000
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("variables", "complaint"),
    [
        ({"NOTIFY_SOCKET": "vsock:2:1234"}, "NOTIFY_SOCKET"),
        ({"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "soon"}, "WATCHDOG_USEC"),
    ],
)
def test_what_it_can_not_use_is_told_and_left(variables: dict[str, str], complaint: str) -> None:
    with capture_logs() as lines:
        supervisor = Supervisor(variables, PID)
    assert supervisor.watchdog_s == 0.0
    assert len(lines) == 1 and lines[0]["event"].startswith(complaint)
