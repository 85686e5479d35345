"""Links to the other nodes of a cluster: what is sent, received, dialled, listened for and counted."""

import secrets
from collections.abc import Callable, Iterable, Sequence
from random import Random

import trio

from rmq_cluster.links.accepting import Acceptor
from rmq_cluster.links.addresses import join_address, parse_address
from rmq_cluster.links.counters import LinkCounters
from rmq_cluster.links.dialling import Dialler
from rmq_cluster.links.direct import DirectSockets
from rmq_cluster.links.finding import find_node
from rmq_cluster.links.guard import Guard, log_bug
from rmq_cluster.links.handler import LinkHandler
from rmq_cluster.links.handshake import Fields, Greeter
from rmq_cluster.links.hello import RUN_BYTES, Hello
from rmq_cluster.links.link import Link
from rmq_cluster.links.network import Network
from rmq_cluster.links.options import LinkError, LinkOptions
from rmq_cluster.links.refusals import Refusals
from rmq_cluster.links.tcp import TcpNetwork
from rmq_cluster.links.watch import SILENT_TICKS, TICKS, watch


class Links:
    """All links of one node, in the node's one thread. The node with the higher id dials the other one.

    ``clock`` (seconds) is for how often something is logged, ``random`` for when to dial again, ``network`` is TCP
    unless given. ``on_bug`` is told of every exception of the handler that should not have been, and what was being
    done; without it they are logged. Raises ``LinkError`` for certificate files that can't be used.

    ``direct`` are the sockets that somebody else may read in its turns.
    """

    def __init__(
        self,
        node_id: int,
        options: LinkOptions,
        handler: LinkHandler,
        clock: Callable[[], float],
        random: Random,
        *,
        network: Network | None = None,
        on_bug: Callable[[str, Exception], None] | None = None,
    ) -> None:
        self.counters = LinkCounters()
        self.direct = DirectSockets()
        self._node_id = node_id
        self._options = options
        self._random = random
        self._network: Network = TcpNetwork(options.tls) if network is None else network
        self._guard = Guard(handler, on_bug or log_bug, self.counters)
        self._refusals = Refusals(self.counters, clock)
        self._greeter = Greeter(node_id, options.secret, self._guard)
        self._acceptor = Acceptor(options, self._greeter, self._refusals, self._latest, self._rival, self._take_pair)
        # Who it is that dials, to those who are dialled: not the process before this one.
        self._run = secrets.token_bytes(RUN_BYTES)
        self._attempts = 0
        self._port = 0
        self._nursery: trio.Nursery | None = None
        self._peers: dict[int, tuple[str, int]] = {}
        self._diallers: dict[int, Dialler] = {}
        self._links: dict[int, Link] = {}

    @property
    def port(self) -> int:
        """The port that is listened on; 0 before ``run`` has started."""
        return self._port

    def set_peers(self, addresses: dict[int, str]) -> None:
        """The other nodes, as ``host:port``; this node's own id is passed over. Takes effect at once: a node that is no
        longer named, or is to be dialled elsewhere, loses its link.

        Raises ``LinkError``, and changes nothing then: no address, or not this machine without a secret.
        """
        options = self._options
        peers = {
            peer: options.peer_address(peer, address) for peer, address in addresses.items() if peer != self._node_id
        }
        before, self._peers = self._peers, peers
        for peer in before.keys() - peers.keys():
            self._stop_dialling(peer)
            self._acceptor.drop(peer)
            self._end(peer, "removed", "the node was removed")
        for peer, address in peers.items():
            dialler = self._diallers.get(peer)
            if dialler is not None and dialler.address != address:
                self._stop_dialling(peer)
                self._end(peer, "removed", "the node has another address")
        self._start_dialling()

    async def run(self, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        """Listen and dial until cancelled; started with the port. Raises ``LinkError``: the address can't be had."""
        options = self._options
        try:
            listeners = await self._network.listen(options.host, options.port)
        except OSError as error:
            where = join_address(options.host, options.port)
            raise LinkError(f"can't listen on {where} for other nodes: {error.strerror or error}") from None
        self._port = self._network.port_of(listeners[0])
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                nursery.start_soon(self.direct.run)
                nursery.start_soon(watch, self._standing, options.dead_after, options.stall_after)
                self._start_dialling()
                for listener in listeners:
                    nursery.start_soon(self._acceptor.accept, listener, nursery, self._serve)
                task_status.started(self._port)
        finally:
            self._nursery = None

    async def find(self, address: str) -> int:
        """The id of the node at ``host:port``. Raises ``ValueError``, ``Refused`` and ``Unreachable``."""
        return await find_node(self._node_id, parse_address(address), self._options, self._network)

    def send(self, peer: int, channel: int, kind: int, body: bytes) -> bool:
        """Whether the frame waits to be sent; otherwise a reason in ``counters.drops`` says why not.

        ``kind`` is 1 to 255, ``body`` at most ``max_frame`` bytes.
        """
        link = self._links.get(peer)
        if link is None:
            self.counters.drops["no_link"] += 1
            return False
        if len(body) > self._options.max_frame:
            self.counters.drops["too_large"] += 1
            return False
        return link.connections[channel].send(kind, body)

    def pending(self, peer: int, channel: int) -> int:
        """Bytes that wait on a connection or are being sent; 0 without a link."""
        link = self._links.get(peer)
        return 0 if link is None else link.connections[channel].pending

    async def wait_for_room(self, peer: int, channel: int, below: int) -> bool:
        """Wait until at most ``below`` bytes are pending; False: there is no link, or it went down meanwhile."""
        link = self._links.get(peer)
        if link is None:
            await trio.lowlevel.checkpoint()
            return False
        return await link.connections[channel].wait_for_room(below)

    def close_peer(self, peer: int, reason: str) -> None:
        """End the link to a node, if there is one. Who dials it does so again while it has the address."""
        self._acceptor.drop(peer)
        self._end(peer, "closed", reason)

    def connected(self) -> set[int]:
        """The nodes that there is a link to."""
        return set(self._links)

    async def _serve(self, stream: trio.abc.Stream) -> None:
        where = self._network.remote_host(stream)
        try:
            await self._acceptor.serve(stream, where)
        except Exception as error:
            self._guard.report(f"handshake with {where}", error)
            self._refusals.refused("bug", where, "a bug in its handshake")

    def _start_dialling(self) -> None:
        if self._nursery is None:
            return
        for peer, address in self._peers.items():
            if peer < self._node_id and peer not in self._diallers:
                dialler = Dialler(
                    peer,
                    address,
                    self._options,
                    self._network,
                    self._greeter,
                    self._guard,
                    self._refusals,
                    self._random,
                    self._run,
                    self._next_attempt,
                    self._make_link,
                )
                self._diallers[peer] = dialler
                self._nursery.start_soon(dialler.dial)

    def _stop_dialling(self, peer: int) -> None:
        dialler = self._diallers.pop(peer, None)
        if dialler is not None:
            dialler.scope.cancel()

    def _next_attempt(self) -> int:
        self._attempts += 1
        return self._attempts

    def _latest(self, peer: int, run: bytes) -> int:
        link = self._links.get(peer)
        return -1 if link is None or link.run != run else link.attempt

    async def _rival(self, hello: Hello) -> str | None:
        """Who dials may have been started anew, and its old link only look sound; or there are two of them."""
        link = self._links.get(hello.node)
        if link is None or link.run == hello.run:
            return None
        with trio.move_on_after((SILENT_TICKS + 1.5) * self._options.dead_after / TICKS):
            await link.gone.wait()
        link = self._links.get(hello.node)
        if link is None or link.run == hello.run or link.silent_ticks >= SILENT_TICKS:
            return None
        return f"another process with the node id {hello.node} has a link to node {self._node_id}, from {link.where}"

    def _take_pair(self, hello: Hello, fields: Fields, streams: Sequence[trio.abc.Stream], where: str) -> None:
        self._stand(hello.node, (hello.run, hello.attempt), fields, streams, where)

    def _make_link(
        self, peer: int, attempt: int, fields: Fields, streams: Sequence[trio.abc.Stream], where: str
    ) -> Link:
        return self._stand(peer, (self._run, attempt), fields, streams, where)

    def _stand(
        self, peer: int, pair: tuple[bytes, int], fields: Fields, streams: Sequence[trio.abc.Stream], where: str
    ) -> Link:
        self._end(peer, "replaced", "the node made a new link")
        link = Link(peer, pair, streams, self._options, self._guard, self.counters, self._forget, self.direct)
        self._links[peer] = link
        assert self._nursery is not None
        self._nursery.start_soon(link.serve)
        link.begin(fields, where)
        return link

    def _end(self, peer: int, kind: str, reason: str) -> None:
        link = self._links.get(peer)
        if link is not None:
            link.end(kind, reason)

    def _forget(self, link: Link) -> None:
        if self._links.get(link.peer) is link:
            del self._links[link.peer]

    def _standing(self) -> Iterable[Link]:
        return self._links.values()
