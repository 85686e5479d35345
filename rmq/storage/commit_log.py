"""The order of operations: proposed, then written as a batch, then applied, and only then answered.

No I/O: whoever drives it takes the bytes of a batch, writes them, and says how far that is. Batches are numbered from
1 on, and an operation is applied only when its batch is written: the state never knows what the journal doesn't.
"""

from collections.abc import Callable
from typing import Final

from rmq.flow.deliver import send_synced
from rmq.session.receipts import Receipt
from rmq.storage.codec import encode_operation
from rmq.storage.records import Operation
from rmq.storage.state import State

# What an operation costs in memory beside its encoded form, roughly.
OPERATION_OVERHEAD: Final = 200


class CommitLog:
    """``pack`` makes bytes of a list. ``batch`` is the last one that was begun, ``pending_bytes`` what waits in memory.

    ``replicated``: other nodes apply the same, and receipts that ask for it wait for them.
    ``bugs`` collects exceptions out of applying an operation or telling a receipt: the others go on.
    """

    __slots__ = (
        "_elsewhere",
        "_in_flight",
        "_in_flight_bytes",
        "_pack",
        "_packed",
        "_proposed",
        "_state",
        "_unsynced",
        "batch",
        "bugs",
        "pending_bytes",
        "replicated",
        "written",
    )

    def __init__(self, state: State, written: int, pack: Callable[[list[object]], bytes]) -> None:
        self._state = state
        self._pack = pack
        self._packed: list[bytes] = []
        self._proposed: list[tuple[Operation, Receipt | None]] = []
        self._in_flight: list[tuple[Operation, Receipt | None]] = []
        self._in_flight_bytes = b""
        self._unsynced: list[tuple[int, Receipt]] = []
        self.batch = written
        self.written = written
        state.ctx.synced = written
        self.pending_bytes = 0
        self.bugs: list[BaseException] = []
        self.replicated = False
        self._elsewhere: list[tuple[int, Receipt]] = []

    def append(self, operation: Operation, receipt: Receipt | None) -> None:
        """Propose an operation, after all that were proposed before."""
        packed = self._pack(encode_operation(operation))
        self._packed.append(packed)
        self.pending_bytes += len(packed) + OPERATION_OVERHEAD
        self._proposed.append((operation, receipt))

    def has_proposed(self) -> bool:
        """Whether something waits for the next batch."""
        return len(self._proposed) > 0

    def is_writing(self) -> bool:
        """Whether a batch was taken and isn't written yet."""
        return len(self._in_flight) > 0

    @property
    def synced(self) -> int:
        """The last batch that would survive a loss of power."""
        return self._state.ctx.synced

    def wants_sync(self) -> bool:
        """Whether somebody waits for more than what is synced."""
        return len(self._unsynced) > 0 or len(self._state.ctx.until_synced) > 0

    def take(self, max_operations: int = 0, max_bytes: int = 0) -> bytes:
        """Begin a batch of what is proposed, one at a time; its number is ``batch``.

        At most so many operations, and of more than one no more than so many bytes; 0: all.
        """
        packed = self._packed
        count = len(packed)
        if max_operations and count > max_operations:
            count = max_operations
        if max_bytes:
            size = 0
            for i in range(count):
                size += len(packed[i])
                if size > max_bytes and i:
                    count = i
                    break
        data = b"".join(packed[:count])
        self._in_flight = self._proposed[:count]
        del packed[:count]
        del self._proposed[:count]
        self._in_flight_bytes = data
        self.batch += 1
        return data

    def again(self) -> bytes:
        """The bytes of the batch that is being written, once more."""
        return self._in_flight_bytes

    def complete(self, number: int = -1) -> None:
        """The batch is written: apply it, and tell those who wait for no more than that.

        ``number`` is the batch's own, where that isn't known before: its place in a replicated log.
        """
        if number >= 0:
            self.batch = number
        self.written = self.batch
        entries = self._in_flight
        size = len(self._in_flight_bytes) + OPERATION_OVERHEAD * len(entries)
        self._in_flight_bytes = b""
        state = self._state
        state.ctx.index = self.batch
        for operation, receipt in entries:
            try:
                state.apply(operation)
                if receipt is not None:
                    self._applied(receipt, self.batch)
            except Exception as error:
                self.bugs.append(error)
                if receipt is not None:
                    self._give_up(receipt)  # else its connection would wait for ever
        self._in_flight = []
        self.pending_bytes -= size

    def _applied(self, receipt: Receipt, batch: int) -> None:
        if receipt.everywhere and self.replicated:
            self._elsewhere.append((batch, receipt))
        elif receipt.synced_only:
            self._unsynced.append((batch, receipt))
        else:
            receipt.applied()

    def complete_sync(self, batch: int) -> None:
        """Everything up to this batch would survive a loss of power."""
        send_synced(self._state.ctx, batch)
        waiting = self._unsynced
        count = 0
        for number, _ in waiting:
            if number > batch:
                break
            count += 1
        if count == 0:
            return
        self._unsynced = waiting[count:]
        for _, receipt in waiting[:count]:
            try:
                receipt.applied()
            except Exception as error:
                self.bugs.append(error)
                self._give_up(receipt)

    def skip(self, number: int) -> None:
        """The batch that is under way is part of a state that was taken over: apply nothing.

        Who waits is told, or goes on waiting for disks or other nodes: what was agreed on may be on few of them.
        """
        self.written = number
        entries, self._in_flight = self._in_flight, []
        self.pending_bytes -= len(self._in_flight_bytes) + OPERATION_OVERHEAD * len(entries)
        self._in_flight_bytes = b""
        for _, receipt in entries:
            if receipt is not None:
                try:
                    self._applied(receipt, number)
                except Exception as error:
                    self.bugs.append(error)
                    self._give_up(receipt)

    def pass_over(self, number: int) -> None:
        """Something that is not from here was applied at this place of the replicated log."""
        self.written = number

    def waits_elsewhere(self) -> bool:
        """Whether somebody waits for other nodes."""
        return len(self._elsewhere) > 0

    def complete_everywhere(self, number: int) -> None:
        """Everything up to this place of the replicated log is applied on every node that isn't down."""
        count = 0
        for place, _ in self._elsewhere:
            if place > number:
                break
            count += 1
        if count:
            told = self._elsewhere[:count]
            del self._elsewhere[:count]
            for place, receipt in told:
                if receipt.synced_only and place > self.synced:
                    self._unsynced.append((self.written, receipt))  # behind those that wait already
                    continue
                try:
                    receipt.applied()
                except Exception as error:
                    self.bugs.append(error)
                    self._give_up(receipt)

    def give_up(self) -> None:
        """Tell all who wait that the outcome is unknown; what is proposed is still written if that ever works."""
        for entries in (list(self._in_flight), list(self._proposed)):
            for _, receipt in entries:
                if receipt is not None:
                    self._give_up(receipt)
        for _, receipt in list(self._unsynced) + list(self._elsewhere):
            self._give_up(receipt)

    def _give_up(self, receipt: Receipt) -> None:
        try:
            receipt.give_up()
        except Exception as error:
            self.bugs.append(error)
