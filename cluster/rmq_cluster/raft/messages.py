"""What the nodes of a Raft group say to each other, as checked msgpack."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from rmq.storage.packing import pack, unpack
from rmq_cluster.raft.entries import check_entry

MAX_NUMBER: Final = 1 << 62
MAX_ENTRIES: Final = 1 << 20


class BadMessage(ValueError):
    """A frame that no node of ours would send; the link it came from is dropped."""


class Append(NamedTuple):
    """A leader's entries after ``previous``. ``last`` is its last index, ``number`` counts its appends to this peer."""

    term: int
    number: int
    previous: int
    previous_term: int
    commit: int
    last: int
    entries: list[tuple[bytes, int, int]]


class Ack(NamedTuple):
    """To ``Append``, whose number it names: ``following`` is the index to go on with; ``reset``: begin again there."""

    term: int
    number: int
    following: int
    success: bool
    reset: bool


class Vote(NamedTuple):
    """A candidate asks for a vote, naming its last entry."""

    term: int
    last: int
    last_term: int


class Voted(NamedTuple):
    """The vote is given."""

    term: int


class PreVote(NamedTuple):
    """Would you vote for me in this term?"""

    term: int
    last: int
    last_term: int


class PreVoted(NamedTuple):
    """I would; ``own_term`` is mine."""

    term: int
    own_term: int


class Stale(NamedTuple):
    """What you sent is of a term before mine."""

    term: int


class Propose(NamedTuple):
    """Please put this into the log; ``kind`` as in ``entries``."""

    number: int
    kind: int
    content: bytes


class Proposed(NamedTuple):
    """To ``Propose``: it is in the log at this place and term, or at 0: it certainly isn't."""

    number: int
    place: int
    term: int


class Report(NamedTuple):
    """Where a node stands: what it may have forgotten (a level of ``log``), its term, its last entry."""

    cold: int
    term: int
    last: int
    last_term: int
    wants_answer: bool


class TakeOver(NamedTuple):
    """The leader asks this node to stand at once."""

    term: int


Message = Append | Ack | Vote | Voted | PreVote | PreVoted | Stale | Propose | Proposed | Report | TakeOver

_KINDS: Final[tuple[type[Message], ...]] = (
    Append, Ack, Vote, Voted, PreVote, PreVoted, Stale, Propose, Proposed, Report, TakeOver,
)  # fmt: skip
_CODES: Final = {kind: code for code, kind in enumerate(_KINDS)}
# The types of each kind's fields, a letter per field: number, truth, bytes, entries.
_SHAPES: Final = ("nnnnnne", "nnntt", "nnn", "n", "nnn", "nn", "n", "nnb", "nnn", "nnnnt", "n")


def encode(message: Message) -> bytes:
    """A message as bytes."""
    if isinstance(message, Append):
        entries = [[term, entry] for entry, _, term in message.entries]
        return pack([0, *message[:6], entries])
    return pack([_CODES[type(message)], *message])


def decode(frame: bytes) -> Message:
    """The message that these bytes stand for. Raises ``BadMessage``."""
    try:
        code, *fields = unpack(frame)
        if type(code) is not int or not 0 <= code < len(_KINDS):
            raise ValueError("unknown kind of message")
        shape = _SHAPES[code]
        if len(fields) != len(shape):
            raise ValueError("wrong number of fields")
        for field, letter in zip(fields, shape, strict=True):
            _CHECKS[letter](field)
        if code == 0:
            fields[6] = _entries(fields[2], fields[3], fields[0], fields[6])
        return _KINDS[code](*fields)
    except (ValueError, TypeError, RecursionError) as error:
        raise BadMessage(f"unreadable message: {error}") from error


def _entries(previous: int, previous_term: int, limit: int, found: list[Any]) -> list[tuple[bytes, int, int]]:
    entries: list[tuple[bytes, int, int]] = []
    index, least = previous, previous_term
    for term, entry in found:
        index += 1
        if type(term) is not int or not least <= term <= limit or type(entry) is not bytes:
            raise ValueError("not an entry")
        check_entry(entry)
        least = term
        entries.append((entry, index, term))
    return entries


def _check_number(field: Any) -> None:
    if type(field) is not int or not 0 <= field < MAX_NUMBER:
        raise ValueError("not a number")


def _check_truth(field: Any) -> None:
    if type(field) is not bool:
        raise ValueError("not a truth value")


def _check_bytes(field: Any) -> None:
    if type(field) is not bytes:
        raise ValueError("not bytes")


def _check_entries(field: Any) -> None:
    if type(field) is not list or len(field) > MAX_ENTRIES:
        raise ValueError("not a list of entries")


_CHECKS: Final[dict[str, Callable[[Any], None]]] = {
    "n": _check_number,
    "t": _check_truth,
    "b": _check_bytes,
    "e": _check_entries,
}
