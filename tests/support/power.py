"""The machines of nodes lose power: what no fsync had made safe is gone, and the kernel has another boot id."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tests.support.cluster_processes import Member
from tests.support.odd_machine import stuck, undo_unsynced


def give_machines(members: Iterable[Member], folder: Path) -> None:
    """Each node, not started yet, has a machine of its own, which records what is safe. Only root can start them."""
    for member in members:
        member.sync_record = folder / f"synced-{member.number}"
        boot(member, 1)


def boot(member: Member, count: int) -> None:
    """The machine of a node starts for the ``count``-th time: its kernel has another boot id."""
    boot_id = member.directory / "boot_id"
    boot_id.write_text(f"00000000-0000-4000-8000-{member.number:06d}{count:06d}\n")
    script = f'mount --bind "{boot_id}" /proc/sys/kernel/random/boot_id && exec "$@"'
    member.before_command = ["unshare", "--mount", "sh", "-c", script, "sh"]


def lose_power(members: Iterable[Member], count: int) -> int:
    """On all machines at once; they start again. How many bytes it took."""
    for member in members:
        member.kill()
    lost = 0
    for member in members:
        assert member.sync_record is not None
        lost += undo_unsynced(member.data, member.sync_record)
        stuck(member.sync_record).unlink(missing_ok=True)
        boot(member, count)
    for member in members:
        member.start()
    return lost
