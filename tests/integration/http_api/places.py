"""Where the contract is held against: a node alone, three nodes, and three of which one is dead."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from tests.integration.http_api.described import DescribedHttp
from tests.support import wire
from tests.support.client import Client
from tests.support.wire import Properties, Will

# A second listener, whose limits are others.
NARROW: Final = ("max_subscriptions=9", "max_mqueue_len=77", "max_inflight=5")
# Nothing may be published, or connect, that a test doesn't know of.
SETS: Final = ('plugins.default_startups=["rmq-acl","rmq-http-api"]',)
WAIT_S: Final = 20.0


@dataclass
class Place:
    """``api`` is asked; clients go to node ``node_id`` at ``address`` and its listener ``narrow``.

    ``nodes`` are all nodes, ``dead`` those of them that don't live.
    """

    api: DescribedHttp
    node_id: int
    address: tuple[str, int]
    narrow: tuple[str, int]
    nodes: tuple[int, ...]
    dead: tuple[int, ...] = ()
    clients: list[Client] = field(default_factory=list)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    def name(self, start: str = "c") -> str:
        """A name nobody has."""
        return f"{start}-{next(self._numbers)}-{len(self.nodes)}-{len(self.dead)}"

    def client(
        self,
        client_id: str = "",
        level: int = 5,
        *,
        clean: bool = True,
        keep_alive: int = 60,
        expiry: int = 0,
        receive_maximum: int = 0,
        username: str | None = None,
        will: Will | None = None,
        narrow: bool = False,
        source: str = "127.0.0.1",
    ) -> Client:
        """A connected client that ends with the test."""
        sock = socket.create_connection(self.narrow if narrow else self.address, WAIT_S, (source, 0))
        client = Client(self.address, client_id or self.name(), level, sock)
        self.clients.append(client)
        properties: list[tuple[int, Any]] = []
        if expiry:
            properties.append((wire.SESSION_EXPIRY, expiry))
        if receive_maximum:
            properties.append((wire.RECEIVE_MAXIMUM, receive_maximum))
        sent: Properties = properties if level == 5 else ()
        client.connect(clean, keep_alive, sent, will, username)
        return client

    def leave(self) -> None:
        """All clients are gone, and so is what they left."""
        for client in self.clients:
            client.close()
        self.clients.clear()
        self.api.ask("DELETE", "/api/v1/clients/offlines")
        self.until(self._left, {0})

    def _left(self) -> set[int]:
        sources = [self.api.get(f"/api/v1/stats/{self.node_id}"), self.api.get("/api/v1/stats/sum")]
        kinds = ("connections", "sessions", "subscriptions", "topics", "routes", "retained")
        return {source["stats"][f"{kind}.count"] for source in sources for kind in kinds}

    def until(self, what: Callable[[], object], wanted: object) -> None:
        """Ask until the answer is the one that is wanted: what is acknowledged may be applied a moment later."""
        deadline = time.monotonic() + WAIT_S
        while (found := what()) != wanted:
            assert time.monotonic() < deadline, f"{wanted} expected, it is {found}"
            threading.Event().wait(0.02)  # between two questions; nothing tells when it is there
