"""What only a cluster keeps: nodes and their incarnations, owners of client ids, waiting wills, the time; and routes.

As deterministic as ``state``, which it is a part of; what it means for this node alone goes to ``StateEvents``.
"""

from typing import TYPE_CHECKING

from rmq.mqtt.packets import Will
from rmq.storage.cluster_records import (
    AddMember,
    AddRoute,
    Barrier,
    ClaimClient,
    ClusterOperation,
    ForgetNode,
    MoveDelivery,
    NodeDown,
    NodeUp,
    PublishDelayed,
    PublishWill,
    RaiseLevel,
    ReclaimClient,
    ReleaseClient,
    RemoveMember,
    RemoveRoute,
    Tick,
)
from rmq.storage.cluster_routes import ClusterRoutes, member_key
from rmq.storage.node_end import adopt, sweep
from rmq.storage.packet_ids import skip_packet_ids

if TYPE_CHECKING:
    from rmq.storage.state import State


class Owner:
    """Which node has the connection of a client id. Never changed, only replaced: a snapshot may be reading it.

    ``will`` is the will of a connection without a session that is kept.
    """

    __slots__ = ("client_id", "epoch", "node", "will")

    def __init__(self, client_id: str, node: int, epoch: int, will: Will | None) -> None:
        self.client_id = client_id
        self.node = node
        self.epoch = epoch
        self.will = will


class NodeRecord:
    """A node as the log knows it: ``up`` until its ``incarnation`` is declared over. ``sequence`` is its last batch.

    ``left``: it has said itself that it stops.
    """

    __slots__ = ("incarnation", "left", "nonce", "sequence", "up")

    def __init__(self, incarnation: int, nonce: str, up: bool, sequence: int, left: bool = False) -> None:
        self.left = left
        self.incarnation = incarnation
        self.nonce = nonce
        self.up = up
        self.sequence = sequence


class WaitingWill:
    """The will of a client whose node is gone and that left no session; due at ``due_at`` of the cluster's time."""

    __slots__ = ("client_id", "due_at", "epoch", "will")

    def __init__(self, client_id: str, epoch: int, will: Will, due_at: float) -> None:
        self.client_id = client_id
        self.epoch = epoch
        self.will = will
        self.due_at = due_at


class ClusterState(ClusterRoutes):
    """Tables by client id and by node id.

    ``session_counts`` is how many sessions each node had the connection of last.
    """

    __slots__ = ("level", "nodes", "owners", "session_counts", "time", "wills")

    def __init__(self, state: "State") -> None:
        super().__init__(state)
        self.level = 0
        self.time = 0.0
        self.nodes: dict[int, NodeRecord] = {}
        self.owners: dict[str, Owner] = {}
        self.wills: dict[str, WaitingWill] = {}
        self.session_counts: dict[int, int] = {}

    def count_session(self, node: int, change: int) -> None:
        """A session is a node's from now on, or no longer."""
        self.session_counts[node] = self.session_counts.get(node, 0) + change

    def clear(self) -> None:
        """Forget everything."""
        for node in list(self.routes):
            self.drop_routes(node)
        for node in list(self.members):
            self.drop_routes(node)
        self.nodes = {}
        self.owners = {}
        self.wills = {}
        self.time = 0.0
        self.level = 0

    def exchange(self, other: "ClusterState") -> None:
        """Take the tables of another one, which gets this one's."""
        self.level, other.level = other.level, self.level
        self.time, other.time = other.time, self.time
        self.nodes, other.nodes = other.nodes, self.nodes
        self.owners, other.owners = other.owners, self.owners
        self.wills, other.wills = other.wills, self.wills
        self.routes, other.routes = other.routes, self.routes
        self.members, other.members = other.members, self.members
        self.holders, other.holders = other.holders, self.holders
        self.session_counts, other.session_counts = other.session_counts, self.session_counts

    def begin_batch(self, node: int, incarnation: int, sequence: int) -> bool:
        """Whether a batch of operations is to be applied: not twice, and not of an incarnation that is over."""
        record = self.nodes.get(node)
        if record is None or not record.up or record.incarnation != incarnation or sequence <= record.sequence:
            return False
        record.sequence = sequence
        return True

    def epoch_of(self, client_id: str) -> int:
        """The epoch of the last claim of a client id, 0 if there is none that counts."""
        owner = self.owners.get(client_id)
        session = self.state.sessions.get(client_id)
        epoch = 0 if session is None else session.epoch
        return epoch if owner is None or owner.epoch < epoch else owner.epoch

    def home_of(self, node: int) -> int:
        """The node that answers for what ``node`` had: itself while it is up, else the first one that is."""
        record = self.nodes.get(node)
        if record is not None and record.up:
            return node
        best = 0
        for other, candidate in self.nodes.items():
            if candidate.up and (best == 0 or other < best):
                best = other
        return best

    def apply(self, o: ClusterOperation) -> None:
        """Apply one operation; one that names what isn't there any more does nothing."""
        if isinstance(o, ClaimClient):
            self._claim(o)
        elif isinstance(o, ReleaseClient):
            self.release(o.client_id, o.epoch)
        elif isinstance(o, AddRoute):
            self.add_route(o.node, o.topic_filter)
        elif isinstance(o, RemoveRoute):
            self.remove(self.routes, o.node, o.topic_filter)
        elif isinstance(o, AddMember):
            if o.epoch >= self.epoch_of(o.client_id):
                o.refused = not self.join(o)
        elif isinstance(o, RemoveMember):
            self.remove(self.members, o.node, member_key(o.client_id, o.key))
        elif isinstance(o, Tick):
            self._set_time(o.at)
        elif isinstance(o, NodeUp):
            self._node_up(o)
        elif isinstance(o, NodeDown):
            self._node_down(o.node, o.incarnation, o.grace, o.at, left=o.left)
        elif isinstance(o, ReclaimClient):
            self._reclaim(o)
        elif isinstance(o, PublishWill):
            self._publish_will(o)
        elif isinstance(o, PublishDelayed):
            if self.state.delayed.pop(o.key, None) is not None and o.message is not None:
                self.state.publish(o.message, o.chosen)
        elif isinstance(o, ForgetNode):
            self._forget_node(o)
        elif isinstance(o, MoveDelivery):
            self.state.move_delivery(o)
        elif isinstance(o, RaiseLevel):
            self.level = max(self.level, o.level)
        else:
            assert isinstance(o, Barrier)

    # Owners

    def _claim(self, o: ClaimClient) -> None:
        state = self.state
        state.last_epoch += 1
        o.epoch = state.last_epoch
        if o.client_id not in self.owners:
            state.events.claimed_from_nobody(o.client_id)
        self.owners[o.client_id] = Owner(o.client_id, o.node, o.epoch, o.will)
        self.wills.pop(o.client_id, None)  # its client is back in time
        if o.node != state.node_id:
            state.events.taken_over(o.client_id)  # it may be connected here, though this node was declared down

    def _reclaim(self, o: ReclaimClient) -> None:
        state = self.state
        if o.client_id in self.owners or self.epoch_of(o.client_id) > o.epoch:
            return
        session = state.sessions.get(o.client_id)
        if session is not None:
            if session.epoch != o.epoch:
                return
            state.changing(o.client_id)
            self.count_session(session.node, -1)
            self.count_session(o.node, 1)
            session.node = o.node
            session.remote = o.node != state.node_id
            session.disconnected_at = 0.0
            session.will_due_at = 0.0
            if session.outbound is not None:
                session.outbound.set_window(session.max_window)
        # A will that was published meanwhile isn't published again.
        waiting = self.wills.pop(o.client_id, None)
        will = waiting.will if waiting is not None and waiting.epoch == o.epoch else None
        self.owners[o.client_id] = Owner(o.client_id, o.node, o.epoch, will)

    def opened(self, client_id: str, node: int, epoch: int) -> None:
        """The session of a claim is open; the node may have been declared down and be back in between."""
        if node and client_id not in self.owners:
            self.owners[client_id] = Owner(client_id, node, epoch, None)

    def release(self, client_id: str, epoch: int) -> None:
        """A claim is over, unless there was a later one."""
        owner = self.owners.get(client_id)
        if owner is not None and owner.epoch == epoch:
            del self.owners[client_id]

    # Nodes

    def _set_time(self, at: float) -> None:
        if at > self.time:
            self.time = at
            self.state.events.time_moved(at)

    def _node_up(self, o: NodeUp) -> None:
        before = self.nodes.get(o.node)
        if before is not None and before.nonce == o.nonce and before.up:
            self.state.events.node_up(o.node, before.incarnation, o.nonce)  # proposed twice
            return
        # An empty node doesn't know the cluster's time yet.
        at = self.time or o.at
        if before is not None and before.up:
            self._node_down(o.node, before.incarnation, o.grace, at)
        sweep(self, o.node, o.grace, at)
        if o.lost_power:
            skip_packet_ids(self.state)
        index = self.state.ctx.index
        self.nodes[o.node] = NodeRecord(index, o.nonce, True, 0)
        self.state.events.node_up(o.node, index, o.nonce)

    def _node_down(self, node: int, incarnation: int, grace: float, at: float, *, left: bool = False) -> None:
        record = self.nodes.get(node)
        if record is None or record.incarnation != incarnation or not record.up:
            return
        record.up = False
        record.left = left
        sweep(self, node, grace, at)
        self.state.events.node_down(node, incarnation)

    def will_waits(self, owner: Owner, due_at: float) -> bool:
        """The will of an owner whose node is gone and that left no session waits; False if there is none."""
        if owner.will is None or owner.client_id in self.state.sessions:
            return False
        self.wills[owner.client_id] = WaitingWill(owner.client_id, owner.epoch, owner.will, due_at)
        return True

    def adopt(self, node: int, grace: float, at: float) -> None:
        """Sessions of a node that was alone become this node's, all without a connection."""
        adopt(self, node, grace, at)

    def _forget_node(self, o: ForgetNode) -> None:
        record = self.nodes.get(o.node)
        if record is not None:
            self._node_down(o.node, record.incarnation, 0.0, self.time)
            del self.nodes[o.node]

    # Wills

    def _publish_will(self, o: PublishWill) -> None:
        state = self.state
        if self.epoch_of(o.client_id) > max(o.epoch, o.claim):
            return  # its client is back
        is_asked = o.own_end or o.claim > 0
        session = state.sessions.get(o.client_id)
        owner = self.owners.get(o.client_id)
        waiting = self.wills.get(o.client_id)
        if (
            session is not None
            and session.epoch == o.epoch
            and session.will is not None
            and (is_asked or session.will_due_at)
        ):
            state.changing(o.client_id)
            session.will = None
            session.will_due_at = 0.0
        elif o.own_end and owner is not None and owner.epoch == o.epoch and owner.will is not None:
            self.owners[o.client_id] = Owner(o.client_id, owner.node, owner.epoch, None)
        elif waiting is not None and waiting.epoch == o.epoch:
            del self.wills[o.client_id]
        else:
            return
        if o.message is not None:
            state.publish(o.message, o.chosen)
