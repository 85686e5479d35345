"""The folder of exported data on this node: listed, read in pieces, written whole, deleted."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rmq.management.errors import BadQuery, DataFileNotFound, DataNotKept
from rmq.management.models import NodeRef

# What is read in one piece, also by other nodes.
PIECE: Final = 256 * 1024
MAX_FILES: Final = 1000
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,126}\.gz")


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file; ``created_at`` in seconds since 1970."""

    name: str
    size: int
    created_at: float


@dataclass(frozen=True, slots=True)
class NodeDataFiles:
    """Those of a node."""

    node: NodeRef
    files: tuple[DataFile, ...]


class DataFiles:
    """``folder`` is None on a node that keeps nothing on disk. All calls block: they belong in a thread."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder

    def all(self) -> tuple[DataFile, ...]:
        """By name."""
        folder = self.folder
        if folder is None or not folder.is_dir():
            return ()
        found: list[DataFile] = []
        for entry in os.scandir(folder):
            if _NAME.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                facts = entry.stat()
                found.append(DataFile(entry.name, facts.st_size, facts.st_mtime))
        found.sort(key=lambda file: file.name)
        return tuple(found[:MAX_FILES])

    def read(self, name: str, offset: int) -> bytes:
        """A piece, b"" behind the end; raises ``DataFileNotFound``."""
        path = self.path(name)
        try:
            with path.open("rb") as file:
                file.seek(offset)
                return file.read(PIECE)
        except FileNotFoundError:
            raise DataFileNotFound(name) from None

    def pieces(self, name: str) -> Iterator[bytes]:
        """All of them; raises ``DataFileNotFound``."""
        offset = 0
        while piece := self.read(name, offset):
            yield piece
            offset += len(piece)

    def write(self, name: str, content: bytes) -> None:
        """Put a file there, in the place of one with its name."""
        path = self.new_path(name)
        temporary = path.with_name(f".{path.name}.tmp")
        temporary.write_bytes(content)
        temporary.chmod(0o600)
        temporary.replace(path)

    def delete(self, name: str) -> None:
        """Delete one; raises ``DataFileNotFound``."""
        try:
            self.path(name).unlink()
        except FileNotFoundError:
            raise DataFileNotFound(name) from None

    def path(self, name: str) -> Path:
        """Where a file is, if it is; ``BadQuery`` for a name that can't be one."""
        if not _NAME.fullmatch(name):
            raise BadQuery("filename", "has letters, digits, '.', '_' and '-', and ends with .gz")
        if self.folder is None:
            raise DataFileNotFound(name)
        return self.folder / name

    def new_path(self, name: str) -> Path:
        """Where one is to be written, with the folder there; raises ``DataNotKept``."""
        if self.folder is None:
            raise DataNotKept
        path = self.path(name)
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return path
