"""What the leader does beside replicating: who is down, what time it is, which operations are known, who comes in."""

from collections.abc import Callable
from typing import Final, Protocol

import structlog

from rmq_cluster.asking import APPLIED, NOT_LEADER, REFUSED, UNDER_WAY, UNKNOWN, Answer
from rmq_cluster.options import MAX_VOTERS, ClusterOptions
from rmq_cluster.peers import Peers
from rmq_cluster.port import Port
from rmq_cluster.raft.options import Outcome
from rmq_cluster.replication import Replication

log = structlog.get_logger(__name__)

TICK_S: Final = 0.25
# A proposal that came to nothing is made again.
AGAIN_S: Final = 1.0
# A member that is so near to the leader's commit index has caught up: a few turns.
NEAR: Final = 100
# A new leader may not have heard what the one before heard. So it declares nobody down before those who went by that
# have ceased to: for this part of the grace, a little more than ``rmq.engine.routes_lease`` lets them.
NEW_LEADER_WAITS: Final = 0.7


# What a member can ask.
REMOVE: Final = "remove"
TRANSFER: Final = "transfer"


class Book(Protocol):
    """Who is a member, or is to become one."""

    def has(self, node_id: int) -> bool:
        """Whether a node is among them."""

    def expel(self, node_id: int) -> None:
        """A node isn't any more."""


class Duties:
    """``look`` is called often, on every node; all but the leader of a group with a majority does nothing then."""

    def __init__(
        self,
        replication: Replication,
        peers: Peers,
        port: Port,
        book: Book,
        options: ClusterOptions,
        clock: Callable[[], float],
    ) -> None:
        self._replication = replication
        self._peers = peers
        self._port = port
        self._book = book
        self._options = options
        self._clock = clock
        self._leads_since = 0.0
        self._began_with = 0
        self._tick_at = 0.0
        self._level_at = 0.0
        self._declared: dict[tuple[int, int], float] = {}
        self._admit_at = 0.0
        self.changing = ""

    def look(self) -> None:
        """Do what is due."""
        raft = self._replication.raft
        if raft is None or not self._replication.is_leader:
            self._leads_since = 0.0
            self._declared.clear()
            return
        now = self._clock()
        if not self._leads_since:
            self._leads_since = now
            self._began_with = self._replication.log.last_index
            self._tick_at = 0.0
        if not raft.has_quorum:
            return
        if now >= self._tick_at:
            self._tick_at = now + TICK_S
            # A majority has answered within the last moments; the links that it did that over may be gone since.
            at = self._peers.median_time(len(raft.voters) // 2 + 1)
            if at is not None:
                self._port.tick(at)
        self._declare(now)
        if now >= self._level_at:
            self._level_at = now + AGAIN_S
            self._raise_level()
        if now >= self._admit_at and not self.changing:
            self._admit_at = now + TICK_S
            self._admit()

    # Who is down

    def counts_on(self, node_id: int) -> bool:
        """Whether this node leads, with a majority, and won't declare that node down before it has been silent anew."""
        raft = self._replication.raft
        state = self._port.nodes.get(node_id)
        if raft is None or state is None or not self._leads_since or not self._replication.is_leader:
            return False
        # What leaders before have decided may be in the log, and not applied.
        knows = raft.applied_index >= self._began_with and raft.contact_age() == 0.0
        return knows and state.up and (node_id, state.incarnation) not in self._declared

    def _declare(self, now: float) -> None:
        members = {*self._members()}
        for node_id, state in self._port.nodes.items():
            if not state.up or node_id == self._replication.node_id:
                continue
            reason = self._why_down(node_id, now, is_member=node_id in members)
            key = (node_id, state.incarnation)
            if not reason or now < self._declared.get(key, 0.0):
                continue
            self._declared[key] = now + AGAIN_S
            log.warning("a node is declared down", node=node_id, reason=reason)
            self._port.declare_down(node_id, state.incarnation)

    def _why_down(self, node_id: int, now: float, *, is_member: bool) -> str:
        if not is_member:
            return "it isn't a member any more"
        if now - self._leads_since < self._options.node_down_grace * NEW_LEADER_WAITS:
            return ""
        silent = self._peers.silent_for(node_id, self._leads_since)
        if silent > self._options.node_down_grace:
            return f"not heard for {silent:.1f} s"
        return self._why_laggard(node_id, now)

    def _why_laggard(self, node_id: int, now: float) -> str:
        """Everyone's subscriptions wait for a node that applies nothing: until it is declared down."""
        peer = self._peers.peer(node_id)
        raft = self._replication.raft
        if raft is None or peer.status is None:
            return ""
        if peer.status.applied >= peer.behind_target:
            peer.behind_target = raft.commit_index
            peer.behind_since = now
        if now - peer.behind_since > self._options.laggard_after:
            peer.behind_since = now
            return f"it applies nothing, and is at {peer.status.applied} of {raft.commit_index}"
        return ""

    # Operations

    def _raise_level(self) -> None:
        """Operations of a new level may be proposed once every member knows them."""
        levels = [self._port.operation_level]
        for node_id in self._members():
            if node_id != self._replication.node_id:
                peer = self._peers.peer(node_id)
                if not peer.linked or peer.status is None:
                    return
                levels.append(peer.status.level)
        if min(levels) > self._port.committed_level:
            log.info("operations of a new level may be proposed", level=min(levels))
            self._port.raise_level(min(levels))

    # Members

    def _members(self) -> tuple[int, ...]:
        raft = self._replication.raft
        return () if raft is None else (*raft.voters, *raft.observers)

    def _admit(self) -> None:
        """Whoever is to become a member and is here: first one that listens, then, having caught up, one that votes."""
        raft = self._replication.raft
        if raft is None:
            return
        for peer in self._peers.linked():
            node_id = peer.node_id
            if not peer.started or peer.hello is None or not self._book.has(node_id):
                continue
            if node_id not in raft.voters and node_id not in raft.observers:
                self._change(f"node {node_id} is admitted")
                raft.add_member(node_id, self._changed, votes=False)
                return
            room = len(raft.voters) < MAX_VOTERS
            if node_id in raft.observers and peer.hello.votes and room and self._has_caught_up(node_id):
                self._change(f"node {node_id} becomes a voter")
                raft.add_member(node_id, self._changed, votes=True)
                return

    def _has_caught_up(self, node_id: int) -> bool:
        raft = self._replication.raft
        status = self._peers.peer(node_id).status
        if raft is None or status is None:
            return False
        return status.applied + NEAR >= raft.commit_index and raft.match_index(node_id) + NEAR >= raft.last_index

    def _change(self, what: str) -> None:
        self.changing = what
        log.info("a change of membership", change=what)

    def _changed(self, outcome: int) -> None:
        what, self.changing = self.changing, ""
        self._admit_at = self._clock() + (0.0 if outcome == Outcome.APPLIED else AGAIN_S)
        if outcome != Outcome.APPLIED:
            log.warning("a change of membership came to nothing, or nobody knows", change=what, outcome=outcome)

    def perform(self, what: str, node_id: int, answer: Answer) -> None:
        """Do what a member asks, if this node leads, and tell what came of it (see ``asking``)."""
        raft = self._replication.raft
        if raft is None or not self._replication.is_leader:
            answer(NOT_LEADER)
            return
        if self.changing:
            answer(f"{UNDER_WAY}{self.changing}")
            return
        if what == TRANSFER:
            self._change("leadership is handed over")

            def handed_over(outcome: int) -> None:
                self._changed(outcome)
                answer(APPLIED if outcome == Outcome.APPLIED else f"{REFUSED}no other voter could take over")

            raft.transfer_leadership(node_id or None, handed_over)
            return
        if what != REMOVE:
            answer(f"{REFUSED}{what[:50]} isn't known")
            return
        if node_id == self._replication.node_id:
            answer(f"{REFUSED}a leader doesn't remove itself")
            return
        if node_id not in self._members():
            # Perhaps it was only to become one.
            self._book.expel(node_id)
            answer(APPLIED)
            return
        self._change(f"node {node_id} is removed")

        def changed(outcome: int) -> None:
            self._changed(outcome)
            if outcome == Outcome.APPLIED:
                self._book.expel(node_id)
                answer(APPLIED)
            else:
                answer(UNKNOWN if outcome == Outcome.UNKNOWN else f"{REFUSED}the leader couldn't commit it")

        raft.remove_member(node_id, changed)
