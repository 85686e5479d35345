"""Three nodes with engine and management each, wired together by exchanges: real bytes, links in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from rmq_cluster.requests import ClusterPeers, ExchangeOptions, Peer, frames
from trio.testing import wait_all_tasks_blocked

from rmq.management.cluster import MemberState, NoCluster
from rmq.session.session import Session
from rmq.storage.packing import pack
from tests.unit.cluster.requests.network import Network
from tests.unit.management.world import World


class ThreeNodes:
    """Nodes 1 to 3. ``state`` is what the cluster has of each; all of them answer for their own sessions.

    The home of a session of a node that is down is the first one that is up, as the cluster's state has it.
    """

    def __init__(self, options: ExchangeOptions | None = None) -> None:
        self.network = Network()
        self.state: dict[int, MemberState] = {1: "up", 2: "up", 3: "up"}
        self.worlds: dict[int, World] = {}
        self.peers: dict[int, ClusterPeers] = {}
        for node_id in self.state:
            self._build(node_id, options)
        self.service = self.worlds[1].service

    def _build(self, node_id: int, options: ExchangeOptions | None) -> None:
        def others() -> tuple[Peer, ...]:
            return tuple(
                Peer(other, f"node-{other}", state, self.network.is_linked(node_id, other))
                for other, state in self.state.items()
                if other != node_id
            )

        world = self.worlds[node_id] = World(node_id, None, lambda session: self.home_of(session) == node_id)
        peers = self.peers[node_id] = ClusterPeers(world.local, self.network.carrier(node_id), others, options)
        world.service.enter_cluster(peers, NoCluster())
        self.network.exchanges[node_id] = peers.exchange

    def home_of(self, session: Session) -> int:
        if self.state.get(session.node) == "up":
            return session.node
        return min(node_id for node_id, state in self.state.items() if state == "up")

    def keep_session(self, client_id: str, node: int) -> None:
        """A persistent session whose connection ended on a node: every node has it."""
        for node_id, world in self.worlds.items():
            client = world.engine.connect(client_id, expiry=1000)
            client.subscribe((f"kept/{client_id}", 1))
            client.disconnect()
            session = world.broker.state.sessions[client_id]
            session.node = node
            session.remote = node != node_id

    def connect_everywhere(self) -> None:
        """A client without a session that is kept, on each node."""
        for node_id, world in self.worlds.items():
            world.engine.connect(f"client-{node_id}").subscribe(("common", 0), (f"own/{node_id}", 1))

    def kill(self, node_id: int) -> None:
        """A node dies and the cluster has noticed."""
        for other in self.worlds:
            if other != node_id and self.network.is_linked(node_id, other):
                self.network.break_link(node_id, other)
        self.state[node_id] = "down"

    def silence(self, node_id: int) -> None:
        """A node takes what is sent to it and doesn't answer."""
        self.network.held.add(node_id)

    def talk_nonsense(self, node_id: int) -> None:
        """A node answers every question with something else."""

        def instead(sender: int, receiver: int, kind: int, body: bytes) -> bool:
            if receiver != node_id or kind != frames.REQUEST:
                return False
            what, request_id, _, _ = frames.read_request(body)
            if what == frames.ASK:
                self.network.send(node_id, sender, frames.ANSWER, frames.write_answer(0, request_id, b"\x93"))
                part = frames.write_answer(frames.PART, request_id, pack(["nonsense"]))
                self.network.send(node_id, sender, frames.ANSWER, part)
                self.network.send(node_id, sender, frames.ANSWER, frames.write_answer(frames.END, request_id))
            return True

        self.network.instead = instead


@asynccontextmanager
async def three_nodes(options: ExchangeOptions | None = None) -> AsyncIterator[ThreeNodes]:
    """They run; in the end nobody waits for anything and no node has met a bug."""
    nodes = ThreeNodes(options)
    async with trio.open_nursery() as nursery:
        for peers in nodes.peers.values():
            await nursery.start(peers.exchange.run)
        nursery.start_soon(nodes.network.run)
        yield nodes
        await wait_all_tasks_blocked()
        for peers in nodes.peers.values():
            assert peers.exchange.waiting == 0
            assert peers.exchange.counters.internal_errors == 0
        nursery.cancel_scope.cancel()
