"""What nodes say to each other while a snapshot goes from one to the other: checked messages on the DATA connection."""

from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Final

from rmq.storage.packing import pack, unpack

# FILE
BEGIN: Final = 1
PART: Final = 2
END: Final = 3
ABORT: Final = 4
# FILE_ACK
ACCEPTED: Final = 1
WRITTEN: Final = 2
INSTALLED: Final = 3
REFUSED: Final = 4

PART_BYTES: Final = 64 * 1024
READ_BYTES: Final = 1024 * 1024
MAX_FILES: Final = 100_000
MAX_NAME: Final = 100
MAX_REASON: Final = 500
MAX_IDS: Final = 1000


class BadTransfer(ValueError):
    """A message that no sound peer sends."""


@dataclass(frozen=True, slots=True)
class Begin:
    """A snapshot comes: where it stands in the log, who were members then, names and sizes of its files in bytes."""

    number: int
    index: int
    term: int
    voters: tuple[int, ...]
    observers: tuple[int, ...]
    files: tuple[tuple[str, int], ...]

    def packed(self) -> bytes:
        """The body of its frame."""
        files = [[name, size] for name, size in self.files]
        return pack(
            [BEGIN, self.number, self.index, self.term, list(self.voters), list(self.observers), files],
        )

    @property
    def size(self) -> int:
        """The bytes of all files."""
        return sum(size for _, size in self.files)


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of a file; parts come in order, file by file."""

    number: int
    file: int
    offset: int
    data: bytes

    def packed(self) -> bytes:
        """The body of its frame."""
        return pack([PART, self.number, self.file, self.offset, self.data])


@dataclass(frozen=True, slots=True)
class End:
    """All parts were sent; the CRC-32 of each file."""

    number: int
    checksums: tuple[int, ...]

    def packed(self) -> bytes:
        """The body of its frame."""
        return pack([END, self.number, list(self.checksums)])


@dataclass(frozen=True, slots=True)
class Abort:
    """The sender gives up."""

    number: int

    def packed(self) -> bytes:
        """The body of its frame."""
        return pack([ABORT, self.number])


@dataclass(frozen=True, slots=True)
class Ack:
    """The receiver's answer; ``written`` bytes are on its disk in all, ``reason`` is for a person."""

    kind: int
    number: int
    written: int = 0
    reason: str = ""

    def packed(self) -> bytes:
        """The body of its frame."""
        return pack([self.kind, self.number, self.written, self.reason[:MAX_REASON]])


Message = Begin | Part | End | Abort


def read_message(body: bytes) -> Message:
    """What a FILE frame says. Raises ``BadTransfer``."""
    try:
        kind, number, *rest = unpack(body)
        _number(number)
        if kind == PART:
            file, offset, data = rest
            if not isinstance(data, bytes) or len(data) > PART_BYTES:
                raise BadTransfer("a part is bytes, and not so many")
            return Part(number, _number(file), _number(offset), data)
        if kind == BEGIN:
            index, term, voters, observers, files = rest
            return Begin(number, _number(index), _number(term), _ids(voters), _ids(observers), _files(files))
        if kind == END:
            (checksums,) = rest
            if not isinstance(checksums, list) or len(checksums) > MAX_FILES:
                raise BadTransfer("no such checksums")
            return End(number, tuple(_number(checksum) for checksum in checksums))
        if kind == ABORT and not rest:
            return Abort(number)
    except (TypeError, ValueError) as error:
        raise BadTransfer(str(error)) from None
    raise BadTransfer(f"kind {kind} isn't known")


def read_ack(body: bytes) -> Ack:
    """What a FILE_ACK frame says. Raises ``BadTransfer``."""
    try:
        kind, number, written, reason = unpack(body)
        if kind not in (ACCEPTED, WRITTEN, INSTALLED, REFUSED) or not isinstance(reason, str):
            raise BadTransfer("no such answer")
        return Ack(kind, _number(number), _number(written), reason[:MAX_REASON])
    except (TypeError, ValueError) as error:
        raise BadTransfer(str(error)) from None


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise BadTransfer("not a number")
    return value


def _ids(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or len(value) > MAX_IDS:
        raise BadTransfer("not a list of nodes")
    return tuple(_number(node_id) for node_id in value)


def _files(value: Any) -> tuple[tuple[str, int], ...]:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_FILES:
        raise BadTransfer("not a list of files")
    files = tuple((_name(name), _number(size)) for name, size in value)
    if len({name for name, _ in files}) != len(files):
        raise BadTransfer("a file twice")
    return files


def _name(value: Any) -> str:
    """A plain file name: nothing that could lead out of the folder."""
    if not isinstance(value, str) or not value or len(value) > MAX_NAME or "\0" in value:
        raise BadTransfer("not a file name")
    if value.startswith(".") or "/" in value or "\\" in value or PurePath(value).name != value:
        raise BadTransfer(f"{value!r} is no plain file name")
    return value
