"""Which cluster a data folder belongs to, kept in ``cluster.json``: written whole, synced, never half.

What is in it is read before anything is sent. A folder without it is that of a node which no cluster knows yet.
"""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rmq.storage.record_file import sync_directory

FILE_NAME: Final = "cluster.json"
FORMAT: Final = 1


class IdentityError(ValueError):
    """The file can't be read; the text names it and says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a member is reached (``host:port``). Of two entries for one member the one of the higher version holds."""

    address: str
    version: int


@dataclass(frozen=True, slots=True)
class Position:
    """Where in the log a snapshot stands, and who were members then."""

    index: int
    term: int
    voters: tuple[int, ...]
    observers: tuple[int, ...]


@dataclass(slots=True)
class Identity:
    """``cluster_id`` is "" for a node that was emptied and is to come back: it knows where the others are, no more.

    ``nonce`` is made with the data: a node that comes back with an empty disk has another one.

    ``generation`` is 1 when a cluster is founded and goes up with each rescue: who has a lower one was left behind.
    ``voters`` are those of the log, as far as this node knew.
    ``book`` has the address of every member, and of those who are to become members. ``removed``: this node was taken
    out of the cluster. ``rebuild``: what else is in the folder is to be discarded and taken from the other members.
    ``installing``: another node's snapshot is being put in place of what is there. ``left_behind`` has the addresses of
    those that a rescue went on without: they are dialled, so that both sides learn of it should they come back.
    ``entering``: a person wanted it in, and it hasn't been up yet. Members may only remember that an earlier node of
    its id was removed.
    """

    node_id: int
    cluster_id: str
    generation: int
    nonce: str
    voters: tuple[int, ...]
    book: dict[int, Entry] = field(default_factory=dict)
    removed: bool = False
    rebuild: bool = False
    installing: Position | None = None
    left_behind: dict[int, str] = field(default_factory=dict)
    entering: bool = False

    def merge(self, book: dict[int, Entry]) -> bool:
        """Take over newer entries; whether there were any."""
        changed = False
        for node_id, entry in book.items():
            known = self.book.get(node_id)
            if known is None or entry.version > known.version:
                self.book[node_id] = entry
                changed = True
                if entry.address:
                    self.left_behind.pop(node_id, None)
        return changed

    def put(self, node_id: int, address: str) -> bool:
        """Enter where a member is reached, "" for one that is taken out; whether that is new."""
        known = self.book.get(node_id)
        if known is not None and known.address == address:
            return False
        self.book[node_id] = Entry(address, 1 if known is None else known.version + 1)
        if address:
            self.left_behind.pop(node_id, None)
        return True

    def has(self, node_id: int) -> bool:
        """Whether a node is a member, or is to become one."""
        entry = self.book.get(node_id)
        return entry is not None and entry.address != ""

    def addresses(self) -> dict[int, str]:
        """Where each member is reached; those that were taken out have no address."""
        return {node_id: entry.address for node_id, entry in self.book.items() if entry.address}

    def dialled(self) -> dict[int, str]:
        """Who is to be linked with: the members, and those that were left behind, to be told so."""
        return self.left_behind | self.addresses()


def load_identity(folder: Path) -> Identity | None:
    """What a folder says; None if it belongs to no cluster. Raises ``IdentityError``."""
    path = folder / FILE_NAME
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return _identity(found)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise IdentityError(f"{path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IdentityError(f"{path}: isn't what this program writes ({error})") from None


def _identity(found: dict[str, Any]) -> Identity:
    if found["format"] != FORMAT:
        raise ValueError(f"format {found['format']} isn't known, only {FORMAT}")
    book = {int(key): Entry(str(entry[0]), int(entry[1])) for key, entry in found["members"].items()}
    installing = found["installing"]
    position: Position | None = None
    if installing is not None:
        index, term, voters, observers = installing
        position = Position(int(index), int(term), tuple(map(int, voters)), tuple(map(int, observers)))
    return Identity(
        int(found["node_id"]),
        str(found["cluster_id"]),
        int(found["generation"]),
        str(found["nonce"]),
        tuple(map(int, found["voters"])),
        book,
        bool(found["removed"]),
        bool(found["rebuild"]),
        position,
        {int(key): str(address) for key, address in found.get("left_behind", {}).items()},
        bool(found.get("entering", False)),
    )


def save_identity(folder: Path, identity: Identity) -> None:
    """Write it so that a loss of power leaves the old or the new one. Raises ``OSError``."""
    members = {str(node_id): [entry.address, entry.version] for node_id, entry in sorted(identity.book.items())}
    position = identity.installing
    installing: list[object] | None = None
    if position is not None:
        installing = [position.index, position.term, list(position.voters), list(position.observers)]
    fields = {
        "format": FORMAT,
        "cluster_id": identity.cluster_id,
        "generation": identity.generation,
        "node_id": identity.node_id,
        "nonce": identity.nonce,
        "voters": list(identity.voters),
        "removed": identity.removed,
        "rebuild": identity.rebuild,
        "installing": installing,
        "left_behind": {str(node_id): address for node_id, address in sorted(identity.left_behind.items())},
        "entering": identity.entering,
        "members": members,
    }
    data = (json.dumps(fields, indent=2) + "\n").encode()
    path = folder / FILE_NAME
    temporary = path.with_suffix(".tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        os.fsync(fd)
    finally:
        os.close(fd)
    temporary.rename(path)
    sync_directory(folder)
