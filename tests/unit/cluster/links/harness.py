"""Nodes with links in one process, over a network in memory, and what their handlers were told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import trio
from rmq_cluster.links import LinkOptions, Links
from rmq_cluster.links.frames import HEADER, HEADER_BYTES
from trio.testing import wait_all_tasks_blocked

from rmq.storage.packing import unpack
from tests.support.memory_network import MemoryStream, MemoryWorld

SECRET = b"the secret of these tests, which no log may show"


class Recorder:
    """A handler that writes down what it is told; what it answers can be changed."""

    def __init__(self, node: int) -> None:
        self.fields: list[object] = [f"node-{node}"]
        self.refuse: str | None = None
        # A node that is refused, and no other.
        self.refuse_only = 0
        # ("up", peer, fields), ("down", peer, reason), in order
        self.events: list[tuple[str, int, Any]] = []
        # ("doubled" or "rejected by", peer, reason), in order
        self.refusals: list[tuple[str, int, str]] = []
        self.received: list[tuple[int, int, int, bytes]] = []
        # How many frames each call brought.
        self.calls: list[int] = []
        self.checked: list[tuple[int, list[Any]]] = []
        self.raises: Exception | None = None
        self.on_up: Callable[[int], object] | None = None
        self.on_frames: Callable[[int, int], object] | None = None
        self._told = trio.Event()

    def hello(self) -> list[object]:
        return self.fields

    def check(self, peer: int, hello: list[Any]) -> str | None:
        self.checked.append((peer, hello))
        return "not this one" if peer == self.refuse_only else self.refuse

    def doubled(self, peer: int, reason: str) -> None:
        self.refusals.append(("doubled", peer, reason))

    def rejected_by(self, peer: int, reason: str) -> None:
        self.refusals.append(("rejected by", peer, reason))

    def link_up(self, peer: int, hello: list[Any]) -> None:
        self.events.append(("up", peer, hello))
        self._tell()
        if self.on_up is not None:
            self.on_up(peer)

    def link_down(self, peer: int, reason: str) -> None:
        self.events.append(("down", peer, reason))
        self._tell()

    def frames(self, peer: int, channel: int, frames: list[tuple[int, bytes]]) -> None:
        self.calls.append(len(frames))
        self.received += [(peer, channel, kind, body) for kind, body in frames]
        if self.on_frames is not None:
            self.on_frames(peer, channel)
        if self.raises is not None:
            raise self.raises

    async def until(self, count: int) -> None:
        """Wait for so many events in all."""
        while len(self.events) < count:
            await self._told.wait()

    def _tell(self) -> None:
        self._told.set()
        self._told = trio.Event()

    def names(self) -> list[str]:
        """The events without what they say: "up 1", "down 1"."""
        return [f"{name} {peer}" for name, peer, _ in self.events]


class LinkedNode:
    """One node: its links, its handler, and the bugs that were reported."""

    def __init__(self, world: MemoryWorld, node: int, options: LinkOptions) -> None:
        self.node = node
        self.host = options.host
        self.handler = Recorder(node)
        self.bugs: list[tuple[str, Exception]] = []
        self.report_raises: Exception | None = None
        self.links = Links(
            node,
            options,
            self.handler,
            trio.current_time,
            Random(node),
            network=world.host(options.host),
            on_bug=self.report,
        )
        self.address = f"{options.host}:{options.port}"
        self.scope = trio.CancelScope()

    def report(self, context: str, error: Exception) -> None:
        """As ``on_bug``; what it raises can be changed by a test."""
        self.bugs.append((context, error))
        if self.report_raises is not None:
            raise self.report_raises

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        with self.scope:
            async with trio.open_nursery() as nursery:
                await nursery.start(self.links.run)
                task_status.started()


class Village:
    """Nodes 1, 2, … on hosts of the same name, each knowing all others."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.world = MemoryWorld()
        self.nodes: dict[int, LinkedNode] = {}
        self._nursery = nursery

    def make(self, node: int, **changes: Any) -> LinkedNode:
        """A node that doesn't run yet and knows nobody."""
        options = LinkOptions(host=f"host-{node}", port=1900, secret=SECRET)
        made = LinkedNode(self.world, node, replace(options, **changes))
        self.nodes[node] = made
        return made

    async def start(self, *nodes: int, **changes: Any) -> None:
        """Make and start nodes and introduce all to each other; returns when nothing is left to do at this time."""
        for node in nodes:
            self.make(node, **changes)
        await self.run(*nodes)

    async def run(self, *nodes: int) -> None:
        """The same of nodes that are made already."""
        for node in nodes:
            await self._nursery.start(self.nodes[node].run)
        self.introduce()
        await wait_all_tasks_blocked()

    def introduce(self) -> None:
        """Tell every node the addresses of all."""
        addresses = {node: made.address for node, made in self.nodes.items()}
        for made in self.nodes.values():
            made.links.set_peers(addresses)

    def dialled(self, channel: int) -> MemoryStream:
        """The last connection of a channel that was dialled, at the dialler's end."""
        return [stream for stream in self.world.dialled if channel_of(stream) == channel][-1]


def channel_of(stream: MemoryStream) -> int:
    """By the HELLO that a dialler sent."""
    length, _ = HEADER.unpack_from(stream.outgoing.sent)
    found: int = unpack(bytes(stream.outgoing.sent[HEADER_BYTES : HEADER_BYTES + length]))[5]
    return found
