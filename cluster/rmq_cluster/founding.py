"""When a cluster is founded, and how an empty node finds the one that it belongs to; synchronous, no I/O.

A cluster is founded only when every node that is to be in it is present, empty and of the same opinion who that is.
One of them proposes a cluster id: the one that has data of its own, else the one with the lowest id. All keep it on
disk before Raft starts anywhere. So the nodes that lost their disks never found a second cluster over the third: it is
present and not empty, or it isn't present.
"""

from collections.abc import Callable
from random import Random
from typing import Final, Protocol

import structlog

from rmq_cluster.hello import EMPTY, JOINING, MEMBER, SEED, Hello, book_fields
from rmq_cluster.identity import Entry, Identity
from rmq_cluster.options import MAX_VOTERS, ClusterOptions
from rmq_cluster.peers import Peers

log = structlog.get_logger(__name__)

# A proposal is repeated until all have agreed.
REPEAT_S: Final = 0.5
FIRST_GENERATION: Final = 1


class Founder(Protocol):
    """What founding needs of the node."""

    def own_hello(self) -> Hello:
        """What this node says of itself."""

    def send_note(self, peer: int, *fields: object) -> bool:
        """Tell a peer something; False without a link."""

    def begin(self, identity: Identity, *, seed: bool) -> None:
        """Keep this identity and take part."""


class Founding:
    """``listed`` are the nodes that are to found the cluster; a person may name others."""

    def __init__(
        self,
        node_id: int,
        options: ClusterOptions,
        peers: Peers,
        founder: Founder,
        clock: Callable[[], float],
        random: Random,
    ) -> None:
        self.node_id = node_id
        self.listed = dict(options.members)
        self._voters = options.voters
        self._peers = peers
        self._founder = founder
        self._clock = clock
        self._random = random
        # Once proposed it stays the same for as long as this process lives: a peer may have kept it.
        self._cluster_id = ""
        self._named: tuple[int, ...] = ()
        self._proposed_at = 0.0
        self._agreed: set[int] = set()
        self._waits_for = ""
        self._entered = False

    def consider(self) -> None:
        """Called while this node belongs to no cluster: whenever it has learnt something, and now and then."""
        own = self._founder.own_hello()
        if own.state == MEMBER or self._entered:
            return
        if own.state != SEED and self._adopt():
            return
        if own.state == JOINING:
            return  # it comes into a cluster, and founds none
        present = {peer.node_id: peer.hello for peer in self._peers.linked() if peer.hello is not None}
        wanted = self._named or tuple(sorted(self.listed))
        waits_for = self._missing(wanted, present)
        if waits_for != self._waits_for:
            self._waits_for = waits_for
            if waits_for:
                log.info("the cluster isn't founded yet", because=waits_for)
        if waits_for or self.node_id not in wanted:
            return
        if own.state == SEED:
            self._begin_as_seed(own)
            return
        seeds = [node_id for node_id in wanted if node_id in present and present[node_id].state == SEED]
        if not seeds and (self._named or self.node_id == wanted[0]):
            self._propose(wanted)

    @property
    def waits_for(self) -> str:
        """Why there is no cluster yet, for a person."""
        return self._waits_for

    def name(self, node_ids: tuple[int, ...]) -> str:
        """A person names the nodes that are to found the cluster now; answers what is in the way, "" for nothing."""
        present = {peer.node_id: peer.hello for peer in self._peers.linked() if peer.hello is not None}
        missing = self._missing(node_ids, present)
        if not missing:
            self._named = tuple(sorted(node_ids))
            self.consider()
        return missing

    def _missing(self, wanted: tuple[int, ...], present: dict[int, Hello]) -> str:
        absent = [node_id for node_id in wanted if node_id != self.node_id and node_id not in present]
        if absent:
            return "there is no link to " + _nodes(absent)
        others = [node_id for node_id in wanted if node_id != self.node_id]
        taken = [node_id for node_id in others if present[node_id].state == MEMBER]
        if taken:
            return f"{_nodes(taken)} in a cluster that this node isn't in"
        return ""

    # In another's cluster

    def _adopt(self) -> bool:
        """Whether this node, which is empty, has come back to a cluster that counts it as a member."""
        known = [peer for peer in self._peers.linked() if peer.hello is not None and peer.hello.state == MEMBER]
        best: Hello | None = None
        for peer in known:
            hello = peer.hello
            if hello is None or not (self.node_id in hello.book and hello.book[self.node_id].address):
                continue
            if best is None or hello.generation > best.generation:
                best = hello
        if best is None:
            return False
        log.info("this node is empty and belongs to a cluster", cluster=best.cluster_id)
        self._enter(best.cluster_id, best.generation, dict(best.book), best.voters, seed=False)
        return True

    # A new one

    def _begin_as_seed(self, own: Hello) -> None:
        log.info("cluster founded with the data of this node", members=sorted(self.listed))
        book = {node_id: Entry(address, 1) for node_id, address in self.listed.items()}
        self._enter(self._new_id(), FIRST_GENERATION, book, (self.node_id,), seed=True)

    def _propose(self, wanted: tuple[int, ...]) -> None:
        if not self._choose(wanted):
            self._waits_for = "none of the nodes may vote"
            return
        self._cluster_id = self._cluster_id or self._new_id()
        others = set(wanted) - {self.node_id}
        if others <= self._agreed:
            log.info("cluster founded", cluster=self._cluster_id, members=list(wanted))
            self._enter(self._cluster_id, FIRST_GENERATION, self._book(wanted), self._choose(wanted), seed=False)
            return
        now = self._clock()
        if self._proposed_at and now - self._proposed_at < REPEAT_S:
            return
        self._proposed_at = now
        book = book_fields(self._book(wanted))
        for node_id in sorted(others - self._agreed):
            voters = list(self._choose(wanted))
            self._founder.send_note(node_id, "found", self._cluster_id, book, voters, bool(self._named))

    def proposed(
        self, peer: int, cluster_id: str, book: dict[int, Entry], voters: tuple[int, ...], named: bool
    ) -> None:
        """A peer proposes to found a cluster."""
        own = self._founder.own_hello()
        if own.state == MEMBER:
            if own.cluster_id == cluster_id:
                self._founder.send_note(peer, "agreed", cluster_id)  # the first answer was lost
            return
        listed = {node_id: entry.address for node_id, entry in book.items()}
        as_listed = listed == self.listed and peer == min(listed)
        if (
            own.state != EMPTY
            or self._entered
            or self._cluster_id
            or not (named or as_listed)
            or self.node_id not in book
        ):
            return
        log.info("cluster founded", cluster=cluster_id, members=sorted(book))
        self._enter(cluster_id, FIRST_GENERATION, book, voters, seed=False)
        self._founder.send_note(peer, "agreed", cluster_id)

    def agreed(self, peer: int, cluster_id: str) -> None:
        """A peer has the proposal on its disk."""
        if cluster_id and cluster_id == self._cluster_id:
            self._agreed.add(peer)
            self.consider()

    def link_down(self, peer: int) -> None:
        """A peer that agreed may come back with an empty disk: it is asked again."""
        self._agreed.discard(peer)
        self._proposed_at = 0.0

    def _choose(self, wanted: tuple[int, ...]) -> tuple[int, ...]:
        """Those that are to vote: as configured, else the lowest ids of those that don't say that they won't."""
        if self._voters:
            return tuple(sorted(set(self._voters) & set(wanted))[:MAX_VOTERS])
        present = {peer.node_id: peer.hello for peer in self._peers.linked()}
        present[self.node_id] = self._founder.own_hello()
        willing = [node_id for node_id in wanted if (hello := present.get(node_id)) is not None and hello.votes]
        return tuple(sorted(willing)[:MAX_VOTERS])

    def _book(self, wanted: tuple[int, ...]) -> dict[int, Entry]:
        return {node_id: Entry(self.listed[node_id], 1) for node_id in wanted}

    def _new_id(self) -> str:
        return f"{self._random.getrandbits(64):016x}"

    def _enter(
        self, cluster_id: str, generation: int, book: dict[int, Entry], voters: tuple[int, ...], *, seed: bool
    ) -> None:
        self._entered = True
        nonce = self._founder.own_hello().nonce
        identity = Identity(self.node_id, cluster_id, generation, nonce, voters, book)
        self._founder.begin(identity, seed=seed)


def _nodes(node_ids: list[int]) -> str:
    if len(node_ids) == 1:
        return f"node {node_ids[0]}"
    return "nodes " + ", ".join(str(node_id) for node_id in node_ids)
