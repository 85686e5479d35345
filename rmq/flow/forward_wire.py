"""Messages on their way from node to node, as bytes: compact, and quick to make and to read.

A message is its length (4 bytes, of all that follows), flags, the lengths of topic name and publisher, and those. Then
comes, where the flags say so, what most messages don't have: origin, times and properties; and for a member of a share
group the group's key and the member's client id. The rest is the payload.
"""

import struct
from typing import Final

from rmq.flow.ports import Pick
from rmq.mqtt.message import Message

_HEAD: Final = struct.Struct(">IBHH")
_HEAD_SIZE: Final = 9
# Origin, expires at, created at, length of the properties.
_EXTRAS: Final = struct.Struct(">BddI")
_EXTRAS_SIZE: Final = 21
# Lengths of key and client id.
_PICK: Final = struct.Struct(">HH")
_PICK_SIZE: Final = 4

# Flags: RETAIN in the lowest bit, QoS in the next two, the kind in the next two.
_KIND_SHIFT: Final = 3
_HAS_EXTRAS: Final = 32
_ALL_FLAGS: Final = 63
_CACHED_NAMES: Final = 16_384

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
    payload = message.payload
    properties = message.properties
    flags = kind << _KIND_SHIFT | message.qos << 1 | (1 if message.retain else 0)
    size = 5 + len(topic) + len(publisher) + len(payload)
    if pick is None and not properties and message.expires_at == 0.0 and message.origin == 0:
        return b"".join([_HEAD.pack(size, flags, len(topic), len(publisher)), topic, publisher, payload])
    extras = _EXTRAS.pack(message.origin, message.expires_at, message.created_at, len(properties))
    flags |= _HAS_EXTRAS
    size += _EXTRAS_SIZE + len(properties)
    parts = [topic, publisher, extras, properties]
    if pick is not None:
        key = pick.key.encode()
        client_id = pick.client_id.encode()
        size += _PICK_SIZE + len(key) + len(client_id)
        parts += [_PICK.pack(len(key), len(client_id)), key, client_id]
    parts.append(payload)
    return _HEAD.pack(size, flags, len(topic), len(publisher)) + b"".join(parts)


def unpack_forwards(body: bytes, start: int, now: float, names: dict[bytes, str]) -> list[Forwarded]:
    """All messages of a frame from ``start`` on. Raises ``ValueError``.

    A message that says nothing of times was made ``now``. ``names`` keeps topic names and client ids that came before.
    """
    found: list[Forwarded] = []
    position = start
    end = len(body)
    while position < end:
        if end - position < _HEAD_SIZE:
            raise ValueError("a forwarded message is cut off")
        head = _HEAD.unpack_from(body, position)
        size: int = head[0]
        flags: int = head[1]
        topic_end: int = head[2]
        publisher_end: int = head[3]
        stop = position + 4 + size
        at = position + _HEAD_SIZE
        topic_end += at
        publisher_end += topic_end
        if stop > end or publisher_end > stop:
            raise ValueError("the lengths of a forwarded message don't fit")
        kind = flags >> _KIND_SHIFT & 3
        qos = flags >> 1 & 3
        if flags > _ALL_FLAGS or kind > TO_ANOTHER_MEMBER or qos > 2:
            raise ValueError("the kind of a forwarded message isn't known")
        topic = _name(body[at:topic_end], names)
        publisher = _name(body[topic_end:publisher_end], names)
        at = publisher_end
        if flags & _HAS_EXTRAS == 0:
            if kind:
                raise ValueError("a forwarded message doesn't say for whom it is")
            message = Message(topic, body[at:stop], qos, flags & 1 == 1, publisher, b"", 0.0, now)
            found.append(Forwarded(message, TO_ALL, "", ""))
            position = stop
            continue
        if stop - at < _EXTRAS_SIZE:
            raise ValueError("a forwarded message is cut off")
        extras = _EXTRAS.unpack_from(body, at)
        origin: int = extras[0]
        expires_at: float = extras[1]
        created_at: float = extras[2]
        properties_size: int = extras[3]
        at += _EXTRAS_SIZE
        if stop - at < properties_size + (_PICK_SIZE if kind else 0):
            raise ValueError("the lengths of a forwarded message don't fit")
        properties = body[at : at + properties_size]
        at += properties_size
        key = ""
        client_id = ""
        if kind:
            sizes = _PICK.unpack_from(body, at)
            key_size: int = sizes[0]
            client_id_size: int = sizes[1]
            at += _PICK_SIZE
            if stop - at < key_size + client_id_size:
                raise ValueError("the lengths of a forwarded message don't fit")
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


def _name(raw: bytes, names: dict[bytes, str]) -> str:
    name = names.get(raw)
    if name is None:
        name = raw.decode()
        if len(names) >= _CACHED_NAMES:
            names.clear()
        if len(raw) <= 256:
            names[raw] = name
    return name
