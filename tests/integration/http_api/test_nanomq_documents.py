"""The examples of NanoMQ's documents, run by curl as they are written; only who answers at localhost:8081 is ours."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.integration.http_api.http import Http
from tests.integration.http_api.nanomq_contract import contract, good, has_shape
from tests.support.broker_process import free_ports, interpreter
from tests.support.client import Client

TIMEOUT_S: Final = 30.0
# Who the document's examples are about.
USERS: Final = {"nanomq-29978ec1": "user001", "123": ""}


def until(what: Callable[[], bool]) -> None:
    """Ask until it is so: nothing else tells."""
    deadline = time.monotonic() + TIMEOUT_S
    while not what():
        assert time.monotonic() < deadline, "it didn't happen in time"
        threading.Event().wait(0.05)


class Configured:
    """A node with everything in its file, as a node is that an API may configure."""

    def __init__(self, folder: Path) -> None:
        self.mqtt, self.api, self.later_mqtt, self.later_api, tls, ws, wss = free_ports(7)
        self.other = (tls, ws, wss)
        (folder / "rmq.toml").write_text(
            f"""
            node.data_dir = "data"
            listener.tcp.external.addr = "127.0.0.1:{self.mqtt}"
            plugins.default_startups = ["rmq-http-api"]
            plugins.rmq-http-api.http_laddr = "127.0.0.1:{self.api}"
            plugins.rmq-http-api.compat_keep_unknown = true
            """,
            encoding="utf-8",
        )
        python, environment = interpreter()
        del environment["RMQ_PLUGINS__RMQ_HTTP_API__HTTP_LADDR"]
        self.log_path = folder / "node.log"
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [python, "-m", "rmq", "-f", "rmq.toml"],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def log(self) -> str:
        """All it has written."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def moved(self, body: Any) -> Any:
        """A body with ports that nobody else has."""
        text = json.dumps(body)
        ports = (("0.0.0.0:1883", self.later_mqtt), *zip(("8883", "8083", "8084"), self.other, strict=True))
        for written, port in ports:
            text = text.replace(written, f"127.0.0.1:{port}" if ":" in written else str(port))
        return json.loads(text.replace('"port": 8081', f'"port": {self.later_api}').replace("0.0.0.0", "127.0.0.1"))

    def listens(self, port: int) -> bool:
        """Whether somebody takes connections there."""
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            return False
        return True

    def curl(self, example: dict[str, Any], port: int) -> Any:
        """The JSON that a command of the document prints behind the headers."""
        words = [json.dumps(self.moved(example["body"])) if word == "<body>" else word for word in example["command"]]
        assert words[:2] == ["curl", "-i"]
        command = ["curl", "-s", "--connect-to", f"localhost:8081:127.0.0.1:{port}"]
        command += ["--connect-to", f"127.0.0.1:8081:127.0.0.1:{port}", *words[1:]]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
        head, _, body = done.stdout.partition("\n\n")
        assert head.startswith("HTTP/1.1 200"), (words, done.stdout)
        return json.loads(body)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Configured]:
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    made = Configured(tmp_path)
    try:
        until(lambda: made.listens(made.mqtt) and made.listens(made.api))
        yield made
    finally:
        made.process.terminate()
        made.process.wait(TIMEOUT_S)
    assert "Traceback" not in made.log


def test_every_command_of_both_documents(node: Configured) -> None:
    clients = [Client(("127.0.0.1", node.mqtt), name) for name in USERS]
    for client in clients:
        client.connect(username=USERS[client.client_id] or None)
        client.subscribe(("topic123", 1))
    api = node.api
    ran = 0
    for operation in (*contract("nanomq_v1")["operations"], *contract("nanomq_v4")["operations"]):
        for example in operation["examples"]:
            found = node.curl(example, api)
            assert found["code"] == 0, example["command"]
            if example["response"] != "text":
                assert has_shape(found, example["response"]), example["command"]
            if example["method"] == "POST" and example["path"].endswith("/configuration"):
                # What it says of the API is in force at once, so the next command goes there.
                assert "http_server.port" in found["applied"] and "url" in found["after_restart"]
                assert "num_taskq_thread" in found["ignored"]
                api = node.later_api
                until(lambda: node.listens(node.later_api) and not node.listens(node.api))
            ran += 1
    assert ran == 15
    # The last one of them was a restart, and what the configuration says of MQTT is in force now.
    until(lambda: node.listens(node.later_mqtt) and node.listens(node.later_api))
    assert node.process.poll() is None and not node.listens(node.mqtt)
    told = good(Http(node.later_api), "GET", "/api/v4/configuration")
    assert told["data"]["url"] == f"nmq-tcp://127.0.0.1:{node.later_mqtt}"
    assert told["data"]["msq_len"] == 64 and "num_taskq_thread" in told["ignored"]
    late = Client(("127.0.0.1", node.later_mqtt), "late")
    late.connect()
    for client in (*clients, late):
        client.close()
