"""The clients of one test: connected at the nodes it says, and all closed at its end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from tests.support import wire
from tests.support.client import Client, ConnectionClosed
from tests.support.cluster_processes import Member
from tests.support.wire import Properties, Will
from tests.support.wire_parser import Connack, Disconnect, Packet, Publish, Pubrel

SLOW_MACHINE: Final = 3.0
"""How many times as long as promised things may take here, where others use the machine too.

That a promise in seconds is kept is shown in virtual time by tests/unit/cluster, and measured by `make bench-cluster`.
"""


class Guests:
    """Connects clients, and closes them when it is left."""

    def __init__(self) -> None:
        self._clients: list[Client] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients:
            client.close()

    def connect(
        self,
        member: Member,
        client_id: str,
        level: int = 5,
        *,
        clean: bool = False,
        expiry: int = 1000,
        properties: Properties = (),
        will: Will | None = None,
        present: bool | None = None,
    ) -> Client:
        """A connected client; by default one whose session outlives its connection. ``present``: its session was."""
        client = member.connect(
            client_id,
            level,
            clean=clean,
            expiry=expiry,
            properties=properties,
            will=will,
            present=present,
        )
        self._clients.append(client)
        return client

    def passing(self, member: Member, client_id: str = "", level: int = 5) -> Client:
        """A client whose session ends with its connection."""
        return self.connect(member, client_id, level, clean=True, expiry=0)

    def try_to_connect(
        self, member: Member, client_id: str, level: int = 5, *, timeout_s: float = 10.0
    ) -> tuple[Client, Connack]:
        """A client and what the node said to its CONNECT."""
        client, connack = member.try_to_connect(client_id, level, timeout_s=timeout_s)
        self._clients.append(client)
        return client, connack

    def off_line(
        self,
        member: Member,
        client_id: str,
        *filters: tuple[str, int],
        level: int = 5,
        expiry: int = 1000,
        will: Will | None = None,
    ) -> None:
        """A session without a connection."""
        client = self.connect(member, client_id, level, expiry=expiry, present=False, will=will)
        client.subscribe(*filters)
        client.send(wire.disconnect())
        client.expect_closed()

    def goodbye(self, client: Client) -> None:
        """DISCONNECT, and the node has dealt with it; the session stays as it was asked to."""
        client.send(wire.disconnect())
        client.expect_closed()


def taken_over(client: Client, timeout_s: float | None = None) -> list[Packet]:
    """The node ends the connection because the client came elsewhere [MQTT-3.1.4-3]; what was sent before that."""
    before: list[Packet] = []
    try:
        while True:
            packet = client.receive(timeout_s)
            if isinstance(packet, Disconnect):
                assert client.level == 5 and packet.code == 0x8E, packet
                client.expect_closed(timeout_s)
                return before
            before.append(packet)
    except ConnectionClosed:
        assert client.level != 5, "closed without DISCONNECT"
        return before


def payloads_until_quiet(client: Client) -> list[bytes]:
    """The payloads of all that comes, acknowledged, until nothing more is on its way."""
    found: list[bytes] = []
    while packets := client.drain():
        found += [packet.payload for packet in packets if isinstance(packet, Publish)]
        client.send(*acknowledgements(packets))
    return found


def nothing_new(client: Client) -> None:
    """No message comes; a PUBREL may come again, for PUBCOMP is kept lazily, and is answered."""
    while packets := client.drain():
        assert all(isinstance(packet, Pubrel) for packet in packets), packets
        client.send(*[wire.pubcomp(packet.packet_id) for packet in packets if isinstance(packet, Pubrel)])


def acknowledgements(packets: Sequence[Packet]) -> list[bytes]:
    """What a subscriber answers to QoS 1 messages."""
    return [wire.puback(packet.packet_id) for packet in packets if isinstance(packet, Publish) and packet.qos == 1]


def receive_within(client: Client, payload: bytes, seconds: float, began: float) -> float:
    """Receive a message, which must come within so many seconds since ``began``; how many it took."""
    limit = seconds * SLOW_MACHINE
    client.receive_publish(payload, max(began + limit - time.monotonic(), 0.01))
    took = time.monotonic() - began
    assert took <= limit, f"{payload!r} came after {took:.2f} s"
    return took
