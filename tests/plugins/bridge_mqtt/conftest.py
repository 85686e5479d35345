"""Other brokers for bridges: Debian's mosquitto, and how a node is told of them."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import wire
from tests.support.broker_process import BrokerProcess, free_ports
from tests.support.certificates import Pair
from tests.support.certificates import certificates as certificates
from tests.support.client import Client, ClientSocket
from tests.support.packet_notation import V5

NO_SUBSCRIBERS = 0x10
PATIENCE_S = 20.0
KEEPING = [(wire.SESSION_EXPIRY, 600)]


class Mosquitto:
    """A mosquitto that keeps sessions over kills; ``kill`` is SIGKILL."""

    def __init__(self, directory: Path, port: int, tls: Pair | None = None, cafile: str = "") -> None:
        self.address = ("127.0.0.1", port)
        self._file = directory / "mosquitto.conf"
        lines = [
            f"listener {port} 127.0.0.1",
            "allow_anonymous true",
            "user root",
            "persistence true",
            f"persistence_location {directory}/",
            "autosave_on_changes true",
            "autosave_interval 1",
            "max_queued_messages 0",
        ]
        if tls is not None:
            lines += [f"certfile {tls.certfile}", f"keyfile {tls.keyfile}", f"cafile {cafile}"]
        self._file.write_text("\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        self._process = subprocess.Popen(
            ["mosquitto", "-c", str(self._file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                socket.create_connection(self.address, 1).close()
                return
            except OSError:
                assert self._process.poll() is None and time.monotonic() < deadline, "mosquitto doesn't listen"

    def kill(self) -> None:
        """End it as nothing but the kernel can."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def make_mosquitto(tmp_path: Path) -> Iterator[Callable[..., Mosquitto]]:
    """``make_mosquitto(tls, cafile)`` makes one that hasn't been started."""
    if shutil.which("mosquitto") is None:
        pytest.skip("mosquitto isn't installed")
    made: list[Mosquitto] = []

    def make(tls: Pair | None = None, cafile: str = "") -> Mosquitto:
        directory = tmp_path / f"mosquitto-{len(made)}"
        directory.mkdir()
        directory.chmod(0o777)
        made.append(Mosquitto(directory, free_ports(1)[0], tls, cafile))
        return made[-1]

    yield make
    for one in made:
        one.kill()


@pytest.fixture
def start_node(tmp_path: Path) -> Iterator[Callable[..., BrokerProcess]]:
    """``start_node(*sets)`` starts a node of its own that can be killed and started again."""
    started: list[BrokerProcess] = []

    def start(*sets: str, before: BrokerProcess | None = None) -> BrokerProcess:
        if before is not None:
            started.append(before.start_again())
        else:
            directory = tmp_path / f"node-{len(started)}"
            directory.mkdir()
            started.append(BrokerProcess(directory, sets))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def dial() -> Iterator[Callable[..., Client]]:
    """``dial(address, client_id)`` connects a client that is closed in the end; ``keeping``: its session stays."""
    clients: list[Client] = []

    def connect(
        address: tuple[str, int],
        client_id: str,
        *,
        keeping: bool = False,
        level: int = V5,
        code: int = 0,
        sock: ClientSocket | None = None,
    ) -> Client:
        clients.append(Client(address, client_id, level, sock))
        clients[-1].connect(clean=not keeping, properties=KEEPING if keeping else (), code=code)
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


def bridge_option(direction: str, server: str, entries: str, more: str = "") -> str:
    """The option that gives a node one bridge called ``link``."""
    keys = f'enable = true, name = "link", server = "{server}", reconnect_interval = "100ms", entries = {entries}{more}'
    return f"plugins.rmq-bridge-{direction}-mqtt.bridges=[{{ {keys} }}]"


def await_subscriber(client: Client, topic: str) -> None:
    """Publish until somebody is subscribed: MQTT 5 says of each message whether anybody was."""
    deadline = time.monotonic() + PATIENCE_S
    while client.publish(topic, b"probe", 1) == NO_SUBSCRIBERS:
        assert time.monotonic() < deadline, "nobody subscribes"


def receive_all(client: Client, count: int) -> list[bytes]:
    """The payloads of so many messages, without probes, each acknowledged as its QoS wants."""
    found: list[bytes] = []
    while len(found) < count:
        payload = client.receive_publish(timeout_s=PATIENCE_S).payload
        if payload != b"probe":
            found.append(payload)
    return found
