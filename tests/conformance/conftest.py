"""Fixtures of the conformance tests: clients that are closed at the end, topics and names no other test uses."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

import pytest

from tests.conftest import OTHER_BROKER, Broker
from tests.support.broker_process import BrokerProcess
from tests.support.client import Client
from tests.support.packet_notation import V5

_RUN: Final = secrets.token_hex(3)
_TRACEBACK: Final = "Traceback (most recent call last)"


class Clients(Protocol):
    """Makes clients of the shared broker, or of ``at``."""

    def __call__(self, client_id: str | None = None, level: int = V5, at: Broker | None = None) -> Client:
        """A client with an open socket that has sent nothing yet."""


@pytest.fixture(params=[pytest.param(4, id="v311"), pytest.param(5, id="v5")])
def level(request: pytest.FixtureRequest) -> int:
    """Protocol level of a test that holds for 3.1.1 and 5."""
    value: int = request.param
    return value


@pytest.fixture(params=[pytest.param(3, id="v31"), pytest.param(4, id="v311"), pytest.param(5, id="v5")])
def any_level(request: pytest.FixtureRequest) -> int:
    """Protocol level of a test that holds for every version."""
    value: int = request.param
    return value


@pytest.fixture
def unique(request: pytest.FixtureRequest) -> str:
    """A name no other test of this or another run uses."""
    return f"{_RUN}-{abs(hash(request.node.nodeid)) % 10**9:09d}"


@pytest.fixture
def topic(unique: str) -> str:
    """A topic name, of two levels, no other test uses."""
    return f"conformance/{unique}"


@pytest.fixture
def clients(broker: Broker, unique: str) -> Iterator[Clients]:
    """Makes clients; all are closed when the test ends."""
    opened: list[Client] = []

    def make(client_id: str | None = None, level: int = V5, at: Broker | None = None) -> Client:
        name = f"{unique}-{len(opened)}" if client_id is None else client_id
        client = Client((at or broker).address, name, level)
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.close()


@pytest.fixture(autouse=True)
def _no_traceback_in_the_log(broker: Broker) -> Iterator[None]:
    """Whatever a client sends, the node's log shows no exception."""
    process = broker.process
    if process is None:
        yield
        return
    before = os.path.getsize(process.log_path)
    yield
    with process.log_path.open("rb") as log:
        log.seek(before)
        written = log.read().decode(errors="replace")
    assert _TRACEBACK not in written, written


Listeners = Callable[[str], Broker]
"""The broker behind a listener of the module's ``LISTENERS``."""


@pytest.fixture(scope="module")
def listener(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listeners]:
    """One node with a listener for each entry of the module's ``LISTENERS`` (name: options), and its ``NODE_OPTIONS``.

    A node takes a second to start; with a listener for every set of options one node is enough for a module.
    """
    if OTHER_BROKER:
        pytest.skip("needs a node with special options, RMQ_TEST_BROKER names a running broker")
    options: Sequence[str] = getattr(request.module, "NODE_OPTIONS", ())
    process = BrokerProcess(tmp_path_factory.mktemp("broker"), options, request.module.LISTENERS)
    yield lambda name: Broker(process.addresses[name], process)
    assert process.stop() == 0, process.log[-4000:]
