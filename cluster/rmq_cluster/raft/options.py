"""Times and limits of Raft, and how a proposal ended."""

from dataclasses import dataclass


class Outcome:
    """How a proposal ended, as its ``done`` is told."""

    APPLIED = 1  # committed, and applied on this node
    REFUSED = 2  # it will certainly never be committed
    UNKNOWN = 3  # it may be committed or not


@dataclass(frozen=True, slots=True)
class RaftOptions:
    """Times in seconds, sizes in bytes."""

    election_min: float = 0.5
    """A follower that heard no leader for a random time between these two asks for votes."""
    election_max: float = 1.0
    heartbeat: float = 0.1
    """A leader says something to each member at least this often."""
    leader_timeout: float = 1.0
    """A leader that wasn't answered by a majority for this long steps down."""
    forward_timeout: float = 2.0
    """A proposal sent to the leader that isn't answered for this long has an unknown outcome."""
    join_timeout: float = 60.0
    """A new voter that didn't get the whole log within this stays an observer."""
    snapshot_interval: float = 1.0
    """The machine is asked for a snapshot for one peer at most this often."""
    apply_time: float = 0.01
    """One tick applies committed entries for about this long; the next goes on."""
    batch_bytes: int = 1 << 20
    """About how many bytes of entries one append carries; an entry longer than that goes alone."""
    pipeline_bytes: int = 4 << 20
    """About how many bytes of entries may be on their way to one member."""
    kept_bytes: int = 4 << 20
    """About how many bytes of entries compaction keeps for members that are a little behind."""
    max_command: int = 1 << 20
    """A longer command is refused."""
    queue_commands: int = 20_000
    """Proposals that wait in this node; one more is refused."""
    queue_bytes: int = 64 << 20
