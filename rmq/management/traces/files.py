"""What traces have written on this node: a file each, appended to by a task, and no longer than allowed."""

import os
from functools import partial
from pathlib import Path
from typing import Final

import structlog
import trio

from rmq.threads import in_thread

log = structlog.get_logger(__name__)

# A file isn't longer; nor does more wait to be written.
MAX_FILE: Final = 16 * 1024 * 1024
MAX_WAITING: Final = 1024 * 1024
# How often what waits is written.
WRITE_S: Final = 0.5
FULL: Final = b"- the file is full: nothing more is written\n"


class TraceFile:
    """One of them. ``size`` is that on the disk and of what waits for it; ``left_out`` counts lines without room."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.left_out = 0
        self.size = path.stat().st_size if path.exists() else 0
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._is_full = self.size >= MAX_FILE

    def add(self, line: bytes) -> None:
        """Write a line soon."""
        if self._is_full or self._waiting_bytes + len(line) > MAX_WAITING:
            self.left_out += 1
            return
        if self.size + len(line) + len(FULL) > MAX_FILE:
            self._is_full = True
            line = FULL
        self._waiting.append(line)
        self._waiting_bytes += len(line)
        self.size += len(line)

    def take(self) -> bytes:
        """What waits."""
        data = b"".join(self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0
        return data


class TraceFiles:
    """The files of one folder, by the names of their traces."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, TraceFile] = {}
        self._writing = trio.Lock()
        self._wanted = trio.Event()

    def file(self, name: str) -> TraceFile:
        """That of a trace, to be written to."""
        found = self._files.get(name)
        if found is None:
            found = self._files[name] = TraceFile(self._path(name))
        return found

    def wake(self) -> None:
        """Something waits."""
        self._wanted.set()

    def size(self, name: str) -> int:
        """Bytes written for a trace, 0 for none."""
        known = self._files.get(name)
        if known is not None:
            return known.size
        found = _stat(self._path(name))
        return 0 if found is None else found.st_size

    def changed_at(self, name: str) -> float | None:
        """When something was written last, in seconds since 1970."""
        found = _stat(self._path(name))
        return None if found is None else found.st_mtime

    def keep_only(self, names: set[str]) -> None:
        """Remove the files of all other traces."""
        for name in self._files.keys() - names:
            del self._files[name]
        try:
            unwanted = [path for path in self._folder.glob("*.log") if path.stem not in names]
            for path in unwanted:
                path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("files of traces can't be removed", folder=str(self._folder), error=error.strerror)

    async def read(self, name: str, position: int, count: int) -> bytes:
        """A piece of what was written."""
        await self.write()
        return await in_thread(lambda: _read(self._path(name), position, count))

    async def write(self) -> None:
        """Write what waits."""
        async with self._writing:
            for file in list(self._files.values()):
                data = file.take()
                if data:
                    try:
                        await in_thread(partial(_append, file.path, data))
                    except OSError as error:
                        log.warning("a trace can't be written", trace=file.path.stem, error=error.strerror)

    async def run(self) -> None:
        """Write every now and then, for ever; what waits at the end is written at once."""
        try:
            while True:
                await self._wanted.wait()
                self._wanted = trio.Event()
                await self.write()
                await trio.sleep(WRITE_S)
        finally:
            for file in self._files.values():
                data = file.take()
                if data:
                    try:
                        _append(file.path, data)
                    except OSError as error:
                        log.warning("a trace can't be written", trace=file.path.stem, error=error.strerror)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.log"


def _append(path: Path, data: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with open(descriptor, "ab") as file:
        file.write(data)


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def _read(path: Path, position: int, count: int) -> bytes:
    try:
        with open(path, "rb") as file:
            file.seek(position)
            return file.read(count)
    except FileNotFoundError:
        return b""
