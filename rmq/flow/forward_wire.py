"""Messages on their way from node to node, as bytes: compact, and quick to make and to read.

They go in *runs*: messages of one publisher to one topic, of one QoS, one behind the other, so that names are sent, and
looked up, once. A run is its length (4 bytes, of all that follows), flags, how many messages it has, the lengths of
topic name and publisher, and those. Then come the messages:

* of QoS 0 without RETAIN: the PUBLISH packets of MQTT 3.1.1, which receivers of that version get as they are;
* others: each the length of its payload (4 bytes), and the payload;
* with what most messages don't have (origin, times and properties; the key of a share group and the client id of its
  member): one alone in its run, and its payload is the rest.
"""

import struct
from typing import Final

from rmq.flow.ports import Pick
from rmq.mqtt.message import Message

_HEAD: Final = struct.Struct(">IBHHH")
_HEAD_SIZE: Final = 11
# Origin, expires at, created at, length of the properties.
_EXTRAS: Final = struct.Struct(">BddI")
_EXTRAS_SIZE: Final = 21
# Lengths of key and client id.
_PICK: Final = struct.Struct(">HH")
_PICK_SIZE: Final = 4
_LENGTH_SIZE: Final = 4

# Flags: RETAIN in the lowest bit, QoS in the next two, the kind in the next two.
_KIND_SHIFT: Final = 3
_HAS_EXTRAS: Final = 32
_ALL_FLAGS: Final = 63
_CACHED_NAMES: Final = 16_384
_PUBLISH: Final = 0x30

# For all subscribers; for a member of a share group; for one that was chosen because the first had left.
TO_ALL: Final = 0
TO_MEMBER: Final = 1
TO_ANOTHER_MEMBER: Final = 2


class Forwarded:
    """A run of messages that came from another node; ``key`` and ``client_id`` are "" where it is for all subscribers.

    ``packets`` are the PUBLISH packets of a run of QoS 0 without RETAIN, b"" of others; ``start`` and ``stop`` say
    where its payloads are in ``body``. ``message`` is the only one of a run that has more than a payload of its own.
    """

    __slots__ = (
        "body",
        "client_id",
        "count",
        "key",
        "kind",
        "message",
        "packets",
        "publisher",
        "qos",
        "retain",
        "start",
        "stop",
        "topic",
    )

    def __init__(self, topic: str, publisher: str, flags: int, count: int, body: bytes, start: int, stop: int) -> None:
        self.topic = topic
        self.publisher = publisher
        self.kind = flags >> _KIND_SHIFT & 3
        self.qos = flags >> 1 & 3
        self.retain = flags & 1 == 1
        self.count = count
        self.body = body
        self.start = start
        self.stop = stop
        self.packets = b""
        self.message: Message | None = None
        self.key = ""
        self.client_id = ""

    def messages(self, now: float) -> list[Message]:
        """Each of them, made ``now`` where it doesn't say when."""
        message = self.message
        if message is not None:
            return [message]
        found: list[Message] = []
        topic = self.topic
        publisher = self.publisher
        qos = self.qos
        retain = self.retain
        if self.packets:
            packets = self.packets
            size = len(packets)
            at = 0
            while at < size:
                body = at + 2
                while packets[body - 1] > 127:
                    body += 1
                end = _end_of_packet(packets, at, size)
                payload = body + 2 + (packets[body] << 8 | packets[body + 1])
                found.append(Message(topic, packets[payload:end], qos, retain, publisher, b"", 0.0, now))
                at = end
            return found
        data = self.body
        at = self.start
        stop = self.stop
        while at < stop:
            end = at + _LENGTH_SIZE + (data[at] << 24 | data[at + 1] << 16 | data[at + 2] << 8 | data[at + 3])
            found.append(Message(topic, data[at + _LENGTH_SIZE : end], qos, retain, publisher, b"", 0.0, now))
            at = end
        return found


def run_head(flags: int, count: int, topic: str, publisher: str, size: int) -> bytes:
    """What stands before the messages of a run, which take ``size`` bytes."""
    name = topic.encode()
    client_id = publisher.encode()
    length = _HEAD_SIZE - 4 + len(name) + len(client_id) + size
    return _HEAD.pack(length, flags, count, len(name), len(client_id)) + name + client_id


def is_plain(message: Message) -> bool:
    """Whether it may share a run with others."""
    return message.expires_at == 0.0 and message.origin == 0 and not message.properties


def run_flags(message: Message) -> int:
    """The flags of a run of such messages for all subscribers."""
    return message.qos << 1 | (1 if message.retain else 0)


def pack_alone(message: Message, kind: int, pick: Pick | None) -> bytes:
    """A run of one message with all that it has."""
    properties = message.properties
    parts = [_EXTRAS.pack(message.origin, message.expires_at, message.created_at, len(properties)), properties]
    if pick is not None:
        key = pick.key.encode()
        client_id = pick.client_id.encode()
        parts += [_PICK.pack(len(key), len(client_id)), key, client_id]
    parts.append(message.payload)
    data = b"".join(parts)
    flags = run_flags(message) | kind << _KIND_SHIFT | _HAS_EXTRAS
    return run_head(flags, 1, message.topic, message.publisher, len(data)) + data


def unpack_forwards(body: bytes, start: int, names: dict[bytes, str]) -> list[Forwarded]:
    """All runs of a frame from ``start`` on. Raises ``ValueError``.

    ``names`` keeps topic names and client ids that came before.
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
        count: int = head[2]
        topic_end: int = head[3]
        publisher_end: int = head[4]
        stop = position + 4 + size
        at = position + _HEAD_SIZE
        topic_end += at
        publisher_end += topic_end
        if stop > end or publisher_end > stop:
            raise ValueError("the lengths of a forwarded message don't fit")
        topic = _name(body[at:topic_end], names)
        publisher = _name(body[topic_end:publisher_end], names)
        run = Forwarded(topic, publisher, flags, count, body, publisher_end, stop)
        if flags > _ALL_FLAGS or run.kind > TO_ANOTHER_MEMBER or run.qos > 2:
            raise ValueError("the kind of a forwarded message isn't known")
        if flags & _HAS_EXTRAS:
            _read_alone(run)
        elif run.kind:
            raise ValueError("a forwarded message doesn't say for whom it is")
        elif flags:
            _check_payloads(run)
        else:
            _check_packets(run)
        found.append(run)
        position = stop
    return found


def _read_alone(run: Forwarded) -> None:
    body = run.body
    at = run.start
    stop = run.stop
    if run.count != 1:
        raise ValueError("a forwarded message should be alone")
    if stop - at < _EXTRAS_SIZE:
        raise ValueError("a forwarded message is cut off")
    extras = _EXTRAS.unpack_from(body, at)
    origin: int = extras[0]
    expires_at: float = extras[1]
    created_at: float = extras[2]
    properties_size: int = extras[3]
    at += _EXTRAS_SIZE
    if stop - at < properties_size + (_PICK_SIZE if run.kind else 0):
        raise ValueError("the lengths of a forwarded message don't fit")
    properties = body[at : at + properties_size]
    at += properties_size
    if run.kind:
        sizes = _PICK.unpack_from(body, at)
        key_size: int = sizes[0]
        client_id_size: int = sizes[1]
        at += _PICK_SIZE
        if stop - at < key_size + client_id_size:
            raise ValueError("the lengths of a forwarded message don't fit")
        run.key = body[at : at + key_size].decode()
        at += key_size
        run.client_id = body[at : at + client_id_size].decode()
        at += client_id_size
    run.message = Message(
        run.topic, body[at:stop], run.qos, run.retain, run.publisher, properties, expires_at, created_at, origin
    )


def _check_payloads(run: Forwarded) -> None:
    data = run.body
    at = run.start
    stop = run.stop
    count = 0
    while at + _LENGTH_SIZE <= stop:
        at += _LENGTH_SIZE + (data[at] << 24 | data[at + 1] << 16 | data[at + 2] << 8 | data[at + 3])
        count += 1
    if at != stop or count != run.count:
        raise ValueError("the messages of a run don't fit")


def _check_packets(run: Forwarded) -> None:
    """Clients get these bytes as they are: each has to be a PUBLISH that ends where the next one begins."""
    packets = run.body[run.start : run.stop]
    size = len(packets)
    at = 0
    count = 0
    while at < size:
        at = _end_of_packet(packets, at, size)
        count += 1
    if count != run.count or count == 0:
        raise ValueError("the messages of a run don't fit")
    run.packets = packets


def _end_of_packet(packets: bytes, start: int, size: int) -> int:
    at = start + 1
    remaining = 0
    shift = 0
    while at < size and shift < 28:
        digit = packets[at]
        at += 1
        remaining |= (digit & 127) << shift
        if digit < 128:
            end = at + remaining
            if packets[start] != _PUBLISH or remaining < 2 or end > size:
                break
            if remaining < 2 + (packets[at] << 8 | packets[at + 1]):
                break
            return end
        shift += 7
    raise ValueError("a run has something else than PUBLISH packets")


def _name(raw: bytes, names: dict[bytes, str]) -> str:
    name = names.get(raw)
    if name is None:
        name = raw.decode()
        if len(names) >= _CACHED_NAMES:
            names.clear()
        if len(raw) <= 256:
            names[raw] = name
    return name
