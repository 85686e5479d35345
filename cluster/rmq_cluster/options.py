"""What a node of a cluster is told at its start, as plain values."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from rmq_cluster.links import LinkOptions
from rmq_cluster.links import TlsFiles as LinkTls
from rmq_cluster.links.addresses import parse_address

Minority = Literal["serve", "refuse"]

MAX_VOTERS: Final = 5


@dataclass(slots=True)
class TlsFiles:
    """PEM files for the links: this node's certificate and key, and the authority that signed those of all nodes."""

    certificate: Path
    key: Path
    authority: Path


@dataclass(slots=True)
class RaftTimes:
    """Times of the replicated log, in seconds.

    ``heartbeat``: how often the leader is heard. ``election_min`` and ``election_max``: how long a follower waits for
    that before it stands, by chance between the two. ``leader_fallback``: how long a leader goes on without a majority.
    """

    heartbeat: float = 0.1
    election_min: float = 0.5
    election_max: float = 1.0
    leader_fallback: float = 1.0


@dataclass(slots=True)
class ClusterOptions:
    """``members`` has the addresses (``host:port``) of all nodes that are to found the cluster, this one included.

    ``bind`` is where this node listens for links ("" for its own address in ``members``), ``advertised`` how others
    reach it ("" for the same). ``votes`` False: a member that serves clients and never counts for the quorum.
    ``voters``: who votes when the cluster is founded; () for the five lowest ids. ``listeners``: by the full name of a
    listener where clients of other nodes are sent to. ``secret`` is known to all nodes. Times in s, sizes in bytes.

    ``node_down_grace``: how long a node may be silent until it is declared down. ``quorum_timeout``: how long work
    waits for a majority. ``laggard_after``: a node that applies nothing new for so long while there is something, is
    declared down. ``forward_deadline``: how long a publisher waits for the acknowledgement of other nodes.
    ``minority``: what a node without a majority does for clients that need none. ``stop_timeout``: what handing over
    may take at a stop. ``sync_at_once``: acknowledgements wait until the log is
    synced, so that it is synced again and again; else every now and then. ``snapshot_after``: how much log makes a new
    snapshot. ``log_kept``: how much of the log before
    a snapshot is kept in memory and on disk, for nodes that are a little behind. ``transfer_window``: how much of a
    snapshot is under way to a peer and not yet on its disk. ``resend_pause``: no sooner is a transfer begun again.
    ``link_dead_after``: so long a silence breaks a link; the other ``link_`` values bound frames and what waits.
    """

    members: dict[int, str]
    bind: str = ""
    advertised: str = ""
    votes: bool = True
    voters: tuple[int, ...] = ()
    listeners: dict[str, str] = field(default_factory=dict)
    secret: bytes = b""
    tls: TlsFiles | None = None
    node_down_grace: float = 1.5
    quorum_timeout: float = 5.0
    laggard_after: float = 5.0
    forward_deadline: float = 2.0
    minority: Minority = "serve"
    stop_timeout: float = 3.0
    sync_at_once: bool = True
    snapshot_after: int = 64 * 1024 * 1024
    log_kept: int = 4 * 1024 * 1024
    transfer_window: int = 4 * 1024 * 1024
    resend_pause: float = 1.0
    link_dead_after: float = 2.0
    link_max_frame: int = 16 * 1024 * 1024
    link_control_buffer: int = 32 * 1024 * 1024
    link_data_buffer: int = 64 * 1024 * 1024
    raft: RaftTimes = field(default_factory=RaftTimes)

    def address(self, node_id: int) -> str:
        """Where others reach this node."""
        return self.advertised or self.members.get(node_id, "")

    def link_options(self, node_id: int) -> LinkOptions:
        """What the links are made with. Raises ``LinkError``, ``ValueError``: no address to listen on."""
        host, port = parse_address(self.bind or self.address(node_id))
        tls = None
        if self.tls is not None:
            tls = LinkTls(str(self.tls.certificate), str(self.tls.key), str(self.tls.authority))
        return LinkOptions(
            host,
            port,
            self.secret,
            tls,
            max_frame=self.link_max_frame,
            control_buffer=self.link_control_buffer,
            data_buffer=self.link_data_buffer,
            dead_after=self.link_dead_after,
        )
