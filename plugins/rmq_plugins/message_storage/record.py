"""A kept message as bytes and back: what stands in segments, and what nodes send each other."""

from collections.abc import Callable, Iterator
from typing import Final

from rmq.plugin_api import Message, packer, unpack_all

_pack: Final[Callable[[tuple[object, ...]], bytes]] = packer()
_SHAPE: Final = (int, float, float, float, str, str, bytes, int, bytes)


class Kept:
    """A message, its id (microseconds since 1970, no two the same on one node), and until when it is kept."""

    __slots__ = ("id", "keep_until", "message")

    def __init__(self, id_: int, keep_until: float, message: Message) -> None:
        self.id = id_
        self.keep_until = keep_until
        self.message = message


def packed(id_: int, keep_until: float, message: Message, payload: bytes) -> bytes:
    """A message as it is written; ``payload`` apart, because the message may not have it any more."""
    return _pack(
        (
            id_,
            keep_until,
            message.created_at,
            message.expires_at,
            message.topic,
            message.publisher,
            message.properties,
            message.qos | (4 if message.retain else 0) | message.origin << 3,
            payload,
        )
    )


def unpacked_all(data: bytes) -> Iterator[Kept]:
    """The messages of records that follow one another; ``ValueError`` for what is none."""
    for fields in unpack_all(data):
        if tuple(map(type, fields)) != _SHAPE:
            raise ValueError("not a record")
        id_, keep_until, created_at, expires_at, topic, publisher, properties, flags, payload = fields
        message = Message(
            topic, payload, flags & 3, bool(flags & 4), publisher, properties, expires_at, created_at, flags >> 3
        )
        yield Kept(id_, keep_until, message)
