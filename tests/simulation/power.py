"""What fsync was called on, and what is left of a folder when the power goes.

A file keeps the bytes it had when it was last synced, and a part of what came behind, by chance. A folder keeps the
names it had when it was last synced, or has all those of the moment: changes of names reach a disk in order.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

Names = dict[str, int]


class Power:
    """Of every synced file the size then, by inode; of every synced folder the inodes by name. One file system."""

    def __init__(self) -> None:
        self._sizes: dict[int, int] = {}
        self._folders: dict[str, Names] = {}
        self._kept: dict[int, int] = {}  # open descriptors: an inode that is in use isn't given to another file
        self.syncs = 0
        self.lost_bytes = 0

    def close(self) -> None:
        """Give the descriptors back."""
        for fd in self._kept.values():
            os.close(fd)
        self._kept.clear()

    def sync(self, fd: int) -> None:
        """In place of ``os.fsync`` and ``os.fdatasync``."""
        self.syncs += 1
        found = os.fstat(fd)
        if os.path.isdir(f"/proc/self/fd/{fd}"):
            self._sync_folder(os.readlink(f"/proc/self/fd/{fd}"))
            return
        self._sizes[found.st_ino] = found.st_size
        if found.st_ino not in self._kept:
            self._kept[found.st_ino] = os.dup(fd)

    def _sync_folder(self, folder: str) -> None:
        names = _names(folder)
        for inode in set(self._folders.get(folder, {}).values()) - set(names.values()):
            self._forget(inode)
        self._folders[folder] = names

    def _forget(self, inode: int) -> None:
        self._sizes.pop(inode, None)
        fd = self._kept.pop(inode, -1)
        if fd >= 0:
            os.close(fd)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Every fsync of this process is noted, and none is done."""
        saved = os.fsync, os.fdatasync
        os.fsync = os.fdatasync = self.sync  # type: ignore[assignment]  # what is synced here is always a descriptor
        try:
            yield
        finally:
            os.fsync, os.fdatasync = saved

    def forget(self, folder: Path) -> None:
        """A folder is gone, with its disk."""
        for name in [name for name in self._folders if name == str(folder) or name.startswith(f"{folder}/")]:
            for inode in self._folders.pop(name).values():
                self._forget(inode)

    def lose(self, folder: Path, random: Random, *, only_synced: bool) -> None:
        """The power goes: in ``folder`` is left what a disk may have by then, or not a byte more than was synced."""
        for path, _, _ in sorted(os.walk(folder)):
            self._lose_in(path, random, only_synced=only_synced)

    def _lose_in(self, folder: str, random: Random, *, only_synced: bool) -> None:
        current = _names(folder)
        synced = self._folders.get(folder, {})
        names = current if random.random() < 0.5 and not only_synced else synced
        contents = {
            name: self._content(folder, name, current, inode, random, only_synced=only_synced)
            for name, inode in sorted(names.items())
        }
        for name in current:
            os.unlink(os.path.join(folder, name))
        for name, content in contents.items():
            Path(folder, name).write_bytes(content)
            fd = os.open(os.path.join(folder, name), os.O_RDONLY)
            self.sync(fd)
            os.close(fd)
        self._sync_folder(folder)

    def _content(
        self, folder: str, name: str, current: Names, inode: int, random: Random, *, only_synced: bool
    ) -> bytes:
        if current.get(name) == inode:
            whole = Path(folder, name).read_bytes()
        else:
            fd = self._kept[inode]
            whole = os.pread(fd, os.fstat(fd).st_size, 0)
        synced = min(self._sizes.get(inode, 0), len(whole))
        left = synced if only_synced else random.choice((synced, len(whole), random.randint(synced, len(whole))))
        self.lost_bytes += len(whole) - left
        return whole[:left]


def _names(folder: str) -> Names:
    return {entry.name: entry.inode() for entry in os.scandir(folder) if entry.is_file(follow_symlinks=False)}
