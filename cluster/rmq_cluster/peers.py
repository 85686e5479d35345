"""What this node knows of the others: what they said of themselves, how far they are, when they were heard."""

from collections.abc import Callable
from typing import Any, Final

from rmq.storage.packing import pack, unpack
from rmq_cluster.hello import Hello

# A silence of this node's own, when it was paused or busy: nobody could be heard meanwhile.
OWN_STALL_S: Final = 0.5


class BadStatus(ValueError):
    """It isn't a status."""


class Status:
    """How a node is. ``wall_clock`` is in seconds since 1970, ``digest`` that of its state at ``digest_index``.

    ``sent_at`` is a time of its own clock. ``echo``, of a leader, is the last of those that it has heard of the node
    that it tells this, while it counts that node as up and has a majority; else 0.0.
    """

    __slots__ = (
        "applied",
        "commit",
        "digest",
        "digest_index",
        "draining",
        "echo",
        "is_leader",
        "level",
        "sent_at",
        "synced",
        "term",
        "wall_clock",
    )

    def __init__(
        self,
        applied: int,
        synced: int,
        wall_clock: float,
        level: int,
        is_leader: bool,
        term: int,
        commit: int,
        draining: bool,
        digest_index: int,
        digest: bytes,
        sent_at: float = 0.0,
        echo: float = 0.0,
    ) -> None:
        self.applied = applied
        self.synced = synced
        self.wall_clock = wall_clock
        self.level = level
        self.is_leader = is_leader
        self.term = term
        self.commit = commit
        self.draining = draining
        self.digest_index = digest_index
        self.digest = digest
        self.sent_at = sent_at
        self.echo = echo

    def packed(self) -> bytes:
        """The body of its frame."""
        return pack(
            [
                self.applied,
                self.synced,
                self.wall_clock,
                self.level,
                self.is_leader,
                self.term,
                self.commit,
                self.draining,
                self.digest_index,
                self.digest,
                self.sent_at,
                self.echo,
            ]
        )

    @classmethod
    def of(cls, body: bytes) -> "Status":
        """From the body of a frame. Raises ``BadStatus``."""
        try:
            *fields, sent_at, echo = unpack(body)
            applied, synced, wall_clock, level, is_leader, term, commit, draining, digest_index, digest = fields
        except ValueError:
            raise BadStatus("a status has twelve fields") from None
        numbers = (applied, synced, level, term, commit, digest_index)
        if any(not isinstance(value, int) or value < 0 for value in numbers):
            raise BadStatus("a status has no such numbers")
        # Also refuses what isn't a number (NaN), with which nothing could be sorted.
        if not isinstance(wall_clock, float) or not 0.0 <= wall_clock < 1e11 or not isinstance(digest, bytes):
            raise BadStatus("a status has no such time or digest")
        if any(not isinstance(value, float) or not value >= 0.0 for value in (sent_at, echo)):
            raise BadStatus("a status has no such time")
        return cls(
            applied,
            synced,
            wall_clock,
            level,
            is_leader is True,
            term,
            commit,
            draining is True,
            digest_index,
            digest,
            sent_at,
            echo,
        )


class Peer:
    """Another node while there is a link to it, and afterwards.

    ``runs``: its Raft runs, in the same cluster. ``started``: this node's Raft knows that. ``heard_at`` is a time of
    ``clock``, 0.0 for never; ``said_at`` one of the other node's, the last it told over this link; ``wall_offset`` how
    much its wall clock was ahead of ``clock``.
    """

    def __init__(self, node_id: int) -> None:
        self.node_id = node_id
        self.linked = False
        self.hello: Hello | None = None
        self.runs = False
        self.started = False
        self.heard_at = 0.0
        self.said_at = 0.0
        self.status: Status | None = None
        self.wall_offset = 0.0
        # Since when it has had something to apply and hasn't got so far.
        self.behind_since = 0.0
        self.behind_target = 0


class Peers:
    """``clock`` is monotonic, ``wall_clock`` this machine's idea of the time."""

    def __init__(self, clock: Callable[[], float], wall_clock: Callable[[], float]) -> None:
        self._clock = clock
        self._wall_clock = wall_clock
        self._all: dict[int, Peer] = {}
        self._looked_at = clock()

    def peer(self, node_id: int) -> Peer:
        """What is known of a node."""
        found = self._all.get(node_id)
        if found is None:
            found = self._all[node_id] = Peer(node_id)
        return found

    def linked(self) -> list[Peer]:
        """Those that there is a link to, by id."""
        return [peer for _, peer in sorted(self._all.items()) if peer.linked]

    def forget(self, node_id: int) -> None:
        """A node is no member any more."""
        self._all.pop(node_id, None)

    def up(self, node_id: int, hello: Hello) -> Peer:
        """There is a link."""
        peer = self.peer(node_id)
        peer.linked = True
        peer.hello = hello
        peer.runs = False
        peer.started = False
        peer.status = None
        peer.said_at = 0.0
        peer.heard_at = self._clock()
        # It may have less than it had, and time to apply it.
        peer.behind_target = 0
        peer.behind_since = peer.heard_at
        return peer

    def down(self, node_id: int) -> Peer:
        """There is none any more."""
        peer = self.peer(node_id)
        peer.linked = False
        peer.runs = False
        peer.started = False
        return peer

    def heard(self, node_id: int) -> None:
        """A node has sent something."""
        peer = self._all.get(node_id)
        if peer is not None:
            peer.heard_at = self._clock()

    def told(self, node_id: int, body: bytes) -> Status:
        """A node has sent its status. Raises ``BadStatus``."""
        status = Status.of(body)
        peer = self.peer(node_id)
        peer.status = status
        peer.said_at = status.sent_at
        peer.wall_offset = status.wall_clock - self._clock()
        return status

    def look(self) -> None:
        """Called often. If it wasn't, this node stood still, and who it hasn't heard meanwhile isn't silent."""
        now = self._clock()
        stalled = now - self._looked_at
        self._looked_at = now
        if stalled > OWN_STALL_S:
            for peer in self._all.values():
                if peer.heard_at:
                    peer.heard_at += stalled
                if peer.behind_since:
                    peer.behind_since += stalled

    def silent_for(self, node_id: int, since: float) -> float:
        """For how many seconds a node wasn't heard; one that never was counts from ``since`` on."""
        peer = self._all.get(node_id)
        heard_at = peer.heard_at if peer is not None and peer.heard_at else since
        return self._clock() - heard_at

    def median_time(self, least: int) -> float | None:
        """The lower median of the wall clocks of the nodes in contact, this one included: seconds since 1970.

        None while there are fewer than ``least``: one clock may be an hour off, and those of a majority aren't.
        """
        now = self._clock()
        clocks = [self._wall_clock()]
        clocks += [now + peer.wall_offset for peer in self._all.values() if peer.linked and peer.status is not None]
        if len(clocks) < least:
            return None
        clocks.sort()
        return clocks[(len(clocks) - 1) // 2]


def note(*fields: object) -> bytes:
    """The body of a NOTE frame."""
    return pack(list(fields))


def read_note(body: bytes) -> tuple[str, list[Any]]:
    """What a NOTE is about, and what it says. Raises ``ValueError``."""
    fields = unpack(body)
    if not fields or not isinstance(fields[0], str):
        raise ValueError("a note without a subject")
    return fields[0], fields[1:]
