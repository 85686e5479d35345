"""A real HTTP server that the nodes of a module ask."""

from collections.abc import Iterator

import pytest

from tests.support.http_server import HttpServer


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    """One for all tests of a module: the nodes know its address."""
    running = HttpServer()
    yield running
    running.stop()
