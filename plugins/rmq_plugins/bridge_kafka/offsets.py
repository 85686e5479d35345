"""Which offsets of each partition may be committed: all before the first that the node hasn't taken."""

from collections.abc import Iterator


class _Partition:
    """``next`` is the offset that would be committed now, ``committed`` the one that was last."""

    __slots__ = ("committed", "next", "waiting")

    def __init__(self, first: int, committed: int) -> None:
        self.next = first
        self.committed = committed
        self.waiting: dict[int, bool] = {}  # in the order they came, which is rising; True: done


class Offsets:
    """Offsets may have gaps: what was compacted, or belongs to transactions, never comes."""

    def __init__(self) -> None:
        self.waiting = 0
        self._partitions: dict[int, _Partition] = {}

    def begin(self, partition: int, first: int, *, is_committed: bool) -> None:
        """A partition is ours from now on, beginning with an offset; what was known of it is forgotten."""
        self.forget(partition)
        self._partitions[partition] = _Partition(first, first if is_committed else -1)

    def take(self, partition: int, offset: int) -> bool:
        """A record has come; False where it is none of ours, or one that came before and isn't done."""
        known = self._partitions.get(partition)
        if known is None or offset in known.waiting:
            return False
        known.waiting[offset] = False
        self.waiting += 1
        return True

    def done(self, partition: int, offset: int) -> None:
        """A record was taken by the node; one that isn't known any more, or is done, changes nothing."""
        known = self._partitions.get(partition)
        if known is None or known.waiting.get(offset) is not False:
            return
        known.waiting[offset] = True
        self.waiting -= 1
        for first, is_done in list(_leading(known.waiting)):
            if not is_done:
                break
            del known.waiting[first]
            known.next = first + 1

    def waiting_of(self, partitions: frozenset[int]) -> int:
        """How many records of these aren't done."""
        found = (self._partitions.get(partition) for partition in partitions)
        return sum(not is_done for known in found if known is not None for is_done in known.waiting.values())

    def to_commit(self, only: frozenset[int] | None = None) -> list[tuple[int, int]]:
        """Partitions, of these or of all, with the offsets to commit; where nothing is new there is none."""
        found: list[tuple[int, int]] = []
        for partition, known in self._partitions.items():
            if known.next != known.committed and (only is None or partition in only):
                known.committed = known.next
                found.append((partition, known.next))
        return found

    def not_committed(self, partition: int) -> None:
        """What was to be committed wasn't."""
        known = self._partitions.get(partition)
        if known is not None:
            known.committed = -1

    def forget(self, partition: int) -> None:
        """A partition isn't ours any more."""
        known = self._partitions.pop(partition, None)
        if known is not None:
            self.waiting -= sum(not is_done for is_done in known.waiting.values())


def _leading(waiting: dict[int, bool]) -> Iterator[tuple[int, bool]]:
    """The first ones, up to one that isn't done."""
    for offset, is_done in waiting.items():
        yield offset, is_done
        if not is_done:
            return
