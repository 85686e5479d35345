"""Tables of a Mnesia backup: a log of Erlang's disk_log whose items are in the external term format.

https://www.erlang.org/doc/apps/erts/erl_ext_dist.html has that format. Nothing in it is run: terms become tuples,
lists, dictionaries, bytes, numbers and ``Atom``s.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import Final

from rmq.migration.erlang_terms import Atom, Term
from rmq.migration.findings import MigrationError

_LOG: Final = b"\x01\x02\x03\x04"
# What stands before each item: its size, and this.
_ITEM_MAGIC: Final = int.from_bytes(b"bWLA", "big")
_HEADER_BYTES: Final = 8
MOST_DEPTH: Final = 64
MOST_TERM: Final = 64 * 1024 * 1024


def records(content: bytes, name: str) -> Iterator[Term]:
    """Every record of a backup, in its order; ``MigrationError`` for what is none."""
    if not content.startswith(_LOG):
        raise MigrationError(f"{name}: isn't a Mnesia backup")
    # Two magic numbers stand in front of the items: that it is a log, and whether it was closed.
    place = _HEADER_BYTES
    while place + _HEADER_BYTES <= len(content):
        size, magic = struct.unpack_from(">II", content, place)
        place += _HEADER_BYTES
        if magic != _ITEM_MAGIC or place + size > len(content):
            raise MigrationError(f"{name}: an item of the log is broken")
        term = decoded(content[place : place + size], name)
        place += size
        yield from term if isinstance(term, list) else (term,)


def decoded(content: bytes, name: str) -> Term:
    """One term in the external format."""
    try:
        if content[:1] != b"\x83":
            raise MigrationError(f"{name}: an item isn't a term of Erlang")
        if content[1:2] == b"P":
            (size,) = struct.unpack_from(">I", content, 2)
            if size > MOST_TERM:
                raise MigrationError(f"{name}: a term has {size} bytes")
            content = b"\x83" + zlib.decompress(content[6:], bufsize=size)
        term, _ = _term(content, 1, 0)
    except (IndexError, struct.error, UnicodeDecodeError, zlib.error):
        raise MigrationError(f"{name}: a term of Erlang is broken") from None
    return term


def _term(content: bytes, place: int, depth: int) -> tuple[Term, int]:
    if depth > MOST_DEPTH:
        raise IndexError
    tag = content[place]
    place += 1
    if tag in _SIZES:
        return _sized(content, place, tag)
    if tag == 97:  # a small number
        return content[place], place + 1
    if tag == 98:
        return struct.unpack_from(">i", content, place)[0], place + 4
    if tag == 70:  # a float
        return struct.unpack_from(">d", content, place)[0], place + 8
    if tag in (110, 111):
        return _large(content, place, tag)
    if tag in (104, 105):  # tuples
        count, place = _count(content, place, 1 if tag == 104 else 4)
        items, place = _terms(content, place, count, depth)
        return tuple(items), place
    if tag == 106:
        return [], place
    if tag == 108:
        count, place = _count(content, place, 4)
        items, place = _terms(content, place, count, depth)
        tail, place = _term(content, place, depth + 1)
        return (items if tail == [] else [*items, tail]), place
    if tag == 116:
        count, place = _count(content, place, 4)
        items, place = _terms(content, place, 2 * count, depth)
        return {_key(key): value for key, value in zip(items[::2], items[1::2], strict=True)}, place
    raise IndexError  # functions, processes and the like are in no table that is read


# What has its size in front: with how many bytes that is written.
_SIZES: Final = {100: 2, 115: 1, 118: 2, 119: 1, 107: 2, 109: 4}


def _sized(content: bytes, place: int, tag: int) -> tuple[Term, int]:
    size, place = _count(content, place, _SIZES[tag])
    end = place + size
    if end > len(content):
        raise IndexError
    piece = content[place:end]
    if tag in (118, 119):
        return Atom(piece.decode()), end
    if tag in (100, 115):
        return Atom(piece.decode("latin-1")), end
    return (list(piece) if tag == 107 else piece), end


def _large(content: bytes, place: int, tag: int) -> tuple[int, int]:
    size, place = _count(content, place, 1 if tag == 110 else 4)
    sign, place = content[place], place + 1
    if place + size > len(content):
        raise IndexError
    value = int.from_bytes(content[place : place + size], "little")
    return (-value if sign else value), place + size


def _terms(content: bytes, place: int, count: int, depth: int) -> tuple[list[Term], int]:
    if count > len(content):
        raise IndexError
    found: list[Term] = []
    for _ in range(count):
        term, place = _term(content, place, depth + 1)
        found.append(term)
    return found, place


def _count(content: bytes, place: int, size: int) -> tuple[int, int]:
    if place + size > len(content):
        raise IndexError
    return int.from_bytes(content[place : place + size], "big"), place + size


def _key(term: Term) -> str:
    return term.decode(errors="replace") if isinstance(term, bytes) else str(term)
