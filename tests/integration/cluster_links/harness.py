"""Nodes with links over loopback sockets, and what their handlers were told."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random
from typing import Any

import trio
from rmq_cluster.links import LinkOptions, Links, Network, TlsFiles

SECRET = b"the secret of these tests, which no log may show"
# Real sockets live by the real clock: long enough for a busy machine, never waited for when all is well.
PATIENCE_S = 20.0


class _Watched(dict[str, int]):
    """Counts that tell when they change."""

    def __init__(self, counts: dict[str, int], tell: Callable[[], None]) -> None:
        super().__init__(counts)
        self._tell = tell

    def __setitem__(self, key: str, count: int) -> None:
        super().__setitem__(key, count)
        self._tell()


class SocketNode:
    """One node and its own handler, which keeps what it is told."""

    def __init__(self, node: int, tls: TlsFiles | None = None, network: Network | None = None, **changes: Any) -> None:
        self.node = node
        options = LinkOptions(**{"host": "127.0.0.1", "port": 0, "secret": SECRET, "tls": tls, **changes})
        self.links = Links(node, options, self, time.monotonic, Random(node), network=network)
        self.events: list[tuple[str, int, Any]] = []
        self.received: list[tuple[int, int, int, bytes]] = []
        self.scope = trio.CancelScope()
        self._told = trio.Event()
        self.links.counters.refusals = _Watched(self.links.counters.refusals, self._tell)

    @property
    def address(self) -> str:
        return f"localhost:{self.links.port}"

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        with self.scope:
            async with trio.open_nursery() as nursery:
                await nursery.start(self.links.run)
                task_status.started()

    async def until_events(self, count: int) -> None:
        """Wait for so many links up and down in all."""
        with trio.fail_after(PATIENCE_S):
            while len(self.events) < count:
                await self._told.wait()

    async def until_received(self, count: int) -> None:
        """Wait for so many frames in all."""
        with trio.fail_after(PATIENCE_S):
            while len(self.received) < count:
                await self._told.wait()

    async def until_refused(self, kind: str) -> None:
        """Wait for a refused handshake of this kind."""
        with trio.fail_after(PATIENCE_S):
            while not self.links.counters.refusals[kind]:
                await self._told.wait()

    def hello(self) -> list[object]:
        return [f"node-{self.node}"]

    def check(self, peer: int, hello: list[Any]) -> str | None:
        return None

    def doubled(self, peer: int, reason: str) -> None:
        raise AssertionError(f"two nodes {peer}: {reason}")

    def rejected_by(self, peer: int, reason: str) -> None:
        """Seen in the counters."""

    def link_up(self, peer: int, hello: list[Any]) -> None:
        self.events.append(("up", peer, hello))
        self._tell()

    def link_down(self, peer: int, reason: str) -> None:
        self.events.append(("down", peer, reason))
        self._tell()

    def frames(self, peer: int, channel: int, frames: list[tuple[int, bytes]]) -> None:
        self.received += [(peer, channel, kind, body) for kind, body in frames]
        self._tell()

    def _tell(self) -> None:
        self._told.set()
        self._told = trio.Event()


async def start(nursery: trio.Nursery, *nodes: SocketNode) -> None:
    """Start nodes and introduce all to each other."""
    for node in nodes:
        await nursery.start(node.run)
    addresses = {node.node: node.address for node in nodes}
    for node in nodes:
        node.links.set_peers(addresses)
