"""What this node keeps on disk: sessions and all that is in them, and the files they are in."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from rmq.engine.stored_port import StoredPort
from rmq.flow.context import STORAGE_READY
from rmq.management.walk import Pace
from rmq.storage.snapshot import snapshot_path

if TYPE_CHECKING:
    from rmq.management.local import LocalNode


@dataclass(frozen=True, slots=True)
class StoredView:
    """Sizes in bytes, times in seconds since 1970.

    ``kind``: "journal", "cluster log", or "none" where nothing outlives the process. ``messages`` wait in the kept
    sessions at QoS 1 and 2, ``message_bytes`` are their payloads. ``log_bytes`` were written since the newest snapshot,
    ``payload_bytes`` are those on disk only. ``snapshot_at`` None: there is none yet. ``error`` says what fails, ""
    while all works; ``ready``: there is room for more.
    """

    kind: str
    sessions: int
    subscriptions: int
    messages: int
    message_bytes: int
    retained: int
    disk_bytes: int
    log_bytes: int
    snapshot_bytes: int
    snapshot_at: float | None
    payload_bytes: int
    error: str
    ready: bool


async def view_stored(node: "LocalNode") -> StoredView:
    """Count it now, a slice at a time."""
    broker = node.broker
    sessions = subscriptions = messages = 0
    pace = Pace(node.turns)
    await pace.rest()
    for session in list(broker.state.sessions.values()):
        sessions += 1
        subscriptions += session.subscription_count()
        messages += 0 if session.outbound is None else len(session.outbound)
        if pace.is_due():
            await pace.rest()
    ready = broker.ctx.storage == STORAGE_READY
    retained = broker.ctx.retained.count
    size = broker.ctx.queued_bytes
    port = broker.cluster
    if not isinstance(port, StoredPort):
        return StoredView("none", sessions, subscriptions, messages, size, retained, 0, 0, 0, None, 0, "", ready)
    snapshots = port.snapshots
    written_at = None
    if snapshots.number:
        try:
            written_at = (await trio.Path(snapshot_path(port.folder, snapshots.number)).stat()).st_mtime
        except OSError:
            written_at = None  # another one took its place this moment
    return StoredView(
        "cluster log" if port.replicates else "journal",
        sessions,
        subscriptions,
        messages,
        size,
        retained,
        port.disk_bytes,
        port.log_bytes + snapshots.old_journals,
        snapshots.size,
        written_at,
        port.segments.size,
        port.error,
        ready,
    )
