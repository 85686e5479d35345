"""This node's place in the cluster: its identity, how it comes in, and that it is up."""

from collections import deque
from random import Random
from typing import TYPE_CHECKING, Final

import structlog
import trio

from rmq_cluster.hello import EMPTY, JOINING, MEMBER, SEED, Hello
from rmq_cluster.identity import Entry, Identity, IdentityError, load_identity, save_identity

if TYPE_CHECKING:
    from rmq_cluster.cluster import Cluster

log = structlog.get_logger(__name__)

CONSIDER_S: Final = 0.5
# Nobody says that this node is up when that came with a snapshot: it is asked for once more.
ASK_AGAIN_S: Final = 5.0
# A node that asks again this often without an answer has none to expect of the first.
MAX_NONCES: Final = 16
# How long the link to a node that was removed stays.
LINGER_S: Final = 1.0


class Belonging:
    """``identity`` is None until the node belongs to a cluster. Raises ``IdentityError``.

    ``incarnation`` is 0 until its being up is committed. ``wants_in``: a person wants it in a cluster that may not know
    it. ``known`` are the addresses that a node which was emptied has kept. ``is_leaving``: it is about to be removed,
    and isn't up again before.
    """

    def __init__(self, cluster: "Cluster", random: Random) -> None:
        self._cluster = cluster
        self._random = random
        self.identity = load_identity(cluster.folder)
        self.incarnation = 0
        self.wants_in = False
        self.is_leaving = False
        self._is_entering = False
        self._changes = 0
        self._asked = ""
        self._asked_at = 0.0
        # What this process has asked with: another one with its id has asked with others.
        self._nonces: deque[str] = deque(maxlen=MAX_NONCES)
        self._next_consider = 0.0
        self._dialled: dict[int, str] = {}
        self._up = trio.Event()
        self._nonce = self._new_nonce()
        self.known: dict[int, str] = {}
        if self.identity is not None and not self.identity.cluster_id:
            self.known = self.identity.addresses()
            self.wants_in = True
            self.identity = None
        if self.identity is not None:
            self._check(self.identity)

    def _new_nonce(self) -> str:
        return f"{self._random.getrandbits(64):016x}"

    def _check(self, identity: Identity) -> None:
        cluster = self._cluster
        node_id = cluster.node_id
        if identity.node_id != node_id:
            raise IdentityError(f"{cluster.folder}: holds the data of node {identity.node_id}, not of node {node_id}")
        if identity.removed:
            raise IdentityError(
                f"{cluster.folder}: this node was removed from cluster {identity.cluster_id}: "
                "it can come back with an empty data folder only"
            )
        # Addresses of the configuration are newer: a person has changed them.
        changed = identity.put(node_id, cluster.options.address(node_id))
        for other, address in cluster.options.members.items():
            if identity.has(other):
                changed = identity.put(other, address) or changed
        if changed:
            save_identity(cluster.folder, identity)

    # What others are told

    def own_hello(self) -> Hello:
        """What this node says of itself."""
        cluster = self._cluster
        options = cluster.options
        identity = self.identity
        address = options.address(cluster.node_id)
        votes = options.votes
        level = cluster.port.operation_level
        if identity is None:
            state = EMPTY
            if self.wants_in:
                state = JOINING
            elif cluster.port.has_own_data or cluster.port.snapshot_index:
                state = SEED
            listed = cluster.founding.listed
            return Hello(state, "", 0, self._nonce, address, votes, level, listed, {}, listeners=options.listeners)
        raft = cluster.replication.raft
        voters = identity.voters if raft is None else raft.voters
        observers = () if raft is None else raft.observers
        return Hello(
            MEMBER,
            identity.cluster_id,
            identity.generation,
            identity.nonce,
            address,
            votes,
            level,
            {},
            identity.book,
            voters,
            observers,
            options.listeners,
        )

    # Coming in

    def send_note(self, peer: int, *fields: object) -> bool:
        """Tell a peer something."""
        return self._cluster.send_note(peer, *fields)

    def begin(self, identity: Identity, *, seed: bool) -> None:
        """Keep this identity and take part; a seed first makes what it has the beginning of the log."""
        cluster = self._cluster
        identity.entering = self.wants_in
        if not seed or cluster.port.snapshot_index:
            self._keep(identity)  # it is in a snapshot: a backup, or the process ended between this line and the next
            return
        self._is_entering = True
        cluster.port.found(lambda: self._keep(identity))

    def _keep(self, identity: Identity) -> None:
        cluster = self._cluster
        try:
            save_identity(cluster.folder, identity)
        except OSError as error:
            cluster.replication.step_out(f"{cluster.folder}: {error.strerror}")
            return
        self._is_entering = False
        self.wants_in = False
        self.identity = identity
        self.take_part()

    def take_part(self) -> None:
        """Start Raft as who this node is."""
        cluster = self._cluster
        identity = self.identity
        assert identity is not None
        try:
            self._dial_members()
            cluster.replication.start(identity.voters, identity.installing, votes=cluster.options.votes)
            if identity.installing is not None:
                identity.installing = None
                save_identity(cluster.folder, identity)
        except OSError as error:
            cluster.replication.step_out(f"{error.filename or cluster.folder}: {error.strerror}")
            return
        cluster.reception.say_hello()
        self.learnt()

    def learnt(self) -> None:
        """Something is new with a peer."""
        cluster = self._cluster
        if self.identity is None:
            if not self._is_entering:
                cluster.founding.consider()
            return
        if cluster.replication.raft is None:
            return
        for peer in cluster.peers.linked():
            if peer.runs and not peer.started:
                peer.started = True
                cluster.replication.link_up(peer.node_id)

    def look(self, now: float) -> None:
        """Called often."""
        if self.identity is None:
            if now >= self._next_consider:
                self._next_consider = now + CONSIDER_S
                self.learnt()
            return
        if not self._cluster.replication.failed and not self._cluster.is_stopping:
            self._be_up()

    # Being up

    def _be_up(self) -> None:
        cluster = self._cluster
        raft = cluster.replication.raft
        if raft is None or self._is_asking() or self.is_leaving or raft.leader is None or raft.is_cold:
            return
        members = (*raft.voters, *raft.observers)
        if cluster.node_id not in members:
            if self.incarnation:
                self.was_removed("the others agreed on that")
            return
        state = cluster.port.nodes.get(cluster.node_id)
        if self.incarnation and state is not None:
            if state.up and state.incarnation == self.incarnation:
                return
            if state.up and state.nonce not in self._nonces:
                cluster.replication.step_out(f"another process has become node {cluster.node_id}: two have one node id")
                return
            log.warning("this node was declared down and comes back", was=self.incarnation)
        self._asked_at = self._cluster.clock()
        self._asked = self._new_nonce()
        asked = self._asked
        self._nonces.append(asked)
        cluster.port.join(asked, lambda incarnation: self._joined(asked, incarnation))

    def _is_asking(self) -> bool:
        return self._asked != "" and self._cluster.clock() < self._asked_at + ASK_AGAIN_S

    async def up_again(self) -> None:
        """Wait until it is committed, once more, that this node is up."""
        self.incarnation = 0
        await self._up.wait()

    def _joined(self, nonce: str, incarnation: int) -> None:
        if nonce != self._asked:
            return  # it was asked again since
        self._changes = 0
        self._asked = ""
        self.incarnation = incarnation
        if self.identity is not None and self.identity.entering:
            self.identity.entering = False
            self.save()
        self._up.set()
        self._up = trio.Event()
        log.info("this node is up", cluster=self.identity.cluster_id if self.identity else "", incarnation=incarnation)
        self._cluster.ready.set()

    def was_removed(self, how: str) -> None:
        """This node isn't a member any more."""
        identity = self.identity
        if identity is None or identity.removed:
            return
        identity.removed = True
        log.warning("this node was removed from the cluster", how=how)
        self.save()
        self._cluster.replication.step_out("it was removed from the cluster")

    # Who else is in it

    def merge(self, book: dict[int, Entry]) -> None:
        """Another member has told who is one."""
        if self.identity is None or not self.identity.merge(book):
            return
        if self.identity.has(self._cluster.node_id):
            # Where this node is it knows best, whatever the configuration of another says.
            self.identity.put(self._cluster.node_id, self._cluster.options.address(self._cluster.node_id))
            self.identity_changed()
        elif self.identity.entering:
            self.save()  # an earlier node of its id was: it knocks until the others have heard of this one
        else:
            self.was_removed("the others say so")

    def members_changed(self, voters: tuple[int, ...]) -> None:
        """A membership is committed."""
        if self.identity is not None and self.identity.voters != voters:
            self.identity.voters = voters
            self.save()
        self._cluster.reception.say_hello()

    def invite(self, node_id: int, address: str) -> bool:
        """A node is to become a member; whether that is new."""
        if self.identity is None or not self.identity.put(node_id, address):
            return False
        log.info("a node is to become a member", node=node_id, address=address)
        self.identity_changed()
        return True

    def has(self, node_id: int) -> bool:
        """Whether a node is a member, or is to become one."""
        return self.identity is not None and self.identity.has(node_id)

    def expel(self, node_id: int) -> None:
        """A node is no member any more."""
        if self.identity is not None and self.identity.put(node_id, ""):
            self._cluster.send_note(node_id, "removed")
            self.identity_changed()

    def forget_left_behind(self, node_id: int) -> bool:
        """A node that a rescue went on without never comes back; whether there was such a one."""
        identity = self.identity
        if identity is None or identity.left_behind.pop(node_id, None) is None:
            return False
        self.save()
        self._dial_members()
        return True

    def identity_changed(self) -> None:
        """Keep it, and tell others."""
        assert self.identity is not None
        self.save()
        self._cluster.reception.say_hello()
        self._dial()
        self._changes += 1
        change = self._changes
        # The links of those who were removed linger; a later change has its own time.
        self._cluster.after(LINGER_S, lambda: self._dial_members() if change == self._changes else None)

    def _dial(self) -> None:
        """Members, and those who were removed just now: they are told so before their links are closed."""
        assert self.identity is not None
        self._dialled.update(self.identity.dialled())
        self._cluster.links.set_peers(self._dialled)

    def _dial_members(self) -> None:
        if self.identity is not None:
            self._dialled = self.identity.dialled()
            self._cluster.links.set_peers(self._dialled)

    def save(self) -> None:
        """Have it on disk; a node that can't steps out."""
        cluster = self._cluster
        assert self.identity is not None
        try:
            save_identity(cluster.folder, self.identity)
        except OSError as error:
            cluster.replication.step_out(f"{cluster.folder}: {error.strerror}")
