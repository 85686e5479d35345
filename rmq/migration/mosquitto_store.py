"""mosquitto.db, what mosquitto keeps on disk (versions 5 and 6 of it): its retained messages."""

import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rmq.migration.files import read_bytes
from rmq.migration.findings import Findings, MigrationError, Retained

MAGIC: Final = b"\x00\xb5\x00mosquitto db"
VERSIONS: Final = (5, 6)
_HEADER: Final = struct.Struct(">II")
MESSAGE: Final = 2
RETAIN: Final = 4
# Most numbers are in network order; ids and times are as the machine had them, which is this order everywhere by now.
_NUMBERS: Final = struct.Struct("<Qq")
_STORED: Final = struct.Struct(">IHHHHHBB")
_RETAINED: Final = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class _Message:
    topic: bytes
    payload: bytes
    qos: int
    expires_at: int


def read_retained(found: Findings, path: Path) -> None:
    """All of them; a file that isn't there is no fault: mosquitto writes it when it ends."""
    if not path.exists():
        found.leave(str(path), "isn't there: mosquitto writes it when it ends (retained messages)")
        return
    try:
        messages = _messages(path)
    except (struct.error, IndexError):
        raise MigrationError(f"{path}: ends in the middle") from None
    now = time.time()
    taken = 0
    for message in messages:
        if message.expires_at and message.expires_at <= now:
            continue
        try:
            topic = message.topic.decode()
        except UnicodeDecodeError:
            found.leave(f"a retained message of {path.name}", "its topic isn't UTF-8")
            continue
        if topic.startswith("$SYS/"):
            continue
        left = max(1, int(message.expires_at - now)) if message.expires_at else None
        found.retained.append(Retained(topic, message.payload, message.qos, left))
        taken += 1
    found.note(str(path), f"{taken} retained messages")
    found.leave(str(path), "sessions with their queues stay behind: clients subscribe anew")


def _messages(path: Path) -> list[_Message]:
    content = read_bytes(path)
    if not content.startswith(MAGIC):
        raise MigrationError(f"{path}: isn't a database of mosquitto")
    (version,) = struct.unpack_from(">I", content, len(MAGIC) + 4)
    if version not in VERSIONS:
        raise MigrationError(f"{path}: version {version} isn't known: have mosquitto 2 read and write it")
    stored: dict[int, _Message] = {}
    wanted: list[int] = []
    for kind, chunk in _chunks(content, len(MAGIC) + 8):
        if kind == MESSAGE:
            number, message = _message(chunk)
            stored[number] = message
        elif kind == RETAIN:
            wanted += _RETAINED.unpack_from(chunk)
    return [stored[number] for number in wanted if number in stored]


def _chunks(content: bytes, offset: int) -> Iterator[tuple[int, bytes]]:
    while offset < len(content):
        kind, size = _HEADER.unpack_from(content, offset)
        offset += _HEADER.size
        if offset + size > len(content):
            raise IndexError
        yield kind, content[offset : offset + size]
        offset += size


def _message(chunk: bytes) -> tuple[int, _Message]:
    number, expires_at = _NUMBERS.unpack_from(chunk)
    payload_size, _, source, username, topic_size, _, qos, _ = _STORED.unpack_from(chunk, _NUMBERS.size)
    begin = _NUMBERS.size + _STORED.size + source + username
    topic = chunk[begin : begin + topic_size]
    payload = chunk[begin + topic_size : begin + topic_size + payload_size]
    if len(payload) != payload_size:
        raise IndexError
    return number, _Message(topic, payload, qos, expires_at)
