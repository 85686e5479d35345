"""NATS for bridges: Debian's nats-server, clients of it, and how a node is told of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.plugins.bridge_mqtt.conftest import dial as dial
from tests.plugins.bridge_mqtt.conftest import start_node as start_node
from tests.support.broker_process import free_ports
from tests.support.certificates import certificates as certificates
from tests.support.nats_server import NatsClient, NatsServer


@pytest.fixture
def make_nats(tmp_path: Path) -> Iterator[Callable[..., NatsServer]]:
    """``make_nats(lines)`` makes a server that hasn't been started."""
    if shutil.which("nats-server") is None:
        pytest.skip("nats-server isn't installed")
    made: list[NatsServer] = []

    def make(lines: Sequence[str] = ()) -> NatsServer:
        directory = tmp_path / f"nats-{len(made)}"
        directory.mkdir()
        made.append(NatsServer(directory, free_ports(1)[0], lines))
        return made[-1]

    yield make
    for one in made:
        one.kill()


@pytest.fixture
def dial_nats() -> Iterator[Callable[..., NatsClient]]:
    """``dial_nats(server, **options)`` connects a client that is closed in the end."""
    clients: list[NatsClient] = []

    def connect(server: NatsServer, **options: object) -> NatsClient:
        clients.append(NatsClient(server.address, **options))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


def nats_option(direction: str, server: str, entries: str, more: str = "", name: str = "link") -> str:
    """The option that gives a node one bridge."""
    keys = f'enable = true, name = "{name}", servers = "{server}", reconnect_interval = "100ms", entries = {entries}'
    return f"plugins.rmq-bridge-{direction}-nats.bridges=[{{ {keys}{more} }}]"
