"""Messages on their way from node to node, as bytes: compact, and quick to make and to read.

A message is its length (4 bytes, of all that follows), the fields of ``_HEAD``, and then topic name, publisher,
properties, for a member of a share group the key of the group and its client id, and the payload.
"""

import struct
from typing import Final

from rmq.flow.ports import Pick
from rmq.mqtt.message import Message

# Kind, QoS and RETAIN; origin; lengths of topic, publisher, properties, key, client id; expires at; created at.
_HEAD: Final = struct.Struct(">BBHHIHHdd")
_SIZE: Final = struct.Struct(">I")
_HEAD_SIZE: Final = 4 + 30

# For all subscribers; for a member of a share group; for one that was chosen because the first had left.
TO_ALL: Final = 0
TO_MEMBER: Final = 1
TO_ANOTHER_MEMBER: Final = 2


class Forwarded:
    """A message that came from another node; ``key`` and ``client_id`` are "" where it is for all subscribers."""

    __slots__ = ("client_id", "key", "kind", "message")

    def __init__(self, message: Message, kind: int, key: str, client_id: str) -> None:
        self.message = message
        self.kind = kind
        self.key = key
        self.client_id = client_id


def pack_forward(message: Message, kind: int, pick: Pick | None) -> bytes:
    """The bytes of one message."""
    topic = message.topic.encode()
    publisher = message.publisher.encode()
    properties = message.properties
    payload = message.payload
    key = b""
    client_id = b""
    if pick is not None:
        key = pick.key.encode()
        client_id = pick.client_id.encode()
    flags = kind << 3 | message.qos << 1 | (1 if message.retain else 0)
    size = 30 + len(topic) + len(publisher) + len(properties) + len(key) + len(client_id) + len(payload)
    head = _HEAD.pack(
        flags,
        message.origin,
        len(topic),
        len(publisher),
        len(properties),
        len(key),
        len(client_id),
        message.expires_at,
        message.created_at,
    )
    return b"".join([_SIZE.pack(size), head, topic, publisher, properties, key, client_id, payload])


def unpack_forwards(body: bytes, start: int, topics: dict[bytes, str]) -> list[Forwarded]:
    """All messages of a frame from ``start`` on. Raises ``ValueError``.

    ``topics`` keeps topic names that came before, so that the same name is the same text.
    """
    found: list[Forwarded] = []
    position = start
    end = len(body)
    while position < end:
        if end - position < _HEAD_SIZE:
            raise ValueError("a forwarded message is cut off")
        size = int.from_bytes(body[position : position + 4], "big")
        stop = position + 4 + size
        fields = _HEAD.unpack_from(body, position + 4)
        flags: int = fields[0]
        origin: int = fields[1]
        topic_size: int = fields[2]
        publisher_size: int = fields[3]
        properties_size: int = fields[4]
        key_size: int = fields[5]
        client_id_size: int = fields[6]
        expires_at: float = fields[7]
        created_at: float = fields[8]
        at = position + _HEAD_SIZE
        if stop > end or at + topic_size + publisher_size + properties_size + key_size + client_id_size > stop:
            raise ValueError("the lengths of a forwarded message don't fit")
        raw = body[at : at + topic_size]
        topic = topics.get(raw)
        if topic is None:
            topic = raw.decode()
            if len(topics) >= 8192:
                topics.clear()
            topics[raw] = topic
        at += topic_size
        publisher = body[at : at + publisher_size].decode()
        at += publisher_size
        properties = body[at : at + properties_size]
        at += properties_size
        kind = flags >> 3
        qos = flags >> 1 & 3
        if kind > TO_ANOTHER_MEMBER or qos > 2:
            raise ValueError("the kind of a forwarded message isn't known")
        key = ""
        client_id = ""
        if kind:
            key = body[at : at + key_size].decode()
            at += key_size
            client_id = body[at : at + client_id_size].decode()
            at += client_id_size
        message = Message(
            topic, body[at:stop], qos, flags & 1 == 1, publisher, properties, expires_at, created_at, origin
        )
        found.append(Forwarded(message, kind, key, client_id))
        position = stop
    return found
