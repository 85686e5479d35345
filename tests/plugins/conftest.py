"""Fixtures for tests of plugins."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trio

from tests.support.client import Client
from tests.support.http_server import HttpServer
from tests.support.packet_notation import V5
from tests.support.plugins import PluginBench


@pytest.fixture
def nothing_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file of the checkout and no variable counts, only what a test writes."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("RMQ_") and not name.startswith("RMQ_TEST_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def plugin_bench(nursery: trio.Nursery) -> PluginBench:
    """Hooks and a host, without a node."""
    return PluginBench(nursery)


@pytest.fixture
def server() -> Iterator[HttpServer]:
    """A real HTTP server, one for a test."""
    running = HttpServer()
    yield running
    running.stop()


@pytest.fixture
def new_client() -> Iterator[Callable[..., Client]]:
    """Makes clients, and closes them when the test is over."""
    made: list[Client] = []

    def new(address: tuple[str, int], client_id: str, level: int = V5) -> Client:
        client = Client(address, client_id, level)
        made.append(client)
        return client

    yield new
    for client in made:
        client.close()
