"""Kafka for bridges: the one inside librdkafka always, Kafka's own server where `make test-kafka` has fetched it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest
from confluent_kafka import Message

from tests.plugins.bridge_mqtt.conftest import await_subscriber, dial, start_node
from tests.support.broker_process import BrokerProcess
from tests.support.client import Client
from tests.support.kafka_server import Inside, Observer, Server

__all__ = ["await_subscriber", "dial", "start_node"]

HAS_SERVER: Final = os.environ.get("RMQ_TEST_KAFKA") == "1"
needs_server = pytest.mark.skipif(not HAS_SERVER, reason="Kafka's own server: make test-kafka runs this")
ANY_KAFKA: Final = [pytest.param("inside"), pytest.param("server", marks=needs_server)]

OUT: Final = 'plugins.default_startups=["rmq-bridge-egress-kafka"]'
IN: Final = 'plugins.default_startups=["rmq-bridge-ingress-kafka"]'
TWO_WAYS: Final = 'plugins.default_startups=["rmq-bridge-egress-kafka", "rmq-bridge-ingress-kafka"]'

Start = Callable[..., BrokerProcess]
Dial = Callable[..., Client]
Make = Callable[..., Server]


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Kafka's own server for all tests that let it live."""
    server = Server(tmp_path_factory.mktemp("kafka"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def kafka(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a Kafka; a test says of which by ``indirect``."""
    if request.param == "server":
        server: Server = request.getfixturevalue("shared_server")
        yield server.servers
        return
    inside = Inside()
    yield inside.servers
    inside.kill()


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[Make]:
    """``make_server(more)`` makes a server of its own for a test, which hasn't been started."""
    made: list[Server] = []

    def make(more: Mapping[str, str] | None = None) -> Server:
        directory = tmp_path / f"kafka-{len(made)}"
        directory.mkdir()
        made.append(Server(directory, more))
        return made[-1]

    yield make
    for one in made:
        one.kill()


def kafka_option(direction: str, servers: str, entries: str, more: str = "", name: str = "link") -> str:
    """The option that gives a node one bridge."""
    keys = f'enable = true, name = "{name}", servers = "{servers}", entries = {entries}, reconnect_interval = "100ms"'
    return f"plugins.rmq-bridge-{direction}-kafka.bridges=[{{ {keys}{more} }}]"


def entry_in(topic: str, group: str, more: str = 'remote.offset = "beginning"') -> str:
    """The entry that fetches a topic for a group, as in/ and the key."""
    keys = f'remote.topic = "{topic}", remote.group_id = "{group}", local.topic = "in/${{kafka.key}}"'
    return f"[{{ {keys}, {more} }}]"


def unlike_probes(records: Sequence[Message[bytes, bytes]]) -> list[Message[bytes, bytes]]:
    """Records without those that only looked for the bridge."""
    return [record for record in records if record.value() != b"probe"]


def values(records: Sequence[Message[bytes, bytes]]) -> list[bytes]:
    """What is in records, probes left out."""
    return [record.value() or b"" for record in unlike_probes(records)]


def in_order(found: Sequence[bytes]) -> list[int]:
    """The numbers without those that came before: what order is kept of messages that may arrive twice."""
    return list(dict.fromkeys(int(one) for one in found))


def await_committed(observer: Observer, group: str, topic: str, wanted: int) -> None:
    """Wait until a group has committed so many records of all partitions together."""
    deadline = time.monotonic() + 30
    while sum(offset for offset in observer.committed(group, topic) if offset > 0) != wanted:
        assert time.monotonic() < deadline, observer.committed(group, topic)
