"""Since when this node isn't certain any more that the others count it as up, and wait for it."""

from math import inf

from rmq_cluster.peers import Status
from rmq_cluster.raft.node import RaftNode


class Contact:
    """What the leader has told. That it is heard says nothing: it may not hear this node, and declare it down."""

    def __init__(self) -> None:
        self._leader_commit = 0
        self._confirmed_at = -inf

    def told(self, status: Status) -> None:
        """The leader's status has come; its echo is a time of this node's own clock."""
        self._leader_commit = status.commit
        self._confirmed_at = max(self._confirmed_at, status.echo or -inf)

    def age(self, raft: RaftNode, now: float, *, leads: bool) -> float:
        """For how many seconds; without an end while it hasn't applied what the leader had committed."""
        if raft.applied_index < max(raft.commit_index, self._leader_commit):
            return inf
        return raft.contact_age() if leads else now - self._confirmed_at
