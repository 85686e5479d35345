"""A cluster that only remembers what it was asked: stands in for `ClusterControl`."""

from __future__ import annotations

from pathlib import Path

import trio

from rmq.management.cluster import LEAVE_RATE, BackupView, ClusterStatus, MemberView
from rmq.management.errors import ManagementError

STATUS = ClusterStatus(
    cluster_id="c0ffee",
    node_id=1,
    leader=2,
    term=7,
    commit_index=120,
    applied_index=118,
    members=(
        MemberView(1, "1", "127.0.0.1:5363", True, "up", 3, 2, True, 1),
        MemberView(2, "2", "127.0.0.1:5364", True, "up", 1, 0, True, 1),
        MemberView(3, "3", "127.0.0.1:5365", True, "down", 4, 100, False, 1),
        MemberView(4, "4", "127.0.0.1:5366", False, "left", 1, 100, False, 0),
    ),
    has_quorum=True,
    alarms=("the states of nodes 1 and 2 differ",),
)


class FakeCluster:
    """``calls`` has each call with its arguments; ``refusal`` is raised by all of them, ``gate`` is waited for."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.refusal: ManagementError | Exception | None = None
        self.gate: trio.Event | None = None
        self.begun = trio.Event()
        self.answer = STATUS

    async def _take(self, *call: object) -> None:
        self.calls.append(call)
        self.begun.set()
        await trio.lowlevel.checkpoint()
        if self.gate is not None:
            await self.gate.wait()
            self.calls.append((*call, "finished"))
        if self.refusal is not None:
            raise self.refusal

    async def status(self) -> ClusterStatus:
        await self._take("status")
        return self.answer

    async def join(self, members: tuple[str, ...], *, discard_data: bool = False) -> None:
        await self._take("join", members, discard_data)

    async def leave(self, rate: float = LEAVE_RATE) -> None:
        await self._take("leave", rate)

    async def remove(self, node_id: int) -> None:
        await self._take("remove", node_id)

    async def drain(self, rate: float) -> None:
        await self._take("drain", rate)

    async def undrain(self) -> None:
        await self._take("undrain")

    async def transfer_leadership(self, node_id: int | None = None) -> int:
        await self._take("transfer_leadership", node_id)
        return 2 if node_id is None else node_id

    async def bootstrap(self, node_ids: tuple[int, ...]) -> None:
        await self._take("bootstrap", node_ids)

    async def backup(self, path: Path) -> BackupView:
        await self._take("backup", path)
        return BackupView(str(path), 118, 4096)

    async def restore(self, path: Path) -> None:
        await self._take("restore", path)

    async def rescue_warnings(self) -> tuple[str, ...]:
        await self._take("rescue_warnings")
        return ("Node 2 was 20 entries ahead when it was last heard of.",)

    async def rescue(self) -> None:
        await self._take("rescue")

    async def rebuild(self) -> None:
        await self._take("rebuild")
