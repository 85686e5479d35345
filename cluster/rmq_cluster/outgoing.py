"""A snapshot sent to a peer: file by file, never more under way than its disk keeps up with."""

import os
import shutil
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, Protocol

import structlog
import trio

from rmq_cluster.disk import Disk, ignored, in_disk
from rmq_cluster.kinds import FILE
from rmq_cluster.links import DATA
from rmq_cluster.raft.members import Members
from rmq_cluster.transfer import ACCEPTED, INSTALLED, PART_BYTES, READ_BYTES, REFUSED, Abort, Ack, Begin, End, Part

log = structlog.get_logger(__name__)

# How much of a snapshot may wait before messages on the same connection.
BELOW: Final = 256 * 1024
ACCEPT_TIMEOUT_S: Final = 10.0
# A peer whose disk takes nothing for so long is given up.
WRITE_TIMEOUT_S: Final = 30.0
# Loading a large snapshot takes a while.
INSTALL_TIMEOUT_S: Final = 600.0


class DataLinks(Protocol):
    """What is needed of the links."""

    def send(self, peer: int, channel: int, kind: int, body: bytes) -> bool:
        """Whether the frame waits to be sent."""

    async def wait_for_room(self, peer: int, channel: int, below: int) -> bool:
        """Wait until no more than that waits to be sent; False when the link is gone."""


class Snapshot(Protocol):
    """A snapshot on disk: where it stands in the log, and its files with their sizes."""

    @property
    def index(self) -> int:
        """The last command in it."""

    @property
    def term(self) -> int:
        """The term of that."""

    @property
    def members(self) -> Members:
        """Who were members then."""

    @property
    def files(self) -> list[tuple[Path, int]]:
        """Its files, and how many bytes of each belong to it."""


class TransferFailed(Exception):
    """A transfer came to nothing; the text says why."""


class Outgoing:
    """At most one transfer to each peer. ``snapshot`` gives the one to send, taking it first if need be.

    ``folder`` is where what is being sent is kept from being removed. ``sent`` and ``failed`` count transfers.
    """

    def __init__(
        self,
        folder: Path,
        links: DataLinks,
        disk: Disk,
        snapshot: Callable[[], Awaitable[Snapshot]],
        clock: Callable[[], float],
        window: int,
        pause_s: float,
    ) -> None:
        self._folder = folder
        self._links = links
        self._disk = disk
        self._snapshot = snapshot
        self._clock = clock
        self._window = window
        self._pause_s = pause_s
        self._running: dict[int, _Transfer] = {}
        self._not_before: dict[int, float] = {}
        self._last_number = 0
        self.sent = 0
        self.failed = 0
        self.bytes = 0

    @property
    def running(self) -> tuple[int, ...]:
        """The peers that a snapshot is on its way to."""
        return tuple(sorted(self._running))

    def wants(self, peer: int) -> bool:
        """Whether to begin one now: none is under way, and the last one wasn't just before."""
        return peer not in self._running and self._clock() >= self._not_before.get(peer, 0.0)

    async def send(self, peer: int) -> None:
        """Send a snapshot to a peer, if ``wants``. Failures are logged; the next try begins anew."""
        if not self.wants(peer):
            return
        self._last_number += 1
        transfer = _Transfer(self._last_number)
        self._running[peer] = transfer
        folder = self._folder / f"{peer}-{transfer.number}"
        try:
            await self._send(peer, transfer, folder)
            self.sent += 1
        except (TransferFailed, OSError, trio.TooSlowError) as error:
            self.failed += 1
            reason = str(error) or "it took too long"
            log.warning("a snapshot didn't get to a node", peer=peer, reason=reason)
            self._links.send(peer, DATA, FILE, Abort(transfer.number).packed())
        finally:
            del self._running[peer]
            self._not_before[peer] = self._clock() + self._pause_s
            # These may be the last names of long files by now.
            self._disk.submit(lambda: shutil.rmtree(folder, ignore_errors=True), ignored)

    async def _send(self, peer: int, transfer: "_Transfer", folder: Path) -> None:
        snapshot = await self._snapshot()
        # At once: from here on the port may remove its own names of them.
        paths = pin(snapshot.files, folder)
        files = tuple((path.name, size) for path, size in paths)
        members = snapshot.members
        begin = Begin(transfer.number, snapshot.index, snapshot.term, members.voters, members.observers, files)
        log.info("sending a snapshot", peer=peer, index=begin.index, size_bytes=begin.size)
        self._put(peer, begin.packed())
        with trio.fail_after(ACCEPT_TIMEOUT_S):
            await transfer.wait_for(lambda: transfer.accepted)
        checksums: list[int] = []
        for file, (path, size) in enumerate(paths):
            checksums.append(await self._send_file(peer, transfer, file, path, size))
        self._put(peer, End(transfer.number, tuple(checksums)).packed())
        with trio.fail_after(INSTALL_TIMEOUT_S):
            await transfer.wait_for(lambda: transfer.installed)
        log.info("a node has the snapshot", peer=peer, index=begin.index)

    async def _send_file(self, peer: int, transfer: "_Transfer", file: int, path: Path, size: int) -> int:
        checksum = 0
        offset = 0
        while offset < size:
            data = await in_disk(self._disk, _reader(path, offset, min(READ_BYTES, size - offset)))
            if not data:
                raise TransferFailed(f"{path.name} is shorter than it should be")
            checksum = zlib.crc32(data, checksum)
            for start in range(0, len(data), PART_BYTES):
                part = data[start : start + PART_BYTES]
                with trio.fail_after(WRITE_TIMEOUT_S):
                    await transfer.wait_for(lambda: transfer.sent - transfer.written <= self._window)
                    if not await self._links.wait_for_room(peer, DATA, BELOW):
                        raise TransferFailed("the link is gone")
                self._put(peer, Part(transfer.number, file, offset + start, part).packed())
                transfer.sent += len(part)
                self.bytes += len(part)
            offset += len(data)
        return checksum

    def _put(self, peer: int, body: bytes) -> None:
        if not self._links.send(peer, DATA, FILE, body):
            raise TransferFailed("the link is gone, or full")

    def answered(self, peer: int, ack: Ack) -> None:
        """The peer has answered."""
        transfer = self._running.get(peer)
        if transfer is not None and transfer.number == ack.number:
            transfer.answered(ack)

    def link_down(self, peer: int) -> None:
        """There is no link any more."""
        transfer = self._running.get(peer)
        if transfer is not None:
            transfer.end("the link is gone")


class _Transfer:
    def __init__(self, number: int) -> None:
        self.number = number
        self.accepted = False
        self.installed = False
        self.sent = 0
        self.written = 0
        self._reason = ""
        self._changed = trio.Event()

    def answered(self, ack: Ack) -> None:
        if ack.kind == REFUSED:
            self._reason = f"refused: {ack.reason}"
        elif ack.kind == ACCEPTED:
            self.accepted = True
        elif ack.kind == INSTALLED:
            self.installed = True
        self.written = max(self.written, ack.written)
        self._tell()

    def end(self, reason: str) -> None:
        self._reason = reason
        self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        while True:
            if self._reason:
                raise TransferFailed(self._reason)
            if condition():
                return
            await self._changed.wait()


def pin(files: list[tuple[Path, int]], folder: Path) -> list[tuple[Path, int]]:
    """Give files a second name in a folder that is made for it. Raises ``OSError``."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    pinned: list[tuple[Path, int]] = []
    for path, size in files:
        name = folder / path.name
        os.link(path, name)
        pinned.append((name, size))
    return pinned


def _reader(path: Path, offset: int, size: int) -> Callable[[], bytes]:
    def read() -> bytes:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(size)

    return read
