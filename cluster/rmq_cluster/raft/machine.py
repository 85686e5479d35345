"""What a state machine that is replicated by Raft must offer."""

from typing import Protocol


class StateMachine(Protocol):
    """Called inside calls of ``RaftNode``. An exception is caught and reported, and the call isn't repeated."""

    def apply(self, index: int, term: int, command: bytes) -> None:
        """A committed command; in order of index, each once. Indexes of Raft's own entries are left out."""

    def snapshot_needed(self, peer: int) -> None:
        """A member needs entries that the log no longer has: it needs a snapshot, then calls ``installed``."""

    def members_changed(self, voters: tuple[int, ...], observers: tuple[int, ...]) -> None:
        """A change of membership is committed."""

    def role_changed(self, role: str, leader: int | None) -> None:
        """This node's role or the leader it knows changed."""
