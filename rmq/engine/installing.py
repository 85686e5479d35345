"""Another node's snapshot in the place of all that is here: built beside it in slices, then taken at once."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rmq.engine.applied import begin_timers
from rmq.engine.rebind import Rebinding
from rmq.engine.slices import Slices
from rmq.mqtt.message import Message
from rmq.storage.record_file import CorruptFile
from rmq.storage.recovery import Found, begin_taking_over, finish_taking_over
from rmq.storage.replacing import carry_over, empty_beside, exchange, take_apart
from rmq.storage.segments import Segments
from rmq.storage.snapshot import snapshot_numbers
from rmq.storage.snapshot_reader import SnapshotReader, Steps, missing

if TYPE_CHECKING:
    from rmq.engine.member_port import MemberPort

Told = Callable[[Exception | None], None]


class Installing:
    """``done`` is told None when the snapshot is in place; or the ``CorruptFile`` or ``OSError`` why it can't be, and
    then nothing has changed. Nothing may be applied before that.

    Until the new state is built the old one goes on serving, as while the snapshot was on its way. Then the files are
    changed, then the states, then each connection finds its session again. If the process ends meanwhile, the next
    start finds the old files or the new ones, whole.
    """

    def __init__(self, port: "MemberPort", folder: Path, index: int, term: int, done: Told) -> None:
        self._port = port
        self._source = folder
        self._index = index
        self._term = term
        self._done = done
        self._beside = empty_beside(port.broker.state)
        self._reader: SnapshotReader | None = None
        self._is_placing = False
        self._unread: list[tuple[list[Message], Callable[[], None]]] = []

    def begin(self) -> None:
        """Have it done, from a later turn on."""
        self._port.snapshots.hold()
        Slices(self._port.reader, self._build(), self._built, self._failed).begin()

    def swallows(self, messages: list[Message], then: Callable[[], None]) -> bool:
        """Whether payloads can't be read, because the files are going: ``then`` is called if they stay after all."""
        if self._is_placing:
            self._unread.append((messages, then))
        return self._is_placing

    # The new state

    def _build(self) -> Steps:
        numbers = snapshot_numbers(self._source)
        if not numbers:
            raise CorruptFile(self._source, 0, "no snapshot is in it")
        broker = self._port.broker
        beside = self._beside
        reader = self._reader = SnapshotReader(self._source, numbers[-1], beside.ctx.memory_budget)
        yield from reader.steps(beside)
        sessions = [channel.session for channel in broker.registry if channel.session is not None]
        yield from carry_over(sessions, broker.state, beside)

    def _failed(self, error: Exception) -> None:
        port = self._port
        if isinstance(error, FileNotFoundError):
            error = missing(error, self._source)
        elif not isinstance(error, (CorruptFile, OSError)):
            port.broker.report_bug(None, "in installing a snapshot")
            error = CorruptFile(self._source, 0, f"it can't be entered: {error!r}")
        port.broker.state.router.successor = None
        self._is_placing = False
        port.snapshots.release()
        port.installing = None
        for messages, then in self._unread:
            port.read_payloads(messages, then)
        self._let_go()
        self._done(error)

    def _let_go(self) -> None:
        Slices(self._port.reader, take_apart(self._beside), _nothing, self._not_let_go).begin()

    def _not_let_go(self, error: Exception) -> None:
        self._port.broker.report_bug(None, "in letting go of a state")

    # The files

    def _built(self) -> None:
        # What is being read for clients is read to its end, and nothing more.
        self._is_placing = True
        port = self._port
        port.reader.submit(_nothing, self._begin_placing)

    def _begin_placing(self, _: object, __: OSError | None) -> None:
        port = self._port
        port.writer.submit(lambda: begin_taking_over(self._source, port.folder), self._begun)

    def _begun(self, _: object, error: OSError | None) -> None:
        if error is not None:
            self._failed(error)
            return
        self._place()

    def _place(self) -> None:
        port = self._port
        port.writer.submit(lambda: finish_taking_over(port.folder), self._placed)

    def _placed(self, _: object, error: OSError | None) -> None:
        # Some of the old files may be gone: there is no way back.
        if error is not None:
            self._port.fail("taking over a snapshot", error, self._place)
            return
        if self._port.error:
            self._port.recovered()
        self._exchange()

    # The step

    def _exchange(self) -> None:
        port = self._port
        broker = port.broker
        broker.touch_clock()
        rebinding = Rebinding(broker)
        exchange(broker.state, self._beside)
        broker.delayed.clear()
        port.replace_files(self._found())
        if broker.state.cluster.time:
            port.time_moved(broker.state.cluster.time)
        record = port.nodes.get(port.node_id)
        is_up = record is not None and record.up and record.incarnation == port.incarnation
        Slices(port.reader, self._settle(rebinding, is_up=is_up), self._finish, self._not_settled).begin()

    def _found(self) -> Found:
        reader = self._reader
        assert reader is not None
        segments = Segments(self._port.folder, max(reader.sizes, default=0) + 1)
        segments.sizes = dict(reader.sizes)
        found = Found(self._port.folder, segments)
        found.batch = reader.batch
        found.term = reader.journal
        found.snapshot = reader.number
        found.snapshot_bytes = reader.size
        return found

    # What follows from it

    def _settle(self, rebinding: Rebinding, *, is_up: bool) -> Steps:
        yield from rebinding.steps(is_up=is_up)
        yield from begin_timers(self._port.broker)

    def _not_settled(self, error: Exception) -> None:
        self._port.broker.report_bug(None, "in settling a snapshot")
        self._finish()

    def _finish(self) -> None:
        port = self._port
        port.snapshots.release()
        port.installing = None
        port.installed(self._index, self._term)
        self._let_go()
        self._done(None)


def _nothing() -> None:
    """There is nothing to do."""
