"""What can be asked of a cluster and changed about it: the models, the calls, and the stand-in of a node alone."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

from rmq.management.errors import NotInACluster

# How many clients a second are moved away from a node that is to leave, unless somebody says otherwise.
LEAVE_RATE: Final = 100.0

# What was committed of a member: it works, it is declared down, it was stopped in good order.
MemberState = Literal["up", "down", "left"]


@dataclass(frozen=True, slots=True)
class MemberView:
    """One member of a cluster, as the node that was asked sees it.

    ``address`` is ``host:port`` of its links; ``voter``: it counts for the quorum. ``incarnation`` counts its starts.
    ``applied_lag`` is how many committed log entries it hasn't applied, as far as is known here. ``link_up``: the node
    that was asked is linked with it, or is it. ``operation_level`` is the newest that its program knows, 0 unknown.
    """

    node_id: int
    name: str
    address: str
    voter: bool
    state: MemberState
    incarnation: int
    applied_lag: int
    link_up: bool
    operation_level: int


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """A cluster as node ``node_id`` sees it.

    ``leader`` is None while none is known. ``commit_index`` and ``applied_index`` are positions in the log.
    ``alarms`` are sentences for a person. ``operation_level`` is the one that is committed: what may be written now.
    """

    cluster_id: str
    node_id: int
    leader: int | None
    term: int
    commit_index: int
    applied_index: int
    members: tuple[MemberView, ...]
    has_quorum: bool
    alarms: tuple[str, ...] = ()
    operation_level: int = 0
    draining: bool = False


@dataclass(frozen=True, slots=True)
class BackupView:
    """A copy of the cluster's state: everything up to log entry ``index``; ``size`` in bytes."""

    path: str
    index: int
    size: int


class ClusterControl(Protocol):
    """The cluster that this node is in; each call returns when what it asks is done, unless it says otherwise.

    All raise ``errors.NotInACluster`` where there is none. Those that change what all nodes share raise ``NoQuorum``
    when nothing was changed for want of one, ``OutcomeUnknown`` when it may yet be, ``ChangeUnderWay`` while another
    one isn't finished, and ``ClusterRefused`` for everything else that is in the way.
    """

    async def status(self) -> ClusterStatus:
        """How the cluster is; answered from what this node knows, quorum or not."""

    async def join(self, members: tuple[str, ...], *, discard_data: bool = False) -> None:
        """Make this node a member of the cluster of ``members`` (``id@host:port``), at least one of which answers.

        A node that has data of its own is refused (``NodeHasData``) unless they may be discarded;
        ``AlreadyInACluster`` if it is a member of one.
        """

    async def leave(self, rate: float = LEAVE_RATE) -> None:
        """Take this node out of the cluster for good: leadership is handed over and it is drained first.

        Its clients are moved away, ``rate`` a second; ``BadQuery`` for a rate that isn't above 0. ``undrain`` gives it
        up until all of them are gone. When nothing came of it the node takes clients again.
        """

    async def remove(self, node_id: int) -> None:
        """Take another member out, whether it is up or not; ``NotAMember``. Its id may come back empty."""

    async def drain(self, rate: float) -> None:
        """Begin to move this node's clients away, ``rate`` a second, taking no new ones; leadership is handed over.

        Returns when that has begun. ``BadQuery`` for a rate that isn't above 0.
        """

    async def undrain(self) -> None:
        """Take clients again; does nothing if this node isn't drained."""

    async def transfer_leadership(self, node_id: int | None = None) -> int:
        """Hand leadership to a voter, or to whichever is best; answers who has it. ``NotAMember``."""

    async def bootstrap(self, node_ids: tuple[int, ...]) -> None:
        """Found a cluster of just these of the configured nodes, all of which must be present and empty."""

    async def backup(self, path: Path) -> BackupView:
        """Write the state of the cluster into a new file or folder on this node; ``BackupFailed``."""

    async def restore(self, path: Path) -> None:
        """Found a cluster with what a backup holds, on an empty node that is in none; ``BackupFailed``."""

    async def rescue_warnings(self) -> tuple[str, ...]:
        """What ``rescue`` would mean now and what it may lose, in sentences for a person; changes nothing."""

    async def rescue(self) -> None:
        """Go on from this node's state alone: when the majority is lost for good."""

    async def rebuild(self) -> None:
        """Discard this node's data and take them from the other members."""


class NoCluster:
    """The stand-in of a node that isn't in a cluster."""

    async def status(self) -> ClusterStatus:
        """Refused."""
        raise NotInACluster

    async def join(self, members: tuple[str, ...], *, discard_data: bool = False) -> None:
        """Refused: a node needs an id and an address for its links first, which are settings."""
        raise NotInACluster

    async def leave(self, rate: float = LEAVE_RATE) -> None:
        """Refused."""
        raise NotInACluster

    async def remove(self, node_id: int) -> None:
        """Refused."""
        raise NotInACluster

    async def drain(self, rate: float) -> None:
        """Refused: there is nowhere to go."""
        raise NotInACluster

    async def undrain(self) -> None:
        """Refused."""
        raise NotInACluster

    async def transfer_leadership(self, node_id: int | None = None) -> int:
        """Refused."""
        raise NotInACluster

    async def bootstrap(self, node_ids: tuple[int, ...]) -> None:
        """Refused."""
        raise NotInACluster

    async def backup(self, path: Path) -> BackupView:
        """Refused."""
        raise NotInACluster

    async def restore(self, path: Path) -> None:
        """Refused."""
        raise NotInACluster

    async def rescue_warnings(self) -> tuple[str, ...]:
        """Refused."""
        raise NotInACluster

    async def rescue(self) -> None:
        """Refused."""
        raise NotInACluster

    async def rebuild(self) -> None:
        """Refused."""
        raise NotInACluster
