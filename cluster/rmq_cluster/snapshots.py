"""The snapshot to be sent to others, and the place of one that was received."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog
import trio

from rmq_cluster.identity import Position, save_identity
from rmq_cluster.outgoing import TransferFailed
from rmq_cluster.raft.members import Members

if TYPE_CHECKING:
    from rmq_cluster.cluster import Cluster

log = structlog.get_logger(__name__)

TAKE_TIMEOUT_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class OnDisk:
    """A snapshot: where it stands in the log, who were members then, its files with the bytes that belong to it."""

    index: int
    term: int
    members: Members
    files: list[tuple[Path, int]]


class Snapshots:
    """Between the port, which takes and loads snapshots, and Raft, which knows what they stand for."""

    def __init__(self, cluster: "Cluster") -> None:
        self._cluster = cluster
        self._taken = trio.Event()

    def taken(self, index: int) -> None:
        """The port has one safe on disk."""
        self._cluster.replication.snapshot_taken(index)
        self._taken.set()
        self._taken = trio.Event()

    async def newest(self) -> OnDisk:
        """The one on disk if the log goes on after it, else a new one. Raises ``TransferFailed``, ``TooSlowError``."""
        cluster = self._cluster
        base = cluster.replication.log.base_index
        if cluster.port.snapshot_index < max(base, 1):
            await self.take()
        return self.on_disk()

    async def take(self) -> None:
        """Take a new one and wait until it is safe. Raises ``TooSlowError``."""
        taken = self._taken
        self._cluster.port.take_snapshot()
        with trio.fail_after(TAKE_TIMEOUT_S):
            await taken.wait()

    def on_disk(self) -> OnDisk:
        """The one on disk. Raises ``TransferFailed``."""
        port, raft_log = self._cluster.port, self._cluster.replication.log
        index = port.snapshot_index
        term = raft_log.term_at(index)
        if index < 1 or term is None:
            raise TransferFailed("there is no snapshot that the log goes on after")
        return OnDisk(index, term, raft_log.members_at(index), port.snapshot_files())

    async def load(self, folder: Path, index: int, term: int) -> None:
        """Have the port take what a backup has. Raises ``CorruptFile``, ``OSError``."""
        loaded = trio.Event()
        errors: list[Exception] = []

        def done(error: Exception | None) -> None:
            if error is not None:
                errors.append(error)
            loaded.set()

        self._cluster.port.load_snapshot(folder, index, term, done)
        with trio.CancelScope(shield=True):  # the folder must stay for so long
            await loaded.wait()
        for error in errors:
            raise error

    # One of another node (Installer)

    def refuses(self, sender: int, index: int) -> str:
        """Why a snapshot isn't wanted, "" if it is."""
        replication = self._cluster.replication
        if replication.raft is None:
            return "this node isn't in the cluster yet"
        if replication.leader not in (None, sender):
            return f"node {replication.leader} leads"
        if index <= self._cluster.port.applied_index:
            return f"this node has applied {self._cluster.port.applied_index}, the snapshot ends at {index}"
        return ""

    def install(self, folder: Path, position: Position, done: Callable[[Exception | None], None]) -> None:
        """Put one in the place of what is there; nothing is applied meanwhile."""
        cluster = self._cluster
        identity = cluster.identity
        if identity is None:
            raise OSError(0, "this node isn't in the cluster")
        # Should the process end before all is in place, the next one knows from this where the log goes on.
        identity.installing = position
        save_identity(cluster.folder, identity)
        cluster.replication.hold()

        def loaded(error: Exception | None) -> None:
            if error is None:
                members = Members(position.voters, position.observers)
                cluster.replication.installed(position.index, position.term, members)
            cluster.replication.release()
            identity.installing = None
            try:
                save_identity(cluster.folder, identity)
            except OSError as failure:
                log.error("who this node is can't be saved", error=failure.strerror)
            done(error)

        cluster.port.load_snapshot(folder, position.index, position.term, loaded)
