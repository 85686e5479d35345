"""What nodes say of themselves when they are linked, and which of them are refused, in one line for a person."""

from dataclasses import dataclass, field
from typing import Any, Final

from rmq_cluster.identity import Entry

# EMPTY: nothing is known of a cluster. SEED: neither, but there is state of a node alone. JOINING: empty, and a person
# wants it in a cluster whose members may not know it. MEMBER: it has a cluster id.
EMPTY: Final = 0
SEED: Final = 1
JOINING: Final = 2
MEMBER: Final = 3
STATES: Final = (EMPTY, SEED, JOINING, MEMBER)

MAX_MEMBERS: Final = 64
MAX_TEXT: Final = 256


class BadHello(ValueError):
    """It isn't a hello of this version."""


@dataclass(slots=True)
class Hello:
    """``listed`` are the addresses of the nodes that are to found a cluster, as this node's configuration has them.

    ``voters`` and ``observers`` are those of its log. ``level`` is the newest operation level that it knows.
    ``listeners`` has the addresses that its clients use, by the name of the listener.
    """

    state: int
    cluster_id: str
    generation: int
    nonce: str
    address: str
    votes: bool
    level: int
    listed: dict[int, str]
    book: dict[int, Entry]
    voters: tuple[int, ...] = ()
    observers: tuple[int, ...] = ()
    listeners: dict[str, str] = field(default_factory=dict)

    def fields(self) -> list[object]:
        """As plain values."""
        return [
            self.state,
            self.cluster_id,
            self.generation,
            self.nonce,
            self.address,
            self.votes,
            self.level,
            [[node_id, address] for node_id, address in sorted(self.listed.items())],
            book_fields(self.book),
            list(self.voters),
            list(self.observers),
            [[name, address] for name, address in sorted(self.listeners.items())],
        ]

    @classmethod
    def of(cls, fields: list[Any]) -> "Hello":
        """From plain values. Raises ``BadHello``."""
        try:
            state, cluster_id, generation, nonce, address, votes, level, listed, book, *rest = fields
            voters, observers, listeners = rest
            if state not in STATES:
                raise BadHello(f"state {state} isn't known")
            return cls(
                state,
                text(cluster_id),
                number(generation),
                text(nonce),
                text(address),
                votes is True,
                number(level),
                {number(node_id): text(place) for node_id, place in bounded(listed)},
                book_of(book),
                tuple(number(node_id) for node_id in bounded(voters)),
                tuple(number(node_id) for node_id in bounded(observers)),
                {text(name): text(place) for name, place in bounded(listeners)},
            )
        except (TypeError, ValueError) as error:
            raise BadHello(str(error)) from None


def book_fields(book: dict[int, Entry]) -> list[object]:
    """Addresses as plain values."""
    return [[node_id, entry.address, entry.version] for node_id, entry in sorted(book.items())]


def book_of(fields: Any) -> dict[int, Entry]:
    """Addresses from plain values. Raises ``ValueError``, ``TypeError``."""
    return {number(node_id): Entry(text(address), number(version)) for node_id, address, version in bounded(fields)}


def text(value: Any) -> str:
    """A short text. Raises ``BadHello``."""
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise BadHello("not a short text")
    return value


def number(value: Any) -> int:
    """A number that isn't negative. Raises ``BadHello``."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise BadHello("not a number")
    return value


def bounded(value: Any) -> list[Any]:
    """A list of at most as many entries as a cluster may have members. Raises ``BadHello``."""
    if not isinstance(value, list) or len(value) > MAX_MEMBERS:
        raise BadHello("not a list of members")
    return value


def is_other_history(own: Hello, theirs: Hello) -> bool:
    """Whether both are members, and not of the same cluster: of two, or of one that was rescued without one of them."""
    same = (own.cluster_id, own.generation) == (theirs.cluster_id, theirs.generation)
    return own.state == theirs.state == MEMBER and not same


def refusal(own: Hello, node_id: int, peer: int, theirs: Hello) -> str | None:
    """Why there is no link between this node and a peer, or None."""
    if own.state == MEMBER:
        return _refused_by_member(own, node_id, peer, theirs)
    if theirs.state == MEMBER:
        if own.state == SEED:
            return f"node {node_id} has data of its own, and node {peer} is in cluster {theirs.cluster_id}"
        if node_id not in theirs.book and own.state != JOINING:
            return f"node {node_id} isn't a member of cluster {theirs.cluster_id}: have it join"
        return None
    if own.state == SEED and theirs.state == SEED:
        return f"nodes {min(node_id, peer)} and {max(node_id, peer)} both have data of their own: only one may"
    if JOINING not in (own.state, theirs.state) and own.listed != theirs.listed:
        return f"nodes {min(node_id, peer)} and {max(node_id, peer)} list different members"
    return None


def _refused_by_member(own: Hello, node_id: int, peer: int, theirs: Hello) -> str | None:
    if theirs.state == SEED:
        return f"node {peer} has data of its own, and node {node_id} is in cluster {own.cluster_id}"
    known = peer in own.book and own.book[peer].address != ""
    if theirs.state != MEMBER:
        # An id that is a member's belongs to a disk which was lost; others are told how to come in.
        return None if known else f"node {peer} isn't a member of cluster {own.cluster_id}: have it join"
    if theirs.cluster_id != own.cluster_id:
        return f"node {peer} is in cluster {theirs.cluster_id}, node {node_id} in cluster {own.cluster_id}"
    if theirs.generation != own.generation:
        old, new = (node_id, peer) if own.generation < theirs.generation else (peer, node_id)
        return f"node {old} was left behind when the cluster was rescued with node {new}: rebuild node {old}"
    if peer in own.book and not known:
        return f"node {peer} was removed from cluster {own.cluster_id}"
    return None
