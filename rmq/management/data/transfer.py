"""Data exported into a file and imported from one while nodes run: accounts of all kinds, and retained messages.

It isn't a backup of a cluster (``ClusterControl.backup``), which has all sessions too and founds a new one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from gzip import GzipFile
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import trio

from rmq import __version__
from rmq.management.data import archive as archive
from rmq.management.data.archive import Archived, ArchivedAccount
from rmq.management.data.files import DataFile, NodeDataFiles
from rmq.management.errors import AccountExists, AccountNotFound, BadQuery, ManagementError
from rmq.management.models import Gathered, Page, RetainedView
from rmq.management.operation_questions import AskDataFiles, DeleteDataFile, ReadDataFile
from rmq.management.queries import Paging
from rmq.management.requests import PublishRequest

if TYPE_CHECKING:
    from rmq.management.local import LocalNode
    from rmq.management.of_node import Ask
    from rmq.management.operations import AskAll

# Retained messages that are read out at once, and lines that are written or read in one go of the thread.
AT_ONCE: Final = 32
# Changes under way at once: each waits until all nodes have it.
IMPORTED_AT_ONCE: Final = 32
REASONS: Final = 8
# Longer files aren't handed from node to node in one answer.
MAX_FETCHED: Final = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ImportOutcome:
    """What was taken over; ``reasons`` are why others, ``failed`` of them, weren't: the first few."""

    accounts: int
    retained: int
    failed: int
    reasons: tuple[str, ...]


class Publish(Protocol):
    """How a message is published to all nodes."""

    async def __call__(self, request: PublishRequest) -> object:
        """When it is kept."""


class Data:
    """A part of the service. Files are on the node that has written them; any node can be asked for them."""

    def __init__(self, node: "LocalNode", ask: "Ask", ask_all: "AskAll", publish: Publish) -> None:
        self._node = node
        self._ask = ask
        self._all = ask_all
        self._publish = publish

    async def files(self) -> Gathered[NodeDataFiles]:
        """The files on each node."""
        return await self._all(AskDataFiles())

    async def export(self) -> DataFile:
        """Write all accounts and retained messages into a new file on this node; raises ``DataNotKept``."""
        node = self._node
        now = node.broker.clock()
        name = f"rmq-export-{datetime.fromtimestamp(now, UTC):%Y-%m-%d-%H-%M-%S}.{int(now * 1000) % 1000:03}.gz"
        files = node.operations.data_files
        path = await trio.to_thread.run_sync(files.new_path, name)
        temporary = path.with_name(f".{name}.tmp")
        try:
            await self._write(temporary, now)
            await trio.to_thread.run_sync(temporary.replace, path)
        finally:
            await trio.to_thread.run_sync(lambda: temporary.unlink(missing_ok=True))
        size = (await trio.to_thread.run_sync(path.stat)).st_size
        return DataFile(name, size, now)

    async def _write(self, path: Path, now: float) -> None:
        node = self._node
        accounts = [a for a in node.broker.state.accounts.all() if a.kind not in archive.LEFT_OUT]
        accounts.sort(key=lambda account: (account.kind, account.name))
        file = await trio.to_thread.run_sync(_create, path)
        retained = 0
        try:
            lines = [archive.head_line(node.ref.name, __version__, now)]
            for account in accounts:
                lines.append(archive.account_line(account.kind, account.name, account.value))
                if len(lines) >= AT_ONCE:
                    await trio.to_thread.run_sync(file.writelines, lines)
                    lines = []
            cursor: str | None = ""
            while cursor is not None:
                page: Page[RetainedView] = await node.retained("#", Paging(AT_ONCE, after=cursor))
                found = [line for line in map(archive.retained_line, page.items) if line is not None]
                retained += len(found)
                await trio.to_thread.run_sync(file.writelines, [*lines, *found])
                lines = []
                cursor = page.cursor
            await trio.to_thread.run_sync(file.write, archive.end_line(len(accounts), retained))
        finally:
            await trio.to_thread.run_sync(file.close)

    async def read(self, node_id: int, name: str) -> list[bytes]:
        """A file in pieces; raises ``DataFileNotFound``, and ``BadQuery`` for one that is too long to be handed out."""
        pieces: list[bytes] = []
        size = 0
        while piece := await self._ask(node_id, ReadDataFile(name, size)):
            pieces.append(piece)
            size += len(piece)
            if size > MAX_FETCHED:
                raise BadQuery("filename", f"it is longer than {MAX_FETCHED} bytes: copy it on its node")
        return pieces

    async def delete(self, node_id: int, name: str) -> None:
        """Delete a file; raises ``DataFileNotFound``."""
        await self._ask(node_id, DeleteDataFile(name))

    async def put(self, name: str, content: bytes) -> None:
        """Put a file on this node; raises ``BadQuery`` for a name, ``DataUnreadable`` for what isn't exported data."""
        files = self._node.operations.data_files
        path = await trio.to_thread.run_sync(files.new_path, name)
        temporary = f"upload-{path.name}"
        await trio.to_thread.run_sync(files.write, temporary, content)
        try:
            await trio.to_thread.run_sync(_check, files.path(temporary), self._node.broker.clock())
            await trio.to_thread.run_sync(files.path(temporary).replace, path)
        except BaseException:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(lambda: files.path(temporary).unlink(missing_ok=True))
            raise

    async def take(self, node_id: int, name: str) -> ImportOutcome:
        """Take over what a file of a node holds, on all nodes: accounts as they were then, retained messages published.

        What is there and not in the file stays. The file is looked through first: nothing is taken of one that isn't
        whole. Raises ``DataFileNotFound``, ``DataUnreadable``.
        """
        files = self._node.operations.data_files
        fetched = ""
        if node_id != self._node.ref.node_id:
            fetched = f"fetched-{node_id}-{name}"
            content = b"".join(await self.read(node_id, name))
            await trio.to_thread.run_sync(files.new_path, fetched)
            await trio.to_thread.run_sync(files.write, fetched, content)
            name = fetched
        try:
            await trio.to_thread.run_sync(files.read, name, 0)
            path = files.path(name)
            now = self._node.broker.clock()
            await trio.to_thread.run_sync(_check, path, now)
            return await self._take(archive.read_archive(path, now))
        finally:
            if fetched:
                with trio.CancelScope(shield=True):
                    await trio.to_thread.run_sync(files.delete, fetched)

    async def _take(self, items: Iterator[Archived]) -> ImportOutcome:
        counts = {"accounts": 0, "retained": 0}
        reasons: list[str] = []

        async def one(item: Archived) -> None:
            what = "accounts" if isinstance(item, ArchivedAccount) else "retained"
            try:
                if isinstance(item, ArchivedAccount):
                    await self._put(item)
                else:
                    await self._publish(item)
                counts[what] += 1
            except ManagementError as error:
                reasons.append(str(error))

        while some := await trio.to_thread.run_sync(lambda: list(islice(items, IMPORTED_AT_ONCE))):
            async with trio.open_nursery() as nursery:
                for item in some:
                    nursery.start_soon(one, item)
        return ImportOutcome(counts["accounts"], counts["retained"], len(reasons), tuple(reasons[:REASONS]))

    async def _put(self, item: ArchivedAccount) -> None:
        accounts = self._node.accounts
        known = accounts.find(item.kind, item.name)
        if known is not None and known.value == item.value:
            return
        try:
            if known is None:
                await accounts.create(item.kind, item.name, item.value)
                return
        except AccountExists:
            pass  # it came a moment ago
        try:
            await accounts.change(item.kind, item.name, lambda before: item.value)
        except AccountNotFound:
            await accounts.create(item.kind, item.name, item.value)


def _create(path: Path) -> GzipFile:
    path.touch(0o600)
    return GzipFile(path, "wb", mtime=0)


def _check(path: Path, now: float) -> None:
    for _ in archive.read_archive(path, now):
        pass
