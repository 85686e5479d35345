"""What is done to the data of a node that isn't running, or is to go on differently: rescue, rebuild. Blocking."""

import shutil
from pathlib import Path
from typing import Final

import structlog

from rmq_cluster.identity import Identity, IdentityError, load_identity, save_identity
from rmq_cluster.raft.entries import members_entry
from rmq_cluster.raft.log import WARM, RaftLog
from rmq_cluster.raft.members import Members

log = structlog.get_logger(__name__)

LOG_FOLDER: Final = "raft"
INCOMING_FOLDER: Final = "incoming"
OUTGOING_FOLDER: Final = "outgoing"


def prepare(folder: Path, storage: Path) -> None:
    """To be called before anything in a data folder is read: discards what is to be taken from the other members.

    Raises ``IdentityError``, ``OSError``.
    """
    identity = load_identity(folder)
    if identity is None or not identity.rebuild:
        return
    log.warning("the data of this node are discarded: it takes them from the other members", folder=str(folder))
    _discard(folder, storage)
    # Where the others are is all that is kept: the node comes in anew, also after a rescue that left it behind.
    identity.cluster_id = ""
    identity.generation = 0
    identity.voters = ()
    identity.removed = False
    identity.rebuild = False
    identity.installing = None
    identity.left_behind = {}
    save_identity(folder, identity)


def rebuild(folder: Path, storage: Path) -> None:
    """Discard the data of a node that isn't running, so that it takes them from the other members.

    Also for data that can't be read. Raises ``IdentityError``: it belongs to no cluster; ``OSError``.
    """
    identity = load_identity(folder)
    if identity is None:
        raise IdentityError(f"{folder}: belongs to no cluster, whose other members could have its data")
    identity.rebuild = True
    save_identity(folder, identity)
    prepare(folder, storage)


def _discard(folder: Path, storage: Path) -> None:
    # Nothing of it is left half: without its log a node knows that it has forgotten what it promised.
    for path in (folder / LOG_FOLDER, folder / INCOMING_FOLDER, folder / OUTGOING_FOLDER, storage):
        if path.exists():
            shutil.rmtree(path)


def rescue(folder: Path, node_id: int, boot: str | None = None) -> Identity:
    """Make a node that isn't running the only member, with all that is in its log.

    Raises ``IdentityError``, ``CorruptFile``, ``OSError``.
    """
    identity = load_identity(folder)
    if identity is None:
        raise IdentityError(f"{folder}: belongs to no cluster")
    raft_log = RaftLog(folder / LOG_FOLDER, boot)
    try:
        go_alone(raft_log, node_id)
    finally:
        raft_log.close(clean=True)
    leave_behind(identity, node_id)
    save_identity(folder, identity)
    return identity


def go_alone(raft_log: RaftLog, node_id: int) -> None:
    """Make a node the only member of its log, whatever the others had agreed on. Raises ``OSError``."""
    term = raft_log.term + 1
    raft_log.set_term(term, 0)
    raft_log.append(members_entry(Members((node_id,), ())), raft_log.last_index + 1, term)
    raft_log.flush()
    raft_log.sync()
    raft_log.set_cold(WARM)


def leave_behind(identity: Identity, node_id: int) -> None:
    """All others are no members any more, and may not come back with the data that they have."""
    identity.generation += 1
    identity.voters = (node_id,)
    for other, address in identity.addresses().items():
        if other != node_id:
            identity.put(other, "")
            identity.left_behind[other] = address
