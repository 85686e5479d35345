"""Copies of a snapshot in a folder of their own: written whole, checked when they are read. Blocking calls."""

import json
import os
import shutil
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rmq.storage.record_file import sync_directory

MANIFEST: Final = "backup.json"
FORMAT: Final = 1
COPY_BYTES: Final = 1024 * 1024


class BadBackup(Exception):
    """A folder isn't a whole backup; the text says why."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds: of which cluster, up to where in its log, and its files with sizes and CRC-32."""

    cluster_id: str
    index: int
    term: int
    files: tuple[tuple[str, int, int], ...]

    @property
    def size(self) -> int:
        """The bytes of all files."""
        return sum(size for _, size, _ in self.files)


def write_backup(target: Path, files: list[tuple[Path, int]], cluster_id: str, index: int, term: int) -> Manifest:
    """Copy files, so many bytes of each, into a folder that doesn't exist yet. Raises ``OSError``.

    It gets its name when everything is in it and synced.
    """
    if target.exists():
        raise FileExistsError(17, "it is there already", str(target))
    temporary = target.with_name(target.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True, mode=0o700)
    try:
        copied = tuple((path.name, size, _copy(path, temporary / path.name, size)) for path, size in files)
        manifest = Manifest(cluster_id, index, term, copied)
        fields = {
            "format": FORMAT,
            "cluster_id": cluster_id,
            "index": index,
            "term": term,
            "files": [{"name": name, "size": size, "crc32": checksum} for name, size, checksum in copied],
        }
        data = (json.dumps(fields, indent=2) + "\n").encode()
        path = temporary / MANIFEST
        path.write_bytes(data)
        _sync(path)
        sync_directory(temporary)
        temporary.rename(target)
        sync_directory(target.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return manifest


def _copy(source: Path, target: Path, size: int) -> int:
    checksum = 0
    with source.open("rb") as reader, target.open("xb") as writer:
        left = size
        while left:
            data = reader.read(min(COPY_BYTES, left))
            if not data:
                raise OSError(5, "is shorter than it should be", str(source))
            checksum = zlib.crc32(data, checksum)
            writer.write(data)
            left -= len(data)
        writer.flush()
        os.fsync(writer.fileno())
    target.chmod(0o600)
    return checksum


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def read_manifest(source: Path) -> Manifest:
    """What a backup holds, its files not looked at yet. Raises ``BadBackup``."""
    path = source / MANIFEST
    try:
        return _manifest(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise BadBackup(f"{path.name}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise BadBackup(f"{path.name}: isn't what this program writes ({error})") from None


def _manifest(found: dict[str, Any]) -> Manifest:
    if found["format"] != FORMAT:
        raise BadBackup(f"format {found['format']} isn't known, only {FORMAT}")
    files = tuple((str(file["name"]), int(file["size"]), int(file["crc32"])) for file in found["files"])
    for name, _, _ in files:
        if Path(name).name != name or name.startswith("."):
            raise BadBackup(f"{name!r} is no plain file name")
    return Manifest(str(found["cluster_id"]), int(found["index"]), int(found["term"]), files)


def unpack_backup(source: Path, target: Path) -> Manifest:
    """Copy the files of a backup into a folder made for them, checking each. Raises ``BadBackup``, ``OSError``."""
    manifest = read_manifest(source)
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True, mode=0o700)
    for name, size, checksum in manifest.files:
        path = source / name
        if not path.is_file() or path.stat().st_size != size:
            raise BadBackup(f"{name} is missing, or hasn't the size that it had")
        if _copy(path, target / name, size) != checksum:
            raise BadBackup(f"{name} is damaged")
    sync_directory(target)
    return manifest
