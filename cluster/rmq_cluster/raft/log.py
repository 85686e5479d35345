"""The replicated log of one node: entries in files and in memory, term and vote, members."""

import errno
import threading
from bisect import bisect_left, bisect_right
from pathlib import Path
from typing import Final

from rmq.storage.boot import boot_id
from rmq.storage.record_file import CorruptFile
from rmq_cluster.raft import meta_file
from rmq_cluster.raft.entries import members_in
from rmq_cluster.raft.log_files import CONTINUES, STARTS, Base, Entry, LogFiles
from rmq_cluster.raft.members import Members
from rmq_cluster.raft.meta_file import Meta

FILE_BYTES: Final = 16 << 20

# What this node may have forgotten; see ``amnesia``.
WARM: Final = 0
LOST_TAIL: Final = 1
LOST_ALL: Final = 2
TERM_REGAINED: Final = 3  # it lost all, but no longer follows leaders of its former life
MET_ALL: Final = 4  # it knows which logs it may vote for, since all who vote said where they stood


class Diverged(Exception):
    """A leader has another entry than the one that was committed here: one of the logs was tampered with or damaged."""


class RaftLog:
    """Opens or creates the log in a folder. Raises ``CorruptFile`` and ``OSError``.

    ``base_index`` is the entry before the first that is here, ``last_index`` the last; ``written`` the last that
    survives the death of this process, ``synced`` the last that survives a loss of power. ``members`` are those of the
    newest entry that names some, committed or not. ``was_clean``: the last life ended with ``close(clean=True)``;
    ``is_fresh``: there was no log; ``cut_off``: bytes of a torn tail; ``size``: bytes on disk. ``entries[0]`` stands
    for the base, each entry is (bytes, index, term).
    """

    def __init__(self, folder: Path, boot: str | None = None, file_bytes: int = FILE_BYTES) -> None:
        self._folder = folder
        self._boot = boot_id() if boot is None else boot
        self._file_bytes = file_bytes
        self._files = LogFiles(folder)
        self._configurations: list[tuple[int, Members]] = [(0, Members())]
        self.entries: list[tuple[bytes, int, int]] = [(b"", 0, 0)]
        self._ends = [0]  # bytes of entries up to and with each
        self.commit = 0
        self.synced = 0
        self._lock = threading.Lock()  # over synced and _cuts, which sync() shares with the owner
        self._cuts = 0
        meta = meta_file.load(folder)
        self.is_fresh = meta is None and self._files.is_empty()
        if meta is None and not self.is_fresh:
            raise CorruptFile(folder / meta_file.NAME, 0, "it is missing, though the log is there")
        self._read()
        self.term = 0 if meta is None else meta.term
        self.voted_for = 0 if meta is None else meta.voted_for
        self.was_clean = meta is not None and meta.is_clean
        self.cold, self.best = (LOST_ALL, (0, 0)) if meta is None else self._memory(meta)
        self.commit = self.base_index
        if meta is not None and not self._has_lost_tail(meta):
            self.commit = max(self.base_index, min(meta.commit, self.last_index))
        self.synced = self.written = self.last_index
        self._files.go_on()
        if not self.was_clean:
            self.sync()  # what a killed process wrote may not be on disk yet
        self._store(is_clean=False)

    def _has_lost_tail(self, meta: Meta) -> bool:
        # Then what was replaced may be back: entries that aren't those which are known to be committed.
        return self._files.cut_off > 0 or (meta.boot != self._boot and not meta.is_clean)

    def _memory(self, meta: Meta) -> tuple[int, tuple[int, int]]:
        if self._has_lost_tail(meta) and meta.cold in (WARM, MET_ALL):
            return LOST_TAIL, (0, 0)
        return meta.cold, (meta.best_term, meta.best_index)

    def _read(self) -> None:
        is_first = True
        for found in self._files.read():
            if isinstance(found, Entry):
                self._read_entry(found)
            elif found.kind == STARTS or is_first:
                self._begin_at(found.index, found.term, found.members)
            elif self.term_at(found.index) == found.term:
                self._cut(found.index + 1)
            else:
                self._files.refuse()
            is_first = False

    def _read_entry(self, found: Entry) -> None:
        if found.index <= self.last_index and self.term_at(found.index) == found.term:
            return
        if not self.base_index < found.index <= self.last_index + 1:
            raise CorruptFile(self._folder, 0, f"entry {found.index} follows {self.last_index}")
        self._cut(found.index)
        self._hold(found.command, found.index, found.term)

    # -- what is here ----------------------------------------------------------------------------------------------

    @property
    def base_index(self) -> int:
        return self.entries[0][1]

    @property
    def base_term(self) -> int:
        return self.entries[0][2]

    @property
    def last_index(self) -> int:
        return self.entries[-1][1]

    @property
    def last_term(self) -> int:
        return self.entries[-1][2]

    @property
    def cut_off(self) -> int:
        return self._files.cut_off

    @property
    def size(self) -> int:
        return self._files.size

    @property
    def members(self) -> Members:
        return self._configurations[-1][1]

    @property
    def members_index(self) -> int:
        """The entry that made ``members`` the members."""
        return self._configurations[-1][0]

    def members_at(self, index: int) -> Members:
        """The members by the newest entry up to an index that is here."""
        for at, members in reversed(self._configurations):
            if at <= index:
                return members
        raise ValueError(f"the log begins at {self.base_index}, not at {index}")

    def term_at(self, index: int) -> int | None:
        """The term of an entry or of the base; None when it isn't here."""
        position = index - self.entries[0][1]
        return self.entries[position][2] if 0 <= position < len(self.entries) else None

    def span(self, start: int, end: int) -> int:
        """How many bytes the entries from start up to, without, end hold."""
        base = self.entries[0][1]
        last = len(self.entries) - 1
        return self._ends[max(0, min(end - 1 - base, last))] - self._ends[max(0, min(start - 1 - base, last))]

    def end_of_batch(self, start: int, limit: int) -> int:
        """The index behind the entries from start on that hold at most limit bytes; at least one."""
        base = self.entries[0][1]
        fitting = bisect_right(self._ends, self._ends[start - 1 - base] + limit) - 1 + base
        return max(fitting, start) + 1

    def start_of_batch(self, end: int, limit: int) -> int:
        """The least index behind which, up to end, at most limit bytes follow."""
        base = self.entries[0][1]
        return min(end, bisect_left(self._ends, self._ends[end - base] - limit) + base)

    # -- changes ---------------------------------------------------------------------------------------------------

    def append(self, entry: bytes, index: int, term: int) -> None:
        """Add the next entry; ``flush`` writes it."""
        if index != self.last_index + 1:
            raise ValueError(f"entry {index} can't follow {self.last_index}")
        self._hold(entry, index, term)
        if self._files.last_size > self._file_bytes:
            self._begin_next(Base(CONTINUES, index - 1, self.entries[-2][2], self.members_at(index - 1)))
        self._files.append(index, term, entry)

    def flush(self) -> None:
        """Write what was appended. Raises ``OSError``."""
        self._files.flush()
        self.written = self.last_index

    def truncate(self, index: int) -> None:
        """Forget the entries from this index on, which the next append replaces."""
        self._cut(index)
        if index <= self._files.last_base:
            self._files.begin(Base(CONTINUES, index - 1, self.last_term, self.members))
        with self._lock:
            self._cuts += 1
            self.synced = min(self.synced, index - 1)
            self.written = min(self.written, index - 1)

    def _hold(self, entry: bytes, index: int, term: int) -> None:
        members = members_in(entry)
        self.entries.append((entry, index, term))
        self._ends.append(self._ends[-1] + len(entry))
        if members is not None:
            self._configurations.append((index, members))

    def _cut(self, index: int) -> None:
        position = index - self.base_index
        del self.entries[position:], self._ends[position:]
        while self._configurations[-1][0] >= index and len(self._configurations) > 1:
            self._configurations.pop()

    def _begin_at(self, index: int, term: int, members: Members) -> None:
        self.entries = [(b"", index, term)]
        self._ends = [0]
        self._configurations = [(index, members)]

    def sync(self) -> None:
        """Have everything written survive a loss of power. Blocking, for a disk thread. Raises ``OSError``."""
        with self._lock:
            target, cuts = self.written, self._cuts
        self._files.sync()
        with self._lock:
            if self._cuts == cuts:  # else the entries up to target may be others by now; the next sync counts
                self.synced = max(self.synced, target)

    def compact(self, index: int) -> None:
        """A snapshot up to this index is safe: entries up to it may go. Raises ``ValueError`` when it isn't here."""
        term = self.term_at(index)
        if term is None:
            raise ValueError(f"entry {index} isn't between {self.base_index} and {self.last_index}")
        members = self.members_at(index)
        position = index - self.base_index
        self.entries[: position + 1] = [(b"", index, term)]
        del self._ends[:position]
        self._configurations = [(index, members), *((at, m) for at, m in self._configurations if at > index)]
        if self._files.last_size > self._file_bytes // 4 and index > self._files.last_base:
            self._begin_next(Base(CONTINUES, self.last_index, self.last_term, self.members))
        self._files.drop_before(index)

    def _begin_next(self, base: Base) -> None:
        """Go on in another file; without a descriptor for it in the old one, which is only longer then."""
        try:
            self._files.begin(base)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise

    def reset(self, index: int, term: int, members: Members) -> None:
        """A snapshot was installed, or the group is founded: this is the base, nothing else is here."""
        self._begin_at(index, term, members)
        self.commit = index
        self._files.begin(Base(STARTS, index, term, members))
        with self._lock:
            self._cuts += 1
            self.synced = self.written = index

    # -- term, vote, how a life ends -------------------------------------------------------------------------------

    def set_term(self, term: int, voted_for: int) -> None:
        """Keep term and vote; they survive a loss of power once this returns. Raises ``OSError``."""
        self.term = term
        self.voted_for = voted_for
        self._store(is_clean=False)

    def set_cold(self, cold: int, best: tuple[int, int] = (0, 0)) -> None:
        """Keep what this node may have forgotten; ``best``: term and index of the least last entry it may vote for."""
        if cold != self.cold:
            self.cold = cold
            self.best = best
            self._store(is_clean=False)

    def _store(self, *, is_clean: bool) -> None:
        commit = min(self.commit, self.written)
        meta = Meta(self.term, self.voted_for, commit, self._boot, is_clean, self.cold, *self.best)
        meta_file.store(self._folder, meta)

    def close(self, *, clean: bool) -> None:
        """Close the files; ``clean`` says that nothing is lost by that, and syncs. Raises ``OSError``."""
        try:
            if clean:
                self.flush()
                self.sync()
                self._store(is_clean=True)
        finally:
            self._files.close()
