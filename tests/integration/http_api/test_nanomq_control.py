"""Stop and restart through NanoMQ's API: a real process ends in good order, and begins again with what it kept."""

from __future__ import annotations

import base64
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from tests.integration.http_api.http import Answer, Http
from tests.support import wire
from tests.support.broker_process import BrokerProcess
from tests.support.client import Client

LOGIN: Final = {"Authorization": "Basic " + base64.b64encode(b"admin:public").decode()}
TIMEOUT_S: Final = 30.0
BANNER: Final = "rmq-node "


def post(http: Http, path: str, body: str = "") -> Answer:
    """As curl sends it."""
    content = body.encode() if body else None
    return http.send("POST", path, content, {**LOGIN, "Content-Type": "application/x-www-form-urlencoded"})


def until(what: Callable[[], Any]) -> None:
    """Ask until it is so: nothing else tells."""
    deadline = time.monotonic() + TIMEOUT_S
    while not what():
        assert time.monotonic() < deadline, "it didn't happen in time"
        threading.Event().wait(0.05)


def serves(node: BrokerProcess) -> bool:
    try:
        socket.create_connection(node.address, 1).close()
    except OSError:
        return False
    return node.log.count(BANNER) == 2


def start(folder: Path) -> BrokerProcess:
    return BrokerProcess(folder, ['plugins.default_startups=["rmq-http-api"]'])


def test_restart_keeps_the_process_and_what_it_has(tmp_path: Path) -> None:
    """And changed settings that waited for it are in force then."""
    node = start(tmp_path)
    try:
        client = Client(node.address, "kept")
        client.connect(False, 60, [(wire.SESSION_EXPIRY, 1000)])
        client.subscribe(("t", 1))
        answer = post(Http.of(node), "/api/v4/restart")
        assert (answer.status, answer.json) == (200, {"code": 0})
        client.expect_disconnect(0x8B)  # it is told: Server shutting down
        client.close()
        until(lambda: serves(node))
        assert node.exit_code is None, "whoever supervises the process by its number goes on"
        (row,) = Http.of(node).send("GET", "/api/v4/clients", None, LOGIN).json["data"]
        assert (row["clientid"], row["conn_state"]) == ("kept", "disconnected")
        assert post(Http.of(node), "/api/v4/ctrl/stop").json == {"code": 0}
        until(lambda: node.exit_code is not None)
        assert node.exit_code == 0
        assert "Traceback" not in node.log
    finally:
        node.stop()


def test_a_service_manager_restarts_it_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts starts and bounds their time, so the process ends, by a code that systemd's on-failure restarts."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        node = start(tmp_path)
        try:
            assert post(Http.of(node), "/api/v4/ctrl/restart").json == {"code": 0}
            until(lambda: node.exit_code is not None)
            assert node.exit_code == 75
            manager.settimeout(TIMEOUT_S)
            said = [manager.recv(4096).partition(b"\n")[0]]
            while said[-1] != b"STOPPING=1":
                said.append(manager.recv(4096).partition(b"\n")[0])
            assert b"READY=1" in said
        finally:
            node.stop()


def test_a_signal_says_more_than_a_wish_to_be_started_again(tmp_path: Path) -> None:
    """Who is told to stop while it restarts, stops."""
    node = start(tmp_path)
    try:
        post(Http.of(node), "/api/v4/ctrl/restart")
        assert node.stop() == 0
        assert node.log.count(BANNER) == 1
    finally:
        node.stop()
