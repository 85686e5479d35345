"""Connections that are over leave nothing in the broker's memory, not even for a garbage collector to find.

The node collects cyclic garbage rarely on purpose: a closed connection that is part of a cycle is a leak in practice.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Broker
from tests.support import wire
from tests.support.client import Client

# Long enough for the node to hold as many connections for their last two seconds as it ever will.
WARM_UP = 4_000
CONNECTIONS = 4_000
# One whose decoder, channel and client details nobody frees costs 1,150 bytes and more; nothing else grows like that.
MAX_GROWTH_BYTES = CONNECTIONS * 600


def _connect_and_disconnect(address: tuple[str, int]) -> None:
    client = Client(address, "again")
    client.connect()
    client.disconnect()


def _connect_and_vanish(address: tuple[str, int]) -> None:
    client = Client(address, "again")
    client.connect()
    client.close()


def _send_a_bad_packet(address: tuple[str, int]) -> None:
    client = Client(address, "again")
    client.connect()
    client.send(wire.raw(0x30, b"\x00\x05ab"))
    client.read_to_the_end()
    client.close()


def _never_connect(address: tuple[str, int]) -> None:
    client = Client(address)
    client.send(b"GET / HTTP/1.1\r\n\r\n")
    client.read_to_the_end()
    client.close()


@pytest.mark.realtime
@pytest.mark.parametrize(
    "visit",
    [_connect_and_disconnect, _connect_and_vanish, _send_a_bad_packet, _never_connect],
    ids=lambda visit: visit.__name__.strip("_"),
)
def test_closed_connections_are_freed(
    start_broker: Callable[..., Broker], visit: Callable[[tuple[str, int]], None]
) -> None:
    broker = start_broker()
    assert broker.process is not None
    for _ in range(WARM_UP):
        visit(broker.address)
    before = _resident_bytes(broker.process.pid)
    for _ in range(CONNECTIONS):
        visit(broker.address)
    growth = _resident_bytes(broker.process.pid) - before
    assert growth < MAX_GROWTH_BYTES, f"{growth / CONNECTIONS:.0f} bytes for each connection that is over"


def _resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
