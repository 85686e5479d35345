"""A real HTTP server, and nodes that tell it what happens."""

from collections.abc import Callable, Iterator

import pytest

from tests.support.client import Client
from tests.support.http_server import HttpServer
from tests.support.packet_notation import V5


@pytest.fixture
def server() -> Iterator[HttpServer]:
    """One for a test."""
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
