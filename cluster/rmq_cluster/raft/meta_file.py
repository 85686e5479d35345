"""The small file beside the log: term, vote, and how this node's last life ended."""

import os
from pathlib import Path
from typing import Final, NamedTuple

from rmq.storage.packing import pack, unpack
from rmq.storage.record_file import CorruptFile, RecordReader, file_header, record, sync_directory

MAGIC: Final = b"RMQ-RMET"
NAME: Final = "raft.meta"


class Meta(NamedTuple):
    """``cold`` and ``best`` are those of ``log``; ``boot`` the boot id of the machine when this was written."""

    term: int
    voted_for: int
    commit: int
    boot: str
    is_clean: bool
    cold: int
    best_term: int
    best_index: int


def load(folder: Path) -> Meta | None:
    """What was stored, or None. Raises ``CorruptFile`` and ``OSError``."""
    path = folder / NAME
    if not path.exists():
        return None
    found = [bytes(content) for _, content in RecordReader(path, MAGIC)]
    if len(found) != 1:
        raise CorruptFile(path, 0, "it doesn't hold one record")
    try:
        return Meta(*unpack(found[0]))
    except (ValueError, TypeError) as error:
        raise CorruptFile(path, 0, f"unreadable: {error}") from error


def store(folder: Path, meta: Meta) -> None:
    """Replace the file; it survives a loss of power once this returns. Raises ``OSError``."""
    temporary = folder / (NAME + ".tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        data = memoryview(file_header(MAGIC) + record(pack(list(meta))))
        while data:
            data = data[os.write(fd, data) :]
        os.fsync(fd)
    finally:
        os.close(fd)
    os.rename(temporary, folder / NAME)
    sync_directory(folder)
