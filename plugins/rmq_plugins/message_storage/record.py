"""A kept message as bytes and back: what stands in segments, and what nodes send each other."""

import struct
from collections.abc import Iterator
from typing import Final

from rmq.plugin_api import Message

# Length of what follows, id, when it was published and when it expires (seconds since 1970, 0 for never), until when
# it is kept, the lengths of topic, publisher and properties, QoS with RETAIN and origin in one number.
_HEAD: Final = struct.Struct(">IQdddHHIB")
HEAD_SIZE: Final = _HEAD.size
_LENGTH: Final = struct.Struct(">I")


class Kept:
    """A message, its id (microseconds since 1970, no two the same on one node), and until when it is kept."""

    __slots__ = ("id", "keep_until", "message")

    def __init__(self, id_: int, keep_until: float, message: Message) -> None:
        self.id = id_
        self.keep_until = keep_until
        self.message = message


def packed(id_: int, keep_until: float, message: Message, payload: bytes) -> bytes:
    """A message as it is written; ``payload`` apart, because the message may not have it any more."""
    topic = message.topic.encode()
    publisher = message.publisher.encode()
    properties = message.properties
    length = HEAD_SIZE - 4 + len(topic) + len(publisher) + len(properties) + len(payload)
    flags = message.qos | (4 if message.retain else 0) | message.origin << 3
    head = _HEAD.pack(
        length,
        id_,
        message.created_at,
        message.expires_at,
        keep_until,
        len(topic),
        len(publisher),
        len(properties),
        flags,
    )
    return b"".join((head, topic, publisher, properties, payload))


def unpacked(data: bytes, offset: int = 0) -> tuple[Kept, int]:
    """The message at an offset, and where it ends. ``ValueError`` for what is none."""
    try:
        length, id_, created_at, expires_at, keep_until, topic_size, publisher_size, properties_size, flags = (
            _HEAD.unpack_from(data, offset)
        )
        end = offset + 4 + length
        start = offset + HEAD_SIZE
        after_topic = start + topic_size
        after_publisher = after_topic + publisher_size
        after_properties = after_publisher + properties_size
        if not after_properties <= end <= len(data):
            raise ValueError("a record that is cut off")
        message = Message(
            data[start:after_topic].decode(),
            data[after_properties:end],
            flags & 3,
            bool(flags & 4),
            data[after_topic:after_publisher].decode(),
            data[after_publisher:after_properties],
            expires_at,
            created_at,
            flags >> 3,
        )
    except (struct.error, UnicodeDecodeError) as error:
        raise ValueError(f"not a record: {error}") from None
    return Kept(id_, keep_until, message), end


def unpacked_all(data: bytes) -> Iterator[Kept]:
    """The messages of records that follow one another; ``ValueError``."""
    offset = 0
    while offset < len(data):
        kept, offset = unpacked(data, offset)
        yield kept
