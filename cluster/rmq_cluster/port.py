"""What the cluster needs from the engine's port of a member (``rmq.engine.replicated_port`` has it)."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from rmq.engine.ports import Replicator


class NodeState(Protocol):
    """What is committed of a node."""

    @property
    def incarnation(self) -> int:
        """Counts the joins of this node; granted when one is committed."""

    @property
    def nonce(self) -> str:
        """What it joined with: given to ``Port.join`` by the process that did."""

    @property
    def up(self) -> bool:
        """Whether it has joined and neither left nor was declared down since."""

    @property
    def left(self) -> bool:
        """If it isn't up: whether it has said so itself, stopping in good order."""


class Port(Protocol):
    """The engine's side: what is replicated is packed and applied there."""

    replicator: Replicator
    on_snapshot: Callable[[int], None]
    is_leader: bool
    voters: tuple[int, ...]
    lost_power: bool

    def turn(self) -> None:
        """Pack what was proposed into a command, and send what is to be forwarded."""

    def apply(self, index: int, term: int, command: bytes) -> None:
        """Apply a committed command. Raises ``UnknownOperation``: this node can't go on."""

    @property
    def applied_index(self) -> int:
        """The last command that was applied."""

    @property
    def snapshot_index(self) -> int:
        """The last command that the snapshot on disk has; 0 without one."""

    @property
    def snapshot_term(self) -> int:
        """The term of that command."""

    @property
    def nodes(self) -> Mapping[int, NodeState]:
        """The nodes that ever joined."""

    def peer_status(self, node_id: int, applied: int, synced: int) -> None:
        """How far another node is."""

    def own_synced(self, index: int) -> None:
        """How far this node's log would survive a loss of power."""

    def forwards(self, node_id: int, body: bytes) -> None:
        """Messages for clients of this node."""

    def forward_ack(self, node_id: int, body: bytes) -> None:
        """Another node has its messages."""

    def peer_lost(self, node_id: int) -> None:
        """The link with another node is gone: what it hasn't acknowledged it may not have."""

    def contact(self, age: float) -> None:
        """How long ago, in seconds, it was certain that others count this node as up."""

    def set_quorum(self, has_quorum: bool) -> None:
        """Whether a majority is in contact."""

    def join(self, nonce: str, then: Callable[[int], None]) -> None:
        """Have this node be up again; ``then`` gets its incarnation once that is committed."""

    def leave(self, then: Callable[[], None]) -> None:
        """Have it be known that this node stops."""

    def declare_down(self, node_id: int, incarnation: int) -> None:
        """Leader: propose that a node is down, if it is still in this incarnation."""

    def tick(self, at: float) -> None:
        """Leader: propose that it is this late (seconds since 1970), if it isn't later already."""

    def step_out(self, reason: str) -> None:
        """This node can't go on as a member: nothing is acknowledged any more, its clients go elsewhere."""

    def drain(self, rate: float) -> None:
        """Move clients away, so many a second, and take no new ones; 0.0: take clients again."""

    def when_drained(self, then: Callable[[], None]) -> None:
        """Have ``then`` called, once, when no client is connected here any more, while the node is drained."""

    @property
    def operation_level(self) -> int:
        """The newest operations that this program knows."""

    @property
    def committed_level(self) -> int:
        """The newest operations that may be proposed."""

    def raise_level(self, level: int) -> None:
        """Leader: propose that operations of this level may be proposed from here on."""

    def digest(self) -> tuple[int, bytes] | None:
        """The last index at which all nodes take a digest of their state, and the digest."""

    @property
    def has_own_data(self) -> bool:
        """Whether there is state of a node alone, which no cluster has yet."""

    def discard(self) -> None:
        """Forget the state of a node alone, on disk too."""

    def found(self, then: Callable[[], None]) -> None:
        """Make the state of a node alone the snapshot at index 1, then call ``then``."""

    def take_snapshot(self) -> None:
        """Begin a snapshot soon; ``on_snapshot`` is called when it is safe on disk."""

    def snapshot_files(self) -> list[tuple[Path, int]]:
        """The files of the snapshot on disk, and how many bytes of each belong to it."""

    def load_snapshot(self, folder: Path, index: int, term: int, done: Callable[[Exception | None], None]) -> None:
        """Replace the state by the snapshot in a folder, a little at a time; nothing may be applied meanwhile.

        ``done`` is told None when that is done; or the ``CorruptFile`` or ``OSError`` for which nothing has changed.
        """
