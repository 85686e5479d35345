"""What a leader sends to whom: one append per member and turn, and no more on its way than a link can take."""

from rmq_cluster.raft.core import LEADER, Core
from rmq_cluster.raft.messages import Append


class Replication:
    """The pipelines to the members. Appends that a link dropped are repaired by the reset that the next one causes."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._number = 0
        self._answered_before: dict[int, int] = {}
        self._received: dict[int, int] = {}  # up to where nothing is on its way any more
        self._told_commit: dict[int, int] = {}
        self._heartbeat_at = float("-inf")
        self._needs_snapshot: list[int] = []
        self._asked_snapshot_at: dict[int, float] = {}

    def lead(self) -> None:
        """This node became the leader; nothing is known of the others' logs."""
        self._received.clear()
        self._told_commit.clear()
        self._heartbeat_at = float("-inf")
        self._answered_before.clear()

    def link_up(self, peer: int) -> None:
        """A new connection: nothing of the old one arrives any more, and the node may have lost what it had."""
        core = self._core
        if peer in core.match_index:
            self._forget_acks(peer)
        self._forget_peer(peer)

    def _forget_acks(self, peer: int) -> None:
        # Acks of a node's former life don't count.
        self._core.match_index[peer] = 0

    def _forget_peer(self, peer: int) -> None:
        self._answered_before[peer] = self._number
        self._received.pop(peer, None)
        self._told_commit.pop(peer, None)

    def answered_before(self, peer: int) -> int:
        """A reset that answers an append up to this number is old."""
        return self._answered_before.get(peer, 0)

    def begin_again(self, peer: int) -> None:
        """A reset was followed: what is on its way is worthless."""
        self._answered_before[peer] = self._number
        self._received[peer] = self._core.next_index[peer] - 1
        self._told_commit.pop(peer, None)

    def acknowledged(self, peer: int, index: int) -> None:
        """The peer's log is ours up to this index."""
        self._received[peer] = max(self._received.get(peer, 0), index)

    def heartbeat(self) -> None:
        """Say something to everybody with the next ``send``."""
        self._heartbeat_at = float("-inf")

    def send(self) -> list[int]:
        """Send what is new to everybody; returns the members that need a snapshot first, each once in a while."""
        core = self._core
        if core.state != LEADER:
            return []
        now = core.clock()
        is_due = now - self._heartbeat_at >= core.options.heartbeat
        if is_due:
            self._heartbeat_at = now
        for peer in sorted((core.others | core.listeners) & core.connected):
            self._send_to(peer, is_due=is_due)
        found, self._needs_snapshot = self._needs_snapshot, []
        return found

    def _send_to(self, peer: int, *, is_due: bool) -> None:
        core = self._core
        log = core.log
        following = core.next_index[peer]
        if following <= log.base_index:
            self._ask_for_snapshot(peer)
            if is_due:
                self._append(peer, log.base_index, [])
            return
        received = self._received.setdefault(peer, following - 1)
        sent = False
        while following <= log.last_index and log.span(received + 1, following) < core.options.pipeline_bytes:
            entries = self._batch(following)
            self._append(peer, following - 1, entries)
            following = core.next_index[peer] = entries[-1][1] + 1
            sent = True
        if not sent and (is_due or self._told_commit.get(peer, -1) < core.commit):
            self._append(peer, following - 1, [])

    def _batch(self, start: int) -> list[tuple[bytes, int, int]]:
        log = self._core.log
        position = start - log.base_index
        end = log.end_of_batch(start, self._core.options.batch_bytes)
        return log.entries[position : end - log.base_index]

    def _append(self, peer: int, previous: int, entries: list[tuple[bytes, int, int]]) -> None:
        core = self._core
        self._number += 1
        self._told_commit[peer] = core.commit
        term = core.log.term_at(previous)
        assert term is not None  # callers stay within the log
        core.send(
            peer, Append(core.term, self._number, previous, term, core.commit, core.log.last_index, entries)
        )  # fmt: skip

    def _ask_for_snapshot(self, peer: int) -> None:
        now = self._core.clock()
        if now - self._asked_snapshot_at.get(peer, float("-inf")) >= self._core.options.snapshot_interval:
            self._asked_snapshot_at[peer] = now
            self._needs_snapshot.append(peer)
