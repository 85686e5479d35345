"""The node that most tests of doors share, and a guest that watches who comes in."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator

import pytest

from tests.integration.doors.house import House
from tests.support.certificates import Certificates
from tests.support.certificates import certificates as certificates
from tests.support.client import Client


@pytest.fixture(scope="session")
def shared_house(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[House]:
    """One node for all tests of this folder."""
    made = House(tmp_path_factory.mktemp("house"), certificates)
    yield made
    assert made.node.stop() == 0, made.node.log[-4000:]
    assert "Traceback" not in made.node.log


@pytest.fixture
def house(shared_house: House) -> Iterator[House]:
    """The node; clients of the test are closed at its end."""
    with shared_house.visit():
        yield shared_house


@pytest.fixture
def name() -> str:
    """A client id, and a topic level, that no other test uses."""
    return secrets.token_hex(6)


class Watcher:
    """Hears of one client that connects, by its $SYS message."""

    def __init__(self, client: Client, client_id: str) -> None:
        self._client = client
        client.subscribe(f"$SYS/brokers/+/clients/{client_id}/connected")

    def seen(self) -> tuple[str, str]:
        """Address and user name of the client that has connected."""
        event = json.loads(self._client.receive_publish().payload)
        return event["ipaddress"], event["username"]


@pytest.fixture
def watcher(house: House, name: str) -> Watcher:
    """Watches for the client id ``name``."""
    client = house.client("tcp.plain", f"{name}-watcher")
    client.connect()
    return Watcher(client, name)
