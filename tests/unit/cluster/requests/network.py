"""Links between exchanges in one process: frames in order, links that can be cut, jammed, held, or answer nonsense."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import trio
from rmq_cluster.requests.exchange import Exchange

Frame = tuple[int, int, int, bytes]


class Network:
    """Frames between nodes, handed over by ``run`` one after the other.

    ``cut`` links take nothing; ``held`` nodes get what is sent to them when it is let go; ``jammed`` ones have no
    room for answers until they are taken off. ``instead`` is asked what happens to a frame in place of its delivery.
    """

    def __init__(self) -> None:
        self.exchanges: dict[int, Exchange] = {}
        self.frames: list[Frame] = []
        self.cut: set[frozenset[int]] = set()
        self.held: set[int] = set()
        self.jammed: set[int] = set()
        self.instead: Callable[[int, int, int, bytes], bool] = lambda sender, receiver, kind, body: False
        self._queue: deque[Frame] = deque()
        self._changed = trio.Event()

    def carrier(self, node_id: int) -> Carrier:
        """What one node sends through."""
        return Carrier(self, node_id)

    def sent(self, kind: int) -> list[bytes]:
        """The bodies of all frames of a kind that were delivered."""
        return [body for _, _, found, body in self.frames if found == kind]

    def send(self, sender: int, receiver: int, kind: int, body: bytes) -> bool:
        if not self.is_linked(sender, receiver):
            return False
        self._queue.append((sender, receiver, kind, body))
        self.touch()
        return True

    def is_linked(self, one: int, other: int) -> bool:
        return other in self.exchanges and frozenset((one, other)) not in self.cut

    def break_link(self, one: int, other: int) -> None:
        """Cut it; both sides hear of it and what was under way is gone."""
        self.cut.add(frozenset((one, other)))
        self._queue = deque(frame for frame in self._queue if {frame[0], frame[1]} != {one, other})
        self.exchanges[one].link_down(other)
        self.exchanges[other].link_down(one)
        self.touch()

    def touch(self) -> None:
        """Something changed that ``run`` or somebody without room waits for."""
        self._changed.set()
        self._changed = trio.Event()

    async def changed(self) -> None:
        await self._changed.wait()

    async def run(self) -> None:
        """Deliver until it is cancelled."""
        while True:
            frame = next((found for found in self._queue if found[1] not in self.held), None)
            if frame is None:
                await self._changed.wait()
                continue
            self._queue.remove(frame)
            sender, receiver, kind, body = frame
            self.frames.append(frame)
            if not self.instead(sender, receiver, kind, body):
                self.exchanges[receiver].received(sender, kind, body)
            await trio.lowlevel.checkpoint()


class Carrier:
    """One node's side."""

    def __init__(self, network: Network, node_id: int) -> None:
        self._network = network
        self._node_id = node_id

    def send(self, peer: int, kind: int, body: bytes) -> bool:
        return self._network.send(self._node_id, peer, kind, body)

    async def wait_for_room(self, peer: int, below: int) -> bool:
        while peer in self._network.jammed and self._network.is_linked(self._node_id, peer):
            await self._network.changed()
        return self._network.is_linked(self._node_id, peer)
