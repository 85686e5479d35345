"""A broker of the kind under test, and raw clients of it that are closed at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from rmq.testing import ThreadedBroker
from tests.support.client import Client
from tests.support.packet_notation import V5

Connect = Callable[..., Client]


@pytest.fixture
def running() -> Iterator[ThreadedBroker]:
    """A broker with default settings, for one test; not by the fixture of the plugin, which has tests of its own."""
    with ThreadedBroker() as broker:
        yield broker


@pytest.fixture
def open_client(running: ThreadedBroker) -> Iterator[Connect]:
    """Makes clients that have an open socket and have sent nothing yet."""
    opened: list[Client] = []

    def make(client_id: str, level: int = V5) -> Client:
        client = Client(running.address(), client_id, level)
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.close()
