"""What an administrator can ask of the cluster and change about it."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog
import trio

from rmq.management.cluster import LEAVE_RATE, BackupView, ClusterStatus
from rmq.management.errors import (
    AlreadyInACluster,
    BackupFailed,
    BadQuery,
    ChangeUnderWay,
    ClusterRefused,
    NodeHasData,
    NoQuorum,
    NotAMember,
    NotInACluster,
    OutcomeUnknown,
)
from rmq.storage.record_file import CorruptFile
from rmq_cluster.asking import APPLIED, NOT_LEADER, REFUSED, UNDER_WAY
from rmq_cluster.backup import BadBackup, unpack_backup, write_backup
from rmq_cluster.disk import in_disk
from rmq_cluster.duties import REMOVE, TRANSFER
from rmq_cluster.links import Refused, Unreachable
from rmq_cluster.links.addresses import parse_address
from rmq_cluster.outgoing import TransferFailed, pin
from rmq_cluster.raft.node import RaftNode
from rmq_cluster.recover import leave_behind
from rmq_cluster.view import rescue_warnings, status_of

if TYPE_CHECKING:
    from rmq_cluster.cluster import Cluster

log = structlog.get_logger(__name__)

# How long a change may take until it is said that nobody knows.
CHANGE_TIMEOUT_S: Final = 30.0
# How long a node may take to come in; the state is handed over meanwhile.
JOIN_TIMEOUT_S: Final = 300.0
RESTORE_FOLDER: Final = "restore"


class Membership:
    """``rmq.management.cluster.ClusterControl`` of a node in a cluster, or about to be."""

    def __init__(self, cluster: "Cluster") -> None:
        self._cluster = cluster
        # While this node is drained to leave: set when that is done, or given up.
        self._drained: trio.Event | None = None

    def _raft(self) -> RaftNode:
        raft = self._cluster.replication.raft
        if raft is None or self._cluster.replication.failed:
            raise NotInACluster
        return raft

    async def status(self) -> ClusterStatus:
        """How the cluster is, as this node sees it."""
        await trio.lowlevel.checkpoint()
        return status_of(self._cluster)

    # Coming and going

    async def join(self, members: tuple[str, ...], *, discard_data: bool = False) -> None:
        """Make this node a member of the cluster of ``members``."""
        cluster = self._cluster
        belonging = cluster.belonging
        if belonging.identity is not None:
            raise AlreadyInACluster(belonging.identity.cluster_id)
        addresses = dict([await self._member(text) for text in members])
        addresses.pop(cluster.node_id, None)
        if not addresses:
            raise BadQuery("members", "names nobody but this node")
        if cluster.port.has_own_data or cluster.port.snapshot_index:
            if not discard_data:
                raise NodeHasData(str(cluster.folder.parent))
            cluster.port.discard()
        belonging.wants_in = True
        cluster.links.set_peers(addresses)
        for peer in sorted(cluster.links.connected()):
            cluster.links.close_peer(peer, "it is told anew who this node is")
        with trio.move_on_after(JOIN_TIMEOUT_S):
            await cluster.come_in(addresses)
            return
        belonging.wants_in = False
        raise ClusterRefused("none of the members has let this node in; their logs say why")

    async def _member(self, text: str) -> tuple[int, str]:
        """Id and address of ``id@host:port``; of ``host:port`` whoever is there says its id."""
        cluster = self._cluster
        try:
            if "@" in text:
                return _member(text)
            parse_address(text)
            found = await cluster.links.find(text)
        except ValueError as error:
            raise BadQuery("members", str(error)) from None
        except (Refused, Unreachable) as error:
            raise ClusterRefused(f"nobody says who is at {text}: {error}") from None
        if found == cluster.node_id:
            raise ClusterRefused(f"the node at {text} has the id {found}, as this one has")
        return found, text

    async def leave(self, rate: float = LEAVE_RATE) -> None:
        """Take this node out for good, drained first."""
        raft = self._raft()
        cluster = self._cluster
        self._can_go(raft)
        if self._drained is not None:
            raise ChangeUnderWay(f"node {cluster.node_id} leaves")
        before = cluster.draining
        self._drained = trio.Event()
        try:
            await self.drain(rate)
            cluster.port.when_drained(self._drained.set)
            await self._drained.wait()
            if not cluster.draining:
                raise ClusterRefused("undrain was asked for: this node stays")
            await self._go(self._raft())
        except BaseException:
            if cluster.draining:
                cluster.draining = before
                cluster.port.drain(before)
            raise
        finally:
            self._drained = None

    def _can_go(self, raft: RaftNode) -> None:
        if raft.voters == (self._cluster.node_id,):
            raise ClusterRefused("the only node that votes can't leave")
        if not raft.has_quorum:
            raise NoQuorum

    async def _go(self, raft: RaftNode) -> None:
        cluster = self._cluster
        self._can_go(raft)  # others may have left or died meanwhile
        if cluster.replication.is_leader:
            await self.transfer_leadership()
        cluster.belonging.is_leaving = True
        try:
            if cluster.belonging.incarnation:
                left = trio.Event()
                cluster.port.leave(left.set)
                cluster.wake()
                with trio.move_on_after(CHANGE_TIMEOUT_S) as scope:
                    await left.wait()
                if scope.cancelled_caught:
                    raise OutcomeUnknown("the leader")
            await self._ask(REMOVE, cluster.node_id)
        except OutcomeUnknown:
            # It may have been told before the answer came.
            if cluster.identity is None or not cluster.identity.removed:
                raise
        finally:
            cluster.belonging.is_leaving = False
        cluster.belonging.was_removed("it left")

    async def remove(self, node_id: int) -> None:
        """Take another member out, whether it is up or not; or one that a rescue left behind out of mind."""
        cluster = self._cluster
        if node_id == cluster.node_id:
            await self.leave()
            return
        raft = self._raft()
        if cluster.belonging.forget_left_behind(node_id):
            return
        if node_id not in raft.voters and node_id not in raft.observers and not cluster.belonging.has(node_id):
            raise NotAMember(node_id)
        if raft.leader == node_id:
            await self.transfer_leadership()
        await self._ask(REMOVE, node_id)

    async def _ask(self, what: str, node_id: int) -> None:
        with trio.move_on_after(CHANGE_TIMEOUT_S):
            answer = await self._cluster.asking.ask(self._cluster.node_id, what, node_id)
            if answer == APPLIED:
                return
            if answer == NOT_LEADER:
                raise NoQuorum
            if answer.startswith(UNDER_WAY):
                raise ChangeUnderWay(answer.removeprefix(UNDER_WAY))
            if answer.startswith(REFUSED):
                raise ClusterRefused(answer.removeprefix(REFUSED))
        raise OutcomeUnknown("the leader")

    # Clients and leadership

    async def drain(self, rate: float) -> None:
        """Begin to move clients away."""
        if not rate > 0.0:
            raise BadQuery("rate", "must be above 0")
        raft = self._raft()
        self._cluster.draining = rate
        self._cluster.port.drain(rate)
        if self._cluster.replication.is_leader and len(raft.voters) > 1:
            await self.transfer_leadership()

    async def undrain(self) -> None:
        """Take clients again."""
        await trio.lowlevel.checkpoint()
        self._raft()
        if self._cluster.draining:
            self._cluster.draining = 0.0
            self._cluster.port.drain(0.0)
        if self._drained is not None:
            self._drained.set()

    async def transfer_leadership(self, node_id: int | None = None) -> int:
        """Hand leadership over; answers who has it."""
        raft = self._raft()
        before = raft.leader
        if node_id is not None and node_id not in raft.voters:
            raise NotAMember(node_id)
        if before is None:
            raise NoQuorum
        if before == node_id:
            return before
        await self._ask(TRANSFER, node_id or 0)
        with trio.move_on_after(CHANGE_TIMEOUT_S):
            while raft.leader is None or raft.leader == before:
                await self._cluster.role_change()
            return raft.leader
        raise OutcomeUnknown("the leader")

    # Beginnings

    async def bootstrap(self, node_ids: tuple[int, ...]) -> None:
        """Found a cluster of just these of the configured nodes."""
        cluster = self._cluster
        if cluster.identity is not None:
            raise AlreadyInACluster(cluster.identity.cluster_id)
        unknown = [node_id for node_id in node_ids if node_id not in cluster.founding.listed]
        if unknown or not node_ids:
            raise BadQuery("node_ids", f"node {unknown[0]} isn't configured" if unknown else "names nobody")
        if cluster.node_id not in node_ids:
            raise BadQuery("node_ids", "this node is to be among them")
        missing = cluster.founding.name(node_ids)
        if missing:
            raise ClusterRefused(missing)
        with trio.move_on_after(CHANGE_TIMEOUT_S):
            await cluster.ready.wait()
            return
        raise ClusterRefused(cluster.founding.waits_for or "the other nodes haven't agreed")

    async def backup(self, path: Path) -> BackupView:
        """Write the state into a new folder."""
        self._raft()
        cluster = self._cluster
        identity = cluster.identity
        assert identity is not None
        folder = cluster.folder / "outgoing" / "backup"
        try:
            await cluster.snapshots.take()
            snapshot = cluster.snapshots.on_disk()
            pinned = pin(snapshot.files, folder)
            manifest = await in_disk(
                cluster.disk,
                lambda: write_backup(path, pinned, identity.cluster_id, snapshot.index, snapshot.term),
            )
        except (OSError, TransferFailed, trio.TooSlowError) as error:
            reason = getattr(error, "strerror", None) or str(error) or "the snapshot took too long"
            raise BackupFailed(str(path), reason) from None
        finally:
            cluster.discard(folder)
        return BackupView(str(path), manifest.index, manifest.size)

    async def restore(self, path: Path) -> None:
        """Make what a backup holds the state of the cluster that is founded with it: this node is its seed."""
        cluster = self._cluster
        if cluster.identity is not None or cluster.port.has_own_data or cluster.port.snapshot_index:
            raise ClusterRefused(
                "a backup is restored on a node that is empty and in no cluster yet, which then founds one"
            )
        folder = cluster.folder / RESTORE_FOLDER
        try:
            manifest = await in_disk(cluster.disk, lambda: unpack_backup(path, folder))
            await cluster.snapshots.load(folder, manifest.index, manifest.term)
        except (BadBackup, CorruptFile, OSError) as error:
            raise BackupFailed(str(path), getattr(error, "strerror", None) or str(error)) from None
        finally:
            cluster.discard(folder)
        log.warning("a backup was restored", path=str(path), of_cluster=manifest.cluster_id, index=manifest.index)
        for peer in sorted(cluster.links.connected()):
            cluster.links.close_peer(peer, "it is told anew who this node is")

    # When much is lost

    async def rescue_warnings(self) -> tuple[str, ...]:
        """What ``rescue`` would mean now."""
        await trio.lowlevel.checkpoint()
        self._raft()
        return rescue_warnings(self._cluster)

    async def rescue(self) -> None:
        """Go on from this node's state alone."""
        raft = self._raft()
        cluster = self._cluster
        identity = cluster.identity
        if raft.has_quorum or identity is None:
            raise ClusterRefused("the majority is here: members that are lost for good can be removed")
        if cluster.incoming.is_installing:
            raise ClusterRefused("the snapshot of another node is being put in place: try again in a while")
        log.warning("rescue: this node goes on alone", generation=identity.generation + 1)
        leave_behind(identity, cluster.node_id)
        cluster.belonging.save()
        for peer in sorted(cluster.links.connected()):
            cluster.links.close_peer(peer, "the cluster was rescued without this node")
        cluster.replication.go_alone()
        cluster.belonging.identity_changed()
        with trio.move_on_after(CHANGE_TIMEOUT_S):
            await cluster.belonging.up_again()
            return
        raise OutcomeUnknown("the leader")

    async def rebuild(self) -> None:
        """Discard this node's data at its next start, to take them from the other members; until then it steps out."""
        self._raft()
        cluster = self._cluster
        identity = cluster.identity
        raft = cluster.replication.raft
        if identity is None or raft is None:
            raise NotInACluster
        if raft.voters == (cluster.node_id,) or not raft.has_quorum:
            raise ClusterRefused("the other members can't give this node its data: too few are in contact")
        if cluster.replication.is_leader:
            await self.transfer_leadership()
        identity.rebuild = True
        cluster.belonging.save()
        cluster.replication.step_out("its data are taken from the other members when it is started again")


def _member(text: str) -> tuple[int, str]:
    """Id and address of ``id@host:port``. Raises ``ValueError``."""
    digits, _, address = text.partition("@")
    if not (digits.isascii() and digits.isdigit()) or int(digits) < 1:
        raise ValueError(f"{text!r} is not id@host:port")
    parse_address(address)
    return int(digits), address
